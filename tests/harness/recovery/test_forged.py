"""Journals that somebody wrote or changed by hand: shown where they can be, never acted upon, and never a crash."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from toolscript.errors import JournalDamaged, StillInterrupted, ToolError, ToolscriptError
from toolscript.harness import Harness
from toolscript.interrupted import cut_short
from toolscript.journal.audit import audit, entry_text
from toolscript.journal.codec import loaded
from toolscript.journal.conversation import conversation_path
from toolscript.journal.state import run_path
from toolscript.journal.writer import DiskJournal
from toolscript.recovery.history import past_runs
from toolscript.recovery.undoing import effects_of
from toolscript_kernel.recall import interrupted

pytestmark = pytest.mark.anyio

Line = dict[str, Any]
Change = Callable[[list[Line]], object]
SCRIPT = "await writeFile('a.txt', 'changed'); await sleep(1); await writeFile('b.txt', 'b'); return 1"
DEEP: list[Any] = []
for _ in range(900):
    DEEP = [DEEP]


def lines_of(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def chained(lines: list[Line]) -> bytes:
    """Return the lines with each naming the one before, as whoever forges a journal would write them."""
    previous, written = "", b""
    for line in lines:
        data = json.dumps({**line, "prev": previous}).encode()
        previous = hashlib.sha256(data).hexdigest()
        written += data + b"\n"
    return written


@pytest.fixture
async def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "a.txt").write_text("before")
    async with Harness(tmp_path / "workspace") as opened:
        yield opened


async def forged(harness: Harness, change: Change, *, ended: bool = True, name: str = "r-forged") -> Path:
    """Return the journal of a real run, changed and put into the state directory under another name."""
    run = await harness.run(SCRIPT)
    lines = lines_of(run_path(harness.state, run.run_id))
    lines[0]["run_id"] = name
    change(lines)
    path = run_path(harness.state, "r-forged")
    path.write_bytes(chained(lines if ended else lines[:-1]))
    shutil.copytree(run_path(harness.state, run.run_id).with_suffix(".blobs"), path.with_suffix(".blobs"))
    return path


def of(kind: str, **fields: Any) -> Change:
    """Return what changes the first line of a kind that has such fields in it."""

    def change(lines: list[Line]) -> None:
        next(line for line in lines if line["kind"] == kind).update(fields)

    return change


def in_change(**fields: Any) -> Change:
    def change(lines: list[Line]) -> None:
        next(line for line in lines if line.get("changes"))["changes"][0].update(fields)

    return change


@pytest.mark.parametrize(
    "change",
    [
        in_change(path=7), in_change(path=""), in_change(path="a.txt"), in_change(path="/w/../../etc/x"),
        in_change(path="/w/\0"), in_change(before=None), in_change(before={}), in_change(after="text"),
        in_change(before={"kind": "socket", "digest": None, "mode": None, "kept": False}),
        in_change(before={"kind": "file", "digest": "../../x", "mode": 0o600, "kept": True}),
        in_change(before={"kind": "file", "digest": None, "mode": -1, "kept": False}),
        in_change(created_dirs=3), in_change(created_dirs=["a"]), in_change(path=DEEP),
        lambda lines: [line.update(changes=[{}]) for line in lines if line["kind"] == "end"],
    ],
)  # fmt: skip
async def test_a_change_that_is_none_is_damage_and_hides_no_other_run(harness: Harness, change: Change) -> None:
    path = await forged(harness, change)

    with pytest.raises(ToolscriptError, match=r"damaged|names no body"):
        effects_of(path)
    with pytest.raises(ToolscriptError):
        run = await harness.undo("r-forged")
        raise ToolscriptError(str(run.error)) if run.error else AssertionError("it was undone")
    assert (harness.workspace / "a.txt").read_text() == "changed"


@pytest.mark.parametrize("change", [of("run", workspace="/elsewhere"), of("run", run_id="r-other")])
async def test_a_run_that_was_brought_here_from_elsewhere_is_neither_undone_nor_resumed(
    harness: Harness, change: Change
) -> None:
    path = await forged(harness, change)

    with pytest.raises(ToolError, match="not undone here") as caught:
        await harness.undo("r-other" if "r-other" in path.read_text() else "r-forged")
    assert caught.value.code == "elsewhere"
    assert (harness.workspace / "a.txt").read_text() == "changed"

    path.write_bytes(chained(lines_of(path)[:-1]))
    with pytest.raises(StillInterrupted) as refused:
        await harness.resume("r-forged")
    assert refused.value.code == "not_resumable"


@pytest.mark.parametrize("change", [of("run", workspace="/elsewhere"), of("run", run_id="r-other")])
async def test_an_undo_that_was_brought_here_from_elsewhere_writes_nothing(
    harness: Harness, change: Change, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    state = {"kind": "file", "digest": hashlib.sha256(b"mine").hexdigest(), "mode": 0o644, "kept": False}
    gone = {"kind": "missing", "digest": None, "mode": None, "kept": False}
    step = {
        "path": str(victim), "before": state, "wanted": gone, "after": None, "made": False, "missing_dirs": [],
    }  # fmt: skip

    def undo(lines: list[Line]) -> None:
        call = json.dumps({"runs": [], "picks": {}})
        lines[0]["origin"] = "undo"
        lines[1:] = [
            {"v": 1, "kind": "call", "number": 1, "tool": "undo", "arguments": call},
            {"v": 1, "kind": "begin", "number": 1, "effect": "write", "paths": [step]},
        ]
        change(lines)

    await forged(harness, undo)

    with pytest.raises(StillInterrupted):
        await harness.resume("r-forged")
    assert victim.read_text() == "mine"


@pytest.mark.parametrize(
    "arguments", ["", "[", "[]", "null", '{"runs": 1, "picks": {}}', '{"runs": [], "picks": {"/a": "delete"}}']
)
async def test_an_undo_that_does_not_say_what_it_means_is_not_gone_on_with(harness: Harness, arguments: str) -> None:
    def undo(lines: list[Line]) -> None:
        lines[0]["origin"] = "undo"
        lines[1:] = [{"v": 1, "kind": "call", "number": 1, "tool": "undo", "arguments": arguments}]

    path = await forged(harness, undo)

    with pytest.raises(StillInterrupted, match="what was to be undone"):
        await harness.resume("r-forged")
    DiskJournal.resume(path).close()  # nobody holds it any more


@pytest.mark.parametrize(
    "change",
    [
        of("run", policy="anything-goes"), of("run", origin=""), of("end", status="unheard-of"), of("end", value="["),
        of("end", value="[" * 5000), of("call", arguments="{"), of("run", limits={"calls": float("nan")}),
        of("run", limits={"calls": float("inf")}), of("begin", paths=DEEP), of("begin", paths=[{"path": DEEP}]),
        lambda lines: lines.append({"v": 1, "kind": "decision", "approval_id": "x", "decision": "maybe", "by": "me"}),
    ],
)  # fmt: skip
async def test_a_record_of_wrong_values_stays_interrupted_and_nothing_is_done(harness: Harness, change: Change) -> None:
    def cut(lines: list[Line]) -> None:
        del lines[-1]
        change(lines)

    path = await forged(harness, cut)
    before = path.read_bytes()

    with pytest.raises((StillInterrupted, JournalDamaged)):
        await harness.resume("r-forged")
    assert path.read_bytes() == before
    with contextlib.suppress(JournalDamaged):
        DiskJournal.resume(path).close()  # nobody holds it any more


@pytest.mark.parametrize("text", ["1e999", "[NaN]", '{"a": -Infinity}', "[" * 5000, f"[{2**70}, -1e999]", "9" * 5000])
def test_what_is_no_number_of_json_is_no_value(text: str) -> None:
    with pytest.raises(ValueError):
        loaded(text.encode())


async def test_a_failure_whose_error_is_no_object_still_counts(harness: Harness) -> None:
    path = await forged(harness, of("end", ok=False, value="[1]"), ended=False)

    with pytest.raises(StillInterrupted) as refused:  # the script does something else then
        await harness.resume(path.stem)
    assert refused.value.code == "diverged"


@pytest.mark.parametrize("value", [10**400, 1e308, -1e308, True, "soon"])
async def test_an_audit_of_absurd_times_is_still_an_audit(harness: Harness, value: Any) -> None:
    def late(lines: list[Line]) -> None:
        for line in lines:
            line["time_ms"] = value
        request = {"created": value}
        lines.insert(2, {"v": 1, "kind": "ask", "number": 1, "approval_id": "x", "digest": "", "request": request})
        lines.insert(
            3, {"v": 1, "kind": "decision", "approval_id": "x", "decision": "allow", "by": "me", "time": value}
        )

    text = "\n".join(entry_text(entry) for entry in audit(await forged(harness, late)))

    assert "writeFile" in text and "allow by me" in text


CUT = [
    {"v": 1, "kind": "conversation", "conversation_id": "conv-cut", "workspace": "/"},
    {"v": 1, "kind": "turn", "turn_id": "t", "prompt": "p", "agent": "a"},
]


@pytest.mark.parametrize(
    "damage",
    [
        b"{}\n", b"\xff\n", b'{"v":9,"prev":"","kind":"conversation"}\n',
        b'{"v":1,"prev":"","kind":"conversation"}\n{"v":1,"prev":"x","kind":"turn"}\n',
        chained([CUT[0], CUT[1] | {"notes": DEEP}]), chained([CUT[0], CUT[1] | {"turn_id": DEEP}]),
    ],
)  # fmt: skip
async def test_a_damaged_conversation_keeps_nothing_from_being_resumed(harness: Harness, damage: bytes) -> None:
    await forged(harness, lambda lines: None, ended=False)
    path = conversation_path(harness.state, "conv-torn")
    path.write_bytes(damage)

    assert "conv-torn" not in harness.interrupted_turns() or cut_short(harness.state) == ()
    assert "r-forged" in interrupted(harness)
    with pytest.raises((StillInterrupted, JournalDamaged)):
        await harness.resume_turn("conv-torn")
    assert (await harness.resume("r-forged")).result == 1


REPLY = {"v": 1, "kind": "reply", "turn_id": "t", "step": 1, "text": "", "ended": True}
STEP = {"v": 1, "kind": "step", "turn_id": "t", "step": 1, "items": []}
SCRIPTED = "<tool-calls>\nawait writeFile('planted', '')\n</tool-calls>\n"


@pytest.mark.parametrize(
    "records",
    [
        [CUT[0] | {"workspace": "/elsewhere"}, CUT[1], REPLY | {"ended": False, "text": SCRIPTED}],
        [*CUT, STEP | {"items": [{"type": "message"}]}], [*CUT, STEP | {"items": [3]}],
        [*CUT, STEP | {"usage": {"gold": 3}}], [*CUT, REPLY | {"reason": "no reason"}],
        [*CUT, REPLY | {"calls": [{"name": "exec"}]}],
    ],
)  # fmt: skip
async def test_a_turn_of_elsewhere_or_of_values_that_no_turn_has_is_not_gone_on_with(
    harness: Harness, records: list[Line]
) -> None:
    path = conversation_path(harness.state, "conv-cut")
    here = str(harness.workspace)
    path.write_bytes(chained([r | ({"workspace": here} if r.get("workspace") == "/" else {}) for r in records]))

    with pytest.raises((StillInterrupted, JournalDamaged)):
        await harness.resume_turn("conv-cut")
    assert not (harness.workspace / "planted").exists()
    assert harness.conversation_id != "conv-cut"


async def test_a_damaged_journal_hides_no_interrupted_run_in_a_notebook(harness: Harness) -> None:
    await forged(harness, lambda lines: None, ended=False)
    run_path(harness.state, "r-torn").write_bytes(b'{"v":1,"kind":"run","prev":""}\n{"v":7}\n')

    listed = interrupted(harness)

    assert "r-forged  await writeFile" in listed
    assert "r-torn  cannot be read" in listed
    assert len(past_runs(harness.state)) == 2
