"""A key shows in no error, no representation and no traceback, not even one that prints local variables."""

from __future__ import annotations

import io
import traceback

import pytest
from rich.console import Console
from rich.traceback import Traceback
from tests.harness.models.asking import collect
from tests.harness.models.server import Answer, error, provider
from tests.harness.models.wires import KEY, WIRES

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("wire", WIRES, ids=repr)]

ANSWERS = {
    "echoed": lambda wire: error(401, wire.error_body("authentication_error", f"wrong key {KEY}")),
    "garbage": lambda wire: Answer([b"data: {" + KEY.encode() + b"\n\n"]),
    "server": lambda wire: error(400, {"unexpected": [KEY]}),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_an_error_of_the_provider_shows_no_key(wire, answer):
    async with provider(*[answer(wire)] * 2) as served:
        adapter = wire.adapter(served.url)
        try:
            await collect(adapter)
        except Exception as failed:
            shown = [str(failed), repr(failed), str(failed.to_json()), rich(failed), plain(failed), repr(adapter)]
        else:
            pytest.fail("no error")

    for text in shown:
        assert KEY not in text


def ours(failed):
    """Return the part of the traceback that is not the test's own."""
    trace = failed.__traceback__
    while "toolscript/models" not in trace.tb_frame.f_code.co_filename:
        trace = trace.tb_next
    return trace


def rich(failed):
    console = Console(file=io.StringIO(), width=200)
    console.print(Traceback.from_exception(type(failed), failed, ours(failed), show_locals=True))
    return console.file.getvalue()


def plain(failed):
    return "".join(traceback.TracebackException(type(failed), failed, ours(failed), capture_locals=True).format())
