"""Decides how an agent's turn is set up, and under which terms one agent may ask another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace

from anyio import CancelScope

from toolscript.agent.config import AgentConfig
from toolscript.agent.configuration import Configuration
from toolscript.agent.conversation import Conversation
from toolscript.agent.diary import unwritten
from toolscript.agent.reviving import Unfinished
from toolscript.agent.step import Step
from toolscript.agent.tightening import stricter
from toolscript.agent.turn import DENIED_AND_STOPPED, Turn, TurnLoop
from toolscript.errors import ApprovalDenied, ConfigError, JournalError, Json, ToolError
from toolscript.events import Emitter
from toolscript.facade.tasks import TaskBoard
from toolscript.journal.conversation import ConversationJournal, Conversations
from toolscript.models.adapter import ModelAdapter
from toolscript.serving import Serving
from toolscript.workshop import Order, Workshop

MAX_DEPTH = 3
"""How deep agents may ask agents: a question of a question of a question is the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """Runs turns of the configured agents. ``order`` gives an agent's terms, ``adapter`` its model."""

    configuration: Configuration
    workshop: Workshop
    board: TaskBoard
    emitter: Emitter
    order: Callable[[AgentConfig, str], Order]
    adapter: Callable[[AgentConfig], ModelAdapter]
    conversations: Conversations | None = None
    """Where conversations are written down; None: nowhere."""

    async def run(
        self,
        agent: AgentConfig,
        prompt: str,
        conversation: Conversation,
        *,
        images: Sequence[str] = (),
        order: Order | None = None,
        emitter: Emitter | None = None,
    ) -> Turn:
        """Let an agent answer a prompt. Raises ConfigError and JournalError; is stopped by cancelling its task."""
        async with self._loop(agent, prompt, conversation, order, emitter) as loop:
            return await loop.run_turn(prompt, images=tuple(images))

    async def go_on(self, unfinished: Unfinished, step: Step | None, conversation: Conversation) -> Turn:
        """Go on with a turn that its host's death cut short; ``step`` is the one under way, with what is known of it.

        Raises ConfigError when its agent is gone, and JournalError.
        """
        past = unfinished.past()
        agent = self.configuration.choose(past.agent).agent
        async with self._loop(agent, past.prompt, conversation, None, None) as loop:
            return await loop.go_on(past, unfinished.usage, step)

    @asynccontextmanager
    async def _loop(
        self,
        agent: AgentConfig,
        prompt: str,
        conversation: Conversation,
        order: Order | None,
        emitter: Emitter | None,
    ) -> AsyncIterator[TurnLoop]:
        emitter = emitter or self.emitter
        journal = self._journal(conversation, emitter)
        adapter = self.adapter(agent)
        serving = Serving(
            workshop=self.workshop, board=self.board, structured=agent.structured,
            order=replace(order or self.order(agent, prompt), earlier=journal),
        )  # fmt: skip
        write = journal.write if journal is not None else unwritten
        try:
            yield TurnLoop(adapter, serving, conversation, agent.turn_settings(), emitter, write=write)
        finally:
            with CancelScope(shield=True):
                await adapter.aclose()
                if journal is not None:
                    with suppress(JournalError):  # what failed there fails the next turn, which says so
                        await journal.sync()

    def _journal(self, conversation: Conversation, emitter: Emitter) -> ConversationJournal | None:
        if self.conversations is None:
            return None
        return self.conversations.of(conversation.conversation_id, parent=emitter.ids.get("parent"))

    async def ask(self, asker: Order, agent_id: str, prompt: str, parent: str) -> Json:
        """Let another agent answer a question of a run, in a conversation of its own, and return its answer.

        Its events carry ``parent``. It works with its own tools and limits, and never under a looser policy than
        whoever asks. Raises ToolError: ``not_found``, ``too_deep``, or ``agent_failed`` with what it had said;
        ApprovalDenied that ends the asking turn too, where a person ended the turn of the asked.
        """
        if asker.depth >= MAX_DEPTH:
            raise ToolError(f"agents ask agents at most {MAX_DEPTH} deep", tool="agent", code="too_deep")
        try:
            agent = self.configuration.choose(agent_id).agent
        except ConfigError as error:
            raise ToolError(error.message, tool="agent", code="not_found") from None
        order = self.order(agent, prompt)
        order = replace(
            order, depth=asker.depth + 1, policy=stricter(asker.policy, agent.policy),
            rules=(*(rule for rule in asker.rules if rule.verdict != "allow"), *order.rules),
        )  # fmt: skip
        emitter = self.emitter.scoped(parent=parent)
        conversation = Conversation()
        try:
            turn = await self.run(agent, prompt, conversation, order=order, emitter=emitter)
        finally:
            if self.conversations is not None:
                self.conversations.close(conversation.conversation_id)
        return _answer(agent, turn)


def _answer(agent: AgentConfig, turn: Turn) -> Json:
    answer: Json = {"text": turn.text, "status": turn.status, "steps": turn.steps}
    if turn.reason == DENIED_AND_STOPPED:
        # Whoever said so meant the turn in front of which they sit, and that is the asking one.
        said = f"agent {agent.id}: a person denied a call of it and ended the turn"
        raise ApprovalDenied(said, tool="agent", details={**answer, "ends_turn": True})
    if turn.status in ("completed", "stopped"):
        return answer
    why = turn.error["message"] if turn.error else turn.reason
    raise ToolError(f"agent {agent.id}: {why}", tool="agent", code="agent_failed", details=answer)
