"""Decides what happens in a command's own process before it becomes the command: settle, confine, wait, exec."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
from collections.abc import Iterable
from typing import NoReturn

from toolscript.confine import processes
from toolscript.confine.wire import Confinement, Launch

READY = b"R"
FALLBACK_PATH = "/usr/local/bin:/usr/bin:/bin"
MAX_USER_PROCESSES = 16384


def launch(command: Launch, stdio: tuple[int, int, int], hold: int, report: int) -> NoReturn:
    """Become the command once a byte arrives on ``hold``; never returns.

    Writes ``READY`` to ``report`` when all is set up, or one JSON object ``{stage, errno, message, path}`` for
    what failed; the descriptor closes by itself when the command takes over.
    """
    stage = "setup"
    try:
        _settle(command, stdio)
        stage = "confine"
        if command.confinement is not None:
            confine(command.confinement)
        os.write(report, READY)
        if os.read(hold, 1):
            stage = "exec"
            _exec(command)
    except BaseException as error:
        os.write(report, json.dumps(_failure(stage, error)).encode())
    os._exit(127)


def _failure(stage: str, error: BaseException) -> dict[str, object]:
    number = error.errno if isinstance(error, OSError) else None
    path = error.filename if isinstance(error, OSError) else None
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return {"stage": stage, "errno": number, "message": reason, "path": os.fsdecode(path) if path else None}


def _settle(command: Launch, stdio: tuple[int, int, int]) -> None:
    # Its own session: no terminal to ask passwords on, and one group that signals reach.
    os.setsid()
    processes.prctl(processes.PR_SET_PDEATHSIG, signal.SIGKILL)
    for number, descriptor in enumerate(stdio):
        os.dup2(descriptor, number)
    os.chdir(command.cwd)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Python ignores these, and an ignored signal stays ignored in what is executed.
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGCHLD):
        signal.signal(ignored, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def confine(confinement: Confinement) -> None:
    """Give up, for this process and all below it, what the confinement does not allow."""
    raise NotImplementedError


def _exec(command: Launch) -> None:
    """Replace this process; raises the OSError that says most about why no candidate could be executed."""
    best: OSError | None = None
    for candidate in candidates(command.program, command.environment.get("PATH", FALLBACK_PATH)):
        try:
            os.execve(candidate, command.argv, dict(command.environment))
        except OSError as error:
            error.filename = error.filename or candidate
            if best is None or isinstance(best, FileNotFoundError | NotADirectoryError):
                best = error
    raise best or FileNotFoundError(2, "No such file or directory", command.program)


def candidates(program: str, path: str) -> Iterable[str]:
    """Yield the files that a program's name may mean, as execvp tries them."""
    if "/" in program:
        yield program
        return
    for directory in path.split(os.pathsep):
        # An empty entry means the working directory to execvp; here it means nothing.
        if directory:
            yield f"{directory}/{program}"


def limit_processes() -> None:
    """Lower the user's process limit, so that a fork bomb meets an end (root is not held by it)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    ceiling = MAX_USER_PROCESSES if hard == resource.RLIM_INFINITY else min(MAX_USER_PROCESSES, hard)
    if soft == resource.RLIM_INFINITY or soft > ceiling:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NPROC, (ceiling, ceiling))
