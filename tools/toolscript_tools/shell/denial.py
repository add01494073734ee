"""Decides whether a command failed because the sandbox stopped it, or for a reason of its own."""

from __future__ import annotations

import re
import signal
import sys

KEYWORDS = (
    "operation not permitted", "permission denied", "read-only file system", "seccomp", "sandbox", "landlock",
    "failed to write file",
)  # fmt: skip
_MOUNTED = re.compile(r"(\.git|toolscript\.toml)\b.*device or resource busy")
"""What a program says when it tries to replace a file that is frozen by a mount."""
_OWN_REASONS = frozenset((2, 126, 127))
SIGSYS_EXIT = 128 + 31


def denied_by_sandbox(
    exit_code: int, stdout: str, stderr: str, aggregated: str = "", *, sandbox: str | None = sys.platform
) -> bool:
    """Say whether the sandbox is the likely cause of a failure; ``sandbox`` is its platform, None without one."""
    if sandbox is None or exit_code == 0:
        return False
    texts = [text.lower() for text in (stderr, stdout, aggregated)]
    if any(word in text for text in texts for word in KEYWORDS) or any(map(_MOUNTED.search, texts)):
        return True
    if exit_code in _OWN_REASONS:
        return False
    return sandbox == "linux" and exit_code == SIGSYS_EXIT


def signal_name(number: int) -> str:
    """Return a signal's name, or its number where it has none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
