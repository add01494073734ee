from __future__ import annotations

import psutil
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


def test_a_file_in_the_workspace_never_takes_a_modules_place(running: Kernel):
    # The standard library's, and one that error reports look for although it is not installed.
    for name in ("mailbox", "astroid", "ctags"):
        (running.cwd / f"{name}.py").write_text("open('PLANTED', 'w').close()\n")

    inside = running.run("%%py\nimport mailbox; mailbox.Maildir.__module__")
    failed = running.run("%%py\nundefined")
    again = running.run("%%py\n{}['missing']")

    assert inside.of("execute_result")[0]["data"]["text/plain"] == "'mailbox'"
    assert [it.reply["content"]["ename"] for it in (failed, again)] == ["NameError", "KeyError"]
    assert not (running.cwd / "PLANTED").exists()


def test_a_request_is_refused_at_once_where_nobody_can_be_asked(running: Kernel):
    it = running.run("%%toolscript\nask exec rm it")

    assert it.reply["content"]["ename"] == "ApprovalUnavailable"
    assert "%toolscript allow exec" in it.reply["content"]["evalue"]


def test_an_answer_given_ahead_counts_once(running: Kernel):
    ahead = running.run("%toolscript answer allow")
    first = running.run("%%toolscript\nask exec rm it\nreturn 1")
    second = running.run("%%toolscript\nask exec rm it\nreturn 1")

    said = "the next request of the next cell will be answered: allow; unused, it is dropped with that cell"
    assert ahead.of("display_data")[0]["data"] == {"text/plain": said}
    assert first.reply["content"]["status"] == "ok"
    assert second.reply["content"]["status"] == "error"


def test_an_answer_given_ahead_is_listed_and_goes_with_its_cell(running: Kernel):
    running.run("%toolscript answer deny not today")
    listed = running.run("%toolscript approvals")
    unused = running.run("%%toolscript\nreturn 1")
    later = running.run("%toolscript approvals")

    assert "answered ahead, for the next cell: deny not today" in listed.of("display_data")[0]["data"]["text/plain"]
    assert "dropped: an answer that was given ahead" in str([d["data"] for d in unused.of("display_data")])
    assert "answered ahead" not in later.of("display_data")[0]["data"]["text/plain"]


def test_a_console_is_asked_on_its_prompt_and_reads_what_is_asked(running: Kernel):
    cell = running.send("%%toolscript\nask exec rm it\nreturn 1", allow_stdin=True)
    asked = running.client.get_stdin_msg(timeout=30)
    running.client.input("y")
    it = running.finish(cell)

    assert asked["content"]["prompt"].startswith(
        "[y] allow once, [a]llow for this conversation (exec: rm it), [e]dit, [n] deny REASON"
    )
    assert it.reply["content"]["status"] == "ok"
    assert "Tool: exec\nWhat it would do: runs rm it\nWhy it asks: " in it.stdout
    assert "✓ 1 exec rm it → exit 0" in it.stdout
    assert it.of("display_data") == []


def test_nothing_but_a_clear_answer_on_a_console_decides(running: Kernel):
    cell = running.send("%%toolscript\nask exec rm it", allow_stdin=True)
    for typed in ("", "maybe", "v", "e", "{no json", "", "n not today"):
        running.client.get_stdin_msg(timeout=30)
        running.client.input(typed)
    it = running.finish(cell)

    assert it.reply["content"]["evalue"] == "denied by console: not today"
    assert it.stdout.count("Type one of the letters in brackets, and Enter.") == 2
    assert "this is not JSON" in it.stdout


def test_an_interrupt_takes_the_question_back_from_a_console(running: Kernel):
    cell = running.send("%%toolscript\nask exec rm it", allow_stdin=True)
    running.client.get_stdin_msg(timeout=30)
    running.manager.interrupt_kernel()
    stopped = running.finish(cell)
    again = running.send("%%toolscript\nask exec rm it\nreturn 7", allow_stdin=True)
    running.client.get_stdin_msg(timeout=30)
    running.client.input("yes")

    assert stopped.reply["content"]["ename"] == "Interrupted"
    assert running.finish(again).of("execute_result")[0]["data"]["text/plain"] == "7"


