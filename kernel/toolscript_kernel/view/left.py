"""Decides which outputs a cell leaves in a notebook whose page was away when it ended."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import Any

from toolscript.errors import Json
from toolscript.run import LogLine, Run
from toolscript_kernel.record import Transcript, carets, inert, values
from toolscript_kernel.record.secrets import hidden
from toolscript_kernel.record.transcript import Failure


def outputs(
    transcript: Transcript,
    data: dict[str, Any],
    metadata: dict[str, Json],
    *,
    offset: int = 0,
    count: int | None = None,
) -> list[dict[str, Json]]:
    """Return what the cell's own messages would have left, as a notebook file holds it; ``count`` numbers the cell."""
    shown: dict[str, Json] = {"output_type": "display_data", "data": data, "metadata": metadata}
    last = transcript.parts[-1] if transcript.parts else None
    if transcript.prompt is not None:
        return [shown, _error(hidden(last.error), "", 0)] if isinstance(last, Failure) else [shown]
    run = _named(transcript.last_run or Run())
    kept = [*_streams(run.logs), shown]
    if run.error is not None:
        kept.append(_error(run.error, run.source, offset))
    elif run.result is not None:
        kept.append(
            {
                "output_type": "execute_result", "data": {"text/plain": values.pretty(run.result)}, "metadata": {},
                "execution_count": count,
            }
        )  # fmt: skip
    return kept


def _named(run: Run) -> Run:
    """Return the run with secrets named where its cell shows them."""
    logs = tuple(replace(log, text=hidden(log.text)) for log in run.logs)
    return replace(run, logs=logs, result=hidden(run.result), error=hidden(run.error), source=hidden(run.source))


def _streams(logs: tuple[LogLine, ...]) -> list[dict[str, Json]]:
    named = (("stderr" if log.level in ("warn", "error") else "stdout", log.text) for log in logs)
    return [
        {"output_type": "stream", "name": name, "text": "".join(f"{inert.text(text)}\n" for _, text in lines)}
        for name, lines in groupby(named, key=lambda pair: pair[0])
    ]


def _error(error: dict[str, Json], source: str, offset: int) -> dict[str, Json]:
    name = carets.label(error)
    return {
        "output_type": "error", "ename": name, "evalue": carets.title(error).removeprefix(f"{name}: "),
        "traceback": carets.report(error, source, offset=offset),
    }  # fmt: skip
