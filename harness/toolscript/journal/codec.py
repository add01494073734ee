"""Decides how a record becomes one line of a journal and back: JSON, versioned, naming the line before."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable
from functools import cache
from typing import Any, NoReturn

import orjson
from pydantic import TypeAdapter, ValidationError

from toolscript import misfits
from toolscript.errors import Json
from toolscript.journal.records import KINDS, VERSION, Record
from toolscript.texts import DEEPEST, too_deep

INLINE_BYTES = 16 * 1024
"""Fields that need more bytes than this lie beside the journal."""
MAX_LINE = 1024 * 1024
"""No line is longer; the largest record with all fields at the inline bound is well below."""
DEEPEST_LINE = DEEPEST + 64
"""How many levels a line may have: those of a value of ours, and those of the record around it."""
BLOB = "$blob"
_BLOB_KEY = b"$blob"


class BadLine(ValueError):
    """A line that is no record of this format; the text says why."""


_HEADS = {kind: b'{"v":%d,"prev":"%%b","kind":"%b",' % (VERSION, kind.encode()) for kind in KINDS}
_NAMES = {kind: tuple(field.name for field in dataclasses.fields(record)) for kind, record in KINDS.items()}


@cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(KINDS[kind])


def fields_of(record: Record) -> dict[str, Json]:
    """Return the fields of a record, not copied."""
    return {name: getattr(record, name) for name in _NAMES[record.kind]}


def dumped(value: Json) -> bytes:
    """Return a JSON value as compact bytes; large integers and lone surrogates keep their exact value."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def loaded(data: bytes) -> Json:
    """Return the JSON value that :func:`dumped` wrote. Raises ValueError."""
    # How deep Python itself reads, and whoever works on what was read, differs by version.
    if data.count(b"[") + data.count(b"{") > DEEPEST_LINE and too_deep(data.decode(errors="replace"), DEEPEST_LINE):
        raise ValueError("nested too deeply")
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return json.loads(data, parse_constant=_refuse, parse_float=_finite)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number that JSON has")


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _refuse(digits)


def short_line(record: Record, previous: str) -> bytes | None:
    """Return what :func:`line_of` returns where no field needs a body, as for nearly every record; else None."""
    try:
        fields = orjson.dumps(record)
    except TypeError:  # a large integer, or half a surrogate pair
        return None
    line = _HEADS[record.kind] % previous.encode() + fields[1:]
    return line if len(line) <= INLINE_BYTES and _BLOB_KEY not in line else None


def line_of(kind: str, fields: dict[str, Json], previous: str, keep: Callable[[bytes], str]) -> bytes:
    """Return a line without its line end; ``previous`` is the hash of the line before, ``keep`` takes bodies."""
    small = {name: _inline(value, keep) for name, value in fields.items()}
    return dumped({"v": VERSION, "prev": previous, "kind": kind, **small})


def _inline(value: Json, keep: Callable[[bytes], str]) -> Json:
    match value:
        case None | bool() | int() | float():
            return value
        case str() if len(value) * 4 <= INLINE_BYTES:
            return value
        case _:
            data = dumped(value)
            # Data that looks like a reference to a body is kept as one, so nothing can forge a reference.
            if len(data) <= INLINE_BYTES and not (isinstance(value, dict) and BLOB in value):
                return value
            return {BLOB: keep(data), "size": len(data)}


def line_hash(line: bytes) -> str:
    """Return the hash by which the next line names this one."""
    return hashlib.sha256(line).hexdigest()


def parsed(line: bytes) -> dict[str, Json]:
    """Return a line's object, bodies not fetched. Raises BadLine for another format or a newer version."""
    try:
        data = loaded(line)
    except ValueError as error:
        raise BadLine(f"not JSON: {error}") from None
    if not isinstance(data, dict) or not isinstance(data.get("prev"), str) or not isinstance(data.get("kind"), str):
        raise BadLine("not a record")
    version = data.get("v")
    if version != VERSION:
        raise BadLine(f"format version {version!r}; this program reads version {VERSION}")
    return data


def record_of(data: dict[str, Json], body: Callable[[str], bytes]) -> Record:
    """Return the record that a parsed line holds. Raises BadLine for an unknown kind, field or value."""
    kind = data["kind"]
    if kind not in KINDS:
        raise BadLine(f"unknown kind of record {kind!r}")
    fields = members_of(data, body)
    if unknown := fields.keys() - set(_NAMES[kind]):
        raise BadLine(f"a {kind} record has no {', '.join(sorted(unknown))}")
    try:
        record: Record = _adapter(kind).validate_python(fields)
    except ValidationError as error:
        raise BadLine(f"{kind}.{misfits.told(error, whole='record', most=1)}") from None
    return record


def members_of(data: dict[str, Json], body: Callable[[str], bytes]) -> dict[str, Json]:
    """Return what a parsed line says besides its place and kind, bodies fetched. Raises BadLine."""
    return {name: _fetched(value, body) for name, value in data.items() if name not in ("v", "prev", "kind")}


def _fetched(value: Json, body: Callable[[str], bytes]) -> Json:
    if not (isinstance(value, dict) and BLOB in value):
        return value
    digest = value[BLOB]
    if not isinstance(digest, str):
        raise BadLine("a body has no name")
    try:
        return loaded(body(digest))
    except ValueError:
        raise BadLine(f"the body {digest} is not JSON") from None
