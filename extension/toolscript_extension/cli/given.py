"""Decides what a user's words on the command line mean: where a script comes from, its params, its limits."""

from __future__ import annotations

import codecs
import json
import math
import re
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO, NoReturn

from toolscript.errors import ConfigError, Json
from toolscript.limits import MIB
from toolscript.texts import DEEPEST, too_deep, whole


def read_source(file: str, limit: int) -> str:
    """Return the text of a script file, or of standard input for ``-``. Raises ConfigError naming the file.

    Of a source beyond ``limit`` bytes no more is read than shows that it is too large.
    """
    most = max(limit, MIB)
    data = _bytes_of(file, most + 1)
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        return decoder.decode(data, final=len(data) <= most)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8: byte {error.start + 1} cannot be read") from None


def _bytes_of(file: str, most: int) -> bytes:
    if not file:
        raise ConfigError("the name of the script file is empty")
    if file == "-":
        if sys.stdin is None:
            raise ConfigError("there is no script on standard input: it is closed")
        return _read(sys.stdin.buffer, "standard input", most)
    try:
        with Path(file).open("rb") as opened:
            return _read(opened, file, most)
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {file}: {_why(error)}") from None


def _read(stream: IO[bytes], name: str, most: int) -> bytes:
    try:
        return stream.read(most)
    except OSError as error:
        raise ConfigError(f"cannot read {name}: {_why(error)}") from None


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


_OPERAND = (
    r"""[-!]?(?:\d[\w.]*|'[^'\\]*'|"[^"\\]*"|`[^`\\$]*`|[A-Za-z_$][\w$]*(?:\??\.[\w$]+|\[[^]([=]*\])*|\[[^]([=]*\])"""
)
_VALUE = re.compile(rf"{_OPERAND}(?:\s*(?:[-+*/%<>]|\*\*|[<>=!]==?|&&|\|\||\?\?)\s*{_OPERAND})*\s*;?")
_ORDERS = frozenset({"break", "continue", "debugger"})
_OPEN = ("=", "+", "-", "*", "/", "%", ",", "(", "[", "?", ":", "&", "|", "<", ">", ".")
"""What a line ends in that the next one goes on with."""


def idle_value(source: str) -> str | None:
    """Return the last line of a script that returns nothing if it is plainly a value: it was meant as the result.

    A call, an assignment, or anything less plain is none: it may be meant as it stands.
    """
    lines = [line.strip() for line in source.splitlines() if line.strip() and not line.strip().startswith("//")]
    last, before = (lines or [""])[-1], (lines[-2:-1] or [""])[0]
    if re.search(r"\breturn\b", source) or len(last) > 120 or before.endswith(_OPEN) or source.count("`") % 2:
        return None
    plain = _VALUE.fullmatch(last) and last.rstrip("; ") not in _ORDERS and not last.startswith(("'use", '"use'))
    return last.rstrip("; ") if plain else None


def params_of(given: Iterable[str]) -> dict[str, Json]:
    """Return the params that ``key=json`` texts give. Raises ConfigError that shows the accepted form."""
    params: dict[str, Json] = {}
    for text in given:
        name, value = _pair(text, "--param", "KEY=JSON", params)
        params[name] = _json(name, value)
    return params


def limits_of(given: Iterable[str]) -> dict[str, float]:
    """Return the limits that texts of one or more ``name=number``, separated by commas, give. Raises ConfigError that
    shows the accepted form."""
    limits: dict[str, float] = {}
    for text in (part for group in given for part in group.split(",")):
        name, value = _pair(text, "--limit", "NAME=NUMBER", limits)
        try:
            number = float(value) if value.isascii() else math.nan
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise ConfigError(f"--limit {name}: {value!r} is not a number")
        limits[name] = int(number) if number.is_integer() else number
    return limits


def _pair(text: str, option: str, form: str, seen: Iterable[str]) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ConfigError(f"{option} takes {form}, got {text!r}")
    if name in seen:
        raise ConfigError(f"{option} {name} is given twice")
    return name, value


def _json(name: str, value: str) -> Json:
    def refuse(constant: str) -> NoReturn:
        raise ConfigError(f"--param {name}: {constant} is no number that JSON has")

    def real(digits: str) -> float:
        return number if math.isfinite(number := float(digits)) else refuse(digits)

    if too_deep(value):
        raise ConfigError(f"--param {name}: the value is nested too deeply, more than {DEEPEST} levels")
    try:
        return whole(json.loads(value, parse_constant=refuse, parse_float=real))
    except ValueError:
        shown = value if len(value) <= 80 else f"{value[:80]}…"
        quoted = shlex.quote(f"{name}={json.dumps(shown, ensure_ascii=False)}")
        raise ConfigError(f"--param {name}: {shown!r} is not JSON; a string needs quotes: --param {quoted}") from None
