"""A task that outlives its cell, in a real kernel: the cell's record tells how it ended."""

from __future__ import annotations

from tests.kernel.running import kernel

RUN = "application/vnd.toolscript.run+json"


def test_a_task_that_ends_after_its_cell_updates_that_cells_record(tmp_path):
    with kernel(standin=False, cwd=tmp_path) as it:
        it.handshake()
        it.run("%%py\n1")
        cell = it.send(
            "%%toolscript\nconst task = tools.spawn.shell('until test -e go; do sleep 0.05; done; exit 3');\n"
            "return task.id",
            allow_stdin=True,
            cell_id="c1",
        )
        reply = it.finish(cell)
        assert reply.reply["content"]["status"] == "ok", reply.outputs
        shown = [m for m in reply.messages if RUN in m["content"].get("data", {})]
        record = shown[-1]["content"]
        assert record["data"][RUN]["parts"][0]["operations"][0]["outcome"] == "goes on as a task"
        assert "until test -e go" in record["data"]["text/plain"]

        (tmp_path / "go").touch()
        *_, update = it.until(cell, lambda m: m["msg_type"] == "update_display_data")
        (operation,) = update["content"]["data"][RUN]["parts"][0]["operations"]
        assert (operation["status"], operation["outcome"]) == ("succeeded", "exit 3")
        assert update["content"]["transient"] == record["transient"]
        tape = update["content"]["metadata"][RUN]["scripts"][0]
        assert tape["operations"][0]["durationMs"] > 0
