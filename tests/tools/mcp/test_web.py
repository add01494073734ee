"""Servers on HTTP that redirect, bloat, cut or never end: an error with a reason, and nothing followed elsewhere."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from tests.mcp_servers.web import Web, serving
from tests.tools.mcp.world import World, only

from toolscript.errors import McpToolError, ToolError
from toolscript_tools.mcp import McpServer, McpServers

pytestmark = pytest.mark.anyio


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def at(web: Web, **settings: object) -> McpServer:
    return McpServer.model_validate({"name": "web", "url": web.url, "headers": {"X-Key": "secret"}, **settings})


async def failure(world: World, web: Web, **settings: object) -> ToolError:
    async with McpServers([at(web, **settings)]) as servers:
        with pytest.raises(ToolError) as caught:
            await world.call(await only(servers))
    return caught.value


@pytest.mark.parametrize("mode", ["redirect", "see_other"])
async def test_a_redirect_to_another_origin_is_not_followed(mode: str, world: World) -> None:
    with serving("works") as other, serving(mode, target=other.url) as web:
        error = await failure(world, web)

    assert isinstance(error, McpToolError)
    assert "not followed" in error.message
    assert other.seen == []


async def test_configured_headers_are_sent_and_the_session_is_ended(world: World) -> None:
    with serving("works") as web:
        async with McpServers([at(web)]) as servers:
            assert await world.call(await only(servers)) == {"content": [{"type": "text", "text": "went"}]}

    assert {headers.get("X-Key") for _, headers, _ in web.seen} == {"secret"}
    assert web.methods()[-1] == "DELETE"


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("gzip", "compresses its answer"),
        ("endless", "more than 16 MB"),
        ("endless_events", "SSE"),
        ("page", "Unexpected content type"),
        ("error", "error response"),
        ("cut", ""),
    ],
)
async def test_an_answer_that_cannot_be_taken_is_an_error_with_a_reason(mode: str, reason: str, world: World) -> None:
    with serving(mode) as web:
        error = await failure(world, web)

    assert error.code in ("mcp_died", "mcp_tool_error")
    assert reason in error.message


async def test_an_answer_that_never_comes_ends_with_the_calls_time(world: World) -> None:
    with serving("comments") as web:
        error = await failure(world, web, call_timeout=0.5)

    assert error.code == "timeout"


async def test_a_server_that_forgot_the_session_is_asked_again_in_a_new_one(world: World) -> None:
    with serving("forgets") as web:
        async with McpServers([at(web)]) as servers:
            assert await world.call(await only(servers)) == {"content": [{"type": "text", "text": "went"}]}

    assert web.methods().count("initialize") == 2


async def test_a_server_that_is_not_there_is_a_failed_start(world: World) -> None:
    with serving("works") as web:
        server = at(web)
    async with McpServers([server]) as servers:
        assert await servers.tools() == []
        assert "connect" in servers.status()[0].problem.lower()


async def test_a_broken_connection_does_not_break_the_next_call(world: World) -> None:
    with serving("cut") as web:
        async with McpServers([at(web)]) as servers:
            tool = await only(servers)
            with pytest.raises(ToolError):
                await world.call(tool)
            web.mode = "works"
            assert await world.call(tool) == {"content": [{"type": "text", "text": "went"}]}


def names(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Let the name service answer with these addresses, which can be changed."""
    answers = list(addresses)

    async def lookup(host: str, port: int, **options: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answers]

    monkeypatch.setattr("toolscript_tools.mcp.urls.anyio.getaddrinfo", lookup)
    return answers


async def test_a_public_name_that_leads_to_this_machine_is_not_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, "127.0.0.1")

    async with McpServers([McpServer(name="web", url="http://public.example/mcp", allow_local=False)]) as servers:
        assert await servers.tools() == []
        assert "public.example is this machine or on its private network" in servers.status()[0].problem


async def test_the_address_that_was_checked_is_the_one_connected_to(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The name does not resolve but in the lookup that is checked.
    names(monkeypatch, "127.0.0.1")

    with serving("works") as web:
        async with McpServers([at(web, url=web.url.replace("127.0.0.1", "public.example"))]) as servers:
            assert await world.call(await only(servers)) == {"content": [{"type": "text", "text": "went"}]}


async def test_a_name_that_changes_its_address_is_checked_at_every_connection(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = names(monkeypatch, "127.0.0.1")

    with serving("works") as web:
        async with McpServers([at(web, url=web.url.replace("127.0.0.1", "public.example"))]) as servers:
            assert len(await servers.tools()) == 1
            answers.append("169.254.169.254")
            with pytest.raises(ToolError, match="metadata or link-local address, which is never reached"):
                await servers.restart("web")
