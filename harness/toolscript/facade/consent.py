"""Decides whether one exact call may happen: by policy, by what is remembered, or by asking a person."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import rfc8785

from toolscript import units
from toolscript.approvals.bridge import Validate, ask_record, decision_record
from toolscript.approvals.digest import approval_digest
from toolscript.approvals.permissions import always_asked
from toolscript.approvals.policy import judge
from toolscript.approvals.request import ApprovalRequest, Choice, Decision, Policy, Verdict, new_approval_id
from toolscript.approvals.ways import how_to_allow, who
from toolscript.errors import ApprovalDenied, ApprovalExpired, ApprovalUnavailable, Json
from toolscript.registry.classification import Classification, Effect
from toolscript.registry.context import Answer, Question, SandboxMode, ToolContext
from toolscript.registry.registry import schema_digest
from toolscript.registry.shape import Shape
from toolscript.values import quick

if TYPE_CHECKING:
    from toolscript.facade.scope import RunScope
    from toolscript.registry.tool import Tool
    from toolscript.runtime.session import Call


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Consented:
    """A call that may happen: its arguments (perhaps edited), and what a person was shown of it.

    ``insists`` is the reason for which it asks whatever the policy says, should it have to ask again.
    """

    arguments: Any
    classification: Classification
    asked: bool = False
    insists: str = ""

    @property
    def unasked_read(self) -> bool:
        """Whether it reads and nobody was asked: it may happen as it is, since files bind it to what it may read."""
        return self.classification.effect is Effect.READ and not self.asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Gets consent for the calls of one run. ``waiting`` hears when a call begins or ceases to wait."""

    scope: RunScope
    waiting: Callable[[int, bool], None]
    denied: Callable[[Decision], None]

    async def pass_(self, tool: Tool, arguments: Any, call: Call, context: ToolContext) -> Consented:
        """Return the call once it may happen. Raises ApprovalError when it may not."""
        classification = await tool.classify(arguments, context)
        verdict, why = self.judge(tool, classification, arguments)
        if verdict is Verdict.ALLOW:
            return Consented(arguments=arguments, classification=classification)
        if verdict is Verdict.DENY:
            raise ApprovalUnavailable(why, tool=tool.spec.path)
        if verdict is Verdict.REFUSE:
            ways = how_to_allow(self._request(tool, arguments, call, context, classification, why), ())
            raise ApprovalUnavailable(f"{tool.spec.path}: {why}. To allow it: {ways}.", tool=tool.spec.path)
        return await self._put(tool, arguments, call, context, classification, why)

    async def still(self, tool: Tool, consented: Consented, context: ToolContext) -> Consented | None:
        """Return what may be done now, at the last moment before it is; None: it is no longer what was consented to.

        What nobody had to be asked about may have changed, as long as nobody has to be asked about it now.
        """
        if consented.unasked_read:
            return consented
        now = await tool.classify(consented.arguments, context)
        if now == consented.classification:
            return consented
        if consented.asked or self.judge(tool, now, consented.arguments)[0] is not Verdict.ALLOW:
            return None
        same = {p.path for p in now.paths} == {p.path for p in consented.classification.paths}
        return replace(consented, classification=now) if same else None

    async def again(self, tool: Tool, consented: Consented, call: Call, context: ToolContext) -> Consented:
        """Get consent for a call that is no longer what it was consented to. Raises ApprovalError."""
        if consented.insists:
            return await self.ask(tool, consented.arguments, call, context, consented.insists)
        return await self.pass_(tool, consented.arguments, call, context)

    async def verdict(self, tool: Tool, arguments: Any, context: ToolContext) -> Verdict:
        """Say whether the call would run, wait for a person or be refused; asks nobody."""
        return self.judge(tool, await tool.classify(arguments, context), arguments)[0]

    async def ask(self, tool: Tool, arguments: Any, call: Call, context: ToolContext, why: str) -> Consented:
        """Ask whatever the policy says; where the policy never asks, refuse."""
        if self.scope.policy is Policy.NEVER:
            raise ApprovalUnavailable(f"{why}, and the policy never asks", tool=tool.spec.path)
        seen = await tool.classify(arguments, context)
        self.refuse_denied(tool, seen, arguments)
        return replace(await self._put(tool, arguments, call, context, seen, why), insists=why)

    def refuse_denied(self, tool: Tool, seen: Classification, arguments: Any) -> None:
        """Raise ApprovalUnavailable for a call that a rule denies: no answer of a person lifts that."""
        verdict, why = self.judge(tool, seen, arguments)
        if verdict is Verdict.DENY:
            raise ApprovalUnavailable(why, tool=tool.spec.path)

    async def _put(
        self, tool: Tool, arguments: Any, call: Call, context: ToolContext, classification: Classification, why: str
    ) -> Consented:
        request = self._request(tool, arguments, call, context, classification, why)

        async def validate(edited: Json) -> Json:
            parsed = tool.spec.input.parse(tool.spec.path, edited)
            verdict, refusal = self.judge(tool, await tool.classify(parsed, context), parsed)
            if verdict in (Verdict.REFUSE, Verdict.DENY):
                raise ApprovalUnavailable(refusal, tool=tool.spec.path)
            return tool.spec.input.dump(parsed)

        decision = await self._ask(request, validate)
        if decision.choice is Choice.EDIT:
            edited = tool.spec.input.parse(tool.spec.path, decision.arguments)
            return await self._edited(tool, edited, call, context, classification)
        return self._follow(decision, tool, arguments, classification)

    async def _edited(
        self, tool: Tool, edited: Any, call: Call, context: ToolContext, shown: Classification
    ) -> Consented:
        """Follow an edit as far as what it does was shown; what was not, or is no longer so, is shown first."""
        seen = await tool.classify(edited, context)
        self.refuse_denied(tool, seen, edited)
        if _is_shown(seen, shown):
            return Consented(arguments=edited, classification=seen, asked=True)
        why = "the edited call changes a file that was not shown, or not as it is now"
        return await self._put(tool, edited, call, context, seen, why)

    def write_down(
        self, decision: Decision, tool: Tool, arguments: Any, call: Call, context: ToolContext, seen: Classification
    ) -> None:
        """Write down what was decided on this exact call before it was made: with a plan. A resume finds it there."""
        request = self._request(tool, arguments, call, context, seen, decision.reason)
        self.scope.journal.write(ask_record(request))
        self.scope.journal.write(decision_record(request, decision))

    async def question(self, call: Call, question: Question) -> Answer:
        """Put a tool's question before a person; what the person fills in is the answer's content.

        Raises ApprovalDenied where the person wants the turn to end instead: then the call ends with it.
        """
        now, scope = time.time(), self.scope
        asked: dict[str, Json] = {"message": question.message, "schema": question.schema, "url": question.url}
        digest = hashlib.sha256(rfc8785.dumps([scope.run_id, call.number, call.tool, asked])).hexdigest()
        decision = await self._ask(
            ApprovalRequest(
                approval_id=new_approval_id(),
                digest=digest,
                run_id=scope.run_id,
                operation=call.number,
                tool=call.tool,
                arguments=asked,
                why=f"{call.tool} asks you something",
                created=now,
                classification=Classification(effect=Effect.READ, summary=question.message),
                script_hash=scope.script_hash,
                line=call.line,
                column=call.column,
                expires=now + scope.limits.approval_seconds,
                run_began=scope.began,
                extra={"question": asked},
            ),
            _form(call.tool, question.schema),
        )
        if decision.choice in (Choice.ALLOW, Choice.ALLOW_CONVERSATION, Choice.EDIT):
            return Answer(action="accept", content=decision.arguments)
        if decision.choice is Choice.DENY_AND_STOP:
            self.denied(decision)
            raise _denial(call.tool, decision)
        return Answer(action="decline" if decision.choice is Choice.DENY else "cancel")

    def judge(self, tool: Tool, classification: Classification, arguments: Any) -> tuple[Verdict, str]:
        """Return the verdict on a call and the reason for it; asks nobody."""
        scope, allowed = self.scope, self.scope.permitted() or None
        unconfined_by_choice = scope.world.sandbox is SandboxMode.DANGER_FULL_ACCESS
        seen = tool.spec.input.dump(arguments) if scope.rules or allowed else None
        return judge(
            scope.policy, tool.spec, classification, arguments=seen, rules=scope.rules,
            permissions=allowed, cwd=scope.world.cwd,
            sandboxed=classification.confined or unconfined_by_choice or classification.escalated,
        )  # fmt: skip

    def _laxer(self, tool: Tool, seen: Classification, shown: Json) -> str:
        """Return the policy that would let the call run, if there is one."""
        scope, policy = self.scope, Policy.ON_REQUEST
        confined = seen.confined or scope.world.sandbox is SandboxMode.DANGER_FULL_ACCESS
        verdict, _ = judge(
            policy, tool.spec, seen, arguments=shown, rules=scope.rules, sandboxed=confined, cwd=scope.world.cwd
        )
        return policy.value if verdict is Verdict.ALLOW and scope.policy is not policy else ""

    async def _ask(self, request: ApprovalRequest, validate: Validate | None = None) -> Decision:
        if (decided := self.scope.recall(request.operation, request.digest)) is not None:
            return decided
        self.waiting(request.operation, True)
        try:
            return await self.scope.bridge.ask(
                request, emitter=self.scope.emitter, journal=self.scope.journal, validate=validate
            )
        finally:
            self.waiting(request.operation, False)

    def _follow(self, decision: Decision, tool: Tool, arguments: Any, classification: Classification) -> Consented:
        match decision.choice:
            case Choice.ALLOW:
                return Consented(arguments=arguments, classification=classification, asked=True)
            case Choice.ALLOW_CONVERSATION:
                shown = tool.spec.input.dump(arguments)
                self.scope.permissions.remember(tool.spec, classification, by=decision.by, arguments=shown)
                return Consented(arguments=arguments, classification=classification, asked=True)
            case Choice.EXPIRE:
                raise _expired(tool.spec.path, self.scope.limits.approval_seconds)
            case _:
                self.denied(decision)
                raise _denial(tool.spec.path, decision)

    def _request(
        self, tool: Tool, arguments: Any, call: Call, context: ToolContext, seen: Classification, why: str
    ) -> ApprovalRequest:
        scope, shown, now = self.scope, tool.spec.input.dump(arguments), time.time()
        if always_asked(seen):
            seen = replace(seen, remember=None)
        digest = approval_digest(
            run_id=scope.run_id, number=call.number, script_hash=scope.script_hash, tool=tool.spec.path,
            schema=schema_digest(tool), arguments=shown, cwd=str(context.cwd),
            environment=dict(seen.environment), sandbox=context.sandbox.value,
            before=seen.before,
        )  # fmt: skip
        return ApprovalRequest(
            approval_id=new_approval_id(), digest=digest, run_id=scope.run_id, operation=call.number,
            tool=tool.spec.path, arguments=shown, classification=seen, script_hash=scope.script_hash,
            allowed_tools=tuple(scope.tools), cwd=str(context.cwd), sandbox=context.sandbox.value, why=why,
            line=call.line, column=call.column, created=now, expires=now + scope.limits.approval_seconds,
            run_began=scope.began,
            extra={"at_default": _at_default(tool, shown), "laxer": self._laxer(tool, seen, shown)},
        )  # fmt: skip


