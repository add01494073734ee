"""Decides what exec and shell take and give, as scripts, structured calls and people see it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AliasChoices, BeforeValidator, Field, ValidationInfo, field_validator

from toolscript.registry.tool import ToolModel

DEFAULT_TIMEOUT_MS = 120_000
MAX_TIMEOUT_MS = 24 * 60 * 60 * 1000
GUEST_BYTES = 128 * 1024


def _sendable(value: Any) -> Any:
    """Refuse text that no process can be given, naming what is wrong with it."""
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("a NUL character cannot be passed to a command")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError("half a surrogate pair cannot be passed to a command")
    return value


def _argv(value: Any) -> Any:
    if isinstance(value, str):
        raise ValueError("give a list of strings such as ['git', 'status']; tools.shell takes a command line")
    if isinstance(value, list | tuple) and not value:
        raise ValueError("command args are empty")
    if isinstance(value, list | tuple) and value[0] == "":
        raise ValueError("the program's name is empty")
    return value


def _line(value: Any) -> Any:
    if isinstance(value, list | tuple):
        raise ValueError("give one string such as 'git status | head'; tools.exec takes a list of strings")
    if isinstance(value, str) and not value.strip():
        raise ValueError("the command line is empty")
    return value


def _variables(value: Any) -> Any:
    for name in value if isinstance(value, dict) else ():
        if not name or "=" in str(name):
            raise ValueError(f"{name!r} is no name for a variable")
    return value


Text = Annotated[str, BeforeValidator(_sendable)]


class CommandInput(ToolModel):
    """What exec and shell have in common; each says more of its command."""

    command: list[str] | str
    cwd: Text | None = Field(
        default=None,
        description="Working directory; relative paths start at the workspace's. Default: the working directory.",
        validation_alias=AliasChoices("cwd", "workdir"),
    )
    timeout_ms: int = Field(
        default=DEFAULT_TIMEOUT_MS, gt=0, le=MAX_TIMEOUT_MS,
        description="After this time the command is ended and the call resolves with exitCode 124 and timedOut.",
    )  # fmt: skip
    env: Annotated[dict[Text, Text], BeforeValidator(_variables)] = Field(
        default_factory=dict, description="Variables added to the command's environment."
    )
    stdin: str | None = Field(default=None, description="Text for the standard input; nothing can be read without it.")
    arg0: Text | None = Field(default=None, description="What the program is told as its own name (argv[0]).")
    with_escalated_permissions: bool = Field(
        default=False, description="Run without the sandbox; this always needs a person's consent."
    )
    justification: str = Field(
        default="", validate_default=True,
        description="Why the command needs escalated permissions, for who must consent; escalation needs it.",
    )  # fmt: skip
    max_output_bytes: int = Field(
        default=GUEST_BYTES, ge=0, description="How much of each stream to return; more is cut in the middle."
    )

    @field_validator("justification")
    @classmethod
    def _justified(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("with_escalated_permissions") and not value.strip():
            raise ValueError("say why the command needs escalated permissions: whoever consents reads it")
        return value


class ExecInput(CommandInput):
    """One program with its arguments; no shell is involved."""

    command: Annotated[list[Text], BeforeValidator(_argv)] = Field(
        description="The program and its arguments; each is passed as it is, nothing is expanded."
    )


class ShellInput(CommandInput):
    """One line or script for the user's shell."""

    command: Annotated[Text, BeforeValidator(_line)] = Field(description="The command line or script.")
    login: bool = Field(default=False, description="Run a login shell, which reads the user's profile first.")


class CommandOutput(ToolModel):
    """How a command ended and what it wrote. A non-zero exit code is a result, not an error."""

    exit_code: int = Field(description="0 for success; 124 after a timeout; 128 + n when signal n ended it.")
    stdout: str
    stderr: str
    aggregated_output: str = Field(
        description="Both streams in the order in which they arrived; what was written to both at the same instant "
        "can stand in either order."
    )
    duration_ms: int
    timed_out: bool
    truncated: bool = Field(description="Whether any of the texts was cut in the middle.")
    handle: str | None = Field(
        default=None, description="Gives the whole of aggregatedOutput to readOutput when it was cut."
    )
    stdout_handle: str | None = Field(
        default=None, description="Gives the whole of stdout to readOutput when it was cut."
    )
    stderr_handle: str | None = Field(
        default=None, description="Gives the whole of stderr to readOutput when it was cut."
    )
    sandbox_denied: bool | None = Field(
        default=None, description="True when the command failed because the sandbox did not let it do something."
    )
    note: str | None = Field(default=None, description="What else is to be known: how it was ended, what was put back.")
    restored: list[str] | None = Field(
        default=None, description="Protected files that the command changed and that were put back."
    )
    planned: bool | None = Field(default=None, description="True in a dry run: the command was not run.")
