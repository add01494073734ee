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

from toolscript.approvals.terminal import TerminalDecider
from toolscript.errors import ConfigError
from toolscript.harness import Harness
from toolscript.journal.audit import audit, entry_json, entry_text
from toolscript.journal.reader import records
from toolscript.journal.state import run_path, state_dir
from toolscript.recovery.live import Difference, differences
from toolscript.recovery.notebook import recorded_runs
from toolscript.recovery.replay import Replayed, replay
from toolscript.recovery.tape import Tape
from toolscript.registry.registry import Registry, installed_tools, tools_digest
from toolscript.runtime.identity import installation
from toolscript.runtime.pool import Pool
from toolscript_extension.cli.exits import Exit

File = Annotated[
    str, typer.Argument(help="A journal, the id of a run in this workspace, or a notebook.", metavar="FILE|RUN")
]
Workspace = Annotated[Path, typer.Option(help="The directory that the run worked in.")]


def journal_of(name: str, workspace: Path) -> Path:
    """Return the journal of this name: a path, or a run's id. Raises ConfigError when there is none."""
    for path in (Path(name), run_path(state_dir(workspace), name) if "/" not in name else Path(name)):
        if path.is_file():
            return path
    raise ConfigError(f"there is no journal {name!r}, neither as a file nor as a run of {workspace.resolve()}")


def replay_command(
    file: File,
    workspace: Workspace = Path(),
    live: Annotated[bool, typer.Option("--live", help="Run for real, and show what changed (exit 1).")] = False,
) -> None:
    """Replay a recorded run: no tool is touched; the same result and logs must come out (exit 1 if not)."""
    if file.endswith(".ipynb"):
        journals = [journal_of(run_id, workspace) for run_id in recorded_runs(Path(file))]
    else:
        journals = [journal_of(file, workspace)]
    console = Console(stderr=True)
    for journal in journals:
        (_live if live else _replay_one)(journal, workspace, console)


def _replay_one(journal: Path, workspace: Path, console: Console) -> None:
    replayed = asyncio.run(_replay(Tape.read(records(journal, unknown="skip"))))
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
    tools = tools_digest(Registry(installed_tools()).select(allowed=tape.run.allowed_tools))
    async with Pool(limits=tape.start().limits) as pool:
        return await replay(tape, pool, digests={**installation(), "tools": tools})


def _live(journal: Path, workspace: Path, console: Console) -> None:
    changed = asyncio.run(_run_again(journal, workspace))
    for difference in changed:
        console.print(Text(str(difference)))
    console.print(Text(f"ran for real: {len(changed) or 'nothing'} changed", style="yellow" if changed else "green"))
    if changed:
        raise typer.Exit(Exit.FAILED)


async def _run_again(journal: Path, workspace: Path) -> tuple[Difference, ...]:
    run = Tape.read(records(journal, unknown="skip")).run
    async with Harness(workspace) as harness:
        with TerminalDecider.attached(harness.approvals):
            again = await harness.run(
                run.source, params=json.loads(run.params), last_expression=run.last_expression,
                allowed_tools=run.allowed_tools,
            )  # fmt: skip
        now = list(records(run_path(harness.state, again.run_id)))
    return differences(records(journal, unknown="skip"), now)


def audit_command(
    file: File,
    workspace: Workspace = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line for each entry.")] = False,
) -> None:
    """Show what a run did: tools, durations, approvals with who and when, and how it ended."""
    for entry in audit(journal_of(file, workspace)):
        sys.stdout.write((orjson.dumps(entry_json(entry)).decode() if as_json else entry_text(entry)) + "\n")
