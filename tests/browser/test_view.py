"""The live view in a real page: what it shows, and that nothing in it acts."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from tests.needs import need

need("chromium")

from tests.browser.lab import SHOTS, complaints, open_page  # noqa: E402
from tests.kernel import pictures, sample  # noqa: E402
from tests.kernel.record.test_picture import shown  # noqa: E402
from tests.kernel.record.test_record import HOSTILE, hostile  # noqa: E402

from toolscript import events as ev  # noqa: E402
from toolscript_kernel.record import Folder, fold, record  # noqa: E402
from toolscript_kernel.view import model  # noqa: E402
from toolscript_kernel.view.model import Model, patch  # noqa: E402

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
STATIC = Path(model.__file__).parent / "static"


@pytest.fixture
def page(chromium):
    it = open_page(chromium, width=900, height=900)
    it.asked = []
    it.complaints = []
    it.route("**/*", lambda route: (it.asked.append(route.request.url), route.abort()))
    it.on("pageerror", lambda error: it.complaints.append(str(error)))
    it.on("dialog", lambda dialog: (it.complaints.append("dialog"), dialog.dismiss()))
    css, js = ((STATIC / name).read_text() for name in ("view.css", "view.js"))
    it.set_content(f"<!doctype html><html lang=en><title>view</title><style>{css}</style><main></main>")
    it.add_script_tag(content=f"{js}\nObject.assign(window, {{ View, patched }});", type="module")
    it.wait_for_function("() => Boolean(window.View)")
    yield it
    it.context.close()


def states(events: list[ev.BaseEvent], every: int = 1) -> list[dict[str, object]]:
    """Return the states that a page would be told of, one after each event or so."""
    folder, view, found = Folder(), Model(max_calls=32, clock=lambda: 1_003.0), []
    for number, event in enumerate(events, 1):
        folder.add(event)
        if number % every == 0 or number == len(events):
            found.append(view.state(folder.transcript(), ended=number == len(events)))
    return json.loads(json.dumps(found))


def show(page, *shown: dict[str, object], into: str = "main") -> None:
    page.evaluate(
        """([states, into]) => {
          const view = new View();
          document.querySelector(into).append(view.element);
          for (const state of states) view.show(state);
          window.view = view;
        }""",
        [list(shown), into],
    )


def test_what_is_shown_step_by_step_is_what_is_shown_at_once(page):
    steps = states(sample.turn())
    page.evaluate(
        """([first, patches]) => {
          let state = first;
          const view = new View();
          document.querySelector("main").append(view.element);
          view.show(state);
          for (const patch of patches) view.show((state = patched(state, patch)));
          window.state = state;
        }""",
        [steps[0], [patch(a, b) for a, b in itertools.pairwise(steps)]],
    )
    grown = page.locator("main").inner_html()
    assert page.evaluate("state") == steps[-1]

    page.evaluate("document.querySelector('main').replaceChildren()")
    show(page, steps[-1])
    assert page.locator("main").inner_html() == grown
    assert page.complaints == []


def test_a_running_operation_can_stay_open_while_it_goes_on(page):
    cell = sample.Cell()
    r = cell.emitter.scoped(run_id="r-1")
    r.emit(ev.ScriptExecution, source="x", script_hash="h", origin="cell")
    r.emit(ev.OperationStarted, operation=1, tool="exec", arguments={"command": ["make"]}, line=1)
    r.emit(ev.OperationOutputDelta, operation=1, text="first\n")
    before = states(cell.events)[-1]
    r.emit(ev.OperationOutputDelta, operation=1, text="\x1b[31msecond\x1b[0m\n")
    after = states(cell.events)[-1]

    show(page, before | {"ended": None})
    page.locator(".ts-row summary").click()
    page.evaluate("state => view.show(state)", after | {"ended": None})

    assert page.locator(".ts-row pre").last.inner_text() == "first\nsecond\n"
    assert page.locator(".ts-ansi-1").inner_text() == "second"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_neither_acts_nor_asks_anything_of_the_network(page, text):
    show(page, *states(hostile(text)))
    for summary in page.locator("details > summary").all():
        summary.click()
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    assert page.complaints == []
    assert [url for url in page.asked if not url.startswith("about:")] == []
    assert page.locator("main :is(script, img, svg, iframe, object, embed, form, style, link)").count() == 0
    assert (
        page.evaluate(
            "[...document.querySelectorAll('main *')].flatMap(e => e.getAttributeNames()).filter(n => n.startsWith('on'))"
        )
        == []
    )


def test_a_picture_is_seen_and_what_only_claims_to_be_one_is_not_asked_for(page):
    show(page, states(shown(pictures.output()))[-1])
    page.wait_for_function("() => document.querySelector('img').naturalWidth === 320")
    page.screenshot(path=SHOTS / "view-picture.png")
    assert complaints(page, "main") == []

    state = states(shown(pictures.output()))[-1]
    for url in ("https://evil.example/x.png", "data:image/svg+xml;base64,PHN2Zz4="):
        state["parts"][0]["rows"][0]["image"] = url
        page.evaluate("document.querySelector('main').replaceChildren()")
        show(page, state)
        assert page.locator("main img").count() == 0
    assert [url for url in page.asked if not url.startswith(("about:", "data:image/png"))] == []


@pytest.mark.parametrize(("theme", "width"), [("light", 900), ("dark", 900), ("light", 420)])
def test_nothing_serious_stands_between_the_view_and_its_readers(page, theme, width):
    colours = {"light": ("#fff", "#1f2328"), "dark": ("#111", "#e6e6e6")}[theme]
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate(
        "([dark, back, front]) => { document.body.dataset.jpThemeLight = String(!dark);"
        " document.body.style.cssText = `background:${back};color:${front};font-family:system-ui;margin:16px`; }",
        [theme == "dark", *colours],
    )
    show(page, states(sample.turn())[-1])
    for summary in page.locator("details > summary").all():
        summary.click()
    SHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SHOTS / f"view-{theme}-{width}.png", full_page=True)

    assert contrasts(page) == []
    assert complaints(page, "main") == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_serious_stands_between_the_saved_record_and_its_readers(page, theme):
    colours = {"light": ("#fff", "#1f2328"), "dark": ("#111", "#e6e6e6")}[theme]
    page.set_content(
        f"<!doctype html><html lang=en><title>record</title><body style='background:{colours[0]};color:{colours[1]};"
        f"font-family:system-ui;margin:16px'><main>{record(fold(sample.turn()))[0]['text/html']}</main>"
    )
    for summary in page.locator("details > summary").all():
        summary.click()
    page.screenshot(path=SHOTS / f"record-{theme}.png", full_page=True)

    assert contrasts(page) == []
    assert complaints(page, "main") == []


def contrasts(page) -> list[object]:
    """Return the texts whose contrast with what lies behind them is below 4.5."""
    return page.evaluate(
        """() => {
          const parse = (c) => { const [r, g, b, a = 1] = c.match(/[\\d.]+/g).map(Number); return { r, g, b, a }; };
          const over = (top, below) => ({ r: top.r * top.a + below.r * (1 - top.a), g: top.g * top.a + below.g * (1 - top.a),
            b: top.b * top.a + below.b * (1 - top.a), a: 1 });
          const light = ({ r, g, b }) => [r, g, b].map((v) => v / 255)
            .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
          const bad = [];
          const walk = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
          for (let node; (node = walk.nextNode());) {
            const element = node.parentElement;
            if (!node.data.trim() || !element.checkVisibility()) continue;
            const chain = [];
            for (let e = element; e; e = e.parentElement) chain.unshift(e);
            let back = { r: 255, g: 255, b: 255, a: 1 }, opacity = 1;
            for (const e of chain) {
              back = over(parse(getComputedStyle(e).backgroundColor), back);
              opacity *= Number(getComputedStyle(e).opacity);
            }
            const colour = parse(getComputedStyle(element).color);
            const front = over({ ...colour, a: colour.a * opacity }, back);
            const [a, b] = [light(front), light(back)].sort((x, y) => y - x);
            const ratio = (a + 0.05) / (b + 0.05);
            // A sign repeats a word that stands beside it.
            if (ratio < (element.closest('[aria-hidden]') ? 3 : 4.5)) bad.push([node.data.trim().slice(0, 30), element.className, Math.round(ratio * 100) / 100]);
          }
          return bad;
        }"""
    )


@pytest.mark.parametrize("width", [960, 560, 420])
def test_arguments_take_the_room_that_outcomes_leave(page, width):
    cell = sample.Cell()
    r = cell.emitter.scoped(run_id="r-1")
    r.emit(ev.ScriptExecution, source="x", script_hash="h", origin="cell")
    words = ["python", "-m", "unittest", "discover", "-s", "tests/unit"]
    r.emit(ev.OperationStarted, operation=1, tool="exec", arguments={"command": words}, line=1)
    r.emit(ev.OperationFinished, operation=1, tool="exec", status=ev.OperationStatus.SUCCEEDED, output={"exitCode": 0})
    page.set_viewport_size({"width": width, "height": 600})
    show(page, states(cell.events)[-1])
    page.screenshot(path=SHOTS / f"row-{width}.png")

    what = page.locator(".ts-what")
    assert what.evaluate("e => e.scrollWidth <= e.clientWidth && e.scrollHeight <= e.clientHeight + 1")
