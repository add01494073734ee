"""Decides what an auditor sees of a journal: who ran what, who allowed it, how long it took, how it ended."""

from __future__ import annotations

import json
import re
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

from toolscript import units
from toolscript.errors import Json
from toolscript.journal.codec import BLOB, loaded
from toolscript.journal.reader import lines
from toolscript.journal.records import OTHER_QUESTIONS

MAX_OPEN = 4_096
"""How many calls and requests may be open at once before the oldest are forgotten; runs allow far fewer."""
MAX_TOOLS = 512
LARGEST = 2**53
"""No count and no time is larger."""
OTHER = "(other tools)"
MAX_FRAMES = 10
SHOWN_CHARS = 160
"""How much of arguments and errors is shown."""
V = TypeVar("V")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptSeen:
    """A run began: whose script, under which policy, with which tools."""

    kind: ClassVar[str] = "script"
    run_id: str
    script_hash: str
    origin: str
    policy: str
    allowed_tools: tuple[str, ...]
    time_ms: int
    parent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalSeen:
    """A request for consent was settled; ``waited`` is in seconds."""

    kind: ClassVar[str] = "approval"
    number: int
    tool: str
    decision: str
    by: str
    reason: str
    time: float
    waited: float | None
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSeen:
    """A call ended, or did not: ``cancelled`` with its script, ``interrupted`` with its host.

    ``arguments`` are those with which it ran, redacted and cut; where a person edited them, ``asked_arguments`` are
    what the script gave. ``began_ms`` is when the call arrived, since the epoch.
    ``duration_ms`` counts from there; ``waited_ms`` of it were spent waiting for somebody's consent.
    """

    kind: ClassVar[str] = "call"
    number: int
    tool: str
    line: int | None
    status: str
    duration_ms: int | None
    changed: int
    arguments: str = ""
    asked_arguments: str = ""
    began_ms: int | None = None
    waited_ms: int = 0
    exit_code: int | None = None
    error: str = ""
    task: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSeen:
    """The run ended (``status`` is ``interrupted`` where it has no end); always the last entry."""

    kind: ClassVar[str] = "end"
    status: str
    error: dict[str, Json] | None
    duration_ms: int | None
    tools: dict[str, int]
    statuses: dict[str, int]
    approvals: dict[str, int]
    unfinished: int
    logs: int


Entry = ScriptSeen | ApprovalSeen | CallSeen | EndSeen


def audit(path: Path) -> Iterator[Entry]:
    """Yield what an auditor needs of one journal, in its order; memory holds one record and what is open.

    Bodies are not read, and kinds of later versions are passed over. Raises JournalDamaged and JournalError.
    """
    view = _View()
    for line in lines(path):
        entry = view.take(line.kind, line.data)
        if entry is not None:
            yield entry
        if line.kind == "run_end":
            yield from view.left(tasks=False)
    yield from view.left(tasks=True)
    yield view.end()


def entry_json(entry: Entry) -> dict[str, Json]:
    """Return an entry as JSON."""
    return {"kind": entry.kind, **asdict(entry)}


def entry_text(entry: Entry) -> str:
    """Return an entry as one printable line; nothing of a script or tool acts on the terminal."""
    match entry:
        case ScriptSeen():
            began = _at(entry.time_ms / 1000)
            text = f"run {entry.run_id}: script {entry.script_hash}{began} from {entry.origin}, policy {entry.policy}"
        case ApprovalSeen():
            waited = "" if entry.waited is None else f" after {entry.waited:.1f} s"
            why = f": {entry.reason}" if entry.reason else ""
            text = f"#{entry.number} {entry.tool}: {entry.decision} by {entry.by}{waited}{_at(entry.time)}{why}"
        case CallSeen():
            text = _call_text(entry)
        case EndSeen():
            text = _end_text(entry)
    return "".join(char if char.isprintable() else f"<U+{ord(char):04X}>" for char in text)


def _call_text(entry: CallSeen) -> str:
    took = "" if entry.duration_ms is None else f" in {entry.duration_ms} ms"
    waited = f", {entry.waited_ms} ms of them waiting for consent" if entry.waited_ms else ""
    facts = [
        f"exit {entry.exit_code}" if entry.exit_code is not None else "",
        f"{entry.changed} path{'' if entry.changed == 1 else 's'} changed" if entry.changed else "",
        "task" if entry.task else "",
        f"line {entry.line}" if entry.line else "",
        entry.error,
        entry.arguments,
        f"edited, asked for {entry.asked_arguments}" if entry.asked_arguments else "",
    ]
    more = "".join(f" · {fact}" for fact in facts if fact)
    when = "" if entry.began_ms is None else _at(entry.began_ms / 1000)
    return f"#{entry.number} {entry.tool}: {entry.status}{took}{waited}{when}{more}"


