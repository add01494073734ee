"""Decides what of a text is the script: its wrapping off, its pragma read, its size and characters checked.

Needs no syntax tree, so it may run in the host; what is TypeScript and what is not, the worker's ``blank`` says.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from pydantic.alias_generators import to_snake

from toolscript.errors import ConfigError, ScriptFormatError, SourceTooLarge
from toolscript.language._characters import check_characters
from toolscript.language.forms import problem_of
from toolscript.language.positions import position_at

if TYPE_CHECKING:
    from toolscript.limits import Limits

_FENCED = re.compile(r"(\s*)(`{3,}|~{3,})([\w+.#-]*[ \t]*)(?=\r?\n)")
_EXAMPLE = '// @script: {"calls": 4, "tools": ["readFile"]}'
_PRAGMA = re.compile(r"[\s\ufeff]*//[ \t]*@script:([^\n\r]*)")
_TOOL_NAME = re.compile(r"[\w$.*-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A script ready for a worker. Line and column of each character of ``source`` are the author's own.

    ``limits`` are those given, tightened by the pragma. ``script_hash`` is that of ``source``. ``allowed_tools`` are
    the tools that the pragma restricts the run to, or None.
    """

    source: str
    limits: Limits
    script_hash: str
    allowed_tools: tuple[str, ...] | None = None


def script_hash(source: str) -> str:
    """Return the SHA-256 of the source's UTF-8 as hex; lone surrogates count as WTF-8 writes them."""
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()


def parse(source: str, limits: Limits) -> Parsed:
    """Take a script out of what a model, a cell or a file holds.

    Tolerates a byte order mark and a Markdown fence around the script, both replaced by blanks, and a first line
    ``// @script: {"calls": 4, "tools": ["readFile"]}``, whose limits may only be lower than the given ones.

    Raises SourceTooLarge; ScriptFormatError for an empty script, JSON, prose or an unusable pragma; and
    ScriptSyntaxError for NUL characters and lone surrogates.
    """
    _check_size(source, limits)
    check_characters(source)
    if problem := problem_of(source, tagged=False):
        raise problem
    bare = _without_fence(source.replace("\ufeff", " ", 1) if source.startswith("\ufeff") else source)
    tools: tuple[str, ...] | None = None
    if pragma := _PRAGMA.match(bare):
        limits, tools = _pragma(pragma, limits)
        _check_size(source, limits)
    return Parsed(source=bare, limits=limits, script_hash=script_hash(bare), allowed_tools=tools)


def _check_size(source: str, limits: Limits) -> None:
    if len(source) > limits.source_bytes:  # at least a byte a character: no need to encode what is far too long
        raise SourceTooLarge(limits.source_bytes, len(source))
    size = len(source.encode("utf-8", "surrogatepass"))
    if size > limits.source_bytes:
        raise SourceTooLarge(limits.source_bytes, size)


def _without_fence(source: str) -> str:
    """Blank a Markdown fence around the whole script; one that is not closed loses its first line only."""
    opening = _FENCED.match(source)
    if opening is None:
        return source
    start, end = opening.start(2), opening.end()
    bare = source[:start] + " " * (end - start) + source[end:]
    body = bare.rstrip()
    closing = re.search(rf"^[ \t]*({re.escape(opening.group(2)[0])}{{{len(opening.group(2))},}})\Z", body, re.MULTILINE)
    if closing is None:
        return bare
    return bare[: closing.start(1)] + " " * len(closing.group(1)) + bare[closing.end(1) :]


def _pragma(pragma: re.Match[str], limits: Limits) -> tuple[Limits, tuple[str, ...] | None]:
    where = position_at(pragma.string, pragma.start(1))

    def refuse(why: str) -> NoReturn:
        message = f"the @script pragma {why}; it is written like this: {_EXAMPLE}"
        raise ScriptFormatError("pragma", message, position=where)

    try:
        wanted = json.loads(pragma.group(1), parse_constant=lambda name: refuse(f"holds {name}"))
    except (ValueError, RecursionError):
        refuse("is no JSON object on one line")
    if not isinstance(wanted, dict):
        refuse("is no JSON object")
    tools = _tools(wanted.pop("tools", None), refuse)
    nested = wanted.pop("limits", {})
    if not isinstance(nested, dict):
        refuse("has limits that are no object")
    try:
        return limits.tightened({to_snake(name): value for name, value in (wanted | nested).items()}), tools
    except (ConfigError, OverflowError) as error:
        refuse(f"asks for what it cannot have: {error}")


def _tools(names: Any, refuse: Any) -> tuple[str, ...] | None:
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(n, str) and _TOOL_NAME.fullmatch(n) for n in names):
        refuse("has tools that are no list of tool names")
    return tuple(names)
