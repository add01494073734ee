"""Decides how a command becomes a tool call: what is asked beforehand, what is run, what is reported."""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

from toolscript.confine import modes
from toolscript.confine.command import LaunchFailed
from toolscript.confine.wire import Confinement, Launch
from toolscript.errors import ToolError
from toolscript.registry.classification import Classification, Effect
from toolscript.registry.context import ToolContext
from toolscript.registry.shape import Shape
from toolscript.registry.tool import Tool, ToolSpec
from toolscript_tools.patch import apply_text, classify_text, summary_text
from toolscript_tools.shell import output, verdict
from toolscript_tools.shell.collect import Collector
from toolscript_tools.shell.environment import command_environment
from toolscript_tools.shell.interception import PatchCall, apply_patch_invocation
from toolscript_tools.shell.models import CommandInput, CommandOutput, ExecInput, ShellInput
from toolscript_tools.shell.run import run

MAX_PROCESSES = 2048

_EXEC_DOC = """Run a program with its arguments; no shell is involved, nothing is expanded.

Resolves however the program ends, with its exit code and output. Without stdin there is nothing to read. All
processes that it started end with it. In aggregatedOutput, what is written to both streams at the same instant can
stand in either order."""

_SHELL_DOC = """Run a command line or script in the user's shell: pipes, redirects and variables work.

Resolves however it ends, with its exit code and output. All processes that it started end with it. In
aggregatedOutput, what is written to both streams at the same instant can stand in either order: 2>&1 keeps it."""


class Commandlike:
    """What exec and shell share: they differ in how the arguments become an argv."""

    spec: ToolSpec

    def argv(self, arguments: CommandInput, context: ToolContext) -> list[str]:
        """Return the program and its arguments."""
        raise NotImplementedError

    async def classify(self, arguments: CommandInput, context: ToolContext) -> Classification:
        """Say what the command would do, from its words; nothing is run."""
        argv = self.argv(arguments, context)
        place = directory(arguments, context)
        if (patch := apply_patch_invocation(argv)) is not None:
            seen = await classify_text(patch.patch, context, patch.directory(place))
            return replace(seen, acts_as=("applyPatch", {"patch": patch.patch}))
        return await verdict.of_any(argv, arguments, context)

    def failed(self, output: CommandOutput) -> bool:
        """A non-zero exit is an error to a model that made a structured call."""
        return output.exit_code != 0

    def assumed(self, arguments: CommandInput) -> CommandOutput:
        """Return what a dry run goes on with: the command succeeded and wrote nothing."""
        return CommandOutput(
            exit_code=0, stdout="", stderr="", aggregated_output="", duration_ms=0, timed_out=False,
            truncated=False, planned=True,
        )  # fmt: skip

    async def call(self, arguments: CommandInput, context: ToolContext) -> CommandOutput:
        """Run the command to its end, confined as the sandbox mode says unless it was escalated.

        What only applies a patch is given to the patch tool instead, and no shell sees it.
        """
        argv = self.argv(arguments, context)
        place = directory(arguments, context)
        if (patch := apply_patch_invocation(argv)) is not None:
            return await _patched(patch, context, place)
        confinement = verdict.confinement(context)
        if verdict.escalated(arguments, context):
            confinement = modes.hiding(context.secret_paths)
        return await self._run(argv, place, confinement, arguments, context)

    async def _run(
        self, argv: list[str], place: Path, confinement: Confinement | None, arguments: CommandInput,
        context: ToolContext,
    ) -> CommandOutput:  # fmt: skip
        launch = Launch(
            program=argv[0], argv=(arguments.arg0 or argv[0], *argv[1:]), cwd=os.fspath(place),
            environment=_environment(arguments, context, confinement), confinement=confinement,
            max_processes=MAX_PROCESSES,
        )  # fmt: skip
        confined = confinement is not None and not confinement.only_hides
        collector = Collector(context.emit, shown=context.max_output_bytes)
        try:
            ending = await run(launch, context, collector, timeout=arguments.timeout_ms / 1000, stdin=arguments.stdin)
        except LaunchFailed as failure:
            raise not_begun(failure, argv[0], self.spec.name, confined=confined) from failure
        limit = arguments.max_output_bytes
        return output.describe(ending, collector, context, limit=limit, confined=confined)

    def render(self, arguments: CommandInput, output_value: CommandOutput) -> str:
        """Return exit code, wall time and output as lines."""
        return output.rendered(output_value)


