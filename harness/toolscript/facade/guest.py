"""Decides what a script is told of the world around it: the frozen ``context``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolscript.memo import Latest
from toolscript.texts import dumps

if TYPE_CHECKING:
    from toolscript.limits import Limits

ENVIRONMENT = ("LANG", "LC_ALL", "TZ", "SHELL")
"""Environment variables that scripts may read; nothing else of the environment reaches a worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestContext:
    """The values of ``context``, all of them JSON."""

    working_directory: str
    conversation_id: str
    run_id: str
    script_hash: str
    limits: Limits
    turn_id: str = ""
    agent: str = ""
    original_prompt: str = ""
    environment: Mapping[str, str]

    def to_json(self) -> str:
        """Return the JSON text that the worker freezes."""
        return dumps(
            {
                "workingDirectory": self.working_directory,
                "conversationId": self.conversation_id,
                "turnId": self.turn_id,
                "runId": self.run_id,
                "scriptHash": self.script_hash,
                "agent": self.agent,
                "limits": _limits(self.limits),
                "env": {name: self.environment[name] for name in ENVIRONMENT if name in self.environment},
                "originalPrompt": self.original_prompt,
            }
        )


@Latest
def _limits(limits: Limits) -> dict[str, float]:
    return {
        "timeoutMs": limits.guest_seconds * 1000,
        "wallTimeMs": limits.wall_seconds * 1000,
        "calls": limits.calls,
        "inFlight": limits.in_flight,
        "heapBytes": limits.heap_bytes,
        "sourceBytes": limits.source_bytes,
        "argumentBytes": limits.argument_bytes,
        "resultBytes": limits.result_bytes,
        "toolOutputBytes": limits.tool_output_bytes,
        "consoleBytes": limits.console_bytes,
        "timers": limits.timers,
    }
