"""Locks on paths: one writer at a time, across threads, tasks and processes, and every wait ends."""

from __future__ import annotations

import contextvars
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import anyio
import pytest

from toolscript.errors import ToolError
from toolscript.files import Locks
from toolscript.files import locks as module

A, B = Path("/w/a"), Path("/w/b")


def test_another_thread_waits_and_then_gives_up(tmp_path: Path):
    locks = Locks(tmp_path, wait=0.05)
    caught: list[str] = []

    def other() -> None:
        try:
            with locks.hold(A):
                caught.append("held")
        except ToolError as error:
            caught.append(error.code)

    with locks.hold(A):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    other()
    assert caught == ["locked", "held"]


def test_a_block_in_a_block_takes_only_what_is_new(tmp_path: Path):
    locks = Locks(tmp_path, wait=0.05)
    with locks.hold(A), locks.hold(A, B), locks.hold(B):
        pass


@pytest.mark.anyio
async def test_threads_started_while_holding_hold_too(tmp_path: Path):
    locks = Locks(tmp_path, wait=0.05)

    def work() -> str:
        with locks.hold(A):
            return "held"

    async with locks.hold_async(A):
        assert await anyio.to_thread.run_sync(work) == "held"


@pytest.mark.anyio
async def test_waiting_tasks_do_not_stop_the_loop_and_take_turns(tmp_path: Path):
    locks = Locks(tmp_path, wait=10)
    inside, most = 0, 0

    async def work(*paths: Path) -> None:
        nonlocal inside, most
        async with locks.hold_async(*paths):
            inside += 1
            most = max(most, inside)
            await anyio.sleep(0.001)
            inside -= 1

    async with anyio.create_task_group() as group:
        for number in range(10):
            group.start_soon(work, *((A, B) if number % 2 else (B, A)))
    assert most == 1


@pytest.mark.anyio
async def test_a_cancelled_wait_holds_nothing(tmp_path: Path):
    async def wait_for_b() -> None:
        async with Locks(tmp_path, wait=10).hold_async(A, B):
            raise AssertionError("nobody let go")

    # Held in a context of its own: tasks started within a block would hold the lock with it.
    elsewhere, held = contextvars.copy_context(), Locks(tmp_path, wait=1).hold(B)
    elsewhere.run(held.__enter__)
    async with anyio.create_task_group() as group:
        group.start_soon(wait_for_b)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    elsewhere.run(held.__exit__, None, None, None)
    with Locks(tmp_path, wait=0.05).hold(A, B):
        pass


@pytest.mark.anyio
async def test_a_thread_that_waits_for_a_lock_ends_with_its_call(tmp_path: Path):
    def wait() -> None:
        with Locks(tmp_path, wait=60).hold(A):
            raise AssertionError("nobody let go")

    elsewhere, held = contextvars.copy_context(), Locks(tmp_path, wait=1).hold(A)
    elsewhere.run(held.__enter__)
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.to_thread.run_sync, wait)
            await anyio.sleep(0.01)
            group.cancel_scope.cancel()
    elsewhere.run(held.__exit__, None, None, None)


def test_spellings_that_may_be_one_file_share_a_lock(tmp_path: Path):
    assert module._names((Path("/w/É.txt"),)) == module._names((Path("/w/e\u0301.TXT"),))


def test_another_process_waits(tmp_path: Path):
    program = textwrap.dedent("""
        import sys
        sys.path.insert(0, sys.argv[1])
        from pathlib import Path
        from toolscript.files import Locks
        with Locks(Path(sys.argv[2])).hold(Path("/w/a")):
            print("held", flush=True)
            sys.stdin.readline()
    """)
    harness = Path(module.__file__).parents[2]
    command = [sys.executable, "-I", "-c", program, str(harness), str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(ToolError) as caught, Locks(tmp_path, wait=0.05).hold(A):
            pass
        assert caught.value.code == "locked"
        process.kill()
        process.wait()
    with Locks(tmp_path, wait=5).hold(A):
        pass


def test_locks_lie_in_the_state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with Locks().hold(A):
        assert (tmp_path / "state" / "toolscript" / "locks").stat().st_mode & 0o777 == 0o700


def test_a_state_directory_that_cannot_be_made_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(ToolError, match="XDG_STATE_HOME"), Locks().hold(A):
        pass
