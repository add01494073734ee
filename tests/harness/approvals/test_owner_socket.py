from __future__ import annotations

import errno
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.harness.approvals.parts import Scene, request, until
from tests.harness.approvals.test_bridge import Asking, doubled

from toolscript.approvals import attending, lines, owners
from toolscript.approvals import socket as owner_socket
from toolscript.approvals.client import Asked, OwnerClient, Settled, connect
from toolscript.approvals.lines import JsonLines
from toolscript.approvals.request import Choice, Decision
from toolscript.approvals.socket import OwnerSocket
from toolscript.errors import (
    AlreadyDecided,
    DecisionError,
    JournalDamaged,
    OwnerGone,
    ProtocolFault,
    ToolError,
    UnknownApproval,
)
from toolscript.events import ApprovalRequested
from toolscript.journal.reader import records
from toolscript.journal.records import DecisionRecord
from toolscript.journal.state import interrupted, state_dir
from toolscript.recovery.past import Past

pytestmark = pytest.mark.anyio
PROJECT = Path(__file__).parents[3]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return state_dir("/w", {"XDG_STATE_HOME": str(tmp_path)})


@asynccontextmanager
async def waiting(scene: Scene, state: Path, **more: Any) -> AsyncIterator[tuple[OwnerSocket, Asking]]:
    """An owner with one request that waits because a client attends."""
    async with OwnerSocket(scene.bridge, state, emitter=scene.emitter) as owner, anyio.create_task_group() as group:
        attending = anyio.CancelScope()

        async def attend() -> None:
            with attending:
                async with connect(state, name="watcher") as client:
                    async for _ in client.attend():
                        pass

        group.start_soon(attend)
        await until(lambda: scene.bridge.can_ask)
        asking = await Asking(scene, group, request(), **more).open()
        yield owner, asking
        asking.scope.cancel()
        attending.cancel()


async def test_a_client_lists_what_waits_and_decides_it(scene: Scene, state: Path) -> None:
    async with waiting(scene, state) as (_, asking), connect(state, name="cli") as client:
        (seen,) = await client.pending()
        assert seen == scene.bridge.pending[0]
        decided = await client.decide(seen.approval_id, Choice.DENY, "not now")
        await asking.ended.wait()
    assert asking.decision == decided
    assert (decided.choice, decided.by, decided.reason) == (Choice.DENY, "socket/cli", "not now")


async def test_the_first_of_many_clients_wins_and_all_learn_the_same_outcome(scene: Scene, state: Path) -> None:
    outcomes: list[str] = []

    async def click(choice: Choice, name: str) -> None:
        async with connect(state, name=name) as client:
            try:
                outcomes.append(
                    f"{(await client.decide(asking.asked.approval_id, choice)).choice.value} by socket/{name}"
                )
            except AlreadyDecided as late:
                outcomes.append(f"{late.decision} by {late.by}")

    async with waiting(scene, state) as (_, asking), anyio.create_task_group() as group:
        for number in range(6):
            group.start_soon(click, (Choice.ALLOW, Choice.DENY)[number % 2], f"c{number}")
    assert len(outcomes) == 6 and len(set(outcomes)) == 1
    assert sum(isinstance(record, DecisionRecord) for record in scene.journal.records) == 1


async def test_answers_that_do_not_count_are_typed_errors(scene: Scene, state: Path) -> None:
    async with waiting(scene, state, validate=doubled) as (_, asking), connect(state) as client:
        with pytest.raises(UnknownApproval, match="yesterday"):
            await client.decide("yesterday", Choice.ALLOW)
        with pytest.raises(DecisionError, match="not an answer"):
            await client.decide(asking.asked.approval_id, Choice.EXPIRE)
        with pytest.raises(ToolError, match="command is missing"):
            await client.decide(asking.asked.approval_id, Choice.EDIT, arguments={})
        edited = await client.decide(asking.asked.approval_id, Choice.EDIT, arguments={"command": ["ls"]})
        assert edited.arguments == {"command": ["ls"], "cwd": ""}


