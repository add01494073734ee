"""Decides where in a stream of script text code is code, and where it is string, template, comment or regex."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum, auto

_WORD = re.compile(r"(?:[\w$]|\\u\{[0-9a-fA-F]{0,8}\}|\\u[0-9a-fA-F]{4}|[^\x00-\x7f\s\ufeff])+")
_PARTIAL_ESCAPE = re.compile(r"\\(?:u(?:\{[0-9a-fA-F]{0,8}|[0-9a-fA-F]{0,3})?)?\Z")
_BLANKS = re.compile(r"[ \t\v\f\xa0\ufeff]+")
_STRING_STOP = {q: re.compile(rf"[{q}\\\n\r]") for q in "'\""}
_LINE_STOP = re.compile(r"[\n\r\u2028\u2029]")
_TEMPLATE_STOP = re.compile(r"[`\\$]")
_REGEX_STOP = re.compile(r"[/\[\]\\\n\r\u2028\u2029]")
_FENCE_HEAD = re.compile(r"`{3,16}[\w+.#-]{0,32}[ \t]{0,8}\r?\n")
_FENCE_HEAD_SO_FAR = re.compile(r"`{1,16}[\w+.#-]{0,32}[ \t]{0,8}\r?\Z")
_LINE_BREAKS = "\n\r\u2028\u2029"

_MAX_WORD = 16
_MAX_RETRIES = 8
"""Slashes of one line that may turn out to begin no regular expression before the rest there are divisions."""

_OPERATOR_WORDS = frozenset(
    {
        "return", "typeof", "instanceof", "in", "of", "new", "delete", "void", "throw", "case", "do", "else",
        "yield", "await", "extends", "default",
    }
)  # fmt: skip
_HEAD_WORDS = frozenset({"if", "while", "for", "with"})
_BLOCK_WORDS = frozenset({"do", "else", "try", "finally", "static"})
_STATEMENT_STARTS = frozenset({"", ";", "{", "}", "else", "do", "default", "export", "abstract", "declare", ")"})


class Mode(Enum):
    """What the characters at the scanner's place belong to."""

    CODE = auto()
    WORD = auto()
    STRING = auto()
    TEMPLATE = auto()
    LINE_COMMENT = auto()
    BLOCK_COMMENT = auto()
    REGEX = auto()


class Bracket(Enum):
    """What an open bracket is, as far as a slash behind its end cares."""

    VALUE = auto()
    """Its end is the end of a value: a slash divides."""
    HEAD = auto()
    """A statement or an operand follows its end: a slash opens a regular expression."""
    TEMPLATE = auto()
    """Its end goes back into a template."""


@dataclass(slots=True)
class Place:
    """What the scanner knows at one point of the text, brackets aside."""

    mode: Mode = Mode.CODE
    value: bool = False
    """The last token ends a value."""
    last: str = ""
    """The last token: a word (cut short), ``0`` for a number, or an operator's last characters."""
    before: str = ""
    """The token before ``last``."""
    broke: bool = True
    """A line ended since the last token, or there was none."""
    quote: str = ""
    in_class: bool = False
    retries: int = 0
    body: str = ""
    """``value`` or ``head``: a function or class whose body is still to come, and what its end will be."""


