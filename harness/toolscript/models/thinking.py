"""Decides where a model's thoughts end that come in its text, between ``<think>`` and ``</think>`` at its start."""

from __future__ import annotations

from collections.abc import Iterator

from toolscript.models.adapter import ReasoningDelta, TextDelta

OPEN, CLOSE = "<think>", "</think>"


class Thoughts:
    """Splits a text that may begin with thoughts; some servers do not do it themselves.

    What is thought is never run: a script in there comes out as reasoning.
    """

    def __init__(self) -> None:
        self._blank: list[str] = []
        """What came before anything that says whether it is thought: put together once."""
        self._held = ""
        self._state = "start"

    def feed(self, text: str) -> Iterator[TextDelta | ReasoningDelta]:
        """Take the next piece of the text and yield what is certain now."""
        if self._state == "text":
            yield from _text(text)
            return
        if self._state == "start" and not self._held and (not text or text.isspace()):
            self._blank.append(text)
            return
        self._held += text
        if self._state == "start":
            yield from self._start()
        if self._state == "thought":
            yield from self._thought()

    def finish(self) -> Iterator[TextDelta | ReasoningDelta]:
        """Yield what was held back: the text has ended."""
        held, self._held = "".join(self._blank) + self._held, ""
        self._blank.clear()
        if held:
            yield ReasoningDelta(held) if self._state == "thought" else TextDelta(held)

    def _start(self) -> Iterator[TextDelta]:
        lead = self._held.lstrip()
        if lead.startswith(OPEN):
            self._state, self._held = "thought", lead[len(OPEN) :]
            self._blank.clear()
        elif not OPEN.startswith(lead):
            self._state, held, self._held = "text", "".join(self._blank) + self._held, ""
            self._blank.clear()
            yield from _text(held)

    def _thought(self) -> Iterator[TextDelta | ReasoningDelta]:
        thought, close, rest = self._held.partition(CLOSE)
        if close:
            self._state, self._held = "text", ""
            yield from [ReasoningDelta(thought)] if thought else []
            yield from _text(rest.lstrip("\n"))
            return
        # The end may be the beginning of the closing tag: that much is held back.
        keep = next(
            n for n in range(min(len(CLOSE) - 1, len(thought)), -1, -1) if CLOSE.startswith(thought[len(thought) - n :])
        )
        known, self._held = thought[: len(thought) - keep], thought[len(thought) - keep :]
        yield from [ReasoningDelta(known)] if known else []


def _text(text: str) -> Iterator[TextDelta]:
    if text:
        yield TextDelta(text)
