"""The command line; this file decides what is begun before anything is loaded, and that Ctrl-C ends it in silence."""

from __future__ import annotations

import gc
import os
import signal
import sys

__all__ = ["main"]

INTERRUPTED = 130


def main() -> None:
    """Run the command line and exit."""
    # A parent that had us ignore Ctrl-C (nohup, a shell's `&`) is obeyed.
    heeded = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if heeded:
        signal.signal(signal.SIGINT, _leave)

    gc.disable()  # what is loaded stays
    from toolscript_extension.cli import streams

    streams.prepare()  # before anything is opened, which could take the place of a stream that is closed
    if sys.argv[1:2] == ["run"] and not {"--help", "-h"} & set(sys.argv):
        # What workers need takes another core as long to load as the rest takes this one.
        from toolscript.runtime.ahead import hold

        hold()

    def begin() -> None:
        gc.freeze()
        gc.enable()
        if heeded:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    from toolscript_extension.cli.app import run

    code = run(begin)
    if heeded:
        signal.signal(signal.SIGINT, _leave)
    sys.exit(code)


def _leave(*_: object) -> None:
    # While modules load nothing has begun, and at the end all is written: there is nothing to unwind, and an
    # exception out of an import would only show a stack trace, or be lost in a callback.
    os._exit(INTERRUPTED)
