"""Decides how a script puts a question to another configured agent."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from toolscript.registry.classification import Classification, Effect
from toolscript.registry.context import ToolContext
from toolscript.registry.shape import Shape
from toolscript.registry.tool import Tool, ToolModel, ToolSpec


class AgentInput(ToolModel):
    """Whom to ask what."""

    agent: str = Field(description="The id of a configured agent")
    prompt: str = Field(description="The question or task", min_length=1)


class AgentAnswer(ToolModel):
    """What the other agent answered."""

    text: str
    status: str
    steps: int


@dataclass(frozen=True, slots=True)
class Subagent:
    """Runs a turn of another agent with its own limits; its events show below this call."""

    spec = ToolSpec(
        name="agent", effect=Effect.NETWORK, positional=("agent", "prompt"),
        doc="Lets another configured agent work on a question and returns its answer.",
        input=Shape.of(AgentInput), output=Shape.of(AgentAnswer),
        examples=("const a = await tools.agent({agent: 'reviewer', prompt: 'Is this safe? ' + diff}); return a.text",),
    )  # fmt: skip

    async def classify(self, arguments: AgentInput, context: ToolContext) -> Classification:
        """Another agent's own calls are judged one by one; asking it goes over the network."""
        return Classification(
            effect=Effect.NETWORK, summary=f"ask agent {arguments.agent}", remember=arguments.agent, undoable=False
        )

    async def call(self, arguments: AgentInput, context: ToolContext) -> AgentAnswer:
        """Return the answer. Raises ToolError for an unknown agent or when agents are nested too deeply."""
        return AgentAnswer.model_validate(await context.run_agent(arguments.agent, arguments.prompt))

    def render(self, arguments: AgentInput, output: AgentAnswer) -> str:
        """Return the answer's text."""
        return output.text


def tools() -> list[Tool]:
    """Return the tool."""
    return [Subagent()]
