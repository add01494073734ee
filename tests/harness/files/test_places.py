"""Where paths lead: inside, outside, protected, hidden, or nowhere."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from toolscript.errors import ToolError
from toolscript.files import DiskFiles, Locks


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


@pytest.mark.parametrize(
    ("spelt", "below_root", "inside"),
    [
        ("a.txt", "a.txt", True),
        ("./a.txt", "a.txt", True),
        ("sub/../a.txt", "a.txt", True),
        ("sub//deep/./x", "sub/deep/x", True),
        ("missing/../a.txt", "a.txt", True),
        (".", ".", True),
        ("../w/a.txt", "a.txt", True),
        ("..", "..", False),
        ("../other", "../other", False),
        ("C:\\Windows\\x", "C:\\Windows\\x", True),
        ("\\\\host\\share", "\\\\host\\share", True),
        ("a.txt:stream", "a.txt:stream", True),
        ("CON", "CON", True),
        ("~/x", "~/x", True),
        ("-rf", "-rf", True),
        ("%2e%2e/x", "%2e%2e/x", True),
    ],
)
def test_dots_and_odd_names_lead_where_the_kernel_leads_them(files, root, spelt, below_root, inside):
    (root / "sub").mkdir()
    place = files.place(spelt, root)
    assert (place.path, place.inside) == (Path(os.path.normpath(root / below_root)), inside)
    assert place.spelt == spelt


def test_a_sibling_whose_name_begins_like_the_root_is_outside(files, root):
    assert not files.place("../w-secret/x", root).inside
    assert not files.place(f"{root}x", root).inside


def test_links_are_resolved_before_dots_as_the_kernel_does(files, root, tmp_path):
    (tmp_path / "outside" / "deep").mkdir(parents=True)
    (root / "link").symlink_to(tmp_path / "outside" / "deep")
    place = files.place("link/../x", root)
    assert (place.path, place.inside) == (tmp_path / "outside" / "x", False)


def test_a_link_inside_leads_to_its_target_and_is_itself_without_following(files, root):
    (root / "a").write_text("x")
    (root / "link").symlink_to("a")
    followed, itself = files.place("link", root), files.place("link", root, follow=False)
    assert (followed.path.name, followed.kind) == ("a", "file")
    assert (itself.path.name, itself.kind) == ("link", "symlink")


def test_a_dangling_link_leads_to_where_it_would_write(files, root, tmp_path):
    (root / "new.txt").symlink_to(tmp_path / "outside-file")
    place = files.place("new.txt", root)
    assert (place.path, place.inside, place.kind) == (tmp_path / "outside-file", False, "missing")
    assert code_of(files.write, place, b"x") == "outside_workspace"
    assert not (tmp_path / "outside-file").exists()


@pytest.mark.parametrize(
    "path",
    ["", "a\0b", "\0", "/proc/self/environ", "/proc/self/mem", "/dev/zero", "/dev/stdin", "/dev/fd/3", "/sys/kernel",
     "/dev", "../../../../../../../../../proc/1/maps", "x" * 256, "é" * 128, "d/" * 2100 + "f", "\ud800"],
)  # fmt: skip
def test_paths_that_no_file_can_have_are_bad(files, root, path):
    assert code_of(files.place, path, root) == "bad_path"


def test_a_root_in_shared_memory_may_be_used_though_it_lies_below_dev():
    shm = Path("/dev/shm")
    if not os.access(shm, os.W_OK):
        pytest.skip("no shared memory here")
    files = DiskFiles([shm / "toolscript-test-root"])
    assert files.place("x", shm / "toolscript-test-root").inside
    assert code_of(files.place, "/dev/null", shm) == "bad_path"


@pytest.mark.parametrize("target", ["/proc/self/cwd", "/dev/fd/0", "/proc/self/root/etc"])
def test_a_link_into_the_kernels_trees_is_bad_wherever_it_comes_out(files, root, target):
    (root / "link").symlink_to(target)
    assert code_of(files.place, "link/x", root) == "bad_path"


def test_a_circle_of_links_is_bad_and_its_error_shows_only_the_given_path(files, root):
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    with pytest.raises(ToolError) as caught:
        files.place("a/x", root)
    assert caught.value.code == "bad_path"
    assert str(root) not in caught.value.message


@pytest.mark.parametrize(
    "path",
    [".git/hooks/post-commit", ".git/config", ".git", "sub/.git/HEAD", ".GIT/config", "pyproject.toml",
     ".vscode/tasks.json", ".env", ".env.local", ".ipynb_checkpoints/x.ipynb", "toolscript.toml", "sub/toolscript.toml",
     unicodedata.normalize("NFKD", ".ｇit") + "/config"],
)  # fmt: skip
def test_names_that_control_the_workspace_are_protected(files, root, path):
    place = files.place(path, root)
    assert place.protected
    assert code_of(files.write, place, b"x", create_dirs=True) == "protected"
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("path", ["src/git/config", "environment", ".gitignore", "my.env", "git"])
def test_other_names_are_not_protected(files, root, path):
    assert not files.place(path, root).protected


def bare(directory):
    for name in ("objects", "refs", "hooks"):
        (directory / name).mkdir(parents=True)
    (directory / "HEAD").write_text("ref: refs/heads/main\n")


@pytest.mark.parametrize("name", ["config", "config.worktree", "commondir", "HEAD", "hooks/post-checkout", "Config"])
@pytest.mark.parametrize("at", ["store", "deep/store.git", "."])
def test_what_git_obeys_in_a_bare_repository_is_protected(files, root, at, name):
    bare(root / at)
    place = files.place(f"{at}/{name}", root)

    assert place.protected
    assert code_of(files.write, place, b"x", create_dirs=True) == "protected"


def test_data_of_a_bare_repository_and_such_names_elsewhere_are_not_protected(files, root):
    bare(root / "store")

    for path in ("store/objects/aa/bb", "store/refs/heads/main", "store/description", "config", "hooks/useState.ts",
                 "src/config/hooks/a.ts", "objects/a.o", "refs/b.md", "commondir"):  # fmt: skip
        assert not files.place(path, root).protected, path


@pytest.mark.parametrize("last", ["HEAD", "objects/a", "refs/a"])
def test_what_would_make_a_directory_a_repository_is_protected(files, root, last):
    bare(root / "made")
    (root / "made" / "hooks").rmdir()
    gone = root / "made" / last.partition("/")[0]
    gone.unlink() if gone.is_file() else gone.rmdir()

    assert files.place(f"made/{last}", root).protected
    assert files.place("new/HEAD", root).protected, "with it, all else can come in any order"


def test_a_protected_name_may_be_read(files, root):
    (root / ".env").write_text("A=1")
    assert files.read(files.place(".env", root)) == b"A=1"


def test_a_link_to_a_protected_file_is_protected(files, root):
    (root / ".git").mkdir()
    (root / "innocent").symlink_to(".git/config")
    assert files.place("innocent", root).protected


def test_hidden_directories_are_closed_even_with_consent(root, tmp_path):
    secret = root / "State"
    secret.mkdir()
    (secret / "token").write_text("s3cret")
    files = DiskFiles([root], hidden=[secret], allow_outside=True, locks=Locks(tmp_path / "locks"))
    for allowed in (files, files.permitting([secret, secret / "token"])):
        for spelt in ("State/token", "state/TOKEN", "x/../State/token"):
            place = allowed.place(spelt, root)
            for touch in (allowed.read, allowed.state, allowed.delete, allowed.on_disk):
                assert code_of(touch, place) == "permission_denied"
            assert code_of(allowed.write, place, b"x") == "permission_denied"
        assert [entry.name for entry in allowed.entries(allowed.place(".", root))] == []


def test_outside_is_touched_only_where_consent_was_given(files, root, tmp_path):
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "a").write_text("1")
    (tmp_path / "o" / "b").write_text("2")
    place, other = files.place("../o/a", root), files.place("../o/b", root)
    for touch in (files.read, files.open, files.delete, files.on_disk):
        assert code_of(touch, place) == "outside_workspace"
    allowed = files.permitting([place.path])
    assert allowed.read(place) == b"1"
    allowed.write(place, b"3")
    assert (tmp_path / "o" / "a").read_bytes() == b"3"
    assert code_of(allowed.read, other) == "outside_workspace"
    assert code_of(files.read, place) == "outside_workspace"
    assert files.permitting([tmp_path / "o"]).read(other) == b"2"


def test_consent_to_a_protected_path_opens_that_path_alone(files, root):
    place, other = files.place("toolscript.toml", root), files.place(".env", root)
    allowed = files.permitting([place.path])
    allowed.write(place, b"x")
    assert code_of(allowed.write, other, b"x") == "protected"


def test_what_is_there_can_be_looked_at_anywhere_since_a_request_shows_it(files, root, tmp_path):
    (tmp_path / "x").write_text("before")
    state = files.state(files.place("../x", root), content=True)
    assert (state.kind, state.data) == ("file", b"before")
    assert files.state(files.place("../none/at/all", root)).kind == "missing"


def test_a_root_that_is_a_link_is_the_directory_it_leads_to(root, tmp_path):
    (tmp_path / "alias").symlink_to(root)
    files = DiskFiles([tmp_path / "alias"], locks=Locks(tmp_path / "locks"))
    (root / "a").write_text("x")
    assert files.read(files.place("a", tmp_path / "alias")) == b"x"
    assert files.place("a", tmp_path / "alias").path == root / "a"
