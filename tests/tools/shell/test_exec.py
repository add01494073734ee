from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import anyio
import pytest
from tests.harness.confine.commands import gone
from tests.tools.shell.bench import EXEC, SHELL, Bench

from toolscript.confine.processes import alive
from toolscript.errors import InvalidArguments, Json, ToolError
from toolscript.registry.context import MemoryOutputs
from toolscript_tools.shell import collect

pytestmark = pytest.mark.anyio


async def test_a_program_gets_its_arguments_as_they_are(bench: Bench) -> None:
    output = await bench.exec("echo", "a; id $(id) `id` && id", "*", "")
    assert output.stdout == "a; id $(id) `id` && id * \n"


async def test_the_output_has_the_fields_that_scripts_know(bench: Bench) -> None:
    output = EXEC.spec.output.dump(await bench.exec("sh", "-c", "echo out; echo err >&2; exit 3"))
    duration = output.pop("durationMs")
    assert isinstance(duration, int)
    assert output == {
        "exitCode": 3, "stdout": "out\n", "stderr": "err\n", "aggregatedOutput": "out\nerr\n", "timedOut": False,
        "truncated": False,
    }  # fmt: skip


async def test_a_line_is_run_by_the_users_shell(bench: Bench) -> None:
    output = await bench.shell("printf '%s ' \"$0\" | tr a-z A-Z; echo ${BASH_VERSION:+bash}")
    assert output.stdout == "/BIN/BASH bash\n"


async def test_a_login_shell_reads_the_profile(bench: Bench) -> None:
    (bench.root / ".bash_profile").write_text("echo profile\n")
    environment = {"HOME": str(bench.root)}
    assert (await bench.shell("echo line", env=environment, login=True)).stdout == "profile\nline\n"
    assert (await bench.shell("echo line", env=environment)).stdout == "line\n"


async def test_the_record_is_written_before_the_command_begins(bench: Bench, tmp_path: Path) -> None:
    from dataclasses import replace

    seen: list[bool] = []
    mark = bench.root / "begun"

    async def started(record: object) -> None:
        await anyio.sleep(0.05)
        seen.append(mark.exists())

    bench.context = replace(bench.context, started=started)
    await bench.exec("touch", "begun")
    assert seen == [False]
    assert mark.exists()


async def test_a_command_whose_record_cannot_be_written_does_not_run(bench: Bench) -> None:
    from dataclasses import replace

    async def started(record: object) -> None:
        raise OSError("disk full")

    bench.context = replace(bench.context, started=started)
    with pytest.raises(OSError, match="disk full"):
        await bench.exec("touch", "begun")
    assert list(bench.root.iterdir()) == []


async def test_output_streams_while_the_command_runs(bench: Bench) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(bench.exec, "sh", "-c", "echo first; until test -e go; do sleep 0.01; done; echo second")
        with anyio.fail_after(20):
            while bench.deltas != [("stdout", "first\n")]:
                await anyio.sleep(0.01)
        (bench.root / "go").touch()
    assert bench.deltas == [("stdout", "first\n"), ("stdout", "second\n")]


async def test_characters_are_never_torn_between_deltas(bench: Bench) -> None:
    await bench.exec("sh", "-c", r"printf '\303'; sleep 0.1; printf '\244 \303'; sleep 0.1")
    assert "".join(text for _, text in bench.deltas) == "ä �"


async def test_deltas_are_limited_and_the_rest_counted(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "MAX_DELTAS", 5)
    output = await bench.exec("sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do echo $i; sleep 0.02; done")
    assert [stream for stream, _ in bench.deltas] == ["stdout"] * 4 + ["progress"]
    assert "more pieces of output" in bench.deltas[-1][1]
    assert output.stdout == "1\n2\n3\n4\n5\n6\n7\n8\n9\n"


async def test_a_flood_of_deltas_ends_at_the_size_of_an_output(bench: Bench) -> None:
    await bench.shell("head -c 5000000 /dev/zero")
    shown = sum(len(text) for stream, text in bench.deltas if stream == "stdout")
    assert shown <= bench.context.max_output_bytes + collect.MAX_DELTAS
    assert bench.deltas[-1][0] == "progress"


async def test_a_timeout_resolves_with_what_was_written(bench: Bench) -> None:
    output = await bench.shell("echo hi; sleep 60", timeoutMs=1000)
    assert (output.exit_code, output.timed_out, output.stdout) == (124, True, "hi\n")
    text = SHELL.render(None, output)
    assert f"Output:\ncommand timed out after {output.duration_ms} milliseconds\nhi\n" in text


async def test_a_timeout_ends_grandchildren_too(bench: Bench) -> None:
    output = await bench.exec("bash", "-c", "sleep 60 & echo $!; sleep 60", timeoutMs=1000)
    assert await gone([int(output.stdout)])


async def test_death_by_a_signal_is_a_result_that_keeps_the_output(bench: Bench) -> None:
    output = await bench.shell("echo kept; kill -9 $$")
    assert (output.exit_code, output.stdout, output.note) == (137, "kept\n", "ended by SIGKILL")


