"""Decides how values cross between Python and scripts: as JSON, tables as records, and nothing silently lost."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any

from toolscript.errors import ConfigError, Json

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d([.,]\d+)?)?(Z|[+-]\d\d:?\d\d)?")
MAX_SAFE = 2**53
"""Beyond this, a script's numbers are not exact."""


def taken(namespace: Mapping[str, Any], names: Iterable[str]) -> dict[str, Json]:
    """Return the named Python values as JSON for ``params``. Raises ConfigError that names what cannot cross."""
    values: dict[str, Json] = {}
    for name in names:
        if name not in namespace:
            raise ConfigError(f"%%toolscript: --in {name}: there is no Python value {name!r}")
        values[name] = to_json(namespace[name], name)
    return values


def to_json(value: Any, where: str) -> Json:
    """Return a Python value as JSON. DataFrames become records, times ISO 8601, paths and enums their text.

    Raises ConfigError naming the place of a value that JSON cannot carry exactly.
    """
    match value:
        case None | bool() | str():
            return value
        case Enum():
            return to_json(value.value, where)
        case int():
            return _integer(value, where)
        case float():
            return _number(value, where)
        case Mapping():
            return {_key(key, where): to_json(item, f"{where}[{key!r}]") for key, item in value.items()}
        case list() | tuple():
            return [to_json(item, f"{where}[{index}]") for index, item in enumerate(value)]
        case set() | frozenset():
            return sorted((to_json(item, where) for item in value), key=json.dumps)
        case datetime() | date() | time():
            return value.isoformat()
        case PurePath() | Decimal():
            return str(value)
    return _foreign(value, where)


def to_frame(value: Json) -> Any:
    """Return records as a pandas DataFrame: numbers, truths and texts typed by column, ISO 8601 times as times.

    Raises ConfigError for a value that is no list of objects, or where pandas is not installed.
    """
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise ConfigError("%%toolscript: --out NAME:frame takes a result that is a list of objects; return one")
    try:
        import pandas
    except ImportError:
        raise ConfigError("%%toolscript: --out NAME:frame needs pandas in this environment") from None
    frame = pandas.DataFrame.from_records(value).convert_dtypes()
    for name in frame.columns:
        kept = [item for item in frame[name] if not pandas.isna(item)] if frame[name].dtype == "string" else []
        if kept and all(_TIME.fullmatch(item) for item in kept):
            frame[name] = pandas.to_datetime(frame[name], format="ISO8601")
    return frame


def _foreign(value: Any, where: str) -> Json:
    """Return values of libraries that are known by what they can do, so that none has to be imported."""
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return json.loads(value.to_json(orient="records", date_format="iso", double_precision=15))
    if hasattr(value, "model_dump"):
        return to_json(value.model_dump(mode="json"), where)
    if is_dataclass(value) and not isinstance(value, type):
        return to_json(asdict(value), where)
    for method in ("tolist", "to_list", "item"):
        if callable(convert := getattr(value, method, None)):
            return to_json(convert(), where)
    raise ConfigError(f"%%toolscript: --in: {where} is a {type(value).__name__}, which JSON cannot carry")


def _integer(value: int, where: str) -> int:
    if abs(value) > MAX_SAFE:
        raise ConfigError(f"%%toolscript: --in: {where} is {value}, beyond what a script's numbers hold; pass a text")
    return value


def _number(value: float, where: str) -> float:
    if not math.isfinite(value):
        raise ConfigError(f"%%toolscript: --in: {where} is {value}, which JSON cannot carry")
    return value


def _key(key: Any, where: str) -> str:
    if not isinstance(key, str | int | float | bool):
        raise ConfigError(f"%%toolscript: --in: a key of {where} is a {type(key).__name__}; JSON keys are texts")
    return str(key)
