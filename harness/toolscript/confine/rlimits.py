"""Decides how much of the machine one process may use."""

from __future__ import annotations

import resource

_NAMES = {
    "address_space": "RLIMIT_AS",
    "core": "RLIMIT_CORE",
    "cpu_seconds": "RLIMIT_CPU",
    "file_size": "RLIMIT_FSIZE",
    "locked_memory": "RLIMIT_MEMLOCK",
    "open_files": "RLIMIT_NOFILE",
    "processes": "RLIMIT_NPROC",
}


def restrict(**limits: int) -> tuple[str, ...]:
    """Lower soft and hard limits of this process and return the names that this system could not apply.

    Names: address_space, core, file_size, locked_memory (bytes), cpu_seconds, open_files, processes. A limit is never
    raised. ``cpu_seconds`` leaves one second between the signal (SIGXCPU) and the kill.
    """
    return tuple(name for name, value in limits.items() if not _lower(name, value))


def _lower(name: str, value: int) -> bool:
    kind = getattr(resource, _NAMES[name], None)
    if kind is None:
        return False
    _, hard = resource.getrlimit(kind)
    ceiling = value + 1 if name == "cpu_seconds" else value
    if hard != resource.RLIM_INFINITY:
        ceiling = min(ceiling, hard)
    try:
        resource.setrlimit(kind, (min(value, ceiling), ceiling))
    except (OSError, ValueError):
        return False
    return True
