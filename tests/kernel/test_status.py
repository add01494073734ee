"""``%toolscript status`` tells what the workers did and how often a script was known already."""

from __future__ import annotations

from tests.kernel.running import kernel


def status(it):
    (shown,) = it.run("%toolscript status").of("display_data")
    return dict(line.split(": ", 1) for line in shown["data"]["text/plain"].splitlines())


def test_status_tells_what_workers_and_caches_did(tmp_path):
    with kernel(standin=False, cwd=tmp_path) as it:
        before = status(it)
        for _ in range(2):
            it.run("%%toolscript\nconst n: number = 2; n + 1")
        after = status(it)

    assert (before["workers"], before["scripts"]) == ("0 (0 busy, 0 idle, 0 starting)", "0 run")
    assert after["workers"].endswith("; replaced: used up 2")
    assert after["scripts"] == "2 run; known already: parsed 50%, stripped 50%"


def test_a_server_that_does_not_start_is_told_by_the_first_cell_and_by_the_status(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "config" / "toolscript").mkdir(parents=True)
    (tmp_path / "config" / "toolscript" / "toolscript.toml").write_text('[mcp.git]\ncommand = ["no-such-program"]\n')
    with kernel(standin=False, cwd=tmp_path) as it:
        before = status(it)["mcp"]
        first, second = (it.run("%%toolscript\n1") for _ in range(2))
        after = status(it)["mcp"]

    said = [m["text"] for m in first.of("stream") if m["name"] == "stderr"]
    assert said == ["MCP server 'git' did not start: there is no program 'no-such-program'\n"]
    assert not second.of("stream")
    assert before == "git (to be started with the first script or turn)"
    assert after == "git failed (there is no program 'no-such-program')"
