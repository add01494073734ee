"""Decides where in a script a place is: after a dot, among the arguments of a call, in a value, or in plain code."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import NamedTuple

_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<comment>//[^\n]*|/\*.*?(?:\*/|\Z))"
    r"|(?P<string>\"(?:[^\"\\\n]|\\.)*(?:\"|(?=\n)|\Z)|'(?:[^'\\\n]|\\.)*(?:'|(?=\n)|\Z))"
    r"|(?P<tick>`)|(?P<number>\d[\w.]*)|(?P<name>[A-Za-z_$][\w$]*)|(?P<dot>\?\.|\.\.\.|\.)|(?P<other>=>|.)",
    re.DOTALL,
)
_TEMPLATE = re.compile(r"(?:[^`\\$]|\\(?:.|\Z)|\$(?!\{))*(?P<end>`|\$\{|\Z)", re.DOTALL)
_REGEX = re.compile(r"/(?![*/])(?:[^\\/\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+(?:/[a-z]*|(?=\n)|\Z)")
_CLOSES = {")": "(", "]": "[", "}": "{"}
_BEFORE_OBJECT = frozenset(["(", "[", ",", "=", ":", "?", "&", "|", "return"])
_BEFORE_REGEX = frozenset(["(", "[", ",", "=", ":", "?", "&", "|", "!", "{", "}", ";", "return", "=>", "+", "-"])


class Token(NamedTuple):
    """One token: its kind, text and place."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.start + len(self.text)


@dataclass(slots=True)
class Frame:
    """A bracket that is open. ``callee`` is the dotted name before ``(``; ``keys`` are those of an object so far."""

    opener: str
    callee: tuple[str, ...] = ()
    commas: int = 0
    is_object: bool = False
    keys: list[str] = field(default_factory=list)
    key: str | None = None
    """The property whose value is being written; None where a key is due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What stands before a place. ``kind`` is ``member``, ``key``, ``value``, ``name`` or ``nothing``.

    ``prefix`` is the part of a word that is there already, from ``start`` on. ``path`` is what the member is of.
    ``callee`` is the call that the place is in, ``argument`` its position, ``within`` the keys that lead to the
    object in it, ``used`` the keys that this object has.
    """

    kind: str
    prefix: str = ""
    start: int = 0
    path: tuple[str, ...] = ()
    callee: tuple[str, ...] = ()
    argument: int = 0
    within: tuple[str, ...] = ()
    key: str | None = None
    used: tuple[str, ...] = ()
    quote: str = ""


@dataclass(slots=True)
class _Read:
    """A script that was read: its tokens, and the places in it from which one can go on reading."""

    source: str = ""
    tokens: list[Token] = field(default_factory=list)
    marks: list[_Mark] = field(default_factory=list)


class _Mark(NamedTuple):
    """The end of a line outside of templates: where it is, how many tokens lie before it, and the last of them."""

    position: int
    before: int
    last: str


_LATEST = [_Read()]
"""What was read last: a page asks at every key, and a script grows by a letter at a time."""


def tokens(source: str) -> list[Token]:
    """Return the tokens of a script, broken ones included; the text of templates comes as strings."""
    latest = _LATEST[0]
    if source == latest.source:
        return latest.tokens
    # What ends before a blank that both have is the same in both, whatever follows.
    marks = latest.marks[: bisect_left(latest.marks, _shared(source, latest.source), key=attrgetter("position"))]
    begin = marks[-1] if marks else _Mark(0, 0, "(")
    read = _Read(source, latest.tokens[: begin.before], marks[:-1])
    for token in _tokens(source, begin, read):
        read.tokens.append(token)
    _LATEST[0] = read
    return read.tokens


def _shared(one: str, other: str) -> int:
    """Return how many characters both begin with."""
    same, differs = 0, min(len(one), len(other)) + 1
    while differs - same > 1:
        middle = (same + differs) // 2
        same, differs = (middle, differs) if one[:middle] == other[:middle] else (same, middle)
    return same


def _tokens(source: str, begin: _Mark, read: _Read) -> Iterator[Token]:
    """Yield the tokens from a mark on, and note the marks that are passed."""
    position, last, depth = begin.position, begin.last, [0]
    while position < len(source):
        regex = _REGEX.match(source, position) if last in _BEFORE_REGEX else None
        match = regex or _TOKEN.match(source, position)
        assert match is not None
        kind = "regex" if regex else str(match.lastgroup)
        if kind == "tick" or (match[0] == "}" and depth[-1] == 0 and len(depth) > 1):
            yield from _template(source, position, depth, opening=kind == "tick")
            end = _TEMPLATE.match(source, position + 1)
            assert end is not None
            position, last = end.end(), "`"
            if end["end"] == "${":
                last = "("
            continue
        depth[-1] += {"{": 1, "}": -1}.get(match[0], 0)
        if kind == "space":
            if len(depth) == 1 and "\n" in match[0]:
                read.marks.append(_Mark(position, len(read.tokens), last))
        else:
            yield Token(kind, match[0], position)
            last = match[0] if kind != "comment" else last
        position = match.end()


