"""The card on which a person answers a request: what is read first, and which answer each button gives."""

from __future__ import annotations

import asyncio
import concurrent.futures
import re
from typing import Any

import pytest
from tests.harness.approvals.parts import command, request

from toolscript.approvals.request import Choice, Decision
from toolscript.registry.classification import Classification, Effect
from toolscript_kernel.approvals.buttons import ButtonDecider
from toolscript_kernel.approvals.reading import details_html, request_html

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Answers:
    def __init__(self) -> None:
        self.given: list[Decision] = []

    def decide_threadsafe(self, approval_id: str, decision: Decision) -> concurrent.futures.Future[Decision]:
        self.given.append(decision)
        return concurrent.futures.Future()


def buttons(box: Any) -> dict[str, Any]:
    """Return by their labels the buttons that a person can see and press."""
    found = {}
    for child in getattr(box, "children", ()):
        found |= buttons(child)
    if type(box).__name__ == "Button" and box.layout.display != "none" and not box.disabled:
        found[box.description] = box
    return found


async def press(button: Any) -> None:
    button.click()
    await asyncio.sleep(0)


def shown(count: int) -> tuple[Answers, list[tuple[Any, ...]]]:
    answers, places = Answers(), []
    decider = ButtonDecider(answers, places.append)
    for number in range(count):
        decider.show(request(approval_id=f"a{number}", classification=command(remember="rm …")))
    return answers, places


async def test_while_the_arguments_are_edited_only_what_is_written_can_be_allowed():
    answers, places = shown(1)
    before = buttons(places[-1][0])
    await press(before["Edit…"])
    now = buttons(places[-1][0])
    await press(before["Allow once"])

    assert {"Allow once", "Allow for this conversation"} <= set(before)
    assert set(now) == {"Do not edit", "Deny", "Deny and stop", "Allow what is written here"}
    assert answers.given == []
    await press(now["Do not edit"])
    await press(buttons(places[-1][0])["Allow once"])
    assert [d.choice for d in answers.given] == [Choice.ALLOW]


async def test_allow_all_leaves_out_the_request_that_is_being_edited():
    _, places = shown(3)
    await press(buttons(places[-1][1])["Edit…"])

    assert "Allow all 2 once" in buttons(places[-1][0])


def words(html: str) -> str:
    return re.sub(r"<[^>]+>", "\n", html)


def test_what_a_new_file_holds_is_shown_once_and_above_the_answers():
    diff = "--- /dev/null\n+++ b/new.txt\n@@ -0,0 +1,2 @@\n+first line\n+second line\n"
    wanted = Classification(effect=Effect.WRITE, summary="add new.txt", diff=diff)
    it = request(
        tool="writeFile", arguments={"path": "new.txt", "content": "first line\nsecond line\n"}, classification=wanted
    )
    above, below = words(request_html(it)), words(details_html(it))

    assert (above + below).count("second line") == 1
    assert "second line" in above
    assert "Digest" in below
    assert "Digest" not in above


def test_a_command_is_said_once_above_and_one_with_quotes_within_quotes_word_by_word():
    plain = request(arguments={"command": ["rm", "-f", "a b"]}, classification=command(summary="run rm -f 'a b'"))
    other = request(arguments={"command": ["rm", "a'b"]}, classification=command(summary="run rm 'a'\"'\"'b'"))

    assert "[0]" not in request_html(plain)
    assert "[0] rm" in words(details_html(plain))
    assert "[1] a&#x27;b" in words(request_html(other)) or "[1] a'b" in words(request_html(other))


def test_an_empty_argument_is_left_to_the_details():
    it = request(tool="shell", arguments={"command": "rm 'a b'", "env": {}}, classification=command(summary="run it"))

    assert "Argument env" not in words(request_html(it))
    assert "Argument env" in words(details_html(it))


def test_what_the_summary_or_the_justification_says_is_not_said_again():
    line = "rm -rf build dist"
    it = request(
        tool="shell",
        arguments={"command": line, "justification": "to begin anew"},
        classification=command(summary=f"run /bin/bash -c '{line}'", justification="to begin anew"),
    )

    assert words(request_html(it)).count(line) == 1
    assert words(request_html(it)).count("to begin anew") == 1
    assert "Argument command" in words(details_html(it))