async def test_a_child_that_keeps_the_pipe_does_not_keep_the_call(bench: Bench) -> None:
    with anyio.fail_after(20):
        output = await bench.shell("sleep 600 & echo $!")
    assert output.exit_code == 0
    assert not alive(int(output.stdout))


async def test_what_children_write_shortly_after_the_end_is_kept(bench: Bench) -> None:
    output = await bench.shell("(sleep 0.2; echo late) & echo early")
    assert output.stdout == "early\nlate\n"


async def test_cancelling_a_call_leaves_no_process_and_keeps_what_was_shown(bench: Bench) -> None:
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(bench.shell, "setsid sleep 600 & echo $!; wait")
            with anyio.fail_after(20):
                while not bench.deltas:
                    await anyio.sleep(0.01)
            scope.cancel()
    assert await gone([int(bench.deltas[0][1]), bench.started[0].pid])


async def test_standard_input_is_given_and_closed(bench: Bench) -> None:
    text = "line ä\n" * 50_000
    output = await bench.exec("wc", "-c", stdin=text)
    assert output.stdout.split() == [str(len(text.encode()))]


async def test_a_command_that_does_not_read_its_input_is_no_failure(bench: Bench) -> None:
    assert (await bench.exec("true", stdin="x" * 1_000_000)).exit_code == 0


async def test_without_input_there_is_nothing_to_read_and_no_terminal(bench: Bench) -> None:
    output = await bench.shell("cat; python3 -c 'input()' 2>&1 | tail -1; tty")
    assert output.stdout == "EOFError: EOF when reading a line\nnot a tty\n"


async def test_the_program_may_be_told_another_name(bench: Bench) -> None:
    assert (await bench.exec("sh", "-c", "echo $0", arg0="other")).stdout.strip() == "other"


async def test_secrets_of_the_host_do_not_reach_commands(bench: Bench) -> None:
    output = await bench.exec("env", env={"MINE": "1"})
    assert "canary" not in output.stdout
    assert {"MINE=1", "GIT_TERMINAL_PROMPT=0", "TOOLSCRIPT_SANDBOX=workspace-write"} <= set(output.stdout.splitlines())


async def test_a_relative_directory_starts_at_the_workspaces(bench: Bench) -> None:
    (bench.root / "sub").mkdir()
    assert (await bench.exec("pwd", cwd="sub")).stdout.strip() == str(bench.root / "sub")
    assert (await bench.exec("pwd", workdir="sub")).stdout.strip() == str(bench.root / "sub")


@pytest.mark.parametrize(("cwd", "code"), [("missing", "not_found"), ("file", "not_a_directory")])
async def test_a_directory_that_is_none_is_an_error_that_names_it(bench: Bench, cwd: str, code: str) -> None:
    (bench.root / "file").write_text("")
    with pytest.raises(ToolError, match=f"cwd.*{cwd}") as failed:
        await bench.exec("true", cwd=cwd)
    assert failed.value.to_json()["code"] == code


@pytest.mark.parametrize(
    ("content", "mode", "code"),
    [(None, 0, "not_found"), ("plain text", 0o644, "permission_denied"), ("plain text", 0o755, "not_executable")],
)
async def test_a_program_that_cannot_be_started_is_an_error(
    bench: Bench, content: str | None, mode: int, code: str
) -> None:
    if content is not None:
        (bench.root / "program").write_text(content)
        (bench.root / "program").chmod(mode)
    with pytest.raises(ToolError, match="program") as failed:
        await bench.exec("./program")
    assert failed.value.to_json()["code"] == code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"command": []}, "command args are empty"),
        ({"command": [""]}, "name is empty"),
        ({"command": "ls -la"}, "tools.shell"),
        ({"command": ["a\0b"]}, "NUL"),
        ({"command": ["\ud800"]}, "surrogate"),
        ({"command": ["a"], "timeoutMs": 0}, "timeoutMs"),
        ({"command": ["a"], "timeoutMs": 1e12}, "timeoutMs"),
        ({"command": ["a"], "env": {"A=B": "1"}}, "no name for a variable"),
        ({"command": ["a"], "env": {"": "1"}}, "no name for a variable"),
        ({"command": ["a"], "env": {"A": "\0"}}, "NUL"),
        ({"command": ["a"], "maxOutputBytes": -1}, "maxOutputBytes"),
        ({"command": ["a"], "unknown": 1}, "unknown"),
        ({}, "command"),
    ],
)
async def test_bad_arguments_are_refused_by_name_and_nothing_runs(
    bench: Bench, arguments: dict[str, Json], message: str
) -> None:
    with pytest.raises(InvalidArguments, match=message):
        await bench.call(EXEC, arguments)
    assert bench.started == []


@pytest.mark.parametrize("command", [["ls"], "", "  ", "a\0b"])
async def test_a_line_must_be_one_text(bench: Bench, command: Json) -> None:
    with pytest.raises(InvalidArguments, match="command"):
        await bench.call(SHELL, {"command": command})


async def test_snake_case_names_are_accepted_as_well(bench: Bench) -> None:
    output = await bench.exec("echo", "x", timeout_ms=5_000, max_output_bytes=10, with_escalated_permissions=False)
    assert output.stdout == "x\n"


