"""Decides what can be set of how an agent's turns go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from toolscript.agent.words import DEFAULT_BUDGET, AfterScript, Mode

if TYPE_CHECKING:
    from toolscript.errors import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnSettings:
    """How an agent's turns go; budgets are for one turn, None means none.

    ``after_script``: with ``continue`` (the default) the reply is read to its end although what follows a script
    was written without its output. That keeps the token counts, the reasoning that the API wants back and
    further scripts of the reply; ``stop`` closes the connection at the first closing tag and saves the words.
    """

    agent: str = "agent"
    model: str = ""
    instructions: str = ""
    mode: Mode = "on"
    after_script: AfterScript = "continue"
    structured: bool = True
    hosted: bool = False
    """Whether the provider runs the model's code, whose calls are served here; scripts are not offered then."""
    max_steps: int = 24
    max_tokens: int | None = None
    max_seconds: float | None = None
    max_output_tokens: int | None = None
    context_tokens: int | None = None
    """How much the model can be sent; None: unknown, so nothing is left out before it complains."""
    output_bytes: int = DEFAULT_BUDGET
    provider: dict[str, Json] = field(default_factory=dict)
    """Settings that go into the request as they are."""