@dataclass(slots=True)
class Scanner:
    """Reads script text in pieces of any size and stops at a closing tag that stands in code.

    Work is linear: each character is read once, and at most ``_MAX_RETRIES`` times more on a line where slashes
    looked like regular expressions and were none.
    """

    closing: str
    pieces: list[str]
    offset: int
    work: int = 0
    index: int = 0
    start: int = 0
    fence: int = 0
    place: Place = field(default_factory=Place)
    brackets: list[tuple[Bracket, str]] = field(default_factory=list)
    retry: tuple[int, int, Place] | None = None
    ended: bool = False

    def __post_init__(self) -> None:
        self.start = self.offset

    def feed(self, text: str) -> bool:
        """Read on; returns whether the closing tag was reached. What is left over waits for more text."""
        if self.index < len(self.pieces):
            waiting = self.pieces[-1]
            self.pieces[-1] = waiting[: self.offset]
            text = waiting[self.offset :] + text
            self.index, self.offset = len(self.pieces), 0
        self.pieces.append(text)
        return self.run()

    def run(self) -> bool:
        """Read all that can be understood so far; returns whether the closing tag was reached."""
        while self.index < len(self.pieces):
            text = self.pieces[self.index]
            if self.offset >= len(text):
                self.index, self.offset = self.index + 1, 0
                continue
            before = self.offset
            verdict = _STEPS[self.place.mode](self, text, before)
            if verdict is _CLOSED:
                return True
            if verdict is _WAIT and not self._lengthen(text):
                return False
            self.work += abs(self.offset - before) + 1
        return False

    def end(self) -> bool:
        """Read what still waited, as the text is over; returns whether that revealed a closing tag."""
        self.ended = True
        while True:
            if self.run():
                return True
            if self.place.mode is not Mode.REGEX or self.retry is None:
                return False
            self._divide()

    @property
    def inside_token(self) -> bool:
        """Whether the place is in a string, template, comment or regular expression."""
        in_code = self.place.mode in {Mode.CODE, Mode.WORD}
        return not in_code or any(kind is Bracket.TEMPLATE for kind, _ in self.brackets)

    def source(self) -> str:
        """Return the text read so far."""
        if self.index == 0:
            return self.pieces[0][self.start : self.offset]
        last = self.pieces[self.index][: self.offset] if self.index < len(self.pieces) else ""
        return "".join([self.pieces[0][self.start :], *self.pieces[1 : self.index], last])

    def rest(self) -> tuple[str, int]:
        """Return a text and where in it the place is; the text holds all that was fed behind it."""
        left = self.pieces[self.index :]
        return (left[0] if len(left) == 1 else "".join(left)), self.offset

    def whole(self) -> tuple[str, int]:
        """Return a text and where in it the script begins; the text holds all that was fed."""
        return (self.pieces[0] if len(self.pieces) == 1 else "".join(self.pieces)), self.start

    def _lengthen(self, text: str) -> bool:
        """Join what a token needs from the next piece; returns whether there was one."""
        if self.index + 1 >= len(self.pieces):
            if self.ended:
                raise AssertionError("a token waits for text that cannot come")
            return False
        self.pieces[self.index] = text[: self.offset]
        self.index += 1
        self.pieces[self.index] = text[self.offset :] + self.pieces[self.index]
        self.offset = 0
        return True

    def _divide(self) -> None:
        """Go back to the slash that began no regular expression, and read it as a division."""
        assert self.retry is not None
        self.index, self.offset, self.place = self.retry
        self.place.retries += 1
        self.retry = None
        self.token("/", value=False)
        self.offset += 1

    def token(self, text: str, *, value: bool) -> None:
        """Note a token."""
        place = self.place
        place.before, place.last, place.value, place.broke = place.last, text, value, False


_GO, _WAIT, _CLOSED = object(), object(), object()
Step = Callable[[Scanner, str, int], object]


def _short(scanner: Scanner, text: str, at: int, wanted: str) -> bool:
    """Return whether the piece ends in the middle of what might become ``wanted``."""
    return not scanner.ended and len(text) - at < len(wanted) and wanted.startswith(text[at:])


def _code(s: Scanner, text: str, at: int) -> object:
    c = text[at]
    if blanks := _BLANKS.match(text, at):
        s.offset = blanks.end()
        return _GO
    if c in _LINE_BREAKS:
        s.place.broke, s.place.retries = True, 0
        s.offset = at + 1
        return _GO
    handler = _CHARACTERS.get(c)
    if handler is not None:
        return handler(s, text, at)
    if _WORD.match(text, at):
        s.place.mode = Mode.WORD
        s.place.before, s.place.last = s.place.last, ""
        return _GO
    if c == ";":
        s.place.body = ""
    s.token(c, value=False)
    s.offset = at + 1
    return _GO


def _word(s: Scanner, text: str, at: int) -> object:
    match = _WORD.match(text, at)
    place = s.place
    if match is not None:
        place.last = (place.last + match.group()[:_MAX_WORD])[:_MAX_WORD]
        s.offset = match.end()
        return _GO
    if text[at] == "\\" and _PARTIAL_ESCAPE.match(text, at) and not s.ended:
        return _WAIT
    if text[at] == "." and place.last[:1].isdigit():
        s.offset = at + 1
        return _GO
    _end_word(s)
    return _GO