async def test_a_list_is_answered_together(scene: Scene, state: Path) -> None:
    async with waiting(scene, state) as (_, asking), connect(state) as client:
        outcomes = await client.decide_all(Choice.ALLOW, ids=[asking.asked.approval_id, "gone"])
        first, second = outcomes.values()
        assert isinstance(first, Decision) and first.choice is Choice.ALLOW
        assert isinstance(second, UnknownApproval)
        assert await client.decide_all(Choice.DENY) == {}


async def test_whoever_attends_is_shown_requests_and_what_becomes_of_them(scene: Scene, state: Path) -> None:
    async with waiting(scene, state) as (_, asking), connect(state) as watching, connect(state) as deciding:
        stream = watching.attend()
        asked = await anext(stream)
        assert asked == Asked(request=scene.bridge.pending[0])
        await deciding.decide(asking.asked.approval_id, Choice.ALLOW)
        settled = await anext(stream)
        assert isinstance(settled, Settled)
        assert (settled.approval_id, settled.decision) == (asking.asked.approval_id, "allow")
        await stream.aclose()


async def test_somebody_is_there_only_while_a_client_attends(scene: Scene, state: Path) -> None:
    async with OwnerSocket(scene.bridge, state):
        async with connect(state) as client:
            await client.pending()
            assert not scene.bridge.can_ask
        async with waiting(Scene(), state_dir("/other", {"XDG_STATE_HOME": str(state.parents[1])})):
            assert not scene.bridge.can_ask


async def test_when_the_last_client_hangs_up_nobody_is_there_any_more(scene: Scene, state: Path) -> None:
    async with OwnerSocket(scene.bridge, state):
        async with connect(state) as client, anyio.create_task_group() as group:

            async def attend() -> None:
                async for _ in client.attend():
                    pass

            group.start_soon(attend)
            await until(lambda: scene.bridge.can_ask)
            group.cancel_scope.cancel()
        await until(lambda: not scene.bridge.can_ask)


async def test_events_are_followed(scene: Scene, state: Path) -> None:
    async with OwnerSocket(scene.bridge, state, emitter=scene.emitter), connect(state) as client:
        stream = client.follow()
        async with anyio.create_task_group() as group:

            async def emit() -> None:
                await until(lambda: len(scene.emitter.channel.listeners) == 2)
                scene.emitter.emit(ApprovalRequested, approval_id="a\ud800", operation=1, request={})

            group.start_soon(emit)
            event = await anext(stream)
        assert event == scene.events[0]
        await stream.aclose()


async def test_following_where_there_are_no_events_says_so(scene: Scene, state: Path) -> None:
    async with OwnerSocket(scene.bridge, state), connect(state) as client:
        with pytest.raises(DecisionError, match="understands"):
            await anext(client.follow())


async def test_a_run_is_aborted_by_its_id(scene: Scene, state: Path) -> None:
    stopped: list[str] = []

    async def abort(run_id: str) -> bool:
        stopped.append(run_id)
        return run_id == "run-1"

    async with OwnerSocket(scene.bridge, state, abort=abort), connect(state) as client:
        assert await client.abort("run-1") is True
        assert await client.abort("run-2") is False
    assert stopped == ["run-1", "run-2"]
    async with OwnerSocket(scene.bridge, state), connect(state) as client:
        with pytest.raises(DecisionError, match="cannot be aborted"):
            await client.abort("run-1")


async def test_files_are_private_and_gone_afterwards(scene: Scene, state: Path) -> None:
    async with OwnerSocket(scene.bridge, state) as owner:
        assert owner.owner is not None
        found = {path.suffix: stat.S_IMODE(path.stat().st_mode) for path in (state / "owners").iterdir()}
        assert found == {".json": 0o600, ".sock": 0o600}
        assert stat.S_IMODE((state / "owners").stat().st_mode) == 0o700
    assert list((state / "owners").iterdir()) == []


