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
