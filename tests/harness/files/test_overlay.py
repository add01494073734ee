"""A plan over the files: seen by every later look, and by nobody else."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from toolscript.errors import ToolError
from toolscript.files import DiskFiles, Locks, OverlayFiles
from toolscript.registry.files import Files, State


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "w"
    (root / "sub").mkdir(parents=True)
    (root / "a").write_text("old")
    (root / "sub" / "b").write_text("b")
    return root


@pytest.fixture
def disk(root: Path) -> DiskFiles:
    return DiskFiles([root], locks=Locks(root.parent / "locks", wait=5))


@pytest.fixture
def plan(disk: DiskFiles) -> OverlayFiles:
    return OverlayFiles(disk)


def code_of(call, *arguments, **named) -> str:
    with pytest.raises(ToolError) as caught:
        call(*arguments, **named)
    return caught.value.code


def listed(files: Files, root: Path, path: str = ".") -> list[str]:
    return sorted(entry.name for entry in files.entries(files.place(path, root)))


def test_a_planned_write_is_read_listed_and_looked_at_but_not_done(plan, disk, root):
    plan.write(plan.place("a", root), b"new")
    plan.write(plan.place("c", root), b"more")
    place = plan.place("a", root)
    assert plan.read(place) == b"new"
    with plan.open(place) as file:
        assert file.read() == b"new"
    assert plan.state(place, content=True).data == b"new"
    assert listed(plan, root) == ["a", "c", "sub"]
    assert {entry.name: entry.size for entry in plan.entries(plan.place(".", root))}["c"] == 4
    assert (root / "a").read_text() == "old"
    assert listed(disk, root) == ["a", "sub"]


def test_a_planned_delete_is_gone_for_later_looks(plan, root):
    plan.delete(plan.place("a", root))
    place = plan.place("a", root)
    assert place.kind == "missing"
    assert code_of(plan.read, place) == "not_found"
    assert plan.state(place).kind == "missing"
    assert listed(plan, root) == ["sub"]
    assert (root / "a").exists()


def test_planned_directories_hold_what_was_planned_in_them(plan, root):
    assert code_of(plan.write, plan.place("new/deep/x", root), b"x") == "not_found"
    change = plan.write(plan.place("new/deep/x", root), b"x", create_dirs=True)
    assert change.created_dirs == (root / "new", root / "new" / "deep")
    assert (listed(plan, root, "new"), listed(plan, root, "new/deep")) == (["deep"], ["x"])
    assert plan.place("new", root).kind == "directory"
    assert code_of(plan.write, plan.place("new", root), b"x") == "is_directory"
    assert code_of(plan.write, plan.place("a/x", root), b"x", create_dirs=True) == "not_a_directory"
    assert not (root / "new").exists()


def test_changes_are_net_and_in_the_order_of_the_plan(plan, root):
    plan.write(plan.place("c", root), b"1")
    plan.write(plan.place("a", root), b"2")
    plan.write(plan.place("c", root), b"3")
    plan.write(plan.place("gone", root), b"x")
    plan.delete(plan.place("gone", root))
    plan.write(plan.place("sub/b", root), b"else")
    plan.write(plan.place("sub/b", root), b"b")
    found = [(change.path.name, change.before.data, change.after.data) for change in plan.changes()]
    assert found == [("c", None, b"3"), ("a", b"old", b"2")]


def test_a_write_through_a_planned_link_lands_where_the_link_leads(plan, root):
    plan.put(plan.place("link", root, follow=False), State(kind="symlink", data=b"sub/b"))
    plan.write(plan.place("link", root), b"through")
    assert plan.read(plan.place("sub/b", root)) == b"through"
    assert plan.place("link", root, follow=False).kind == "symlink"


def test_once_a_link_is_planned_away_its_name_is_a_name_like_any_other(plan, root, tmp_path):
    (tmp_path / "outside").write_text("secret")
    (root / "link").symlink_to(tmp_path / "outside")
    assert code_of(plan.read, plan.place("link", root)) == "outside_workspace"
    plan.delete(plan.place("link", root, follow=False))
    plan.write(plan.place("link", root), b"mine")
    assert plan.read(plan.place("link", root)) == b"mine"
    assert (tmp_path / "outside").read_text() == "secret"


def test_reading_outside_needs_consent_and_planning_there_does_not(plan, root, tmp_path):
    (tmp_path / "o").write_text("secret")
    place = plan.place("../o", root)
    assert code_of(plan.read, place) == "outside_workspace"
    allowed = plan.permitting([place.path])
    assert allowed.read(place) == b"secret"
    plan.write(place, b"planned")
    assert allowed.read(place) == b"planned"
    assert [change.path for change in allowed.changes()] == [tmp_path / "o"]


def test_hidden_directories_stay_closed(root, tmp_path):
    plan = OverlayFiles(DiskFiles([root], hidden=[root / "sub"], locks=Locks(tmp_path / "locks")))
    place = plan.place("sub/b", root)
    for touch in (plan.read, plan.state, plan.delete, plan.on_disk):
        assert code_of(touch, place) == "permission_denied"
    assert code_of(plan.write, place, b"x") == "permission_denied"


def test_programs_are_not_sent_to_look_where_the_plan_differs(plan, root):
    plan.write(plan.place("sub/b", root), b"x")
    assert plan.on_disk(plan.place("a", root)) == root / "a"
    for path in ("sub/b", "sub", "."):
        assert plan.on_disk(plan.place(path, root)) is None


def test_a_random_plan_carried_out_gives_what_it_showed(plan, disk, root):
    choice = random.Random(7)
    names = ["a", "sub/b", "sub/c", "n/x", "n/m/y", "z"]

    def act(files: Files, what: str, name: str, data: bytes) -> str:
        try:
            place = files.place(name, root, follow=False)
            if what == "write":
                files.write(place, data, create_dirs=True)
            elif what == "delete":
                files.delete(place)
            else:
                files.put(place, State(kind="symlink", data=b"a"))
        except ToolError as error:
            return error.code
        return "done"

    steps = [
        (choice.choice(["write", "write", "delete", "link"]), choice.choice(names), bytes([65 + n])) for n in range(60)
    ]
    shown = [act(plan, *step) for step in steps]
    expected = {name: plan.state(plan.place(name, root, follow=False), content=True) for name in names}
    assert [act(disk, *step) for step in steps] == shown
    for name, state in expected.items():
        now = disk.state(disk.place(name, root, follow=False), content=True)
        assert (now.kind, now.data) == (state.kind, state.data)
