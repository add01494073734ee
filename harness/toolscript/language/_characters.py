"""Decides which characters a script may be written in, so that author, stripper and engine see the same lines."""

from __future__ import annotations

import re

from toolscript.errors import ScriptSyntaxError
from toolscript.language.positions import position_at

_BAD = re.compile("[\0\ud800-\udfff]|\r(?!\n)")
_DOUBTFUL = re.compile("[\u2028\u2029]|<!--|-->")
_IN_CODE = re.compile("[\u2028\u2029]|<!--|^[\\s\x01]*?(-->)", re.MULTILINE)


def check_characters(source: str) -> None:
    """Raise ScriptSyntaxError, placed, for characters that would be read in more than one way.

    These are NUL, halves of surrogate pairs, lone carriage returns, line separators outside strings, and comments
    in the manner of HTML, which only some JavaScript has.
    """
    if bad := _BAD.search(source):
        raise ScriptSyntaxError(_why(bad.group()), position=position_at(source, bad.start()))
    if not _DOUBTFUL.search(source):
        return
    from toolscript.language._mask import code_mask

    if found := _IN_CODE.search(code_mask(source, bytewise=False)):
        at = found.start(1) if found.group(1) else found.start()
        raise ScriptSyntaxError(_why(source[at : at + 1]), position=position_at(source, at))


def _why(c: str) -> str:
    match c:
        case "\0":
            return "the script holds a NUL character; write \\0"
        case "\r":
            return "the script holds a carriage return without a line feed; end lines with LF or CR LF"
        case "<" | "-":
            return "comments in the manner of HTML are not JavaScript everywhere; write //"
        case "\u2028" | "\u2029":
            return f"a line separator (U+{ord(c):04X}) stands outside a string; use an ordinary line break"
    return f"the script holds half a character (a lone surrogate); write it as an escape: \\u{ord(c):04x}"
