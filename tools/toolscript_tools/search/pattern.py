"""Decides which regular expressions a search takes: what ripgrep's engine and ours read alike, and nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass

import regex

from toolscript.errors import ToolError

MAX_PATTERN = 4096
MAX_REPEATS = 1000
"""The highest number in a repetition, and of repetitions of groups all multiplied: engines write them out."""
SAFE_LINE = 2000
"""Up to so many characters a simple pattern (one repetition, not of a group) needs no timer."""

_BAD_BYTES = r"\uDC80-\uDCFF"
"""How bytes that are not UTF-8 stand in a decoded line: no class matches them, as in ripgrep."""

_PLAIN_ESCAPES = frozenset("tnrfva")
_QUANTIFIER = re.compile(r"\{\d+(,\d*)?\}")
_CODE_POINT = re.compile(r"x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[xuU]\{[0-9A-Fa-f]{1,6}\}")
_PROPERTY = re.compile(r"[pP](?:[A-Za-z]|\{\^?[A-Za-z_ ]+(?:[=:][A-Za-z_ ]+)?\})")
_GROUP = re.compile(r"\((?:\?P?<([A-Za-z_]\w*)>|\?(-?i)?:|(?!\?))")
_POSIX = re.compile(r"\[:\^?[a-z]+:\]")


def refused(reason: str) -> ToolError:
    """Return the error for a pattern that is not taken."""
    return ToolError(f"pattern: {reason}", tool="grepFiles", code="bad_pattern")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A checked pattern: compiled for us, and spelt for ripgrep (None where it might find less than we do).
    ``required`` are bytes that every match holds, where some are known."""

    compiled: regex.Pattern[str]
    spelt: str | None
    risky: bool
    required: bytes | None

    def found(self, line: str, seconds: float) -> bool:
        """Say whether the pattern occurs in a line. Raises TimeoutError when the seconds are over."""
        if not self.risky and len(line) <= SAFE_LINE:
            return self.compiled.search(line) is not None
        return self.compiled.search(line, timeout=max(seconds, 0.001), concurrent=True) is not None


def compile_pattern(text: str, *, ignore_case: bool = False, literal: bool = False) -> Pattern:
    """Return the checked pattern. Raises ToolError ``bad_pattern`` naming what is not taken, and what is instead."""
    if not text:
        raise refused("pattern must not be empty")
    if len(text) > MAX_PATTERN:
        raise refused(f"a pattern may have {MAX_PATTERN} characters")
    if "\n" in text:
        raise refused("lines are searched one by one, so a pattern holds no line break")
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise refused("the pattern is not valid text")
    scan = _Scan(re.escape(text).replace("\\ ", " ") if literal else text)
    ours, spelt = scan.run()
    flags = regex.V0 | (regex.IGNORECASE if ignore_case or scan.ignore_case else 0)
    try:
        compiled = regex.compile(ours, flags)
    except (regex.error, OverflowError, RecursionError) as error:
        raise refused(str(error)) from None
    return Pattern(
        compiled,
        None if scan.ours_only else spelt,
        scan.repeats > 1 or scan.repeated_group or (scan.choices > 0 and scan.groups > 2),
        None if ignore_case or scan.ignore_case else scan.required(),
    )


