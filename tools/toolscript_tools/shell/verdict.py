"""Decides what a person or a policy is told about one exact command before it runs."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from anyio import to_thread

from toolscript.confine import modes
from toolscript.confine.wire import Confinement
from toolscript.registry.classification import Classification, Danger, Effect, PathEffect
from toolscript.registry.context import SandboxMode, ToolContext
from toolscript_tools.shell.bash import MAX_SCRIPT, Word
from toolscript_tools.shell.binding import bound, content
from toolscript_tools.shell.classify import dangerous, known_safe, shell_script, simple_commands
from toolscript_tools.shell.environment import command_environment
from toolscript_tools.shell.gitreads import repository_trouble
from toolscript_tools.shell.models import CommandInput
from toolscript_tools.shell.remember import pattern

HARMLESS_VARIABLES = frozenset(
    ("CI", "CLICOLOR", "COLUMNS", "FORCE_COLOR", "LANG", "LC_ALL", "LC_CTYPE", "LINES", "NO_COLOR", "TERM", "TZ")
)
"""Variables that change how a program writes, not what it does."""
_BUILTINS = frozenset(("cd", "echo", "false", "pwd", "true"))


LONG = 4096
"""Longer commands are looked into in a thread: it takes up to a second."""


async def of_any(argv: Sequence[str], arguments: CommandInput, context: ToolContext) -> Classification:
    """Return the classification of a command, however long; repositories and programs are read in a thread."""
    reads = escalated(arguments, context) or any("git" in word for word in argv)
    if reads or sum(map(len, argv)) > LONG:
        return await to_thread.run_sync(of, argv, arguments, context)
    return of(argv, arguments, context)


def of(argv: Sequence[str], arguments: CommandInput, context: ToolContext) -> Classification:
    """Return the classification of a command."""
    unconfined = escalated(arguments, context)
    danger, reasons = _danger(argv, arguments, context)
    place = context.files.place(arguments.cwd or os.fspath(context.cwd), context.cwd)
    confined = not unconfined and confinement(context) is not None
    paths: tuple[PathEffect, ...] = () if place.inside else (PathEffect(path=place.path, kind="read", inside=False),)
    if not confined and danger is not Danger.KNOWN_SAFE:
        paths = bound(argv, place.path, context)
        reasons += [f"{p.path} as it is now (sha256 {p.before[:12]}…)" for p in paths if p.before is not None]
    if unconfined and context.secret_paths and modes.hiding(context.secret_paths) is None:
        reasons.append("it can read the directories in which approvals and the tokens of notebooks are kept")
    changed = bool(_telling(arguments)) or arguments.arg0 is not None or unconfined
    exact = changed or bool(_foreign_programs(argv, context))
    name = None if danger is Danger.DANGEROUS else pattern(argv, exact=exact)
    elsewhere = os.path.realpath(place.path) != os.path.realpath(context.cwd)
    remembered = _remembered(name, arguments, escalated=unconfined, where=os.fspath(place.path) if elsewhere else None)
    if remembered is not None and (files := content(paths)):
        # Commands can write these programs: consent to one is none to what they become.
        remembered += f" (files {files})"
    return Classification(
        effect=Effect.EXECUTE, danger=danger, paths=paths, reasons=tuple(reasons), remember=remembered,
        summary=_summary(argv, arguments, place.spelt if elsewhere else None),
        confined=confined, escalated=unconfined,
        justification=arguments.justification, undoable=danger is Danger.KNOWN_SAFE,
        environment=dict(arguments.env),
    )  # fmt: skip


def _summary(argv: Sequence[str], arguments: CommandInput, where: str | None) -> str:
    """Return the command as whoever gave it wrote it, and where it runs if that is not the working directory."""
    if isinstance(arguments.command, str):
        # In front: whatever stands behind the word run is the line, also where it says that it is somewhere.
        return f"{f'in {where}: ' if where else ''}run {arguments.command}"
    return f"run {shlex.join(argv)}" + (f" in {where}" if where else "")


def escalated(arguments: CommandInput, context: ToolContext) -> bool:
    """Say whether the call asks to leave a sandbox that there is."""
    return arguments.with_escalated_permissions and context.sandbox is not SandboxMode.DANGER_FULL_ACCESS


def confinement(context: ToolContext) -> Confinement | None:
    """Return what the operating system will hold commands to in this context; None when it holds them to nothing."""
    if context.sandbox is SandboxMode.DANGER_FULL_ACCESS:
        return None
    return modes.plan(
        writes=context.sandbox is SandboxMode.WORKSPACE_WRITE, roots=context.roots, secrets=context.secret_paths,
        network=context.network, temporary=context.environment.get("TMPDIR"),
    )  # fmt: skip


def _danger(argv: Sequence[str], arguments: CommandInput, context: ToolContext) -> tuple[Danger, list[str]]:
    if len(shell_script(argv) or "") > MAX_SCRIPT:
        return Danger.DANGEROUS, ["the script is too long to be looked into"]
    if dangerous(argv) is not None:
        return Danger.DANGEROUS, ["it removes files by force, without asking"]
    if not known_safe(argv):
        return Danger.ORDINARY, []
    if arguments.arg0 is not None:
        return Danger.ORDINARY, ["the program is told another name than its own"]
    if telling := _telling(arguments):
        return Danger.ORDINARY, [f"variables may change what it does: {', '.join(telling)}"]
    if foreign := _foreign_programs(argv, context):
        return Danger.ORDINARY, [f"the program lies where commands can write: {', '.join(foreign)}"]
    if trouble := repository_trouble(simple_commands(argv) or [], _cwd(arguments, context), context):
        return Danger.ORDINARY, [trouble]
    return Danger.KNOWN_SAFE, ["it only reads"]


def _cwd(arguments: CommandInput, context: ToolContext) -> Path:
    return context.files.place(arguments.cwd or os.fspath(context.cwd), context.cwd).path


def _telling(arguments: CommandInput) -> list[str]:
    """Return the added variables that may change what a program does."""
    return sorted(name for name in arguments.env if name not in HARMLESS_VARIABLES)


def _foreign_programs(argv: Sequence[str], context: ToolContext) -> list[str]:
    """Return the programs that the names in a command really mean, where a command could have put them there."""
    path = command_environment(context.environment, {})["PATH"]
    words = [[Word(argv[0])], *(simple_commands(argv) or [])]
    in_shell = shell_script(argv) is not None
    names = {command[0].text for command in words if command}
    found = {name: name if "/" in name else shutil.which(name, path=path) for name in names}
    writable = [*context.roots, *map(Path, modes.temporary_directories(context.environment.get("TMPDIR")))]
    return sorted(
        program for name, program in found.items()
        if program is not None and not (in_shell and name in _BUILTINS) and _below(program, writable)
    )  # fmt: skip


def _below(program: str, directories: Sequence[Path]) -> bool:
    # What a relative path means depends on where the command is by then.
    if not program.startswith("/"):
        return True
    return any(Path(os.path.realpath(program)).is_relative_to(os.path.realpath(d)) for d in directories)


def _remembered(name: str | None, arguments: CommandInput, *, escalated: bool, where: str | None) -> str | None:
    """Return the pattern of a consent: it covers this directory, these variables and this freedom only."""
    # What comes on stdin can be a program: a pattern of the words alone would say too little.
    if name is None or arguments.stdin is not None:
        return None
    prefix = "without the sandbox, " if escalated else ""
    variables = "".join(f"{key}={shlex.quote(arguments.env[key])} " for key in _telling(arguments))
    renamed = f" (as {arguments.arg0})" if arguments.arg0 is not None else ""
    return f"{prefix}{variables}{name}{renamed}" + (f" in {where}" if where else "")
