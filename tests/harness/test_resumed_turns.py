"""A turn whose host is killed goes on elsewhere: nothing that had ended is done again, and no reply is asked for twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from tests.harness.models.server import SILENCE, Answer, provider
from tests.harness.models.wires import WIRES, Asked, Text
from tests.harness.talking import EXEC, script, talking

from toolscript.approvals.request import Choice, Decision
from toolscript.errors import StillInterrupted
from toolscript.events import RunStatus
from toolscript.harness import Harness
from toolscript.journal.conversation import (
    ConversationRecord,
    ReplyRecord,
    StepRecord,
    TurnEndRecord,
    TurnRecord,
    conversation_path,
    conversation_records,
)
from toolscript.journal.state import run_files, state_dir
from toolscript.recovery.unknown import Resolution

pytestmark = pytest.mark.anyio
EACH = pytest.mark.parametrize("wire", WIRES, ids=repr)
ONE = pytest.mark.parametrize("wire", WIRES[:1], ids=repr)
ROOT = Path(__file__).resolve().parents[2]

KILLED = """
import sys
sys.path[:0] = {paths!r}
import anyio
from toolscript.approvals.rules import Rule
from toolscript.events import RunStatus
from toolscript.harness import Harness

async def main():
    async with Harness({work!r}, agent="live", rules=[Rule(tool="exec", verdict="allow")]) as harness:
        print(harness.conversation_id, flush=True)
        await harness.turn("go")

