"""Requests, tools and deciders as real as the tests of approvals need them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
from pydantic import Field

from toolscript.approvals.bridge import Bridge
from toolscript.approvals.request import ApprovalRequest, Decision
from toolscript.events import Emitter
from toolscript.journal.records import MemoryJournal
from toolscript.registry.classification import Classification, Danger, Effect, PathEffect
from toolscript.registry.shape import Shape
from toolscript.registry.tool import ToolModel, ToolSpec


class Command(ToolModel):
    command: list[str]
    cwd: str = ""
    with_escalated_permissions: bool = False
    env: dict[str, str] = Field(default_factory=dict)


class ShellLine(ToolModel):
    command: str
    cwd: str = ""


class FilePath(ToolModel):
    path: str
    limit: int | None = None


def spec(name: str, effect: Effect, model: Any, **more: Any) -> ToolSpec:
    return ToolSpec(name=name, doc=name, effect=effect, input=Shape.of(model), output=Shape.of(dict), **more)


EXEC = spec("exec", Effect.EXECUTE, Command)
SHELL = spec("shell", Effect.EXECUTE, ShellLine, positional=("command",))
READ = spec("readFile", Effect.READ, FilePath, positional=("path",))
WRITE = spec("writeFile", Effect.WRITE, FilePath, positional=("path",))
FETCH = spec("fetch", Effect.NETWORK, FilePath, namespace=("mcp", "web"))


def arguments(tool: ToolSpec, **given: Any) -> dict[str, Any]:
    """The arguments as the road of a call has them: after defaults, in facade spelling."""
    dumped: dict[str, Any] = tool.input.check(given).model_dump(mode="json", by_alias=True, exclude_none=True)
    return dumped


def command(danger: Danger = Danger.ORDINARY, **more: Any) -> Classification:
    return Classification(effect=Effect.EXECUTE, danger=danger, **more)


def touches(path: str, kind: Any = "modify", *, inside: bool = True, protected: bool = False) -> Classification:
    effect = Effect.READ if kind == "read" else Effect.WRITE
    where = PathEffect(path=Path(path), kind=kind, inside=inside, protected=protected)
    return Classification(effect=effect, paths=(where,), remember=path)


_ids = itertools.count(1)


def request(**more: Any) -> ApprovalRequest:
    number = next(_ids)
    facts: dict[str, Any] = {
        "approval_id": f"approval-{number}",
        "digest": f"{number:064x}",
        "run_id": "run-1",
        "operation": number,
        "tool": "exec",
        "arguments": {"command": ["make"]},
        "classification": command(remember="make"),
    }
    return ApprovalRequest(**facts | more)


class Person:
    """A decider that keeps what it was shown and what was taken away."""

    def __init__(self, name: str = "person") -> None:
        self.name = name
        self.shown: list[ApprovalRequest] = []
        self.withdrawn: list[tuple[str, Decision]] = []

    def show(self, request: ApprovalRequest) -> None:
        self.shown.append(request)

    def withdraw(self, approval_id: str, decision: Decision) -> None:
        self.withdrawn.append((approval_id, decision))


class Scene:
    """A bridge with an emitter and a journal whose events and records can be read."""

    def __init__(self) -> None:
        self.bridge = Bridge()
        self.journal = MemoryJournal()
        self.emitter = Emitter()
        self.events: list[Any] = []
        self.emitter.channel.listeners.append(self.events.append)

    async def ask(self, asked: ApprovalRequest, **more: Any) -> Decision:
        return await self.bridge.ask(asked, emitter=self.emitter, journal=self.journal, **more)


async def until(condition: Callable[[], bool], *, seconds: float = 30) -> None:
    """Return once a condition that other tasks or processes bring about holds."""
    with anyio.fail_after(seconds):
        while not condition():  # nothing announces it
            await anyio.sleep(0.001)
