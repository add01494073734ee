"""Decides which lines of which files a search finds, whether or not ripgrep helped to choose the files."""

from __future__ import annotations

import codecs
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from toolscript.errors import ToolError
from toolscript.registry.files import Files, Place
from toolscript_tools.files.effects import check_cancelled
from toolscript_tools.search.pattern import Pattern

BINARY_HEAD = 8 * 1024
"""A file with a NUL in its first bytes is binary, and not searched."""

MAX_LINE = 1024 * 1024
"""Bytes of a line that are searched; what follows in that line is not."""

WHOLE = MAX_LINE
"""Up to so many bytes a file is searched at once; a larger one is read line by line."""

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_SKIPPED = frozenset(("not_found", "not_a_file", "is_directory", "changed", "permission_denied", "not_a_directory"))


@dataclass(frozen=True, slots=True)
class Hit:
    """One matching line, with the lines around it."""

    line: int
    text: str
    before: tuple[str, ...] = ()
    after: list[str] = field(default_factory=list)


class Clock:
    """Ends a search that takes too long, with an error that says what to do."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left. Raises ToolError ``timed_out`` when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise self.expired()
        return left

    def expired(self) -> ToolError:
        """Return the error."""
        return ToolError(
            f"the search took more than {self._seconds:g} s; make the pattern simpler or search fewer files",
            tool="grepFiles",
            code="timed_out",
        )


def hits(files: Files, place: Place, pattern: Pattern, clock: Clock, *, context: int = 0) -> Iterator[Hit]:
    """Yield the matching lines of one file; a binary file, or one that is gone by now, has none."""
    try:
        file = files.open(place)
    except ToolError as error:
        if error.code in _SKIPPED:
            return
        raise
    with file:
        lines = _lines(file, pattern.required)
        if lines is not None:
            yield from _matching(lines, pattern, clock, context)


def _matching(lines: Iterable[str], pattern: Pattern, clock: Clock, context: int) -> Iterator[Hit]:
    before: deque[str] = deque(maxlen=context)
    waiting: deque[Hit] = deque()
    for number, line in enumerate(lines, 1):
        if number % 1024 == 0:
            check_cancelled()
        for hit in waiting:
            hit.after.append(shown(line))
        if _found(pattern, line, clock):
            waiting.append(Hit(number, shown(line), tuple(before)))
        while waiting and len(waiting[0].after) >= context:
            yield waiting.popleft()
        if context:
            before.append(shown(line))
    yield from waiting


def _found(pattern: Pattern, line: str, clock: Clock) -> bool:
    try:
        return pattern.found(line, clock.left())
    except TimeoutError:
        raise clock.expired() from None


def shown(line: str) -> str:
    """Return a line as valid text."""
    return line if line.isascii() else line.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _lines(file: BinaryIO, required: bytes | None) -> Iterable[str] | None:
    """Return the lines of a text file without their ends; None for a binary file, and for one that does not hold
    what every match must."""
    head = file.read(WHOLE + 1)
    mark, encoding = next(((m, e) for m, e in _MARKS if head.startswith(m)), (b"", "utf-8"))
    if encoding == "utf-8" and b"\0" in head[:BINARY_HEAD]:
        return None
    if encoding == "utf-8" and len(head) <= WHOLE:
        return None if required is not None and required not in head else _split(head[len(mark) :])
    file.seek(len(mark))
    if encoding != "utf-8":
        return _transcoded(file, encoding)
    return (_line(raw) for raw in _raw_lines(file))


def _split(data: bytes) -> list[str]:
    text = data.decode("utf-8", "surrogateescape")
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines] if "\r" in text else lines


def _line(raw: bytes) -> str:
    return raw.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "surrogateescape")


def _raw_lines(file: BinaryIO) -> Iterator[bytes]:
    while raw := file.readline(MAX_LINE):
        yield raw
        while len(raw) == MAX_LINE and not raw.endswith(b"\n"):
            check_cancelled()
            raw = file.readline(MAX_LINE)


def _transcoded(file: BinaryIO, encoding: str) -> Iterator[str]:
    rest = ""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    while chunk := file.read(MAX_LINE):
        *lines, rest = (rest + decoder.decode(chunk)).split("\n")
        yield from (line.removesuffix("\r") for line in lines)
        rest = rest[:MAX_LINE]
    rest += decoder.decode(b"", final=True)
    if rest:
        yield rest.removesuffix("\r")
