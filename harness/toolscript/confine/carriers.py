"""Decides what a command may newly make of git's own files: settings that run nothing, and no hooks.

Whatever a repository holds when a command begins stays as it is. What the command makes or changes is looked at when it
has ended: a repository that it made is kept, without the settings and hooks by which the next git would run a program.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from toolscript.confine import gitconfig, unfinished
from toolscript.confine.protect import Restored
from toolscript.confine.reach import parent_of, remove
from toolscript.confine.repositories import Found, found_in

SETTINGS = ("config", "config.worktree")
_ADDRESSES = ("remotes", "branches")
"""Directories in which git looks for addresses in old forms."""
MAX_BYTES = 1024 * 1024
"""Larger configurations and hooks are removed without a word of what they said."""

Print = tuple[int, int, int, int]
"""Device, inode, time of the last change (which no program can set) and size of a file."""


@dataclass(slots=True)
class Ground:
    """What git's files were when a command began: in each root, by the identity of each file, and what was set."""

    found: dict[str, Found]
    owners: dict[Print, str] = field(default_factory=dict)
    """Which repository each file belonged to."""
    settings: dict[str, frozenset[gitconfig.Setting]] = field(default_factory=dict)
    steps: dict[str, frozenset[bytes]] = field(default_factory=dict)
    """What each unfinished rebase had still to run."""


def look(roots: Iterable[str]) -> Ground:
    """Return what git's files are now. Blocks."""
    ground = Ground({root: found_in(root, leave_open=True) for root in roots})
    for found in ground.found.values():
        for directory in found.directories:
            for path in _carriers(directory):
                _note(ground, path, directory)
        for link in found.links:
            _note(ground, link, link)
    return ground


def _note(ground: Ground, path: str, owner: str) -> None:
    if (seen := _print(path)) is not None:
        ground.owners[seen] = owner
        if path.endswith(SETTINGS) and (data := _data(Path(path).parent, Path(path).name)) is not None:
            ground.settings[path] = frozenset(gitconfig.parse(data)[0])
        if path.endswith(unfinished.TODOS):
            ground.steps[path] = unfinished.runs(_data(Path(path).parent, Path(path).name) or b"")


def _carriers(directory: str) -> Iterator[str]:
    """Yield the files by which a git directory can make git run something."""
    yield from (f"{directory}/{name}" for name in (*SETTINGS, "commondir", "hooks"))
    for todo in unfinished.TODOS:
        yield from (f"{directory}/{todo}", f"{directory}/{todo.split('/', maxsplit=1)[0]}")
    for name in ("hooks", *_ADDRESSES):
        yield from _hooks(f"{directory}/{name}")


def _hooks(directory: str) -> list[str]:
    """Return the hooks in a directory; git's own examples are none."""
    try:
        with os.scandir(directory) as entries:
            return sorted(e.path for e in entries if not e.name.endswith(".sample") and not _is_plain_directory(e))
    except OSError:
        return []


def _is_plain_directory(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)


def _print(path: str) -> Print | None:
    try:
        facts = Path(path).lstat()
    except OSError:
        return None
    return None if stat.S_ISDIR(facts.st_mode) else (facts.st_dev, facts.st_ino, facts.st_ctime_ns, facts.st_size)


def sweep(ground: Ground, now: dict[str, Found], kept: Iterable[str]) -> Iterator[Restored]:
    """Make harmless what has come since, and yield what was done. ``kept`` are paths that others put back. Blocks."""
    others = frozenset(kept)
    for root, found in now.items():
        known = {os.path.realpath(directory) for directory in found.directories}
        for directory in found.directories:
            yield from _swept(_Sweep(root, directory, ground, known, others, _trees(directory, found.links)))
        for link in found.links:
            yield from _link_swept(root, link, ground, known, others)


