"""Decides which parts of a model's streamed reply are scripts, and which are only text about them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from toolscript.errors import ScriptFormatError
from toolscript.language._prose import ProseReader
from toolscript.language._scan import Scanner
from toolscript.language.forms import TAGS, format_error, problem_of

_MAX_RESCANS = 8
"""Scripts behind one that ended inside a token which are still read token by token; see :meth:`Detector.finish`."""
_ALONE = {tag: re.compile(rf"^[ \t]*+(</{tag}>)[ \t\r]*+$", re.MULTILINE) for tag in TAGS}
"""A closing tag alone on its line."""


@dataclass(frozen=True, slots=True)
class Prose:
    """Text of the reply outside scripts, as early as it is known to be that."""

    text: str


@dataclass(frozen=True, slots=True)
class ScriptOpened:
    """An opening tag has streamed in; a ScriptFound or FormatProblem follows."""


@dataclass(frozen=True, slots=True)
class ScriptFound:
    """A whole script: the text between its tags, unchanged, ``offset`` characters into the reply."""

    source: str
    offset: int
    tag: str


@dataclass(frozen=True, slots=True)
class FormatProblem:
    """Something that was meant as a script and cannot be one; nothing of it runs.

    ``source`` is the text between the tags (or up to the end), empty where the text was given out as prose.
    """

    error: ScriptFormatError
    source: str = ""
    offset: int = 0
    tag: str = ""


Piece = Prose | ScriptOpened | ScriptFound | FormatProblem


class Detector:
    """Takes a reply in chunks of any size and tells prose from scripts, in time linear in the reply.

    The pieces do not depend on where chunks are cut, but for how prose is divided. Prose, sources and tags together
    are the reply, character by character. ``work`` counts the steps taken, for whoever checks that they are linear.
    """

    def __init__(self) -> None:
        self._prose = ProseReader()
        self._scanner: Scanner | None = None
        self._tag = ""
        self._fed = 0
        self._script_at = 0
        self._seen = False
        self._rescans = 0
        self._past_work = 0

    @property
    def work(self) -> int:
        """Steps and characters looked at so far, each as often as it was looked at."""
        return self._past_work + self._prose.work + (self._scanner.work if self._scanner else 0)

    def feed(self, text: str) -> list[Piece]:
        """Take the next chunk and return what is certain now."""
        pieces: list[Piece] = []
        self._fed += len(text)
        if self._scanner is None:
            self._read(pieces, text, 0)
        elif self._scanner.feed(text):
            self._read(pieces, *self._close(pieces, self._scanner))
        return pieces

    def finish(self) -> list[Piece]:
        """Take the end of the reply and return the rest: held prose, an unclosed script, a hint.

        If the reply ends inside a string, template, comment or regular expression of a script, the first closing tag
        alone on its line closes it, and what follows is read anew. A reply may be built so that this happens over
        and over: after a few times, scripts are closed by such tags alone, which keeps the time linear.
        """
        pieces: list[Piece] = []
        while (scanner := self._scanner) is not None:
            if not self._by_line and scanner.end():
                self._read(pieces, *self._close(pieces, scanner))
            elif not (scanner.inside_token or self._by_line) or not self._close_by_line(pieces, scanner):
                self._unclosed(pieces, scanner)
        _add_prose(pieces, self._prose.finish())
        if self._prose.hint and not self._seen:
            pieces.append(FormatProblem(_hint(self._prose.hint)))
        return pieces

    def _read(self, pieces: list[Piece], text: str, at: int) -> None:
        """Read a text, the last of what was fed, from its place on until all is read or waits for more."""
        while True:
            prose, opened = self._prose.read(text, at)
            _add_prose(pieces, prose)
            if opened is None:
                return
            self._tag, self._seen = opened.tag, True
            self._script_at = self._fed - (len(opened.text) - opened.end)
            pieces.append(ScriptOpened())
            scanner = self._scanner = Scanner(f"</{opened.tag}>", [opened.text], opened.end)
            if self._by_line or not scanner.run():
                return
            text, at = self._close(pieces, scanner)

    @property
    def _by_line(self) -> bool:
        return self._rescans > _MAX_RESCANS

    def _close(self, pieces: list[Piece], scanner: Scanner) -> tuple[str, int]:
        """Give out the script that ended at the scanner's place; returns what is left to read."""
        self._found(pieces, scanner.source())
        text, at = scanner.rest()
        return text, at + len(scanner.closing)

    def _found(self, pieces: list[Piece], source: str) -> None:
        problem = problem_of(source)
        if problem is None:
            pieces.append(ScriptFound(source, self._script_at, self._tag))
        else:
            pieces.append(FormatProblem(problem, source, self._script_at, self._tag))
        self._leave()

    def _leave(self) -> None:
        if self._scanner is not None:
            self._past_work += self._scanner.work
        self._scanner = None

    def _close_by_line(self, pieces: list[Piece], scanner: Scanner) -> bool:
        """Close the script at the first closing tag alone on its line; returns whether there was one."""
        text, start = scanner.whole()
        alone = _ALONE[self._tag].search(text, start)
        self._past_work += (alone.end() if alone else len(text)) - start
        if alone is None:
            return False
        self._rescans += 1
        self._found(pieces, text[start : alone.start(1)])
        self._read(pieces, text, alone.end(1))
        return True

    def _unclosed(self, pieces: list[Piece], scanner: Scanner) -> None:
        text, start = scanner.whole()
        source = text[start:]
        hidden = " (one stands inside a string, template, comment or regular expression, where it is text)"
        error = format_error(
            "unclosed",
            f"the script has no closing tag {scanner.closing}{hidden if scanner.closing in source else ''},"
            " so nothing of it was run; put the closing tag on a line of its own",
        )
        pieces.append(FormatProblem(error, source, self._script_at, self._tag))
        self._leave()


def detect(text: str) -> list[Piece]:
    """Return the pieces of a whole reply, neighbouring prose joined."""
    detector = Detector()
    pieces = detector.feed(text) + detector.finish()
    joined: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, Prose) and joined and isinstance(joined[-1], Prose):
            joined[-1] = Prose(joined[-1].text + piece.text)
        else:
            joined.append(piece)
    return joined


def _add_prose(pieces: list[Piece], text: str) -> None:
    if text:
        pieces.append(Prose(text))


def _hint(tag: str) -> ScriptFormatError:
    return format_error(
        "fenced", f"the only <{tag}> stands in a code fence or inline code, so it is an example and was not run"
    )
