from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from tests.harness.confine.commands import begun, done, gone, launch, line, read, shell

import toolscript
from toolscript.confine.command import Commands, LaunchFailed, Running
from toolscript.confine.processes import alive, boot_id, children, descendants, start_time
from toolscript.errors import HostError

pytestmark = pytest.mark.anyio


@pytest.fixture
async def commands() -> AsyncIterator[Commands]:
    async with Commands() as owned:
        yield owned


def supervisor(commands: Commands) -> int:
    assert commands.warden is not None
    (found,) = [pid for pid in children(commands.warden) if alive(pid)][:1]
    return found


async def test_nothing_is_started_before_the_first_command() -> None:
    async with Commands() as commands:
        assert commands.warden is None


async def test_a_command_does_not_begin_before_it_is_released(commands: Commands, tmp_path: Path) -> None:
    mark = tmp_path / "begun"
    async with commands.start(launch("touch", str(mark))) as running:
        identity = await running.held()
        assert alive(identity.pid)
        assert not mark.exists()
        await running.release()
        assert await running.exited() == 0
    assert mark.exists()


async def test_a_command_that_was_never_released_never_runs(commands: Commands, tmp_path: Path) -> None:
    mark = tmp_path / "begun"
    async with commands.start(launch("touch", str(mark))) as running:
        identity = await running.held()
    assert await gone([identity.pid])
    assert not mark.exists()


async def test_a_held_command_is_identified_beyond_its_pid(commands: Commands) -> None:
    async with commands.start(shell("echo $$; read")) as running:
        identity = await running.held()
        assert identity.start_time == start_time(identity.pid) > 0
        assert identity.boot_id == boot_id() != ""
        await running.release()
        assert await line(running.stdout) == str(identity.pid)


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", -9), ("kill -TERM $$", -15)])
async def test_the_exit_code_is_the_commands_own(commands: Commands, script: str, code: int) -> None:
    assert (await done(commands, shell(script))).code == code


async def test_a_missing_program_is_told_apart_from_a_program_that_failed(commands: Commands) -> None:
    with pytest.raises(LaunchFailed) as failed:
        await done(commands, launch("no-such-program"))
    assert (failed.value.stage, failed.value.errno) == ("exec", 2)


async def test_a_missing_directory_fails_before_the_command_begins(commands: Commands) -> None:
    with pytest.raises(LaunchFailed) as failed:
        async with commands.start(launch("true", cwd="/no/such/directory")) as running:
            await running.held()
    assert failed.value.stage == "setup"


async def test_a_program_is_looked_up_on_the_path_of_the_command(commands: Commands, tmp_path: Path) -> None:
    program = tmp_path / "greet"
    program.write_text("#!/bin/sh\necho hello from here\n")
    program.chmod(0o755)
    found = await done(commands, launch("greet", environment={"PATH": str(tmp_path)}))
    assert found.stdout == "hello from here\n"


async def test_the_working_directory_is_not_searched_for_programs(commands: Commands, tmp_path: Path) -> None:
    program = tmp_path / "greet"
    program.write_text("#!/bin/sh\necho hello\n")
    program.chmod(0o755)
    with pytest.raises(LaunchFailed):
        await done(commands, launch("greet", cwd=str(tmp_path), environment={"PATH": ":/usr/bin:"}))


async def test_nothing_of_the_host_is_inherited(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "canary")
    seen = await done(commands, launch("env", environment={"PATH": "/usr/bin:/bin", "ONLY": "this"}))
    assert sorted(seen.stdout.split()) == ["ONLY=this", "PATH=/usr/bin:/bin"]


async def test_a_command_has_three_descriptors_and_no_terminal(commands: Commands) -> None:
    held = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(held, True)
    listed = await done(commands, launch("ls", "/proc/self/fd"))
    os.close(held)
    # The fourth is the directory that ls reads.
    assert listed.stdout.split() == ["0", "1", "2", "3"]
    assert (await done(commands, shell("exec 3</dev/tty"))).code != 0


async def test_standard_input_is_empty_unless_given(commands: Commands) -> None:
    assert await done(commands, shell("cat; readlink /proc/self/fd/0")) == await done(commands, shell("echo /dev/null"))


async def test_signals_that_python_ignores_work_in_commands(commands: Commands) -> None:
    ended = await done(commands, shell("yes | head -n 1; echo ${PIPESTATUS[0]}"))
    assert ended.stdout == "y\n141\n"


async def test_no_core_is_dumped(commands: Commands) -> None:
    assert (await done(commands, shell("ulimit -c"))).stdout == "0\n"


async def test_a_process_that_left_its_session_ends_with_its_command(commands: Commands) -> None:
    script = "setsid nohup sleep 600 >/dev/null 2>&1 & echo $!; exit 0"
    async with begun(commands, shell(script)) as running:
        detached = int(await line(running.stdout))
        assert await running.exited() == 0
    assert await gone([detached])