@dataclass(frozen=True, slots=True)
class _Sweep:
    root: str
    directory: str
    ground: Ground
    known: set[str]
    others: frozenset[str]
    trees: tuple[str, ...] = ()
    """The directories in which git resolves relative addresses."""

    def new(self, path: str) -> bool:
        """Say whether a file has been made or changed since the command began."""
        seen = _print(path)
        return seen is not None and seen not in self.ground.owners and path not in self.others


def _swept(sweep: _Sweep) -> Iterator[Restored]:
    directory = sweep.directory
    for path in _carriers(directory):
        _made_single(sweep, path)
    for name in SETTINGS:
        if sweep.new(path := f"{directory}/{name}"):
            yield from _settled(sweep, path)
    if sweep.new(path := f"{directory}/commondir") and not _leads(path, directory, sweep.known):
        yield from _removed(sweep.root, path)
    for todo in unfinished.TODOS:
        yield from _steps_swept(sweep, todo)
    for name in ("hooks", *_ADDRESSES):
        yield from _entries_swept(sweep, f"{directory}/{name}")


def _made_single(sweep: _Sweep, path: str) -> None:
    """Give a file that has got a second name an existence of its own: what is written there shall not come here."""
    with contextlib.suppress(OSError):
        facts = os.lstat(path)
        if not stat.S_ISREG(facts.st_mode) or facts.st_nlink < 2 or _print(path) in sweep.ground.owners:
            return
        if (data := _data(Path(path).parent, Path(path).name)) is not None:
            _rewrite(sweep.root, path, data, stat.S_IMODE(facts.st_mode))


def _entries_swept(sweep: _Sweep, directory: str) -> Iterator[Restored]:
    if directory in sweep.others:
        return
    if sweep.new(directory):
        # A link or a file: git follows it.
        yield from _removed(sweep.root, directory)
    for path in _hooks(directory):
        if sweep.new(path):
            yield from _removed(sweep.root, path)


def _steps_swept(sweep: _Sweep, todo: str) -> Iterator[Restored]:
    """Leave an unfinished rebase only the programs that it had still to run before."""
    path, state = f"{sweep.directory}/{todo}", f"{sweep.directory}/{todo.split('/', maxsplit=1)[0]}"
    if sweep.new(state):
        # A link or a file: git follows it.
        yield from _removed(sweep.root, state)
    if not sweep.new(path):
        return
    if (data := _data(Path(path).parent, Path(path).name)) is None:
        yield from _removed(sweep.root, path)
    elif new := unfinished.runs(data) - sweep.ground.steps.get(path, frozenset()):
        yield from _replaced(sweep.root, path, data, unfinished.without(data, new))


def _link_swept(root: str, link: str, ground: Ground, known: set[str], others: frozenset[str]) -> Iterator[Restored]:
    sweep = _Sweep(root, str(Path(link).parent), ground, known, others)
    if sweep.new(link) and not _leads(link, sweep.directory, known):
        yield from _removed(root, link)


def _leads(path: str, directory: str, known: set[str]) -> bool:
    """Say whether a ``.git`` file or link, or a ``commondir``, leads to a repository of the workspace."""
    if Path(path).is_symlink():
        return path.endswith("/.git") and os.path.realpath(path) in known
    text = (_data(Path(directory), Path(path).name) or b"").decode("utf-8", "replace")
    target = text.removeprefix("gitdir:").strip()
    return bool(target) and os.path.realpath(Path(directory, target)) in known


def _settled(sweep: _Sweep, path: str) -> Iterator[Restored]:
    """Leave a configuration only what is harmless or was set before."""
    data = _data(Path(sweep.directory), Path(path).name)
    if data is None:
        yield from _removed(sweep.root, path)
        return
    settings, strange = gitconfig.parse(data)
    before = sweep.ground.settings.get(path, frozenset())
    good = [each for each in settings if each in before or _harmless(sweep, each)]
    if strange or len(good) < len(settings):
        yield from _replaced(sweep.root, path, data, gitconfig.serialised(good))


