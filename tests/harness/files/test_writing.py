"""Writing, deleting and putting back: wholly or not at all, with all that undo needs."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest

from toolscript.errors import ToolError
from toolscript.files import DiskFiles, Locks, digest_of, writing
from toolscript.registry.files import State


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "w").mkdir()
    return tmp_path / "w"


@pytest.fixture
def files(root: Path) -> DiskFiles:
    return DiskFiles([root], locks=Locks(root.parent / "locks", wait=5))


def code_of(call, *arguments, **named) -> str:
    with pytest.raises(ToolError) as caught:
        call(*arguments, **named)
    return caught.value.code


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


def test_a_change_holds_before_and_after(files, root):
    (root / "a").write_bytes(b"old")
    (root / "a").chmod(0o640)
    change = files.write(files.place("a", root), b"new")
    assert (root / "a").read_bytes() == b"new"
    assert change.before == State(kind="file", digest=digest_of(b"old"), data=b"old", mode=0o640)
    assert change.after == State(kind="file", digest=digest_of(b"new"), data=b"new", mode=0o640)
    assert names(root) == ["a"]


@pytest.mark.parametrize("mode", [0o600, 0o755, 0o640, 0o4755])
def test_the_mode_is_kept(files, root, mode):
    (root / "a").touch()
    (root / "a").chmod(mode)
    files.write(files.place("a", root), b"x")
    assert mode_of(root / "a") == mode


def test_a_new_file_gets_the_default_mode_of_the_process(files, root):
    old = os.umask(0o027)
    try:
        files.write(files.place("a", root), b"x")
    finally:
        os.umask(old)
    assert mode_of(root / "a") == 0o640


def test_hard_links_stay_linked(files, root):
    (root / "a").write_bytes(b"a long old content")
    os.link(root / "a", root / "b")
    files.write(files.place("a", root), b"new")
    assert (root / "b").read_bytes() == b"new"
    assert (root / "a").stat().st_nlink == 2


def test_writing_through_a_link_inside_changes_its_target_and_keeps_the_link(files, root):
    (root / "a").write_text("x")
    (root / "link").symlink_to("a")
    files.write(files.place("link", root), b"y")
    assert (root / "link").is_symlink()
    assert (root / "a").read_text() == "y"


def test_extended_attributes_are_kept(files, root):
    (root / "a").touch()
    try:
        os.setxattr(root / "a", "user.note", b"mine")
    except (OSError, AttributeError):
        pytest.skip("no extended attributes here")
    files.write(files.place("a", root), b"x")
    assert os.getxattr(root / "a", "user.note") == b"mine"


def test_missing_directories_are_made_only_when_asked_and_named_in_the_change(files, root):
    place = files.place("d/e/f", root)
    assert code_of(files.write, place, b"x") == "not_found"
    assert names(root) == []
    change = files.write(place, b"x", create_dirs=True)
    assert change.created_dirs == (root / "d", root / "d" / "e")


def test_directories_made_for_a_write_that_fails_are_taken_away(files, root):
    (root / "full").mkdir()
    place = files.place("new/dir/" + "x" * 255, root)
    (root / "new").mkdir()
    (root / "new" / "dir").write_text("a file is in the way")
    assert code_of(files.write, place, b"x", create_dirs=True) == "not_a_directory"
    other = files.place("fresh/" + "ü" * 120, root)
    original = writing.replace

    def failing(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    writing.replace = failing  # type: ignore[assignment]
    try:
        assert code_of(files.write, other, b"x", create_dirs=True) == "io_error"
    finally:
        writing.replace = original
    assert "fresh" not in names(root)


@pytest.mark.parametrize(
    ("make", "code"),
    [(lambda p: p.mkdir(), "is_directory"), (lambda p: os.mkfifo(p), "not_a_file"), (lambda p: None, None)],
)
def test_only_regular_files_are_replaced(files, root, make, code):
    make(root / "a")
    place = files.place("a", root)
    if code is None:
        files.write(place, b"x")
    else:
        assert code_of(files.write, place, b"x") == code
        assert code_of(files.delete, place) == code


AS_ANOTHER_USER = """
import os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from toolscript.errors import ToolError
from toolscript.files import DiskFiles
root = Path(sys.argv[2])
files = DiskFiles([root])
if os.geteuid() == 0:  # the superuser may write anything: ask as somebody else
    os.setuid(12345)
