"""Decides which files a search leaves out: what .gitignore, .ignore and .git/info/exclude say, as git and ripgrep
read them.

Written here and not taken from pathspec: a walk that prunes directories needs the verdict on each entry by itself,
and pathspec's (tried with 1.1.1: ``*`` then ``!*/`` ignores every directory) speaks of whole paths.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from toolscript_tools.search.globs import BadGlob, compile_globs

IGNORE_FILES = (".rgignore", ".ignore", ".gitignore")
"""From the strongest to the weakest; a verdict of a stronger kind, wherever it stands, beats the weaker kinds."""

Read = Callable[[str], bytes | None]
"""Returns the content of a file beside an entry, None where there is none."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of an ignore file."""

    matches: re.Pattern[str]
    keep: bool
    directories: bool


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules that one directory adds, by kind; the last kind is ``.git/info/exclude``."""

    top: str
    kinds: tuple[tuple[Rule, ...], ...]
    repository: bool
    parent: Rules | None = None

    def ignored(self, path: str, *, directory: bool) -> bool:
        """Say whether an entry below is left out."""
        inside = self._in_repository()
        verdicts = [self._verdict(kind, path, directory, git=kind >= 2) for kind in range(4) if inside or kind < 2]
        return next((verdict for verdict in verdicts if verdict is not None), False)

    def _in_repository(self) -> bool:
        here: Rules | None = self
        while here is not None:
            if here.repository:
                return True
            here = here.parent
        return False

    def _verdict(self, kind: int, path: str, directory: bool, *, git: bool) -> bool | None:
        here: Rules | None = self
        while here is not None:
            if here.kinds[kind]:
                name = path[len(here.top.rstrip("/")) + 1 :]
                for rule in reversed(here.kinds[kind]):
                    if (directory or not rule.directories) and rule.matches.fullmatch(name):
                        return not rule.keep
            if git and here.repository:  # what lies above a repository does not speak for it
                return None
            here = here.parent
        return None


def rules_of(top: str, read: Read, repository: bool, parent: Rules | None) -> Rules | None:
    """Return the rules that hold below a directory: its own before those above it."""
    kinds = [parsed(read(name)) for name in IGNORE_FILES]
    kinds.append(parsed(read(".git/info/exclude")) if repository else ())
    if not repository and not any(kinds):
        return parent
    return Rules(top, tuple(kinds), repository, parent)


def parsed(data: bytes | None) -> tuple[Rule, ...]:
    """Return the rules of an ignore file; lines that cannot be read are passed over, as git does."""
    if not data:
        return ()
    lines = data.decode("utf-8", "replace").removeprefix("\ufeff").split("\n")
    return tuple(rule for rule in map(_rule, lines) if rule is not None)


def _rule(line: str) -> Rule | None:
    line = _without_blanks(line.removesuffix("\r"))
    if not line or line.startswith("#"):
        return None
    keep = line.startswith("!")
    line = line[1:] if keep else line
    directories = line.endswith("/")
    try:
        return Rule(compile_globs(line), keep, directories) if line.strip("/") else None
    except BadGlob:
        return None


def _without_blanks(line: str) -> str:
    """Drop the blanks at the end, but the one that a backslash keeps."""
    end = len(line.rstrip(" \t"))
    escaped = (len(line[:end]) - len(line[:end].rstrip("\\"))) % 2
    return line[: end + escaped]
