"""Decides how Pygments colours a cell of a toolscript notebook: its first line says which language it is in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from pygments.lexer import Lexer
from pygments.lexers.javascript import TypeScriptLexer
from pygments.lexers.python import PythonLexer
from pygments.lexers.special import TextLexer
from pygments.token import Comment, Keyword, Text

from toolscript_kernel.cells import Kind, read


class ToolscriptLexer(Lexer):
    """Scripts as TypeScript, ``%%py`` as Python, prompts as text; lines that speak to toolscript stand out."""

    name = "toolscript cell"
    aliases: ClassVar[list[str]] = ["toolscript-cell", "toolscript"]
    filenames: ClassVar[list[str]] = []
    mimetypes: ClassVar[list[str]] = ["text/x-toolscript"]
    url = ""

    def get_tokens_unprocessed(self, text: str) -> Iterator[tuple[int, Any, str]]:
        """Yield (position, kind, text)."""
        cell = read(text)
        start = sum(map(len, text.splitlines(keepends=True)[: cell.offset]))
        yield from _own_lines(text[:start])
        for position, kind, value in _lexer(cell.kind).get_tokens_unprocessed(text[start:]):
            yield start + position, kind, value


def _own_lines(above: str) -> Iterator[tuple[int, Any, str]]:
    position = 0
    for line in above.splitlines(keepends=True):
        word, blank, rest = line.partition(" ")
        yield position, Keyword if word.startswith("%") else Text, word
        yield position + len(word), Comment.Preproc, blank + rest
        position += len(line)


def _lexer(kind: Kind) -> Lexer:
    options = {"ensurenl": False, "stripnl": False}
    match kind:
        case Kind.SCRIPT:
            return TypeScriptLexer(**options)
        case Kind.PYTHON | Kind.IPYTHON:
            return PythonLexer(**options)
        case _:
            return TextLexer(**options)
