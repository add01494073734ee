"""Decides where a spelt path leads: links, dots and odd characters, before anything is opened."""

from __future__ import annotations

import os
import unicodedata
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from toolscript.errors import ToolError

MAX_NAME = 255
"""Bytes of one name, as all file systems in use have it."""

MAX_PATH = 4095
"""Bytes of a whole path that the system's calls accept."""

MAX_LINKS = 40

Links = Callable[[str], str | None]
"""Returns the text of the link at an absolute path, or None where there is no link."""

Refuse = Callable[[str], bool]
"""Says whether a path may not even be passed through (/proc, /dev)."""


def bad_path(spelt: str, reason: str) -> ToolError:
    """Return the error for a path that can never be used; it shows the path as it was given, and no other."""
    return ToolError(f"{shown(spelt)}: {reason}", code="bad_path", details={"path": shown(spelt)})


def shown(path: str) -> str:
    """Return a path as valid text: undecodable bytes as U+FFFD, over-long paths cut in the middle."""
    text = "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in path)
    return text if len(text) <= 300 else f"{text[:150]}…{text[-150:]}"


@lru_cache(maxsize=16_384)
def folded(path: str) -> str:
    """Return a key under which spellings that some file systems take for one name are equal."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFD", path).casefold())


def checked(path: str, cwd: Path) -> str:
    """Return the absolute spelling of a path. Raises ``bad_path`` for one that no file can have."""
    if not path:
        raise bad_path(path, "the path is empty")
    if "\0" in path:
        raise bad_path(path.replace("\0", "\ufffd"), "the path contains a NUL byte")
    try:
        encoded = os.fsencode(path)
    except UnicodeEncodeError:
        raise bad_path(path, "the path is not valid text") from None
    if any(len(name) > MAX_NAME for name in encoded.split(b"/")):
        raise bad_path(path, f"a name has more than {MAX_NAME} bytes")
    absolute = os.path.join(cwd, path)  # noqa: PTH118 - Path() would drop what resolving must see
    if len(os.fsencode(absolute)) > MAX_PATH:
        raise bad_path(path, f"the path has more than {MAX_PATH} bytes")
    return absolute


def resolve(path: str, cwd: Path, links: Links, refuse: Refuse, *, follow: bool = True) -> Path:
    """Return the absolute path with every link resolved, as the kernel would walk it; missing names stay.

    With ``follow=False`` a link as the last name stays. Raises ``bad_path`` for what :func:`checked` refuses,
    for circles of links, and where ``refuse`` says so on the way.
    """
    pending = deque(name for name in checked(path, cwd).split("/") if name not in ("", "."))
    current, hops = "/", 0
    while pending:
        name = pending.popleft()
        if name == "..":
            current = os.path.dirname(current)  # noqa: PTH120
            continue
        candidate = os.path.join(current, name)  # noqa: PTH118
        if refuse(candidate):
            raise bad_path(path, "the path leads to a device or to the kernel's own files")
        text = links(candidate) if follow or pending else None
        if text is None:
            current = candidate
            continue
        hops += 1
        if hops > MAX_LINKS:
            raise bad_path(path, "too many links on the way")
        current = "/" if text.startswith("/") else current
        pending.extendleft(reversed([part for part in text.split("/") if part not in ("", ".")]))
    if len(os.fsencode(current)) > MAX_PATH:
        raise bad_path(path, f"the path leads to one of more than {MAX_PATH} bytes")
    return Path(current)


def link_on_disk(path: str) -> str | None:
    """Return the text of the link at a path on disk, or None."""
    try:
        return os.readlink(path)  # noqa: PTH115
    except OSError:
        return None
