"""Decides which commands there are, that each loads only what it needs, and that a mistake ends in one sentence."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from inspect import cleandoc
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup

from toolscript_extension.cli import streams
from toolscript_extension.cli.exits import Exit, of_failure


class Entry(NamedTuple):
    """A command: where its function is, what it does in a sentence (the first of its own help), and examples."""

    place: str
    says: str
    examples: tuple[str, ...]


COMMANDS = {
    "run": Entry(
        "run:command", "Run a script and print its result.",
        ("toolscript run check.ts --param path='\"src\"'", "toolscript run - --json --limit calls=4 < check.ts"),
    ),
    "tools": Entry(
        "tools:command", "Print what scripts can call.",
        ("toolscript tools > tools.d.ts", "toolscript tools --json",
         "toolscript tools --openapi > tools.openapi.json")
    ),
    "doctor": Entry(
        "doctor:command", "Say what this machine offers, and what is missing.",
        ("toolscript doctor", "toolscript doctor --json"),
    ),
    "agents": Entry(
        "agents:agents_command", "List the configured agents; the one that would answer is marked.",
        ("toolscript agents --workspace ~/project",),
    ),
    "trust": Entry(
        "agents:trust_command", "Trust a workspace's configuration as it is now, until the file changes.",
        ("toolscript trust toolscript.toml", "toolscript trust .mcp.json --revoke"),
    ),
    "approvals": Entry(
        "approvals:command", "List the requests that wait for consent in this workspace, or answer one.",
        ("toolscript approvals", "toolscript approvals ID --allow", 'toolscript approvals ID --deny "not here"'),
    ),
    "demo": Entry(
        "demo:command", "Run a notebook with its kernel and print what each cell did.",
        ("toolscript demo", "toolscript demo analysis.ipynb --output executed.ipynb --timeout 600"),
    ),
    "resume": Entry(
        "resume:command", "Go on with a run or turn whose host died: what had ended is not done again.",
        ("toolscript resume", "toolscript resume RUN", "toolscript resume RUN --outcome 2=again",
         "toolscript resume CONVERSATION"),
    ),
    "replay": Entry(
        "journals:replay_command",
        "Replay a recorded run without touching a tool: the same result and logs must come out.",
        ("toolscript replay RUN", "toolscript replay notebook.ipynb", "toolscript replay RUN --live"),
    ),
    "audit": Entry(
        "journals:audit_command",
        "Show what a run did: tools, durations, approvals with who and when, and how it ended.",
        ("toolscript audit RUN", "toolscript audit RUN --json", "toolscript audit notebook.ipynb"),
    ),
    "undo": Entry(
        "undo:command", "Take back what runs changed in files: all of it or nothing.",
        ("toolscript undo", "toolscript undo RUN", "toolscript undo RUN --pick notes.txt=keep"),
    ),
}  # fmt: skip

EPILOG = (
    "Exit codes: 0 completed, 1 failed, 2 usage or configuration, 3 a refusal that nothing handled, 4 a limit, "
    "130 interrupted."
)


class Commands(TyperGroup):
    """Loads a command when it is named: whoever wants one, or the list, does not wait for all."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the first argument names, loaded."""
        name = args[0] if args else ""
        if name in COMMANDS:
            self.commands[name] = load(name)
            ctx.obj()
        return super().resolve_command(ctx, args)


def load(name: str) -> Any:
    """Return a command with its options, its modules imported."""
    entry = COMMANDS[name]
    module, _, attribute = entry.place.partition(":")
    function = getattr(import_module(f"toolscript_extension.cli.{module}"), attribute)
    shown = "".join(f"\n\n  {example}" for example in entry.examples)
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    alone.command(name, help=f"{cleandoc(function.__doc__ or '')}\n\nExamples:{shown}")(function)
    return typer.main.get_command(alone)


app = typer.Typer(
    name="toolscript", cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False,
    help="Runs TypeScript that acts through tools: sandboxed, watched, and with your consent.", epilog=EPILOG,
)  # fmt: skip


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"toolscript {version('toolscript')}")
        raise typer.Exit


@app.callback()
def _all(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None: ...


for _name, _entry in COMMANDS.items():
    app.command(_name, help=_entry.says)(lambda: None)


def run(begin: Callable[[], None]) -> int:
    """Run what the command line says and return the exit code; ``begin`` is called when all modules are loaded."""
    return streams.finish(_invoke(begin))


def _invoke(begin: Callable[[], None]) -> int:
    try:
        app(obj=begin, prog_name="toolscript")
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else Exit.COMPLETED
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except Exception as error:
        told = of_failure(error)
        if told is None:
            raise
        code, message = told
        sys.stderr.write(f"toolscript: {message}\n")
        return code
    return Exit.COMPLETED
