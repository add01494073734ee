"""Decides what is known of a turn while it goes on: its steps, items, events and failures."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence

from toolscript.agent.budget import TimeBudget
from toolscript.agent.conversation import Conversation, PastTurn
from toolscript.agent.diary import Diary, Write, unwritten
from toolscript.agent.step import Step
from toolscript.agent.terms import TurnSettings
from toolscript.errors import Json
from toolscript.events import ApprovalResolved, BaseEvent, Emitter
from toolscript.models.adapter import Item, UsageReport
from toolscript.run import Run

SAME_FAILURES = 3
"""How often the same script or call may fail in one turn, or replies in a row hold no sound script."""


def new_turn(conversation: Conversation, agent: str, prompt: str, images: tuple[str, ...]) -> PastTurn:
    """Return a turn that nothing was said in yet; the notes that wait belong to it."""
    turn_id = f"turn-{uuid.uuid4().hex[:12]}"
    return PastTurn(turn_id=turn_id, prompt=prompt, agent=agent, images=images, notes=conversation.take_notes())


class OpenTurn:
    """A turn while it goes on."""

    def __init__(
        self,
        conversation: Conversation,
        settings: TurnSettings,
        emitter: Emitter,
        past: PastTurn,
        write: Write = unwritten,
    ) -> None:
        turn_id = past.turn_id
        self._conversation = conversation
        self.past = past
        self.diary = Diary(write, turn_id)
        self.emitter = emitter.scoped(conversation_id=conversation.conversation_id, turn_id=turn_id)
        self.items: tuple[Item, ...] = ()
        self.sent: tuple[Item, ...] = ()
        """The items as the model is sent them: shorter, after a compaction."""
        self.done: list[Step] = []
        self.unkept = False
        self.error: dict[str, Json] | None = None
        self.events: list[BaseEvent] = []
        self.budget = TimeBudget(settings.max_seconds)
        self._runs_heard: set[str] = set()
        self._failures: Counter[str] = Counter()
        self._fence_hinted = False
        self.stopped = False
        """Whether a person denied a call and wanted the turn to end with it."""

    def go_on(self, usage: Sequence[UsageReport], step: Step | None) -> None:
        """Begin where another host left off: with the items that the turn has, and with the step under way, if any."""
        self.items = self.sent = self.past.items
        self.done = [Step(self.past.turn_id, n, usage=used) for n, used in enumerate(usage, start=1)]
        if step is not None:
            self.done.append(step)
            self.unkept = True

    @property
    def step(self) -> Step:
        """The step that goes on, or the last one."""
        return self.done[-1]

    def begin(self) -> Step:
        """Begin the next step."""
        self.done.append(Step(self.past.turn_id, len(self.done) + 1))
        self.unkept = True
        return self.step

    def keep(self, items: tuple[Item, ...]) -> None:
        """Fold the step into the history."""
        self.items = (*self.items, *items)
        self.sent = (*self.sent, *items)
        self.unkept = False

    def hint_once(self) -> None:
        """Leave out the hint about a script in a code fence if it was given before: then it is meant as an example."""
        if self._fence_hinted:
            self.step.problems = [problem for problem in self.step.problems if problem.reason != "fenced"]
        self._fence_hinted |= any(problem.reason == "fenced" for problem in self.step.problems)

    def take_back(self) -> None:
        """Forget the step that has just begun: its request was refused, and it is asked for again."""
        self.done.pop()
        self.unkept = False

    def hear(self, event: BaseEvent) -> None:
        """Keep the events of this turn, and of agents that work for one of its runs; they also move its clock."""
        ours = event.turn_id == self.past.turn_id
        if ours and isinstance(event, ApprovalResolved) and event.decision == "deny_and_stop":
            self.stopped = True
        if ours or (event.parent or "").partition("/")[0] in self._runs_heard:
            self.events.append(event)
            self.budget.hear(event)
            if event.run_id is not None:
                self._runs_heard.add(event.run_id)

    def history(self) -> tuple[Item, ...]:
        """Return what goes below the original prompt.

        The prompt is said again at its own place when something stands before it, or comes with it.
        """
        earlier = self._conversation.history()
        said_above = not earlier and not self.past.images and not self.past.notes
        return (*earlier, *(() if said_above else (self.past.opening(),)), *self.sent)

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs that have ended."""
        return tuple(script.run for step in self.done for script in step.scripts if script.run is not None)

    @property
    def text(self) -> str:
        """The answer so far: what the model wrote last."""
        return next((step.answer for step in reversed(self.done) if step.answer), "")

    @property
    def usage(self) -> UsageReport:
        """Tokens of all steps so far."""
        used = [step.usage for step in self.done]
        return UsageReport(
            input_tokens=sum(u.input_tokens for u in used),
            output_tokens=sum(u.output_tokens for u in used),
            cached_tokens=sum(u.cached_tokens for u in used),
            reasoning_tokens=sum(u.reasoning_tokens for u in used),
        )

    def same_failure(self, step: Step) -> bool:
        """Count the failures of a step; True once the same one has come too often."""
        failed = [script.script_hash for script in step.scripts if script.failed]
        failed += [f"{c.asked.name} {c.asked.arguments}" for c in step.calls if c.reply and c.reply.is_error]
        if step.problems and not step.scripts and not step.calls:
            failed.append("format")
        else:
            del self._failures["format"]
        self._failures.update(failed)
        return any(self._failures[key] >= SAME_FAILURES for key in failed)
