"""Decides to what a consent to an unconfined command is bound: the directory it really runs in, and the programs there.

A consent to ``./deploy.sh`` is one to what the file says now: commands can write it before it runs.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from toolscript.confine import modes
from toolscript.registry.classification import PathEffect
from toolscript.registry.context import ToolContext
from toolscript_tools.shell.bash import MAX_SCRIPT, literal, parse, walk
from toolscript_tools.shell.classify import shell_script
from toolscript_tools.shell.environment import command_environment

MOST_FILES = 64
MOST_BYTES = 64 * 1024 * 1024
"""A larger file is told apart by its identity and the time of its last change, which no program can set."""
_LITERALS = frozenset(("word", "string", "raw_string", "concatenation"))


def bound(argv: Sequence[str], cwd: Path, context: ToolContext) -> tuple[PathEffect, ...]:
    """Return the real directory, and each file that the command names and that commands could have written."""
    real = Path(os.path.realpath(cwd))
    roots = [Path(os.path.realpath(root)) for root in context.roots]
    places = [*roots, *map(Path, modes.temporary_directories(context.environment.get("TMPDIR")))]
    path = command_environment(context.environment, {})["PATH"]
    files: dict[Path, None] = {}
    for word in _words(argv):
        for file in _meant(word, real, path):
            if any(file.is_relative_to(place) for place in places) and len(files) < MOST_FILES:
                files[file] = None
    effects = [PathEffect(path=real, kind="read", inside=_inside(real, roots))]
    effects += [PathEffect(path=f, kind="read", inside=_inside(f, roots), before=_digest(f)) for f in files]
    return tuple(effects)


def _inside(path: Path, roots: Sequence[Path]) -> bool:
    return any(path.is_relative_to(root) for root in roots)


def _words(argv: Sequence[str]) -> Iterator[str]:
    """Yield what may name a file: the words, those of a script as far as they can be told, and values of options."""
    yield from argv
    yield from (word.partition("=")[2] for word in argv if word.startswith("-") and "=" in word)
    script = shell_script(argv)
    if script is None or len(script) > MAX_SCRIPT:
        return
    for node in walk(parse(script)):
        if node.type in _LITERALS and (word := literal(node)) is not None:
            yield word.text.replace("\\", "")
            if "=" in word.text:
                yield word.text.partition("=")[2]


def _meant(word: str, cwd: Path, path: str) -> Iterator[Path]:
    """Yield the regular files that a word means: below the directory, and on the path where it is a bare name."""
    spelt = [os.path.expanduser(word)]  # noqa: PTH111 - a word is no path yet
    if word and "/" not in word and (found := shutil.which(word, path=path)):
        spelt.append(found)
    for name in spelt:
        try:
            file = Path(os.path.realpath(cwd / name))
            if name and stat.S_ISREG(file.stat().st_mode):
                yield file
        except (OSError, ValueError):
            continue


def _digest(file: Path) -> str | None:
    try:
        facts = file.stat()
        if facts.st_size > MOST_BYTES:
            known = f"{facts.st_dev}:{facts.st_ino}:{facts.st_size}:{facts.st_ctime_ns}"
            return hashlib.sha256(known.encode()).hexdigest()
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return None


def content(effects: Sequence[PathEffect]) -> str:
    """Return one short digest of all the files, for the name under which a consent is remembered; empty for none."""
    known = sorted(f"{each.path}={each.before}" for each in effects if each.before is not None)
    return hashlib.sha256("\n".join(known).encode()).hexdigest()[:16] if known else ""