async def test_an_orphan_of_the_command_is_dead_when_the_end_is_reported(commands: Commands) -> None:
    async with begun(commands, shell("(setsid sleep 600 & echo $!); sleep 600")) as running:
        orphan = int(await line(running.stdout))
        assert alive(orphan)
        assert await running.end() == []
        assert not alive(orphan)


async def test_a_command_leads_a_session_of_its_own(commands: Commands) -> None:
    session, group, pid = (await done(commands, shell("ps -o sid=,pgid= -p $$; echo $$"))).stdout.split()
    assert session == group == pid


async def test_processes_that_ignore_signals_are_killed_after_the_grace(commands: Commands) -> None:
    script = "trap '' TERM INT HUP; (trap '' TERM; echo $BASHPID; sleep 600) & sleep 600"
    async with begun(commands, shell(script)) as running:
        inner = int(await line(running.stdout))
        assert await running.end(grace=0.05) == []
    assert await gone([inner])


async def test_a_stopped_process_is_ended_too(commands: Commands) -> None:
    async with begun(commands, shell("echo $$; kill -STOP $$")) as running:
        pid = int(await line(running.stdout))
    assert await gone([pid])


async def test_a_command_can_tidy_up_within_the_grace(commands: Commands, tmp_path: Path) -> None:
    mark = tmp_path / "tidied"
    script = f"trap 'touch {mark}; exit' TERM; echo ready; while :; do sleep 0.01; done"
    async with begun(commands, shell(script)) as running:
        await line(running.stdout)
        await running.end(grace=10)
    assert mark.exists()


async def test_a_process_that_forks_without_end_is_ended(commands: Commands) -> None:
    script = "echo begun; f() { sleep 600 & f; }; f"
    async with begun(commands, shell(script, max_processes=64)) as running:
        with anyio.fail_after(30):
            assert await running.exited() == -9
        assert running.too_many_processes
        assert await running.end() == []


async def test_cancelling_ends_the_command(commands: Commands) -> None:
    pids: list[int] = []
    with anyio.CancelScope() as scope:
        async with begun(commands, shell("sleep 600 & echo $!; wait")) as running:
            pids.append(int(await line(running.stdout)))
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert await gone(pids)


async def test_commands_run_side_by_side_and_end_by_themselves(commands: Commands) -> None:
    async with begun(commands, shell("sleep 600 & echo $!; wait")) as long:
        waiting = int(await line(long.stdout))
        assert (await done(commands, shell("setsid sleep 600 & exit 7"))).code == 7
        assert alive(waiting)
    assert await gone([waiting])


async def test_closing_ends_every_command(commands: Commands) -> None:
    async with begun(commands, shell("setsid sleep 600 & echo $!; wait")) as running:
        pid = int(await line(running.stdout))
        assert commands.warden is not None
        family = [pid, commands.warden, *descendants(commands.warden)]
        # Far less than the supervisor waits for keepers that do not hear it.
        with anyio.move_on_after(5) as scope:
            await commands.aclose()
        assert not scope.cancel_called
        assert not any(map(alive, family))


async def test_a_killed_keeper_is_an_error_and_leaves_nothing(commands: Commands) -> None:
    async with begun(commands, shell("setsid sleep 600 & echo $!; wait")) as running:
        pid = int(await line(running.stdout))
        for keeper in children(supervisor(commands)):
            os.kill(keeper, signal.SIGKILL)
        with pytest.raises(HostError, match="keeper"):
            await running.exited()
        assert await gone([pid])


async def test_a_killed_supervisor_is_replaced(commands: Commands) -> None:
    await done(commands, launch("true"))
    first = supervisor(commands)
    os.kill(first, signal.SIGKILL)
    assert await gone([first])
    assert (await done(commands, shell("echo again"))).stdout == "again\n"
    assert supervisor(commands) != first


async def test_a_supervisor_killed_at_any_moment_is_a_typed_error_or_none(commands: Commands) -> None:
    await done(commands, launch("true"))
    os.kill(supervisor(commands), signal.SIGKILL)
    try:
        assert (await done(commands, shell("echo again"))).stdout == "again\n"
    except HostError:
        assert (await done(commands, shell("echo again"))).stdout == "again\n"


async def test_supervisor_and_keepers_killed_together_leave_nothing(commands: Commands) -> None:
    script = "setsid sleep 600 & echo $!; (setsid sh -c 'echo $$; sleep 600; true' &); wait"
    async with begun(commands, shell(script)) as running:
        pids = [int(await line(running.stdout)) for _ in range(2)]
        first = supervisor(commands)
        # One signal to the group reaches them all at once.
        os.killpg(first, signal.SIGKILL)
        with pytest.raises(HostError, match="keeper"):
            await running.exited()
        assert await gone([first, *pids])


async def test_a_keeper_killed_after_its_supervisor_leaves_nothing_and_others_go_on(commands: Commands) -> None:
    async with begun(commands, shell("setsid sleep 600 & echo $!; wait")) as one, begun(commands, shell(READ)) as other:
        pid = int(await line(one.stdout))
        assert await line(other.stdout) == "ready"
        first = supervisor(commands)
        keeper = next(each for each in children(first) if pid in descendants(each))
        os.kill(first, signal.SIGKILL)
        assert await gone([first])
        os.kill(keeper, signal.SIGKILL)
        assert await gone([keeper, pid])
        assert await one_line_more(other) == "still here"


