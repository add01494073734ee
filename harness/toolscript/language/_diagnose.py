"""Decides where a syntax error is and how it is told: the first token that nothing could follow on, and why."""

from __future__ import annotations

import re
from contextlib import suppress

from tree_sitter import Language, LogType, Parser

from toolscript.errors import Position, ScriptSyntaxError
from toolscript.language._mask import code_mask, unclosed
from toolscript.language._trees import reader
from toolscript.language._types import skip_gap
from toolscript.language.positions import place, position_at

_PLACE = re.compile(r"row:(\d+), col(?:umn)?:(\d+)")
_TOKEN = re.compile(r"[\w$]+|[^\w\s]")
_CLOSED_BY = {"(": ")", "[": "]", "{": "}"}
_BRACKET = re.compile(r"[()\[\]{}]")


def syntax_error(parser: Parser, source: bytes) -> ScriptSyntaxError:
    """Return the error that a source deserves which this language's grammar does not accept."""
    offset = skip_gap(source, _failing_offset(parser.language, source))
    text = source.decode("utf-8", "replace")
    where = place(source, offset)
    open_token = unclosed(text)
    if open_token is not None and (begin := len(text[: open_token[1]].encode())) <= offset:
        return ScriptSyntaxError(f"the {open_token[0]} that begins here is not closed", position=place(source, begin))
    token = _TOKEN.match(source[offset : offset + 80].decode("utf-8", "replace"))
    found = f"unexpected {token.group()!r}" if token else "unexpected end of the script"
    return ScriptSyntaxError(f"syntax error: {found}{_bracket_note(text, where)}", position=where)


def _failing_offset(language: Language | None, source: bytes) -> int:
    """Return where the parser met the token that it could not use, as its own log tells."""
    state = _Log()
    parser = Parser(language)
    parser.logger = state.take
    with suppress(ValueError):  # stopped: the first error is all that is wanted
        parser.parse(reader(source), progress_callback=lambda _, __: state.recovering)
    line_start = 0
    for _ in range(state.furthest[0]):
        line_start = source.index(b"\n", line_start) + 1
    return line_start + state.furthest[1]


class _Log:
    def __init__(self) -> None:
        self.here = self.furthest = (0, 0)
        self.recovering = False

    def take(self, kind: LogType, message: str) -> None:
        if self.recovering or kind is not LogType.PARSE:
            return
        if message.startswith(("process", "lex_")) and (found := _PLACE.search(message)):
            self.here = (int(found[1]), int(found[2]))
        elif message.startswith("detect_error"):
            self.furthest = max(self.furthest, self.here)
        elif message.startswith("resume"):
            self.recovering = True


def _bracket_note(text: str, where: Position) -> str:
    """Say which bracket is open or closed too much, if one is: the token at fault is often far behind it."""
    mask = code_mask(text, bytewise=False)
    opened: list[int] = []

    def told(at: int) -> str:
        return f"`{mask[at]}` {_seen_from(where, position_at(text, at))}"

    for bracket in _BRACKET.finditer(mask):
        if bracket.group() in _CLOSED_BY:
            opened.append(bracket.start())
        elif not opened:
            return f"; {told(bracket.start())} closes nothing"
        elif _CLOSED_BY[mask[opened[-1]]] != bracket.group():
            return f"; {told(bracket.start())} cannot close {told(opened[-1])}"
        else:
            opened.pop()
    return f"; {told(opened[-1])} is not closed" if opened else ""


def _seen_from(where: Position, other: Position) -> str:
    """Tell a place by its distance: whoever shows the error may number the lines otherwise, as a notebook's cell."""
    lines = abs(other.line - where.line)
    if lines == 0:
        return f"at column {other.column} of this line"
    side = "above" if other.line < where.line else "below"
    return f"at column {other.column}, {lines} line{'s' if lines > 1 else ''} {side},"
