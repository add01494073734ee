"""The ordinary Python kernel after ``%load_ext toolscript_extension``."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest
from tests.kernel import versions
from tests.kernel.running import PACKAGES, Kernel, environment, kernel


@pytest.fixture(scope="module", params=versions.ALL, ids=lambda v: v or "installed")
def running(request, tmp_path_factory):
    version = versions.have(request.param)
    with kernel(module="tests.kernel.standin.python", cwd=tmp_path_factory.mktemp("ws"), ipykernel=version) as it:
        loaded = it.run("%load_ext toolscript_extension")
        assert loaded.reply["content"]["status"] == "ok", loaded.reply
        it.handshake()
        yield it


def test_plain_cells_stay_python(running: Kernel):
    assert running.run("x = 20\nx + 1").of("execute_result")[0]["data"]["text/plain"] == "21"


def test_a_script_cell_runs_and_gives_its_result(running: Kernel):
    it = running.run("%%toolscript --out y\nlog hi\nreturn 5")
    after = running.run("y, _run.result")

    assert it.stdout == "hi\n"
    assert it.of("execute_result")[0]["data"]["text/plain"] == "5"
    assert after.of("execute_result")[0]["data"]["text/plain"] == "(5, 5)"


def test_an_agent_cell_is_a_turn(running: Kernel):
    it = running.run("%%agent critic\nLook at this")

    record = it.of("update_display_data")[-1]
    assert record["data"]["text/plain"] == "Look at this"
    assert record["data"]["application/vnd.toolscript.run+json"]["agent"] == "critic"


def test_an_error_has_its_name_and_points_at_the_line(running: Kernel):
    it = running.run("%%toolscript\nthrow no such thing")

    (error,) = it.of("error")
    assert (error["ename"], error["evalue"]) == ("Error", "no such thing")
    assert "> 2 | throw no such thing" in error["traceback"]


def test_a_click_resumes_the_waiting_script(running: Kernel):
    cell = running.send("%%toolscript\nask exec rm it\nreturn 1", allow_stdin=True, cell_id="c1")
    buttons = {}
    for message in running.until(cell, lambda m: "toolscript-approval" in str(m["content"])):
        if message["msg_type"] == "comm_open":
            state = message["content"]["data"]["state"]
            buttons[state.get("description", "")] = message["content"]["comm_id"]
    running.click(buttons["Allow once"])
    it = running.finish(cell)

    assert it.of("execute_result")[0]["data"]["text/plain"] == "1"


def test_an_interrupt_stops_the_run_and_the_next_cell_works(running: Kernel):
    waiting = running.send("%%toolscript\nlog begun\nwait")
    list(running.until(waiting, lambda m: m["msg_type"] == "stream"))
    running.manager.interrupt_kernel()

    assert running.finish(waiting).reply["content"]["ename"] == "Interrupted"
    assert running.run("1 + 1").of("execute_result")[0]["data"]["text/plain"] == "2"


def test_commands_work_alone_and_among_python(running: Kernel):
    alone = running.run("%toolscript approvals")
    among = running.run("z = 1\n%toolscript approvals\nz")

    assert alone.of("display_data")[0]["data"]["text/plain"] == "nothing waits, and nothing is allowed ahead"
    assert among.stdout == "nothing waits, and nothing is allowed ahead\n"


def test_tab_and_hover_know_scripts_and_leave_python_to_ipython(running: Kernel):
    script = running.ask("complete_request", {"code": "%%toolscript\nstore.ge", "cursor_pos": 21})["content"]
    python = running.ask("complete_request", {"code": "import sys\nsys.exe", "cursor_pos": 18})["content"]
    hover = running.ask("inspect_request", {"code": "%%toolscript\nsleep", "cursor_pos": 16, "detail_level": 0})[
        "content"
    ]

    assert script["matches"] == ["get"]
    assert "executable" in python["matches"]
    assert hover["data"]["text/plain"].startswith("sleep: (ms: number) => Promise<void>")


@pytest.mark.parametrize("restart", [False, True])
def test_nothing_is_left_behind(tmp_path, restart: bool):
    with kernel(module="tests.kernel.standin.python", cwd=tmp_path) as it:
        it.run("%load_ext toolscript_extension")
        cell = it.send("%%toolscript\nspawn\nwait")
        (message,) = [m for m in it.until(cell, lambda m: m["msg_type"] == "stream") if m["msg_type"] == "stream"]
        child = psutil.Process(int(message["content"]["text"].split()[1]))
        it.manager.restart_kernel() if restart else it.manager.shutdown_kernel()
        child.wait(timeout=10)

    assert not child.is_running()


def test_it_can_be_taken_away_again(running: Kernel):
    running.run("%unload_ext toolscript_extension")
    gone = running.run("%%toolscript\nreturn 1")
    running.run("%load_ext toolscript_extension")
    back = running.run("%%toolscript\nreturn 1")

    assert gone.reply["content"]["status"] == "error"
    assert back.reply["content"]["status"] == "ok"


def test_ipython_in_a_terminal_runs_scripts(tmp_path):
    code = f"import sys; sys.path[:0] = {PACKAGES!r}; import IPython; IPython.start_ipython(argv=['--simple-prompt', '--quick'])"
    cell = "%load_ext toolscript_extension\n%%toolscript\nconsole.log('hi')\nreturn [1, 2]\n\n\nexit\n"
    env = environment() | {"XDG_STATE_HOME": str(tmp_path / "state"), "TERM": "dumb"}
    env = {k: v for k, v in env.items() if not k.startswith("JPY_")}
    (tmp_path / "ws").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code], input=cell, cwd=tmp_path / "ws", env=env, capture_output=True, text=True,
        timeout=90, start_new_session=True,
    )  # fmt: skip

    assert "hi\n" in done.stdout, done.stdout + done.stderr
    assert "[1, 2]" in done.stdout
    assert os.listdir(tmp_path / "ws") == []
