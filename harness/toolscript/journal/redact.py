"""Decides which texts are secret, and how they look in a journal: ``⟦secret:NAME⟧``."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from toolscript.confidential import SECRETS, is_secret, names

if TYPE_CHECKING:
    from toolscript.errors import Json

SHORTEST = 8
OPEN, CLOSE = "⟦secret:", "⟧"


def secret_values(environ: Mapping[str, str], patterns: Iterable[str] = SECRETS) -> dict[str, str]:
    """Return the secrets of an environment by the names of their variables: the same that commands do not get.

    Values shorter than eight characters (``1``, ``false``) and paths that exist (``SSH_AUTH_SOCK``) are none.
    """
    named = names(patterns)
    return {
        name: value for name, value in environ.items() if is_secret(name, value, named) and _can_be_told_apart(value)
    }


def _can_be_told_apart(value: str) -> bool:
    return len(value) >= SHORTEST and not (value.startswith("/") and os.path.lexists(value))


class Redactor:
    """Replaces secrets by their names, reversibly for whoever holds :attr:`used`."""

    def __init__(self, secrets: Mapping[str, str], *, used: Mapping[str, str] | None = None) -> None:
        self.used = dict(used or {})
        """What each marker that was written stands for; markers of a resumed journal keep their meaning."""
        self._markers = {form: marker for marker, form in self.used.items()}
        for form, marker in _forms(tuple(secrets.items())):
            self._markers.setdefault(form, self._free(marker))
        self._longest = max(map(len, self._markers), default=0)
        self._shortest = min(map(len, (OPEN, *self._markers)))
        self._signs = _written((OPEN, *self._markers))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        ordered = sorted(self._markers, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, [OPEN, *ordered])))

    def text(self, text: str) -> str:
        """Return the text with every secret replaced by its marker."""
        if len(text) < self._shortest:  # neither a secret nor what looks like a marker
            return text
        if OPEN not in text and not any(form in text for form in self._markers):
            return text
        return self._pattern.sub(self._replace, text)

    def spares(self, line: bytes) -> bool:
        """Say whether a line of JSON holds nothing that :meth:`text` would replace in any of its texts."""
        for sign in self._signs:  # noqa: SIM110 (asked of every record, and twice as fast as a generator)
            if sign in line:
                return False
        return True

    def json(self, value: Json) -> Json:
        """Return a JSON value with the secrets in all its texts and keys replaced."""
        return mapped(value, self.text)

    def split(self, text: str) -> tuple[str, str]:
        """Return the part of a stream's chunk that can be written, and an end that may begin a secret."""
        for size in range(min(self._longest - 1, len(text)), 0, -1):
            end = text[-size:]
            if any(form.startswith(end) for form in self._markers):
                return text[:-size], end
        return text, ""

    def _free(self, marker: str) -> str:
        # A variable may have another value than when the journal was begun.
        while marker in self.used:
            marker += "~"
        return marker

    def _replace(self, match: re.Match[str]) -> str:
        found = match.group()
        if found == OPEN:
            # Text that only looks like a marker must not become a secret when it is read back.
            return f"{OPEN}:"
        marker = self._markers[found]
        self.used[marker] = found
        return f"{OPEN}{marker}{CLOSE}"


_MARKED = re.compile(rf"{OPEN}(?::|([^:⟧]+){CLOSE})")


def restored(text: str, secrets: Mapping[str, str]) -> str:
    """Return the text as it was, as far as the secrets are known; other markers stay."""
    if OPEN not in text:
        return text
    return _MARKED.sub(lambda m: OPEN if m.group(1) is None else secrets.get(m.group(1), m.group()), text)


def mapped(value: Json, change: Callable[[str], str]) -> Json:
    """Return a JSON value with every text and key changed."""
    match value:
        case str():
            return change(value)
        case dict():
            return {change(key): mapped(item, change) for key, item in value.items()}
        case list() | tuple():
            return [mapped(item, change) for item in value]
        case _:
            return value


@lru_cache(maxsize=4)
def _written(forms: tuple[str, ...]) -> tuple[bytes, ...]:
    """Return how texts look within a line of JSON: as such, or with what is not ASCII escaped.

    JSON escapes letter by letter, so a text that holds one of these holds it in the line as well.
    """
    escaped = (json.dumps(form, ensure_ascii=plain)[1:-1] for form in forms for plain in (False, True))
    return tuple({form.encode("utf-8", "surrogatepass") for form in escaped})


@lru_cache(maxsize=4)
def _forms(secrets: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Return each way in which a secret can be spelled in a record, with the marker for it.

    Arguments and results are JSON texts, where quotes, line ends and non-ASCII letters are escaped.
    """
    found: dict[str, str] = {}
    for name, value in secrets:
        safe = re.sub(r"[^A-Za-z0-9_]", "_", name)
        escaped = (json.dumps(value, ensure_ascii=plain)[1:-1] for plain in (False, True))
        for number, form in enumerate((value, *escaped)):
            found.setdefault(form, safe if number == 0 else f"{safe}~{number}")
    return tuple(found.items())