def _harmless(sweep: _Sweep, setting: gitconfig.Setting) -> bool:
    return gitconfig.harmless(
        setting,
        inside=lambda path: bool(path) and _leads_inside([sweep.root], sweep.directory, path),
        # Elsewhere nobody looks at a repository's hooks, which git runs when it pushes there. git tries these endings.
        reachable=lambda path: not path.startswith("~") and all(
            _leads_inside(sweep.ground.found, tree, f"{path}{ending}")
            for tree in sweep.trees
            for ending in ("", ".git", "/.git", ".git/.git")
        ),
    )  # fmt: skip


def _leads_inside(roots: Iterable[str], base: str, path: str) -> bool:
    real = Path(os.path.realpath(Path(base, path)))
    return any(real.is_relative_to(root) for root in roots)


def _trees(directory: str, links: Iterable[str]) -> tuple[str, ...]:
    """Return the working trees of a git directory; a bare repository is its own."""
    own = directory.removesuffix("/.git")
    linked = (str(Path(link).parent) for link in links if f"{_target(link)}/".startswith(f"{directory}/"))
    return (own, *linked)


def _target(link: str) -> str:
    """Return where a ``.git`` file or link leads."""
    if Path(link).is_symlink():
        return os.path.realpath(link)
    text = (_data(Path(link).parent, Path(link).name) or b"").decode("utf-8", "replace")
    return os.path.realpath(Path(link).parent / text.removeprefix("gitdir:").strip())


def _removed(root: str, path: str) -> Iterator[Restored]:
    name = Path(path).name
    became = (_data(Path(path).parent, name) or b"").decode("utf-8", "replace")
    try:
        with parent_of(Path(root), os.path.relpath(path, root)) as parent:
            remove(parent, name)
    except FileNotFoundError:
        return
    except OSError:
        yield Restored(Path(path), became, "left")
    else:
        yield Restored(Path(path), became, "removed")


def _replaced(root: str, path: str, data: bytes, harmless: bytes) -> Iterator[Restored]:
    became = data.decode("utf-8", "replace")
    try:
        _rewrite(root, path, harmless)
    except OSError:
        yield Restored(Path(path), became, "left")
    else:
        yield Restored(Path(path), became, "made harmless")


def _rewrite(root: str, path: str, data: bytes, mode: int = 0o644) -> None:
    """Put a new file in the place of one, so that no other name of the old one changes it."""
    name = Path(path).name
    with parent_of(Path(root), os.path.relpath(path, root)) as parent:
        remove(parent, name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(name, flags, mode, dir_fd=parent), "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), mode)


def _data(directory: Path, name: str) -> bytes | None:
    """Return what a regular file of at most :data:`MAX_BYTES` says; None for anything else."""
    with contextlib.suppress(OSError), parent_of(directory, name) as parent:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=parent)
        with open(descriptor, "rb") as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode) and len(data := file.read(MAX_BYTES + 1)) <= MAX_BYTES:
                return data
    return None


def made_since(ground: Ground, now: dict[str, Found], made: frozenset[str]) -> frozenset[str]:
    """Return the repositories (and links to them) that commands made, ``made`` being those of earlier commands."""
    before = {path for found in ground.found.values() for path in (*found.directories, *found.links)}
    found = set()
    for path in (path for each in now.values() for path in (*each.directories, *each.links)):
        # A directory may only have been moved: then it belongs to whom it did.
        seen = _print(path) or _print(f"{path}/config")
        owner = path if path in before else ground.owners.get(seen) if seen else None
        if owner is None or owner in made:
            found.add(path)
    return frozenset(found)


def frozen_in(found: Found) -> Iterator[tuple[str, str]]:
    """Yield repository and path for each file that a command must not change while it runs; some may not exist."""
    for directory in found.directories:
        yield from ((directory, f"{directory}/{name}") for name in (*SETTINGS, "hooks", "commondir", "gitdir"))
    yield from ((link, link) for link in found.links)