def _end_word(s: Scanner) -> None:
    place = s.place
    place.mode = Mode.CODE
    word, prior = place.last, place.before
    stands_alone, place.value = place.value, True
    if word[:1].isdigit():
        place.last = "0"
    elif prior in {".", "?.", "#"}:
        place.last = "name"
    elif word in {"function", "class"}:
        _begin_body(s, prior, stands_alone)
    elif word in _OPERATOR_WORDS:
        place.value = False
    if word == "async":
        place.last, place.before = prior, place.before
        place.value = stands_alone
        return
    place.broke = False


def _begin_body(s: Scanner, prior: str, after_value: bool) -> None:
    place = s.place
    declaration = prior in _STATEMENT_STARTS or (after_value and place.broke)
    place.body = "head" if declaration else "value"


def _string(s: Scanner, text: str, at: int) -> object:
    stop = _STRING_STOP[s.place.quote].search(text, at)
    if stop is None:
        s.offset = len(text)
        return _GO
    s.offset = stop.end()
    if stop.group() == "\\":
        return _escape(s, text, stop.start())
    if stop.group() in "\n\r":
        s.offset = stop.start()  # a string that its line did not end: an error, but the next line is code again
    s.place.mode = Mode.CODE
    s.token('"', value=True)
    return _GO


def _escape(s: Scanner, text: str, at: int) -> object:
    """Pass over a backslash and what it escapes; a line ended by CR LF counts as one character."""
    length = 3 if text.startswith("\r\n", at + 1) else 2
    if not s.ended and (at + 1 >= len(text) or (text[at + 1] == "\r" and at + 2 >= len(text))):
        s.offset = at
        return _WAIT
    s.offset = min(at + length, len(text))
    return _GO


def _template(s: Scanner, text: str, at: int) -> object:
    stop = _TEMPLATE_STOP.search(text, at)
    if stop is None:
        s.offset = len(text)
        return _GO
    s.offset = stop.end()
    if stop.group() == "\\":
        return _escape(s, text, stop.start())
    if stop.group() == "$":
        if _short(s, text, stop.start(), "${"):
            s.offset = stop.start()
            return _WAIT
        if text.startswith("{", stop.end()):
            _open(s, Bracket.TEMPLATE)
            s.place.mode = Mode.CODE
            s.token("${", value=False)
            s.offset = stop.end() + 1
        return _GO
    s.place.mode = Mode.CODE
    s.token("`", value=True)
    return _GO


def _line_comment(s: Scanner, text: str, at: int) -> object:
    stop = _LINE_STOP.search(text, at)
    s.offset = stop.start() if stop else len(text)
    if stop:
        s.place.mode = Mode.CODE
    return _GO


def _block_comment(s: Scanner, text: str, at: int) -> object:
    stop = text.find("*/", at)
    if stop < 0:
        waits = text.endswith("*") and not s.ended
        s.offset = len(text) - waits
        return _WAIT if waits else _GO
    if _LINE_STOP.search(text, at, stop):
        s.place.broke = True
    s.offset = stop + 2
    s.place.mode = Mode.CODE
    return _GO


def _regex(s: Scanner, text: str, at: int) -> object:
    stop = _REGEX_STOP.search(text, at)
    if stop is None:
        s.offset = len(text)
        return _GO
    s.offset = stop.end()
    match stop.group():
        case "\\":
            if not text.startswith(("\n", "\r"), stop.end()):
                return _escape(s, text, stop.start())
        case "[":
            s.place.in_class = True
        case "]":
            s.place.in_class = False
        case "/" if not s.place.in_class:
            s.place.mode = Mode.CODE
            s.retry = None
            s.token("regex", value=True)
        case "/":
            pass
        case _:
            s._divide()
    return _GO


