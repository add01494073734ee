"""Decides how recorded runs are replayed and audited from a shell."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.text import Text
from toolscript.runtime.pool import Pool

from toolscript.errors import ConfigError
from toolscript.journal.audit import audit, entry_json, entry_text
from toolscript.journal.reader import records
from toolscript.journal.state import run_path, state_dir
from toolscript.recovery.replay import Replayed, replay
from toolscript.recovery.tape import Tape
from toolscript_extension.cli.exits import Exit

File = Annotated[str, typer.Argument(help="A journal, or the id of a run in this workspace.", metavar="FILE|RUN")]
Workspace = Annotated[Path, typer.Option(help="The directory that the run worked in.")]


def journal_of(name: str, workspace: Path) -> Path:
    """Return the journal of this name: a path, or a run's id. Raises ConfigError when there is none."""
    for path in (Path(name), run_path(state_dir(workspace), name) if "/" not in name else Path(name)):
        if path.is_file():
            return path
    raise ConfigError(f"there is no journal {name!r}, neither as a file nor as a run of {workspace.resolve()}")


def replay_command(file: File, workspace: Workspace = Path()) -> None:
    """Replay a recorded run: no tool is touched; the same result and logs must come out."""
    tape = Tape.read(records(journal_of(file, workspace), unknown="skip"))
    replayed = asyncio.run(_replay(tape))
    console = Console(stderr=True)
    for line in replayed.logs:
        console.print(Text(line.text))
    if replayed.divergence is not None:
        console.print(Text(f"diverged\n{replayed.divergence}", style="red"))
        raise typer.Exit(Exit.FAILED)
    what = "the same" if replayed.outcome == "same" else "the same up to where the recorded run was ended"
    console.print(Text(f"replayed: {what}", style="green"))
    if replayed.result is not None:
        sys.stdout.write(json.dumps(replayed.result, ensure_ascii=False, indent=2) + "\n")


async def _replay(tape: Tape) -> Replayed:
    async with Pool(limits=tape.start().limits) as pool:
        return await replay(tape, pool)


def audit_command(
    file: File,
    workspace: Workspace = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line for each entry.")] = False,
) -> None:
    """Show what a run did: tools, durations, approvals with who and when, and how it ended."""
    for entry in audit(journal_of(file, workspace)):
        sys.stdout.write((orjson.dumps(entry_json(entry)).decode() if as_json else entry_text(entry)) + "\n")
