"""Decides what one run or structured call is given: identity, limits, tools, rules and world."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, get_args

from anyio import to_thread

from toolscript.approvals.choices import Policy
from toolscript.errors import ConfigError, Json, RunAborted, StillInterrupted, ToolscriptError
from toolscript.events import Emitter, ErrorEvent, RunStatus, ScriptExecution, ScriptExecutionOutput
from toolscript.facade.guest import GuestContext
from toolscript.facade.large import LARGEST_RESULT
from toolscript.facade.scope import RunScope, World
from toolscript.journal.late import LateJournal
from toolscript.journal.records import Journal, MemoryJournal, RunRecord
from toolscript.language.parser import Parsed, script_hash
from toolscript.registry.registry import Registry, matches, tools_digest
from toolscript.run import Run
from toolscript.runner import Origin, Runner, Script
from toolscript.runtime.identity import installation
from toolscript.runtime.session import FacadeEntry
from toolscript.values import quick

if TYPE_CHECKING:
    from toolscript.agent.executor import ToolReply
    from toolscript.agent.words import Mode
    from toolscript.approvals.bridge import Bridge
    from toolscript.approvals.permissions import Permissions
    from toolscript.approvals.plan import ApprovedPlan, Plan, PlanRow
    from toolscript.approvals.rules import Rule
    from toolscript.journal.conversation import ConversationJournal
    from toolscript.language.cache import ScriptCache
    from toolscript.limits import Limits
    from toolscript.recovery.unknown import Resolution
    from toolscript.registry.tool import Tool

Journals = Callable[[str], Journal]


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Who wants something run, and under which terms; ``limits`` are the maxima, ``lowered`` what is asked for."""

    limits: Limits
    policy: Policy
    lowered: Mapping[str, float] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    pack: str | None = None
    allowed_tools: tuple[str, ...] | None = None
    origin: Origin = "file"
    mode: Mode = "on"
    last_expression: bool = False
    params: Json = None
    turn_id: str | None = None
    agent: str = ""
    prompt: str = ""
    planned: list[PlanRow] | None = None
    plan: ApprovedPlan | None = None
    seed: int | None = None
    time_ms: int | None = None
    earlier: ConversationJournal | None = None
    """What must be durable before an effect of this order begins."""
    inline_result_bytes: int | None = None
    """A larger result is kept, and the run names its handle; None: it is too large."""
    depth: int = 0
    """How many agents stand above this one, each asking the next."""

    def granted(self) -> Limits:
        """Return the limits of its script. Raises ConfigError for what cannot be asked for."""
        limits = self.limits.tightened(self.lowered)
        if self.inline_result_bytes is None or "result_bytes" in self.lowered:
            return limits
        return replace(limits, result_bytes=max(limits.result_bytes, LARGEST_RESULT))