def _slash(s: Scanner, text: str, at: int) -> object:
    if at + 1 >= len(text) and not s.ended:
        return _WAIT
    following = text[at + 1 : at + 2]
    place = s.place
    if following in {"/", "*"}:
        place.mode = Mode.LINE_COMMENT if following == "/" else Mode.BLOCK_COMMENT
        s.offset = at + 2
    elif place.value or place.retries >= _MAX_RETRIES:
        s.token("/", value=False)
        s.offset = at + 1
    else:
        s.retry = (s.index, at, replace(place))
        place.mode, place.in_class = Mode.REGEX, False
        s.offset = at + 1
    return _GO


def _less(s: Scanner, text: str, at: int) -> object:
    if text.startswith(s.closing, at):
        return _CLOSED
    if text.startswith("<!--", at):
        s.place.mode = Mode.LINE_COMMENT
        s.offset = at + 4
        return _GO
    if _short(s, text, at, s.closing) or _short(s, text, at, "<!--"):
        return _WAIT
    s.token("<", value=False)
    s.offset = at + 1
    return _GO


def _sign(s: Scanner, text: str, at: int) -> object:
    """``++`` and ``--`` leave a value a value; ``-->`` at the start of a line is a comment."""
    sign = text[at]
    if _short(s, text, at, sign * 2) or (s.place.broke and _short(s, text, at, "-->")):
        return _WAIT
    if s.place.broke and text.startswith("-->", at):
        s.place.mode = Mode.LINE_COMMENT
        s.offset = at + 3
    elif text.startswith(sign * 2, at):
        s.token(sign * 2, value=s.place.value and not s.place.broke)
        s.offset = at + 2
    else:
        s.token(sign, value=False)
        s.offset = at + 1
    return _GO


def _bang(s: Scanner, text: str, at: int) -> object:
    """A ``!`` directly behind a value asserts that it is not null, and leaves it a value."""
    if at + 1 >= len(text) and not s.ended:
        return _WAIT
    postfix = s.place.value and not s.place.broke and not text.startswith("=", at + 1)
    s.token("!", value=postfix)
    s.offset = at + 1
    return _GO


def _equals(s: Scanner, text: str, at: int) -> object:
    if _short(s, text, at, "=>"):
        return _WAIT
    arrow = text.startswith("=>", at)
    s.token("=>" if arrow else "=", value=False)
    s.offset = at + (2 if arrow else 1)
    return _GO


def _open(s: Scanner, kind: Bracket) -> None:
    s.brackets.append((kind, s.place.body))
    s.place.body = ""


def _parenthesis(s: Scanner, text: str, at: int) -> object:
    place = s.place
    head = (place.last in _HEAD_WORDS and place.before not in {".", "?."}) or (place.before, place.last) == (
        "for",
        "await",
    )
    _open(s, Bracket.HEAD if head and text[at] == "(" else Bracket.VALUE)
    s.token(text[at], value=False)
    s.offset = at + 1
    return _GO


def _brace(s: Scanner, text: str, at: int) -> object:
    _open(s, _brace_kind(s.place))
    s.token("{", value=False)
    s.offset = at + 1
    return _GO


def _brace_kind(place: Place) -> Bracket:
    begins_body = place.value or place.last in {")", ">", "}", "class", "void"}
    if place.body and begins_body:
        kind = Bracket.VALUE if place.body == "value" else Bracket.HEAD
        place.body = ""
        return kind
    block = place.value or place.last in _BLOCK_WORDS | {"", ";", "{", "}", ")", ">", "=>", ":"}
    return Bracket.HEAD if block else Bracket.VALUE


def _close(s: Scanner, text: str, at: int) -> object:
    kind, body = s.brackets.pop() if s.brackets else (Bracket.HEAD, "")
    s.place.body = body
    s.offset = at + 1
    s.token(text[at], value=kind is Bracket.VALUE)
    if kind is Bracket.TEMPLATE:
        s.place.mode = Mode.TEMPLATE
    return _GO


def _quote(s: Scanner, text: str, at: int) -> object:
    s.place.mode, s.place.quote = Mode.STRING, text[at]
    s.offset = at + 1
    return _GO