def _at(seconds: float) -> str:
    """Return a time as it is shown, nothing for one that cannot be: a journal may come from anybody."""
    try:
        return f" at {datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}Z" if seconds > 0 else ""
    except (ValueError, OverflowError, OSError):
        return ""


def _end_text(entry: EndSeen) -> str:
    tools = ", ".join(f"{tool} {count}" for tool, count in sorted(entry.tools.items())) or "no calls"
    took = "" if entry.duration_ms is None else f" in {entry.duration_ms} ms"
    error = f"; {entry.error.get('code')}: {entry.error.get('message')}" if entry.error else ""
    return f"{entry.status}{took}: {tools}{error}"


def trimmed_stack(stack: str) -> str:
    """Return the frames of a script's own code; those of the engine and the facade say nothing to its author."""
    frames = [line for line in stack.split("\n") if line.strip() and not _FOREIGN.search(line)]
    more = [f"    … {len(frames) - MAX_FRAMES} more"] if len(frames) > MAX_FRAMES else []
    return "\n".join(frames[:MAX_FRAMES] + more)


_FOREIGN = re.compile(r"\(native\)|<(?:prelude|facade|toolscript)|\.py\"")


@dataclass(slots=True)
class _Open:
    number: int
    tool: str
    line: int | None
    time_ms: int
    arguments: str
    task: bool
    ran_with: str = ""
    waited_ms: int = 0

    def seen(self, status: str, now_ms: int | None, data: dict[str, Json]) -> CallSeen:
        """Return the entry of the call as it ended."""
        changes, ok = data.get("changes"), data.get("ok")
        value = _value(data)
        code = value.get("exitCode") if ok else None
        error = "" if ok is not False or not value else f"{value.get('code')}: {value.get('message')}"
        return CallSeen(
            number=self.number, tool=self.tool, line=self.line, status=status,
            arguments=self.ran_with or self.arguments, asked_arguments=self.arguments if self.ran_with else "",
            duration_ms=max(0, now_ms - self.time_ms) if now_ms is not None and self.time_ms else None,
            changed=len(changes) if isinstance(changes, list) else 0, began_ms=self.time_ms or None,
            waited_ms=self.waited_ms, exit_code=code if isinstance(code, int) else None, error=_short(error),
            task=self.task,
        )  # fmt: skip


class _Asked(NamedTuple):
    number: int = 0
    time: float | None = None
    digest: str = ""
    own: bool = False
    """Whether it asked for the call; a tool's question and a resume's are answered, and edit nothing."""


