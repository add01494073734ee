"""A stand-in for the harness: real events, a real approval bridge, and scripts that are lists of directives.

Tests of the kernel's own promises (clicks, interrupts, front ends, versions of ipykernel) must not depend on a
worker. A source is read line by line: ``log TEXT``, ``ask TOOL TEXT``, ``call TOOL TEXT``, ``spawn`` (a real child
process), ``wait``, ``return JSON``, ``throw MESSAGE``. A prompt is written back as the answer, its indented lines run.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

from toolscript import events as ev
from toolscript.agent.conversation import Conversation, PastTurn
from toolscript.approvals.bridge import Bridge
from toolscript.approvals.permissions import Permissions
from toolscript.approvals.request import ApprovalRequest, Choice, Policy
from toolscript.errors import ConfigError, InvalidArguments, Position, ScriptThrew
from toolscript.facade.store import Store
from toolscript.journal.records import MemoryJournal
from toolscript.limits import Limits
from toolscript.registry.classification import Classification, Danger, Effect
from toolscript.registry.context import SandboxMode
from toolscript.registry.registry import Registry
from toolscript.run import Run


async def _checked(arguments: object) -> object:
    if not isinstance(arguments, dict) or "command" not in arguments:
        raise InvalidArguments("exec: command: Field required", tool="exec")
    return arguments


async def _nothing(turn_ids: frozenset[str]) -> None:
    """There are no tasks here."""


async def _no_server() -> tuple[str, ...]:
    """No server is configured here."""
    return ()


def _chosen(name: str) -> None:
    if name not in ("critic", "recorded"):
        raise ConfigError(f"there is no agent {name!r}; agents are critic, recorded")


class StandIn:
    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.policy = Policy.ON_REQUEST
        self.sandbox = SandboxMode.WORKSPACE_WRITE
        self.limits = Limits()
        self.registry = Registry()
        self.configuration = SimpleNamespace(agents={"critic": None, "recorded": None}, notice="", choose=_chosen)
        self.chosen = SimpleNamespace(agent=SimpleNamespace(id="recorded"))
        self.approvals = Bridge()
        self.permissions = Permissions()
        self.conversation = Conversation()
        self.store = Store()
        self.served = SimpleNamespace(failures=_no_server, told=str)
        self.board = SimpleNamespace(end_turns=_nothing, list=list)
        self.children: list[asyncio.subprocess.Process] = []
        self._emitter = ev.Emitter(ids={"conversation_id": "c-1"})
        self._runs = 0

    def metrics(self) -> dict[str, object]:
        return {}

    async def __aenter__(self) -> StandIn:
        return self

    async def aclose(self) -> None:
        for child in self.children:
            child.kill()
            await child.wait()

    def keep(self, value):
        raise AssertionError("no test gives the stand-in a value that large")

    def large(self, run):
        return run.result

    def recording(self, run_id: str) -> None:
        """Nothing is written down here."""

    def listening(self, listener):
        return self._emitter.listening(listener)

    async def run(self, source, *, params=None, emitter=None, origin="cell", **_) -> Run:
        self._runs += 1
        run_id = f"r-{self._runs}"
        emitter = (emitter or self._emitter).scoped(run_id=run_id)
        events: list[ev.BaseEvent] = []
        with emitter.listening(lambda e: events.append(e) if e.run_id == run_id else None):
            emitter.emit(ev.ScriptExecution, source=source, script_hash="abc", origin=origin)
            try:
                result = await self._lines(source.split("\n"), emitter, run_id, params)
                self._end(emitter, ev.RunStatus.COMPLETED, result=result)
            except ScriptThrew as error:
                self._end(emitter, ev.RunStatus.FAILED, error=error.to_json())
            except BaseException:
                self._end(
                    emitter, ev.RunStatus.ABORTED, error={"name": "RunAborted", "code": "aborted", "message": "x"}
                )
                raise
        return Run.fold(events)

    async def turn(self, prompt, *, agent=None, images=()):
        emitter = self._emitter.scoped(turn_id="t-1")
        emitter.emit(ev.TurnStarted, prompt=prompt, agent=agent or "default", model="standin")
        for word in prompt.split(" "):
            emitter.emit(ev.MessageDelta, text=f"{word} ")
        script = "\n".join(line.strip() for line in prompt.split("\n") if line.startswith("  "))
        runs = [await self.run(script, emitter=emitter, origin="model")] if script else []
        emitter.emit(ev.TurnFinished, status="completed", text=prompt, steps=1)
        self.conversation.append(PastTurn(turn_id=f"t-{len(self.conversation.turns)}", prompt=prompt))
        return SimpleNamespace(status="completed", runs=runs, error=None, text=prompt)

    async def _lines(self, lines: Iterable[str], emitter, run_id, params):
        for number, line in enumerate(lines, 1):
            verb, _, rest = line.strip().partition(" ")
            match verb:
                case "log" | "warn":
                    emitter.emit(ev.ScriptLog, level=verb, text=rest, line=number)
                case "ask" | "call":
                    await self._operation(number, *rest.split(" ", 1), emitter, run_id, asks=verb == "ask")
                case "asks":
                    async with asyncio.TaskGroup() as group:
                        for index in range(int(rest)):
                            work = self._operation(
                                100 * number + index, "exec", f"rm {index}", emitter, run_id, asks=True
                            )
                            group.create_task(work)
                case "spawn":
                    child = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(600)")
                    self.children.append(child)
                    emitter.emit(ev.ScriptLog, level="log", text=f"pid {child.pid}")
                case "wait":
                    await asyncio.Event().wait()
                case "params":
                    return params
                case "return":
                    return json.loads(rest)
                case "throw":
                    raise ScriptThrew("Error", rest, position=Position(number, 1))
        return None

    async def _operation(self, number, tool, text, emitter, run_id, *, asks) -> None:
        arguments = {"command": text.split(" ")}
        emitter.emit(
            ev.OperationStarted, operation=number, tool=tool, arguments=arguments, line=number, effect="execute"
        )
        if asks:
            request = ApprovalRequest(
                approval_id=f"{run_id}-{number}", digest="0" * 64, run_id=run_id, operation=number, tool=tool,
                arguments=arguments, script_hash="abc", line=number, cwd=str(self.workspace),
                why="its command is not known to be safe",
                classification=Classification(
                    effect=Effect.EXECUTE, danger=Danger.ORDINARY, summary=f"runs {text}", remember=text,
                ),
            )  # fmt: skip
            try:
                decision = await self.approvals.ask(
                    request, emitter=emitter, journal=MemoryJournal(), validate=_checked
                )
            except Exception as error:
                emitter.emit(
                    ev.OperationFinished, operation=number, tool=tool, status=ev.OperationStatus.DENIED,
                    error=error.to_json(),
                )  # fmt: skip
                raise ScriptThrew(type(error).__name__, str(error), position=Position(number, 1)) from None
            if decision.choice is Choice.EDIT:
                emitter.emit(ev.ScriptLog, level="log", text=f"edited {decision.arguments}")
            elif not decision.choice.value.startswith("allow"):
                emitter.emit(
                    ev.OperationFinished, operation=number, tool=tool, status=ev.OperationStatus.DENIED,
                    error={"name": "ApprovalDenied", "message": f"denied: {decision.reason}"},
                )  # fmt: skip
                raise ScriptThrew(
                    "ApprovalDenied", f"denied by {decision.by}: {decision.reason}", position=Position(number, 1)
                )
        emitter.emit(
            ev.OperationFinished, operation=number, tool=tool, status=ev.OperationStatus.SUCCEEDED,
            output={"exitCode": 0, "stdout": "ok\n"}, duration_ms=3.5,
        )  # fmt: skip

    def _end(self, emitter, status, **facts) -> None:
        emitter.emit(ev.ScriptExecutionOutput, status=status, script_hash="abc", **facts)