for touch in (lambda p: files.write(p, b"x"), files.read, files.delete):
    try:
        touch(files.place("a", root))
    except ToolError as error:
        print(error.code)
"""


def test_a_file_that_is_closed_to_its_user_is_not_replaced_behind_its_owners_back():
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "a").touch(mode=0o000)
        root.chmod(0o555)
        harness = Path(writing.__file__).parents[2]
        done = subprocess.run(
            [sys.executable, "-I", "-c", AS_ANOTHER_USER, str(harness), folder], capture_output=True, text=True
        )
        root.chmod(0o755)
        assert done.stdout.split() == ["permission_denied"] * 3, done.stderr
        assert [path.name for path in root.iterdir()] == ["a"]


def test_a_read_only_file_in_an_open_directory_is_not_replaced():
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "a").write_text("keep")
        (root / "a").chmod(0o444)
        root.chmod(0o777)
        harness = Path(writing.__file__).parents[2]
        program = AS_ANOTHER_USER.replace(
            '(lambda p: files.write(p, b"x"), files.read, files.delete)', '(lambda p: files.write(p, b"x"),)'
        )
        done = subprocess.run(
            [sys.executable, "-I", "-c", program, str(harness), folder], capture_output=True, text=True
        )
        assert (done.stdout.strip(), (root / "a").read_text()) == ("permission_denied", "keep"), done.stderr


def test_a_full_disk_leaves_the_old_content_and_no_litter(root):
    (root / "a").write_bytes(b"old")
    (root / "linked").write_bytes(b"old too")
    os.link(root / "linked", root / "twin")
    program = textwrap.dedent("""
        import resource, signal, sys
        sys.path.insert(0, sys.argv[1])
        from pathlib import Path
        from toolscript.errors import ToolError
        from toolscript.files import DiskFiles
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        root = Path(sys.argv[2])
        files = DiskFiles([root])
        for name in ("a", "linked", "new/b"):
            try:
                files.write(files.place(name, root), b"n" * 5000, create_dirs=True)
            except ToolError as error:
                print(error.code)
    """)
    harness = Path(writing.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, str(harness), str(root)], capture_output=True, text=True
    )
    assert done.stdout.split() == ["io_error"] * 3, done.stderr
    assert names(root) == ["a", "linked", "twin"]
    assert [(root / name).read_bytes() for name in names(root)] == [b"old", b"old too", b"old too"]


def test_a_draft_that_a_killed_host_left_is_cleared_by_the_next_write(files, root):
    program = textwrap.dedent("""
        import os, signal, sys
        sys.path.insert(0, sys.argv[1])
        from pathlib import Path
        from toolscript.files import DiskFiles, writing
        writing._swap = lambda *a: os.kill(os.getpid(), signal.SIGKILL)
        root = Path(sys.argv[2])
        files = DiskFiles([root])
        files.write(files.place("a", root), b"half")
    """)
    harness = Path(writing.__file__).parents[2]
    subprocess.run([sys.executable, "-I", "-c", program, str(harness), str(root)])
    assert len(names(root)) == 1
    assert names(root)[0].startswith(".toolscript-")
    files.write(files.place("a", root), b"whole")
    assert names(root) == ["a"]


def test_a_file_changed_by_somebody_else_during_the_write_is_not_lost(files, root, monkeypatch):
    (root / "a").write_bytes(b"old")
    original = writing._fill

    def meddling(fd: int, data: bytes) -> None:
        original(fd, data)
        (root / "a").write_bytes(b"somebody else's")

    monkeypatch.setattr(writing, "_fill", meddling)
    assert code_of(files.write, files.place("a", root), b"ours") == "changed"
    assert (root / "a").read_bytes() == b"somebody else's"
    assert names(root) == ["a"]


def test_deleting_a_link_removes_the_link(files, root):
    (root / "a").write_text("x")
    (root / "link").symlink_to("a")
    change = files.delete(files.place("link", root, follow=False))
    assert (change.before.kind, change.before.data, change.after.kind) == ("symlink", b"a", "missing")
    assert names(root) == ["a"]
    assert code_of(files.delete, files.place("link", root)) == "not_found"


@pytest.mark.parametrize(
    "make",
    [
        lambda p: None,
        lambda p: p.write_bytes(b"content"),
        lambda p: (p.write_bytes(b"content"), p.chmod(0o755)),
        lambda p: p.symlink_to("elsewhere"),
        lambda p: p.symlink_to("/etc/passwd"),
        lambda p: p.mkdir(),
        lambda p: (p.write_bytes(b"read-only"), p.chmod(0o444)),
    ],
)
@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda p: None,
        lambda p: p.write_bytes(b"other"),
        lambda p: p.symlink_to("/etc/passwd"),
        lambda p: p.mkdir(),
    ],
)
def test_any_state_can_be_put_back_over_any_other(files, root, make, meanwhile):
    path = root / "p"
    make(path)
    place = files.place("p", root, follow=False)
    state = files.state(place, content=True)
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    elif os.path.lexists(path):
        path.unlink()
    meanwhile(path)
    before = files.state(place, content=True)
    change = files.put(place, state)
    assert files.state(place, content=True) == state
    assert (change.before, change.after) == (before, state)


def test_a_directory_with_something_in_it_is_never_removed(files, root):
    (root / "d").mkdir()
    (root / "d" / "x").touch()
    assert code_of(files.put, files.place("d", root), State(kind="missing")) == "not_empty"


def test_a_file_too_large_for_undo_is_written_and_says_so(files, root, monkeypatch):
    monkeypatch.setattr("toolscript.files.content.UNDO_BYTES", 10)
    (root / "a").write_bytes(b"more than ten bytes")
    change = files.write(files.place("a", root), b"x")
    assert (change.before.data, change.before.digest) == (None, digest_of(b"more than ten bytes"))
    assert code_of(files.put, files.place("a", root), change.before) == "not_undoable"


def test_a_file_larger_than_can_be_read_at_once_is_refused(files, root):
    with (root / "big").open("wb") as file:
        file.truncate(20 << 30)
    with files.open(files.place("big", root)) as file:
        assert file.read(4) == b"\0" * 4
    original = "toolscript.files.disk.READ_BYTES"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(original, 1_000_000)
        assert code_of(files.read, files.place("big", root)) == "file_too_large"


def test_running_out_of_descriptors_is_an_error_that_passes(files, root):
    import resource

    (root / "a").write_text("x")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with pytest.raises(OSError):
            while True:
                held.append(os.open("/", os.O_RDONLY))
        assert code_of(files.read, files.place("a", root)) == "io_error"
        assert code_of(files.write, files.place("a", root), b"y") == "io_error"
    finally:
        for fd in held:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert files.read(files.place("a", root)) == b"x"


@pytest.mark.parametrize("change", ["write", "delete", "state"])
def test_a_file_too_large_to_be_known_is_refused_at_once_and_stays(files, root, change):
    with (root / "huge").open("wb") as file:
        file.truncate(20 * 2**30)  # sparse
    place = files.place("huge", root)
    calls = {"write": (files.write, place, b"x"), "delete": (files.delete, place), "state": (files.state, place)}
    began = time.process_time()

    assert code_of(*calls[change]) == "file_too_large"

    assert time.process_time() - began < 1, "it was not read"
    assert (root / "huge").stat().st_size == 20 * 2**30
