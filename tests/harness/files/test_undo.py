"""Undo: everything back as it was, or nothing touched."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from toolscript.errors import ToolError
from toolscript.files import DiskFiles, Locks, alike, conflicts, net, restore, widened
from toolscript.files import disk as disk_module
from toolscript.files.undo import undo
from toolscript.registry.files import Change, State


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "w"
    (root / "sub").mkdir(parents=True)
    (root / "a").write_text("old")
    (root / "a").chmod(0o750)
    (root / "sub" / "b").write_text("b")
    (root / "link").symlink_to("a")
    return root


@pytest.fixture
def files(root: Path) -> DiskFiles:
    return DiskFiles([root], locks=Locks(root.parent / "locks", wait=5))


def snapshot(root: Path) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(root.rglob("*")):
        mode = path.lstat().st_mode
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else ""
        found[str(path.relative_to(root))] = (mode, content)
    return found


def some_work(files: DiskFiles, root: Path) -> list[Change]:
    """Modify, create in new directories, delete, replace a link, move, change a mode."""
    at = files.place
    return [
        files.write(at("a", root), b"new", mode=0o600),
        files.write(at("n/m/x", root), b"x", create_dirs=True),
        files.write(at("n/y", root), b"y"),
        files.delete(at("sub/b", root)),
        files.delete(at("link", root, follow=False)),
        files.write(at("link", root), b"a file now"),
        files.write(at("n/m/x", root), b"x again"),
        files.write(at("moved", root), b"b"),
    ]


def test_everything_is_back_and_undoing_the_undo_does_it_again(files, root):
    before = snapshot(root)
    changes = some_work(files, root)
    after = snapshot(root)
    undone = undo(files, changes)
    assert snapshot(root) == before
    redone = undo(files, undone)
    assert snapshot(root) == after
    undo(files, redone)
    assert snapshot(root) == before


@pytest.mark.parametrize(
    "meddle",
    [
        lambda root: (root / "a").write_text("by hand"),
        lambda root: (root / "a").chmod(0o777),
        lambda root: (root / "a").unlink(),
        lambda root: (root / "sub" / "b").write_text("back again"),
        lambda root: ((root / "link").unlink(), (root / "link").symlink_to("a")),
    ],
)
def test_one_path_changed_since_leaves_all_untouched_and_is_named(files, root, meddle):
    changes = some_work(files, root)
    meddle(root)
    before = snapshot(root)
    with pytest.raises(ToolError) as caught:
        undo(files, changes)
    assert (caught.value.code, len(caught.value.details["paths"])) == ("changed", 1)
    assert snapshot(root) == before
    conflict = conflicts(files, changes)[0]
    assert str(conflict.path) == caught.value.details["paths"][0]
    assert not alike(conflict.now, conflict.after)


def test_a_person_may_restore_one_path_of_a_conflict_alone(files, root):
    changes = some_work(files, root)
    (root / "a").write_text("by hand")
    (conflict,) = conflicts(files, changes)
    done = restore(files, [(conflict.path, conflict.before)])
    assert (root / "a").read_text() == "old"
    assert (root / "a").stat().st_mode & 0o777 == 0o750
    assert done[0].before.data == b"by hand"


def test_directories_in_which_somebody_put_something_are_kept(files, root):
    changes = some_work(files, root)
    (root / "n" / "m" / "mine").write_text("keep me")
    undo(files, changes)
    assert snapshot(root)["n/m/mine"][1] == b"keep me"
    assert not (root / "n" / "y").exists()


def test_a_directory_that_became_somebodys_file_is_not_removed(files, root):
    changes = [files.write(files.place("n/x", root), b"x", create_dirs=True)]
    (root / "n" / "x").unlink()
    (root / "n").rmdir()
    (root / "n").write_text("a file")
    with pytest.raises(ToolError):
        undo(files, changes)
    assert (root / "n").read_text() == "a file"


def test_a_file_that_gave_way_to_a_directory_comes_back(files, root):
    before = snapshot(root)
    changes = [files.delete(files.place("a", root)), files.write(files.place("a/x", root), b"x", create_dirs=True)]
    undo(files, changes)
    assert snapshot(root) == before


def test_a_link_that_leads_outside_is_put_back_as_a_link_and_never_followed(files, root, tmp_path):
    (tmp_path / "outside").write_text("secret")
    (root / "out").symlink_to(tmp_path / "outside")
    changes = [files.delete(files.place("out", root, follow=False)), files.write(files.place("out", root), b"mine")]
    undo(files, changes)
    assert (root / "out").readlink() == tmp_path / "outside"
    assert (tmp_path / "outside").read_text() == "secret"


def test_a_directory_swapped_for_a_link_since_is_not_followed(files, root, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "b").write_text("theirs")
    changes = [files.write(files.place("sub/b", root), b"theirs")]
    (root / "sub").rename(root / "aside")
    (root / "sub").symlink_to(tmp_path / "outside")
    with pytest.raises(ToolError):
        undo(files, changes)
    assert (tmp_path / "outside" / "b").read_text() == "theirs"


def test_a_failure_half_way_puts_back_what_was_done(files, root, monkeypatch):
    changes = some_work(files, root)
    before = snapshot(root)
    original, count = disk_module.DiskFiles.put, 0

    def failing(self, place, state):
        nonlocal count
        count += 1
        if count == 4:
            raise ToolError("the disk is full", code="io_error")
        return original(self, place, state)

    monkeypatch.setattr(disk_module.DiskFiles, "put", failing)
    with pytest.raises(ToolError, match="full"):
        undo(files, changes)
    assert snapshot(root) == before


def test_what_was_too_large_to_keep_is_told_before_anything_is_touched(files, root, monkeypatch):
    monkeypatch.setattr("toolscript.files.content.UNDO_BYTES", 2)
    changes = [files.write(files.place("sub/b", root), b"x"), files.write(files.place("a", root), b"new")]
    before = snapshot(root)
    with pytest.raises(ToolError) as caught:
        undo(files, changes)
    assert caught.value.code == "not_undoable"
    assert snapshot(root) == before


def test_paths_outside_are_undone_with_the_consent_that_names_them(files, root, tmp_path):
    outside = tmp_path / "o" / "x"
    outside.parent.mkdir()
    change = files.permitting([outside]).write(files.place("../o/x", root), b"x")
    with pytest.raises(ToolError) as caught:
        undo(files, [change])
    assert caught.value.code == "outside_workspace"
    undo(widened(files, [change]), [change])
    assert not outside.exists()


def test_changes_that_cancel_out_are_no_changes(root):
    one, two = State(kind="file", digest="1", mode=0o644), State(kind="file", digest="2", mode=0o644)
    path = root / "p"
    assert net([Change(path=path, before=one, after=two), Change(path=path, before=two, after=one)]) == ()


@pytest.mark.parametrize("seed", range(40))
def test_random_work_is_undone(files, root, seed):
    choice = random.Random(seed)
    names = ["a", "sub/b", "sub/c", "n/x", "n/m/y", "link", "n", "sub/b/deep"]
    before = snapshot(root)
    changes = []
    for number in range(40):
        place = files.place(choice.choice(names), root, follow=False)
        try:
            match choice.choice(["write", "write", "delete", "link"]):
                case "write":
                    changes.append(files.write(place, bytes([65 + number]), create_dirs=True))
                case "delete":
                    changes.append(files.delete(place))
                case _:
                    changes.append(files.put(place, State(kind="symlink", data=b"sub")))
        except ToolError:
            continue
    undo(files, changes)
    assert snapshot(root) == before
