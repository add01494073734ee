"""Decides what is known of a turn whose host died: which runs were its, how they ended, and what never began."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from toolscript.agent.executor import ToolReply
from toolscript.agent.step import Call, Script, Step
from toolscript.errors import Json, StillInterrupted, ToolscriptError
from toolscript.events import RunStatus
from toolscript.journal.conversation import TurnRecord, conversation_records, unfinished_conversations
from toolscript.journal.reader import records
from toolscript.journal.records import CallRecord, EndRecord, LogRecord, Record, RunEndRecord, RunRecord
from toolscript.journal.state import RunFile, run_files
from toolscript.run import LogLine, Run
from toolscript.texts import loads

UNKNOWN = (
    "the host died while this call ran, so whether it took effect is unknown; look before you do it again, "
    "since it was not repeated"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CutShort:
    """A turn that its host's death cut short: what was asked, of whom, and when it was last written to."""

    conversation_id: str
    prompt: str
    agent: str
    modified: float


def cut_short(state: Path) -> tuple[CutShort, ...]:
    """Return the turns of a workspace that were cut short and that nobody goes on with, oldest first.

    What cannot be read is left out: nobody can go on with it.
    """
    found = []
    for path in unfinished_conversations(state):
        with suppress(OSError, ToolscriptError):
            asked = [r for r in conversation_records(path) if isinstance(r, TurnRecord)][-1]
            found.append(
                CutShort(
                    conversation_id=path.stem, prompt=asked.prompt, agent=asked.agent, modified=path.stat().st_mtime
                )
            )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Found:
    file: RunFile
    record: RunRecord
    call: CallRecord | None


async def fill_in(
    step: Step, state: Path, resume: Callable[[str], Awaitable[Run]], path_of: Callable[[str], str]
) -> None:
    """Give each script and call of a step what is known of it; interrupted runs are resumed first.

    ``path_of`` turns a structured call's name into its tool's. Raises what ``resume`` raises: then nobody has told
    the step anything, and it can be tried again.
    """
    found = list(_runs(state, step))
    scripts = [f for f in found if f.record.origin == "model"]
    for script in step.scripts:
        if (mine := _take(scripts, partial(_same, script))) is not None:
            script.run = ended_run(mine.file.path) if mine.file.ended else await _recovered(mine, resume)
    calls = [f for f in found if f.call is not None]
    for call in step.calls:
        call.reply = await _reply(call, calls, resume, path_of)


async def _recovered(found: _Found, resume: Callable[[str], Awaitable[Run]]) -> Run:
    """Bring a run of the turn to its end. Raises what ``resume`` raises, naming the run that must go on first."""
    run_id = found.record.run_id
    try:
        return await resume(run_id)
    except StillInterrupted as error:
        message = f"its run {run_id} must go on first: {error.message}"
        raise StillInterrupted(message, code=error.code, details=error.details) from error


def _runs(state: Path, step: Step) -> Iterator[_Found]:
    for file in run_files(state):
        first = _first(file)
        if first is not None and (first.turn_id, first.step) == (step.turn_id, step.number):
            asked = (r for r in _read(file.path) if isinstance(r, CallRecord))
            yield _Found(file, first, next(asked, None) if first.origin == "call" else None)


def stored(state: Path, conversation_id: str, turn_ids: Collection[str]) -> dict[str, str | None]:
    """Return what the ended runs of a conversation left in its store: those of these turns, and of no turn at all."""
    values: dict[str, str | None] = {}
    for file in run_files(state):
        first = _first(file) if file.ended else None
        if first is None or first.conversation_id != conversation_id:
            continue
        if first.turn_id is None or first.turn_id in turn_ids:
            values |= next((r.store for r in _read(file.path) if isinstance(r, RunEndRecord)), {})
    return values


def _first(file: RunFile) -> RunRecord | None:
    try:
        first = next(_read(file.path), None)
    except ToolscriptError:
        return None  # not one that can be read, so none that is known
    return first if isinstance(first, RunRecord) else None


def _same(script: Script, found: _Found) -> bool:
    return found.record.script_hash == script.script_hash


def _take(found: list[_Found], wanted: Callable[[_Found], bool]) -> _Found | None:
    mine = next((f for f in found if wanted(f)), None)
    if mine is not None:
        found.remove(mine)
    return mine


async def _reply(
    call: Call, found: list[_Found], resume: Callable[[str], Awaitable[Run]], path_of: Callable[[str], str]
) -> ToolReply | None:
    """Return what a call gave, one that was cut short after its recovery; None if it never began.

    One that cannot be told from another is unknown.
    """
    try:
        path = path_of(call.asked.name)
    except ToolscriptError:
        return None
    here = [f for f in found if f.call is not None and f.call.tool == path]
    mine = _take(found, lambda f: f in here and f.call is not None and f.call.arguments == call.asked.arguments)
    if mine is None:
        return ToolReply(text=UNKNOWN, is_error=True) if here else None
    if not mine.file.ended:
        await _recovered(mine, resume)
    end = next((r for r in _read(mine.file.path) if isinstance(r, EndRecord)), None)
    return ToolReply(text=UNKNOWN, is_error=True) if end is None else _told(end)


def _told(end: EndRecord) -> ToolReply:
    value: Json = loads(end.value)
    text = value.get("message", end.value) if isinstance(value, dict) and not end.ok else value
    return ToolReply(text=text if isinstance(text, str) else end.value, is_error=not end.ok)


def ended_run(path: Path) -> Run:
    """Return a run as its journal tells of its end, without its operations. Raises JournalError."""
    read = list(_read(path))
    run, end = read[0], read[-1]
    if not isinstance(run, RunRecord) or not isinstance(end, RunEndRecord):
        return Run(status=RunStatus.ABORTED)
    return Run(
        run_id=run.run_id, status=RunStatus(end.status), source=run.source, script_hash=run.script_hash,
        result=None if end.result is None else loads(end.result), error=end.error, warnings=end.warnings,
        logs=tuple(LogLine(level=r.level, text=r.text) for r in read if isinstance(r, LogRecord)),
    )  # fmt: skip


def _read(path: Path) -> Iterator[Record]:
    return records(path, unknown="skip")
