"""Decides how a person is asked about a call whose outcome the dead host took along, and what an answer means."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from toolscript.approvals.bridge import Validate
from toolscript.approvals.digest import canonical_digest
from toolscript.approvals.request import ApprovalRequest, Choice, Decision, new_approval_id
from toolscript.approvals.wire import request_to_json
from toolscript.errors import ApprovalError, ConfigError, Json, StillInterrupted
from toolscript.facade.planning import Assumable
from toolscript.facade.scope import RunScope
from toolscript.journal.records import AskRecord, DecisionRecord
from toolscript.recovery.past import OpenCall
from toolscript.registry.classification import Classification
from toolscript.registry.tool import Tool

WHY = (
    "the host died while this ran, and whether it took effect cannot be known. Allow runs it again; edit and allow "
    "says that it happened, with the outcome given; deny fails the call with OutcomeUnknown"
)
OUTCOME = "outcome"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What is to become of such a call. ``happened`` gives the script ``outcome`` as the tool's output."""

    kind: Literal["happened", "again", "fail"]
    outcome: Json = None

    @classmethod
    def of(cls, decision: Decision) -> Self:
        """Return what a decision on the question means."""
        match decision.choice:
            case Choice.ALLOW | Choice.ALLOW_CONVERSATION:
                return cls(kind="again")
            case Choice.EDIT:
                return cls(kind="happened", outcome=decision.arguments[OUTCOME])
            case _:
                return cls(kind="fail")

    def decision(self, by: str) -> Decision:
        """Return the decision that means this."""
        choice = {"happened": Choice.EDIT, "again": Choice.ALLOW, "fail": Choice.DENY}[self.kind]
        arguments = {OUTCOME: self.outcome} if self.kind == "happened" else None
        return Decision(choice=choice, by=by, arguments=arguments, time=time.time())


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """The question about one call; every attempt of it is another question."""

    call: OpenCall
    tool: Tool
    arguments: Any
    classification: Classification

    def request(self, scope: RunScope) -> ApprovalRequest:
        """Return the question as deciders show it."""
        record, shown, now = self.call.record, self.tool.spec.input.dump(self.arguments), time.time()
        output: Json = dict(self.call.output)
        digest = canonical_digest(["outcome", scope.run_id, record.number, record.tool, shown, self.call.attempts])
        return ApprovalRequest(
            approval_id=new_approval_id(), digest=digest, run_id=scope.run_id, operation=record.number,
            tool=record.tool, why=WHY, script_hash=scope.script_hash, allowed_tools=tuple(scope.tools),
            arguments={"call": shown, "output": output, OUTCOME: self._suggested()}, cwd=str(scope.world.cwd),
            classification=self._shown(), sandbox=scope.world.sandbox.value, line=record.line, column=record.column,
            created=now, expires=now + scope.limits.approval_seconds, extra={"unknown": True, "output": output},
        )  # fmt: skip

    def _shown(self) -> Classification:
        seen = self.classification
        return Classification(
            effect=seen.effect, danger=seen.danger, summary=f"unknown outcome: {seen.summary or self.tool.spec.path}",
            reasons=seen.reasons, confined=seen.confined, escalated=seen.escalated, undoable=False,
        )  # fmt: skip

    def _suggested(self) -> Json:
        """Return an outcome to edit: success, with the output that was seen, where the tool can say what that is."""
        if not isinstance(self.tool, Assumable):
            return None
        assumed: Json = self.tool.spec.output.dump(self.tool.assumed(self.arguments))
        if not isinstance(assumed, dict):
            return assumed
        seen = {stream: text for stream, text in self.call.output.items() if stream in assumed}
        return {name: value for name, value in assumed.items() if name != "planned"} | seen

    def checked(self, outcome: Json) -> Json:
        """Return an outcome in the tool's own form. Raises ConfigError where it is none."""
        shape = self.tool.spec.output
        try:
            return shape.dump(shape.check(outcome))
        except ValueError as error:
            raise ConfigError(f"this is no outcome of {self.tool.spec.path}: {error}") from None

    @property
    def validate(self) -> Validate:
        """What edited arguments of the question must be."""

        async def validate(edited: Json) -> Json:
            if not isinstance(edited, dict) or OUTCOME not in edited:
                raise ConfigError(f"give the outcome as {{{OUTCOME!r}: …}}")
            return {OUTCOME: self.checked(edited[OUTCOME])}

        return validate

    def to_json(self) -> dict[str, Json]:
        """Return the question as data."""
        return {
            "number": self.call.record.number, "tool": self.tool.spec.path, "line": self.call.record.line,
            "arguments": self.tool.spec.input.dump(self.arguments), "output": dict(self.call.output),
        }  # fmt: skip


async def resolve(unknown: Unknown, scope: RunScope, given: Mapping[int, Resolution]) -> Resolution | None:
    """Return what is to become of a call: as decided before the last death, as given, or as somebody answers.

    None where nobody answers. Each answer is durable before it counts. Raises ConfigError for a given outcome
    that cannot be the tool's.
    """
    request = unknown.request(scope)
    if (decided := scope.recall(request.operation, request.digest)) is not None:
        return Resolution.of(decided)
    if (resolution := given.get(request.operation)) is not None:
        if resolution.kind == "happened":
            resolution = Resolution(kind="happened", outcome=unknown.checked(resolution.outcome))
        await _write_down(request, resolution.decision("resume"), scope)
        return resolution
    try:
        decision = await scope.bridge.ask(
            request, emitter=scope.emitter, journal=scope.journal, validate=unknown.validate
        )
    except ApprovalError:
        return None
    return None if decision.choice is Choice.EXPIRE else Resolution.of(decision)


async def _write_down(request: ApprovalRequest, decision: Decision, scope: RunScope) -> None:
    scope.journal.write(
        AskRecord(
            number=request.operation, approval_id=request.approval_id, digest=request.digest,
            request=request_to_json(request), expires=request.expires,
        )
    )  # fmt: skip
    scope.journal.write(
        DecisionRecord(
            approval_id=request.approval_id, decision=decision.choice.value, by=decision.by,
            arguments=decision.arguments, time=decision.time,
        )
    )  # fmt: skip
    await scope.journal.sync()


def check_given(given: Mapping[int, Resolution], unknowns: Sequence[Unknown]) -> None:
    """Raise ConfigError for an outcome of a call that is not in question: nobody would look at it."""
    vain = sorted(given.keys() - {unknown.call.record.number for unknown in unknowns})
    if vain:
        names = ", ".join(f"#{number}" for number in vain)
        listed = ", ".join(f"#{u.call.record.number} {u.tool.spec.path}" for u in unknowns) or "none"
        raise ConfigError(f"the outcome of {names} is not in question; calls whose outcome is: {listed}")


def unanswered(unknowns: list[Unknown]) -> StillInterrupted:
    """Return the reason for which a run stays interrupted."""
    listed = ", ".join(f"#{u.call.record.number} {u.tool.spec.path}" for u in unknowns)
    first = unknowns[0].call.record.number
    return StillInterrupted(
        f"whether these took effect cannot be known, and nobody said: {listed}. Resume where somebody can be asked, or "
        f"answer ahead: --outcome {first}=again, {first}=fail, or {first}=JSON for what it gave",
        code="outcome_unknown", details={"unknown": [u.to_json() for u in unknowns]},
    )  # fmt: skip
