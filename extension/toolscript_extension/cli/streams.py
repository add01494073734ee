"""Decides how a command meets its standard streams: closed ones, readers that leave, full disks, narrow encodings."""

from __future__ import annotations

import codecs
import errno
import io
import json
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

FAILED = 1
_ESCAPED = "toolscript.escaped"
WIDE = 10_000
"""Columns where no terminal sets them: a pipe or file gets whole lines."""


class _Outlet(io.FileIO):
    """A standard stream that never fails in the middle of the work; ``failure`` is what went wrong first."""

    failure: OSError | None = None

    def write(self, data: object, /) -> int:
        """Write, or drop what cannot be written any more: a script's effects must not hang on who watches."""
        if self.failure is None:
            try:
                return super().write(data) or 0  # type: ignore[arg-type]
            except OSError as error:
                self.failure = error
        return len(data)  # type: ignore[arg-type]


_outlets: list[_Outlet] = []


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """Write what an encoding lacks as JSON does, so that a result stays the same JSON."""
    assert isinstance(error, UnicodeEncodeError)
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


codecs.register_error(_ESCAPED, _escaped)


def prepare() -> None:
    """Open what of 0, 1 and 2 is closed, so that no other file gets its number, and make the outputs unfailing."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout, sys.stderr = _opened(1, sys.stdout), _opened(2, sys.stderr)


def _opened(number: int, was: TextIO | None) -> TextIO:
    if was is not None:
        was.flush()
    outlet = _Outlet(number, "w", closefd=False)
    _outlets.append(outlet)
    # What the encoding lacks becomes an escape; the rest of the output stays.
    return io.TextIOWrapper(
        io.BufferedWriter(outlet), encoding=was.encoding if was is not None else "utf-8", errors=_ESCAPED,
        line_buffering=number == 2 or outlet.isatty(),
    )  # fmt: skip


def finish(code: int) -> int:
    """Write out what is left and return the exit code: a result that could not be written is a failure.

    A reader that left early (``| head -1``) has what it wanted, and changes nothing.
    """
    sys.stdout.flush()
    lost = _outlets[0].failure
    if lost is not None and lost.errno != errno.EPIPE:
        sys.stderr.write(f"toolscript: cannot write to standard output: {lost.strerror}\n")
        code = code or FAILED
    sys.stderr.flush()
    return code


def screen(*, stderr: bool = False) -> Console:
    """Return a console that shows text as it is: no markup, and no line broken where no terminal is."""
    from rich.console import Console

    file = sys.stderr if stderr else sys.stdout
    width = None if file.isatty() else WIDE
    return Console(file=file, width=width, highlight=False, markup=False, emoji=False)
