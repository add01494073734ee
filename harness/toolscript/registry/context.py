"""Decides what a tool is given to work with; it reaches nothing of the harness but this."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from toolscript.errors import ApprovalUnavailable, Json, ToolError
from toolscript.values import quick

if TYPE_CHECKING:
    from toolscript.confine.command import Commands
    from toolscript.registry.files import Files


class SandboxMode(StrEnum):
    """How far the operating system lets commands go."""

    READ_ONLY = "read-only"
    WORKSPACE_WRITE = "workspace-write"
    DANGER_FULL_ACCESS = "danger-full-access"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRecord:
    """What identifies a command's process beyond the reuse of its pid."""

    pid: int
    start_time: int
    boot_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Something a tool asks a person in mid-call (MCP elicitation); ``schema`` describes the answer."""

    message: str
    schema: dict[str, Json] | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the person answered; ``content`` fits the question's schema when accepted."""

    action: Literal["accept", "decline", "cancel"]
    content: Json = None


class Outputs(Protocol):
    """Keeps the full value behind a truncated output for the rest of the conversation."""

    def keep(self, data: bytes) -> str:
        """Keep the bytes and return a handle for ``tools.readOutput``."""
        ...

    def read(self, handle: str) -> bytes:
        """Return what was kept. Raises ToolError with code ``not_found`` for an unknown handle."""
        ...


class MemoryOutputs:
    """Keeps outputs in memory, the oldest dropped beyond ``capacity`` bytes."""

    def __init__(self, capacity: int = 64 * 1024 * 1024) -> None:
        self._capacity = capacity
        self._size = 0
        self._count = 0
        self._kept: dict[str, bytes] = {}

    def keep(self, data: bytes) -> str:
        """Keep the bytes and return a handle; the oldest outputs make room."""
        self._count += 1
        handle = f"out-{self._count}"
        self._kept[handle] = data
        self._size += len(data)
        while self._size > self._capacity and len(self._kept) > 1:
            self._size -= len(self._kept.pop(next(iter(self._kept))))
        return handle

    def read(self, handle: str) -> bytes:
        """Return what was kept. Raises ToolError with code ``not_found``."""
        try:
            return self._kept[handle]
        except KeyError:
            raise ToolError(f"there is no output {handle!r} (any more)", code="not_found") from None


Emit = Callable[[Literal["stdout", "stderr", "progress"], str], None]


async def _nobody(question: Question) -> Answer:
    raise ApprovalUnavailable("nobody can be asked here")


async def _no_agents(agent: str, prompt: str) -> Json:
    raise ToolError("no agents are configured here", tool="agent", code="unavailable")


async def _unrecorded(process: ProcessRecord) -> None:
    return None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class ToolContext:
    """The world as one call of a tool may see and touch it.

    ``cwd`` is where relative paths resolve. ``secret_paths`` (the state directory, Jupyter's runtime
    directory) are unreadable for commands in every mode but full access. ``started`` must be awaited with the
    process's record before a command is let go. ``environment`` is what commands inherit before the
    environment policy. ``commands`` is the harness's supervisor of commands; without it each command starts one
    of its own, which costs tens of milliseconds. A call is cancelled by cancelling its task.
    """

    cwd: Path
    roots: tuple[Path, ...]
    files: Files
    conversation_id: str = ""
    run_id: str = ""
    operation: int = 0
    sandbox: SandboxMode = SandboxMode.WORKSPACE_WRITE
    network: bool = False
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret_paths: tuple[Path, ...] = ()
    max_output_bytes: int = 1024 * 1024
    commands: Commands | None = None
    outputs: Outputs = field(default_factory=MemoryOutputs)
    emit: Emit = lambda stream, text: None
    started: Callable[[ProcessRecord], Awaitable[None]] = _unrecorded
    ask: Callable[[Question], Awaitable[Answer]] = _nobody
    run_agent: Callable[[str, str], Awaitable[Json]] = _no_agents
    catalogue: Callable[[], Json] = dict
    """Returns the registry as data, for ``tools.search`` and ``tools.describe``."""
