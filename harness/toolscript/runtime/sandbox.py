"""Decides what a worker gives up before it sees a script, in which order, and says what could not be given up.

The zygote gives up what its children need neither: files, privileges, core dumps, memory beyond its bound. Each
child then gives up the rest: outliving the zygote, descriptors, processes, and all but a few system calls.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable

from toolscript.confine import landlock, process, rlimits, seccomp, syscalls
from toolscript.confine.seccomp import ALLOW, KILL, Action, Arg, Filter, Rule

MIB = 1024 * 1024
PROT_EXEC = 4

_USED = (
    "read", "write", "recvfrom", "sendto", "close", "futex", "munmap", "mremap", "brk", "madvise", "clock_gettime",
    "gettimeofday", "time", "getrusage", "setitimer", "timer_create", "timer_settime", "rt_sigaction",
    "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "exit", "exit_group", "getpid", "gettid", "sched_yield",
    "restart_syscall", "getrandom",
)  # fmt: skip
_NEVER = (
    "execve", "execveat", "fork", "vfork", "clone", "clone3", "socket", "connect", "bind", "ptrace",
    "process_vm_readv", "process_vm_writev", "bpf", "io_uring_setup", "userfaultfd", "mount", "unshare", "setns",
)  # fmt: skip

WORKER_FILTER = Filter(
    rules=(
        Rule(calls=_USED, action=ALLOW),
        # Memory that can be run would turn a corrupted heap into code of the attacker's own.
        Rule(calls=("mmap", "mprotect"), when=(Arg(index=2, equals=PROT_EXEC, mask=PROT_EXEC),),
             action=Action.errno(errno.EPERM)),
        Rule(calls=("mmap", "mprotect"), action=ALLOW),
        # No honest worker asks for these: whoever does is past the engine.
        Rule(calls=_NEVER, action=KILL),
    ),
    default=Action.errno(errno.EPERM),
)  # fmt: skip

_NO_FILTER = Filter(rules=(), default=ALLOW)


def lock_zygote(*, address_space: int | None) -> tuple[str, ...]:
    """Give up files, privileges and dumps for this process and all it forks; return what could not be given up.

    ``address_space`` (bytes; None: whatever the engine maps) bounds each process on its own. CPU time is bounded for
    workers alone: the zygote's own grows with every worker that it forks.
    """
    missing = _steps(
        (process.no_new_privileges, "no_new_privs"),
        (process.drop_capabilities, "capabilities"),
        (process.undumpable, "undumpable"),
        (_no_files, "landlock"),
    )
    bounds = {} if address_space is None else {"address_space": address_space}
    limited = rlimits.restrict(core=0, file_size=0, locked_memory=0, **bounds)
    return (*missing, *limited, *_unfiltered())


def _no_files() -> None:
    landlock.restrict()


def _unfiltered() -> tuple[str, ...]:
    return () if seccomp.supported() else ("seccomp",)


class WorkerLock:
    """Gives up everything else in a child. Made once, in the zygote: a child pays for each page of memory it touches.

    ``rehearsing`` goes through all of it, with a filter that allows everything: behind the other nobody could ask what
    was touched.
    """

    def __init__(self, *, zygote: int, cpu_seconds: int, rehearsing: bool = False) -> None:
        self._zygote = zygote
        self._limits = {"open_files": 0, "processes": 0, "cpu_seconds": cpu_seconds}
        arch = syscalls.machine()
        chosen = _NO_FILTER if rehearsing else WORKER_FILTER
        filtered = arch is not None and seccomp.supported()
        self._filter = seccomp.Ready(chosen.compiled(arch)) if filtered and arch is not None else None

    def __call__(self, *kept: int) -> tuple[str, ...]:
        """Keep only these descriptors; return what could not be given up.

        The order is fixed: nothing may be opened, started or asked for once its step is done.
        """
        missing: tuple[str, ...] = ()
        try:
            process.die_with_parent(parent=self._zygote)
        except OSError:
            missing = ("parent_death",)
        process.close_all_but(kept)
        missing += rlimits.restrict(**self._limits)
        if self._filter is not None:
            try:
                self._filter.load()
            except OSError:
                missing += ("seccomp",)
        return missing


def _steps(*steps: tuple[Callable[[], None], str]) -> tuple[str, ...]:
    missing = []
    for step, name in steps:
        try:
            step()
        except OSError:
            missing.append(name)
    return tuple(missing)


def platform_note() -> str:
    """Return what a person should know of this platform's workers."""
    if sys.platform == "linux":
        return ""
    return "workers are separate processes with resource limits, but this system confines them no further"
