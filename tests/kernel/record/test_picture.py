"""Pictures that tools give: seen in the record, and only what is a bitmap."""

from __future__ import annotations

import pytest
from tests.kernel import pictures, sample
from tests.kernel.record.test_record import Elements
from tests.kernel.running import kernel

from toolscript import events as ev
from toolscript.errors import Json
from toolscript_kernel.record import MIME, fold, record
from toolscript_kernel.record.picture import picture


def shown(output: Json) -> list[ev.BaseEvent]:
    cell = sample.Cell()
    r = cell.emitter.scoped(run_id="r-1")
    r.emit(ev.ScriptExecution, source="viewImage('a.png')", script_hash="h", origin="cell")
    r.emit(ev.OperationStarted, operation=1, tool="viewImage", arguments={"path": "a.png"}, line=1)
    r.emit(ev.OperationFinished, operation=1, tool="viewImage", status=ev.OperationStatus.SUCCEEDED, output=output)
    r.emit(ev.ScriptExecutionOutput, status=ev.RunStatus.COMPLETED, script_hash="h")
    return cell.events


def test_a_picture_is_seen_in_the_saved_record():
    output = pictures.output()
    data, _ = record(fold(shown(output)))
    images = [attributes for tag, attributes in Elements(data["text/html"]).found if tag == "img"]

    assert [(i["src"], i["alt"]) for i in images] == [(output["imageUrl"], "a.png")]
    assert data[MIME]["parts"][0]["operations"][0]["image"] == output["imageUrl"]
    assert "image/png, 320 × 160" in data["text/plain"]
    assert "base64" not in data["text/markdown"]


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/x.png",
        "data:image/svg+xml;base64,PHN2Zz4=",
        "data:text/html;base64,PHA+",
        'data:image/png;base64,AAAA" onerror="alert(1)',
        "data:image/png;base64,AAAA\n",
        "data:image/png;base64," + "A" * 600_000,
        7,
    ],
)
def test_what_is_no_bitmap_or_too_large_is_no_picture(url):
    assert picture({"imageUrl": url}) is None
    assert "<img" not in record(fold(shown({"imageUrl": url})))[0]["text/html"]


def test_a_picture_beyond_what_events_carry_of_other_outputs_is_shown_whole(tmp_path):
    (tmp_path / "noise.png").write_bytes(pictures.png(200, 160, noise=True))
    with kernel(standin=False, cwd=tmp_path) as it:
        cell = it.run("%%toolscript\nconst seen = await viewImage('noise.png');\nreturn seen.bytes")
    (shown_,) = it_records(cell)
    row = shown_["data"][MIME]["parts"][0]["operations"][0]
    assert len(row["image"]) > 100_000
    assert row["outcome"] == "image/png, 200 × 160"


def it_records(cell) -> list[dict[str, Json]]:
    return [m for m in cell.of("display_data") if MIME in m["data"]]
