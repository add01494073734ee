"""Decides what of a cell goes into output metadata: times, ids, outputs and tapes, which vary from run to run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace

from toolscript.errors import Json
from toolscript.run import Operation
from toolscript_kernel.record.transcript import Script, Transcript

BODY_BYTES = 64 * 1024
"""One output beyond this is kept by its hash alone."""
RUN_BYTES = 1024 * 1024
"""All outputs of one run together."""


def details(transcript: Transcript, clean: Callable[[Json], Json] = lambda value: value) -> dict[str, Json]:
    """Return times, ids, durations, tokens, outputs and tapes of a cell; ``complete`` is False where one was cut.

    ``clean`` takes secrets out of outputs and replies; tapes come without them already.
    """
    scripts = [_script(s, transcript.tapes.get(s.run.run_id), clean) for s in transcript.scripts]
    tokens = transcript.tokens
    turn = (
        {"prompt": clean(transcript.prompt), "steps": clean(list(transcript.replies))} if transcript.replies else None
    )
    return ({} if turn is None else {"turn": turn}) | {
        "started": transcript.started,
        "ended": transcript.ended,
        "model": transcript.model,
        "tokens": None if tokens is None else {
            "input": tokens.input, "output": tokens.output, "cached": tokens.cached, "cost": tokens.cost,
            "keptOut": tokens.kept_out,
        },
        "scripts": scripts,
        "complete": all(s["complete"] for s in scripts),
    }  # fmt: skip


def _script(script: Script, tape: Json, clean: Callable[[Json], Json]) -> dict[str, Json]:
    run, room, rows = script.run, RUN_BYTES, []
    for operation in run.operations:
        row, size = _operation(replace(operation, output=clean(operation.output)), room)
        if operation.output is None and (tail := script.tails.get(operation.number)):
            # What a command had printed that was stopped.
            row["tail"] = clean(tail)
        room -= size
        rows.append(row)
    complete = all("sha256" not in row for row in rows) and (tape is None or bool(tape["complete"]))
    facts: dict[str, Json] = {
        "runId": run.run_id, "scriptHash": run.script_hash, "durations": run.durations, "operations": rows,
        "complete": complete,
    }  # fmt: skip
    return facts if tape is None else facts | {"tape": tape}


def _operation(operation: Operation, room: int) -> tuple[dict[str, Json], int]:
    row: dict[str, Json] = {
        "number": operation.number, "started": operation.started, "durationMs": operation.duration_ms,
        "bytes": operation.output_bytes, "handle": operation.handle, "taskId": operation.task_id,
    }  # fmt: skip
    if operation.output is None:
        return row, 0
    body = json.dumps(operation.output, ensure_ascii=True, default=repr).encode()
    if len(body) > min(BODY_BYTES, room):
        return row | {"sha256": hashlib.sha256(body).hexdigest()}, 0
    return row | {"output": operation.output}, len(body)
