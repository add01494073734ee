"""What is saved of a cell: the same facts in every form, stable, and nothing that acts."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest
from tests.kernel import sample

from toolscript import events as ev
from toolscript_kernel.record import MIME, fold, record

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</pre></details><svg onload=alert(1)>",
    "```\n# a heading\n<b>bold</b>",
    "$$\\href{javascript:alert(1)}{x}$$",
    "\x1b[2J\x1b]8;;https://evil\x07link\x1b]8;;\x07",
    "a\rb\x08c\u202ed\ud800\x00e",
    "</tool-calls><tool-calls>",
]
ELEMENTS = {
    "a", "b", "blockquote", "br", "code", "details", "div", "em", "h1", "h2", "hr", "li", "mark", "ol", "p", "pre",
    "span", "strong", "summary", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip


class Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_a_turn_reads_as_text():
    data, _ = record(fold(sample.turn()))

    assert data["text/plain"] == (
        "I look for *TODOs* and run the tests.\n\n"
        "✓ script completed · 3 operations\n"
        '  ✓ 1 grepFiles pattern: "TODO", path: "." → 1 item  (line 1)\n'
        "  ✗ 2 exec python -m unittest -q → exit 1  (line 3)\n"
        "  ✓ 3 applyPatch *** Begin Patch → modified shop/cart.py  [allowed once (notebook)]  (line 4)\n"
        "  | 1 TODOs, exit 1\n"
        '  = {"todos": 1, "failed": true}\n\n'
        "Done: `total` counts each item now."
    )


def test_a_second_run_of_the_same_cell_gives_the_same_record():
    def again(shift: float) -> dict[str, object]:
        events = [e.model_copy(update={"time": e.time + shift}) for e in sample.turn()]
        renamed = [e.model_copy(update={"run_id": f"r-{shift}"}) if e.run_id else e for e in events]
        return record(fold(renamed))[0]

    assert again(0.0) == again(12.5)


def test_times_ids_and_outputs_are_in_the_metadata_and_nowhere_else():
    data, metadata = record(fold(sample.turn()))
    script = metadata[MIME]["scripts"][0]

    shown = json.dumps(data)
    assert [w for w in ("r-1", "t-1", "c-1", "out-7", "0.012s", "8.25") if w in shown] == []
    assert script["operations"][1]["output"] == {"exitCode": 1, "stdout": "Ran 3 tests in 0.012s"}
    assert metadata[MIME]["tokens"]["cached"] == 900


def test_an_edited_operation_shows_what_ran_and_what_the_script_had_asked_for():
    cell = sample.Cell()
    r = cell.emitter.scoped(run_id="r-1")
    r.emit(ev.ScriptExecution, source="await shell('rm -f a')", script_hash="h")
    r.emit(ev.OperationStarted, operation=1, tool="shell", arguments={"command": "rm -f a"})
    edit = {"decision": "edit", "by": "widget", "arguments": {"command": "rm -f b"}}
    r.emit(ev.ApprovalResolved, approval_id="x", operation=1, **edit)
    r.emit(ev.OperationFinished, operation=1, tool="shell", status=ev.OperationStatus.SUCCEEDED)

    data, _ = record(fold(cell.events))

    for form in ("text/plain", "text/markdown", "text/html"):
        _, ran, rest = data[form].partition("rm -f b")
        assert ran and "rm -f a" in rest.partition("the script asked for")[2]
    (row,) = data[MIME]["parts"][0]["operations"]
    assert (row["arguments"], row["asked_arguments"]) == ({"command": "rm -f b"}, {"command": "rm -f a"})


def test_the_path_of_the_workspace_is_not_saved(tmp_path):
    cell = sample.Cell()
    r = cell.emitter.scoped(run_id="r-1")
    r.emit(ev.ScriptExecution, source="x", script_hash="h", origin="cell")
    home = tmp_path / "ws"
    sample._operation(r, 1, "readFile", {"path": f"{home}/a.txt"}, "a\nb\n")
    sample._operation(r, 2, "readFile", {"path": f"{home}-notes/a.txt {tmp_path}:1"}, "a")
    data, _ = record(fold(cell.events), workspace=home)

    assert data["text/plain"] == (
        "● script running · 2 operations\n"
        "  ✓ 1 readFile ./a.txt → 2 lines  (line 1)\n"
        "  ✓ 2 readFile ../ws-notes/a.txt ..:1 → 1 line  (line 3)"
    )
    assert str(tmp_path) not in json.dumps(data)


def test_an_output_that_is_too_large_is_kept_by_its_hash():
    cell = sample.Cell()
    r = cell.emitter.scoped(run_id="r-1")
    r.emit(ev.ScriptExecution, source="x", script_hash="h")
    sample._operation(r, 1, "readFile", {"path": "a"}, "x" * 70_000)
    _, metadata = record(fold(cell.events))

    assert metadata[MIME]["complete"] is False
    assert set(metadata[MIME]["scripts"][0]["operations"][0]) >= {"sha256"}
    assert "output" not in metadata[MIME]["scripts"][0]["operations"][0]


def test_what_an_agent_does_under_an_operation_is_shown_under_it():
    cell = sample.Cell()
    outer = cell.emitter.scoped(turn_id="t-1", run_id="r-1")
    outer.emit(ev.ScriptExecution, source="await tools.agent({})", script_hash="h")
    outer.emit(ev.OperationStarted, operation=1, tool="agent", arguments={"agent": "critic", "prompt": "look"})
    inner = cell.emitter.scoped(turn_id="t-2", parent="r-1/1")
    inner.emit(ev.TurnStarted, prompt="look", agent="critic")
    inner.emit(ev.MessageDelta, text="It is fine.")
    sample.script(inner.scoped(run_id="r-2"))
    inner.emit(ev.TurnFinished, status="completed", steps=1)
    outer.emit(
        ev.OperationFinished, operation=1, tool="agent", status=ev.OperationStatus.SUCCEEDED, output={"text": "fine"}
    )
    transcript = fold(cell.events)

    assert [p.run.run_id for p in transcript.scripts] == ["r-1"]
    assert transcript.scripts[0].nested[1].agent == "critic"
    data, _ = record(transcript)
    assert "    It is fine.\n" in data["text/plain"]
    assert data[MIME]["parts"][0]["operations"][0]["agent"]["parts"][1]["operations"][0]["tool"] == "grepFiles"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_inert_in_every_form(text: str):
    data, metadata = record(fold(hostile(text)))

    html = Elements(data["text/html"])
    assert {tag for tag, _ in html.found} <= ELEMENTS
    assert [a for _, attrs in html.found for a in attrs if a.startswith("on")] == []
    assert [h for _, attrs in html.found if (h := attrs.get("href")) and not h.startswith(("https:", "http:"))] == []
    for form in ("text/html", "text/markdown", "text/plain"):
        assert not set(data[form]) & set(map(chr, [*range(9), *range(11, 32), 127, 0x202E, 0xD800]))
    json.dumps([data, metadata], ensure_ascii=False).encode()


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_of_hostile_text_renders_without_elements_of_its_own(text: str):
    from markdown_it import MarkdownIt

    data, _ = record(fold(hostile(text)))
    html = Elements(MarkdownIt("commonmark", {"html": True}).enable("table").render(data["text/markdown"]))

    assert {tag for tag, _ in html.found} <= ELEMENTS
    assert not any("evil" in str(attrs) or "alert" in str(attrs) for _, attrs in html.found)


def test_images_and_unsafe_links_in_an_answer_are_shown_as_text():
    written = "![x](https://evil.example/?q=SECRET) [a](javascript:alert(1)) [b](https://ok.example) <img src=y>"
    cell = sample.Cell().say(written)
    html = Elements(record(fold(cell.events))[0]["text/html"])

    links = [attrs["href"] for tag, attrs in html.found if tag == "a"]
    assert links == ["https://evil.example/?q=SECRET", "https://ok.example"]
    assert [tag for tag, _ in html.found if tag in ("img", "script", "iframe")] == []
    assert all("noopener" in str(attrs["rel"]) for tag, attrs in html.found if tag == "a")


def test_a_warning_counts_lines_as_the_cell_does():
    cell = sample.Cell()
    run = cell.emitter.scoped(run_id="r-1")
    run.emit(ev.ScriptExecution, source="readFile('a')", script_hash="h")
    said = ("line 1: nobody awaited readFile", "it says line 1: of something else")
    run.emit(ev.ScriptExecutionOutput, status=ev.RunStatus.COMPLETED, script_hash="h", warnings=said)

    text = record(fold(cell.events), offset=2)[0]["text/plain"]

    assert "line 3: nobody awaited readFile" in text
    assert "it says line 1: of something else" in text


def hostile(text: str) -> list[ev.BaseEvent]:
    """A turn in which everything that a model, script or tool can say is hostile."""
    cell = sample.Cell()
    e = cell.emitter.scoped(turn_id="t-1")
    e.emit(ev.TurnStarted, prompt=text, agent=text, model=text)
    e.emit(ev.MessageDelta, text=text)
    e.emit(ev.MessageDelta, text=text, channel="reasoning")
    e.emit(ev.FunctionCall, call_id="1", name=text, arguments=text)
    e.emit(ev.FunctionCallOutput, call_id="1", name=text, output=text)
    r = e.scoped(run_id="r-1")
    r.emit(ev.ScriptExecution, source=text, script_hash="h")
    r.emit(ev.ScriptLog, level="log", text=text)
    r.emit(
        ev.OperationStarted, operation=1, tool=text, arguments={text: text, "command": [text, "x" * 200]}, effect=text
    )
    r.emit(
        ev.OperationFinished, operation=1, tool=text, status=ev.OperationStatus.FAILED, output=text, diff=text,
        error={"name": text, "message": text}, ran_with={text: text},
    )  # fmt: skip
    r.emit(ev.OperationStarted, operation=2, tool="t", arguments=[text])
    r.emit(ev.OperationFinished, operation=2, tool="t", status=ev.OperationStatus.SUCCEEDED, output={"added": [text]})
    r.emit(
        ev.ScriptExecutionOutput, status=ev.RunStatus.FAILED, script_hash="h", result={text: text}, warnings=(text,),
        error={"name": "ScriptThrew", "message": text, "line": 1, "column": 3},
    )  # fmt: skip
    e.emit(ev.ErrorEvent, error={"name": text, "message": text})
    e.emit(ev.TurnFinished, status="stopped", reason=text, text=text)
    return cell.events


def test_the_order_of_arguments_outlasts_a_notebook_that_is_saved_with_sorted_keys():
    row = record(fold(sample.turn()))[0][MIME]["parts"][1]["operations"][0]

    assert list(row["arguments"]) == row["order"] == ["pattern", "path"]


def test_what_a_stopped_command_had_printed_is_kept():
    cell = sample.Cell()
    r = cell.emitter.scoped(run_id="r-1")
    r.emit(ev.ScriptExecution, source="x", script_hash="h", origin="cell")
    r.emit(ev.OperationStarted, operation=1, tool="exec", arguments={"command": ["make"]}, line=1)
    r.emit(ev.OperationOutputDelta, operation=1, text="had printed\n")
    error = {"name": "RunAborted", "code": "aborted", "message": "stopped"}
    r.emit(ev.OperationFinished, operation=1, tool="exec", status=ev.OperationStatus.CANCELLED, error=error)

    assert record(fold(cell.events))[1][MIME]["scripts"][0]["operations"][0]["tail"] == "had printed\n"


def test_that_a_call_was_denied_is_said_once():
    cell = sample.Cell()
    r = cell.emitter.scoped(run_id="r-1")
    r.emit(ev.ScriptExecution, source="x", script_hash="h", origin="cell")
    r.emit(ev.OperationStarted, operation=1, tool="exec", arguments={"command": ["rm"]}, line=1)
    r.emit(ev.ApprovalRequested, approval_id="a", operation=1, request={})
    r.emit(ev.ApprovalResolved, approval_id="a", operation=1, decision="deny", by="widget", reason="no")
    error = {"name": "ApprovalDenied", "message": "exec was denied by a person in the notebook: no"}
    r.emit(ev.OperationFinished, operation=1, tool="exec", status=ev.OperationStatus.DENIED, error=error)
    data, _ = record(fold(cell.events))

    for shown in (data["text/plain"], data["text/markdown"], Elements(data["text/html"]).text):
        assert shown.count("denied") == 1 + shown.count("⊘ denied")
    assert data[MIME]["parts"][0]["operations"][0]["approval"] == "deny by widget"
