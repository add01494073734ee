"""Decides which files a search visits: all below a directory but hidden and ignored ones, links never followed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from toolscript.errors import ToolError
from toolscript.registry.files import Entry, Files, Place
from toolscript_tools.files.effects import below, check_cancelled, is_text
from toolscript_tools.search.globs import compile_globs
from toolscript_tools.search.ignores import IGNORE_FILES, Rules, rules_of

MAX_FILES = 500_000
MAX_IGNORE_FILE = 1024 * 1024
_ALL_NAMES = frozenset((*IGNORE_FILES, ".git"))
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
    """What a search visits below a directory. With ``ignored`` the ignore files say nothing; with ``follow`` links
    stand for what they lead to inside the roots, each directory visited once; ``exclude`` are globs."""

    files: Files
    hidden: bool = False
    ignored: bool = False
    follow: bool = False
    exclude: tuple[str, ...] = ()

    def visits(self, start: Place) -> Iterator[Visit]:
        """Yield files and directories, each directory before what is in it. Directories that cannot be read, or
        vanish meanwhile, have no entries; a start that cannot be read is an error."""
        rules = None if self.ignored else self._above(start)
        pending: list[tuple[Place, str, Rules | None]] = [(start, "", rules)]
        seen = {start.path}
        globs = [compile_globs(glob) for glob in self.exclude]
        count = 0
        while pending:
            check_cancelled()
            directory, prefix, outer = pending.pop()
            entries = self._listed(directory, top=directory is start)
            inner = outer if self.ignored else self._rules(directory, outer, {entry.name for entry in entries})
            for visit in self._visited(directory, prefix, inner, entries):
                if any(glob.fullmatch(visit.name) for glob in globs):
                    continue
                count += 1
                if count > MAX_FILES:
                    raise ToolError(f"more than {MAX_FILES} files; search a directory further down", code="too_many")
                yield visit
                if visit.directory and not (self.follow and visit.place.path in seen):
                    seen.add(visit.place.path)
                    pending.append((visit.place, f"{visit.name}/", inner))

    def _listed(self, directory: Place, *, top: bool) -> list[Entry]:
        try:
            return sorted(self.files.entries(directory), key=lambda entry: entry.name)
        except ToolError as error:
            if top or error.code not in _GONE:
                raise
            return []

    def _visited(self, directory: Place, prefix: str, rules: Rules | None, entries: list[Entry]) -> Iterator[Visit]:
        for entry in entries:
            if (entry.name[0] == "." and not self.hidden) or not is_text(entry.name):
                continue
            place = self._led_to(directory, entry)
            if place is None:
                continue
            is_directory = place.kind == "directory"
            if rules is not None and rules.ignored(f"{directory.path}/{entry.name}", directory=is_directory):
                continue
            name = prefix + entry.name
            yield Visit(place=place, name=name, directory=is_directory, size=entry.size, modified=entry.modified)

    def _led_to(self, directory: Place, entry: Entry) -> Place | None:
        """Return the place of an entry; for a link to follow that of its target inside; None for anything else."""
        if entry.kind in ("file", "directory"):
            return below(directory, entry.name, entry.kind)
        if entry.kind != "symlink" or not self.follow:
            return None
        try:
            place = self.files.place(entry.name, directory.path)
        except ToolError:
            return None
        return place if place.inside and place.kind in ("file", "directory") else None

    def _above(self, start: Place) -> Rules | None:
        """Return the rules of the directories above, outermost first: a search in a subdirectory obeys them too."""
        rules: Rules | None = None
        for parent in reversed(start.path.parents):
            rules = self._rules(replace(start, path=parent, kind="directory"), rules, _ALL_NAMES)
        return rules

    def _rules(self, directory: Place, outer: Rules | None, names: Collection[str]) -> Rules | None:
        """Return the rules below a directory in which these names may be."""

        def read(name: str) -> bytes | None:
            return self._content(directory, name) if name.partition("/")[0] in names else None

        repository = ".git" in names and self._is_repository(directory)
        return rules_of(str(directory.path), read, repository, outer)

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
