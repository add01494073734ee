"""Decides what a model sees of a run: its result, logs and operations within one budget, the rest by handle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from toolscript.agent.inert import as_json, as_lines, one_line
from toolscript.agent.words import DEFAULT_BUDGET
from toolscript.errors import Json
from toolscript.run import Operation, Run

Keep = Callable[[bytes], str]
_SHARE_OF_ERROR = 4
_BUDGETS_OF_CALL = 4


@dataclass(frozen=True, slots=True)
class _Section:
    title: str
    text: str
    whole: str
    """What the handle leads to: the value itself, before it was made inert."""


def script_output(run: Run, keep: Keep, budget: int = DEFAULT_BUDGET) -> str:
    """Return the run as text for a model: at most about ``budget`` bytes, inert, the same for the same run.

    What does not fit is cut in its middle, and a handle for ``tools.readOutput`` leads to the whole.
    """
    head = [f"status: {run.status.value if run.status else 'aborted'}"]
    if run.error is not None:
        head.append(f"error: {_cut(as_json(_told(run.error)), budget // _SHARE_OF_ERROR)}")
    head += [f"warning: {as_json(warning)}" for warning in run.warnings[:8]]
    sections = _sections(run)
    allowed = _shares([_size(s.text) for s in sections], max(0, budget - _size("\n".join(head))))
    return "\n".join([*head, *(_shown(s, a, keep) for s, a in zip(sections, allowed, strict=True))])


def call_output(text: str, keep: Keep, budget: int = DEFAULT_BUDGET) -> str:
    """Return the text of a structured call, cut like a script's output where it is longer than the room for it.

    Calls are made to read a whole output, and tools cut what they render, so the room is several budgets.
    """
    room = budget * _BUDGETS_OF_CALL
    if _size(text) <= room:
        return text
    handle = keep(text.encode("utf-8", "replace"))
    return (
        f'{_cut(text, room)}\n[cut; in a script tools.readOutput({{handle: "{handle}"}}) has all {_size(text):,} bytes]'
    )


def bytes_kept_out(run: Run, shown: str) -> int:
    """Return how many bytes of tool output the script handled without showing them to the model."""
    return max(0, sum(o.output_bytes for o in run.operations) - _size(shown))


def _sections(run: Run) -> list[_Section]:
    sections = []
    if run.result is not None or (run.error is None and run.status is not None):
        sections.append(_result(run.result))
    if run.logs:
        lines = "\n".join(f"[{log.level}] {log.text}" for log in run.logs)
        sections.append(_Section("logs", as_lines(lines), lines))
    if run.operations:
        rows = "\n".join(one_line(_operation(o)) for o in run.operations)
        sections.append(_Section("operations", as_lines(rows), rows))
    return sections


def _result(value: Json) -> _Section:
    if isinstance(value, str) and "\n" in value:
        # A text of several lines reads better as lines than as one JSON string.
        return _Section("result (text)", as_lines(value), value)
    text = as_json(value)
    return _Section("result", text, value if isinstance(value, str) else text)


def _operation(o: Operation) -> str:
    place = f" at line {o.line}" if o.line is not None else ""
    why = f": {o.error.get('code', '')} {o.error.get('message', '')}" if o.error else ""
    return f"#{o.number} {o.tool} {o.status.value}{place}{why}"


def _told(error: dict[str, Json]) -> dict[str, Json]:
    """Return the error without what only a debugger wants."""
    details = {k: v for k, v in (error.get("details") or {}).items() if k != "stack" and v not in (None, "", {})}
    rest = {k: v for k, v in error.items() if k != "details"}
    return rest | ({"details": details} if details else {})


def _shown(section: _Section, allowed: int, keep: Keep) -> str:
    text = section.text
    separator = "\n" if text.startswith("| ") else " "
    if _size(text) <= allowed:
        return f"{section.title}:{separator}{text}"
    handle = keep(section.whole.encode("utf-8", "replace"))
    whole = f'tools.readOutput({{handle: "{handle}"}}) has all {_size(section.whole):,} bytes'
    return f"{section.title} (cut; {whole}):{separator}{_cut(text, allowed)}"


def _shares(sizes: list[int], budget: int) -> list[int]:
    """Divide a budget fairly: who needs less than an equal share leaves the rest to the others."""
    shares = [0] * len(sizes)
    left = budget
    by_size = sorted(range(len(sizes)), key=sizes.__getitem__)
    for place, index in enumerate(by_size):
        shares[index] = min(sizes[index], left // (len(sizes) - place))
        left -= shares[index]
    return shares


def _cut(text: str, allowed: int) -> str:
    """Return head and tail of the text, together about ``allowed`` bytes, cut between characters."""
    data = text.encode()
    if len(data) <= allowed:
        return text
    half = allowed // 2
    head = data[:half].decode("utf-8", "ignore")
    tail = data[len(data) - half :].decode("utf-8", "ignore")
    break_ = "\n| " if text.startswith("| ") else " "
    return f"{head} …{break_}[{len(data) - 2 * half:,} bytes left out]{break_}… {tail}"


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
