"""Decides where in a reply's prose an opening tag counts: at the start of a line, outside fences and inline code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from toolscript.language.forms import TAGS

_OPENING = tuple(f"<{tag}>" for tag in TAGS)
_BLANKS = re.compile(r"[ \t\r\ufeff]+")
_MARKER = re.compile(r"(?:[-*+]|\d{1,9}[.)])[ \t]+")
_MARKER_SO_FAR = re.compile(r"(?:[-*+]|\d{1,9}[.)]?)\Z")
_TEXT_STOP = re.compile(r"[\n`\\<]")
_FENCED_STOP = re.compile(r"[\n<]")
_INFO_STOP = re.compile(r"[\n`]")
_RUNS = {c: re.compile(f"{c}+") for c in "`~"}
_MARKUP = frozenset({"html", "htm", "xhtml", "xml", "svg", "vue", "svelte", "astro", "php", "markdown", "md"})
_MAX_INFO = 32


class Mode(Enum):
    """Where in a line of Markdown the reader stands."""

    START = auto()
    """Only blanks so far."""
    ITEM = auto()
    """Only list markers and blanks so far: a fence may open here, a tag may not."""
    TEXT = auto()
    RUN = auto()
    """In a run of backticks or tildes."""
    INFO = auto()
    """Behind a run that opens a fence, if no backtick follows on its line."""
    ENDING = auto()
    """Behind a run that closes the fence, if only blanks follow on its line."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An opening tag: its name, and where in which text the script begins."""

    tag: str
    text: str
    end: int


@dataclass(slots=True)
class ProseReader:
    """Reads Markdown as far as it must to know which opening tags count."""

    work: int = 0
    hint: str = ""
    """The tag of a script that stood in a fence or in inline code."""
    held: str = ""
    """Text that only the next chunk explains."""

    mode: Mode = Mode.START
    fence: str = ""
    """The character of the fence we are in."""
    fence_length: int = 0
    info: str = ""
    fresh: bool = False
    """Nothing but blanks so far in this fence."""
    span: int = 0
    """How many backticks opened the inline code that we are in; it may end on a later line of its paragraph."""
    single: bool = False
    """The paragraph ends with this line: a heading."""
    quoted: str = ""
    """The tag that opened inside the fence or inline code that we are in."""
    run: str = ""
    """The character of the run we are in."""
    run_length: int = 0
    leads: bool = False
    """The run is the first thing on its line."""

    def read(self, text: str, start: int) -> tuple[str, Opened | None]:
        """Read a text from ``start`` on; returns the prose, and the opening tag at which it stopped, if any."""
        if self.held:
            text, start, self.held = self.held + text[start:], 0, ""
        at = start
        while at < len(text):
            if self.mode is Mode.START and not self.in_code and (tag := _opening(text, at)):
                self.leave_block()
                return text[start:at], Opened(tag, text, at + len(tag) + 2)
            after = _STEPS[self.mode](self, text, at)
            if after < 0:
                self.held = text[at:]
                return text[start:at], None
            self.work += after - at + 1
            at = after
        return text[start:], None

    def finish(self) -> str:
        """Return the text still held: at the end it explains itself."""
        held, self.held = self.held, ""
        return held

    @property
    def in_code(self) -> bool:
        """Whether the place is in a fence or in inline code."""
        return bool(self.fence or self.span)

    def leave_block(self) -> None:
        """Forget the fence or inline code: another block begins."""
        self.fence = self.info = self.quoted = ""
        self.span = 0

    def line(self) -> None:
        """Note the end of a line."""
        if self.single and not self.fence:
            self.span = 0
        self.single, self.mode = False, Mode.START


def _opening(text: str, at: int) -> str:
    return next((tag for tag, whole in zip(TAGS, _OPENING, strict=True) if text.startswith(whole, at)), "")


def _unfinished(text: str, at: int, *wanted: str) -> bool:
    """Return whether the text ends in the middle of one of these."""
    left = len(text) - at
    return any(left < len(w) and w.startswith(text[at:]) for w in wanted)