async def test_long_output_is_cut_in_the_middle_and_kept_whole(bench: Bench) -> None:
    output = await bench.exec("seq", "100000")
    assert output.truncated
    assert len(output.stdout) < 132_000
    assert output.stdout.startswith("1\n2\n")
    assert output.stdout.endswith("99999\n100000\n")
    assert "bytes omitted" in output.stdout
    whole = "".join(f"{number}\n" for number in range(1, 100_001)).encode()
    assert output.handle == output.stdout_handle is not None
    assert output.stderr_handle is None
    assert bench.context.outputs.read(output.handle) == whole


async def test_each_stream_has_a_handle_of_its_own(bench: Bench) -> None:
    output = await bench.shell("seq 9; seq 1000 >&2", maxOutputBytes=100)
    assert (output.stdout, output.stdout_handle) == ("".join(f"{n}\n" for n in range(1, 10)), None)
    outputs = bench.context.outputs
    assert output.stderr_handle is not None
    assert output.handle is not None
    assert outputs.read(output.stderr_handle).count(b"\n") == 1000
    assert outputs.read(output.handle).count(b"\n") == 1009


async def test_a_script_decides_how_much_of_a_stream_it_gets(bench: Bench) -> None:
    assert (await bench.exec("echo", "0123456789", maxOutputBytes=4)).stdout == "01\n... 7 bytes omitted ...\n9\n"
    assert (await bench.exec("echo", "x", maxOutputBytes=0)).stdout == "\n... 2 bytes omitted ...\n"


async def test_output_fits_into_a_result_whatever_json_makes_of_it(bench: Bench) -> None:
    output = await bench.shell("head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2", maxOutputBytes=1_000_000)
    assert len(json.dumps(EXEC.spec.output.dump(output))) <= bench.context.max_output_bytes
    assert output.truncated


async def test_a_flood_is_ended_and_its_head_and_tail_kept(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "MAX_OUTPUT_BYTES", 3_000_000)
    for flood in ("yes", "cat /dev/urandom", "cat /dev/zero"):
        output = await bench.shell(flood)
        assert (output.exit_code, output.truncated) == (137, True)
        assert "2.9 MB" in (output.note or "")
    assert isinstance(bench.context.outputs, MemoryOutputs)


async def test_a_model_sees_code_time_and_output(bench: Bench) -> None:
    output = (await bench.shell("echo hi; exit 2")).model_copy(update={"duration_ms": 1234})
    assert SHELL.render(None, output) == "Exit code: 2\nWall time: 1.2 seconds\nOutput:\nhi\n"


async def test_a_model_sees_a_bounded_text_and_how_to_get_the_rest(bench: Bench) -> None:
    output = await bench.exec("seq", "100000")
    text = EXEC.render(None, output)
    assert len(text) < 41_000
    assert "tokens truncated…" in text
    assert f"handle {output.handle}" in text


async def test_output_that_is_no_text_is_shown_lossily(bench: Bench) -> None:
    assert (await bench.exec("printf", r"a\377b")).stdout == "a�b"


async def test_a_command_without_the_harnesss_supervisor_works_too(bench: Bench) -> None:
    from dataclasses import replace

    before = set(_children())
    bench.context = replace(bench.context, commands=None)
    assert (await bench.exec("echo", "x")).stdout == "x\n"
    assert set(_children()) <= before


def _children() -> list[int]:
    from toolscript.confine.processes import children

    return children(os.getpid())


async def test_many_calls_at_once_keep_their_own_output(bench: Bench) -> None:
    outputs: dict[int, str] = {}

    async def one(number: int) -> None:
        outputs[number] = (await bench.shell(f"echo {number}; sleep 0.05; echo {number}")).stdout

    async with anyio.create_task_group() as group:
        for number in range(12):
            group.start_soon(one, number)
    assert outputs == {number: f"{number}\n{number}\n" for number in range(12)}


async def test_a_fork_bomb_is_ended(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from toolscript_tools.shell import tool

    monkeypatch.setattr(tool, "MAX_PROCESSES", 60)
    bomb = "import os, time\nwhile True:\n    os.fork() or time.sleep(600)"
    output = await bench.exec(sys.executable, "-I", "-c", bomb)
    assert output.exit_code == 137
    assert "too many processes" in (output.note or "")


async def test_words_directories_and_variables_in_any_script_arrive(bench: Bench) -> None:
    directory = bench.root / "ordner ä 漢"
    directory.mkdir()
    output = await bench.exec("sh", "-c", 'echo "$1 $X"; pwd', "sh", "é𝄞", cwd="ordner ä 漢", env={"X": "ñ"})
    assert output.stdout == f"é𝄞 ñ\n{directory}\n"


async def test_a_variable_of_the_host_that_is_no_text_is_passed_as_it_is(bench: Bench) -> None:
    from dataclasses import replace

    bench.context = replace(bench.context, environment={"RAW": os.fsdecode(b"a\xff")})
    output = await bench.shell('printf %s "$RAW" | od -An -tx1')
    assert output.stdout.split() == ["61", "ff"]
