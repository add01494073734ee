"""Decides what git may go on with where it stopped: a rebase that a command leaves behind runs no programs."""

from __future__ import annotations

import re

TODOS = ("rebase-merge/git-rebase-todo", "rebase-apply/git-rebase-todo", "sequencer/todo")
"""Where a git directory keeps what ``git rebase --continue`` and its like have still to do."""
_RUNS = re.compile(rb"\s*(exec|x)(\s|$)")


def runs(data: bytes) -> frozenset[bytes]:
    """Return the lines of a list of steps that run a program."""
    return frozenset(line.strip() for line in data.split(b"\n") if _RUNS.match(line))


def without(data: bytes, lines: frozenset[bytes]) -> bytes:
    """Return a list of steps without these."""
    return b"\n".join(line for line in data.split(b"\n") if line.strip() not in lines)
