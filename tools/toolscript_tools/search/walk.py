"""Decides which files a search visits: all below a directory but hidden and ignored ones, links never followed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from toolscript.errors import ToolError
from toolscript.registry.files import Files, Place
from toolscript_tools.files.effects import below, check_cancelled, is_text
from toolscript_tools.search.ignores import Rules, rules_of

MAX_FILES = 500_000
MAX_IGNORE_FILE = 1024 * 1024
_GONE = frozenset(("not_found", "not_a_directory", "changed", "permission_denied", "bad_path"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One entry that a walk came by: its place, its path below the start, and when it was changed."""

    place: Place
    name: str
    directory: bool
    size: int
    modified: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """What a search visits below a directory. With ``ignored`` the ignore files say nothing."""

    files: Files
    hidden: bool = False
    ignored: bool = False

    def visits(self, start: Place) -> Iterator[Visit]:
        """Yield files and directories, each directory before what is in it. Directories that cannot be read, or
        vanish meanwhile, have no entries; a start that cannot be read is an error."""
        rules = None if self.ignored else self._above(start)
        pending: list[tuple[Place, str, Rules | None]] = [(start, "", rules)]
        count = 0
        while pending:
            check_cancelled()
            directory, prefix, outer = pending.pop()
            inner = outer if self.ignored else self._rules(directory, outer)
            for visit in self._entries(directory, prefix, inner, top=directory is start):
                count += 1
                if count > MAX_FILES:
                    raise ToolError(f"more than {MAX_FILES} files; search a directory further down", code="too_many")
                yield visit
                if visit.directory:
                    pending.append((visit.place, f"{visit.name}/", inner))

    def _entries(self, directory: Place, prefix: str, rules: Rules | None, *, top: bool) -> Iterator[Visit]:
        try:
            entries = sorted(self.files.entries(directory), key=lambda entry: entry.name)
        except ToolError as error:
            if top or error.code not in _GONE:
                raise
            return
        for entry in entries:
            if entry.kind not in ("file", "directory") or not is_text(entry.name):
                continue
            if entry.name.startswith(".") and not self.hidden:
                continue
            is_directory = entry.kind == "directory"
            path = PurePosixPath(directory.path) / entry.name
            if rules is not None and rules.ignored(path, directory=is_directory):
                continue
            yield Visit(
                place=below(directory, entry.name, entry.kind),
                name=prefix + entry.name,
                directory=is_directory,
                size=entry.size,
                modified=entry.modified,
            )

    def _above(self, start: Place) -> Rules | None:
        """Return the rules of the directories above, outermost first: a search in a subdirectory obeys them too."""
        rules: Rules | None = None
        for parent in reversed(start.path.parents):
            rules = self._rules(replace(start, path=parent, kind="directory"), rules)
        return rules

    def _rules(self, directory: Place, outer: Rules | None) -> Rules | None:
        def read(name: str) -> bytes | None:
            return self._content(directory, name)

        return rules_of(PurePosixPath(directory.path), read, self._is_repository(directory), outer)

    def _content(self, directory: Place, name: str) -> bytes | None:
        # Looked at by `state`, which may look above the roots: an ignore file only ever hides.
        try:
            found = self.files.state(replace(directory, path=directory.path / name, kind="file"), content=True)
        except ToolError:
            return None
        return None if found.data is None or len(found.data) > MAX_IGNORE_FILE else found.data

    def _is_repository(self, directory: Place) -> bool:
        try:
            found = self.files.state(replace(directory, path=directory.path / ".git", kind="directory"))
        except ToolError:
            return False
        return found.kind in ("directory", "file")


def relative(path: Path, base: Path) -> str:
    """Return a path below a base with slashes."""
    return path.relative_to(base).as_posix()
