"""Decides how TypeScript looks in the record: highlighted by inline colours that suit light and dark pages."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from toolscript_kernel.record import inert

# A page with Jupyter's theme variables colours code as its own editor does. Elsewhere nothing tells light from dark,
# and no colour is read well enough on both: the text keeps the page's own, and weight and slant set it apart.
_COLOURS = {
    "Keyword": "var(--jp-mirror-editor-keyword-color,inherit);font-weight:600",
    "String": "var(--jp-mirror-editor-string-color,inherit)",
    "Number": "var(--jp-mirror-editor-number-color,inherit)",
    "Comment": "inherit;opacity:.75;font-style:italic",
    "Name.Builtin": "var(--jp-mirror-editor-builtin-color,inherit)",
    "Name.Function": "var(--jp-mirror-editor-def-color,inherit)",
}

_PRIMITIVES = frozenset({"any", "bigint", "boolean", "never", "null", "number", "object", "string", "unknown", "void"})


def block(source: str, style: str, *, failed: int | None = None) -> str:
    """Return the source as one highlighted ``<pre>``; the line at fault is tinted and named for screen readers."""
    lines = "".join(_coloured(kind, value) for kind, value in tokens(inert.text(source).strip("\n"))).split("\n")
    skipped = len(source) - len(source.lstrip("\n"))
    shown = [_line(line, number + skipped == failed) for number, line in enumerate(lines, 1)]
    return f'<pre style="{style}"><code>{chr(10).join(shown)}</code></pre>'


@lru_cache(maxsize=64)
def tokens(source: str) -> tuple[tuple[str, str], ...]:
    """Return the source as (kind, text) pairs; kinds are names of :data:`_COLOURS`, or empty."""
    from pygments.lexers.javascript import TypeScriptLexer

    lexer: Any = TypeScriptLexer(ensurenl=False, stripnl=False)
    return tuple((_kind(str(kind)[6:], value), value) for kind, value in lexer.get_tokens(source))


def _kind(token: str, text: str) -> str:
    token = token.removeprefix("Literal.")
    if token == "Keyword.Type" and text not in _PRIMITIVES:
        return ""  # the lexer takes what follows any colon for a type
    return next((name for name in _COLOURS if token == name or token.startswith(f"{name}.")), "")


def _coloured(kind: str, value: str) -> str:
    if not kind:
        return inert.markup(value)
    # One element a line, so that a line can be marked without breaking the elements in it.
    style = f'<span style="color:{_COLOURS[kind]}">'
    return "\n".join(f"{style}{inert.markup(part)}</span>" if part else "" for part in value.split("\n"))


def _line(line: str, failed: bool) -> str:
    if not failed:
        return line
    return f'<mark style="background:rgba(248,81,73,.22);color:inherit" title="failed here">{line or " "}</mark>'
