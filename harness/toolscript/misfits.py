"""Decides how it is told what pydantic found wrong with a value: where, and in our words without its own before."""

from __future__ import annotations

from pydantic import ValidationError

_OURS = ("Value error, ", "Assertion failed, ")
"""What pydantic puts before the messages of checks that we wrote."""


def said(message: str) -> str:
    """Return a message as whoever wrote the check wrote it."""
    for words in _OURS:
        message = message.removeprefix(words)
    return message


def problems(error: ValidationError) -> list[tuple[str, str]]:
    """Return each problem as its place (dotted; empty for the value as a whole) and what is wrong there."""
    return [(".".join(map(str, each["loc"])), said(each["msg"])) for each in error.errors()]


def in_settings(error: ValidationError) -> list[tuple[tuple[str, ...], str]]:
    """Return each problem of settings as the keys that lead to it, and what is wrong there."""
    return [(tuple(map(str, each["loc"])), of_setting(each["type"], each["msg"])) for each in error.errors()]


def of_setting(kind: str, message: str) -> str:
    """Return what is wrong with one setting, from pydantic's kind of problem and its message."""
    return "there is no such setting" if kind == "extra_forbidden" else said(message)


def told(error: ValidationError, *, whole: str = "", most: int | None = None) -> str:
    """Return the problems, at most so many, as one line; ``whole`` names the value where all of it is wrong."""
    named = ((place or whole, message) for place, message in problems(error)[:most])
    return "; ".join(f"{place}: {message}" if place else message for place, message in named)
