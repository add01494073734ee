"""Decides which facts of a cell are stable enough to be saved: order and outcome, no times, ids or machine paths."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from toolscript.errors import Json
from toolscript.run import LogLine, Operation
from toolscript_kernel.record import carets
from toolscript_kernel.record.outcome import outcome, standing
from toolscript_kernel.record.picture import picture
from toolscript_kernel.record.transcript import Call, Failure, Prose, Script, Transcript

Hide = Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One operation as it is saved: what was asked and how it came out, without its output."""

    number: int
    tool: str
    arguments: Json
    status: str
    outcome: str = ""
    effect: str = ""
    line: int | None = None
    diff: str | None = None
    approval: str = ""
    asked_arguments: Json = None
    """What the script gave, where a person edited it; ``arguments`` are what ran."""
    error: dict[str, Json] | None = None
    image: str | None = None
    """What a tool showed, as a data URL of a bitmap."""
    agent: Sheet | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptSheet:
    """One run as it is saved; ``status`` is ``running`` while it goes on. Lines are those of the cell."""

    source: str
    status: str
    mode: str = "on"
    result: Json = None
    error: dict[str, Json] | None = None
    logs: tuple[LogLine, ...] = ()
    operations: tuple[Row, ...] = ()
    warnings: tuple[str, ...] = ()
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One cell as it is saved: what every static form of the record shows."""

    parts: tuple[Prose | ScriptSheet | Call | Failure, ...] = ()
    prompt: str | None = None
    agent: str = ""
    status: str | None = None
    reason: str = ""
    steps: int = 0

    @property
    def is_turn(self) -> bool:
        """Whether a model answered; else a person wrote the script."""
        return self.prompt is not None

    @property
    def shown(self) -> tuple[Prose | ScriptSheet | Call | Failure, ...]:
        """The parts that are drawn: the error that ended a turn is the cell's own error output already."""
        last = len(self.parts) - 1
        ended = self.status == "failed"
        return tuple(p for i, p in enumerate(self.parts) if not (ended and i == last and isinstance(p, Failure)))

    def to_json(self) -> dict[str, Json]:
        """Return the content of ``application/vnd.toolscript.run+json``; unset facts are left out."""
        return {"version": 1, "kind": "turn" if self.is_turn else "script"} | _sheet_json(self)


def sheet(transcript: Transcript, *, workspace: Path | None = None, offset: int = 0) -> Sheet:
    """Return what of the transcript is saved; ``offset`` is the number of cell lines above the script."""
    return _sheet(transcript, hider(workspace), offset)


def hider(workspace: Path | None) -> Hide:
    """Return a function that takes this machine's paths out of a text.

    The workspace becomes ``.``, the directories above it ``..`` and so on, home ``~``.
    """
    places = {str(Path.home()): "~"}
    for root in {workspace, workspace.resolve()} if workspace is not None else ():
        above = [p for p in root.parents if len(p.parts) > 2]
        places |= {str(p): "/".join([".."] * up) for up, p in enumerate(above, 1)} | {str(root): "."}
    whole = "|".join(re.escape(p) for p in sorted(places, key=len, reverse=True) if len(p) > 1)
    pattern = re.compile(rf"(?<![\w.-])(?:{whole})(?![\w.-])")
    return lambda text: pattern.sub(lambda match: places[match[0]], text)


def hidden(value: Json, hide: Hide) -> Json:
    """Return the JSON value with every text in it passed through ``hide``."""
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, dict):
        return {k: hidden(v, hide) for k, v in value.items()}
    return [hidden(v, hide) for v in value] if isinstance(value, list | tuple) else value


def _sheet(transcript: Transcript, hide: Hide, offset: int) -> Sheet:
    return Sheet(
        parts=tuple(_part(p, hide, offset) for p in transcript.parts),
        prompt=transcript.prompt,
        agent=transcript.agent,
        status=transcript.status,
        reason=hide(transcript.reason),
        steps=transcript.steps,
    )