def _start(r: ProseReader, text: str, at: int) -> int:
    if blanks := _BLANKS.match(text, at):
        return blanks.end()
    c = text[at]
    if c == "\n":
        if not r.fence:
            r.leave_block()
        return at + 1
    if c == "<" and _unfinished(text, at, *_OPENING):
        return -1
    if r.in_code and (tag := _opening(text, at)):
        r.quoted = tag if r.fresh or tag == TAGS[0] or not r.fence else ""
        r.mode, r.fresh = Mode.TEXT, False
        return at + len(tag) + 2
    if c in _RUNS:
        return _begin_run(r, at, leads=True)
    r.fresh = False
    if r.fence:
        r.mode = Mode.TEXT
        return at
    return _block_start(r, text, at)


def _block_start(r: ProseReader, text: str, at: int) -> int:
    """Inline code ends where another block begins: a heading, a quotation, a list item."""
    if _MARKER_SO_FAR.match(text, at):
        return -1
    if marker := _MARKER.match(text, at):
        r.span, r.mode = 0, Mode.ITEM
        return marker.end()
    if text[at] in "#>":
        r.span, r.single = 0, text[at] == "#"
    r.mode = Mode.TEXT
    return at


def _item(r: ProseReader, text: str, at: int) -> int:
    if text[at] in _RUNS:
        return _begin_run(r, at, leads=True)
    if _MARKER_SO_FAR.match(text, at):
        return -1
    if marker := _MARKER.match(text, at):
        return marker.end()
    r.mode = Mode.TEXT
    return at


def _text(r: ProseReader, text: str, at: int) -> int:
    stop = (_FENCED_STOP if r.fence else _TEXT_STOP).search(text, at)
    if stop is None:
        return len(text)
    match stop.group():
        case "\n":
            r.line()
        case "`":
            return _begin_run(r, stop.start(), leads=False)
        case "\\" if not r.span:
            if stop.end() >= len(text):
                return -1 if stop.start() == at else stop.start()
            return stop.end() + (text[stop.end()] != "\n")
        case "<" if r.quoted:
            return _closing(r, text, stop.start(), at)
    return stop.end()


def _closing(r: ProseReader, text: str, found: int, at: int) -> int:
    """Notice the end of a script that does not run, for the hint."""
    whole = f"</{r.quoted}>"
    if _unfinished(text, found, whole):
        return -1 if found == at else found
    if text.startswith(whole, found):
        if r.quoted == TAGS[0] or r.info.lower() not in _MARKUP:
            r.hint = r.hint or r.quoted
        r.quoted = ""
    return found + 1


def _begin_run(r: ProseReader, at: int, *, leads: bool) -> int:
    r.mode, r.run, r.run_length, r.leads = Mode.RUN, "", 0, leads
    return at


def _run(r: ProseReader, text: str, at: int) -> int:
    c = r.run = r.run or text[at]
    if more := _RUNS[c].match(text, at):
        r.run_length += more.end() - at
        return more.end()
    count = r.run_length
    if r.fence:
        r.mode = Mode.ENDING if r.leads and c == r.fence and count >= r.fence_length else Mode.TEXT
        r.fresh = False
    elif r.leads and count >= 3 and (c == "~" or r.span != count):
        r.mode, r.info = Mode.INFO, ""
    else:
        if c == "`":
            _toggle(r, count)
        r.mode = Mode.TEXT
    return at


def _toggle(r: ProseReader, count: int) -> None:
    if not r.span:
        r.span = count
    elif r.span == count:
        r.span, r.quoted = 0, ""


def _info(r: ProseReader, text: str, at: int) -> int:
    stop = _INFO_STOP.search(text, at)
    end = stop.start() if stop else len(text)
    r.info = (r.info + text[at : min(end, at + _MAX_INFO)])[:_MAX_INFO].strip()
    if stop is None:
        return end
    if stop.group() == "`" and r.run == "`":
        _toggle(r, r.run_length)
        return _begin_run(r, end, leads=False)
    if stop.group() == "\n":
        r.fence, r.fence_length = r.run, r.run_length
        r.span, r.quoted, r.fresh = 0, "", True
        r.line()
    return stop.end()


def _ending(r: ProseReader, text: str, at: int) -> int:
    if blanks := _BLANKS.match(text, at):
        return blanks.end()
    if text[at] == "\n":
        r.leave_block()
        r.line()
        return at + 1
    r.mode = Mode.TEXT
    return at


_STEPS = {
    Mode.START: _start,
    Mode.ITEM: _item,
    Mode.TEXT: _text,
    Mode.RUN: _run,
    Mode.INFO: _info,
    Mode.ENDING: _ending,
}
