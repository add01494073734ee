"""Decides what one step has come to: what the model wrote, what ran of it, and what of both the history keeps."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from toolscript.agent.executor import ToolReply
from toolscript.agent.inert import reserved_escaped
from toolscript.agent.output import Keep, bytes_kept_out, call_output, script_output
from toolscript.agent.pictures import Pictured
from toolscript.agent.prompt import format_hint
from toolscript.errors import Json, ScriptFormatError
from toolscript.events import BaseEvent, RunStatus, ScriptExecution
from toolscript.language.parser import script_hash
from toolscript.models.adapter import (
    AssistantMessage,
    FunctionCallDone,
    FunctionCallItem,
    FunctionCallOutputItem,
    Item,
    Reason,
    UsageReport,
    UserMessage,
)
from toolscript.run import Run

SCRIPT_CALL = "run_script"
"""The name of the synthetic call that stands for a script where an API wants a pair of call and output."""

NOT_RUN = "status: not run\nerror: an earlier script of the same reply failed, or the turn was stopped"


@dataclass(slots=True)
class Script:
    """A script that the model wrote, and its run once there is one."""

    source: str
    call_id: str
    end: int = 0
    """Where its closing tag ends in the reply's text."""
    run: Run | None = None
    first_event: int | None = None
    """Where the turn's events stood when it was started; None: it was not started."""
    only_shown: bool = False
    shown: Pictured = field(default_factory=lambda: Pictured(None))
    """The run's result as the model is shown it: text, and images beside it."""

    @property
    def script_hash(self) -> str:
        """The run's, once there is one; the same for the same source."""
        return self.run.script_hash if self.run and self.run.script_hash else script_hash(self.source)

    @property
    def failed(self) -> bool:
        """Whether it ran and did not complete."""
        return self.run is not None and self.run.status is not RunStatus.COMPLETED


@dataclass(slots=True)
class Call:
    """A structured call that the model made, and its answer once there is one."""

    asked: FunctionCallDone
    reply: ToolReply | None = None


@dataclass(slots=True)
class Step:
    """One request and its reply, as far as it has come; it can be folded into history at any moment."""

    turn_id: str
    number: int
    written: list[str] = field(default_factory=list)
    """The reply as it came, piece by piece: one text that grew with each would be copied with each."""
    prose: list[str] = field(default_factory=list)
    native: tuple[Json, ...] = ()
    scripts: list[Script] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    problems: list[ScriptFormatError] = field(default_factory=list)
    reason: Reason | None = None
    """Why the reply ended; None: it did not, it was cut."""
    usage: UsageReport = field(default_factory=UsageReport)
    kept_out: int = 0

    @property
    def text(self) -> str:
        """What the model wrote so far."""
        if len(self.written) > 1:
            self.written[:] = ["".join(self.written)]
        return self.written[0] if self.written else ""

    def found(self, source: str, end: int = 0) -> Script:
        """Take a script on, whose closing tag ends at ``end``."""
        script = Script(source, f"{self.turn_id}-{self.number}-{len(self.scripts) + 1}", end)
        self.scripts.append(script)
        return script

    def is_script(self, call_id: str) -> bool:
        """Whether this is the synthetic call of one of the step's scripts."""
        return any(script.call_id == call_id for script in self.scripts)

    def void(self) -> None:
        """Forget a reply that begins anew."""
        self.native, self.reason = (), None
        self.written, self.prose, self.calls, self.problems = [], [], [], []

    @property
    def answer(self) -> str:
        """What the model wrote around its scripts."""
        return "".join(self.prose).strip()

    @property
    def wants_more(self) -> bool:
        """Whether the model waits for something: an output, an answer, a hint, or to be let go on."""
        return bool(self.scripts or self.calls or self.problems) or self.reason == "pause"

    def items(self, keep: Keep, budget: int, events: Iterable[BaseEvent]) -> tuple[Item, ...]:
        """Return the step for the history; a script or call that was cut short says so in its output."""
        seen = tuple(events)
        items: list[Item] = [AssistantMessage(text=self.text, native=self.native)] if self.text or self.native else []
        items += [_call_item(call.asked) for call in self.calls]
        items += [_call_output(call, keep, budget) for call in self.calls]
        for script in self.scripts:
            if script.only_shown:
                continue
            items += _script_items(script, self.output_of(script, keep, budget, seen))
        return (*items, *(UserMessage(text=format_hint(problem.message)) for problem in self.problems))

    def output_of(self, script: Script, keep: Keep, budget: int, events: Iterable[BaseEvent]) -> str:
        """Return what the model is told of a script, and count what it is spared."""
        run = script.run or _partial(script, tuple(events))
        if run is None:
            return NOT_RUN
        shown = script_output(replace(run, result=script.shown.value) if script.run else run, keep, budget)
        self.kept_out += bytes_kept_out(run, shown)
        return shown


def _partial(script: Script, events: tuple[BaseEvent, ...]) -> Run | None:
    """Return what is known of a run that was cut short: the fold of its events until then."""
    if script.first_event is None:
        return None
    later = events[script.first_event :]
    run_ids = (e.run_id for e in later if isinstance(e, ScriptExecution))
    run_id = next(run_ids, None)
    return Run.fold(e for e in later if run_id is not None and e.run_id == run_id)


def _call_item(asked: FunctionCallDone) -> FunctionCallItem:
    return FunctionCallItem(call_id=asked.call_id, name=asked.name, arguments=asked.arguments)


def _call_output(call: Call, keep: Keep, budget: int) -> FunctionCallOutputItem:
    reply = call.reply or ToolReply(text="the call was stopped before it ended", is_error=True)
    output = reserved_escaped(call_output(reply.text, keep, budget))
    return FunctionCallOutputItem(
        call_id=call.asked.call_id, output=output, is_error=reply.is_error, images=reply.images
    )


def _script_items(script: Script, output: str) -> Iterator[Item]:
    arguments = json.dumps({"script_hash": script.script_hash[:12]})
    yield FunctionCallItem(call_id=script.call_id, name=SCRIPT_CALL, arguments=arguments, synthetic=True)
    completed = script.run is not None and script.run.status is RunStatus.COMPLETED
    yield FunctionCallOutputItem(
        call_id=script.call_id, output=output, is_error=not completed, images=script.shown.images
    )
