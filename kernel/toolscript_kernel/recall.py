"""Decides how runs that have ended come back into a notebook: audited, replayed, or as a cell to edit."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolscript.errors import ConfigError, ToolscriptError
from toolscript.texts import loads

if TYPE_CHECKING:
    from toolscript.harness import Harness
    from toolscript.recovery.replay import Replayed
    from toolscript.recovery.tape import Tape
    from toolscript.recovery.unknown import Resolution
    from toolscript.run import Run


DIGITS = 9
"""No call, turn, script or permission has a number of more."""


def run_of(namespace: Any, name: str | None = None) -> str:
    """Return the id of the named run, else of the last one. Raises ConfigError when there was none."""
    if name is not None:
        return name
    last = namespace.get("_run")
    run_id = getattr(last, "run_id", "")
    if not isinstance(run_id, str) or not run_id:
        raise ConfigError("there was no run yet; name one: r-…")
    return run_id


def audited(harness: Harness, run_id: str, offset: int | None = None) -> str:
    """Return what a run did, one line for each thing, from its journal.

    ``offset`` is the number of lines above the script in the cell that ran it, if that is known: lines are then
    those of the cell, as in its record.
    """
    from toolscript.journal.audit import CallSeen, ScriptSeen, audit, entry_text

    told: list[str] = []
    for entry in audit(_journal(harness, run_id)):
        match entry:
            case CallSeen() if entry.line and offset:
                told.append(entry_text(replace(entry, line=entry.line + offset)))
            case ScriptSeen(origin="cell") if offset is None:
                told.append(f"{entry_text(entry)}, lines counted below %%toolscript")
            case _:
                told.append(entry_text(entry))
    return "\n".join(told)


async def replayed(harness: Harness, name: str, source: str | None = None) -> Replayed:
    """Replay a run, touching no tool; with another ``source``, tell whether that script would have done the same."""
    from toolscript.journal.reader import records
    from toolscript.recovery.replay import replay
    from toolscript.recovery.tape import Tape

    if name.partition("#")[0].endswith(".ipynb"):
        tape = _in_notebook(harness, name, source)
    else:
        tape = Tape.read(records(_journal(harness, name), unknown="skip"))
    if source is not None and source.strip():
        tape = replace(tape, run=replace(tape.run, source=source))
    return await replay(tape, harness.pool)


def _in_notebook(harness: Harness, name: str, source: str | None) -> Tape:
    """Return the tape of a run that a notebook holds: ``FILE`` or ``FILE#RUN``."""
    from toolscript.journal.state import run_path
    from toolscript.recovery.notebook import found, of_script, saved_cells

    file, _, run_id = name.partition("#")
    run = of_script(saved_cells(harness.workspace / file), source or "", run_id)
    path = run_path(harness.state, run.run_id)
    return found(run, path if path.is_file() else None)


def told(replayed: Replayed) -> str:
    """Return what a replay came to, in one line."""
    if replayed.outcome == "partial":
        return "replayed: the same up to where the recorded run was ended"
    return "replayed: the same"


def interrupted(harness: Harness) -> str:
    """Return the turns and runs of this workspace whose kernel or host died, one on each line."""
    from toolscript.interrupted import cut_short
    from toolscript.journal.reader import records
    from toolscript.journal.state import interrupted as files
    from toolscript.recovery.tape import Tape
    from toolscript_kernel.record import inert

    lines = [
        f"{turn.conversation_id}  turn of {inert.one_line(turn.agent, 40)}: "
        f"{inert.one_line(' '.join(turn.prompt.split()), 60)}"
        for turn in cut_short(harness.state)
    ]
    for file in files(harness.state):
        try:
            tape = Tape.read(records(file.path, unknown="skip"))
        except ToolscriptError as error:  # one damaged journal must not hide the others
            lines.append(f"{file.run_id}  cannot be read: {inert.one_line(error.message, 120)}")
            continue
        if tape.end is None and tape.run.origin not in ("undo", "call"):
            first = next((line.strip() for line in tape.run.source.splitlines() if line.strip()), "")
            lines.append(f"{file.run_id}  {inert.one_line(first, 60)}")
    return "\n".join(lines) or "no run and no turn was interrupted here"


def outcomes(words: list[str]) -> dict[int, Resolution]:
    """Return what is said ahead about calls whose outcome nobody can know. Raises ConfigError."""
    return dict(_outcome(word) for word in words)


def is_number(word: str) -> bool:
    """Say whether a word is a number that anything here could have."""
    return word.isdecimal() and len(word) <= DIGITS


def _outcome(word: str) -> tuple[int, Resolution]:
    from toolscript.recovery.unknown import Resolution

    number, equals, value = word.partition("=")
    if not equals or not is_number(number):
        raise ConfigError(f"%toolscript resume takes RUN and NUMBER=again, NUMBER=fail or NUMBER=JSON, got {word!r}")
    if value in ("again", "fail"):
        return int(number), Resolution(kind="again" if value == "again" else "fail")
    try:
        return int(number), Resolution(kind="happened", outcome=loads(value))
    except ValueError:
        raise ConfigError(f"%toolscript resume: {value!r} is neither again, nor fail, nor JSON") from None


def as_cell(runs: tuple[Run, ...], which: str | None = None) -> str:
    """Return a script that a model wrote as the text of a cell: the named or numbered one, else the last.

    Raises ConfigError when there is none.
    """
    if not runs:
        raise ConfigError("there is no script in this conversation yet")
    if which is None:
        found: Run | None = runs[-1]
    elif is_number(which):
        found = runs[int(which) - 1] if 0 < int(which) <= len(runs) else None
    else:
        found = next((run for run in runs if run.run_id == which), None)
    if found is None:
        raise ConfigError(f"there is no script {which!r}; the conversation has {len(runs)}")
    return script_cell(found.source)


def script_cell(source: str) -> str:
    """Return a script as the text of a ``%%toolscript`` cell."""
    return "%%toolscript\n" + source.strip("\n")


def _journal(harness: Harness, name: str) -> Path:
    from toolscript.journal.reader import is_journal
    from toolscript.journal.state import run_path

    for path in (Path(name), harness.workspace / name):
        with suppress(OSError):  # a name that no file can have
            if path.is_file():
                if not is_journal(path):
                    raise ConfigError(f"{name} is not a journal; name a run: r-…")
                return path
    path = run_path(harness.state, name) if "/" not in name else Path(name)
    if not path.is_file():
        raise ConfigError(f"there is no journal {name!r}, neither as a file nor as a run of this workspace")
    return path
