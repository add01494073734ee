"""The recorded adapter: the same words for the same prompt."""

from __future__ import annotations

import json

import pytest

from toolscript.errors import ConfigError, ProviderError
from toolscript.models.adapter import Finished, FunctionCallDone, ModelRequest, ReasoningDelta, TextDelta, UsageReport
from toolscript.models.recorded import RecordedAdapter
from toolscript.models.settings import ProviderSettings

pytestmark = pytest.mark.anyio


def asked(prompt, step=1):
    return ModelRequest(model="recorded", instructions="", original_prompt="", prompt=prompt, step=step)


async def text(adapter, prompt, step=1):
    return "".join([e.text async for e in adapter.stream(asked(prompt, step)) if isinstance(e, TextDelta)])


def recording(*turns):
    return {"recordings": [{"prompt": prompt, "steps": list(steps)} for prompt, *steps in turns]}


async def test_the_recorded_words_come_step_by_step_in_chunks():
    adapter = RecordedAdapter()
    adapter.add(recording(("go", {"text": ["one", "two"], "chunk": 3}, "three")))

    events = [e async for e in adapter.stream(asked("go"))]

    assert events == [TextDelta("one"), TextDelta("\ntw"), TextDelta("o"), Finished(reason="stop")]
    assert await text(adapter, "go", 2) == "three"


async def test_prompts_are_matched_with_their_whitespace_evened_out():
    adapter = RecordedAdapter()
    adapter.add(recording(("find  the\n TODOs", "ok")))

    assert await text(adapter, "  find the TODOs\n") == "ok"


async def test_an_unknown_prompt_says_which_are_known_and_how_to_get_a_live_model():
    adapter = RecordedAdapter()
    adapter.add(recording(("find the TODOs", "ok")))

    with pytest.raises(ProviderError) as caught:
        await text(adapter, "write a novel")

    assert caught.value.code == "no_recording"
    for part in ("write a novel", "find the TODOs", "OPENAI_API_KEY", "toolscript.toml"):
        assert part in caught.value.message


async def test_a_step_beyond_the_recording_is_an_error_and_not_a_guess():
    adapter = RecordedAdapter()
    adapter.add(recording(("go", "only this")))

    with pytest.raises(ProviderError, match="has 1 steps, not 2") as caught:
        await text(adapter, "go", 2)
    assert caught.value.code == "no_recording"


async def test_calls_reasoning_and_usage_can_be_recorded():
    adapter = RecordedAdapter()
    calls = [{"name": "read_file", "arguments": {"path": "a"}}]
    adapter.add(recording(("go", {"reasoning": "hm", "calls": calls, "usage": {"input_tokens": 3}})))

    events = [e async for e in adapter.stream(asked("go"))]

    assert events == [
        ReasoningDelta("hm"),
        FunctionCallDone(call_id="recorded-1-1", name="read_file", arguments='{"path":"a"}'),
        UsageReport(input_tokens=3),
        Finished(reason="tool_calls"),
    ]


async def test_several_files_are_read_and_later_ones_win(tmp_path):
    for name, word in (("a.json", "first"), ("b.json", "second")):
        (tmp_path / name).write_text(json.dumps(recording(("go", word), (f"only {word}", "ok"))))

    adapter = RecordedAdapter(ProviderSettings(recordings=(tmp_path / "a.json", tmp_path / "b.json")))

    assert await text(adapter, "go") == "second"
    assert {"only first", "only second"} <= set(adapter.prompts)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "Invalid JSON"),
        ('{"recordings": [{"prompt": "x", "steps": []}]}', "recordings.0.steps"),
        ('{"recordings": [{"prompt": "x", "replies": ["y"]}]}', "recordings.0"),
        ('{"version": 2, "recordings": []}', "version"),
    ],
)
def test_a_file_that_holds_no_recordings_is_named_with_the_place(tmp_path, content, said):
    (tmp_path / "r.json").write_text(content)

    with pytest.raises(ConfigError) as caught:
        RecordedAdapter(recordings=[tmp_path / "r.json"])

    assert str(tmp_path / "r.json") in caught.value.message
    assert said in caught.value.message


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.json"):
        RecordedAdapter(recordings=[tmp_path / "none.json"])


def test_the_package_ships_recordings_for_the_quickstart():
    assert "Which files are here?" in RecordedAdapter().prompts
