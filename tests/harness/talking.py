"""A whole harness whose agent hears what a test wrote down, over the real wire, from a provider on loopback."""

from __future__ import annotations

from contextlib import asynccontextmanager

from tests.harness.models.server import Answer, provider
from tests.harness.models.wires import WIRES, Text

from toolscript.approvals.rules import Rule
from toolscript.harness import Harness

EXEC = Rule(tool="exec", verdict="allow")


def script(source):
    return Text(f"<tool-calls>\n{source}\n</tool-calls>\n")


@asynccontextmanager
async def talking(workplace, *answers, wire=WIRES[0], more="", rules=(EXEC,)):
    """Give a harness whose agent hears these replies (parts, or whole answers), and the provider that gives them."""
    made = [
        a if isinstance(a, Answer) else Answer([wire.reply(*(a if isinstance(a, tuple) else (a,)))]) for a in answers
    ]
    async with provider(*made) as served:
        base = served.url.removesuffix("/v1") if wire.name == "anthropic-messages" else served.url
        text = (
            f'[agents.live]\nprovider = "{wire.name}"\nmodel = "m"\nbase_url = "{base}"\n{more.replace("{base}", base)}'
        )
        (workplace / "config" / "toolscript" / "toolscript.toml").write_text(text)
        async with Harness(workplace / "work", agent="live", rules=rules) as harness:
            yield harness, served