class _Scan:
    """Reads a pattern once, and writes it for both engines."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.ignore_case = False
        self.ours_only = False
        self.repeats = 0
        self.groups = 0
        self.choices = 0
        self.repeated_group = False
        self._ours: list[str] = []
        self._spelt: list[str] = []
        self._depth = 0
        self._length = 1
        self._highest = 1
        self._written_out = 1
        self._runs: list[str] = [""]

    def run(self) -> tuple[str, str]:
        """Return the pattern for our engine and for ripgrep."""
        if self.text.startswith("(?i)"):
            self.ignore_case, self.at = True, 4
            self._spelt.append("(?i)")
        while self.at < len(self.text):
            self._step(self.text[self.at])
        if self._depth:
            raise refused("a ( without its )")
        return "".join(self._ours), "".join(self._spelt)

    def required(self) -> bytes | None:
        """Return the longest text that every match holds: what stands outside of groups and is not optional."""
        longest = max(self._runs, key=len)
        return longest.encode() if longest and not self.choices else None

    def _put(self, ours: str, spelt: str | None = None, *, read: int, plain: str = "") -> None:
        """Write a piece for both engines; ``plain`` is the text that it stands for, if it stands for one."""
        if plain and not self._depth:
            self._runs[-1] += plain
        else:
            self._runs.append("")
        self._ours.append(ours)
        self._spelt.append(ours if spelt is None else spelt)
        self.at += read

    def _step(self, char: str) -> None:
        match char:
            case "\\":
                self._escape()
            case "[":
                self._class()
            case "(":
                self._group()
            case ")":
                self._close()
            case "*" | "+" | "?" | "{":
                self._repeat(char)
            case ".":
                self._put(rf"[^\n{_BAD_BYTES}]", ".", read=1)
            case "$":
                self._put("$", r"(?:\r??$)", read=1)  # we drop the CR of a CRLF before we look
            case "}" | "]":
                self._put(f"\\{char}", read=1, plain=char)
            case "^":
                self._put(char, read=1)
            case "|":
                self.choices += 1
                self._put(char, read=1)
            case _:
                self._put(char, read=1, plain=char)

    def _repeat(self, char: str) -> None:
        length = 1
        if char == "{":
            found = _QUANTIFIER.match(self.text, self.at)
            if found is None:
                self._put(r"\{", read=1, plain=char)
                return
            length = len(found[0])
            self._count(max(int(digits) for digits in re.findall(r"\d+", found[0])))
        token = self.text[self.at : self.at + length]
        following = self.text[self.at + length : self.at + length + 1]
        if following == "+":
            raise refused("possessive repetition (a++) is not taken; write a+")
        if following in ("*", "{") and (following == "*" or _QUANTIFIER.match(self.text, self.at + length)):
            raise refused("a repetition of a repetition; put the first into (?: )")
        self.repeats += 1
        if char != "+":  # what it repeats may be missing
            self._runs[-1] = self._runs[-1][:-1]
        self.repeated_group |= self._ours[-1:] == [")"]
        lazy = following == "?"
        self._put(token + ("?" if lazy else ""), read=length + lazy)

    def _count(self, number: int) -> None:
        if self._ours[-1:] == [")"]:
            self._written_out *= max(1, number)
        else:
            self._highest = max(self._highest, number)
        if self._highest * self._written_out > MAX_REPEATS:
            raise refused(f"more than {MAX_REPEATS} repetitions; write + or * and look at the text")

    def _group(self) -> None:
        found = _GROUP.match(self.text, self.at)
        if found is None:
            raise refused(_why_not(self.text[self.at : self.at + 4]))
        self._depth += 1
        self.groups += 1
        name, flag = found[1], found[2]
        self._put("(" if name else f"(?{flag or ''}:" if found[0] != "(" else "(", found[0], read=len(found[0]))
        if name:
            self._spelt[-1] = f"(?P<{name}>"

    def _close(self) -> None:
        if not self._depth:
            raise refused("a ) without its (")
        self._depth -= 1
        self._put(")", read=1)

    def _escape(self) -> None:
        rest = self.text[self.at + 1 :]
        if not rest:
            raise refused("the pattern ends with a backslash")
        char = rest[0]
        if char in "DWS":
            self._put(rf"[^\{char.lower()}{_BAD_BYTES}]", f"\\{char}", read=2)
        elif char in "dwsbB":
            self._put(f"\\{char}", read=2)
        else:
            self._put(*self._code_point_or_sign(rest), read=1 + self._length)

    def _code_point_or_sign(self, rest: str) -> tuple[str, str]:
        self._length, char = 1, rest[0]
        if found := _PROPERTY.match(rest):
            self._length = len(found[0])
            negated = char == "P" or "^" in found[0]
            return (rf"(?![{_BAD_BYTES}])\{found[0]}" if negated else f"\\{found[0]}"), f"\\{found[0]}"
        if found := _CODE_POINT.match(rest):
            self._length = len(found[0])
            number = int(found[0][1:].strip("{}"), 16)
            if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
                raise refused(f"\\{found[0]} is no character")
            return regex.escape(chr(number), special_only=False), f"\\x{{{number:X}}}"
        if char == "n":
            raise refused("lines are searched one by one, so a pattern holds no line break")
        if char in _PLAIN_ESCAPES:
            return f"\\{char}", f"\\{char}"
        if char.isalnum() or not char.isascii() or char in "<>":
            raise refused(_why_not_escape(char))
        return regex.escape(char, special_only=False), f"\\{char}" if char in _META else char

    def _class(self) -> None:
        start = self.at
        self.at += 1
        negated = self.text[self.at : self.at + 1] == "^"
        self.at += negated
        ours = [f"[^{_BAD_BYTES}" if negated else "["]
        spelt = ["[^" if negated else "["]
        first = True
        while first or self.text[self.at : self.at + 1] != "]":
            if self.at >= len(self.text):
                raise refused(f"a [ without its ] at {start + 1}")
            mine, theirs = self._member()
            ours.append(mine)
            spelt.append(theirs)
            first = False
        self.at += 1
        self._put("".join([*ours, "]"]), "".join([*spelt, "]"]), read=0)
        self.ours_only |= _takes_bad_bytes(self._ours[-1])

    def _member(self) -> tuple[str, str]:
        char, pair = self.text[self.at], self.text[self.at : self.at + 2]
        if pair in ("&&", "--", "~~", "||"):
            raise refused(f"{pair} in a class is not taken")
        if found := _POSIX.match(self.text, self.at):
            self.at += len(found[0])
            return found[0], found[0]
        if char == "\\" and len(pair) == 2:
            return self._escaped_member(pair[1])
        self.at += 1
        return (f"\\{char}", f"\\{char}") if char in "[]^" else (char, char)

    def _escaped_member(self, char: str) -> tuple[str, str]:
        if char in "dwsDWS":
            self.at += 2
            return f"\\{char}", f"\\{char}"
        if char == "b":
            raise refused(r"\b in a class is not taken")
        ours, spelt = self._code_point_or_sign(self.text[self.at + 1 :])
        self.at += 1 + self._length
        return ours.removeprefix(rf"(?![{_BAD_BYTES}])"), spelt


_META = frozenset(r"\.+*?()|[]{}^$#&-~")


def _takes_bad_bytes(ours: str) -> bool:
    """Say whether a class takes bytes that are not UTF-8, which ripgrep's never does: it would find less."""
    try:
        return regex.search(ours, "\udc80", regex.V0) is not None
    except regex.error:  # told when the whole is compiled
        return False


def _why_not(text: str) -> str:
    if text.startswith(("(?=", "(?!", "(?<=", "(?<!")):
        return "looking ahead or behind is not taken; search for the whole and look at the text"
    return f"{text!r} is not taken; groups are (…), (?:…), (?i:…) and (?<name>…), and (?i) stands at the beginning"


def _why_not_escape(char: str) -> str:
    if char.isdigit() or char in "kg":
        return "back-references are not taken"
    if char in "AzZG":
        return f"\\{char} is not taken; ^ and $ stand for the ends of the line"
    if char in "<>":
        return f"\\{char} is not taken; \\b stands for the end of a word"
    return f"\\{char} is not taken"
