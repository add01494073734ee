"""What tests of the turn loop share: an executor whose runs a test decides."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

from toolscript.agent.conversation import Conversation
from toolscript.agent.executor import ToolReply
from toolscript.agent.terms import TurnSettings
from toolscript.agent.turn import TurnLoop
from toolscript.agent.words import Mode
from toolscript.errors import Json
from toolscript.events import BaseEvent, Emitter, RunStatus, ScriptExecution, ScriptExecutionOutput
from toolscript.models.adapter import FunctionTool, ModelAdapter
from toolscript.registry.context import MemoryOutputs
from toolscript.run import Run

SCRIPT = "<tool-calls>\n{}\n</tool-calls>"


def script(source: str) -> str:
    return SCRIPT.format(source)


@dataclass
class Ran:
    """An Executor: each script's result is what ``results`` holds for its source, an exception fails the run."""

    results: dict[str, Json | Exception | Callable[[], Awaitable[Json]]] = field(default_factory=dict)
    replies: dict[str, ToolReply | Callable[[], Awaitable[ToolReply]]] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    modes: list[Mode] = field(default_factory=list)
    ended: int = 0
    outputs: MemoryOutputs = field(default_factory=MemoryOutputs)
    facade: str = "declare const tools: { exec(args: { command: string[] }): Promise<{ exitCode: number }> };"

    async def run(self, source: str, *, emitter: Emitter, mode: Mode) -> Run:
        source = source.strip()
        self.sources.append(source)
        emitter = emitter.scoped(run_id=f"run-{len(self.sources)}")
        events: list[BaseEvent] = []
        with emitter.listening(events.append):
            digest = hashlib.sha256(source.encode()).hexdigest()
            emitter.emit(ScriptExecution, source=source, script_hash=digest, mode=mode)
            result = self.results.get(source)
            if callable(result):
                result = await result()
            failed = isinstance(result, Exception)
            emitter.emit(
                ScriptExecutionOutput,
                status=RunStatus.FAILED if failed else RunStatus.COMPLETED,
                script_hash=digest,
                result=None if failed else result,
                error={"name": "ScriptThrew", "code": "script_threw", "message": str(result)} if failed else None,
            )
        return Run.fold(e for e in events if e.run_id == emitter.ids["run_id"])

    async def call(self, name: str, arguments: str, *, call_id: str, emitter: Emitter, mode: Mode = "on") -> ToolReply:
        self.calls.append((name, arguments))
        self.modes.append(mode)
        reply = self.replies.get(name, ToolReply(text=f"{name} done"))
        return await reply() if callable(reply) else reply

    def declarations(self) -> str:
        return self.facade

    def function_tools(self) -> tuple[FunctionTool, ...]:
        return (FunctionTool(name="read_file", description="Reads.", parameters={"type": "object"}),)

    def keep(self, data: bytes) -> str:
        return self.outputs.keep(data)

    def kept(self, handle: str) -> bytes:
        return self.outputs.read(handle)

    async def end_turn(self) -> None:
        await anyio.lowlevel.checkpoint()
        self.ended += 1


@dataclass
class Stage:
    """A turn loop with everything around it."""

    loop: TurnLoop
    executor: Ran
    conversation: Conversation
    events: list[BaseEvent]


def stage(adapter: ModelAdapter, executor: Ran | None = None, **settings: object) -> Stage:
    executor = executor or Ran()
    conversation = Conversation("conv")
    emitter = Emitter()
    events: list[BaseEvent] = []
    emitter.channel.listeners.append(events.append)
    loop = TurnLoop(adapter, executor, conversation, TurnSettings(**settings), emitter)  # type: ignore[arg-type]
    return Stage(loop, executor, conversation, events)
