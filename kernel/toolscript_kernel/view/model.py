"""Decides what a page is told of a running cell: a snapshot, and then only what changed."""

from __future__ import annotations

import time
from collections.abc import Callable

from toolscript.errors import Json
from toolscript.events import BaseEvent, ScriptExecutionOutput
from toolscript.run import Operation
from toolscript_kernel.record import carets, inert, text, values
from toolscript_kernel.record.outcome import outcome, seen, standing
from toolscript_kernel.record.picture import picture
from toolscript_kernel.record.sheet import Row
from toolscript_kernel.record.transcript import Call, Failure, Part, Prose, Script, Transcript
from toolscript_kernel.view.blocks import Blocks

OUTPUT_CHARS = 16 * 1024
"""How much of one output a page is told; the journal and the output's handle have the rest."""
TAIL_CHARS = 2 * 1024
LOG_LINES = 500
_LISTS = ("blocks", "logs")


class Model:
    """The state of one page's view, made from transcripts; remembers what can be used again."""

    def __init__(self, *, offset: int = 0, max_calls: int = 0, clock: Callable[[], float] = time.time) -> None:
        self._offset = offset
        self._max_calls = max_calls
        self._clock = clock
        self._blocks: dict[int, Blocks] = {}
        self._nested: dict[str, Model] = {}

    def state(self, transcript: Transcript, *, ended: bool = False, full: bool = False) -> dict[str, Json]:
        """Return the whole state. ``full`` shows of a script cell what is otherwise in its other outputs."""
        parts = [self._part(i, p, transcript.prompt is not None or full) for i, p in enumerate(transcript.parts)]
        tokens = transcript.tokens
        return {
            "now": self._clock(), "kind": "script" if transcript.prompt is None else "turn", "parts": parts,
            "agent": inert.one_line(transcript.agent), "model": inert.one_line(transcript.model),
            "status": transcript.status or _run_status(transcript), "reason": inert.one_line(transcript.reason, 300),
            "steps": transcript.steps, "started": transcript.started,
            "ended": (transcript.ended or self._clock()) if ended or transcript.status else None,
            "maxCalls": self._max_calls,
            "tokens": tokens and {
                "input": tokens.input, "output": tokens.output, "cached": tokens.cached, "cost": tokens.cost,
                "keptOut": tokens.kept_out,
            },
        }  # fmt: skip

    def _part(self, index: int, part: Part, in_turn: bool) -> dict[str, Json]:
        match part:
            case Prose():
                blocks = self._blocks.setdefault(index, Blocks()).grown(inert.text(part.text))
                return {"type": "prose", "reasoning": part.channel == "reasoning", "blocks": list(blocks)}
            case Script():
                return self._script(part, in_turn)
            case Call():
                state = "running" if part.output is None else "failed" if part.is_error else "succeeded"
                arguments = inert.one_line(part.arguments, 200)
                return {"type": "call", "name": inert.one_line(part.name), "arguments": arguments, "state": state}
            case Failure(error=error):
                return {"type": "error", "text": carets.title(error)}

    def _script(self, script: Script, in_turn: bool) -> dict[str, Json]:
        run = script.run
        logs = [{"level": log.level, "text": inert.text(log.text), "line": log.line} for log in run.logs[-LOG_LINES:]]
        return {
            "type": "script", "inTurn": in_turn, "mode": script.mode,
            "status": run.status.value if run.status else "running",
            "started": run.events[0].time if run.events else None, "ended": _ended(run.events),
            "source": inert.text(run.source).rstrip("\n") if in_turn else "", "logs": logs if in_turn else [],
            "failed": (run.error or {}).get("line"),
            "rows": [self._row(o, script) for o in run.operations],
            "warnings": [carets.warning(inert.text(w), offset=self._offset) for w in run.warnings],
            "error": carets.report(run.error, run.source) if run.error and in_turn else None,
            "result": values.pretty(run.result) if in_turn and run.result is not None else None,
        }  # fmt: skip

    def _row(self, operation: Operation, script: Script) -> dict[str, Json]:
        status = standing(operation)
        shown = outcome(operation, ended=script.run.status is not None)
        if status == "running" and script.run.status is None:
            shown = inert.one_line(script.progress.get(operation.number, ""), 80) or shown
        output = _output(operation)
        asked = Row(
            number=operation.number,
            tool="",
            arguments=operation.arguments,
            status=status,
            approval=operation.approval,
            asked_arguments=operation.asked_arguments,
        )
        whole = values.compact(operation.arguments, 10_000)
        return {
            "n": operation.number, "tool": inert.one_line(operation.tool, 60), "args": text.arguments(asked, 300),
            "full": values.pretty(operation.arguments)[:OUTPUT_CHARS] if len(whole) > 60 else None,
            "status": status, "seen": seen(status, shown), "outcome": shown,
            "line": operation.line and operation.line + self._offset, "started": operation.started,
            "ms": operation.duration_ms, "approval": text.consented(asked) or None,
            "diff": operation.diff and inert.text(operation.diff)[:OUTPUT_CHARS], "output": output[:OUTPUT_CHARS],
            "cut": operation.truncated or len(output) > OUTPUT_CHARS, "bytes": operation.output_bytes,
            "tail": inert.coloured(script.tails.get(operation.number, ""))[-TAIL_CHARS:],
            "image": picture(operation.output), "agent": self._agent(operation.number, script),
        }  # fmt: skip

    def _agent(self, number: int, script: Script) -> dict[str, Json] | None:
        if (below := script.nested.get(number)) is None:
            return None
        key = f"{script.run.run_id}/{number}"
        state = self._nested.setdefault(key, Model(clock=self._clock)).state(below)
        # Two states of the same transcript must be equal, whenever they are made.
        return state | {"now": None}


