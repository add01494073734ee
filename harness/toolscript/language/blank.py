"""Decides what JavaScript a TypeScript script becomes: types blanked, every line and column where it was.

Runs inside the sandboxed worker, since its parser is C code that reads hostile text; touches no file when called.
"""

from __future__ import annotations

from toolscript.errors import ScriptSyntaxError
from toolscript.language._body import prepare_body
from toolscript.language._edits import Edits
from toolscript.language._erase import erase
from toolscript.language._settle import settle
from toolscript.language._trees import javascript, place, refuse_errors, walk


def blank(source: str, *, last_expression: bool = False) -> str:
    """Return the JavaScript of an async function body, each character of it at its own line and column.

    With ``last_expression`` the value of a last expression statement becomes the result. A script that is one
    function (``export default`` or not) becomes that function's body.

    Raises UnsupportedTypeScript for syntax that cannot be erased and ScriptSyntaxError for what is no
    TypeScript, both with line and column.
    """
    _encoded(source)
    text, tree = settle(source)
    data = text.encode()
    edits = Edits(data, text)
    prepare_body(edits, tree.root_node, last_expression=last_expression)
    walk(tree.root_node, lambda node, ancestors: erase(edits, node, ancestors), data)
    blanked = edits.apply()
    _check(blanked, data)
    return blanked


def _encoded(source: str) -> bytes:
    try:
        data = source.encode()
    except UnicodeEncodeError as error:
        raise ScriptSyntaxError(
            "the script holds half a character (a lone surrogate); write it as an escape: \\ud800",
            position=place(source[: error.start].encode(), 1 << 60),
        ) from None
    if (nul := data.find(b"\0")) >= 0:
        raise ScriptSyntaxError("the script holds a NUL character; write \\0", position=place(data, nul))
    return data


def _check(blanked: str, data: bytes) -> None:
    """What was blanked must be JavaScript; if it is not, this refuses rather than run something else."""
    result = blanked.encode()
    root = javascript(result).root_node
    if root.has_error:
        refuse_errors(root, result)
