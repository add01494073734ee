"""Decides token by token what script text is: code, string, template, comment or regular expression.

Enough of a lexer of JavaScript and TypeScript to know where quotes, backticks and slashes begin something; whether
a slash divides or begins a regular expression follows from the tokens before it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from toolscript.language._place import Bracket, Mode, Place, Verdict
from toolscript.language._reading import Reading

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
_MAX_RETRIES = 4
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

Step = Callable[[Reading, str, int], Verdict]
"""Reads on from a place in a piece, moving the scanner's offset."""


def _short(reading: Reading, text: str, at: int, wanted: str) -> bool:
    """Return whether the piece ends in the middle of what might become ``wanted``."""
    return not reading.ended and len(text) - at < len(wanted) and wanted.startswith(text[at:])


def _code(s: Reading, text: str, at: int) -> Verdict:
    c = text[at]
    if blanks := _BLANKS.match(text, at):
        s.offset = blanks.end()
        return Verdict.GO
    if c in _LINE_BREAKS:
        s.place.broke, s.place.retries = True, 0
        s.offset = at + 1
        return Verdict.GO
    handler = _CHARACTERS.get(c)
    if handler is not None:
        return handler(s, text, at)
    if _WORD.match(text, at):
        s.place.mode = Mode.WORD
        s.place.before, s.place.last = s.place.last, ""
        return Verdict.GO
    if c == ";":
        s.place.body = ""
    s.token(c, value=False)
    s.offset = at + 1
    return Verdict.GO


def _word(s: Reading, text: str, at: int) -> Verdict:
    match = _WORD.match(text, at)
    place = s.place
    if match is not None:
        place.last = (place.last + match.group()[:_MAX_WORD])[:_MAX_WORD]
        s.offset = match.end()
        return Verdict.GO
    if text[at] == "\\" and _PARTIAL_ESCAPE.match(text, at) and not s.ended:
        return Verdict.WAIT
    if text[at] == "." and place.last[:1].isdigit():
        s.offset = at + 1
        return Verdict.GO
    _end_word(s)
    return Verdict.GO


def _end_word(s: Reading) -> None:
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


def _begin_body(s: Reading, prior: str, after_value: bool) -> None:
    place = s.place
    declaration = prior in _STATEMENT_STARTS or (after_value and place.broke)
    place.body = "head" if declaration else "value"


def _string(s: Reading, text: str, at: int) -> Verdict:
    stop = _STRING_STOP[s.place.quote].search(text, at)
    if stop is None:
        s.offset = len(text)
        return Verdict.GO
    s.offset = stop.end()
    if stop.group() == "\\":
        return _escape(s, text, stop.start())
    if stop.group() in "\n\r":
        s.offset = stop.start()  # a string that its line did not end: an error, but the next line is code again
    s.place.mode = Mode.CODE
    s.token('"', value=True)
    return Verdict.GO


def _escape(s: Reading, text: str, at: int) -> Verdict:
    """Pass over a backslash and what it escapes; a line ended by CR LF counts as one character."""
    length = 3 if text.startswith("\r\n", at + 1) else 2
    if not s.ended and (at + 1 >= len(text) or (text[at + 1] == "\r" and at + 2 >= len(text))):
        s.offset = at
        return Verdict.WAIT
    s.offset = min(at + length, len(text))
    return Verdict.GO


def _template(s: Reading, text: str, at: int) -> Verdict:
    stop = _TEMPLATE_STOP.search(text, at)
    if stop is None:
        s.offset = len(text)
        return Verdict.GO
    s.offset = stop.end()
    if stop.group() == "\\":
        return _escape(s, text, stop.start())
    if stop.group() == "$":
        if _short(s, text, stop.start(), "${"):
            s.offset = stop.start()
            return Verdict.WAIT
        if text.startswith("{", stop.end()):
            _open(s, Bracket.TEMPLATE)
            s.place.mode = Mode.CODE
            s.token("${", value=False)
            s.offset = stop.end() + 1
        return Verdict.GO
    s.place.mode = Mode.CODE
    s.token("`", value=True)
    return Verdict.GO


def _line_comment(s: Reading, text: str, at: int) -> Verdict:
    stop = _LINE_STOP.search(text, at)
    s.offset = stop.start() if stop else len(text)
    if stop:
        s.place.mode = Mode.CODE
    return Verdict.GO


def _block_comment(s: Reading, text: str, at: int) -> Verdict:
    stop = text.find("*/", at)
    if stop < 0:
        waits = text.endswith("*") and not s.ended
        s.offset = len(text) - waits
        return Verdict.WAIT if waits else Verdict.GO
    if _LINE_STOP.search(text, at, stop):
        s.place.broke = True
    s.offset = stop + 2
    s.place.mode = Mode.CODE
    return Verdict.GO


def _regex(s: Reading, text: str, at: int) -> Verdict:
    stop = _REGEX_STOP.search(text, at)
    if stop is None:
        s.offset = len(text)
        return Verdict.GO
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
            s.divide()
    return Verdict.GO