def patch(old: dict[str, Json], new: dict[str, Json]) -> dict[str, Json]:
    """Return what turns the old state into the new one; parts and rows are only ever added, never taken away."""
    changed = {k: v for k, v in new.items() if k != "parts" and old.get(k) != v}
    before = old["parts"]
    parts = [[i, p] for i, p in enumerate(new["parts"][len(before) :], len(before))]
    changes = ([i, _part_patch(a, b)] for i, (a, b) in enumerate(zip(before, new["parts"], strict=False)) if a != b)
    return {"set": changed, "parts": [*changes, *parts]}


def _part_patch(old: dict[str, Json], new: dict[str, Json]) -> dict[str, Json]:
    plain = {k: v for k, v in new.items() if k not in (*_LISTS, "rows", "type") and old.get(k) != v}
    tails = {k: _tail(old[k], new[k]) for k in _LISTS if k in new and old[k] != new[k]}
    rows = [[i, row] for i, row in enumerate(new.get("rows", [])) if row != _at(old["rows"], i)]
    return {"set": plain, "tail": tails, "rows": rows}


def _tail(old: list[Json], new: list[Json]) -> list[Json]:
    same = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    return [same, new[same:]]


def _at(rows: list[Json], index: int) -> Json:
    return rows[index] if index < len(rows) else None


def _output(operation: Operation) -> str:
    """Return an output as text: what a command printed, a text as it is, else JSON."""
    output = operation.output
    if isinstance(output, dict) and "exitCode" in output:
        printed = output.get("aggregatedOutput") or f"{output.get('stdout') or ''}{output.get('stderr') or ''}"
        return inert.coloured(str(printed))
    if isinstance(output, str):
        return inert.coloured(output)
    if picture(output):
        return ""
    return "" if output is None else values.pretty(output)


def _ended(events: tuple[BaseEvent, ...]) -> float | None:
    return next((e.time for e in events if isinstance(e, ScriptExecutionOutput)), None)


def _run_status(transcript: Transcript) -> str | None:
    run = transcript.last_run
    return run.status.value if run is not None and run.status else None
