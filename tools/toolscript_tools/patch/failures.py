"""Decides how the failures of a patch are told apart and worded for executable and tool."""

from __future__ import annotations

from toolscript.errors import ToolError


class InvalidPatch(ToolError):
    """The text is not a patch; ``line`` counts from the Begin line where one line is at fault."""

    code = "invalid_patch"

    def __init__(self, reason: str, line: int | None = None) -> None:
        where = f"invalid hunk at line {line}, " if line is not None else "invalid patch: "
        super().__init__(
            where + reason,
            tool="applyPatch",
            code="invalid_hunk" if line is not None else None,
            details={"line": line} if line is not None else None,
        )
        self.reason = reason
        self.line = line

    @property
    def for_executable(self) -> str:
        """The wording on the executable's standard error."""
        where = f"Invalid patch hunk on line {self.line}" if self.line is not None else "Invalid patch"
        return f"{where}: {self.reason}"


def failed(message: str, code: str, **details: str) -> ToolError:
    """Return the error for a patch that is well-formed but cannot be applied."""
    return ToolError(message, tool="applyPatch", code=code, details=dict(details))


def verification_failed(cause: ToolError) -> ToolError:
    """Return the tool's error for what verification found; nothing was changed."""
    message = f"apply_patch verification failed: {cause.message}"
    return ToolError(message, tool="applyPatch", code=cause.code, details=cause.details)