def _part(part: Prose | Script | Call | Failure, hide: Hide, offset: int) -> Prose | ScriptSheet | Call | Failure:
    match part:
        case Prose():
            return part
        case Script():
            return _script(part, hide, offset)
        case Call():
            # The output of a live tool is not stable; that it came, and whether it is an error, is.
            return replace(part, arguments=hide(part.arguments), output=None if part.output is None else "")
        case Failure():
            return Failure(error=_error(part.error, hide, 0) or {})


def _script(script: Script, hide: Hide, offset: int) -> ScriptSheet:
    run = script.run
    return ScriptSheet(
        source=run.source,
        status=run.status.value if run.status else "running",
        mode=script.mode,
        result=hidden(run.result, hide),
        error=_error(run.error, hide, offset),
        logs=tuple(replace(log, text=hide(log.text), line=_shift(log.line, offset)) for log in run.logs),
        operations=tuple(_row(o, script, hide, offset) for o in run.operations),
        warnings=tuple(carets.warning(hide(w), offset=offset) for w in run.warnings),
        offset=offset,
    )


def _row(operation: Operation, script: Script, hide: Hide, offset: int) -> Row:
    below = script.nested.get(operation.number)
    return Row(
        number=operation.number,
        tool=operation.tool,
        arguments=hidden(operation.arguments, hide),
        status=standing(operation),
        outcome=hide(outcome(operation, ended=script.run.status is not None)),
        effect=operation.effect,
        line=_shift(operation.line, offset),
        diff=hide(operation.diff) if operation.diff else None,
        approval=operation.approval,
        asked_arguments=hidden(operation.asked_arguments, hide),
        error=_error(operation.error, hide, offset),
        image=picture(operation.output),
        agent=_sheet(below, hide, 0) if below else None,
    )


def _error(error: dict[str, Json] | None, hide: Hide, offset: int) -> dict[str, Json] | None:
    """Keep what an error is and where; its details (output, stacks) vary from run to run."""
    if error is None:
        return None
    kept: dict[str, Json] = {
        k: hidden(error[k], hide) for k in ("name", "code", "message", "tool", "line", "column") if k in error
    }
    if "line" in kept:
        kept["line"] = _shift(kept["line"], offset)
    return kept


def _shift(line: int | None, offset: int) -> int | None:
    return None if line is None else line + offset


def _sheet_json(it: Sheet) -> dict[str, Json]:
    head = {"prompt": it.prompt, "agent": it.agent, "status": it.status, "reason": it.reason, "steps": it.steps}
    return _set(head) | {"parts": [_part_json(p) for p in it.parts]}


def _part_json(part: Prose | ScriptSheet | Call | Failure) -> dict[str, Json]:
    match part:
        case Prose(text=text, channel=channel):
            return {"type": channel, "text": text}
        case Call():
            return {"type": "call", "name": part.name, "arguments": part.arguments, "error": part.is_error}
        case Failure(error=error):
            return {"type": "error", "error": error}
        case ScriptSheet():
            return _script_json(part)


def _script_json(it: ScriptSheet) -> dict[str, Json]:
    facts: dict[str, Any] = {"mode": None if it.mode == "on" else it.mode, "error": it.error, "offset": it.offset}
    return {"type": "script", "source": it.source, "status": it.status, "result": it.result} | _set(facts) | {
        "logs": [_set({"level": log.level, "text": log.text, "line": log.line}) for log in it.logs],
        "operations": [_row_json(row) for row in it.operations],
        "warnings": list(it.warnings),
    }  # fmt: skip


def _row_json(row: Row) -> dict[str, Json]:
    facts: dict[str, Any] = {
        "outcome": row.outcome, "effect": row.effect, "line": row.line, "diff": row.diff, "approval": row.approval,
        "asked_arguments": row.asked_arguments, "error": row.error, "image": row.image,
        "agent": _sheet_json(row.agent) if row.agent else None,
    }  # fmt: skip
    given = row.arguments
    if isinstance(given, dict) and list(given) != sorted(given):
        # Whatever saves a notebook sorts the keys.
        facts["order"] = list(given)
    return {"number": row.number, "tool": row.tool, "arguments": given, "status": row.status} | _set(facts)


def _set(facts: dict[str, Any]) -> dict[str, Json]:
    return {name: value for name, value in facts.items() if value not in (None, "", 0)}
