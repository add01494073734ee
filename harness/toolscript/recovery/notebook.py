"""Decides what a saved notebook keeps of a run so that it replays without its journal, and what is believed of it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import NoReturn

from toolscript.errors import (
    ConfigError,
    JournalDamaged,
    JournalError,
    Json,
    ScriptFormatError,
    ScriptSyntaxError,
    SourceTooLarge,
    ToolscriptError,
    UnsupportedTypeScript,
)
from toolscript.journal.blobs import read_blob
from toolscript.journal.codec import BLOB, BadLine, loaded, record_of
from toolscript.journal.reader import lines, records
from toolscript.journal.records import KINDS, VERSION, Record
from toolscript.language.detector import ScriptFound, detect
from toolscript.language.parser import parse
from toolscript.limits import Limits
from toolscript.recovery.follow import Divergence
from toolscript.recovery.tape import Tape

MIME = "application/vnd.toolscript.run+json"
"""Under this name the facts lie in the metadata of a cell's output."""
ON_TAPE = frozenset({"run", "call", "timer", "log", "end", "run_end"})
"""The kinds of record that a replay needs."""
BODY_BYTES = 64 * 1024
"""One text beyond this is kept by its hash alone."""
RUN_BYTES = 1024 * 1024
"""All texts of one run together."""
CUT, EXACT = "$sha256", "$json"
IDLE = {"dry-run": "planned only", "off": "shown, not run"}
"""Modes of scripts that never run, in words."""
REFUSED = frozenset(kind.code for kind in (ScriptFormatError, ScriptSyntaxError, SourceTooLarge, UnsupportedTypeScript))
"""Errors of scripts that never began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedRun:
    """One run as a notebook keeps it; without ``tape`` where a text was too large, or there is none.

    ``idle`` says why nothing ran, so that there is nothing to replay; empty for what did.
    """

    cell: int
    run_id: str
    tape: Tape | None = None
    idle: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedCell:
    """One cell of a notebook that did something. ``replies`` is what the model said in a turn, step by step."""

    number: int
    prompt: str | None
    replies: tuple[str, ...]
    runs: tuple[SavedRun, ...]


def saved(journal: Path) -> dict[str, Json]:
    """Return what a notebook keeps of a run's journal: its tape, with secrets as the journal has them.

    ``complete`` is False where a text was too large and only its hash is kept: such a run replays from its journal.
    Raises JournalError and JournalDamaged.
    """
    keeper = _Keeper(journal)
    records = [keeper.record(line.kind, line.data) for line in lines(journal) if line.kind in ON_TAPE]
    return {"version": VERSION, "complete": not keeper.cut, "records": records}


class _Keeper:
    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._room = RUN_BYTES
        self.cut = False

    def record(self, kind: str, data: Mapping[str, Json]) -> dict[str, Json]:
        defaults = {f.name: f.default for f in dataclasses.fields(KINDS[kind])}
        # What was changed is for an undo, which needs the bodies beside the journal too.
        kept = {n: v for n, v in data.items() if n not in ("v", "prev", "changes") and v != defaults.get(n, _NEVER)}
        return {name: self._value(value) for name, value in kept.items()}

    def _value(self, value: Json) -> Json:
        body = None
        if isinstance(value, dict) and BLOB in value:
            if value["size"] > min(BODY_BYTES, self._room):
                return self._hash(str(value[BLOB]))
            body = read_blob(self._journal, value[BLOB])
            value = loaded(body)
        text = body if body is not None else json.dumps(value).encode()
        if len(text) > min(BODY_BYTES, self._room):
            return self._hash(hashlib.sha256(text).hexdigest())
        self._room -= len(text)
        return value if _is_sound(value) else {EXACT: json.dumps(value)}

    def _hash(self, digest: str) -> Json:
        self.cut = True
        return {CUT: digest}


_NEVER = object()


def _is_sound(value: Json) -> bool:
    """Say whether UTF-8 can carry a value: halves of characters travel as JSON text instead."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def tape_of(recording: Json) -> Tape | None:
    """Return the tape that :func:`saved` kept; None where a part of it is not there. Raises JournalDamaged."""
    match recording:
        case {"version": int(version)} if version != VERSION:
            raise JournalDamaged("the notebook", 1, f"format version {version}; this program reads version {VERSION}")
        case {"complete": True, "records": list(records)}:
            return Tape.read(_record(number, data) for number, data in enumerate(records, 1))
        case _:
            return None


def _record(number: int, data: Json) -> Record:
    try:
        if not isinstance(data, dict) or not isinstance(kind := data.get("kind"), str) or kind not in ON_TAPE:
            raise BadLine("not a record of a tape")
        return record_of({name: _exact(value) for name, value in data.items()}, _no_body)
    except (BadLine, JournalError, ValueError) as error:
        raise JournalDamaged("the notebook", number, str(error)) from None


def _exact(value: Json) -> Json:
    if not isinstance(value, dict) or not isinstance(value.get(EXACT), str):
        return value
    return loaded(value[EXACT].encode("utf-8", "surrogatepass"))