READ = "trap 'echo still here; exit' TERM; echo ready; while :; do sleep 0.05; done"


async def one_line_more(running: Running) -> str:
    await running._tell(b"t")
    return await line(running.stdout)


async def test_stopped_keepers_and_supervisors_are_set_going_again(commands: Commands) -> None:
    async with begun(commands, shell("setsid sleep 600 & echo $!; wait")) as running:
        pid = int(await line(running.stdout))
        for stopped in [*children(supervisor(commands)), supervisor(commands)]:
            os.kill(stopped, signal.SIGSTOP)
        # Far less than the host waits for a keeper that does not answer.
        with anyio.fail_after(5):
            assert (await done(commands, shell("echo again"))).stdout == "again\n"
            await running.end()
        assert await gone([pid])


HOST = """
import anyio, os, sys
sys.path[:0] = sys.argv[1:]
from toolscript.confine.command import Commands
from tests.harness.confine.commands import begun, line, shell
async def main():
    async with Commands() as commands:
        async with begun(commands, shell("setsid sleep 600 & echo $!; trap '' TERM; sleep 600")) as running:
            detached = await line(running.stdout)
            FORK
            print(commands.warden, detached, flush=True)
            await anyio.sleep_forever()
anyio.run(main)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_the_end_of_the_host_ends_everything(number: signal.Signals) -> None:
    assert await _everything_ends_with_host(number, "")


async def test_a_fork_of_the_host_does_not_keep_its_commands_alive() -> None:
    # The fork holds all of the host's descriptors, as multiprocessing's would.
    fork = "child = os.fork()\n            if child == 0:\n                import time; time.sleep(30); os._exit(0)"
    assert await _everything_ends_with_host(signal.SIGKILL, fork)


async def _everything_ends_with_host(number: signal.Signals, fork: str) -> bool:
    roots = [str(Path(toolscript.__file__).parents[1]), str(Path(__file__).parents[3])]
    host = subprocess.Popen(
        [sys.executable, "-c", HOST.replace("FORK", fork), *roots], stdout=subprocess.PIPE, text=True
    )
    with host:
        assert host.stdout is not None
        supervisor, detached = map(int, host.stdout.readline().split())
        family = [supervisor, detached, *descendants(supervisor)]
        assert len(family) >= 4
        forks = [pid for pid in children(host.pid) if pid != supervisor]
        host.send_signal(number)
        host.wait()
        ended = await gone(family)
        for pid in forks:
            os.kill(pid, signal.SIGKILL)
    return ended


async def test_arguments_up_to_the_systems_limit_are_passed(commands: Commands) -> None:
    text = "x" * 100_000
    counted = await done(commands, launch("sh", "-c", 'echo "$#"', "sh", *[text] * 8))
    assert counted.stdout == "8\n"


async def test_arguments_beyond_the_systems_limit_are_an_error(commands: Commands) -> None:
    with pytest.raises(LaunchFailed) as failed:
        await done(commands, launch("true", "x" * 3_000_000))
    assert failed.value.errno == 7


EXHAUSTED = """
import anyio, os, resource, sys
sys.path[:0] = sys.argv[1:]
from toolscript.confine.command import Commands
from toolscript.errors import HostError
from tests.harness.confine.commands import done, shell
async def main():
    async with Commands() as commands:
        await done(commands, shell("exit 0"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
        for room in range(8):
            held = [os.open(os.devnull, os.O_RDONLY) for _ in range(40 - room - len(os.listdir("/proc/self/fd")) + 1)]
            before = len(held)
            try:
                await done(commands, shell("exit 0"))
                print("ran")
            except HostError as error:
                print(error.details["errno"])
            for descriptor in held:
                os.close(descriptor)
        print((await done(commands, shell("echo works again"))).stdout, len(os.listdir("/proc/self/fd")))
anyio.run(main)
"""


async def test_running_out_of_descriptors_is_an_error_that_passes() -> None:
    roots = [str(Path(toolscript.__file__).parents[1]), str(Path(__file__).parents[3])]
    ended = await anyio.run_process([sys.executable, "-c", EXHAUSTED, *roots], check=False)
    *tries, last, _ = ended.stdout.decode().splitlines()
    assert tries[0] == "24", ended.stderr.decode()
    assert set(tries) <= {"24", "ran"}
    assert last == "works again"


async def test_no_descriptor_is_left_behind(commands: Commands) -> None:
    await done(commands, launch("true"))
    before = _descriptors()
    for _ in range(3):
        await done(commands, shell("echo out; echo err >&2"))
    with pytest.raises(LaunchFailed):
        await done(commands, launch("no-such-program"))
    assert _descriptors() == before


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_output_is_there_to_read_after_the_end(commands: Commands) -> None:
    async with begun(commands, shell("echo kept; kill -9 $$")) as running:
        assert await running.exited() == -9
        await running.end()
        assert read(running.stdout) == "kept\n"
