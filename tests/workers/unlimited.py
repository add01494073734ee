"""Engines without the inner rings of limits, so that the outer ones must act."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

from toolscript.runtime.engine import Drained, Script
from toolscript.runtime.quickjs import QuickJSEngine


class WithoutRing1(QuickJSEngine):
    """Sets no time limit in the engine."""

    def _allow(self, left: float) -> None:
        """Allow everything."""


class WithoutRings1And2(WithoutRing1):
    """Ignores the alarm's signal, too."""

    def start(self, script: Script) -> Drained:
        signal.signal(signal.SIGPROF, signal.SIG_IGN)
        return super().start(script)


class Immortal(WithoutRings1And2):
    """Ignores every signal that it can ignore, as an attacker who is past the engine would."""

    def start(self, script: Script) -> Drained:
        for number in range(1, 32):
            if number not in (signal.SIGKILL, signal.SIGSTOP):
                signal.signal(number, signal.SIG_IGN)
        return super().start(script)


class WithoutHeapLimit(QuickJSEngine):
    """Lets the heap grow as far as the operating system does."""

    def start(self, script: Script) -> Drained:
        self._context.set_memory_limit = lambda size: None
        return super().start(script)

    def __init__(self) -> None:
        super().__init__()
        self._context = _Unlimited(self._context)


class _Unlimited:
    def __init__(self, context: Any) -> None:
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


class Stiff(QuickJSEngine):
    """Fails at what it is roused for."""

    def limber(self) -> Iterator[None]:
        """Do one step, and fail."""
        yield
        raise RuntimeError("stiff")


class StageFright(QuickJSEngine):
    """Ends its process in a rehearsal, and only there."""

    def start(self, script: Script) -> Drained:
        if script.facade == "" and "Array.from" in script.code:
            os._exit(3)
        return super().start(script)
