"""Decides which system calls a confined command may make: no sockets but those allowed, no way out of its bounds."""

from __future__ import annotations

import socket
from functools import cache

from toolscript.confine import syscalls
from toolscript.confine.seccomp import ALLOW, Action, Arg, Filter, Rule

_REFUSE = Action.errno()
_TYPE_MASK = 0xF
_NETLINK = getattr(socket, "AF_NETLINK", 16)

# Landlock refuses most of these too; a filter holds where it is old or missing.
_FORBIDDEN = (
    "io_uring_setup", "io_uring_enter", "io_uring_register", "mount", "umount2", "pivot_root", "setns", "open_tree",
    "move_mount", "fsopen", "fsmount", "fsconfig", "fspick", "mount_setattr", "open_by_handle_at", "bpf",
    "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff",
    "syslog", "acct", "quotactl", "settimeofday", "clock_settime", "adjtimex", "clock_adjtime", "sethostname",
    "setdomainname", "iopl", "ioperm", "keyctl", "add_key", "request_key", "vhangup", "fanotify_init", "pidfd_getfd",
)  # fmt: skip


def command_filter(*, network: bool) -> Filter:
    """Return the filter for commands: everything but what reaches others.

    Pairs of connected sockets stay, since programs talk to their own children by them. A datagram pair does not: it
    could be pointed at another address.
    """
    pairs = (
        Rule(calls=("socketpair",), action=_REFUSE, when=(Arg(index=1, equals=socket.SOCK_DGRAM, mask=_TYPE_MASK),)),
        Rule(calls=("socketpair",), action=ALLOW, when=(Arg(index=0, equals=socket.AF_UNIX),)),
    )
    refused = Rule(calls=("socket", "socketpair"), action=_REFUSE)
    return Filter(
        rules=(*_internet(), *pairs, refused, Rule(calls=_FORBIDDEN, action=_REFUSE))
        if network
        else (*pairs, refused, Rule(calls=("connect", "bind", "listen", *_FORBIDDEN), action=_REFUSE)),
        default=ALLOW,
    )


def _internet() -> tuple[Rule, ...]:
    families = (socket.AF_INET, socket.AF_INET6)
    plain = tuple(Rule(calls=("socket",), action=ALLOW, when=(Arg(index=0, equals=family),)) for family in families)
    # Resolvers and getifaddrs ask the kernel for routes (protocol 0); other netlink protocols reach too far.
    routes = Rule(calls=("socket",), action=ALLOW, when=(Arg(index=0, equals=_NETLINK), Arg(index=2, equals=0)))
    return (*plain, routes)


@cache
def compiled(*, network: bool) -> bytes:
    """Return the filter for this processor as the kernel takes it; kept, since every command needs it."""
    arch = syscalls.machine()
    if arch is None:
        raise OSError("system calls cannot be filtered on this processor")
    return command_filter(network=network).compiled(arch)
