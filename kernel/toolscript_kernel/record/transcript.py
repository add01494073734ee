"""Decides what one cell did, in reading order: a fold over the events of its turn or run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from toolscript import events as ev
from toolscript.errors import Json
from toolscript.run import Run

TAIL = 16 * 1024
"""Characters of output that are kept of an operation while it runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prose:
    """Text that the model wrote between scripts."""

    text: str
    channel: Literal["text", "reasoning"] = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One run, with what its operations have printed so far and the agents that worked under them."""

    run: Run
    mode: str = "on"
    tails: dict[int, str] = field(default_factory=dict)
    progress: dict[int, str] = field(default_factory=dict)
    nested: dict[int, Transcript] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A structured call that the model made instead of a script; ``output`` is None while it goes on."""

    name: str
    arguments: str
    output: str | None = None
    is_error: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An error that belongs to no script: of the provider, the configuration or the harness."""

    error: dict[str, Json]


Part = Prose | Script | Call | Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What the model requests of a turn used together; ``cost`` is None where no price is known."""

    input: int = 0
    output: int = 0
    cached: int = 0
    cost: float | None = None
    kept_out: int = 0
    """Bytes of tool output that scripts handled without showing them to the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """Everything one cell showed. ``prompt`` is None for a cell that holds a script; ``status`` while it goes on."""

    prompt: str | None = None
    agent: str = ""
    model: str = ""
    parts: tuple[Part, ...] = ()
    status: str | None = None
    reason: str = ""
    steps: int = 0
    tokens: Tokens | None = None
    started: float | None = None
    ended: float | None = None
    tapes: Mapping[str, Json] = field(default_factory=dict)
    """What a replay needs of each run, by its id; empty until the cell has ended."""
    replies: tuple[Json, ...] = ()
    """What the model said in this turn, step by step; empty until the cell has ended."""

    @property
    def scripts(self) -> tuple[Script, ...]:
        """The runs, in order."""
        return tuple(p for p in self.parts if isinstance(p, Script))

    @property
    def last_run(self) -> Run | None:
        """The latest run, if there was one."""
        return self.scripts[-1].run if self.scripts else None


class Folder:
    """Takes the events of one cell one by one and tells at any time what they amount to."""

    def __init__(self, events: Iterable[ev.BaseEvent] = (), *, family: dict[str | None, Folder] | None = None) -> None:
        self._parts: list[_Text | _Script | Call | Failure] = []
        self._scripts: dict[str | None, _Script] = {}
        self._calls: dict[str, int] = {}
        self._facts: dict[str, Any] = {}
        self._tokens: list[ev.Usage] = []
        own: dict[str | None, Folder] = {None: self}
        self._family = own if family is None else family
        for event in events:
            self.add(event)

    def add(self, event: ev.BaseEvent) -> None:
        """Take the next event; what happened under an operation goes to that operation's own transcript."""
        folder = self._family.get(event.parent)
        if folder is None:
            folder = self._family[event.parent] = Folder(family=self._family)
        folder._take(event)

    def _take(self, event: ev.BaseEvent) -> None:
        self._facts.setdefault("started", event.time)
        self._facts["ended"] = event.time
        if event.step is not None:
            self._facts["steps"] = event.step
        match event:
            case ev.TurnStarted():
                self._facts |= {"prompt": event.prompt, "agent": event.agent, "model": event.model}
            case ev.TurnFinished():
                self._facts |= {"status": event.status, "reason": event.reason, "steps": event.steps}
            case ev.Usage():
                self._tokens.append(event)
            case ev.MessageDelta():
                self._write(event)
            case ev.FunctionCall():
                self._calls[event.call_id] = len(self._parts)
                self._parts.append(Call(name=event.name, arguments=event.arguments))
            case ev.FunctionCallOutput():
                self._answer(event)
            case ev.ErrorEvent():
                self._parts.append(Failure(error=event.error))
            case _:
                self._script(event.run_id).add(event)

    def transcript(self) -> Transcript:
        """Return what the events so far amount to."""
        parts = tuple(self._part(p) for p in self._parts)
        return Transcript(parts=parts, tokens=_sum(self._tokens), **self._facts)

    def _write(self, event: ev.MessageDelta) -> None:
        last = self._parts[-1] if self._parts else None
        if not isinstance(last, _Text) or last.channel != event.channel:
            last = _Text(event.channel)
            self._parts.append(last)
        last.pieces.append(event.text)

    def _answer(self, event: ev.FunctionCallOutput) -> None:
        index = self._calls.get(event.call_id)
        # A script's answer travels as a synthetic call; the script itself already shows it.
        if index is not None and isinstance(call := self._parts[index], Call):
            self._parts[index] = Call(
                name=call.name, arguments=call.arguments, output=event.output, is_error=event.is_error
            )

    def _script(self, run_id: str | None) -> _Script:
        if (script := self._scripts.get(run_id)) is None:
            script = self._scripts[run_id] = _Script()
            self._parts.append(script)
        return script

    def _part(self, part: _Text | _Script | Call | Failure) -> Part:
        if isinstance(part, _Text):
            return Prose(text="".join(part.pieces), channel=part.channel)
        if isinstance(part, _Script):
            return part.frozen(self._family)
        return part


class _Text:
    def __init__(self, channel: Literal["text", "reasoning"]) -> None:
        self.channel = channel
        self.pieces: list[str] = []


class _Script:
    def __init__(self) -> None:
        self.events: list[ev.BaseEvent] = []
        self.tails: dict[int, str] = {}
        self.progress: dict[int, str] = {}
        self.mode = "on"

    def add(self, event: ev.BaseEvent) -> None:
        if isinstance(event, ev.OperationOutputDelta):
            if event.stream == "progress":
                self.progress[event.operation] = event.text.strip().rpartition("\n")[2]
                return
            # Output may come in thousands of pieces: only its tail is shown, and the fold does not need it.
            self.tails[event.operation] = (self.tails.get(event.operation, "") + event.text)[-TAIL:]
            return
        if isinstance(event, ev.ScriptExecution):
            self.mode = event.mode
        self.events.append(event)

    def frozen(self, family: dict[str | None, Folder]) -> Script:
        run = Run.fold(self.events)
        run_id = run.run_id or next((e.run_id for e in self.events if e.run_id), "")
        below = {
            o.number: family[key].transcript() for o in run.operations if (key := f"{run_id}/{o.number}") in family
        }
        return Script(run=run, mode=self.mode, tails=dict(self.tails), progress=dict(self.progress), nested=below)


def fold(events: Iterable[ev.BaseEvent]) -> Transcript:
    """Return what these events of one cell amount to."""
    return Folder(events).transcript()


def _sum(reports: list[ev.Usage]) -> Tokens | None:
    if not reports:
        return None
    costs = [r.cost for r in reports if r.cost is not None]
    return Tokens(
        input=sum(r.input_tokens for r in reports),
        output=sum(r.output_tokens for r in reports),
        cached=sum(r.cached_tokens for r in reports),
        cost=sum(costs) if costs else None,
        kept_out=sum(r.bytes_kept_out for r in reports),
    )
