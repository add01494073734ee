"""Decides how the bare ``apply_patch`` program behaves: arguments, exit codes, and hunks applied one by one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from toolscript.errors import ToolError
from toolscript_tools.patch.failures import InvalidPatch, failed
from toolscript_tools.patch.model import AddFile, DeleteFile, UpdateFile
from toolscript_tools.patch.outcome import marks, summary
from toolscript_tools.patch.parse import parse
from toolscript_tools.patch.paths import absolute
from toolscript_tools.patch.update import update, update_legacy
from toolscript_tools.patch.verify import is_utf8

USAGE = "Usage: apply_patch 'PATCH'\n       echo 'PATCH' | apply_patch\n"
LEGACY = "TOOLSCRIPT_APPLY_PATCH_LEGACY"
"""Environment variable; ``1`` normalises line endings as older patch tools do."""


def main(
    arguments: Sequence[str], stdin: IO[bytes], stdout: IO[str], stderr: IO[str], cwd: Path, *, legacy: bool = False
) -> int:
    """Apply one patch to the disk and return the exit code: 0 done, 1 failed, 2 misused.

    The patch is the only argument, or standard input. Hunks are applied in order; one that fails stops the rest, and
    those before it stay applied. Unlike the tool, the program has no workspace and asks nobody.
    """
    try:
        text = _patch_text(arguments, stdin)
        if text is None:
            stderr.write(USAGE if not arguments else "Error: apply_patch accepts exactly one argument.\n" + USAGE)
            return 2
        stdout.write(_apply(text, cwd, legacy))
    except InvalidPatch as error:
        stderr.write(f"{error.for_executable}\n")
        return 1
    except ToolError as error:
        stderr.write(f"{error.message}\n")
        return 1
    return 0


def _patch_text(arguments: Sequence[str], stdin: IO[bytes]) -> str | None:
    if len(arguments) > 1:
        return None
    if arguments:
        if any("\udc80" <= character <= "\udcff" for character in arguments[0]):
            raise failed("Error: apply_patch requires a UTF-8 PATCH argument.", "not_utf8")
        return arguments[0]
    try:
        return stdin.read().decode() or None
    except (OSError, UnicodeDecodeError) as error:
        raise failed(f"Error: Failed to read PATCH from stdin.\n{error}", "io_error") from None


def _apply(text: str, cwd: Path, legacy: bool) -> str:
    patch = parse(text)
    if not patch.hunks:
        raise failed("No files were modified.", "empty_patch")
    for hunk in patch.hunks:
        name = absolute(hunk.path, cwd)
        match hunk:
            case AddFile():
                _write(name, hunk.content.encode())
            case DeleteFile():
                _delete(name, "Failed to delete file")
            case UpdateFile():
                _update(hunk, name, cwd, legacy)
    return summary(marks(patch.hunks))


def _update(hunk: UpdateFile, name: str, cwd: Path, legacy: bool) -> None:
    content = _read(name)
    new = update_legacy(content, hunk.chunks, name) if legacy else update(content, hunk.chunks, name).content
    target = absolute(hunk.move_to, cwd) if hunk.move_to is not None else name
    _write(target, new)
    if target != name:
        _delete(name, "Failed to remove original")


def _read(name: str) -> bytes:
    prefix = f"Failed to read file to update {name}: "
    try:
        # A FIFO would block the reader, a device might never end.
        if Path(name).exists() and not Path(name).is_file() and not Path(name).is_dir():
            raise failed(f"{prefix}not a regular file", "not_a_file")
        content = Path(name).read_bytes()
    except OSError as error:
        raise failed(f"{prefix}{error.strerror} (os error {error.errno})", "io_error") from None
    if not is_utf8(content):
        raise failed(f"{prefix}stream did not contain valid UTF-8", "not_utf8")
    return content


def _write(name: str, content: bytes) -> None:
    try:
        Path(name).write_bytes(content)
    except FileNotFoundError:
        _attempt(
            lambda: Path(name).parent.mkdir(parents=True, exist_ok=True),
            f"Failed to create parent directories for {name}",
        )
        _attempt(lambda: Path(name).write_bytes(content), f"Failed to write file {name}")
    except OSError:
        raise failed(f"Failed to write file {name}", "io_error") from None


def _delete(name: str, failing: str) -> None:
    if not Path(name).exists() or Path(name).is_dir():
        raise failed(f"{failing} {name}", "not_found")
    _attempt(Path(name).unlink, f"{failing} {name}")


def _attempt(act: Callable[[], object], failing: str) -> None:
    try:
        act()
    except OSError:
        raise failed(failing, "io_error") from None


if __name__ == "__main__":
    sys.exit(
        main(sys.argv[1:], sys.stdin.buffer, sys.stdout, sys.stderr, Path.cwd(), legacy=os.environ.get(LEGACY) == "1")
    )
