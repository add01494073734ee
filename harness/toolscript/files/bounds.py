"""Decides which paths may be touched: roots, hidden directories, protected names, and what was consented to."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from toolscript.confine import personal
from toolscript.errors import ToolError
from toolscript.files import planted
from toolscript.files.paths import folded, shown

if TYPE_CHECKING:
    from toolscript.registry.files import Place

PROTECTED = (
    ".git", ".hg", ".svn", ".gitmodules", ".github", "toolscript.toml", ".toolscript",
    "pyproject.toml", ".env", ".env.*", ".envrc", ".vscode", ".idea", ".devcontainer", ".ipynb_checkpoints",
    ".codex", ".claude", ".cursor", ".mcp.json",
)  # fmt: skip
"""Names that control the repository, the editor, the environment or an agent: each, wherever it stands in the
workspace, and all below it, is written only with consent. Patterns as in fnmatch; case and Unicode form are ignored."""

SPECIAL = (Path("/proc"), Path("/dev"), Path("/sys"))
"""Trees that are no files: never opened, unless a root lies there (``/dev/shm``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What may be touched. ``exact`` and ``trees`` are real paths that a person consented to."""

    roots: tuple[Path, ...]
    hidden: tuple[Path, ...] = ()
    protected: tuple[str, ...] = PROTECTED
    allow_outside: bool = False
    exact: frozenset[Path] = field(default_factory=frozenset)
    trees: frozenset[Path] = field(default_factory=frozenset)

    @classmethod
    def of(cls, roots: Iterable[Path], hidden: Iterable[Path], protected: Iterable[str], allow_outside: bool) -> Bounds:
        """Return bounds with all directories resolved once, so that a later link in their place leads nowhere."""
        return cls(
            roots=tuple(Path(os.path.realpath(root)) for root in roots),
            hidden=tuple(Path(os.path.realpath(path)) for path in hidden),
            protected=tuple(folded(pattern) for pattern in protected),
            allow_outside=allow_outside,
        )

    def permitting(self, paths: Iterable[Path]) -> Bounds:
        """Return these bounds with more that was consented to; hidden directories stay hidden."""
        paths = frozenset(paths)
        trees = frozenset(path for path in paths if path.is_dir())
        return replace(self, exact=self.exact | paths, trees=self.trees | trees)

    def inside(self, path: Path) -> bool:
        """Say whether a real path lies in a root."""
        return any(path.is_relative_to(root) for root in self.roots)

    def is_hidden(self, path: Path) -> bool:
        """Say whether a real path lies where no tool may look, under any spelling of it."""
        parts = _folded_parts(path)
        return any(parts[: len(hidden)] == hidden for hidden in map(_folded_parts, self.hidden))

    def hidden_in(self, directory: Path) -> frozenset[str]:
        """Return the folded names of the hidden directories that lie directly in a directory."""
        if not self.hidden:
            return frozenset()
        parts = _folded_parts(directory)
        return frozenset(hidden[-1] for hidden in map(_folded_parts, self.hidden) if hidden[:-1] == parts)

    def is_protected(self, path: Path) -> bool:
        """Say whether a path inside the roots has a protected name in it, is the user's own configuration, or one by
        which git could be made to run something."""
        for root in self.roots:
            if path.is_relative_to(root):
                names = [folded(name) for name in path.relative_to(root).parts]
                named = any(fnmatchcase(name, pattern) for name in names for pattern in self.protected)
                return named or personal.owns(os.fspath(path), os.fspath(root)) or planted.in_git(path, root)
        return False

    def is_special(self, path: str) -> bool:
        """Say whether a path is, or passes through, a tree that holds no files."""
        if not path.startswith(("/proc", "/dev", "/sys")):
            return False
        real = Path(path)
        if not any(real.is_relative_to(tree) for tree in SPECIAL):
            return False
        return not any(real.is_relative_to(root) or root.is_relative_to(real) for root in self.roots)

    def check(self, place: Place, *, write: bool) -> None:
        """Raise unless the place may be read (or written): the last line behind every approval."""
        self.check_visible(place)
        if self.allow_outside and self.inside(place.path) is False:
            return
        if place.path in self.exact or any(place.path.is_relative_to(tree) for tree in self.trees):
            return
        if not self.inside(place.path):
            raise _refusal(place, "outside_workspace", "the path leads outside the workspace")
        if write and self.is_protected(place.path):
            raise _refusal(place, "protected", "the path is protected and is written only with consent")

    def check_visible(self, place: Place) -> None:
        """Raise if the place lies in a hidden directory."""
        if self.is_hidden(place.path):
            raise _refusal(place, "permission_denied", "the path is closed to tools")


@lru_cache(maxsize=4096)
def _folded_parts(path: Path) -> tuple[str, ...]:
    return tuple(map(folded, path.parts))


def _refusal(place: Place, code: str, reason: str) -> ToolError:
    return ToolError(f"{shown(place.spelt)}: {reason}", code=code, details={"path": shown(place.spelt)})