def _at_default(tool: Tool, shown: Json) -> list[str]:
    """Return the arguments that are what they would be if nobody had given them."""
    properties = tool.spec.input.schema.get("properties", {})
    given = shown if isinstance(shown, dict) else {}
    # Defaults made by a factory are not in a schema; those are empty.
    return [n for n, v in given.items() if v == properties.get(n, {}).get("default", {})]


def _is_shown(seen: Classification, shown: Classification) -> bool:
    """Say whether each path is still as it was shown. One that is only read need not have been: its reader named it."""
    return all(
        shown.before[str(p.path)] == p.before if str(p.path) in shown.before else p.kind == "read" for p in seen.paths
    )


def _form(tool: str, schema: dict[str, Json] | None) -> Validate:
    """Return the check of what a person fills in: it must fit the question's schema."""
    shape = Shape.of_schema(schema or {"type": "object"})

    async def validate(content: Json) -> Json:
        return shape.parse(tool, content)

    return validate


def _expired(tool: str, allowed: float) -> ApprovalExpired:
    told = units.amount(allowed, "s")
    return ApprovalExpired(f"nobody decided on {tool} within {told}", tool=tool, details={"allowed": allowed})


def _denial(tool: str, decision: Decision) -> ApprovalDenied:
    reason = f": {decision.reason}" if decision.reason else ""
    by = who(decision.by)
    details: dict[str, Json] = {"reason": decision.reason, "by": decision.by}
    return ApprovalDenied(f"{tool} was denied by {by}{reason}", tool=tool, details=details)