async def test_the_token_is_in_no_repr(scene: Scene, state: Path) -> None:
    async with OwnerSocket(scene.bridge, state) as owner, connect(state) as client:
        assert owner.owner is not None and client.owner == owner.owner
        assert owner.owner.token not in repr([owner.owner, client.owner, owners.owners(state)])


async def test_a_path_beyond_the_limit_of_the_kernel_works(scene: Scene, tmp_path: Path) -> None:
    deep = state_dir("/w", {"XDG_STATE_HOME": str(tmp_path / ("d" * 90) / ("e" * 90))})
    async with OwnerSocket(scene.bridge, deep) as owner, connect(deep) as client:
        assert owner.owner is not None and len(str(owner.owner.socket)) > 200
        assert await client.pending() == ()


async def test_several_owners_must_be_told_apart(scene: Scene, state: Path) -> None:
    async with OwnerSocket(scene.bridge, state) as first, OwnerSocket(Scene().bridge, state) as second:
        assert first.owner is not None and second.owner is not None
        with pytest.raises(DecisionError, match="several processes") as several:
            async with connect(state):
                pass
        assert first.owner.id in several.value.message
        async with connect(state, second.owner.id) as client:
            assert client.owner.id == second.owner.id


async def test_without_an_owner_the_error_says_how_to_go_on(state: Path) -> None:
    with pytest.raises(OwnerGone, match="toolscript resume"):
        async with connect(state):
            pass


DYING_OWNER = """
import os, sys
sys.path[:0] = [sys.argv[1] + "/harness", sys.argv[1]]
import anyio
from pathlib import Path
from tests.harness.approvals.parts import Scene
from tests.harness.journal.samples import run
from toolscript.approvals.socket import OwnerSocket
from toolscript.journal.writer import DiskJournal

async def main():
    state = Path(sys.argv[2])
    journal = DiskJournal.create(state, "run-77")
    journal.write(run(run_id="run-77"))
    async with OwnerSocket(Scene().bridge, state):
        print("ready", flush=True)
        await anyio.sleep(60)

anyio.run(main)
"""