Delegate = Callable[[Order, str, str, str], Awaitable[Json]]
"""Lets another agent answer: who asks, which agent, what, and ``run_id/operation`` of the asking call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolset:
    """The tools of one order, with what is made from them once."""

    tools: tuple[Tool, ...]
    by_path: Mapping[str, Tool]
    facade: tuple[FacadeEntry, ...]
    digest: str
    digests: dict[str, str]
    """The same beside those of the installation, as a run writes them down."""

    @classmethod
    def of(cls, tools: tuple[Tool, ...]) -> Toolset:
        """Return the set of these tools."""
        facade = tuple(
            FacadeEntry(path=(*t.spec.namespace, t.spec.name), positional=t.spec.positional, flat=t.spec.flat)
            for t in tools
        )
        digest = tools_digest(tools)
        return cls(
            tools=tools, by_path={t.spec.path: t for t in tools}, facade=facade, digest=digest,
            digests={**installation(), "tools": digest},
        )  # fmt: skip


@dataclass(slots=True, kw_only=True, eq=False)
class Workshop:
    """Everything that runs of one harness share."""

    registry: Registry
    bridge: Bridge
    permitted: Callable[[], Permissions]
    runner: Runner
    cache: ScriptCache
    world: World
    journals: Journals
    conversation_id: str
    runs: int = 0
    used_plans: set[str] = field(default_factory=set)
    delegate: Delegate | None = None
    toolsets: dict[tuple[Json, ...], Toolset] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.registry.subscribe(self.toolsets.clear)

    async def run(self, source: str, order: Order, emitter: Emitter) -> Run:
        """Run one script; what is wrong with it is a failed run. Raises ConfigError for an order that cannot be."""
        if order.mode == "dry-run" and order.planned is None:
            return (await self.plan(source, order, emitter))[0]
        if order.mode != "off":
            self.runner.expect()
        run_id = new_id("r")
        emitter = emitter.scoped(run_id=run_id)
        granted = order.granted()
        if order.plan is not None:
            order = self._bound(source, order, order.plan)
        with emitter.collecting(run_id) as events:
            try:
                if order.mode == "off":
                    raise RunAborted("scripts are shown here, not run")
                parsed = self.cache.parsed(source, granted)
            except ToolscriptError as error:
                _refuse(emitter, source, order, error)
                return Run.fold(events)
            self.runs += 1
            terms = _terms(order, parsed)
            scope = self._scope(run_id, parsed.script_hash, terms, emitter)
            script = Script(
                parsed=parsed, origin=order.origin, last_expression=order.last_expression, mode=order.mode,
                params="null" if order.params is None else json.dumps(order.params), store=self.runner.stored(),
                context=self._guest(scope, order), task_prefix=f"task-{self.runs}",
                seed=secrets.randbits(32) if order.seed is None else order.seed,
                time_ms=int(time.time() * 1000) if order.time_ms is None else order.time_ms,
            )  # fmt: skip
            await self.runner.execute(script, scope)
        return Run.fold(events)

    async def plan(self, source: str, order: Order, emitter: Emitter) -> tuple[Run, Plan]:
        """Run a script without effects and return what they would be; nothing is written anywhere."""
        from toolscript.approvals.plan import Plan

        rows: list[PlanRow] = []
        seed, now = secrets.randbits(32), int(time.time() * 1000)
        order = replace(order, mode="dry-run", planned=rows, seed=seed, time_ms=now)
        run = await self.rehearsing().run(source, order, emitter)
        partial = run.status is not RunStatus.COMPLETED
        plan = Plan(
            source=source, script_hash=run.script_hash, params=order.params, rows=tuple(rows), seed=seed, time_ms=now,
            status="partial" if partial else "complete", tools_digest=self._toolset(order).digest,
            line=(run.error or {}).get("line") if partial else None,
        )  # fmt: skip
        return run, plan

    def rehearsing(self) -> Workshop:
        """Return a workshop on a copy-on-write overlay of files and store that keeps no journals: what is planned
        there, only it sees."""
        from toolscript.files.overlay import overlaid

        overlay = overlaid(self.world.files)
        return replace(
            self, world=replace(self.world, opened=lambda: overlay), runner=self.runner.rehearsing(),
            journals=lambda run_id: MemoryJournal(),
        )  # fmt: skip

    async def call(self, name: str, arguments: str, order: Order, emitter: Emitter) -> ToolReply:
        """Serve one structured call by its wire name on the same road as a script's calls."""
        from toolscript.agent.executor import ToolReply
        from toolscript.agent.pictures import pictured, without_urls

        run_id = new_id("r")
        emitter = emitter.scoped(run_id=run_id)
        scope = self._scope(run_id, script_hash(f"{name} {arguments}"), order, emitter)
        try:
            path = self.registry.by_wire_name(name).spec.path
        except ToolscriptError as error:
            return ToolReply(text=error.message, is_error=True)
        outcome, ends_turn = await self.runner.call(path, arguments, scope)
        images = pictured(outcome.output, scope.world.outputs.read).images
        return ToolReply(
            text=without_urls(outcome.text, images), is_error=not outcome.ok, images=images, ends_turn=ends_turn
        )

    async def resume(
        self, path: Path, journal: Journal, order: Order, given: Mapping[int, Resolution], emitter: Emitter
    ) -> Run:
        """Go on with an interrupted run whose journal is held. Raises StillInterrupted when it cannot go on yet,
        and JournalDamaged; the journal is closed in any case.

        Of ``order`` the policy (where it is stricter than the run's own) and the rules count; all else is recorded.
        """
        # Imported here, as what recovers and what serves a model elsewhere: an ordinary script needs none of it.
        from toolscript.approvals.permissions import Permissions
        from toolscript.journal.reader import read_secrets, records
        from toolscript.recovery.leftovers import end_leftovers
        from toolscript.recovery.past import Past
        from toolscript.recovery.resume import Interrupted, ResumedCourse, announce, check_resumable
        from toolscript.recovery.structured import finish

        try:
            past = Past.read(records(path, secrets=read_secrets(path)))
            order = recorded_order(past.tape.run, order)
            check_resumable(past.tape, path.stem, self.world.cwd, self._toolset(order).digests)
            await to_thread.run_sync(end_leftovers, past.started)
        except BaseException:
            journal.close()
            raise
        run = past.tape.run
        self.runs += 1
        emitter = emitter.scoped(run_id=run.run_id, turn_id=run.turn_id, parent=run.parent)
        scope = self._scope(run.run_id, run.script_hash, order, emitter, journal)
        permissions = Permissions(self.world.cwd)
        permissions.restore(self.permitted().snapshot())
        past.allow_again(permissions, self.registry)
        scope = replace(scope, permitted=lambda: permissions, recall=past.memory().recall, plan=past.terms)
        with emitter.collecting(run.run_id) as events:
            announce(scope, past)
            interrupted = Interrupted(past=past, scope=scope, given=given)
            if run.origin == "call":
                await finish(interrupted, self.runner)
                return Run.fold(events)
            course = ResumedCourse(interrupted, self.runner.board)
            ending = await self.runner.conduct(course, past.tape.start())
            if course.suspended is not None:
                problem = ending.error or course.suspended
                emitter.emit(ErrorEvent, error=problem.to_json())
                raise problem
        return Run.fold(events)

    def _scope(
        self, run_id: str, digest: str, order: Order, emitter: Emitter, journal: Journal | None = None
    ) -> RunScope:
        tools = self._toolset(order)
        journal = journal or LateJournal(partial(self.journals, run_id))
        return RunScope(
            run_id=run_id, script_hash=digest, limits=order.limits, policy=order.policy, rules=order.rules,
            tools=tools.by_path, facade=tools.facade, known=self.registry.get, emitter=emitter,
            journal=journal if order.earlier is None else order.earlier.followed_by(journal), bridge=self.bridge,
            permitted=self.permitted, world=self.world, turn_id=order.turn_id,
            run_agent=None if self.delegate is None else partial(self.delegate, order),
            catalogue=lambda: catalogue(tools.tools), digests=tools.digests,
            planned=order.planned, plan=None if order.plan is None else order.plan.terms,
            inline_result_bytes=order.inline_result_bytes,
            conversation_id=self.conversation_id,
        )  # fmt: skip

    def tools(self, order: Order) -> tuple[Tool, ...]:
        """Return the tools of an order: its pack, narrowed to what it allows."""
        return self._toolset(order).tools

    def _toolset(self, order: Order) -> Toolset:
        key = (order.pack, order.allowed_tools)
        if key not in self.toolsets:
            self.toolsets[key] = Toolset.of(self.registry.select(pack=order.pack, allowed=order.allowed_tools))
        return self.toolsets[key]

    def _bound(self, source: str, order: Order, approved: ApprovedPlan) -> Order:
        """Return the order with the plan's seed and clock. Raises ConfigError when it is not this plan's script."""
        plan = approved.plan
        if approved.plan_id in self.used_plans:
            raise ConfigError("this approved plan was carried out already; plan it anew")
        self.used_plans.add(approved.plan_id)
        # As JSON: to Python, 1 and true are the same.
        given = (source, json.dumps(order.params, sort_keys=True), self._toolset(order).digest)
        if (plan.source, json.dumps(plan.params, sort_keys=True), plan.tools_digest) != given:
            raise ConfigError("the approved plan is of another script, other params or other tools; plan it anew")
        return replace(order, seed=plan.seed, time_ms=plan.time_ms)

    def _guest(self, scope: RunScope, order: Order) -> str:
        return GuestContext(
            working_directory=str(self.world.cwd), conversation_id=self.conversation_id, run_id=scope.run_id,
            script_hash=scope.script_hash, limits=scope.limits, environment=self.world.environment,
            turn_id=order.turn_id or "", agent=order.agent, original_prompt=order.prompt,
        ).to_json()  # fmt: skip