anyio.run(main)
"""


@asynccontextmanager
async def killed(workplace, wire, *answers, when):
    """Let a host take a turn until ``when`` says that it is far enough, kill it, and give what it left."""
    answers = [
        a if isinstance(a, Answer) else Answer([wire.reply(*(a if isinstance(a, tuple) else (a,)))]) for a in answers
    ]
    async with provider(*answers) as served:
        base = served.url.removesuffix("/v1") if wire.name == "anthropic-messages" else served.url
        text = f'[agents.live]\nprovider = "{wire.name}"\nmodel = "m"\nbase_url = "{base}"\n'
        (workplace / "config" / "toolscript" / "toolscript.toml").write_text(text)
        paths = [str(ROOT / package) for package in ("harness", "tools")]
        source = textwrap.dedent(KILLED).format(paths=paths, work=str(workplace / "work"))
        state = state_dir(workplace / "work")
        async with await anyio.open_process([sys.executable, "-I", "-c", source], stderr=subprocess.DEVNULL) as host:
            conversation = (await host.stdout.receive()).decode().split()[0]
            with anyio.fail_after(60):
                while not when(state, served):
                    await anyio.sleep(0.05)
            os.kill(host.pid, signal.SIGKILL)
            await host.wait()
        yield served, state, conversation


def output_written(state, served):
    return any(b'"output"' in p.read_bytes() for p in (state / "runs").glob("*.jsonl"))


def written(state, conversation):
    return list(conversation_records(conversation_path(state, conversation)))


DONE = {
    "exitCode": 0, "stdout": "", "stderr": "", "aggregatedOutput": "", "durationMs": 1, "timedOut": False,
    "truncated": False,
}  # fmt: skip
WAITS = "await writeFile('n.txt', String(Number(await readFile('n.txt')) + 1)); await tools.exec({command: ['sh', '-c', 'echo on; sleep 600']}); return readFile('n.txt')"


@EACH
async def test_a_turn_killed_in_a_script_goes_on_from_its_output(workplace, wire):
    (workplace / "work" / "n.txt").write_text("0")
    replies = (
        (Text("First.\n"), script("store.set('kept', [1]); return 'one'")),
        (Text("I wait.\n"), script(WAITS), Text("and see")),
        Text("It is 1."),
    )
    async with killed(workplace, wire, *replies, when=output_written) as (served, state, conversation):
        left = written(state, conversation)
        async with Harness(workplace / "work", agent="live", rules=[EXEC]) as harness:
            with pytest.raises(StillInterrupted):
                await harness.resume_turn(conversation)
            asked = len(served.requests)
            run_id = next(p.stem for p in (state / "runs").glob("*.jsonl") if b"sleep 600" in p.read_bytes())
            await harness.resume(run_id, outcomes={3: Resolution(kind="happened", outcome=DONE)})
            turn = await harness.resume_turn(conversation)
            after = [type(r) for r in written(state, conversation)][len(left) :]

    assert [type(r) for r in left] == [
        ConversationRecord, TurnRecord, ReplyRecord, ReplyRecord, StepRecord, ReplyRecord, ReplyRecord,
    ]  # fmt: skip
    assert left[5].text.startswith("I wait.") and left[5].text.rstrip().endswith("</tool-calls>")
    assert (turn.status, turn.text, turn.steps) == ("completed", "It is 1.", 3), turn.error
    assert harness.store.snapshot() == '{"kept":[1]}'
    assert (asked, len(served.requests)) == (2, 3), "nothing was asked for twice"
    assert (workplace / "work" / "n.txt").read_text() == "1", "nothing was done twice"
    assert "First." in str(served.requests[2]) and "I wait." in str(served.requests[2])
    assert after[-1] is TurnEndRecord
    assert harness.conversation.turns[-1].status == "completed"


@ONE
async def test_a_turn_killed_while_the_model_was_silent_asks_again_from_its_last_step(workplace, wire):
    silent = Answer([wire.begun(Text("hm")), SILENCE])
    writes = script("await writeFile('a.txt', 'x'); return 'it is written'")

    def asked_twice(state, served):
        return len(served.requests) == 2

    async with killed(workplace, wire, writes, silent, Text("Done."), when=asked_twice) as (served, _, conversation):
        (workplace / "work" / "a.txt").write_text("changed since")
        async with Harness(workplace / "work", agent="live", rules=[EXEC]) as harness:
            assert harness.interrupted_turns() == (conversation,)
            turn = await harness.resume_turn(conversation)
            assert harness.interrupted_turns() == ()
            with pytest.raises(StillInterrupted):
                await harness.resume_turn(conversation)

    assert (turn.status, turn.text, turn.steps) == ("completed", "Done.", 2), turn.error
    assert (workplace / "work" / "a.txt").read_text() == "changed since"
    assert "it is written" in str(served.requests[-1])
    prompts = [str(r["input" if wire.name == "openai-responses" else "messages"][0]) for r in served.requests]
    assert "<original-user-prompt>" in prompts[-1]


@EACH
async def test_a_call_that_was_under_way_comes_to_its_end_first_and_the_model_is_told_how(workplace, wire):
    (workplace / "work" / "a.txt").write_text("the word is marzipan")
    slow = '{"command": ["sh", "-c", "echo x >> log; echo on; sleep 600"]}'
    calls = (Asked("read_file", '{"path": "a.txt"}', "c1"), Asked("exec", slow, "c2"))
    async with killed(workplace, wire, calls, Text("I look first."), when=output_written) as (
        served,
        state,
        conversation,
    ):
        async with Harness(workplace / "work", agent="live", rules=[EXEC]) as harness:
            with pytest.raises(StillInterrupted):  # nobody says what became of it
                await harness.resume_turn(conversation)
            with harness.approvals.attach(Knowing(harness)):
                turn = await harness.resume_turn(conversation)
        left = [file.run_id for file in run_files(state) if not file.ended]

    assert (turn.status, turn.text) == ("completed", "I look first."), turn.error
    assert (workplace / "work" / "log").read_text() == "x\n"
    told = str(served.requests[-1])
    assert "marzipan" in told
    assert "it took effect cannot be known" in told
    assert left == []


class Knowing:
    """Somebody who lets each call fail whose outcome nobody knows."""

    name = "test"

    def __init__(self, harness):
        self._harness = harness

    def show(self, request):
        assert request.extra["unknown"]
        self._harness.approvals.decide_threadsafe(request.approval_id, Decision(choice=Choice.DENY, by=self.name))

    def withdraw(self, approval_id, decision):
        pass


@ONE
async def test_a_script_that_had_ended_is_not_run_again(workplace, wire):
    counts = script(
        "const n = Number(await readFile('n.txt')); await writeFile('n.txt', String(n + 1)); return 'counted'"
    )
    (workplace / "work" / "n.txt").write_text("0")
    both = (counts, script("await tools.exec({command: ['sh', '-c', 'echo on; sleep 600']}); return 2"))
    async with killed(workplace, wire, both, Text("Counted once."), when=output_written) as (
        served,
        state,
        conversation,
    ):
        async with Harness(workplace / "work", agent="live", rules=[EXEC]) as harness:
            run_id = next(p.stem for p in (state / "runs").glob("*.jsonl") if b"sleep 600" in p.read_bytes())
            await harness.resume(run_id, outcomes={1: Resolution(kind="fail")})
            turn = await harness.resume_turn(conversation)

    assert (turn.status, turn.text) == ("completed", "Counted once."), turn.error
    assert (workplace / "work" / "n.txt").read_text() == "1"
    assert [run.status for run in turn.runs] == [RunStatus.COMPLETED, RunStatus.FAILED]
    assert "counted" in str(served.requests[-1])


@ONE
async def test_a_turn_that_goes_on_elsewhere_is_not_taken_from_its_host(workplace, wire):
    silent = Answer([wire.begun(Text("hm")), SILENCE])
    async with talking(workplace, silent, wire=wire) as (harness, served), anyio.create_task_group() as group:
        group.start_soon(harness.turn, "go")
        with anyio.fail_after(30):
            while not served.requests:
                await anyio.sleep(0.02)
        async with Harness(workplace / "work", agent="live") as other:
            assert other.interrupted_turns() == ()
            with pytest.raises(StillInterrupted):
                await other.resume_turn(harness.conversation_id)
        group.cancel_scope.cancel()
