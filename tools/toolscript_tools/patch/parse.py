"""Decides which text is a patch: its first and last line, here-document wrapping, and text that streams in."""

from __future__ import annotations

from toolscript_tools.patch.failures import InvalidPatch
from toolscript_tools.patch.machine import BEGIN, END, FIRST_LINE, LAST_LINE, LineMachine
from toolscript_tools.patch.model import Hunk, Patch
from toolscript_tools.patch.text import trim

_HERE_DOCUMENT = ("<<EOF", "<<'EOF'", '<<"EOF"')


def parse(text: str, *, lenient: bool = True) -> Patch:
    """Return the patch that the text holds; raises InvalidPatch naming the first thing that is wrong.

    With ``lenient`` the text may still be wrapped in the lines of a here-document tagged ``EOF``.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        number = text.count("\n", 0, error.start) + 1
        raise InvalidPatch(f"a lone surrogate on line {number} of the text cannot be written to a file") from None
    lines = _accepted(_lines(trim(text)), lenient)
    machine = LineMachine()
    for line in lines[:-1]:
        machine.take(line)
    machine.take_last(lines[-1])
    return Patch(machine.hunks(), machine.environment_id, "\n".join(lines))


class StreamingParser:
    """Parses a patch while its text arrives, whatever the boundaries of the pieces."""

    def __init__(self) -> None:
        self._machine = LineMachine()
        self._rest: list[str] = []

    def push(self, text: str) -> None:
        """Take more text; raises InvalidPatch at the first complete line that cannot stand where it stands."""
        head, newline, rest = text.rpartition("\n")
        if newline:
            for line in _lines("".join(self._rest) + head + "\n"):
                self._machine.take(line)
            self._rest.clear()
        self._rest.append(rest)

    def hunks(self) -> tuple[Hunk, ...]:
        """Return the hunks of all complete lines so far; costs as much as they are long."""
        return self._machine.hunks()

    def finish(self) -> tuple[Hunk, ...]:
        """Return the hunks of the whole patch; raises InvalidPatch if it is not over."""
        self._machine.take_last("".join(self._rest) or None)
        return self._machine.hunks()


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line[:-1] if line.endswith("\r") else line for line in lines]


def _accepted(lines: list[str], lenient: bool) -> list[str]:
    problem = _boundary_problem(lines)
    if problem is None:
        return lines
    wrapped = len(lines) >= 4 and lines[0] in _HERE_DOCUMENT and lines[-1].endswith("EOF")
    if lenient and wrapped:
        lines = lines[1:-1]
        problem = _boundary_problem(lines)
    if problem is not None:
        raise InvalidPatch(problem)
    return lines


def _boundary_problem(lines: list[str]) -> str | None:
    if lines and trim(lines[0]) != BEGIN:
        return FIRST_LINE
    if not lines or trim(lines[-1]) != END:
        return LAST_LINE
    return None
