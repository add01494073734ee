"""Decides what the faces hold: the one door to runs, turns, tools and approvals."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from anyio.abc import TaskGroup

from toolscript.approvals.bridge import Bridge
from toolscript.approvals.permissions import Permissions
from toolscript.approvals.request import Policy
from toolscript.approvals.rules import Rule
from toolscript.background import Background
from toolscript.confine.command import Commands
from toolscript.errors import ConfigError, Json, RunAborted, ToolscriptError
from toolscript.events import BaseEvent, Emitter, Listener, RunStatus, ScriptExecution, ScriptExecutionOutput
from toolscript.facade.guest import GuestContext
from toolscript.facade.scope import RunScope, World
from toolscript.facade.store import Store
from toolscript.facade.tasks import TaskBoard
from toolscript.files.disk import DiskFiles
from toolscript.journal.records import Journal, MemoryJournal
from toolscript.language.cache import ScriptCache
from toolscript.language.parser import parse, script_hash
from toolscript.limits import Limits
from toolscript.registry.context import SandboxMode
from toolscript.registry.registry import Registry, installed_tools, tools_digest
from toolscript.registry.tool import Tool
from toolscript.run import Run
from toolscript.runner import Origin, Runner, Script
from toolscript.runtime.pool import Pool

Mode = Literal["off", "dry-run", "on"]
Journals = Callable[[str], Journal]


class Harness:
    """Runs scripts and turns in one workspace; faces listen to its events and answer its approvals.

    Use as ``async with Harness(workspace=".") as harness``. ``limits`` are the configured maxima; what a run,
    pragma or cell asks for can only be lower. ``tools`` are added to the installed ones.
    """

    def __init__(
        self,
        workspace: str | Path = ".",
        *,
        agent: str | None = None,
        policy: Policy = Policy.ON_REQUEST,
        limits: Limits | None = None,
        tools: Iterable[Tool] = (),
        rules: Sequence[Rule] = (),
        sandbox: SandboxMode = SandboxMode.WORKSPACE_WRITE,
        journals: Journals | None = None,
    ) -> None:
        self.workspace = Path(workspace).resolve()
        if not self.workspace.is_dir():
            raise ConfigError(f"the workspace {str(workspace)!r} is not a directory")
        self.limits = limits or Limits()
        self.policy = policy
        self.rules = tuple(rules)
        self.sandbox = sandbox
        self.registry = Registry([*installed_tools(), *tools])
        self.approvals = Bridge()
        self.permissions = Permissions()
        self.store = Store()
        self.conversation_id = f"c-{secrets.token_hex(5)}"
        self._journals = journals or (lambda run_id: MemoryJournal())
        self._emitter = Emitter(ids={"conversation_id": self.conversation_id})
        self._cache = ScriptCache()
        self._runs = 0
        self._background = Background(self._open)
        self._world = World(
            cwd=self.workspace, roots=(self.workspace,), files=DiskFiles([self.workspace]), sandbox=sandbox
        )

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

    @asynccontextmanager
    async def _open(self, group: TaskGroup) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            self._world = replace(self._world, commands=await stack.enter_async_context(Commands()))
            self.pool = await stack.enter_async_context(Pool(limits=self.limits))
            self.board = TaskBoard(group)
            stack.push_async_callback(self.board.close)
            self._runner = Runner(self.pool, self._cache, self.board, self.store)
            yield

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
        emitter: Emitter | None = None,
    ) -> Run:
        """Run one script and return what became of it; a bad script is a failed run, not an exception.

        ``limits`` lower the configured ones. ``last_expression`` makes the last expression the result, as in a
        cell. Raises ConfigError for limits or tools that cannot be used; is stopped by cancelling its task.
        """
        run_id = f"r-{secrets.token_hex(5)}"
        emitter = (emitter or self._emitter).scoped(run_id=run_id)
        events: list[BaseEvent] = []
        with emitter.listening(lambda e: events.append(e) if e.run_id == run_id else None):
            granted = self.limits.tightened(limits or {})
            tools = self.registry.select(allowed=allowed_tools)
            try:
                parsed = parse(source, granted)
            except ToolscriptError as error:
                _refuse(emitter, source, origin, mode, error)
                return Run.fold(events)
            if mode == "off":
                _refuse(emitter, source, origin, mode, RunAborted("scripts are shown here, not run"))
                return Run.fold(events)
            self._runs += 1
            scope = RunScope(
                run_id=run_id,
                script_hash=parsed.script_hash,
                limits=parsed.limits,
                policy=policy or self.policy,
                tools={t.spec.path: t for t in tools},
                known=self.registry.get,
                emitter=emitter,
                journal=self._journals(run_id),
                bridge=self.approvals,
                permissions=self.permissions,
                world=self._world,
                rules=self.rules,
                digests={"tools": tools_digest(tools)},
            )
            guest = GuestContext(
                working_directory=str(self._world.cwd),
                conversation_id=self.conversation_id,
                run_id=run_id,
                script_hash=parsed.script_hash,
                limits=parsed.limits,
                environment=os.environ,
            )
            script = Script(
                parsed=parsed,
                origin=origin,
                last_expression=last_expression,
                params=json.dumps(params),
                context=guest.to_json(),
                task_prefix=f"task-{self._runs}",
                mode=mode,
            )
            await self._runner.execute(script, scope)
        return Run.fold(events)


def _refuse(emitter: Emitter, source: str, origin: Origin, mode: Mode, error: ToolscriptError) -> None:
    """Report a script that is not run, in the same two events as any other."""
    status = RunStatus.ABORTED if isinstance(error, RunAborted) else RunStatus.FAILED
    digest = script_hash(source)
    emitter.emit(ScriptExecution, source=source, script_hash=digest, origin=origin, mode=mode)
    emitter.emit(ScriptExecutionOutput, status=status, script_hash=digest, error=error.to_json())
