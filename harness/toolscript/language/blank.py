"""Decides what JavaScript a TypeScript script becomes: types blanked, every line and column where it was.

Runs inside the sandboxed worker, since its parser is C code that reads hostile text; touches no file when called.
"""

from __future__ import annotations

from functools import partial

from toolscript.language._body import prepare_body
from toolscript.language._characters import check_characters
from toolscript.language._diagnose import syntax_error
from toolscript.language._settle import settle
from toolscript.language._trees import JAVASCRIPT, javascript


def blank(source: str, *, last_expression: bool = False) -> str:
    """Return the JavaScript of an async function body, each character of it at its own line and column.

    With ``last_expression`` the value of a last expression statement becomes the result. A script that is one
    function (``export default`` or not) becomes that function's body.

    Raises UnsupportedTypeScript for syntax that cannot be erased and ScriptSyntaxError for what is no
    TypeScript, both with line and column.
    """
    check_characters(source)
    blanked = settle(source, partial(prepare_body, last_expression=last_expression)).apply()
    _check(blanked)
    return blanked


def _check(blanked: str) -> None:
    """What was blanked must be JavaScript; if it is not, this refuses rather than run something else."""
    source = blanked.encode()
    if javascript(source) is None:
        raise syntax_error(JAVASCRIPT, source)
