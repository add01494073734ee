"""Decides where a stream of script text ends: at the first closing tag that stands in code."""

from __future__ import annotations

from dataclasses import dataclass

from toolscript.language._place import Bracket, Mode, Verdict
from toolscript.language._reading import Reading
from toolscript.language._steps import STEPS


@dataclass(slots=True)
class Scanner(Reading):
    """Reads script text in pieces of any size and stops at a closing tag that stands in code.

    Work is linear: each character is read once, and at most a few times more on a line where slashes
    looked like regular expressions and were none.
    """

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
            verdict = STEPS[self.place.mode](self, text, before)
            if verdict is Verdict.CLOSED:
                return True
            if verdict is Verdict.WAIT and not self._lengthen(text):
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
            self.divide()

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
