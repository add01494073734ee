"""An engine that tries, as native code past the engine could, everything that a worker must not be able to do."""

from __future__ import annotations

import ctypes
import json
import os
import socket

from toolscript.runtime.engine import Drained, Script
from toolscript.runtime.quickjs import QuickJSEngine

_libc = ctypes.CDLL(None, use_errno=True)


def _mmap(protection: int) -> None:
    _libc.mmap.restype = ctypes.c_void_p
    if _libc.mmap(None, ctypes.c_size_t(4096), protection, 0x22, -1, ctypes.c_long(0)) == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "mmap")


ATTEMPTS = {
    "read a file": lambda: os.open("/etc/hostname", os.O_RDONLY),
    "write a file": lambda: os.open("/tmp/toolscript-escape", os.O_CREAT | os.O_WRONLY),
    "list a folder": lambda: os.listdir("/"),
    "stat a file": lambda: os.stat("/etc/passwd"),
    "change directory": lambda: os.chdir("/tmp"),
    "read another's environment": lambda: os.open(f"/proc/{os.getpid()}/environ", os.O_RDONLY),
    "duplicate a descriptor": lambda: os.dup(0),
    "make a pipe": os.pipe,
    "make a socket pair": socket.socketpair,
    "signal the parent": lambda: os.kill(os.getppid(), 0),
    "run memory": lambda: _mmap(7),
    "much memory": lambda: bytearray(400 << 20),
    "raise a limit": lambda: __import__("resource").setrlimit(__import__("resource").RLIMIT_CPU, (99, 99)),
}
DEADLY = {
    "fork": os.fork,
    "run a program in a child": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "run a program": lambda: os.execv("/bin/true", ["true"]),
    "make a socket": lambda: socket.socket(socket.AF_INET),
    "make a unix socket": lambda: socket.socket(socket.AF_UNIX),
    "trace": lambda: _libc.ptrace(0, 0, 0, 0),
}


class Prisoner(QuickJSEngine):
    """Does what the script's text names, or tries all that must fail politely."""

    def start(self, script: Script) -> Drained:
        name = script.code.strip().removeprefix("//").strip()
        if name in DEADLY:
            DEADLY[name]()
            return Drained(messages='["d","\\"done\\"",[]]', ended=True)
        found = {}
        for name, attempt in ATTEMPTS.items():
            try:
                attempt()
                found[name] = "done"
            except (OSError, MemoryError, ValueError) as error:
                found[name] = type(error).__name__
        found["environment"] = dict(os.environ)
        return Drained(messages=json.dumps(["d", json.dumps(found), []]), ended=True)
