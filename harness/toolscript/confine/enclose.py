"""Decides in which order a command's process gives up what its confinement does not allow."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from toolscript.confine import filters, landlock, libc, mounts, rlimits, seccomp
from toolscript.confine.process import no_new_privileges
from toolscript.confine.wire import Confinement

MAX_USER_PROCESSES = 16384
"""What a fork bomb meets at the latest (root is not held by it)."""

_PR_CAPBSET_DROP = 24
_LAST_CAPABILITY = 40
# chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service, sys_chroot, audit_write, setfcap
# dac_read_search, sys_module, sys_rawio, sys_ptrace, sys_admin, mknod, perfmon, bpf, checkpoint_restore
_UNCOVERING = frozenset((2, 16, 17, 19, 21, 27, 38, 39, 40))
"""What would uncover a hidden file again."""
_KEPT_CAPABILITIES = frozenset((0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 29, 31))


def confine(confinement: Confinement) -> None:
    """Give up, for this process and all it starts and for good, what the confinement does not allow.

    Raises OSError when the kernel does not do what the plan counted on; the command must not run then.
    """
    if confinement.only_hides:
        mounts.hide(confinement.hidden)
        _drop_capabilities(_UNCOVERING)
        return
    if confinement.namespace:
        mounts.enter(confinement)
    _drop_capabilities(frozenset(range(_LAST_CAPABILITY + 1)) - _KEPT_CAPABILITIES)
    rlimits.restrict(processes=MAX_USER_PROCESSES)
    no_new_privileges()
    if confinement.landlock:
        ports = None if confinement.network else ()
        landlock.restrict(rules(confinement), tcp_connect=ports, tcp_bind=ports)
    if confinement.seccomp:
        filter_calls(network=confinement.network)


def filter_calls(*, network: bool) -> None:
    """Load the filter for commands."""
    seccomp.load(filters.command_filter(network=network), compiled=filters.compiled(network=network))


def _drop_capabilities(dropped: Iterable[int]) -> None:
    """Take from root what would lead past files and filters: devices, modules, tracing, mounts."""
    if os.geteuid() != 0:
        return
    for capability in sorted(dropped):
        libc.prctl(_PR_CAPBSET_DROP, capability, what="capabilities")


def rules(confinement: Confinement) -> Iterator[tuple[Path, landlock.Access]]:
    """Yield what Landlock is told: read and run everything (around what is hidden), write what is writable."""
    if confinement.namespace or not confinement.hidden:
        yield Path("/"), landlock.RUN
    else:
        yield from ((path, landlock.RUN) for path in readable_around(confinement.hidden))
    for path in confinement.writable:
        yield Path(path), landlock.WRITE
    for path in confinement.devices:
        yield Path(path), landlock.DEVICE


def readable_around(hidden: Iterable[str]) -> list[Path]:
    """Return what to allow so that all but the hidden paths can be read: the siblings on the way to each.

    The directories above a hidden path are not among them, so they can be passed through but not listed.
    """
    closed = {Path(path) for path in hidden}
    above = {parent for path in closed for parent in path.parents}
    found: list[Path] = []
    for directory in sorted(above):
        found += [entry for entry in _entries(directory) if entry not in above and entry not in closed]
    return found


def _entries(directory: Path) -> list[Path]:
    try:
        # A link's target has a rule of its own, or is hidden: following it here would open what is hidden.
        return [entry for entry in directory.iterdir() if not entry.is_symlink()]
    except OSError:
        return []