def _backtick(s: Scanner, text: str, at: int) -> object:
    """A backtick opens a template, unless it is part of a Markdown fence around the whole script."""
    if not s.place.last and not s.fence:
        if head := _FENCE_HEAD.match(text, at):
            s.fence = len(head.group()) - len(head.group().lstrip("`"))
            s.offset = head.end() - 1
            return _GO
        if _FENCE_HEAD_SO_FAR.match(text, at) and not s.ended:
            return _WAIT
    elif s.fence and s.place.broke:
        run = "`" * s.fence
        if _short(s, text, at, run):
            return _WAIT
        if text.startswith(run, at):
            s.offset = at + s.fence
            return _GO
    s.place.mode = Mode.TEMPLATE
    s.offset = at + 1
    return _GO


def _hash(s: Scanner, text: str, at: int) -> object:
    if not s.place.last and _short(s, text, at, "#!"):
        return _WAIT
    if not s.place.last and text.startswith("#!", at):
        s.place.mode = Mode.LINE_COMMENT
    s.token("#", value=False)
    s.offset = at + 1
    return _GO


def _backslash(s: Scanner, text: str, at: int) -> object:
    if _WORD.match(text, at):
        s.place.mode = Mode.WORD
        s.place.before, s.place.last = s.place.last, ""
        return _GO
    if _PARTIAL_ESCAPE.match(text, at) and not s.ended:
        return _WAIT
    s.token("\\", value=False)
    s.offset = at + 1
    return _GO


_STEPS: dict[Mode, Step] = {
    Mode.CODE: _code,
    Mode.WORD: _word,
    Mode.STRING: _string,
    Mode.TEMPLATE: _template,
    Mode.LINE_COMMENT: _line_comment,
    Mode.BLOCK_COMMENT: _block_comment,
    Mode.REGEX: _regex,
}
_CHARACTERS: dict[str, Step] = {
    "/": _slash, "<": _less, "+": _sign, "-": _sign, "!": _bang, "=": _equals, "(": _parenthesis, "[": _parenthesis,
    "{": _brace, ")": _close, "]": _close, "}": _close, "'": _quote, '"': _quote, "`": _backtick, "#": _hash,
    "\\": _backslash,
}  # fmt: skip


def code_mask(text: str, *, bytewise: bool = True) -> str:
    """Return the text with all that is not code (strings, templates, comments, regular expressions) as ``\x01``.

    Line breaks stay; each masked character becomes as many marks as it has bytes of UTF-8, or one.
    """
    scanner = Scanner("</never>", [text], 0, ended=True)
    code: list[tuple[int, int]] = []
    in_code = {Mode.CODE, Mode.WORD}
    while scanner.offset < len(text):
        before, mode = scanner.offset, scanner.place.mode
        _STEPS[mode](scanner, text, before)
        while code and code[-1][0] >= scanner.offset:
            code.pop()
        if mode in in_code and scanner.place.mode in in_code:
            code.append((before, scanner.offset))
    pieces: list[str] = []
    position = 0
    for start, end in code:
        pieces += [_masked(text[position:start], bytewise), text[start:end]]
        position = end
    return "".join([*pieces, _masked(text[position:], bytewise)])


def _masked(text: str, bytewise: bool) -> str:
    if text.isascii() or not bytewise:
        return "".join(c if c in _LINE_BREAKS else "\x01" for c in text)
    return "".join(c if c in _LINE_BREAKS else "\x01" * len(c.encode()) for c in text)


def unclosed(text: str) -> tuple[str, int] | None:
    """Return the first string, template or comment that is not closed (a string: on its line), and where it begins."""
    scanner = Scanner("</never>", [text], 0, ended=True)
    begun: list[int] = []
    while scanner.offset < len(text):
        before, mode = scanner.offset, scanner.place.mode
        _STEPS[mode](scanner, text, before)
        now = scanner.place.mode
        if mode is Mode.CODE and now in _LONG:
            begun.append(before)
        elif mode in _LONG and now is Mode.CODE:
            if mode is Mode.STRING and text[scanner.offset - 1] != scanner.place.quote:
                return "string", begun[-1]
            if scanner.place.last != "${":
                begun.pop()
    return (_LONG[scanner.place.mode], begun[-1]) if scanner.place.mode in _LONG and begun else None


_LONG = {Mode.STRING: "string", Mode.TEMPLATE: "template", Mode.BLOCK_COMMENT: "comment"}
