"""Decides how waiting requests are listed and answered from another shell, through the owner's socket."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from toolscript.approvals.client import connect
from toolscript.approvals.owners import owners
from toolscript.approvals.request import ApprovalRequest, Choice
from toolscript.approvals.text import as_text
from toolscript.journal.state import state_dir
from toolscript_extension.cli.exits import Exit
from toolscript_extension.cli.streams import screen

Workspace = Annotated[Path, typer.Option(help="The directory that the script works in.")]


def command(
    approval: Annotated[str | None, typer.Argument(help="The id of a request; without it, all are listed.")] = None,
    allow: Annotated[bool, typer.Option("--allow", help="Allow it once.")] = False,
    reason: Annotated[str, typer.Argument(help="Why it is denied, if you like.", show_default=False)] = "",
    deny: Annotated[bool, typer.Option("--deny", help="Deny it, with or without a reason.")] = False,
    owner: Annotated[str | None, typer.Option(help="Which process, when several run scripts here.")] = None,
    workspace: Workspace = Path(),
) -> None:
    """List the requests that wait for consent in this workspace, or answer one."""
    if approval is not None and allow == deny:
        raise typer.BadParameter("answer a request with either --allow or --deny [REASON]")
    if reason and not deny:
        raise typer.BadParameter("a reason goes with --deny")
    state = state_dir(workspace)
    if owner is None and not any(found.alive for found in owners(state)):
        screen(stderr=approval is not None).print(
            "Nothing waits for consent: no process runs scripts in this workspace."
        )
        raise typer.Exit(Exit.COMPLETED if approval is None else Exit.USAGE)
    asyncio.run(_command(state, approval, reason if deny else None, owner))


async def _command(state: Path, approval: str | None, deny: str | None, owner: str | None) -> None:
    console = screen()
    async with connect(state, owner, name="shell") as client:
        if approval is None:
            _list(console, await client.pending())
            return
        choice = Choice.ALLOW if deny is None else Choice.DENY
        decision = await client.decide(approval, choice, reason=deny or "")
        console.print(Text(f"{approval}: {decision.choice.value} by {decision.by}"))


def _list(console: Console, pending: tuple[ApprovalRequest, ...]) -> None:
    if not pending:
        console.print("Nothing waits for consent.")
    for request in pending:
        console.print(Text(f"{request.approval_id}", style="bold"))
        for line in as_text(request).splitlines():
            console.print(Text(f"  {line}"))
    if pending:
        console.print(Text("answer one with: toolscript approvals ID --allow | --deny [REASON]", style="dim"))
