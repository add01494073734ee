"""Decides which commands there are, and that a user's mistake ends in one sentence, never in a stack trace."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from toolscript.errors import ToolscriptError
from toolscript_extension.cli import agents, approvals, demo, doctor, journals, resume, run, tools, undo
from toolscript_extension.cli.exits import Exit

app = typer.Typer(
    name="toolscript", no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False,
    help="Runs TypeScript that acts through tools: sandboxed, watched, and with your consent.",
)  # fmt: skip
app.command("run")(run.command)
app.command("tools")(tools.command)
app.command("doctor")(doctor.command)
app.command("agents")(agents.agents_command)
app.command("trust")(agents.trust_command)
app.command("approvals")(approvals.command)
app.command("demo")(demo.command)
app.command("resume")(resume.command)
app.command("replay")(journals.replay_command)
app.command("audit")(journals.audit_command)
app.command("undo")(undo.command)


def main() -> None:
    """Run the command line and exit."""
    try:
        app()
    except ToolscriptError as error:
        place = f" ({error.position})" if error.position else ""
        Console(stderr=True).print(f"toolscript: {error.message}{place}", markup=False, highlight=False)
        sys.exit(Exit.USAGE)
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
