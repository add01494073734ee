"""Decides how amounts are told to people: bytes in the unit that a reader thinks in, other numbers in digits."""

from __future__ import annotations

KIB = 1024
_UNITS = ("KB", "MB", "GB", "TB")


def size(count: float) -> str:
    """Return a number of bytes as ``512 bytes``, ``20 KB`` or ``1.5 MB``; a KB has 1024 bytes."""
    if count < KIB:
        return "1 byte" if count == 1 else f"{count:.0f} bytes"
    value, unit = count / KIB, 0
    while round(value, 1) >= KIB and unit < len(_UNITS) - 1:
        value, unit = value / KIB, unit + 1
    return f"{value:,.1f}".removesuffix(".0") + f" {_UNITS[unit]}"


def number(value: float) -> str:
    """Return a number in digits, never in powers of ten: ``1,000``, ``0.5``, ``1.25``."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.3f}".rstrip("0")


def amount(value: float, unit: str) -> str:
    """Return a value with its unit, which may be none: ``20 KB`` for bytes, ``5 s``, ``32``."""
    return size(value) if unit == "bytes" else f"{number(value)} {unit}".rstrip()
