"""What hostile commands try; each test's parameter or name says which attempt it stands for."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from tests.harness.confine.commands import gone
from tests.needs import need
from tests.tools.shell.bench import Bench

from toolscript.confine import modes, mounts
from toolscript.confine.processes import alive
from toolscript.registry.classification import Danger
from toolscript.registry.context import SandboxMode

pytestmark = pytest.mark.anyio

NOT_SAFE = {
    "find runs, deletes or writes": [
        "find . -name x -exec sh -c id ;", "find . -delete", "find . -fls out", "find . -fprintf out x",
    ],
    "git is told another configuration or an output": [
        "git -c core.pager=./evil log", "git diff --output=/tmp/x", "git grep -O./evil x",
        "git --config-env=core.sshCommand=V fetch",
    ],
    "archivers, sorters and editors run programs": [
        "tar cf a --checkpoint=1 --checkpoint-action=exec=id", "sort --compress-program=./x a", "sed 1e a",
        "awk BEGIN{system(\"id\")}", "man -P ./x ls", "vim -c :!id", "less x", "xargs -a x sh",
    ],
    "removal under another spelling": [
        "/bin/../bin/rm x", "r\\m x", "RM x", "command rm x", "env rm x", "busybox rm x", "xargs rm",
    ],
}  # fmt: skip


@pytest.mark.parametrize("line", [line for lines in NOT_SAFE.values() for line in lines])
async def test_such_a_command_is_never_known_to_be_safe(bench: Bench, line: str) -> None:
    argv = line.split(" ")
    assert (await bench.classify(*argv)).danger is not Danger.KNOWN_SAFE
    assert (await bench.classify_shell(line)).danger is not Danger.KNOWN_SAFE


@pytest.mark.parametrize(
    "line", ["/bin/../bin/rm -rf x", '"rm" -rf x', "/usr/bin/rm -fr x", "env rm -f x", "sudo rm -f x"]
)
async def test_forced_removal_is_found_under_another_spelling(bench: Bench, line: str) -> None:
    assert (await bench.classify_shell(line)).danger is Danger.DANGEROUS


async def test_invisible_characters_do_not_make_a_name_another_program(bench: Bench) -> None:
    seen = await bench.classify("ls\u200b")
    assert seen.danger is Danger.ORDINARY
    assert seen.remember != (await bench.classify("ls")).remember


async def test_a_detached_grandchild_is_gone_when_the_call_ends(bench: Bench) -> None:
    output = await bench.shell(
        "setsid nohup sh -c 'echo $$ > pid; exec sleep 600' >/dev/null 2>&1 & while ! test -s pid; do :; done"
    )
    assert output.exit_code == 0
    assert not alive(int((bench.root / "pid").read_text()))


async def test_a_double_forked_daemon_is_gone_when_the_call_ends(bench: Bench) -> None:
    daemon = (
        "import os, sys, time\nif os.fork(): os.wait(); sys.exit()\nos.setsid()\nif os.fork(): os._exit(0)\n"
        "os.close(1); os.close(2); open('pid', 'w').write(str(os.getpid())); time.sleep(600)"
    )
    output = await bench.shell(f"python3 -I -c {_quoted(daemon)}; while ! test -s pid; do sleep 0.01; done")
    assert output.exit_code == 0
    assert not alive(int((bench.root / "pid").read_text()))


def _quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)


@pytest.mark.parametrize(
    "line", ["sudo -S id", "python3 -c 'input()'", "git -c credential.helper= ls-remote https://127.0.0.1:1/x"]
)
async def test_what_asks_for_input_fails_instead_of_waiting(bench: Bench, line: str) -> None:
    with anyio.fail_after(30):
        assert (await bench.shell(line)).exit_code != 0


async def test_ignored_signals_do_not_save_a_process_from_the_timeout(bench: Bench) -> None:
    output = await bench.shell("trap '' TERM INT HUP; echo $$; sleep 600; sleep 600", timeoutMs=1000)
    assert output.timed_out
    assert await gone([int(output.stdout)])


async def test_a_line_without_an_end_takes_bounded_memory(bench: Bench) -> None:
    output = await bench.shell("head -c 60000000 /dev/zero | tr '\\0' a")
    assert output.stdout.startswith("aaa")
    assert "omitted" in output.stdout
    assert output.handle is not None
    assert len(bench.context.outputs.read(output.handle)) < 9_000_000


async def test_a_directory_outside_is_named_before_anything_runs_there(bench: Bench) -> None:
    for cwd in ("../../", "/"):
        assert (await bench.classify("make", cwd=cwd)).outside != ()


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch, bench: Bench) -> Path:
    """A directory beside the workspace; temporary directories do not count as writable here."""
    need("landlock", "seccomp")
    monkeypatch.setattr(modes, "temporary_directories", lambda configured: ())
    return bench.root.parent


@pytest.mark.parametrize(
    "argv", [["tee", "../x"], ["cp", "/etc/hostname", "../x"], ["dd", "if=/etc/hostname", "of=../x"], ["ln", "-s", "y", "../x"],
             ["mkdir", "../x"], ["python3", "-c", "open('../x', 'w')"], ["git", "init", "../x"], ["tee", "/etc/cron.d/x"]],
)  # fmt: skip
async def test_ordinary_programs_write_nothing_outside(bench: Bench, outside: Path, argv: list[str]) -> None:
    output = await bench.exec(*argv)
    assert output.exit_code != 0
    assert output.sandbox_denied
    assert "withEscalatedPermissions" in (output.note or "")
    assert [path.name for path in outside.iterdir()] == ["workspace"]
    assert not Path("/etc/cron.d/x").exists()


async def test_an_escalated_command_is_not_confined(bench: Bench, outside: Path) -> None:
    output = await bench.exec("touch", "../x", withEscalatedPermissions=True, justification="outside")
    assert (output.exit_code, output.sandbox_denied) == (0, None)
    assert (outside / "x").exists()


async def test_full_access_is_not_confined(bench: Bench, outside: Path) -> None:
    assert (await bench.unconfined().exec("touch", "../x")).exit_code == 0


async def test_a_failure_of_the_commands_own_is_not_called_a_denial(bench: Bench, outside: Path) -> None:
    output = await bench.exec("false")
    assert (output.exit_code, output.sandbox_denied, output.note) == (1, None, None)


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


NETWORK = [
    "curl -sS -m 5 http://127.0.0.1:PORT/", "wget -q -T 5 -t 1 http://127.0.0.1:PORT/", "nc -w 2 127.0.0.1 PORT",
    "ping -c 1 -W 2 127.0.0.1", "ssh -o BatchMode=yes -p PORT 127.0.0.1 true", "getent ahosts example.invalid",
    "echo x > /dev/tcp/127.0.0.1/PORT", "echo x > /dev/udp/127.0.0.1/PORT",
    "python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", PORT), 5)'",
    "git ls-remote git://127.0.0.1:PORT/x",
]  # fmt: skip


@pytest.mark.parametrize("line", NETWORK)
async def test_no_program_reaches_the_network(bench: Bench, port: int, line: str) -> None:
    need("seccomp")
    with anyio.fail_after(30):
        output = await bench.shell(line.replace("PORT", str(port)))
    assert output.exit_code != 0


async def test_commands_cannot_gain_privileges_or_leave_cores(bench: Bench) -> None:
    need("landlock", "seccomp")
    output = await bench.shell(
        "grep NoNewPrivs /proc/self/status; unshare -rm mount -t tmpfs x . && echo mounted; sh -c 'kill -SEGV $$'; ls"
    )
    assert output.stdout == "NoNewPrivs:\t1\n"


async def test_other_processes_cannot_be_traced(bench: Bench) -> None:
    need("landlock", "seccomp")
    trace = f"import ctypes; print(ctypes.CDLL(None).ptrace(16, {os.getpid()}, 0, 0))"
    assert (await bench.exec("python3", "-I", "-c", trace)).stdout == "-1\n"
    assert (await bench.shell(f"cat /proc/{os.getpid()}/environ /proc/{os.getpid()}/mem")).stdout == ""


async def test_secret_directories_stay_closed_in_every_mode_but_full_access(bench: Bench, tmp_path: Path) -> None:
    need("landlock", "seccomp")
    secret = tmp_path / "state"
    secret.mkdir()
    (secret / "token").write_text("canary")
    base = replace(bench.context, secret_paths=(secret,))
    for mode in (SandboxMode.READ_ONLY, SandboxMode.WORKSPACE_WRITE):
        bench.context = replace(base, sandbox=mode)
        assert (
            "canary"
            not in (await bench.shell(f"cat {secret}/token; ls {secret}; grep -r canary {tmp_path}")).aggregated_output
        )
    bench.context = replace(base, sandbox=SandboxMode.DANGER_FULL_ACCESS)
    assert (await bench.shell(f"cat {secret}/token")).stdout == "canary"


async def test_escalation_does_not_open_secret_directories_where_they_can_be_hidden(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "state"
    secret.mkdir()
    (secret / "token").write_text("canary")
    bench.context = replace(bench.context, secret_paths=(secret,))
    escalated = {"withEscalatedPermissions": True, "justification": "x"}
    if mounts.privileged():
        host = os.getpid()
        ways = (f"cat {secret}/token", f"umount {secret}; cat {secret}/token", f"cat /proc/{host}/root{secret}/token",
                f"nsenter -t {host} -m cat {secret}/token", f"mount --bind {tmp_path} /mnt; cat /mnt/state/token")  # fmt: skip
        for way in ways:
            assert "canary" not in (await bench.shell(way, **escalated)).aggregated_output
        assert (await bench.shell(f"echo x > {tmp_path}/made && id -u", **escalated)).stdout == "0\n"
        assert (await bench.classify("true", **escalated)).reasons == ("it only reads",)
    means = modes.Means(landlock=True, seccomp=True, namespace=True, user_namespace=True)
    monkeypatch.setattr(modes, "means", lambda: means)
    assert "approvals" in " ".join((await bench.classify("make", **escalated)).reasons)


async def test_protected_files_stay_as_they_were_and_that_is_said(bench: Bench) -> None:
    need("landlock", "seccomp")
    output = await bench.shell(
        "echo 'policy = \"never\"' > toolscript.toml; mkdir -p .git/hooks; echo evil > .git/hooks/pre-commit"
    )
    assert not (bench.root / "toolscript.toml").exists()
    assert not (bench.root / ".git" / "hooks" / "pre-commit").exists()
    assert output.restored == [f"{bench.root}/toolscript.toml", f"{bench.root}/.git/hooks/pre-commit"]
    assert "put back" in (output.note or "")


async def test_a_frozen_file_cannot_be_changed_and_that_is_called_a_denial(bench: Bench) -> None:
    need("landlock", "seccomp")
    await bench.unconfined().exec("git", "init", "-q")
    bench.context = replace(bench.context, sandbox=SandboxMode.WORKSPACE_WRITE)
    for line in ("git config core.fsmonitor ./evil", "echo x >> .git/config", "mv .git away"):
        output = await bench.shell(line)
        assert output.exit_code != 0
        assert output.sandbox_denied, output.stderr
    assert "evil" not in (bench.root / ".git" / "config").read_text()


async def test_read_only_commands_write_nothing(bench: Bench) -> None:
    need("landlock", "seccomp")
    bench.context = replace(bench.context, sandbox=SandboxMode.READ_ONLY)
    output = await bench.shell("echo x > made; touch /tmp/toolscript-made; echo fine > /dev/null && echo fine")
    assert output.stdout == "fine\n"
    assert list(bench.root.iterdir()) == []
    assert not Path("/tmp/toolscript-made").exists()


async def test_a_failing_call_leaves_no_descriptors_processes_or_files(bench: Bench) -> None:
    from toolscript.errors import ToolError

    await bench.exec("true")
    before = _descriptors()
    for _ in range(3):
        with pytest.raises(ToolError):
            await bench.exec("no-such-program")
        await bench.shell("sleep 600 & kill -9 $$", timeoutMs=5_000)
        await bench.shell("sleep 600", timeoutMs=20)
    assert _descriptors() == before
    assert list(bench.root.iterdir()) == []


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
