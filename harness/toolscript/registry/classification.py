"""Decides the words in which a tool says, before anything happens, what one exact call would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from toolscript.registry.effects import Danger, Effect
from toolscript.values import quick

__all__ = ["Classification", "Danger", "Effect", "PathEffect"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PathEffect:
    """One path that a call reads or changes; ``before`` is its digest now (None: it does not exist), ``after`` the
    one that it will have (None: it will not exist, or that cannot be told). SHA-256 in hex of content or link text."""

    path: Path
    kind: Literal["read", "add", "modify", "delete", "move"]
    inside: bool
    before: str | None = None
    after: str | None = None
    protected: bool = False


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """What one exact call would do; a policy decides on nothing else.

    ``remember`` is the pattern under which a person may allow such calls for the conversation (real path, or
    program and subcommand, or the exact argv); None where that must not be offered.
    """

    effect: Effect
    danger: Danger = Danger.ORDINARY
    paths: tuple[PathEffect, ...] = ()
    summary: str = ""
    diff: str | None = None
    reasons: tuple[str, ...] = ()
    confined: bool = False
    escalated: bool = False
    justification: str = ""
    undoable: bool = True
    remember: str | None = None
    acts_as: tuple[str, Mapping[str, Any]] | None = None
    """The tool, with its arguments, that really does what is asked: a command that turned out to be a patch. Rules
    that ask or deny are held against that too."""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def outside(self) -> tuple[PathEffect, ...]:
        """The paths beyond the workspace roots."""
        return tuple(p for p in self.paths if not p.inside)

    @property
    def before(self) -> dict[str, str | None]:
        """The digests now of all paths that the call reads or changes; None for what does not exist."""
        return {str(p.path): p.before for p in self.paths}
