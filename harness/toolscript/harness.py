"""Decides what the faces hold: the one door to runs, turns, tools and approvals."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from secrets import token_hex
from types import TracebackType
from typing import TYPE_CHECKING, Self

from anyio.abc import TaskGroup

from toolscript.background import Background
from toolscript.errors import ConfigError, Json, StillInterrupted
from toolscript.events import Emitter, Listener
from toolscript.garbage import uncollected
from toolscript.runtime.ahead import begun

if TYPE_CHECKING:
    from toolscript import parts  # noqa: TC004 - see _load
    from toolscript.agent.config import AgentConfig
    from toolscript.agent.conversation import Conversation
    from toolscript.agent.turn import Turn
    from toolscript.agent.words import Mode
    from toolscript.agent.workers import Workers
    from toolscript.approvals.permissions import Permissions
    from toolscript.approvals.plan import ApprovedPlan, Plan
    from toolscript.approvals.request import Policy
    from toolscript.approvals.rules import Rule
    from toolscript.files.disk import DiskFiles
    from toolscript.journal.conversation import Conversations
    from toolscript.limits import Limits
    from toolscript.models.adapter import ModelAdapter
    from toolscript.recovery.undo import Pick
    from toolscript.recovery.unknown import Resolution
    from toolscript.registry.context import SandboxMode
    from toolscript.registry.tool import Tool
    from toolscript.run import Run
    from toolscript.runner import Origin
    from toolscript.turns import Turns
    from toolscript.undos import Undos
    from toolscript.workshop import Journals, Order


def _load() -> None:
    global parts  # noqa: PLW0603 - a module is loaded once, whoever asks
    with uncollected():
        from toolscript import parts


class Harness:
    """Runs scripts and turns in one workspace; faces listen to its events and answer its approvals.

    Use as ``async with Harness(workspace=".") as harness``. ``limits`` are the configured maxima; what a run,
    pragma or cell asks for can only be lower. ``tools`` are added to the installed ones. ``workers`` stand in place
    of the configured ones. ``sandbox`` holds for commands; a workspace that they may write to, if left out.
    """

    def __init__(
        self,
        workspace: str | Path = ".",
        *,
        agent: str | None = None,
        policy: Policy | None = None,
        limits: Limits | None = None,
        tools: Iterable[Tool] = (),
        rules: Sequence[Rule] = (),
        recordings: Iterable[Path] = (),
        sandbox: SandboxMode | None = None,
        journals: Journals | None = None,
        workers: Workers | None = None,
    ) -> None:
        self.workspace = Path(workspace).resolve()
        if not self.workspace.is_dir():
            raise ConfigError(f"the workspace {str(workspace)!r} is not a directory")
        self._ahead = begun()  # before all else: what it loads for workers and what is loaded here take equally long
        _load()
        self.sandbox = sandbox or parts.SandboxMode.WORKSPACE_WRITE
        self.configuration = parts.load(self.workspace)
        self.chosen = self.configuration.choose(agent)
        self._given_limits = limits
        self.limits = limits or self.chosen.agent.run_limits
        self.workers = workers or self.configuration.workers
        most = limits or self.configuration.widest_limits()
        self.pool = parts.Pool(most, **self.workers.options(), ahead=self._ahead)
        self.policy = policy or self.chosen.agent.policy
        self.rules = (*rules, *parts.rules_of(self.configuration.rules, "toolscript.toml"))
        self.registry = parts.Registry([*parts.installed_tools(), *tools])
        self._recordings = tuple(recordings)
        self.approvals = parts.Bridge()
        self.served = parts.Served(self.registry, configured=tuple(self.configuration.mcp))
        self.store = parts.Store()
        self.conversation_id = f"conv-{token_hex(6)}"
        self._conversation: Conversation | None = None
        self._talks: Conversations | None = None
        self.state = parts.state_dir(self.workspace)
        self._written = journals is None
        self._spares = parts.Spares(parts.runs_dir(self.state), parts.run_name)
        self._journals = journals or self._disk_journals()
        self._emitter = Emitter(ids={"conversation_id": self.conversation_id})
        self._cache = parts.ScriptCache()
        self._background = Background(self._open)
        hidden = parts.hidden_directories()
        self._world = parts.World(
            cwd=self.workspace, roots=(self.workspace,), sandbox=self.sandbox, secret_paths=hidden,
            opened=lambda: self._files,
        )  # fmt: skip

    @cached_property
    def _files(self) -> DiskFiles:
        from toolscript.files.disk import DiskFiles

        return DiskFiles([self.workspace], hidden=self._world.secret_paths)

    def _disk_journals(self) -> Journals:
        """Write each run to the workspace's state directory, secrets of the environment redacted."""
        secrets = parts.secret_values(os.environ)
        parts.sweep(self.state)
        return lambda run_id: parts.DiskJournal.create(self.state, run_id, secrets=secrets, spares=self._spares)

    @property
    def conversation(self) -> Conversation:
        """The turns that prompts here continue."""
        if self._conversation is None:
            from toolscript.agent.conversation import Conversation

            self._conversation = Conversation(self.conversation_id)
        return self._conversation

    @cached_property
    def permissions(self) -> Permissions:
        """What persons allowed for the conversation."""
        from toolscript.approvals.permissions import Permissions

        return Permissions(self.workspace)

    @cached_property
    def _turns(self) -> Turns:
        # With the first turn: a script alone needs nothing of what turns are made of, and should not wait for it.
        from toolscript.journal.conversation import Conversations, sweep_conversations
        from toolscript.turns import Turns

        if self._written:
            sweep_conversations(self.state)
            self._talks = Conversations(self.state, str(self.workspace), secrets=parts.secret_values(os.environ))
        return Turns(
            configuration=self.configuration, workshop=self._workshop, board=self.board, emitter=self._emitter,
            order=self._order, adapter=self._adapter, conversations=self._talks,
        )  # fmt: skip

    async def _ask(self, asker: Order, agent_id: str, prompt: str, parent: str) -> Json:
        return await self._turns.ask(asker, agent_id, prompt, parent)

    def _close_talks(self) -> None:
        if self._talks is not None:
            self._talks.close()

    async def __aenter__(self) -> Self:
        await self._background.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop every run and task, end every process, close the pool; closing twice changes nothing."""
        await self._background.close()
        if self._ahead is not None:  # a harness that was never opened
            self._ahead.close()

    @asynccontextmanager
    async def _open(self, group: TaskGroup) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            self._world = replace(self._world, commands=await stack.enter_async_context(parts.Commands()))
            await stack.enter_async_context(self.pool)
            self.board = parts.TaskBoard(group)
            stack.push_async_callback(self.board.close)
            self._runner = parts.Runner(self.pool, self._cache, self.board, self.store)
            self._workshop = parts.Workshop(
                registry=self.registry, cache=self._cache, bridge=self.approvals, permitted=lambda: self.permissions,
                runner=self._runner, journals=self._journals,
                conversation_id=self.conversation_id, world=self._world,
            )  # fmt: skip
            self._workshop.delegate = self._ask
            stack.callback(self._close_talks)
            group.start_soon(parts.learn_ahead, self.pool)
            group.start_soon(self._spares.keep)
            await self.served.open(parts.open_servers(self.configuration, self.workspace), stack, group)
            owner = parts.OwnerSocket(self.approvals, self.state, emitter=self._emitter, abort=self.abort)
            await stack.enter_async_context(owner)
            yield

    def metrics(self) -> dict[str, Json]:
        """Return what the workers (``pool``) and the script caches (``scripts``) have done since it was opened."""
        return {"pool": self.pool.metrics(), "scripts": parts.hit_rates(self._cache.metrics())}

    async def abort(self, run_id: str) -> bool:
        """Stop a run with its calls and their processes; False if no such run goes on here."""
        return self._runner.abort(run_id)

    def listening(self, listener: Listener) -> AbstractContextManager[None]:
        """Call ``listener`` with every event, on the loop, while the block runs."""
        return self._emitter.listening(listener)

    async def run(
        self,
        source: str,
        *,
        params: Json = None,
        limits: Mapping[str, float] | None = None,
        policy: Policy | None = None,
        allowed_tools: Iterable[str] | None = None,
        origin: Origin = "file",
        last_expression: bool = False,
        mode: Mode = "on",
        plan: ApprovedPlan | None = None,
        large_result: bool = False,
    ) -> Run:
        """Run one script and return what became of it; a bad script is a failed run, not an exception.

        ``limits`` lower the configured ones. ``last_expression`` makes the last expression the result, as in a
        cell. With ``large_result`` a result beyond its limit is kept, and the run's ``result`` stands for it (see
        :meth:`large`). Raises ConfigError for limits that cannot be; is stopped by cancelling its task.
        """
        order = parts.Order(
            limits=self.limits, lowered=limits or {}, policy=policy or self.policy, rules=self.rules, params=params,
            allowed_tools=None if allowed_tools is None else tuple(allowed_tools), origin=origin,
            last_expression=last_expression, mode=mode, plan=plan,
            inline_result_bytes=self.limits.result_bytes if large_result else None,
        )  # fmt: skip
        await self.served.wait()
        if mode == "dry-run":
            return (await self._workshop.plan(source, order, self._emitter))[0]
        return await self._workshop.run(source, order, self._emitter)

    async def plan(
        self, source: str, *, params: Json = None, limits: Mapping[str, float] | None = None,
        last_expression: bool = False,
    ) -> Plan:  # fmt: skip
        """Return what a script would do, from one execution with live reads and without effects.

        ``run(source, params=params, plan=plan.approve(rows))`` then carries out the approved rows; what differs asks.
        """
        await self.served.wait()
        order = parts.Order(
            limits=self.limits, lowered=limits or {}, policy=self.policy, rules=self.rules, params=params,
            origin="cell", last_expression=last_expression,
        )  # fmt: skip
        return (await self._workshop.plan(source, order, self._emitter))[1]

    async def offered(self) -> tuple[Tool, ...]:
        """Return the tools that scripts can call here, once the configured servers have offered theirs."""
        await self.served.wait()
        return tuple(self.registry.select())

    async def turn(self, prompt: str, *, agent: str | None = None, images: Sequence[str] = ()) -> Turn:
        """Let an agent answer a prompt and return what came of it; images are data URLs.

        Failures of the provider end the turn as ``failed``; nothing is raised for them. Raises ConfigError for
        an agent that there is not. Is stopped by cancelling its task; what had happened stays.
        """
        config = self.chosen.agent if agent is None else self.configuration.choose(agent).agent
        await self.served.wait()
        return await self._turns.run(config, prompt, self.conversation, images=images)

    async def resume(
        self, run_id: str, *, outcomes: Mapping[int, Resolution] | None = None, large_result: bool = False
    ) -> Run:
        """Go on with a run of this workspace whose host died, and return what became of it in all.

        What had ended is not done again. ``outcomes`` says ahead, by call number, what nobody can know: whether a
        command or network call that had begun took effect; the rest is asked about. Raises StillInterrupted when
        nobody answers (nothing was done then), when the run does not replay, or when it is none to resume;
        ConfigError for an outcome of a call that is not in question; ToolError ``not_found`` for a run that there is
        not; and JournalError while another process works on it.
        """
        from toolscript.recovery.history import first_record, journal_to_resume

        await self.served.wait()
        path = journal_to_resume(self.state, run_id)
        journal = parts.DiskJournal.resume(path, secrets=parts.secret_values(os.environ))
        if (first := first_record(path)) is not None and first.origin == "undo":
            return await self._undos.resume(run_id, journal, outcomes or {})
        order = parts.Order(
            limits=self.limits, policy=self.policy, rules=self.rules,
            inline_result_bytes=self.limits.result_bytes if large_result else None,
        )  # fmt: skip
        return await self._workshop.resume(path, journal, order, outcomes or {}, self._emitter)

    def keep(self, value: Json) -> dict[str, Json]:
        """Keep a value that is too large for ``params`` and return what stands for it: scripts read it by its
        ``handle`` with ``tools.readOutput``, as long as this harness lives.
        """
        return parts.reference(value, self._world.outputs.keep)

    def large(self, run: Run) -> Json:
        """Return a run's whole result, which may be kept beside it. Raises ToolError ``not_found`` when it is gone."""
        if run.result_handle is None:
            return run.result
        return parts.original(run.result, self._world.outputs.read(run.result_handle))

    def interrupted_turns(self) -> tuple[str, ...]:
        """Return the conversations of this workspace whose last turn was cut short and that nobody goes on with."""
        from toolscript.journal.conversation import unfinished_conversations

        return tuple(path.stem for path in unfinished_conversations(self.state))

    async def resume_turn(self, conversation_id: str) -> Turn:
        """Go on with the turn of a conversation whose host died, here, and return what came of it.

        Its conversation becomes this harness's. Runs that were cut short are resumed first, nothing that had ended
        is done again, and the model is not asked again for what it had written. Raises StillInterrupted where
        nothing was cut short or a run cannot go on yet, JournalError, and ConfigError when its agent is gone.
        """
        from toolscript.agent.reviving import to_go_on
        from toolscript.interrupted import fill_in, stored
        from toolscript.journal.conversation import conversation_path, conversation_records, unfinished_conversations

        await self.served.wait()
        path = conversation_path(self.state, conversation_id)
        if path not in unfinished_conversations(self.state):
            raise StillInterrupted(f"no turn of {conversation_id!r} was cut short", code="not_resumable")
        written = conversation_records(path, secrets=parts.secret_values(os.environ))
        conversation, unfinished, step = to_go_on(written, conversation_id, self.workspace)
        if step is not None:
            await fill_in(step, self.state, self.resume, lambda name: self.registry.by_wire_name(name).spec.path)
        self._conversation = conversation
        turns = [unfinished.turn_id, *(turn.turn_id for turn in conversation.turns)]
        self.store.commit(stored(self.state, conversation_id, turns), self.limits.store_bytes)
        return await self._turns.go_on(unfinished, step, conversation)

    def recording(self, run_id: str) -> dict[str, Json] | None:
        """Return what a notebook keeps of a run so that it replays without its journal; None for a run without one.

        Raises JournalError and JournalDamaged.
        """
        from toolscript.recovery.notebook import saved

        path = parts.run_path(self.state, run_id) if run_id else None
        return saved(path) if path is not None and path.is_file() else None

    async def undo(self, *names: str, picks: Mapping[Path, Pick] | None = None) -> Run:
        """Take back the file changes of runs that have ended, all of them or none; the undo is a run itself.

        ``names`` are runs and turns; those of agents that they asked go with them. Where a path has changed since,
        nothing is touched and the run fails with code ``changed``: ``picks`` then chooses ``keep``, ``restore`` or
        ``merge`` for each. Runs that changed no file are told so in ``warnings``, and nothing is written down: such a
        run has no id. Raises ToolError: ``not_found``, ``elsewhere``, ``not_ended``, ``interrupted``,
        ``already_undone``; and ConfigError for a pick that is not in question.
        """
        return await self._undos.undo(names, picks or {})

    @cached_property
    def _undos(self) -> Undos:
        from toolscript.undos import Undos

        return Undos(
            state=self.state, workspace=self.workspace, files=self._files, emitter=self._emitter,
            journals=self._journals, goes_on=self._runner.is_running,
        )  # fmt: skip

    def _adapter(self, config: AgentConfig) -> ModelAdapter:
        return parts.adapter_of(config, self._recordings)

    def _order(self, config: AgentConfig, prompt: str) -> Order:
        """Return an agent's terms: its limits never above the harness's, its policy only where it is its own."""
        return parts.Order(
            limits=self._given_limits or config.run_limits, policy=self.policy, pack=config.tool_pack, prompt=prompt,
            rules=(*self.rules, *parts.rules_of(config.rules, f"agent {config.id}")), agent=config.id,
            allowed_tools=config.tools,
        )  # fmt: skip
