"""Decides what the faces hold: the one door to runs, turns, tools and approvals."""

from __future__ import annotations

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
from toolscript.errors import ConfigError, Json
from toolscript.events import Emitter, Listener
from toolscript.facade.scope import World
from toolscript.facade.store import Store
from toolscript.facade.tasks import TaskBoard
from toolscript.files.disk import DiskFiles
from toolscript.journal.records import Journal, MemoryJournal
from toolscript.language.cache import ScriptCache
from toolscript.limits import Limits
from toolscript.registry.context import SandboxMode
from toolscript.registry.registry import Registry, installed_tools
from toolscript.registry.tool import Tool
from toolscript.run import Run
from toolscript.runner import Origin, Runner
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
        self.conversation_id = new_id("c")
        self._journals = journals or (lambda run_id: MemoryJournal())
        self._emitter = Emitter(ids={"conversation_id": self.conversation_id})
        self._cache = ScriptCache()
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
            self._workshop = Workshop(
                registry=self.registry, bridge=self.approvals, permissions=self.permissions, world=self._world,
                runner=Runner(self.pool, self._cache, self.board, self.store), journals=self._journals,
                conversation_id=self.conversation_id,
            )  # fmt: skip
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
    ) -> Run:
        """Run one script and return what became of it; a bad script is a failed run, not an exception.

        ``limits`` lower the configured ones. ``last_expression`` makes the last expression the result, as in a
        cell. Raises ConfigError for limits that cannot be; is stopped by cancelling its task.
        """
        order = Order(
            limits=self.limits, lowered=limits or {}, policy=policy or self.policy, rules=self.rules, params=params,
            allowed_tools=None if allowed_tools is None else tuple(allowed_tools), origin=origin,
            last_expression=last_expression, mode=mode,
        )  # fmt: skip
        return await self._workshop.run(source, order, self._emitter)
