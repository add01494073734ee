"""Decides what JavaScript a TypeScript script becomes: types blanked, every line and column where it was.

Runs inside the sandboxed worker, since its parser is C code that reads hostile text; touches no file when called.
"""

from __future__ import annotations

from functools import partial

from toolscript.errors import ScriptSyntaxError
from toolscript.language._body import prepare_body
from toolscript.language._diagnose import place, syntax_error
from toolscript.language._settle import settle
from toolscript.language._trees import JAVASCRIPT, javascript


def blank(source: str, *, last_expression: bool = False) -> str:
    """Return the JavaScript of an async function body, each character of it at its own line and column.

    With ``last_expression`` the value of a last expression statement becomes the result. A script that is one
    function (``export default`` or not) becomes that function's body.

    Raises UnsupportedTypeScript for syntax that cannot be erased and ScriptSyntaxError for what is no
    TypeScript, both with line and column.
    """
    _check_characters(source)
    blanked = settle(source, partial(prepare_body, last_expression=last_expression)).apply()
    _check(blanked)
    return blanked


def _check_characters(source: str) -> None:
    try:
        data = source.encode()
    except UnicodeEncodeError as error:
        before = source[: error.start].encode()
        raise ScriptSyntaxError(
            "the script holds half a character (a lone surrogate); write it as an escape: \\ud800",
            position=place(before, len(before)),
        ) from None
    if (nul := data.find(b"\0")) >= 0:
        raise ScriptSyntaxError("the script holds a NUL character; write \\0", position=place(data, nul))


def _check(blanked: str) -> None:
    """What was blanked must be JavaScript; if it is not, this refuses rather than run something else."""
    source = blanked.encode()
    if javascript(source) is None:
        raise syntax_error(JAVASCRIPT, source)
