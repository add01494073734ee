"""Links swapped in between check and use lead nowhere, with either way of opening."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolscript.errors import ToolError
from toolscript.files import DiskFiles, Locks, descriptors

ROUNDS = 400
CODES = {"changed", "not_a_directory", "not_found", "outside_workspace", "is_directory", "not_a_file"}


@pytest.fixture(params=["one call", "walk"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "walk":
        monkeypatch.setattr(descriptors, "_open", descriptors._walk)
    elif descriptors._open is descriptors._walk:
        pytest.skip("no single call for it on this machine")


class World:
    """A root with ``sub/f``, and a directory outside with the same names."""

    def __init__(self, top: Path) -> None:
        self.root, self.outside = top / "w", top / "outside"
        for base in (self.root / "sub", self.outside):
            base.mkdir(parents=True)
        (self.root / "sub" / "f").write_text("inside")
        (self.outside / "f").write_text("secret")
        (self.root / "other").mkdir()
        self.files = DiskFiles([self.root], locks=Locks(top / "locks"))

    @contextlib.contextmanager
    def swapping(self, name: str) -> Iterator[None]:
        """Let a thread replace what lies there by a link to the outside and back, as fast as it can."""
        path, aside, link = self.root / name, self.root / "aside", self.root / "link"
        target = self.outside if path.is_dir() else self.outside / "f"
        stop = threading.Event()

        def work() -> None:
            while not stop.is_set():
                link.symlink_to(target)
                path.rename(aside)
                with contextlib.suppress(IsADirectoryError):  # the call under test was quick to make a new one
                    link.rename(path)
                _away(link)
                while aside.exists():
                    _away(path)
                    with contextlib.suppress(OSError):
                        aside.rename(path)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def _away(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def attempts(call, rounds: int = ROUNDS) -> tuple[list[object], set[str]]:
    """Return what came of calling again and again, and the codes of the errors."""
    results, codes = [], set()
    for _ in range(rounds):
        try:
            results.append(call())
        except ToolError as error:
            codes.add(error.code)
    return results, codes


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("name", ["sub", "sub/f"])
def test_reading_never_shows_what_is_outside(world: World, name: str):
    with world.swapping(name):
        results, codes = attempts(lambda: world.files.read(world.files.place("sub/f", world.root)))
    assert set(results) <= {b"inside"}
    assert codes <= CODES
    assert results or codes


@pytest.mark.usefixtures("way")
def test_a_place_found_before_the_swap_is_not_followed_after_it(world: World):
    place = world.files.place("sub/f", world.root)
    (world.root / "sub").rename(world.root / "aside")
    (world.root / "sub").symlink_to(world.outside)
    for touch in (
        lambda: world.files.read(place),
        lambda: world.files.write(place, b"x"),
        lambda: world.files.delete(place),
        lambda: world.files.put(place, world.files.state(world.files.place("aside/f", world.root), content=True)),
        lambda: (
            list(world.files.entries(world.files.place("aside", world.root)))
            and list(
                world.files.entries(type(place)(spelt="sub", path=world.root / "sub", inside=True, kind="directory"))
            )
        ),
    ):
        with pytest.raises(ToolError) as caught:
            touch()
        assert caught.value.code in CODES
    assert (world.outside / "f").read_text() == "secret"


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("name", ["sub", "sub/f"])
def test_writing_never_reaches_the_outside(world: World, name: str):
    place = world.files.place("sub/f", world.root)
    with world.swapping(name):
        results, codes = attempts(lambda: world.files.write(place, b"ours"))
    assert (world.outside / "f").read_text() == "secret"
    assert [path.name for path in world.outside.iterdir()] == ["f"]
    assert codes <= CODES
    assert results or codes


@pytest.mark.usefixtures("way")
def test_writing_to_a_hard_linked_file_never_reaches_the_outside(world: World):
    os.link(world.root / "sub" / "f", world.root / "other" / "twin")
    os.link(world.outside / "f", world.outside / "g")
    place = world.files.place("sub/f", world.root)
    with world.swapping("sub"):
        attempts(lambda: world.files.write(place, b"ours"))
    assert (world.outside / "f").read_text() == "secret"


@pytest.mark.usefixtures("way")
def test_deleting_and_making_directories_never_reach_the_outside(world: World):
    place = world.files.place("sub/new/deep/x", world.root)

    def there_and_back() -> None:
        world.files.write(place, b"x", create_dirs=True)
        world.files.delete(place)

    with world.swapping("sub"):
        attempts(there_and_back)
    assert [path.name for path in world.outside.iterdir()] == ["f"]


@pytest.mark.usefixtures("way")
def test_listing_shows_what_is_inside_or_fails(world: World):
    (world.outside / "only-outside").touch()
    place = world.files.place("sub", world.root)
    with world.swapping("sub"):
        results, codes = attempts(lambda: tuple(entry.name for entry in world.files.entries(place)))
    assert set(results) <= {("f",)}
    assert codes <= CODES


@pytest.mark.usefixtures("way")
def test_a_root_replaced_by_a_link_since_leads_nowhere(world: World):
    place = world.files.place("sub/f", world.root)
    world.root.rename(world.root.parent / "moved")
    world.root.symlink_to(world.outside)
    (world.outside / "sub").mkdir()
    (world.outside / "sub" / "f").write_text("secret")
    with pytest.raises(ToolError):
        world.files.read(place)
    assert not world.files.place("sub/f", world.root).inside


def test_a_pipe_that_takes_a_files_place_after_the_glance_never_blocks(world: World, monkeypatch: pytest.MonkeyPatch):
    regular = (world.root / "sub" / "f").lstat()
    os.mkfifo(world.root / "pipe")
    monkeypatch.setattr("toolscript.files.content.glance", lambda name, parent: regular)
    place = world.files.place("pipe", world.root)
    for touch in (world.files.state, lambda p: world.files.write(p, b"x"), world.files.delete):
        with pytest.raises(ToolError) as caught:
            touch(place)
        assert caught.value.code == "not_a_file"