async def test_a_killed_owner_is_told_apart_and_its_run_named_for_resume(scene: Scene, state: Path) -> None:
    process = subprocess.Popen(  # killed without ceremony below
        [sys.executable, "-c", DYING_OWNER, str(PROJECT), str(state)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert await anyio.to_thread.run_sync(process.stdout.readline) == "ready\n"
    async with connect(state) as client:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        with pytest.raises(OwnerGone) as dead:
            await client.decide("approval-1", Choice.ALLOW)
    assert dead.value.code == "owner_gone"
    assert dead.value.details["resume"] == "toolscript resume run-77"
    with pytest.raises(OwnerGone):
        async with connect(state):
            pass
    async with OwnerSocket(scene.bridge, state) as owner:
        assert owner.owner is not None
        assert {path.stem for path in (state / "owners").iterdir()} == {owner.owner.id}


@asynccontextmanager
async def raw(owner: OwnerSocket) -> AsyncIterator[socket.socket]:
    assert owner.owner is not None
    with socket.socket(socket.AF_UNIX) as sock:
        with owners.address(owner.owner.socket) as name:
            sock.connect(name)
        sock.setblocking(False)
        yield sock


async def heard(sock: socket.socket) -> bytes:
    """Everything until the owner ends the connection."""
    received = b""
    with anyio.fail_after(20):
        while True:
            await anyio.wait_readable(sock)
            try:
                chunk = sock.recv(65_536)
            except ConnectionResetError:
                return received
            if not chunk:
                return received
            received += chunk


def hello(owner: OwnerSocket, **more: Any) -> bytes:
    assert owner.owner is not None
    return json.dumps({"v": 1, "token": owner.owner.token, "name": "raw"} | more).encode() + b"\n"


async def still_serves(state: Path) -> None:
    async with connect(state) as client:
        assert await client.pending() == ()


@pytest.mark.parametrize("token", ["", "0" * 64, None, 7, ["x"], "\ud800"])
async def test_a_wrong_token_is_shown_the_door(scene: Scene, state: Path, token: Any) -> None:
    async with OwnerSocket(scene.bridge, state) as owner, raw(owner) as sock:
        sock.send(hello(owner, token=token) + b'{"do": "list"}\n')
        answer = await heard(sock)
        assert json.loads(answer.splitlines()[0])["error"]["code"] == "wrong_token"
        assert len(answer.splitlines()) == 1
        await still_serves(state)


@pytest.mark.parametrize(
    "garbage",
    [b"", b"{", b"\n", b"[]\n", b"null\n", b"\xff\xfe\n", b"x" * 100_000, b"[" * 4_000 + b"\n", b'{"token": 1}\n'],
    ids=range(9),
)
async def test_whoever_does_not_speak_the_protocol_is_let_go(scene: Scene, state: Path, garbage: bytes) -> None:
    async with OwnerSocket(scene.bridge, state) as owner, raw(owner) as sock:
        sock.send(garbage)
        sock.shutdown(socket.SHUT_WR)
        await heard(sock)
        await still_serves(state)


async def test_a_client_that_never_says_hello_is_let_go(
    scene: Scene, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner_socket, "HELLO_SECONDS", 0.05)
    async with OwnerSocket(scene.bridge, state) as owner, raw(owner) as sock:
        sock.send(b'{"v": 1, ')
        assert await heard(sock) == b""


@pytest.mark.parametrize(
    "asked",
    [
        {"do": "approve"},
        {"do": ["list"]},
        {},
        {"do": "decide"},
        {"do": "decide", "approval_id": 7, "decision": {}},
        {"do": "decide", "approval_id": "a", "decision": "allow"},
        {"do": "decide", "approval_id": "a", "decision": {"choice": "yes"}},
        {"do": "decide", "approval_id": "a", "decision": {"choice": ["allow"]}},
        {"do": "decide", "approval_id": "a", "decision": {"choice": "allow", "reason": 7}},
        {"do": "abort", "run_id": None},
        {"type": "approve", "id": 1, "ok": True},
    ],
    ids=lambda asked: json.dumps(asked)[:60],
)
async def test_a_request_that_makes_no_sense_is_answered_and_harms_nothing(
    scene: Scene, state: Path, asked: dict[str, Any]
) -> None:
    async with waiting(scene, state) as (owner, asking), raw(owner) as sock:
        sock.send(hello(owner) + json.dumps({"id": 5} | asked).encode() + b"\n")
        sock.shutdown(socket.SHUT_WR)
        _, answer = (await heard(sock)).splitlines()
        assert json.loads(answer)["error"]["code"] in ("decision_error", "unknown_approval")
        assert not asking.ended.is_set()


async def test_who_decided_is_said_by_the_connection_not_by_the_data(scene: Scene, state: Path) -> None:
    async with waiting(scene, state) as (owner, asking), raw(owner) as sock:
        decision = {"choice": "allow", "by": "policy", "time": 0}
        asked = {"id": 1, "do": "decide", "approval_id": asking.asked.approval_id, "decision": decision}
        sock.send(hello(owner, name="notebook\n") + json.dumps(asked).encode() + b"\n")
        await asking.ended.wait()
    assert asking.decision is not None and asking.decision.by == "socket/notebook_"


async def test_a_flood_of_requests_leaves_room_for_others(scene: Scene, state: Path) -> None:
    async with OwnerSocket(scene.bridge, state) as owner, raw(owner) as sock:
        flood = hello(owner) + b'{"id": 1, "do": "list"}\n' * 20_000

        async def send() -> None:
            view = memoryview(flood)
            while view:
                await anyio.wait_writable(sock)
                try:
                    view = view[sock.send(view) :]
                except BlockingIOError:
                    continue

        async with anyio.create_task_group() as group:
            group.start_soon(send)
            await still_serves(state)
            group.cancel_scope.cancel()


async def test_a_flood_of_connections_is_bounded(scene: Scene, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner_socket, "HELLO_SECONDS", 1_000.0)
    async with OwnerSocket(scene.bridge, state) as owner:
        assert owner.owner is not None
        idle: list[socket.socket] = []
        try:
            for _ in range(owner_socket.MAX_CLIENTS + 8):
                sock = socket.socket(socket.AF_UNIX)
                idle.append(sock)
                sock.setblocking(False)
                with owners.address(owner.owner.socket) as name:
                    await until(lambda sock=sock, name=name: sock.connect_ex(name) != errno.EAGAIN)  # type: ignore[misc]
            await anyio.wait_all_tasks_blocked()
            for sock in idle[-4:]:
                assert await heard(sock) == b""
            with pytest.raises(DecisionError, match="too many clients"):  # and not that its owner is gone
                async with connect(state):
                    pass
        finally:
            for sock in idle:
                sock.close()
        await anyio.wait_all_tasks_blocked()
        await still_serves(state)


async def test_a_follower_that_does_not_read_is_let_go_and_the_owner_does_not_wait(
    scene: Scene, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attending, "BACKLOG_EVENTS", 10)
    monkeypatch.setattr(lines, "SEND_SECONDS", 1_000.0)
    async with OwnerSocket(scene.bridge, state, emitter=scene.emitter) as owner, raw(owner) as sock:
        sock.send(hello(owner) + b'{"do": "follow"}\n')
        await until(lambda: len(scene.emitter.channel.listeners) == 2)
        for _ in range(200):
            scene.emitter.emit(ApprovalRequested, approval_id="a", operation=1, request={"x": "y" * 50_000})
            await anyio.lowlevel.checkpoint()
        await until(lambda: len(scene.emitter.channel.listeners) == 1)
        await still_serves(state)


async def test_a_peer_that_does_not_read_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "SEND_SECONDS", 0.05)
    left, right = socket.socketpair()
    with left, right, pytest.raises(ProtocolFault, match="does not read"):
        await JsonLines(left).send({"x": "y" * 10_000_000})


async def test_pipes_in_the_state_directory_hold_nobody_up(scene: Scene, state: Path) -> None:
    for place in ("owners/pipe.json", "runs/pipe.jsonl"):
        (state / place).parent.mkdir(exist_ok=True)
        os.mkfifo(state / place)
    with anyio.fail_after(10):
        async with OwnerSocket(scene.bridge, state):
            async with connect(state) as client:
                assert await client.pending() == ()
        assert owners.owners(state) == ()
        assert interrupted(state) == ()
        with pytest.raises(JournalDamaged):
            Past.read(records(state / "runs/pipe.jsonl"))


async def test_another_user_is_not_served(scene: Scene, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owners, "peer_uid", lambda sock: os.geteuid() + 1)
    async with OwnerSocket(scene.bridge, state) as owner, raw(owner) as sock:
        sock.send(hello(owner))
        assert await heard(sock) == b""


def test_the_kernel_tells_who_is_at_the_other_end() -> None:
    left, right = socket.socketpair()
    with left, right:
        assert owners.peer_uid(left) == os.geteuid()


async def test_a_client_refuses_a_socket_of_another_user(
    scene: Scene, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with OwnerSocket(scene.bridge, state):
        monkeypatch.setattr(owners, "peer_uid", lambda sock: os.geteuid() + 1)
        with pytest.raises(OwnerGone):
            async with connect(state):
                pass


async def test_closing_the_owner_ends_its_connections_and_leaves_no_descriptor(scene: Scene, state: Path) -> None:
    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = count()
    async with anyio.create_task_group() as group:
        ended = anyio.Event()

        async def attend(client: OwnerClient) -> None:
            with pytest.raises(OwnerGone):
                async for _ in client.attend():
                    pass
            ended.set()

        async with OwnerSocket(scene.bridge, state) as owner:
            stack = connect(state)
            client = await stack.__aenter__()
            group.start_soon(attend, client)
            await until(lambda: scene.bridge.can_ask)
            assert owner.owner is not None
        await ended.wait()
        await stack.__aexit__(None, None, None)
    assert not scene.bridge.can_ask
    assert count() == before
