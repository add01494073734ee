"""Decides whether ripgrep may choose the files that are worth reading; what is found in them is never its word.

It gets the very files that our walk found, and a pattern that matches at least what ours does, so that the results
are the same with and without it. It is only believed as to which files have no match: what a link swapped in behind
our back shows it, reaches nobody.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import anyio
from anyio.abc import Process

from toolscript_tools.search.pattern import Pattern

BATCH_BYTES = 100_000
FEW_FILES = 16
"""Below so many files a program costs more to start than it saves."""

_OPTIONS = (
    "--no-config", "--color=never", "--null", "--files-with-matches", "--text", "--no-messages",
    "--no-ignore", "--hidden", "--no-heading",
)  # fmt: skip


def program(roots: Iterable[Path]) -> str | None:
    """Return ripgrep's path; None if it is missing, or lies where the workspace itself could have put it."""
    found = shutil.which("rg")
    if found is None or any(Path(found).resolve().is_relative_to(root) for root in roots):
        return None
    return str(Path(found).absolute())


async def with_matches(
    rg: str, pattern: Pattern, files: Sequence[Path], *, ignore_case: bool, seconds: float
) -> set[str]:
    """Return those of the files that hold a match, and possibly others; all of them if ripgrep could not tell.

    Raises TimeoutError.
    """
    if pattern.spelt is None or len(files) < FEW_FILES:
        return {os.fspath(path) for path in files}
    found: set[str] = set()
    with anyio.fail_after(seconds):
        for batch in _batches(files):
            found |= await _ask(rg, [*(["--ignore-case"] if ignore_case else []), "-e", pattern.spelt], batch)
    return found


def _batches(files: Sequence[Path]) -> Iterable[list[str]]:
    batch: list[str] = []
    size = 0
    for path in files:
        text = os.fspath(path)
        batch.append(text)
        size += len(os.fsencode(text)) + 9
        if size > BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


async def _ask(rg: str, arguments: list[str], files: list[str]) -> set[str]:
    command = [rg, *_OPTIONS, *arguments, "--", *files]
    process = await anyio.open_process(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", env={"LC_ALL": "C.UTF-8"},
        start_new_session=True,
    )  # fmt: skip
    try:
        output = b"".join([chunk async for chunk in process.stdout]) if process.stdout else b""
        code = await process.wait()
    finally:
        await _ended(process)
    if code not in (0, 1):  # it could not read some file, or not the pattern
        return set(files)
    return {os.fsdecode(name) for name in output.split(b"\0") if name}


async def _ended(process: Process) -> None:
    with anyio.CancelScope(shield=True):
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        await process.aclose()
