"""Decides which failures the author of a script mends."""

from __future__ import annotations

from toolscript.errors.base import Json, Position, ToolscriptError


class ScriptError(ToolscriptError):
    """The script is at fault; its author can mend it."""

    code = "script_error"


class ScriptFormatError(ScriptError):
    """The text holds no script in an accepted form; ``reason`` says which rule it missed."""

    code = "script_format"

    def __init__(self, reason: str, message: str, *, position: Position | None = None) -> None:
        super().__init__(message, position=position, details={"reason": reason})
        self.reason = reason


class ScriptSyntaxError(ScriptError):
    """The source is not TypeScript."""

    code = "syntax_error"


class UnsupportedTypeScript(ScriptError):
    """The source uses TypeScript that cannot be erased; ``alternative`` names what to write instead."""

    code = "unsupported_typescript"

    def __init__(self, construct: str, alternative: str, position: Position) -> None:
        super().__init__(
            f"{construct} cannot be erased from TypeScript; {alternative}",
            position=position,
            details={"construct": construct, "alternative": alternative},
        )


class ScriptThrew(ScriptError):
    """The script ended with an exception that it did not catch."""

    code = "script_threw"

    def __init__(
        self,
        name: str,
        message: str,
        *,
        stack: str = "",
        position: Position | None = None,
        cause: dict[str, Json] | None = None,
    ) -> None:
        details: dict[str, Json] = {"name": name, "stack": stack}
        if cause:
            details["cause"] = cause
        super().__init__(f"{name}: {message}" if message else name, position=position, details=details)
        self.name = name
        self.stack = stack
        self.cause = cause


class DeadlockError(ScriptError):
    """The script waits for something that nothing can ever settle."""

    code = "deadlock"

    def __init__(self, position: Position | None = None) -> None:
        super().__init__(
            "the script can never go on: it waits, and no call, task or timer is pending", position=position
        )


class ResultNotJson(ScriptError):
    """The script returned what JSON cannot carry."""

    code = "result_not_json"
