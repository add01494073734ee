"""Decides what the worker asks of a JavaScript engine, so that one contract suite holds for all of them."""

from __future__ import annotations

from typing import Protocol

from toolscript.runtime.session import Batch, Settlement, Start


class Engine(Protocol):
    """One fresh realm for one script. Lives inside the worker; blocks; no host callable exists in the realm."""

    def start(self, start: Start) -> Batch:
        """Build the facade, run the script until it waits or ends, and return what it did.

        Never raises for what a script can do: limits of ring 1, syntax errors and throws come as ``Failed``.
        """
        ...

    def settle(self, settlement: Settlement) -> Batch:
        """Move the clock, settle one promise, run jobs until none is left, drain the outbox."""
        ...

    def interrupt(self) -> None:
        """Make the engine stop at its next interrupt check; callable from a signal handler."""
        ...

    def close(self) -> None:
        """Free the realm; nothing of it is used again."""
        ...