@dataclass(slots=True)
class _View:
    """Folds records into entries; everything that grows with the journal is bounded."""

    start_ms: int | None = None
    now_ms: int | None = None
    calls: OrderedDict[int, _Open] = field(default_factory=OrderedDict)
    asks: OrderedDict[str, _Asked] = field(default_factory=OrderedDict)
    tools: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    approvals: Counter[str] = field(default_factory=Counter)
    logs: int = 0
    forgotten: int = 0
    unfinished: int = 0
    status: str = "interrupted"
    error: dict[str, Json] | None = None

    def take(self, kind: str, data: dict[str, Json]) -> Entry | None:
        match kind:
            case "run":
                return self._run(data)
            case "call":
                self._call(data)
            case "ask":
                self._ask(data)
            case "decision":
                return self._decision(data)
            case "end":
                return self._end(data)
            case "log":
                self.logs += 1
            case "run_end":
                self._run_end(data)
        return None

    def _run(self, data: dict[str, Json]) -> ScriptSeen:
        self.start_ms = self.now_ms = _int(data, "time_ms")
        allowed = data.get("allowed_tools")
        return ScriptSeen(
            run_id=_str(data, "run_id"), script_hash=_str(data, "script_hash"), origin=_str(data, "origin"),
            policy=_str(data, "policy"), time_ms=self.start_ms or 0, parent=_str(data, "parent") or None,
            allowed_tools=tuple(map(str, allowed)) if isinstance(allowed, list) else (),
        )  # fmt: skip

    def _call(self, data: dict[str, Json]) -> None:
        tool = _str(data, "tool")
        self.tools[tool if tool in self.tools or len(self.tools) < MAX_TOOLS else OTHER] += 1
        # Where the call has no time of its own, the tape's last settlement is when the script went on.
        time_ms = _int(data, "time_ms") or self.now_ms or 0
        number = _int(data, "number") or 0
        opened = _Open(
            number=number, tool=tool, line=_int(data, "line"), time_ms=time_ms, task=data.get("spawn") is True,
            arguments=_short(_str(data, "arguments")),
        )  # fmt: skip
        self.forgotten += _put(self.calls, number, opened)

    def _ask(self, data: dict[str, Json]) -> None:
        request = data.get("request")
        asked = _seconds(request.get("created")) if isinstance(request, dict) else None
        extra = request.get("extra") if isinstance(request, dict) else None
        own = not isinstance(extra, dict) or not OTHER_QUESTIONS & extra.keys()
        it = _Asked(_int(data, "number") or 0, asked, _str(data, "digest"), own)
        _put(self.asks, _str(data, "approval_id"), it)

    def _decision(self, data: dict[str, Json]) -> ApprovalSeen:
        number, asked, digest, own = self.asks.pop(_str(data, "approval_id"), _Asked())
        opened = self.calls.get(number)
        decision = _str(data, "decision")
        self.approvals[decision if len(self.approvals) < MAX_TOOLS else OTHER] += 1
        decided = _seconds(data.get("time")) or 0.0
        waited = max(0.0, decided - asked) if asked is not None else None
        if opened is not None and waited is not None:
            opened.waited_ms += round(waited * 1000)
        if opened is not None and own and decision == "edit":
            opened.ran_with = _edited(data.get("arguments"))
        return ApprovalSeen(
            number=number, tool=opened.tool if opened else "?", decision=decision, by=_str(data, "by"),
            reason=_str(data, "reason"), time=decided, digest=digest,
            waited=waited,
        )  # fmt: skip

    def _end(self, data: dict[str, Json]) -> CallSeen | None:
        time_ms = _int(data, "time_ms")
        self.now_ms = time_ms if time_ms is not None else self.now_ms
        number, status = _int(data, "number") or 0, _str(data, "status")
        opened = self.calls.pop(number, None)
        if opened is None:  # a timer, or a call that was forgotten
            return None
        self.statuses[status if len(self.statuses) < MAX_TOOLS else OTHER] += 1
        return opened.seen(status, time_ms, data)

    def left(self, *, tasks: bool) -> Iterator[CallSeen]:
        """Yield the calls that never ended: their script ended first, or their host."""
        status = "interrupted" if self.status == "interrupted" else "cancelled"
        for number in [n for n, call in self.calls.items() if tasks or not call.task]:
            self.unfinished += 1
            yield self.calls.pop(number).seen(status, None, {})

    def _run_end(self, data: dict[str, Json]) -> None:
        self.status = _str(data, "status")
        self.now_ms = _int(data, "time_ms") or self.now_ms
        error = data.get("error")
        if isinstance(error, dict):
            self.error = {name: value for name, value in error.items() if name != "details"}
            details = error.get("details")
            if isinstance(details, dict) and isinstance(details.get("stack"), str):
                self.error["stack"] = trimmed_stack(details["stack"])

    def end(self) -> EndSeen:
        took = None if self.start_ms is None or self.now_ms is None else max(0, self.now_ms - self.start_ms)
        return EndSeen(
            status=self.status, error=self.error, duration_ms=took, tools=dict(self.tools),
            statuses=dict(self.statuses), approvals=dict(self.approvals), logs=self.logs,
            unfinished=self.unfinished + self.forgotten,
        )  # fmt: skip


def _put(kept: OrderedDict[Any, V], key: Any, value: V) -> int:
    """Keep a value; returns 1 if the oldest had to be forgotten for it."""
    kept[key] = value
    if len(kept) <= MAX_OPEN:
        return 0
    kept.popitem(last=False)
    return 1


def _str(data: dict[str, Json], name: str) -> str:
    value = data.get(name)
    if isinstance(value, dict) and BLOB in value:
        return f"({units.size(value.get('size') or 0)})"
    return value if isinstance(value, str) else ""


def _value(data: dict[str, Json]) -> dict[str, Json]:
    """Return what a call gave as JSON, if that is a small object."""
    text = data.get("value")
    if not isinstance(text, str) or not text.startswith("{"):
        return {}
    try:
        value = loaded(text.encode("utf-8", "replace"))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _edited(arguments: Json) -> str:
    """Return edited arguments as a call has its own; a text stands for what lies in a body of its own."""
    apart = isinstance(arguments, dict) and BLOB in arguments
    return _str({"it": arguments}, "it") if apart else _short(json.dumps(arguments, ensure_ascii=False))


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}…"


def _int(data: dict[str, Json], name: str) -> int | None:
    value = data.get(name)
    whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST
    return value if whole else None


def _seconds(value: Json) -> float | None:
    """Return a time in seconds; None for what is none: a journal may come from anybody."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST
    return float(value) if number else None
