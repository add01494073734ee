"""Decides which places the words of a call and of a pattern really mean, however they are spelt."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from toolscript.files.paths import folded
from toolscript.registry.classification import Classification, Effect, PathEffect

if TYPE_CHECKING:
    from toolscript.errors import Json

PATHS = ("path", "cwd")
"""Arguments that name a place, in every tool that has them."""

Fits = Callable[[str, str], bool]
"""Says whether a text fits a pattern."""


def spelt(arguments: Json, cwd: Path) -> tuple[str, ...]:
    """Return the places that a call names: its paths, and a program that it takes from the working directory."""
    return tuple(_spelt(arguments, cwd))


def _spelt(arguments: Json, cwd: Path) -> Iterator[str]:
    if not isinstance(arguments, Mapping):
        return
    yield from (value for name in PATHS if isinstance(value := arguments.get(name), str) and value)
    command = arguments.get("command")
    program = command[0] if isinstance(command, list | tuple) and command else None
    # Nobody but the system's owner moves the links of the system's own programs.
    if isinstance(program, str) and "/" in program and Path(lexical(program, cwd)).is_relative_to(cwd):
        yield program


def real(path: str, cwd: Path) -> str:
    """Return where a path leads, every link resolved; what no path can be stays as it is."""
    try:
        return os.path.realpath(cwd / path)
    except (OSError, ValueError):
        return path


def lexical(path: str, cwd: Path) -> str:
    """Return the absolute spelling of a path without dots and doubled slashes; no link is resolved."""
    joined = os.path.normpath(cwd / path)
    return joined[1:] if joined.startswith("//") else joined


def beyond(seen: Classification) -> tuple[PathEffect, ...]:
    """Return the paths of a call that nobody allows by accident: outside, or protected and changed.

    What a command reads is none of them: the operating system holds commands, and they may read outside.
    """
    return tuple(p for p in seen.paths if _is_beyond(p, command=seen.effect is Effect.EXECUTE))


def _is_beyond(path: PathEffect, *, command: bool) -> bool:
    if path.kind == "read":
        return not path.inside and not command
    return path.protected or not path.inside


def same_place(pattern: str, value: str, cwd: Path, fits: Fits) -> bool:
    """Say whether a pattern stands for the place that a value means, in whatever spelling of the two."""
    if "\0" in value:
        return fits(pattern, value)
    patterns = {folded(form) for form in (pattern, lexical(pattern, cwd), _real_pattern(pattern, cwd))}
    values = {folded(form) for form in (value, lexical(value, cwd), real(value, cwd))}
    return any(fits(p, v) for p in patterns for v in values)


def _real_pattern(pattern: str, cwd: Path) -> str:
    """Return a pattern with the links before its first wildcard resolved."""
    if "*" not in pattern:
        return real(pattern, cwd)
    names = pattern.split("/")
    fixed = next(index for index, name in enumerate(names) if "*" in name)
    if fixed == 0:
        return lexical(pattern, cwd)
    return "/".join((real("/".join(names[:fixed]) or "/", cwd).rstrip("/"), *names[fixed:]))


def names_all(named: Mapping[str, Json], arguments: Json, seen: Classification, cwd: Path, fits: Fits) -> bool:
    """Say whether whoever named these arguments named every place beyond the ordinary that the call touches.

    A link may lead from what was named to what was not: only the place itself counts.
    """
    texts = tuple(_texts(named))
    places = [str(p.path) for p in beyond(seen)]
    led = [(lexical(path, cwd), real(path, cwd)) for path in spelt(arguments, cwd)]
    places += [end for start, end in led if start != end and not Path(end).is_relative_to(cwd)]
    return all(_is_named(place, texts, cwd, fits) for place in places)


def _is_named(where: str, texts: tuple[str, ...], cwd: Path, fits: Fits) -> bool:
    # A wildcard that does not begin at the root stands for nothing beyond the working directory.
    return any(fits(lexical(text, cwd), where) or _mentions(text, where) for text in texts if "\0" not in text)


def _mentions(text: str, where: str) -> bool:
    # A patch is one long text that spells its files out.
    return "*" not in text and re.search(rf"(?<![^\s'\"]){re.escape(where)}(?![^\s'\"])", text) is not None


def leads_as_named(arguments: Json, known: Mapping[str, str], cwd: Path) -> bool:
    """Say whether each place that a call names is still where it was, or is reached without any link."""
    return all(real(path, cwd) in (known.get(path), lexical(path, cwd)) for path in spelt(arguments, cwd))


def _texts(value: Json) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for item in value.values():
                yield from _texts(item)
        case list() | tuple():
            for item in value:
                yield from _texts(item)