def directory(arguments: CommandInput, context: ToolContext) -> Path:
    """Return the command's working directory. Raises ToolError when it is not there, or no directory."""
    place = context.files.place(arguments.cwd or os.fspath(context.cwd), context.cwd)
    if place.kind == "missing":
        raise ToolError(f"cwd: there is no directory {place.spelt!r}", code="not_found")
    if not place.path.is_dir():
        raise ToolError(f"cwd: {place.spelt!r} is not a directory", code="not_a_directory")
    return place.path


def _environment(arguments: CommandInput, context: ToolContext, confinement: Confinement | None) -> dict[str, str]:
    environment = command_environment(context.environment, arguments.env)
    if confinement is not None and not confinement.only_hides:
        # Programs and test suites can tell why the network is not there.
        environment["TOOLSCRIPT_SANDBOX"] = context.sandbox.value
        if not confinement.network:
            environment["TOOLSCRIPT_SANDBOX_NETWORK_DISABLED"] = "1"
    return environment


async def _patched(call: PatchCall, context: ToolContext, place: Path) -> CommandOutput:
    """Apply the patch that a command turned out to be, and report it as the command would have."""
    began = time.monotonic()
    await apply_text(call.patch, context, call.directory(place))
    text = summary_text(call.patch)
    return CommandOutput(
        exit_code=0, stdout=text, stderr="", aggregated_output=text, timed_out=False, truncated=False,
        duration_ms=round((time.monotonic() - began) * 1000),
    )  # fmt: skip


_CODES = {
    errno.ENOENT: ("not_found", "there is no such program"),
    errno.ENOTDIR: ("not_found", "there is no such program"),
    errno.EACCES: ("permission_denied", "the program may not be executed"),
    errno.EPERM: ("permission_denied", "the program may not be executed"),
    errno.ENOEXEC: ("not_executable", "the file is no program: a script needs a first line such as #!/bin/sh"),
    errno.E2BIG: ("too_large", "the arguments and variables are more than the system can pass"),
}


def not_begun(failure: LaunchFailed, program: str, tool: str, *, confined: bool) -> ToolError:
    """Return the error for a command that could not begin, saying what to do."""
    code, reason = _CODES.get(failure.errno or 0, ("launch_failed", failure.message))
    details = {"stage": failure.stage, "program": program, "confined": confined}
    if failure.stage != "exec":
        code, reason = "launch_failed", f"the {failure.stage} of its process failed: {failure.message}"
    return ToolError(f"{tool}: {program!r} could not be started: {reason}", tool=tool, code=code, details=details)


@dataclass(frozen=True, slots=True)
class Exec(Commandlike):
    """Runs one program with its arguments."""

    spec = ToolSpec(
        name="exec", doc=_EXEC_DOC, effect=Effect.EXECUTE, input=Shape.of(ExecInput), output=Shape.of(CommandOutput),
        positional=("command",), flat=True, held=True, through_files=True,
        examples=('const { exitCode, stdout } = await tools.exec({ command: ["git", "status", "--short"] })',),
    )  # fmt: skip

    def argv(self, arguments: CommandInput, context: ToolContext) -> list[str]:
        """Return the command as it is."""
        assert isinstance(arguments, ExecInput)
        return list(arguments.command)


@dataclass(frozen=True, slots=True)
class Shell(Commandlike):
    """Runs one line or script in the user's shell."""

    spec = ToolSpec(
        name="shell", doc=_SHELL_DOC, effect=Effect.EXECUTE, input=Shape.of(ShellInput),
        output=Shape.of(CommandOutput), positional=("command",), flat=True, held=True, through_files=True,
        examples=('const { stdout } = await shell("npm test 2>&1 | tail -20")',),
    )  # fmt: skip

    def argv(self, arguments: CommandInput, context: ToolContext) -> list[str]:
        """Return the user's shell with the line as its script."""
        assert isinstance(arguments, ShellInput)
        flag = "-lc" if arguments.login else "-c"
        return [user_shell(context), flag, arguments.command]


def user_shell(context: ToolContext) -> str:
    """Return the user's shell if it is one that reads the common language, else bash or sh."""
    for shell in (context.environment.get("SHELL", ""), "/bin/bash", "/usr/bin/bash"):
        if Path(shell).name in ("bash", "zsh", "sh") and os.access(shell, os.X_OK):
            return shell
    return "/bin/sh"


def tools() -> list[Tool]:
    """Return exec and shell."""
    return [Exec(), Shell()]
