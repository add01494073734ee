"""Decides which part of a streaming answer is laid out anew: only what the next words could still change."""

from __future__ import annotations

from toolscript_kernel.record import inert, prose


class Blocks:
    """An answer as HTML, one text for each top-level block; earlier blocks keep theirs as the answer grows."""

    def __init__(self) -> None:
        self._done: tuple[str, ...] = ()
        self._read = 0
        self._text = ""
        self._shown: tuple[str, ...] = ()

    def grown(self, text: str) -> tuple[str, ...]:
        """Return the blocks of the text, which begins with what it was the last time."""
        if text == self._text:
            return self._shown
        self._text = text
        rest = text[self._read :]
        spans = prose.top_level(rest)
        # The last block may still grow, or turn out to be another; all before it is settled.
        lines = rest.splitlines(keepends=True)
        for start, end in spans[:-1]:
            self._done = (*self._done, prose.to_html("".join(lines[start:end])))
        if spans[:-1]:
            self._read += sum(map(len, lines[: spans[-1][0]]))
            rest = text[self._read :]
        last = prose.to_html(rest) if rest.strip() else ""
        self._shown = (*self._done, last) if last else self._done
        return self._shown


def whole(text: str) -> tuple[str, ...]:
    """Return a finished answer as blocks."""
    return Blocks().grown(inert.text(text))