def test_a_console_reads_an_answer_as_it_streams(running: Kernel):
    it = running.run("Look around\n  log inside\n  return 3", allow_stdin=True)

    assert it.stdout == ("Look around\n  log inside\n  return 3 \n  | inside\n✓ script completed\n  = 3\n")


@pytest.mark.parametrize("restart", [False, True])
def test_nothing_is_left_behind_by_shutdown_or_restart(tmp_path, restart: bool):
    with kernel(cwd=tmp_path) as it:
        cell = it.send("%%toolscript\nspawn\nwait")
        (message,) = [m for m in it.until(cell, lambda m: m["msg_type"] == "stream") if m["msg_type"] == "stream"]
        child = psutil.Process(int(message["content"]["text"].split()[1]))
        if restart:
            it.manager.restart_kernel()
        else:
            it.manager.shutdown_kernel()
        child.wait(timeout=10)

    assert not child.is_running()


def test_a_silent_request_is_never_a_turn(running: Kernel):
    it = running.run("x = 1; x", silent=True, store_history=False)

    assert it.reply["content"]["status"] == "ok"
    assert it.outputs == []


def test_a_wrong_option_is_an_error_that_shows_how_it_is_written(running: Kernel):
    it = running.run("%%toolscript --parm a=1\nreturn 1")

    assert it.reply["content"]["ename"] == "ConfigError"
    assert it.reply["content"]["evalue"].startswith("%%toolscript: unrecognized arguments: --parm a=1; usage: ")


def test_an_agent_that_there_is_not_is_refused_with_near_names(tmp_path):
    with kernel(standin=False, cwd=tmp_path) as it:
        it.run("%agent recorded")
        refused = [
            it.run(code).reply["content"] for code in ("%agent record", "%agent record\nHello", "%%py\n%agent nobody")
        ]
        agent = it.run("%toolscript status").of("display_data")[0]["data"]["text/plain"].splitlines()[1]

    assert [r["status"] for r in refused] == ["error"] * 3
    assert all("there is no agent 'record'; did you mean recorded?" in r["evalue"] for r in refused[:2])
    assert "there is no agent 'nobody'; agents are anthropic" in refused[2]["evalue"]
    assert agent == "agent: recorded"


def test_a_script_cell_that_may_use_a_tool_that_there_is_not_fails_before_it_runs(tmp_path):
    with kernel(standin=False, cwd=tmp_path) as it:
        wrong = it.run("%%toolscript --tools readFil,listDir\nconsole.log('ran')")
        pattern = it.run("%%toolscript --tools mcp.git.*\nconsole.log('ran')")
        right = it.run("%%toolscript --tools read*,listDir --limit calls=1\n(await listDir('.')).length")

    assert wrong.reply["content"]["evalue"].startswith(
        "%%toolscript --tools: there is no tool 'readFil'; did you mean "
    )
    assert "readFile" in wrong.reply["content"]["evalue"]
    assert "there is no tool 'mcp.git.*'; %toolscript tools lists them" in pattern.reply["content"]["evalue"]
    assert (wrong.stdout, pattern.stdout) == ("", "")
    assert right.reply["content"]["status"] == "ok"


def test_parameters_that_papermill_injects_are_no_prompt(running: Kernel):
    it = running.run("# Parameters\nx = 3\n")

    assert it.reply["content"]["ename"] == "ConfigError"
    assert "papermill" in it.reply["content"]["evalue"]
    assert "%%py" in it.reply["content"]["evalue"]
    assert not it.of("display_data")


