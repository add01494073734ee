"""Decides what happens in a command's own process before it becomes the command: settle, confine, wait, exec."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from toolscript.confine import bubblewrap, enclose, process
from toolscript.confine.wire import Launch

READY = b"R"
FALLBACK_PATH = "/usr/local/bin:/usr/bin:/bin"


def launch(command: Launch, stdio: tuple[int, int, int], hold: int, report: int) -> NoReturn:
    """Become the command once a byte arrives on ``hold``; never returns.

    Writes ``READY`` to ``report`` when all is set up, or one JSON object ``{stage, errno, message, path}`` for
    what failed; the descriptor closes by itself when the command takes over.
    """
    stage = "setup"
    try:
        _settle(command, stdio)
        if command.confinement is not None and not command.confinement.bubblewrap:
            stage = "confine"
            enclose.confine(command.confinement)
        stage = "setup"
        os.chdir(command.cwd)
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
    with contextlib.suppress(OSError):
        process.die_with_parent()
    for number, descriptor in enumerate(stdio):
        os.dup2(descriptor, number)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Python ignores these, and an ignored signal stays ignored in what is executed.
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGCHLD, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _exec(command: Launch) -> None:
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


def _become(program: str, command: Launch) -> None:
    argv = list(command.argv)
    if command.confinement is not None and command.confinement.bubblewrap:
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
