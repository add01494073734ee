"""Decides what is blanked in TypeScript that the grammar does not know yet, so that the rest can be parsed.

Only forms that cannot be anything but types where they stand: declarations of interfaces and aliases, types of
declared variables, type parameters of classes, type arguments of calls.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from toolscript.errors import ScriptSyntaxError
from toolscript.language._edits import Edits
from toolscript.language._mask import code_mask
from toolscript.language._types import (
    TIGHT_OPERATOR,
    NoType,
    TypeReader,
    separator,
    skip_gap,
)

_NAME = rb"[A-Za-z_$\x80-\xff][\w$\x80-\xff]*+"
_START = rb"(?:^|(?<=[;{}\n\r]))[ \t]*"
_INTERFACE = re.compile(
    _START + rb"((?:export[ \t]+(?:default[ \t]+)?)?(?:declare[ \t]+)?interface[ \t]+" + _NAME + rb")"
)
_ALIAS = re.compile(_START + rb"((?:export[ \t]+)?(?:declare[ \t]+)?type[ \t]+" + _NAME + rb")(?=\s*[<=])")
_CLASS = re.compile(rb"(?<![\w$.])class(?:[ \t]+" + _NAME + rb")?\s*(?=<)")
_DECLARED = re.compile(rb"(?<![\w$.])(?:const|let|var)[ \t]+" + _NAME + rb"\s*(?=!?\s*:)")
_CALLED = re.compile(rb"(?<![\w$])" + _NAME + rb"(?=<)")
_ASSERTED = re.compile(rb"([\w$]*+)(?<=[\x01)\]}\w$!])[ \t]+(as|satisfies)(?![\w$])")
_MODULE = re.compile(rb"(?<![\w$.])(?:import|export)(?![\w$])")
"""Where names may be given others: ``export { a as b }``."""
_NO_VALUES = frozenset(
    b"await case const delete do else export extends function class import in instanceof let new of return throw typeof"
    b" var void yield static get set async default".split()
)

Rule = Callable[[Edits, TypeReader, re.Match[bytes]], None]


def repair(edits: Edits) -> bool:
    """Blank what is found of these forms; returns whether there was any."""
    mask = code_mask(edits.text).encode()
    types = TypeReader(edits.source)
    covered = bytearray(len(mask))
    for pattern, rule in _RULES:
        for found in pattern.finditer(mask):
            if covered[found.start(found.lastindex or 0)]:
                continue
            try:
                rule(edits, types, found)
            except NoType:
                continue
            except ScriptSyntaxError:
                return False  # too involved to repair: the tree's own error tells more
            for start, end, _ in edits.ranges[-1:]:
                covered[start:end] = b"\1" * (end - start)
    return bool(edits.ranges)


def _behind_parameters(types: TypeReader, at: int) -> int:
    at = skip_gap(types.source, at)
    return skip_gap(types.source, types.parameters_end(at)) if types.source.startswith(b"<", at) else at


def _interface(edits: Edits, types: TypeReader, found: re.Match[bytes]) -> None:
    at = _behind_parameters(types, found.end())
    if edits.source.startswith(b"extends", at):
        at = _heritage(types, at + len(b"extends"))
    if edits.source.startswith(b"{", at):
        edits.mark(found.start(1), types.balanced_end(at), ";")


def _heritage(types: TypeReader, at: int) -> int:
    while True:
        at = skip_gap(types.source, types.type_end(at))
        if not types.source.startswith(b",", at):
            return at
        at += 1


def _alias(edits: Edits, types: TypeReader, found: re.Match[bytes]) -> None:
    at = _behind_parameters(types, found.end())
    if edits.source.startswith(b"=", at) and not edits.source.startswith((b"==", b"=>"), at):
        edits.mark(found.start(1), types.type_end(at + 1), ";")


def _class(edits: Edits, types: TypeReader, found: re.Match[bytes]) -> None:
    edits.mark(found.end(), types.parameters_end(found.end()))


def _declared(edits: Edits, types: TypeReader, found: re.Match[bytes]) -> None:
    start = found.end()
    end = types.type_end(edits.source.index(b":", start) + 1)
    edits.mark(start, end, separator(edits.source, end))


def _called(edits: Edits, types: TypeReader, found: re.Match[bytes]) -> None:
    end = types.arguments_end(found.end())
    if edits.source.startswith((b"`", b"("), skip_gap(edits.source, end)):
        edits.mark(found.end(), end)


def _asserted(edits: Edits, types: TypeReader, found: re.Match[bytes]) -> None:
    if found.group(1) in _NO_VALUES or _MODULE.search(found.string):
        return
    end = types.type_end(found.end())
    if not TIGHT_OPERATOR.match(edits.source, skip_gap(edits.source, end)):
        edits.mark(found.start(2), end, separator(edits.source, end))


_RULES: tuple[tuple[re.Pattern[bytes], Rule], ...] = (
    (_INTERFACE, _interface),
    (_ALIAS, _alias),
    (_CLASS, _class),
    (_DECLARED, _declared),
    (_CALLED, _called),
    (_ASSERTED, _asserted),
)
