"""Decides how the process that workers descend from is begun, which may be before it is known what it will be told.

To load what every worker needs takes it longer than anything else at a start, and another processor can do it
meanwhile. So this module needs next to nothing itself.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import socket
import subprocess
import sys
import weakref
from collections.abc import Mapping
from pathlib import Path

from toolscript.errors import HostError, Json
from toolscript.runtime.control import LENGTH

DEFAULT_ENGINE = "toolscript.runtime.quickjs:QuickJSEngine"
DEFAULT_BLANK = "toolscript.language.blank:blank"
ENVIRONMENT = (("TZ", "UTC0"),)
_MODULES = ("_quickjs",)
_PARSERS = ("tree_sitter", "tree_sitter_typescript", "tree_sitter_javascript")
_BEGIN = "import sys; sys.path[:0] = sys.argv.pop(1).split('\\n'); from toolscript.runtime.zygote import start; start()"
_ROOT = str(Path(__file__).parents[2])


class Ahead:
    """A process that loads the engine and the parser, and then waits to be told the rest.

    ``engine`` and ``blank`` are loaded as ``module:name``; ``modules`` are those that the engine needs. Belongs to
    whoever :meth:`take` it; else it ends with :meth:`close`, or when nobody holds this object any more. Raises
    HostError and OSError when it cannot be started.
    """

    def __init__(
        self,
        engine: str = DEFAULT_ENGINE,
        blank: str = DEFAULT_BLANK,
        modules: tuple[str, ...] = _MODULES,
        environment: tuple[tuple[str, str], ...] = ENVIRONMENT,
    ) -> None:
        self.loads = (engine, blank, environment)
        roots = _roots((*_PARSERS, *modules, engine.partition(":")[0]))
        self._control, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = _spawn(roots, theirs, (engine, blank), environment)
        except BaseException:
            self._control.close()
            raise
        self._pid = os.getpid()
        self._end = weakref.finalize(self, _end, self._process, self._control, self._pid)

    @property
    def ours(self) -> bool:
        """Whether this very process began it: after a fork, it is the parent's."""
        return self._pid == os.getpid()

    def tell(self, settings: Mapping[str, Json]) -> None:
        """Send the settings; whether they arrived is seen by the answer."""
        data = json.dumps(settings).encode()
        with contextlib.suppress(ConnectionError):
            self._control.sendall(LENGTH.pack(len(data)) + data)

    def take(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        """Return the process and its socket, which are the caller's to end from now on."""
        self._end.detach()
        return self._process, self._control

    def close(self) -> None:
        """End the process, if nobody took it; closing twice changes nothing."""
        self._end()


_held: list[Ahead] = []


def hold() -> None:
    """Begin a process now for the next that asks whether one is :func:`begun`: a command does so before it loads."""
    if (ahead := _begin()) is not None:
        _held.append(ahead)


def begun() -> Ahead | None:
    """Return a process with the default engine; None where none can be started, which the pool will then say."""
    while _held:
        if (ahead := _held.pop()).ours:
            return ahead
        ahead.close()
    return _begin()


def _begin() -> Ahead | None:
    try:
        return Ahead()
    except (HostError, OSError):
        return None


def _end(process: subprocess.Popen[bytes], control: socket.socket, begun_by: int) -> None:
    control.close()
    if begun_by != os.getpid():  # a fork's copy: the process is the parent's to end and to wait for
        if process.stderr is not None:
            process.stderr.close()
        process.returncode = 0
        return
    process.kill()
    process.communicate()


def _spawn(
    roots: list[str], control: socket.socket, loaded: tuple[str, ...], environment: tuple[tuple[str, str], ...]
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-I", "-S", "-c", _BEGIN, "\n".join(roots), str(control.fileno()), *loaded]
    return subprocess.Popen(
        command, env=dict(environment), cwd="/", pass_fds=[control.fileno()], stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def _roots(modules: tuple[str, ...]) -> list[str]:
    """Return the folders from which the zygote imports; nothing else of our path reaches it."""
    roots = [_ROOT]
    for name in modules:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise HostError(f"the module {name} is not installed, and no script can run without it")
        above = name.count(".") + bool(spec.submodule_search_locations)
        roots.append(str(Path(spec.origin).parents[above]))
    return list(dict.fromkeys(roots))
