"""Decides where runs are written down, and which of them are finished, live or interrupted."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from toolscript.errors import JournalError
from toolscript.journal.codec import MAX_LINE, loaded
from toolscript.journal.private import READ, private_dir
from toolscript.journal.spares import PREFIX

SUFFIX = ".jsonl"
SHORT_TAIL_BYTES, TAIL_BYTES = 16 * 1024, 2 * MAX_LINE
"""How much of a file's end is looked at for its last line: first little, then all that could be needed."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def state_dir(workspace: Path | str, environ: Mapping[str, str] | None = None) -> Path:
    """Return the private directory in which everything about a workspace is kept, made if need be.

    It lies in ``$XDG_STATE_HOME/toolscript`` (default ``~/.local/state``) under 16 hex digits of the workspace's
    real path; mode 0700. A workspace that holds it (a home directory) never shows it to tools or commands.
    Raises ConfigError where it cannot be made or is not ours.
    """
    environ = os.environ if environ is None else environ
    named = environ.get("XDG_STATE_HOME", "")
    # The specification says: relative values are to be ignored.
    home = Path(named) if named.startswith("/") else Path(environ.get("HOME") or Path.home()) / ".local" / "state"
    real = os.path.realpath(workspace)
    digest = hashlib.sha256(os.fsencode(real)).hexdigest()[:16]
    directory = home / "toolscript" / digest
    return private_dir(directory)


def runs_dir(state: Path) -> Path:
    """Return where the journals of runs lie."""
    return private_dir(state / "runs")


def run_path(state: Path, run_id: str) -> Path:
    """Return where the journal of a run lies. Raises JournalError for an id that could lead elsewhere."""
    return runs_dir(state) / run_name(run_id)


def run_name(run_id: str) -> str:
    """Return the name of a run's file. Raises JournalError for an id that could lead elsewhere."""
    if not is_name(run_id):
        raise JournalError(f"{run_id!r} is not the id of a run")
    return f"{run_id}{SUFFIX}"


def is_name(text: str) -> bool:
    """Say whether an id can be part of a file's name and lead nowhere else."""
    return _NAME.fullmatch(text) is not None


def blobs_dir(journal: Path) -> Path:
    """Return where a journal's bodies lie."""
    return journal.with_suffix(".blobs")


def secrets_path(journal: Path) -> Path:
    """Return where the true bytes of a journal's secrets lie until its run has ended."""
    return journal.with_suffix(".secrets")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFile:
    """The journal of one run as it lies on disk; sizes in bytes with bodies, times in seconds since the epoch."""

    run_id: str
    path: Path
    ended: bool
    live: bool
    size: int
    modified: float
    changed: bool | None = None
    """Whether the run changed files, as its last record says; None where it has none, or none that says it."""

    @property
    def interrupted(self) -> bool:
        """Whether the run has no end and nobody works on it any more."""
        return not self.ended and not self.live


def run_files(state: Path) -> tuple[RunFile, ...]:
    """Return all runs of a workspace, oldest first."""
    found = (_run_file(path) for path in runs_dir(state).glob(f"*{SUFFIX}"))
    return tuple(sorted((f for f in found if f is not None), key=lambda f: (f.modified, f.run_id)))


def interrupted(state: Path) -> tuple[RunFile, ...]:
    """Return the runs that could be resumed, oldest first."""
    return tuple(run for run in run_files(state) if run.interrupted)


def _run_file(path: Path) -> RunFile | None:
    try:
        with os.fdopen(os.open(path, READ), "rb") as file:
            status = os.fstat(file.fileno())
            live = is_locked(file.fileno())
            last = last_line(file.fileno())
    except OSError:  # swept by another process in the meantime
        return None
    return RunFile(
        run_id=path.stem,
        path=path,
        ended=b'"kind":"run_end"' in last[:120],
        live=live,
        size=status.st_size + _bodies_size(path),
        modified=status.st_mtime,
        changed=_changed(last),
    )


def _changed(last: bytes) -> bool | None:
    if b'"changed":' not in last:
        return None
    try:
        found = loaded(last).get("changed")
    except (ValueError, AttributeError):
        return None
    return found if isinstance(found, bool) else None


def _bodies(path: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(blobs_dir(path)) as entries:
            yield from entries
    except OSError:
        return


def _bodies_size(path: Path) -> int:
    return sum(entry.stat().st_size for entry in _bodies(path))


def is_locked(fd: int) -> bool:
    """Say whether somebody else holds the lock of an open file."""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    fcntl.flock(fd, fcntl.LOCK_UN)
    return False


def last_line(fd: int) -> bytes:
    """Return the last complete line of a file; a torn one behind it is passed over."""
    size = os.fstat(fd).st_size
    for length in (SHORT_TAIL_BYTES, TAIL_BYTES):
        tail = os.pread(fd, length, max(0, size - length))
        _, found, line = tail[: tail.rfind(b"\n")].rpartition(b"\n")
        if found or length >= size:
            return line if b"\n" in tail else b""
    return b""


def sweep(state: Path, *, max_bytes: int = 1024**3, max_runs: int = 2_000) -> tuple[str, ...]:
    """Remove the oldest finished runs beyond these bounds, and secrets that dead writers left; returns their ids.

    Live and interrupted runs are spared, even if they alone exceed the bounds.
    """
    directory = runs_dir(state)
    _remove_spares(directory)
    sizes = [path.stat().st_size + _bodies_size(path) for path in directory.glob(f"*{SUFFIX}")]
    size, count = sum(sizes), len(sizes)
    if size <= max_bytes and count <= max_runs and not any(directory.glob("*.secrets")):
        return ()
    removed: list[str] = []
    for file in run_files(state):
        if not file.ended or file.live:
            continue
        secrets_path(file.path).unlink(missing_ok=True)  # its writer died between the run's end and this
        if size > max_bytes or count > max_runs:
            _remove(file.path)
            removed.append(file.run_id)
            size, count = size - file.size, count - 1
    return tuple(removed)


def _remove_spares(directory: Path) -> None:
    """Remove what a dead process had laid ready; what a live one holds is locked."""
    for path in directory.glob(f"{PREFIX}*"):
        try:
            with os.fdopen(os.open(path, READ), "rb") as file:
                if not is_locked(file.fileno()):
                    path.unlink()
        except OSError:  # taken or removed in the meantime
            continue


def _remove(path: Path) -> None:
    # The journal first: bodies without it are nothing, while it without them would be damage.
    path.unlink(missing_ok=True)
    secrets_path(path).unlink(missing_ok=True)
    for entry in _bodies(path):
        Path(entry.path).unlink(missing_ok=True)
    try:
        blobs_dir(path).rmdir()
    except FileNotFoundError:
        return