def _no_body(digest: str) -> NoReturn:
    raise JournalError(f"the body {digest} is not in a notebook")


def saved_cells(path: Path) -> tuple[SavedCell, ...]:
    """Return what a notebook keeps of its runs, in the order of its cells.

    Raises ConfigError for what is no notebook, or names no run, and JournalDamaged for a tape that is none.
    """
    try:
        notebook: Json = json.loads(path.read_bytes())
        outputs = [
            (number, facts, (output.get("data") or {}).get(MIME))
            for number, cell in enumerate(notebook["cells"], 1)
            for output in cell.get("outputs", ())
            if isinstance(facts := (output.get("metadata") or {}).get(MIME), dict)
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{path} is no notebook: {error}") from None
    found = tuple(cell for cell in (_cell(*output) for output in outputs) if cell.runs or cell.replies)
    if not found:
        raise ConfigError(f"{path} names no recorded run: execute it with the toolscript kernel first")
    return found


def _cell(number: int, facts: Mapping[str, Json], shown: Json) -> SavedCell:
    turn = facts.get("turn")
    steps = turn.get("steps") if isinstance(turn, dict) else None
    return SavedCell(
        number=number,
        prompt=str(turn.get("prompt", "")) if isinstance(turn, dict) else None,
        replies=tuple(_texts(steps)) if isinstance(steps, list) else (),
        runs=tuple(_runs(number, facts.get("scripts"), _idle(shown))),
    )


def _texts(steps: Iterable[Json]) -> Iterator[str]:
    yield from (step["text"] for step in steps if isinstance(step, dict) and isinstance(step.get("text"), str))


def _idle(shown: Json) -> tuple[str, ...]:
    """Return for each script that a cell shows why it did not run; empty for one that did."""
    parts = shown.get("parts") if isinstance(shown, dict) else None
    scripts = parts if isinstance(parts, list) else []
    return tuple(_why_idle(part) for part in scripts if isinstance(part, dict) and part.get("type") == "script")


def _why_idle(script: Mapping[str, Json]) -> str:
    match script:
        case {"mode": str(mode)} if mode in IDLE:
            return IDLE[mode]
        case {"error": {"code": str(code)}} if code in REFUSED:
            return "refused before it ran"
        case _:
            return ""


def _runs(cell: int, scripts: Json, idle: Iterable[str]) -> Iterator[SavedRun]:
    for script, why in zip_longest(scripts, idle, fillvalue="") if isinstance(scripts, list) else ():
        match script:
            case {"runId": str(run_id), "tape": tape} if run_id:
                yield SavedRun(cell=cell, run_id=run_id, tape=tape_of(tape))
            case {"runId": str(run_id)} if run_id:
                yield SavedRun(cell=cell, run_id=run_id, idle=why)
            case _:
                pass


def found(run: SavedRun, journal: Path | None) -> Tape:
    """Return a run's tape: from the notebook, or, where that keeps only hashes, from its journal if that is here.

    Raises ConfigError where neither has it, and for what did not run.
    """
    if run.tape is not None:
        return run.tape
    if run.idle:
        raise ConfigError(f"cell {run.cell}: {run.idle}, nothing to replay")
    if journal is None:
        raise ConfigError(
            f"cell {run.cell}: the notebook does not hold all of {run.run_id} (it was large, or saved by an older "
            "version), and its journal is not in this workspace's state directory"
        )
    return Tape.read(records(journal, unknown="skip"))


def unspoken(cell: SavedCell, tapes: Iterable[Tape]) -> Divergence | None:
    """Return the first script of a turn that the model's replies, read again, do not give in this order."""
    said = iter(_sources(cell.replies))
    for tape in tapes if cell.replies else ():
        if tape.run.origin == "model" and tape.run.source not in said:
            return Divergence(
                expected=f"a reply of the model that holds the script {tape.run.script_hash[:12]}",
                got=f"{len(cell.replies)} recorded replies without it, or in another order",
            )
    return None


def _sources(replies: Iterable[str]) -> Iterator[str]:
    for piece in (piece for reply in replies for piece in detect(reply)):
        if isinstance(piece, ScriptFound):
            with suppress(ToolscriptError):
                yield parse(piece.source, Limits()).source


def of_script(cells: Iterable[SavedCell], source: str, run_id: str = "") -> SavedRun:
    """Return the named run, else the one that belongs to a script: of the same source, or the only one.

    Raises ConfigError where that is none, or any of several.
    """
    runs = [run for cell in cells for run in cell.runs if run_id == run.run_id or (not run_id and not run.idle)]
    same = [r for r in runs if r.tape is not None and r.tape.run.source.strip() == source.strip()]
    if same or len(runs) == 1:
        return (same or runs)[0]
    listed = ", ".join(f"{run.run_id} (cell {run.cell})" for run in runs)
    raise ConfigError(f"which run of the notebook is meant? It holds {listed or 'none of this id'}; say FILE#RUN")
