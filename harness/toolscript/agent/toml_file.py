"""Decides how a TOML file is read, and on which line of it something stands that is wrong."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from toolscript import units
from toolscript.errors import ConfigError, Json

MAX_BYTES = 256 * 1024

_HEADER = re.compile(r"\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_AT = re.compile(r"\(at line (\d+), column (\d+)\)")

Path_ = Sequence[str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TomlFile:
    """A file as it was read, once: what is judged is what is used."""

    path: Path
    text: str
    digest: str
    data: dict[str, Json] = field(default_factory=dict)

    def place(self, keys: Path_) -> str:
        """Return ``file:line`` of a key, or of the nearest table around it."""
        line = line_of(self.text, keys)
        return f"{self.path}:{line}" if line is not None else str(self.path)

    def error(self, keys: Path_, message: str) -> ConfigError:
        """Return the error for what stands at these keys."""
        dotted = ".".join(map(str, keys))
        return ConfigError(f"{self.place(keys)}: {dotted}: {message}" if dotted else f"{self.path}: {message}")


def read(path: Path) -> TomlFile | None:
    """Return the file, None if there is none.

    Raises ConfigError, naming file and line, for what is no regular file, too large, or no TOML.
    """
    try:
        # Without O_NONBLOCK, opening a FIFO that a workspace put here would never return.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
                raise ConfigError(f"{path}: a configuration is a regular file of at most {units.size(MAX_BYTES)}")
            data = file.read(MAX_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    text = _decoded(path, data)
    return TomlFile(path=path, text=text, digest=hashlib.sha256(data).hexdigest(), data=_parsed(path, text))


def _decoded(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}:{line}: is not UTF-8") from None


def _parsed(path: Path, text: str) -> dict[str, Json]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _AT.search(str(error))
        line = int(found.group(1)) if found else text.count("\n") + 1
        raise ConfigError(f"{path}:{line}: is no TOML: {_AT.sub('', str(error)).strip()}") from None
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply") from None


def line_of(text: str, keys: Path_) -> int | None:
    """Return the line (from 1) where these keys are set; failing that, the deepest table around them."""
    wanted = [str(key) for key in keys]
    best, depth = None, 0
    table: list[str] = []
    entries: Counter[str] = Counter()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _parts(header.group(1))
            if line.lstrip().startswith("[["):
                name = ".".join(table)
                table = [*table, str(entries[name])]
                entries[name] += 1
            here = table
        elif key := _KEY.match(line):
            here = [*table, *_parts(key.group(1))]
        else:
            continue
        shared = min(len(here), len(wanted))
        if depth < shared and here[:shared] == wanted[:shared]:
            best, depth = number, shared
    return best


def _parts(dotted: str) -> list[str]:
    return [part.strip("\"'") for part in _PART.findall(dotted)]
