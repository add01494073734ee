"""Decides which failures a tool, a policy or a person answers a call with; scripts may handle them."""

from __future__ import annotations

from toolscript.errors.base import Json, Position, ToolscriptError


class ToolError(ToolscriptError):
    """A tool says no; ``details`` holds what it learnt on the way (exit code, output)."""

    code = "tool_error"

    def __init__(
        self,
        message: str,
        *,
        tool: str = "",
        code: str | None = None,
        position: Position | None = None,
        details: dict[str, Json] | None = None,
    ) -> None:
        super().__init__(message, position=position, details=details)
        self.tool = tool
        if code is not None:
            # Tools name their own situations (`not_found`, `outside_workspace`) without a class each.
            self.__dict__["code"] = code

    def to_json(self) -> dict[str, Json]:
        """Return what the script's ``catch`` sees, the tool's name included."""
        return super().to_json() | {"tool": self.tool}


class UnknownTool(ToolError):
    """No such tool is on the facade; near names are in ``details.near``."""

    code = "unknown_tool"

    def __init__(self, tool: str, near: list[str] | None = None) -> None:
        hint = f"; did you mean {', '.join(near)}?" if near else "; tools.search(query) finds tools"
        super().__init__(f"there is no tool {tool!r}{hint}", tool=tool, details={"near": near or []})


class ToolNotAllowed(ToolError):
    """The tool exists, but this run may not use it."""

    code = "tool_not_allowed"


class InvalidArguments(ToolError):
    """The arguments do not fit the tool's schema; ``details.errors`` names each argument."""

    code = "invalid_arguments"


class OutputTooLarge(ToolError):
    """The output has more bytes than one result may carry; offset and limit read it in parts."""

    code = "output_too_large"


class McpToolError(ToolError):
    """An MCP server answered with ``isError``; its content is in ``details.content``."""

    code = "mcp_tool_error"


class OutcomeUnknown(ToolError):
    """The host died during the call; whether it took effect cannot be known."""

    code = "outcome_unknown"


class ToolCancelled(ToolError):
    """The call was cancelled before it ended."""

    code = "cancelled"


class ApprovalError(ToolError):
    """The call did not get the consent that it needs."""

    code = "approval_error"


class ApprovalDenied(ApprovalError):
    """A person or a rule said no; ``details.reason`` says why."""

    code = "approval_denied"


class ApprovalExpired(ApprovalError):
    """Nobody decided in time."""

    code = "approval_expired"


class ApprovalUnavailable(ApprovalError):
    """The call needs consent and nobody can be asked; the message says how to allow it."""

    code = "approval_unavailable"
