"""Decides which bytes stand for one exact call, so that consent to it can cover nothing else."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import rfc8785

from toolscript.errors import InvalidArguments, Json

EXACT = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly."""


def approval_digest(
    *,
    run_id: str,
    number: int,
    script_hash: str,
    tool: str,
    schema: Json,
    arguments: Json,
    cwd: str,
    environment: Mapping[str, str],
    sandbox: str,
    before: Mapping[str, str | None],
) -> str:
    """Return the SHA-256 (hex) of the RFC 8785 JSON of everything that consent is given to.

    ``schema`` is the tool's input schema, or a digest of it; ``before`` maps each path that the call changes to
    its digest now (None: it does not exist). Integers of any size count exactly. Raises InvalidArguments for
    what JSON cannot carry (NaN, infinities, bytes, keys that are no text): such a call cannot be shown as it
    would be executed.
    """
    parts: dict[str, Json] = {
        "run": run_id,
        "number": number,
        "script": script_hash,
        "tool": tool,
        "schema": schema,
        "arguments": arguments,
        "cwd": cwd,
        "environment": _pairs(environment),
        "sandbox": sandbox,
        "before": _pairs(before),
    }
    try:
        return canonical_digest(parts)
    except ValueError as error:
        raise InvalidArguments(f"{tool}: {error}", tool=tool) from None


def canonical_digest(value: Json) -> str:
    """Return the SHA-256 (hex) of a JSON value. Raises ValueError for what JSON cannot carry.

    Values that RFC 8785 refuses although Python executes them exactly (large integers, text with lone
    surrogates) are spelled out in a list beside the value, so two different values never share a digest.
    """
    spelled: list[Json] = []
    lowered = _lowered(value, "", spelled)
    return hashlib.sha256(rfc8785.dumps({"value": lowered, "spelled": spelled})).hexdigest()


def _pairs(mapping: Mapping[str, Any]) -> list[Json]:
    # Names of variables and paths may hold bytes that are no UTF-8; as values they are spelled, as keys not.
    return [[name, mapping[name]] for name in sorted(mapping)]


def _lowered(value: Json, at: str, spelled: list[Json]) -> Json:
    match value:
        case None | bool():
            return value
        case str():
            return _text(value, at, spelled)
        case int():
            return _whole(value, at, spelled)
        case float():
            if not math.isfinite(value):
                raise ValueError(f"{at or 'the value'}: {value} is not JSON")
            return value
        case list() | tuple():
            return [_lowered(item, f"{at}/{index}", spelled) for index, item in enumerate(value)]
        case dict():
            return {_key(key, at): _lowered(item, f"{at}/{_step(key)}", spelled) for key, item in value.items()}
        case _:
            raise ValueError(f"{at or 'the value'}: {type(value).__name__} is not JSON")


def _text(value: str, at: str, spelled: list[Json]) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        spelled.append([at, "utf-16"])
        return value.encode("utf-16-be", "surrogatepass").hex()
    return str(value)


def _whole(value: int, at: str, spelled: list[Json]) -> Json:
    if -EXACT <= value <= EXACT:
        return int(value)
    spelled.append([at, "integer"])
    return hex(value)


def _key(key: Any, at: str) -> str:
    if not isinstance(key, str):
        raise ValueError(f"{at or 'the value'}: the key {key!r} is not text")
    try:
        key.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{at or 'the value'}: the key {key!r} is not valid Unicode") from None
    return key


def _step(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
