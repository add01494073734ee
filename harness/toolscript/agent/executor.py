"""Decides what the turn loop asks of whatever runs its scripts and serves its structured calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from toolscript.agent.words import Mode
    from toolscript.events import Emitter
    from toolscript.models.adapter import FunctionTool
    from toolscript.run import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolReply:
    """What a structured call gives back to the model; images are data URLs.

    ``ends_turn``: a person denied the call and wants the turn to end with it.
    """

    text: str
    is_error: bool = False
    images: tuple[str, ...] = ()
    ends_turn: bool = False


class Executor(Protocol):
    """Runs scripts and serves structured calls for one conversation; the harness is one."""

    async def run(self, source: str, *, emitter: Emitter, mode: Mode) -> Run:
        """Run a script that was found in a reply. What is wrong with the script comes as a failed Run."""
        ...

    async def call(self, name: str, arguments: str, *, call_id: str, emitter: Emitter, mode: Mode = "on") -> ToolReply:
        """Serve a structured call by its wire name; in a dry run, plan it. What the tool refuses comes as an error
        reply."""
        ...

    def declarations(self) -> str:
        """Return the TypeScript of the facade for the prompt; the same registry gives the same bytes."""
        ...

    def function_tools(self) -> tuple[FunctionTool, ...]:
        """Return the tools that are offered for structured calls."""
        ...

    def keep(self, data: bytes) -> str:
        """Keep bytes for the conversation and return a handle for ``tools.readOutput``."""
        ...

    def kept(self, handle: str) -> bytes:
        """Return what lies behind a handle. Raises ToolError ``not_found``."""
        ...

    async def end_turn(self) -> None:
        """Cancel the tasks that live no longer than the turn."""
        ...
