"""What configurations say of servers, and which addresses none of them reaches."""

from __future__ import annotations

import json

import pytest

from toolscript.errors import ConfigError
from toolscript_tools.mcp import McpServer, addresses, checked_url, servers_from_json, servers_from_table


def test_tables_and_the_usual_json_name_the_same_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "secret")
    table = {
        "git": {"command": ["uvx", "mcp-server-git"], "args": ["--repository", "."], "approval": "writes"},
        "docs": {"url": "https://example.com/mcp", "headers": {"Authorization": "Bearer ${TOKEN}"}, "lazy": True},
    }

    git, docs = servers_from_table(table, source="toolscript.toml")

    assert (git.command, git.args, git.approval) == ("uvx", ("mcp-server-git", "--repository", "."), "writes")
    assert docs.headers == {"Authorization": "Bearer secret"}
    text = json.dumps(
        {
            "mcpServers": {
                "git": {"command": "uvx", "args": ["mcp-server-git", "--repository", "."], "autoApprove": ["x"]},
                "off": {"command": "x", "disabled": True},
                "docs": {"type": "http", "url": "https://example.com/mcp", "headers": {"X": "${MISSING:-none}"}},
            }
        }
    )
    usual = servers_from_json(text, source="mcp.json")
    assert [(server.name, server.command, server.url) for server in usual] == [
        ("git", "uvx", None),
        ("docs", None, "https://example.com/mcp"),
    ]
    assert usual[1].headers == {"X": "none"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "either a command"),
        ({"command": "x", "url": "https://x"}, "either a command"),
        ({"command": "x", "startup_timeout": 0}, "startup_timeout: "),
        ({"command": "x", "aproval": "auto"}, "aproval: "),
        ({"command": "x", "approval": "always"}, "approval: "),
        ({"command": ""}, "the command is empty"),
        ({"command": "x", "args": ["a\0b"]}, "NUL"),
        ({"command": "x", "env": {"A": "${NOT_SET_ANYWHERE}"}}, "NOT_SET_ANYWHERE"),
        ({"url": "https://x", "headers": {"A": "b\r\nX: y"}}, "header 'A'"),
        ({"url": "https://x", "headers": {"A b": "c"}}, "header 'A b'"),
        ({"url": "file:///etc/passwd"}, "only http and https"),
        ("uvx", "not a table"),
    ],
)
def test_a_configuration_that_cannot_be_used_names_source_server_and_key(settings: object, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        servers_from_table({"mine": settings}, source="toolscript.toml")

    assert caught.value.message.startswith("toolscript.toml: server 'mine'")
    assert message in caught.value.message


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"mcpServers": []}', "[" * 100_000, '{"mcpServers": 7}'])
def test_a_file_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="not a JSON object of the form"):
        servers_from_json(text, source="mcp.json")


def test_the_old_transport_is_refused_with_the_way_out() -> None:
    with pytest.raises(ConfigError, match="streamable HTTP"):
        servers_from_json('{"mcpServers": {"a": {"type": "sse", "url": "https://x/sse"}}}', source="mcp.json")


def test_an_untrusted_source_reaches_no_private_address_and_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "secret")
    settings = {"url": "https://example.com/?t=$(TOKEN)", "headers": {"A": "${TOKEN}"}, "allow_local": True}

    (server,) = servers_from_table({"a": settings}, source="toolscript.toml", trusted=False)

    assert (server.allow_local, server.headers) == (False, {"A": "${TOKEN}"})
    with pytest.raises(ConfigError, match="private network"):
        servers_from_table({"a": {"url": "http://localhost:3000"}}, source="toolscript.toml", trusted=False)


METADATA = [
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/",
    "http://metadata.google.internal/",
    "http://METADATA.google.internal./",
    "http://[::ffff:169.254.169.254]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
    "http://100.100.100.200/",
]


@pytest.mark.parametrize("url", METADATA)
@pytest.mark.parametrize("allow_local", [True, False])
def test_the_metadata_of_a_cloud_is_never_reached(url: str, allow_local: bool) -> None:
    with pytest.raises(ConfigError):
        checked_url(url, allow_local=allow_local)


PRIVATE = [
    "http://localhost:8888/api/contents?token=x",
    "http://LOCALHOST./",
    "http://a.localhost/",
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f.0.0.1/",
    "http://017700000001/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::127.0.0.1]/",
    "http://[2002:7f00:1::]/",
    "http://0.0.0.0/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://[fc00::1]/",
    "http://127.0.0.1#@good.com",
    "http://printer.local/",
]


@pytest.mark.parametrize("url", PRIVATE)
def test_private_addresses_are_reached_only_where_that_is_allowed(url: str) -> None:
    with pytest.raises(ConfigError):
        checked_url(url, allow_local=False)


@pytest.mark.parametrize(
    "url", ["http://localhost:3000/mcp", "http://127.0.0.1:3000/", "http://[::1]/", "https://a.com"]
)
def test_a_trusted_configuration_reaches_servers_of_this_machine(url: str) -> None:
    assert checked_url(url, allow_local=True).scheme in ("http", "https")


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://x",
        "dict://x",
        "ftp://x",
        "data:text/html,x",
        "jar:http://x!/",
        "http://good.com@127.0.0.1/",
        "http://user:word@good.com/",
        "http://good.com%00.evil",
        "http://good.com\\@evil",
        "http://good.com\t.evil",
        "http://good.com/ a",
        "http://good.com/\r\nX: y",
        "http://",
        "http:///path",
        "//good.com",
        "http://good.com:0/",
        "http://good.com:99999/",
        "http://[::1",
    ],
)
def test_anything_but_a_plain_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        checked_url(url, allow_local=True)


@pytest.mark.anyio
async def test_a_name_is_judged_by_the_addresses_that_it_has() -> None:
    with pytest.raises(ConfigError):
        await addresses("localhost", 80, allow_local=False)

    assert {"127.0.0.1", "::1"} & set(await addresses("localhost", 80, allow_local=True))


def test_approval_can_be_set_for_single_tools() -> None:
    server = McpServer(name="a", command="x", approval="prompt", tool_approval={"look": "approve"})

    assert (server.approval_of("look"), server.approval_of("touch")) == ("approve", "prompt")
