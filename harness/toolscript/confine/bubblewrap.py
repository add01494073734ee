"""Decides how bubblewrap is told a confinement, where the kernel lets that program do what it refuses us."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from toolscript.confine import filters
from toolscript.confine.wire import Confinement

_ROOT_CAPABILITIES = (
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP",
)  # fmt: skip


def wrapped(confinement: Confinement, program: str, argv: Sequence[str], cwd: str) -> list[str]:
    """Return the argv that runs a program (a path) confined; opens a descriptor for the filter, to be inherited."""
    filtered = ["--seccomp", str(_filter_descriptor(confinement))] if confinement.seccomp else []
    places = [part for option in _places(confinement) for part in option]
    return [
        confinement.bubblewrap, "--die-with-parent", "--unshare-pid", "--unshare-ipc",
        *([] if confinement.network else ["--unshare-net"]),
        *places, "--chdir", cwd, *_capabilities(), *filtered, "--", program, *argv[1:],
    ]  # fmt: skip


def _places(confinement: Confinement) -> Iterator[tuple[str, ...]]:
    """Yield what is mounted, outer places before what lies in them."""
    yield "--ro-bind", "/", "/"
    yield "--dev-bind", "/dev", "/dev"
    yield "--proc", "/proc"
    for path in sorted({*confinement.writable, *confinement.pinned}):
        yield "--bind", path, path
    for path in confinement.frozen:
        yield "--ro-bind-try", path, path
    for path in confinement.hidden:
        yield from _hiding(path)


def _hiding(path: str) -> Iterator[tuple[str, ...]]:
    if Path(path).is_dir():
        yield "--tmpfs", path
        yield "--remount-ro", path
    elif Path(path).exists():
        yield "--ro-bind", os.devnull, path


def _capabilities() -> list[str]:
    kept = _ROOT_CAPABILITIES if os.geteuid() == 0 else ()
    return ["--cap-drop", "ALL", *(part for name in kept for part in ("--cap-add", name))]


def _filter_descriptor(confinement: Confinement) -> int:
    descriptor = os.memfd_create("filter", 0)
    os.write(descriptor, filters.compiled(network=confinement.network))
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
