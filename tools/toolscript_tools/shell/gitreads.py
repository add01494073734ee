"""Decides whether git, asked only to read, could still run a program that a repository names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from toolscript.confine.gitconfig import harmless, parse
from toolscript.confine.repositories import found_in
from toolscript.registry.context import ToolContext
from toolscript_tools.shell.bash import Word
from toolscript_tools.shell.classify import basename

_READ_HOOK = "post-index-change"
"""The hook that git status runs when it has refreshed the index."""
_ELSEWHERE = ("GIT_DIR", "GIT_COMMON_DIR", "CDPATH")
_MAX_BYTES = 1024 * 1024


def repository_trouble(commands: Sequence[Sequence[Word]], cwd: Path, context: ToolContext) -> str | None:
    """Return why the git commands among these may run a program of a repository's, or None."""
    if not any(words and basename(words[0].text) == "git" for words in commands):
        return None
    directories = _directories(commands, cwd)
    if directories is None or any(context.environment.get(name) for name in _ELSEWHERE):
        return "it cannot be told in which repository git would read"
    return next(filter(None, (_trouble(directory, context.roots) for directory in directories)), None)


def _directories(commands: Sequence[Sequence[Word]], cwd: Path) -> list[Path] | None:
    """Return the directories in which the commands may run: a cd may fail. None where only a shell knows."""
    found = [cwd]
    for words in commands:
        if words and words[0].text == "cd":
            if len(words) != 2 or not words[1].exact or words[1].text[:1] in ("~", "-", ""):
                return None
            found += [directory / words[1].text for directory in found]
    return found[:64] if len(found) <= 64 else None


def _trouble(directory: Path, roots: Sequence[Path]) -> str | None:
    for place in (real := Path(os.path.realpath(directory)), *real.parents):
        if _bare(place):
            return f"{place} is itself a repository (its settings could run programs)"
        if os.path.lexists(place / ".git"):
            return next(filter(None, map(_settings_trouble, _git_directories(place, roots))), None)
    return None


def _bare(place: Path) -> bool:
    return os.path.lexists(place / "HEAD") and (
        os.path.lexists(place / "commondir") or ((place / "objects").exists() and (place / "refs").exists())
    )


def _git_directories(place: Path, roots: Sequence[Path]) -> Iterator[Path]:
    """Yield the git directories that reading in a working tree can lead to: its own, submodules' and worktrees'."""
    own = place / ".git"
    if own.is_file():
        own = place / _text(own).removeprefix("gitdir:").strip()
    yield own
    if common := _text(own / "commondir").strip():
        yield own / common
    yield from (config.parent for config in (own / "modules").rglob("config"))
    for root in roots:
        if place.is_relative_to(os.path.realpath(root)) or Path(os.path.realpath(root)).is_relative_to(place):
            yield from map(Path, found_in(os.path.realpath(root)).directories)


def _settings_trouble(directory: Path) -> str | None:
    for name in ("config", "config.worktree"):
        settings, strange = parse(_text(directory / name).encode("utf-8", "surrogateescape"))
        if bad := [str(each) for each in settings if not harmless(each, inside=lambda path: True)] + strange[:1]:
            return f"{directory / name} can make git run a program: {', '.join(bad[:3])}"
    if os.path.lexists(hook := directory / "hooks" / _READ_HOOK):
        return f"git runs {hook}"
    return None


def _text(path: Path) -> str:
    try:
        # Asked first: a pipe in its place would never be opened.
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            return file.read(_MAX_BYTES).decode("utf-8", "surrogateescape")
    except (OSError, ValueError):
        return ""
