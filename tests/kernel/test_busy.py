"""What a kernel owes its clients while a cell waits, on the ipykernel versions that people have."""

from __future__ import annotations

import pytest
from tests.kernel import versions
from tests.kernel.running import Kernel, kernel


@pytest.fixture(scope="module", params=versions.ALL, ids=lambda v: v or "installed")
def running(request, tmp_path_factory):
    with kernel(cwd=tmp_path_factory.mktemp("workspace"), ipykernel=versions.have(request.param)) as it:
        if request.param:
            found = it.run("%%py\nimport ipykernel; ipykernel.__version__").of("execute_result")
            assert found[0]["data"]["text/plain"] == repr(request.param)
        it.handshake()
        yield it


def test_a_click_on_allow_resumes_the_waiting_script(running: Kernel):
    cell, models = _pause(running)
    running.click(models["Allow once"])
    it = running.finish(cell)

    assert it.reply["content"]["status"] == "ok"
    assert it.of("update_display_data")[-1]["data"]["text/plain"].endswith(
        "exec rm it → exit 0  [allowed once]  (line 2)"
    )


def test_a_click_that_comes_over_a_subshell_resumes_the_script_as_well(running: Kernel):
    if "kernel subshells" not in running.ask("kernel_info_request", {})["content"].get("supported_features", []):
        pytest.skip("this ipykernel has no subshells")
    subshell = running.subshell()
    cell, models = _pause(running)
    running.click(models["Allow once"], subshell_id=subshell)
    it = running.finish(cell)

    assert it.of("execute_result")[0]["data"]["text/plain"] == "1"
    assert running.run("%%toolscript\nreturn 2").of("execute_result")[0]["data"]["text/plain"] == "2"


def test_a_click_on_deny_reaches_the_script_with_the_reason(running: Kernel):
    cell, models = _pause(running)
    running.set(models["reason, if any"], value="not today")
    running.click(models["Deny"])
    it = running.finish(cell)

    assert it.reply["content"]["evalue"] == "denied by widget: not today"


def test_doubled_and_stale_clicks_do_nothing(running: Kernel):
    cell, models = _pause(running)
    for _ in range(3):
        running.click(models["Deny"])
    running.click(models["Allow once"])
    denied = running.finish(cell)
    second, others = _pause(running)
    running.click(models["Allow once"])
    running.click(others["Deny"])
    stale = running.finish(second)

    assert denied.reply["content"]["ename"] == "ApprovalDenied"
    assert stale.reply["content"]["ename"] == "ApprovalDenied"


def test_completion_and_new_clients_are_served_while_a_cell_waits(running: Kernel):
    cell, models = _pause(running)
    info = running.ask("kernel_info_request", {})
    completed = running.ask("complete_request", {"code": "%%py\nimport sys\nsys.exe", "cursor_pos": 23})
    comms = running.ask("comm_info_request", {"target_name": "jupyter.widget"})

    assert info["content"]["implementation"] == "toolscript"
    assert "executable" in completed["content"]["matches"]
    assert models["Deny"] in comms["content"]["comms"]
    running.click(models["Allow once"])
    assert running.finish(cell).reply["content"]["status"] == "ok"


def test_output_after_a_message_was_served_still_belongs_to_the_cell(running: Kernel):
    running.handshake()
    cell, models = _pause(running, "log after\nreturn 5")
    running.ask("kernel_info_request", {})
    running.click(models["Allow once"])
    it = running.finish(cell)

    assert it.stdout == "after\n"
    assert it.of("execute_result")[0]["data"]["text/plain"] == "5"


def test_an_interrupt_stops_the_run_and_the_next_cell_works(running: Kernel):
    waiting = running.send("%%toolscript\nlog begun\nwait")
    list(running.until(waiting, lambda m: m["msg_type"] == "stream"))
    running.manager.interrupt_kernel()
    stopped = running.finish(waiting)

    assert stopped.reply["content"]["ename"] == "Interrupted"
    assert running.run("%%toolscript\nreturn 1").reply["content"]["status"] == "ok"


def test_an_interrupt_takes_a_pending_request_back(running: Kernel):
    cell, models = _pause(running)
    running.manager.interrupt_kernel()
    it = running.finish(cell)
    running.click(models["Allow once"])

    assert it.reply["content"]["ename"] == "Interrupted"
    listed = running.run("%toolscript approvals")
    assert listed.of("display_data")[0]["data"]["text/plain"] == "nothing waits, and nothing is allowed ahead"


def test_an_interrupt_aborts_the_cells_that_were_queued(running: Kernel):
    cell, _ = _pause(running)
    queued = running.send("%%toolscript\nreturn 2")
    running.manager.interrupt_kernel()
    running.finish(cell)

    assert running.shell_reply(queued)["content"]["status"] == "aborted"


def test_a_second_cell_waits_for_the_first(running: Kernel):
    cell, models = _pause(running)
    queued = running.send("%%toolscript\nreturn 2")
    running.ask("kernel_info_request", {})
    running.click(models["Allow once"])
    running.finish(cell)

    assert running.finish(queued).of("execute_result")[0]["data"]["text/plain"] == "2"


def _pause(running: Kernel, after: str = "return 1") -> tuple[str, dict[str, str]]:
    """Start a cell that waits for consent; returns it and the models of its controls by what is written on them."""
    cell = running.send(f"%%toolscript\nask exec rm it\n{after}", allow_stdin=True, cell_id="c1")
    models = {}
    for message in running.until(cell, lambda m: "toolscript-approval" in str(m["content"])):
        if message["msg_type"] == "comm_open":
            state = message["content"]["data"]["state"]
            models[state.get("description") or state.get("placeholder") or ""] = message["content"]["comm_id"]
    return cell, models