def test_commands_say_what_they_did(running: Kernel):
    shown = [
        running.run(f"%toolscript {words}").of("display_data")[0]["data"]["text/plain"] for words in ("help", "status")
    ]
    wrong = running.run("%toolscript frobnicate")

    assert shown[0].startswith("%toolscript help\n")
    assert {"%agent NAME", "%%toolscript [OPTION]…", "--out NAME[:frame]", "--tools TOOL,…"} <= {*shown[0].splitlines()}
    assert max(map(len, shown[0].splitlines())) <= 64
    assert "agent: recorded" in shown[1]
    assert "policy: on-request" in shown[1]
    assert wrong.reply["content"]["evalue"].startswith("%toolscript: there is no command 'frobnicate'")


def test_a_command_between_lines_of_python_works_as_a_magic(running: Kernel):
    it = running.run("%%py\nx = 2\n%toolscript approvals\nx")

    assert it.stdout == "nothing waits, and nothing is allowed ahead\n"
    assert it.of("execute_result")[0]["data"]["text/plain"] == "2"


def test_tab_and_hover_in_a_script_cell_count_from_the_start_of_the_cell(running: Kernel):
    code = "%%toolscript --param word=1\nstore.ge"
    found = running.ask("complete_request", {"code": code, "cursor_pos": len(code)})["content"]
    hover = running.ask("inspect_request", {"code": code + "t", "cursor_pos": len(code), "detail_level": 0})["content"]
    prose = running.ask("complete_request", {"code": "Please sto", "cursor_pos": 10})["content"]
    command = running.ask("complete_request", {"code": "%toolscript ans", "cursor_pos": 15})["content"]

    assert (found["matches"], found["cursor_start"], found["cursor_end"]) == (["get"], len(code) - 2, len(code))
    assert found["metadata"]["_jupyter_types_experimental"][0]["type"].startswith("function")
    assert hover["data"]["text/markdown"].startswith("```ts\nget: (key: string) => any\n```\n\n")
    assert prose["matches"] == []
    assert (command["matches"], command["cursor_start"]) == (["answer"], 12)


def test_a_page_that_draws_no_buttons_is_asked_on_its_prompt(running: Kernel):
    cell = running.send("%%toolscript\nask exec rm it\nreturn 1", allow_stdin=True, cell_id="v1")
    asked = running.client.get_stdin_msg(timeout=30)
    running.client.input("y")
    it = running.finish(cell)

    assert asked["content"]["prompt"].startswith("[y] allow once")
    assert it.reply["content"]["status"] == "ok"
    assert it.of("update_display_data")[-1]["data"]["text/plain"].endswith("[allowed once (console)]  (line 2)")


def test_a_fault_of_our_own_is_a_typed_reply_and_the_next_cell_works(running: Kernel):
    running.run("%%py\nfrom tests.kernel.standin.harness import StandIn\nkept, StandIn.run = StandIn.run, 1")
    broken = running.run("%%toolscript\nreturn 1")
    running.run("%%py\nStandIn.run = kept")

    assert broken.reply["content"]["ename"] == "InternalError"
    assert broken.reply["content"]["traceback"] == [
        "InternalError: toolscript itself failed (TypeError: 'int' object is not callable); the kernel's log says where"
    ]
    assert [o["type"] for o in broken.outputs] == ["error"]
    assert running.run("%%toolscript\nreturn 1").reply["content"]["status"] == "ok"


def test_what_an_untrusted_configuration_wants_is_told_once(tmp_path):
    (tmp_path / "toolscript.toml").write_text('[agents.mine]\nprovider = "recorded"\n')
    with kernel(cwd=tmp_path, standin=False) as it:
        first, second = it.run("%%toolscript\nreturn 1"), it.run("%%toolscript\nreturn 1")

    (told,) = first.of("stream")
    assert told["name"] == "stderr"
    assert "toolscript.toml is not trusted; without effect are:\n" in told["text"]
    assert second.of("stream") == []
