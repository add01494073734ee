"""Decides what a plan is: the effects that a dry run recorded, which of them a person approved, and for how long."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from toolscript.approvals.digest import canonical_digest
from toolscript.errors import ConfigError, Json

VALID_SECONDS = 900.0
"""How long an approved plan may be carried out, once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRow:
    """One effect that the script would have. ``after`` are the rows that had ended before it began.

    ``waits``: the dry run could not go on from here, since nobody knows what this call would answer.
    """

    number: int
    tool: str
    arguments: Json
    effect: str
    summary: str = ""
    line: int | None = None
    diff: str | None = None
    before: Mapping[str, str | None] = field(default_factory=dict)
    after: tuple[int, ...] = ()
    assumes: tuple[int, ...] = ()
    """Commands before it whose success and changes it assumes."""
    waits: bool = False
    undoable: bool = True
    asks: str = ""
    """Why it would ask a person if it were not approved with the plan; under a policy that never asks, be refused."""
    denied: str = ""
    """The rule that denies it; it can not be approved."""

    @property
    def key(self) -> str:
        """What makes a live call this row: tool, arguments and the files' digests before it."""
        return row_key(self.tool, self.arguments, self.before)

    def to_json(self) -> dict[str, Json]:
        """Return the row as faces show it."""
        data: dict[str, Json] = {
            "number": self.number, "tool": self.tool, "arguments": self.arguments, "effect": self.effect,
            "status": "denied" if self.denied else "planned", "summary": self.summary, "line": self.line,
            "diff": self.diff, "waits": self.waits,
        }  # fmt: skip
        if self.assumes:
            listed = ", ".join(f"#{n}" for n in self.assumes)
            data["note"] = f"if {listed} succeed{'s' if len(self.assumes) == 1 else ''}; what it changes is unknown"
        data |= {name: why for name, why in (("asks", self.asks), ("denied", self.denied)) if why}
        return data


def row_key(tool: str, arguments: Json, before: Mapping[str, str | None]) -> str:
    """Return the digest by which a live call is found among the rows of a plan."""
    return canonical_digest([tool, json.loads(json.dumps(arguments)), sorted(before.items())])


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The effects of one script in order; ``partial`` when the dry run could not reach the script's end."""

    source: str
    script_hash: str
    params: Json
    rows: tuple[PlanRow, ...]
    status: Literal["complete", "partial"]
    seed: int
    time_ms: int
    tools_digest: str
    line: int | None = None
    """Where a partial plan ends."""

    def approve(self, rows: Iterable[int] | None = None, *, by: str = "notebook") -> ApprovedPlan:
        """Return the plan with these rows approved (all that no rule denies when None) and the others declined.

        Raises ConfigError for a number that is no row, or a denied one.
        """
        open_rows = frozenset(row.number for row in self.rows if not row.denied)
        chosen = open_rows if rows is None else frozenset(rows)
        if unknown := chosen - {row.number for row in self.rows}:
            raise ConfigError(f"the plan has no row {', '.join(map(str, sorted(unknown)))}")
        if denied := [row for row in self.rows if row.number in chosen - open_rows]:
            raise ConfigError(f"row #{denied[0].number} cannot be approved: {denied[0].denied}")
        return ApprovedPlan(plan=self, approved=chosen, by=by, expires=time.time() + VALID_SECONDS)

    def to_json(self) -> dict[str, Json]:
        """Return the plan as faces show it."""
        return {"planned": True, "status": self.status, "line": self.line, "rows": [row.to_json() for row in self.rows]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What of a row binds a run: which call it is, and which rows had ended before it."""

    number: int
    key: str
    after: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a run that carries out a plan is bound to; written down with it, so that it outlives its host."""

    rows: tuple[Row, ...]
    approved: frozenset[int]
    by: str
    expires: float

    def to_json(self) -> dict[str, Json]:
        """Return the terms as a journal keeps them."""
        rows = [[row.number, row.key, list(row.after)] for row in self.rows]
        return {"rows": rows, "approved": sorted(self.approved), "by": self.by, "expires": self.expires}

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Terms:
        """Return the terms again. Raises ConfigError for what is none."""
        try:
            rows = tuple(
                Row(number=int(n), key=str(key), after=tuple(map(int, after))) for n, key, after in data["rows"]
            )
            approved = frozenset(map(int, data["approved"]))
            return cls(rows=rows, approved=approved, by=str(data["by"]), expires=float(data["expires"]))
        except (KeyError, TypeError, ValueError):
            raise ConfigError("the plan of this run cannot be read") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovedPlan:
    """A plan that may be carried out once, until it expires."""

    plan: Plan
    approved: frozenset[int]
    by: str
    expires: float
    plan_id: str = field(default_factory=lambda: secrets.token_hex(16))
    """What makes it usable once: the workshop remembers the ids that were carried out."""

    @property
    def terms(self) -> Terms:
        """What binds the run that carries it out."""
        rows = tuple(Row(number=row.number, key=row.key, after=row.after) for row in self.plan.rows)
        return Terms(rows=rows, approved=self.approved, by=self.by, expires=self.expires)
