"""Functions that a notebook makes tools of: in a real kernel, called from scripts of later cells."""

from __future__ import annotations

import pytest
from tests.kernel.running import Kernel, kernel


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with kernel(standin=False, cwd=tmp_path_factory.mktemp("workspace")) as it:
        yield it


def result(running: Kernel, script: str) -> str:
    it = running.run(f"%%toolscript\n{script}")
    return it.of("execute_result")[0]["data"]["text/plain"] if it.of("execute_result") else str(it.outputs)


def test_a_decorated_function_is_a_tool_in_the_next_cell(running: Kernel):
    made = running.run(
        "%%py\nfrom toolscript import tool\nrate = 2\n\n@tool(effect='read')\n"
        'def in_yen(amount: float, round_to: int = 0) -> dict[str, float]:\n    """Converts."""\n'
        "    return {'yen': round(amount * rate, round_to)}"
    )
    assert made.reply["content"]["status"] == "ok", made.outputs

    assert result(running, "return (await tools.inYen(3)).yen") == "6"
    assert result(running, "return tools.inYen({amount: 1.26, roundTo: 1})") == '{"yen": 2.5}'
    running.run("%%py\nrate = 100")
    assert result(running, "return (await tools.inYen({amount: 1})).yen") == "100"
    assert (
        result(running, "try { await tools.inYen({amount: 'x'}) } catch (e) { return e.code }") == '"invalid_arguments"'
    )


def test_an_error_of_the_function_rejects_with_its_words(running: Kernel):
    running.run("%%py\n@tool(effect='read')\ndef fails():\n    raise ValueError('no such thing')")

    told = result(running, "try { await tools.fails() } catch (e) { return [e.code, e.message] }")
    assert told == '["tool_failed", "ValueError: no such thing"]'


def test_a_function_defined_anew_replaces_its_tool_and_one_that_is_gone_is_no_tool_any_more(running: Kernel):
    running.run("%%py\n@tool(effect='read')\ndef answer() -> int:\n    return 41")
    assert result(running, "return tools.answer()") == "41"
    running.run("%%py\n@tool(effect='read')\ndef answer(more: int = 0) -> int:\n    return 42 + more")
    assert result(running, "return tools.answer(1)") == "43"
    running.run("%%py\ndel answer")
    assert "unknown_tool" in result(running, "try { await tools.answer() } catch (e) { return e.code }")


def test_a_function_that_takes_another_tools_name_is_told_and_harms_nothing(running: Kernel):
    running.run("%%py\n@tool\ndef exec(x: int) -> int:\n    return x")
    it = running.run("%%toolscript\nreturn typeof tools.exec")

    assert "@tool exec: tool 'exec' (exec) is registered twice" in "".join(m["text"] for m in it.of("stream"))
    assert it.of("execute_result")[0]["data"]["text/plain"] == '"function"'
    running.run("%%py\ndel exec")


def test_what_a_function_may_do_is_asked_like_any_tools_effect(running: Kernel):
    running.run("%%py\nseen = []\n@tool(effect='network')\ndef send(text: str) -> None:\n    seen.append(text)")
    told = result(running, "try { await tools.send('x') } catch (e) { return e.code }")
    seen = running.run("%%py\nseen").of("execute_result")[0]["data"]["text/plain"]

    assert (told, seen) == ('"approval_unavailable"', "[]")


def test_completion_knows_the_function(running: Kernel):
    running.run("%%py\n@tool(effect='read')\ndef weather_in(place: str) -> str:\n    return place")
    code = "%%toolscript\nawait tools.weath"
    found = running.ask("complete_request", {"code": code, "cursor_pos": len(code)})["content"]["matches"]

    assert found[0] == "weatherIn"
