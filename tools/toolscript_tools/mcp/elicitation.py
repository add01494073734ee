"""Decides what a server may learn from us: answers that a person gives, and the workspace's own directories."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import mcp_types
import rfc8785
from mcp.client import ClientRequestContext
from pydantic import FileUrl, ValidationError

from toolscript.errors import ApprovalError, ConfigError, Json
from toolscript.registry.context import Answer, Question
from toolscript_tools.mcp.calls import Calls
from toolscript_tools.mcp.clean import clean
from toolscript_tools.mcp.reading import readable
from toolscript_tools.mcp.urls import checked_url


class Inputs:
    """Serves what one server asks of its client."""

    def __init__(self, server: str, calls: Calls, roots: Sequence[Path]) -> None:
        self._server = server
        self._calls = calls
        self._roots = tuple(roots)

    async def elicit(
        self, context: ClientRequestContext, params: mcp_types.ElicitRequestParams
    ) -> mcp_types.ElicitResult | mcp_types.ErrorData:
        """Put the server's question to the person behind the call that it belongs to."""
        question = self.question(params)
        if question is None:
            return mcp_types.ElicitResult(action="decline")
        try:
            answer = await self._calls.ask(question)
        except ApprovalError:
            answer = Answer(action="decline")
        if answer is None:
            message = "nobody can be asked: no call of one conversation alone is running, or too much is being asked"
            return mcp_types.ErrorData(code=mcp_types.INVALID_REQUEST, message=message)
        return _result(answer, form=question.url is None)

    async def list_roots(self, context: ClientRequestContext) -> mcp_types.ListRootsResult:
        """Return the workspace's directories, and nothing else."""
        roots = [mcp_types.Root(uri=FileUrl(path.as_uri()), name=path.name) for path in self._roots]
        return mcp_types.ListRootsResult(roots=roots)

    def question(self, params: mcp_types.ElicitRequestParams) -> Question | None:
        """Return what a person is asked; None where it must not or cannot be put before one."""
        message = f"MCP server {self._server!r} asks: {clean(params.message, 4_000)}"
        if isinstance(params, mcp_types.ElicitRequestURLParams):
            try:
                url = str(checked_url(params.url, allow_local=True))
            except ConfigError:
                return None
            return Question(message=message, url=url)
        schema = readable(params.requested_schema)
        return Question(message=message, schema=schema) if _is_sound(schema) else None


def _is_sound(schema: Json) -> bool:
    """Say whether the schema can be bound to an answer: values without a canonical form (2**70, NaN) cannot."""
    try:
        rfc8785.dumps(schema)
    except (ValueError, RecursionError):
        return False
    return True


def _result(answer: Answer, *, form: bool) -> mcp_types.ElicitResult:
    if answer.action != "accept" or not form:
        return mcp_types.ElicitResult(action=answer.action)
    try:
        return mcp_types.ElicitResult.model_validate({"action": "accept", "content": answer.content or {}})
    except ValidationError:
        return mcp_types.ElicitResult(action="decline")
