"""Decides what a script must look like at its face, and says so to whoever wrote something else."""

from __future__ import annotations

import json
import re

from toolscript.errors import Position, ScriptFormatError

TAGS = ("tool-calls", "script")
"""The tags that hold a script; the first is the one that models are taught."""

EXAMPLE = """\
const { stdout } = await tools.exec({ command: ["ls"] });
return stdout.split("\\n").length;"""
"""One script, shown to whoever wrote something else into a cell or a file."""

ACCEPTED_FORM = f"<tool-calls>\n{EXAMPLE}\n</tool-calls>"
"""One script as a reply of a model holds it, shown with every format error of a reply."""

_LEAD = re.compile(r"(?:\s++|//[^\n\r]*+|/\*(?:[^*]|\*(?!/))*+\*/)*+")
_FENCE = re.compile(r"(`{3,}|~{3,})[\w+.#-]*[ \t]*\r?\n")
_JSON_OBJECT = re.compile(r'\{\s*+"(?:[^"\\\n]|\\.)*+"\s*+:')
_PROSE = re.compile(
    r"(?:#{1,6} +|[-*+>] +|\d{1,3}[.)] +)?([A-Za-z][\w'’-]*)(,?) +([A-Za-z][\w'’-]*)(,?) +([A-Za-z][\w'’-]*)"
)
_FIRST_WORDS = frozenset(
    {
        "abstract", "accessor", "async", "await", "break", "case", "class", "const", "continue", "debugger", "declare",
        "default", "delete", "do", "else", "enum", "export", "for", "function", "get", "global", "if", "import",
        "interface", "let", "module", "namespace", "new", "override", "private", "protected", "public", "readonly",
        "return", "set", "static", "switch", "throw", "try", "type", "typeof", "unique", "using", "var", "void",
        "while", "with", "yield",
    }
)  # fmt: skip
_OPERAND_WORDS = frozenset({"async", "await", "class", "delete", "function", "new", "typeof", "void", "yield"})
_SECOND_WORDS = frozenset({"as", "in", "instanceof", "of", "satisfies"})


def format_error(
    reason: str, message: str, position: Position | None = None, *, tagged: bool = True
) -> ScriptFormatError:
    """Return an error that shows the accepted form behind its message; ``tagged`` where a reply holds it in tags."""
    form = ACCEPTED_FORM if tagged else EXAMPLE
    return ScriptFormatError(reason, f"{message}. A script is written like this:\n{form}", position=position)


def problem_of(source: str, *, tagged: bool = True) -> ScriptFormatError | None:
    """Return what is wrong with a source that cannot be a script at all: empty, JSON or prose; None otherwise.

    ``tagged`` says that it stood between tags, in a reply; whoever wrote a cell or a file hears nothing of tags.
    Everything refused here is no TypeScript either, except for an empty script and JSON arrays of objects, which
    compute nothing.
    """
    lead = _LEAD.match(source)
    begin = lead.end() if lead else 0
    if fence := _FENCE.match(source, begin):
        inner = _LEAD.match(source, fence.end())
        begin = inner.end() if inner else fence.end()
        if source.startswith(fence.group(1), begin):
            begin = len(source)
    if begin >= len(source):
        return format_error("empty", "the script is empty, so nothing was run", tagged=tagged)
    for reason, told, is_such in (("json", "JSON", _is_json), ("prose", "prose", _is_prose)):
        if is_such(source, begin):
            where = f"the tags hold {told}; they take" if tagged else f"the script is {told}; it has to be"
            return format_error(reason, f"{where} TypeScript, so nothing was run", tagged=tagged)
    return None


def _is_json(source: str, begin: int) -> bool:
    if _JSON_OBJECT.match(source, begin):
        return True
    if source[begin] != "[":
        return False
    try:
        values = json.loads(source[begin:].rstrip().rstrip("`~").rstrip())
    except (ValueError, RecursionError):
        return False
    return bool(values) and all(isinstance(value, dict) for value in values)


def _is_prose(source: str, begin: int) -> bool:
    """Three words in a row, of which two neighbours cannot stand side by side in code."""
    words = _PROSE.match(source, begin)
    if words is None:
        return False
    first, comma, second, another, third = words.groups()
    if not comma and first not in _FIRST_WORDS and second not in _SECOND_WORDS:
        return True
    return bool(comma) and not another and second not in _OPERAND_WORDS and third not in _SECOND_WORDS
