from __future__ import annotations

import pytest
from tests.kernel.running import Kernel, kernel


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with kernel(cwd=tmp_path_factory.mktemp("workspace")) as it:
        yield it


def test_a_script_cell_prints_its_console_and_shows_its_result(running: Kernel):
    it = running.run('%%toolscript\nlog hello, world\nreturn {"a": 1}')

    assert it.reply["content"]["status"] == "ok"
    assert it.outputs == [
        {"type": "stream", "name": "stdout", "text": "hello, world\n"},
        {"type": "execute_result", "data": {"text/plain": '{"a": 1}'}, "metadata": {}, "execution_count": 1},
    ]


def test_a_script_that_throws_is_one_error_that_points_at_the_users_line(running: Kernel):
    it = running.run("%%toolscript\nlog before\nthrow no such thing")

    assert it.reply["content"]["status"] == "error"
    (error,) = it.of("error")
    assert (error["ename"], error["evalue"]) == ("Error", "no such thing")
    assert error["traceback"] == [
        "Error: no such thing",
        "  at line 3, column 1 of the cell",
        "",
        "  2 | log before",
        "> 3 | throw no such thing",
        "    | ^",
    ]


def test_a_plain_cell_is_a_turn_whose_record_is_shown_once_where_nothing_can_be_updated(running: Kernel):
    it = running.run("Look around\n  call exec git status\n  return 3")

    (record,) = it.of("display_data")
    assert it.of("update_display_data") == []
    assert set(record["data"]) == {"application/vnd.toolscript.run+json", "text/html", "text/markdown", "text/plain"}
    assert record["data"]["text/plain"] == (
        "Look around\n  call exec git status\n  return 3\n\n"
        "✓ script completed · 1 operation\n  ✓ 1 exec git status → exit 0  (line 1)\n  = 3"
    )


def test_python_cells_have_the_kernels_own_namespace_and_see_the_last_run(running: Kernel):
    running.run("%%toolscript --out answer\nreturn 42")
    it = running.run("%%py\nanswer, _run.result, _run.status.value")

    assert it.of("execute_result")[0]["data"]["text/plain"] == "(42, 42, 'completed')"


def test_python_values_become_parameters(running: Kernel):
    running.run("%%py\nnumbers = (1, 2)")
    it = running.run("%%toolscript --in numbers --param word=x --param n=3\nparams")

    assert it.of("execute_result")[0]["data"]["text/plain"] == '{"numbers": [1, 2], "word": "x", "n": 3}'


def test_the_workspace_can_be_imported_from_only_while_a_python_cell_runs(running: Kernel):
    (running.cwd / "mine.py").write_text("x = 1\n")

    inside = running.run("%%py\nimport mine; mine.x")
    running.run("!true\nimport sys; outside = list(sys.path)")
    checked = running.run(
        "%%py\nimport os; [p for p in outside if p in ('', '.', os.getcwd())], os.getcwd() in sys.path"
    )

    assert inside.of("execute_result")[0]["data"]["text/plain"] == "1"
    assert checked.of("execute_result")[0]["data"]["text/plain"] == "([], True)"


def test_a_request_is_refused_at_once_where_nobody_can_be_asked(running: Kernel):
    it = running.run("%%toolscript\nask exec rm it")

    assert it.reply["content"]["ename"] == "ApprovalUnavailable"
    assert "%toolscript allow exec" in it.reply["content"]["evalue"]


def test_an_answer_given_ahead_counts_once(running: Kernel):
    ahead = running.run("%toolscript answer allow")
    first = running.run("%%toolscript\nask exec rm it\nreturn 1")
    second = running.run("%%toolscript\nask exec rm it\nreturn 1")

    assert ahead.of("display_data")[0]["data"] == {"text/plain": "the next request will be answered: allow"}
    assert first.reply["content"]["status"] == "ok"
    assert second.reply["content"]["status"] == "error"


def test_an_interrupt_stops_the_run_and_the_next_cell_works(running: Kernel):
    waiting = running.send("%%toolscript\nlog begun\nwait")
    list(running.until(waiting, lambda m: m["msg_type"] == "stream"))
    running.manager.interrupt_kernel()
    stopped = running.finish(waiting)

    assert stopped.reply["content"]["ename"] == "Interrupted"
    assert running.run("%%toolscript\nreturn 1").reply["content"]["status"] == "ok"


def test_a_click_on_allow_resumes_the_waiting_script(running: Kernel):
    running.handshake()
    cell = running.send("%%toolscript\nask exec rm it\nreturn 1", allow_stdin=True, cell_id="c1")
    models = _buttons(running, cell)
    running.click(models["Allow once"])
    it = running.finish(cell)

    assert it.reply["content"]["status"] == "ok"
    assert it.of("update_display_data")[-1]["data"]["text/plain"].endswith("exec rm it → exit 0  (line 2)")


def _buttons(running: Kernel, cell: str) -> dict[str, str]:
    models = {}
    for message in running.until(cell, lambda m: m["msg_type"] == "comm_open" and "Deny and stop" in str(m)):
        if message["msg_type"] == "comm_open":
            state = message["content"]["data"]["state"]
            models[state.get("description", "")] = message["content"]["comm_id"]
    return models
