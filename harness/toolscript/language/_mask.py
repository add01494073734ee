"""Decides which characters of a whole script are code, for those who look into text that does not parse."""

from __future__ import annotations

from toolscript.language._place import Mode
from toolscript.language._scan import Scanner
from toolscript.language._steps import STEPS


def code_mask(text: str, *, bytewise: bool = True) -> str:
    """Return the text with all that is not code (strings, templates, comments, regular expressions) as ``\x01``.

    Line breaks stay; each masked character becomes as many marks as it has bytes of UTF-8, or one.
    """
    scanner = Scanner("</never>", [text], 0, ended=True)
    code: list[tuple[int, int]] = []
    in_code = {Mode.CODE, Mode.WORD}
    while scanner.offset < len(text):
        before, mode = scanner.offset, scanner.place.mode
        STEPS[mode](scanner, text, before)
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
        return "".join(c if c in "\n\r" else "\x01" for c in text)
    return "".join(c if c in "\n\r" else "\x01" * len(c.encode()) for c in text)


def unclosed(text: str) -> tuple[str, int] | None:
    """Return the first string, template or comment that is not closed (a string: on its line), and where it begins."""
    scanner = Scanner("</never>", [text], 0, ended=True)
    begun: list[int] = []
    while scanner.offset < len(text):
        before, mode = scanner.offset, scanner.place.mode
        STEPS[mode](scanner, text, before)
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