def recorded_order(run: RunRecord, order: Order) -> Order:
    """Return the terms of an interrupted run: as recorded, under today's rules, and never a looser policy.

    Raises StillInterrupted and ConfigError for terms that are none.
    """
    from toolscript.agent.tightening import stricter
    from toolscript.recovery.tape import recorded_limits

    if run.policy not in tuple(Policy) or run.origin not in get_args(Origin):
        terms = f"policy {run.policy!r}, origin {run.origin!r}"
        raise StillInterrupted(f"{run.run_id} ran under terms that there are not: {terms}", code="not_resumable")
    return Order(
        limits=recorded_limits(run),
        policy=stricter(Policy(run.policy), order.policy), rules=order.rules, allowed_tools=run.allowed_tools,
        origin=cast("Origin", run.origin), turn_id=run.turn_id, depth=0 if run.parent is None else 1,
        inline_result_bytes=order.inline_result_bytes,
    )  # fmt: skip


def _terms(order: Order, parsed: Parsed) -> Order:
    """Return the order under the script's own pragma."""
    allowed = _narrowed(order, parsed)
    if parsed.limits is order.limits and allowed == order.allowed_tools:
        return order
    return replace(order, limits=parsed.limits, allowed_tools=allowed)


def _narrowed(order: Order, parsed: Parsed) -> tuple[str, ...] | None:
    """Return what both the order and the script's pragma allow; patterns of the order bind the pragma's names."""
    if order.allowed_tools is None or parsed.allowed_tools is None:
        return order.allowed_tools if parsed.allowed_tools is None else parsed.allowed_tools
    return tuple(t for t in parsed.allowed_tools if any(matches(t, p) for p in order.allowed_tools))


def catalogue(tools: Iterable[Tool]) -> list[dict[str, Json]]:
    """Return the tools as data, for ``tools.search`` and ``tools.describe``."""
    from toolscript.registry.declarations import declaration

    return [
        {
            "name": t.spec.path,
            "doc": t.spec.doc,
            "effect": t.spec.effect.value,
            "declaration": declaration(t.spec),
            "input_schema": t.spec.input.schema,
            "output_schema": t.spec.output.schema,
        }
        for t in tools
    ]


def new_id(kind: Literal["r", "c"]) -> str:
    """Return a fresh id; its first letter says of what."""
    return f"{kind}-{os.urandom(5).hex()}"


def _refuse(emitter: Emitter, source: str, order: Order, error: ToolscriptError) -> None:
    """Report a script that is not run, in the same two events as any other."""
    status = RunStatus.ABORTED if isinstance(error, RunAborted) else RunStatus.FAILED
    digest = script_hash(source)
    emitter.emit(ScriptExecution, source=source, script_hash=digest, origin=order.origin, mode=order.mode)
    emitter.emit(ScriptExecutionOutput, status=status, script_hash=digest, error=error.to_json())