def _slash(s: Reading, text: str, at: int) -> Verdict:
    if at + 1 >= len(text) and not s.ended:
        return Verdict.WAIT
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
    return Verdict.GO


def _less(s: Reading, text: str, at: int) -> Verdict:
    if text.startswith(s.closing, at):
        return Verdict.CLOSED
    if _short(s, text, at, s.closing):
        return Verdict.WAIT
    s.token("<", value=False)
    s.offset = at + 1
    return Verdict.GO


def _sign(s: Reading, text: str, at: int) -> Verdict:
    """``++`` and ``--`` leave a value a value."""
    sign = text[at]
    if _short(s, text, at, sign * 2):
        return Verdict.WAIT
    if text.startswith(sign * 2, at):
        s.token(sign * 2, value=s.place.value and not s.place.broke)
        s.offset = at + 2
    else:
        s.token(sign, value=False)
        s.offset = at + 1
    return Verdict.GO


def _bang(s: Reading, text: str, at: int) -> Verdict:
    """A ``!`` directly behind a value asserts that it is not null, and leaves it a value."""
    if at + 1 >= len(text) and not s.ended:
        return Verdict.WAIT
    postfix = s.place.value and not s.place.broke and not text.startswith("=", at + 1)
    s.token("!", value=postfix)
    s.offset = at + 1
    return Verdict.GO


def _equals(s: Reading, text: str, at: int) -> Verdict:
    if _short(s, text, at, "=>"):
        return Verdict.WAIT
    arrow = text.startswith("=>", at)
    s.token("=>" if arrow else "=", value=False)
    s.offset = at + (2 if arrow else 1)
    return Verdict.GO


def _open(s: Reading, kind: Bracket) -> None:
    s.brackets.append((kind, s.place.body))
    s.place.body = ""


def _parenthesis(s: Reading, text: str, at: int) -> Verdict:
    place = s.place
    head = (place.last in _HEAD_WORDS and place.before not in {".", "?."}) or (place.before, place.last) == (
        "for",
        "await",
    )
    _open(s, Bracket.HEAD if head and text[at] == "(" else Bracket.VALUE)
    s.token(text[at], value=False)
    s.offset = at + 1
    return Verdict.GO


def _brace(s: Reading, text: str, at: int) -> Verdict:
    _open(s, _brace_kind(s.place))
    s.token("{", value=False)
    s.offset = at + 1
    return Verdict.GO


def _brace_kind(place: Place) -> Bracket:
    begins_body = place.value or place.last in {")", ">", "}", "class", "void"}
    if place.body and begins_body:
        kind = Bracket.VALUE if place.body == "value" else Bracket.HEAD
        place.body = ""
        return kind
    block = place.value or place.last in _BLOCK_WORDS | {"", ";", "{", "}", ")", ">", "=>", ":"}
    return Bracket.HEAD if block else Bracket.VALUE


def _close(s: Reading, text: str, at: int) -> Verdict:
    kind, body = s.brackets.pop() if s.brackets else (Bracket.HEAD, "")
    s.place.body = body
    s.offset = at + 1
    s.token(text[at], value=kind is Bracket.VALUE)
    if kind is Bracket.TEMPLATE:
        s.place.mode = Mode.TEMPLATE
    return Verdict.GO


def _quote(s: Reading, text: str, at: int) -> Verdict:
    s.place.mode, s.place.quote = Mode.STRING, text[at]
    s.offset = at + 1
    return Verdict.GO


def _backtick(s: Reading, text: str, at: int) -> Verdict:
    """A backtick opens a template, unless it is part of a Markdown fence around the whole script."""
    if not s.place.last and not s.fence:
        if head := _FENCE_HEAD.match(text, at):
            s.fence = len(head.group()) - len(head.group().lstrip("`"))
            s.offset = head.end() - 1
            return Verdict.GO
        if _FENCE_HEAD_SO_FAR.match(text, at) and not s.ended:
            return Verdict.WAIT
    elif s.fence and s.place.broke:
        run = "`" * s.fence
        if _short(s, text, at, run):
            return Verdict.WAIT
        if text.startswith(run, at):
            s.offset = at + s.fence
            return Verdict.GO
    s.place.mode = Mode.TEMPLATE
    s.offset = at + 1
    return Verdict.GO


def _hash(s: Reading, text: str, at: int) -> Verdict:
    if not s.place.last and _short(s, text, at, "#!"):
        return Verdict.WAIT
    if not s.place.last and text.startswith("#!", at):
        s.place.mode = Mode.LINE_COMMENT
    s.token("#", value=False)
    s.offset = at + 1
    return Verdict.GO


def _backslash(s: Reading, text: str, at: int) -> Verdict:
    if _WORD.match(text, at):
        s.place.mode = Mode.WORD
        s.place.before, s.place.last = s.place.last, ""
        return Verdict.GO
    if _PARTIAL_ESCAPE.match(text, at) and not s.ended:
        return Verdict.WAIT
    s.token("\\", value=False)
    s.offset = at + 1
    return Verdict.GO


STEPS: dict[Mode, Step] = {
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
