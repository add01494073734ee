"""Decides what happens in a command's own process before it becomes the command: settle, confine, wait, exec."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
import signal
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from toolscript.confine import bubblewrap, enclose, process, wire

READY = b"R"
FALLBACK_PATH = "/usr/local/bin:/usr/bin:/bin"


def launch(orders: socket.socket, report: int, keeper: int) -> NoReturn:
    """Become the command that ``orders`` describe once a last byte arrives there; never returns.

    The orders are the standard streams, then a :class:`Launch`, then :data:`wire.GO`. Writes ``READY`` to ``report``
    when all is set up, or one JSON object ``{stage, errno, message, path}`` for what failed; the descriptor closes by
    itself when the command takes over.
    """
    stage = "setup"
    try:
        with contextlib.suppress(OSError):
            process.die_with_parent(parent=keeper)
        stdio = wire.receive_descriptors(orders, 3)
        message = wire.receive(orders)
        if stdio and message is not None:
            command = wire.Launch.from_json(message)
            _settle(stdio)
            if command.confinement is not None and not command.confinement.bubblewrap:
                stage = "confine"
                enclose.confine(command.confinement)
            stage = "setup"
            os.chdir(command.cwd)
            os.write(report, READY)
            if orders.recv(1) == wire.GO:
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


def _settle(stdio: list[int]) -> None:
    # Its own session: no terminal to ask passwords on, and one group that signals reach.
    os.setsid()
    for number, descriptor in enumerate(stdio):
        os.dup2(descriptor, number)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Python ignores these, and an ignored signal stays ignored in what is executed.
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGCHLD, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _exec(command: wire.Launch) -> None:
    """Replace this process; raises the OSError that says most about why no candidate could be executed."""
    best: OSError = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command.program)
    for candidate in candidates(command.program, command.environment.get("PATH", FALLBACK_PATH)):
        try:
            _become(candidate, command)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            best = error
    raise best


def _become(program: str, command: wire.Launch) -> None:
    argv = list(command.argv)
    if command.confinement is not None and command.confinement.bubblewrap:
        if argv[0] != command.program:
            raise OSError(errno.ENOTSUP, "bubblewrap cannot tell a program another name than its own")
        # Bubblewrap would report a missing program by an exit code, as if it had run.
        Path(program).stat()
        argv = bubblewrap.wrapped(command.confinement, program, command.argv, command.cwd)
        program = command.confinement.bubblewrap
        os.set_inheritable(int(argv[argv.index("--seccomp") + 1]), True)
    os.execve(program, argv, dict(command.environment))


def candidates(program: str, path: str) -> Iterable[str]:
    """Yield the files that a program's name may mean, as execvp tries them."""
    if "/" in program:
        yield program
        return
    for directory in path.split(os.pathsep):
        # An empty entry means the working directory to execvp; here it means nothing.
        if directory:
            yield f"{directory}/{program}"
