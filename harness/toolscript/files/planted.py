"""Decides whether a path is one by which git, run where it lies, could be made to run something.

Directories called ``.git`` are protected by their name. This is for those that git takes for its own by what is in
them: bare repositories, which may have come with the files, and those that a write would complete.
"""

from __future__ import annotations

import os
from pathlib import Path

from toolscript.confine.repositories import is_git_directory
from toolscript.files.paths import folded

_MARKS = ("HEAD", "objects", "refs", "commondir")
_BY_FOLDED = {folded(name): name for name in _MARKS}
_CARRIERS = frozenset(map(folded, ("config", "config.worktree", "commondir", "gitdir", "hooks", "HEAD")))


def in_git(path: Path, root: Path) -> bool:
    """Say whether writing this real path in a root changes what git runs there: a setting, a hook, or what makes its
    directory a repository. A file called ``HEAD`` always does: with it, everything else can come in any order.
    """
    names = path.relative_to(root).parts
    if names and folded(names[-1]) == folded("HEAD"):
        return True
    directory = root
    for name in names:
        if (plain := folded(name)) in _CARRIERS or plain in _BY_FOLDED:
            there = {mark for mark in _MARKS if os.path.lexists(directory / mark)}
            if is_git_directory(there) and plain in _CARRIERS:
                return True
            mark = _BY_FOLDED.get(plain)
            if mark is not None and not is_git_directory(there) and is_git_directory(there | {mark}):
                return True
        directory /= name
    return False