def _template(source: str, position: int, depth: list[int], *, opening: bool) -> Iterator[Token]:
    """Yield the text of a template up to its end or the next expression in it, and keep count of those."""
    match = _TEMPLATE.match(source, position + 1)
    assert match is not None
    if opening:
        depth.append(0)
    else:
        yield Token("other", ")", position)
    if match["end"] == "${":
        yield Token("string", source[position : match.end() - 2], position)
        # An expression in a template is like one in brackets: it ends with them.
        yield Token("other", "(", match.end() - 2)
    else:
        depth.pop()
        yield Token("string", source[position : match.end()], position)


def place(source: str, cursor: int) -> Place:
    """Return what the place at ``cursor`` is in."""
    before = tokens(source[:cursor])
    frames = _frames(before)
    last = before[-1] if before else None
    if last is not None and last.end == cursor and last.kind in ("comment", "string", "regex", "number"):
        return _in_text(last, frames)
    prefix = last.text if last is not None and last.kind == "name" and last.end == cursor else ""
    rest = before[:-1] if prefix else before
    found = Place(kind="name", prefix=prefix, start=cursor - len(prefix))
    if rest and rest[-1].kind == "dot" and rest[-1].text != "...":
        return replace(_called(found, frames), kind="member", path=path_before(rest[:-1]))
    if prefix and frames and frames[-1].is_object and frames[-1].key is None:
        # The word that is being written is not one of the keys that are there.
        frames[-1].keys.pop()
    found = _called(found, frames)
    if frames and frames[-1].is_object:
        key_due = frames[-1].key is None and (not rest or rest[-1].text in ("{", ","))
        return replace(found, kind="key" if key_due else "value")
    return replace(found, kind="value" if found.callee else "name")


def path_before(before: list[Token]) -> tuple[str, ...]:
    """Return the dotted name that ends the tokens: ``tools.mcp.git``; empty where something else stands there."""
    names: list[str] = []
    expected = "name"
    for token in reversed(before):
        if token.kind != expected or token.text == "...":
            break
        if token.kind == "name":
            names.insert(0, token.text)
        expected = "dot" if expected == "name" else "name"
    return tuple(names) if expected == "dot" else ()


def _in_text(last: Token, frames: list[Frame]) -> Place:
    whole = len(last.text) > 1 and last.text[-1] == last.text[0]
    if last.kind != "string" or whole or last.text[0] == "}":
        return Place(kind="nothing")
    inside = Place(kind="value", prefix=last.text[1:], start=last.start + 1, quote=last.text[0])
    return _called(inside, frames)


def _called(found: Place, frames: list[Frame]) -> Place:
    """Add the call that the frames are in, and the way to the innermost object in it."""
    within: list[str] = []
    for depth, frame in enumerate(reversed(frames)):
        if frame.opener == "(":
            own = frames[-1] if depth else frame
            return replace(
                found, callee=frame.callee, argument=frame.commas, within=tuple(reversed(within)),
                key=own.key, used=tuple(own.keys),
            )  # fmt: skip
        if not frame.is_object and frame.opener == "{":
            break
        if depth and frame.is_object and frame.key is not None:
            within.append(frame.key)
    return found


def _frames(found: list[Token]) -> list[Frame]:
    frames: list[Frame] = []
    code = [t for t in found if t.kind != "comment"]
    for index, token in enumerate(code):
        previous = code[index - 1] if index else None
        if token.kind == "other" and token.text in "([{":
            frames.append(_opened(token.text, code[max(0, index - 40) : index], previous))
        elif token.kind == "other" and token.text in _CLOSES:
            _close(frames, _CLOSES[token.text])
        elif frames:
            _advance(frames[-1], token, code[index + 1] if index + 1 < len(code) else None)
    return frames


def _opened(text: str, before: list[Token], previous: Token | None) -> Frame:
    callee = path_before(before) if text == "(" else ()
    return Frame(text, callee, is_object=text == "{" and (previous is None or previous.text in _BEFORE_OBJECT))


def _close(frames: list[Frame], opener: str) -> None:
    for index in range(len(frames) - 1, -1, -1):
        if frames[index].opener == opener:
            del frames[index:]
            return


def _advance(frame: Frame, token: Token, following: Token | None) -> None:
    if token.text == ",":
        frame.commas += 1
        frame.key = None
    elif not frame.is_object:
        return
    elif token.text == ":" and frame.keys and frame.key is None:
        frame.key = frame.keys[-1]
    elif token.kind in ("name", "string") and frame.key is None:
        frame.keys.append(token.text.strip("\"'"))
