"""Decides what the worker asks of a JavaScript engine, so that one contract suite holds for all of them.

Engines speak texts, not values: what a script did is a JSON array that crosses to the host as it is, where
:mod:`toolscript.runtime.messages` checks and decodes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol


class Script(NamedTuple):
    """What an engine is given: JavaScript, and JSON texts. ``code`` is the body of an async function.

    ``config`` is an object of numbers (``limits`` in snake_case, ``seed``, ``time_ms``) and ``task_prefix``; ``facade``
    is the tree that :func:`toolscript.runtime.wire.facade_text` makes; empty where the engine is furnished with it.
    """

    code: str
    config: str
    facade: str
    guest_seconds: float
    heap_bytes: int
    stack_bytes: int
    params: str = "null"
    context: str = "{}"
    store: str = "{}"

    @property
    def size(self) -> int:
        """How many characters it has with all that it is given."""
        return sum(map(len, (self.code, self.config, self.facade, self.params, self.context, self.store)))


class Drained(NamedTuple):
    """What the script did until it had to wait: messages as JSON texts joined by commas, and long texts beside."""

    messages: str
    carried: tuple[str, ...] = ()
    ended: bool = False
    heap_full: bool = False
    guest_seconds: float = 0.0


class Engine(Protocol):
    """One fresh realm for one script. Lives inside the worker; blocks; no host callable exists in the realm."""

    def furnish(self, facade: str) -> None:
        """Lay out the tools of a script that is likely to come; may be done again, for others, until it starts."""
        ...

    def measure(self, *, lasting: bool) -> None:
        """Know that the next is a script: what the process holds now is not the script's.

        To ask for it costs half of what a small script takes, which so none waits for. ``lasting`` tells that the
        process will have others after it, so that ``light`` is asked.
        """
        ...

    def start(self, script: Script) -> Drained:
        """Build the facade, run the script until it waits or ends, and return what it did.

        Never raises for what a script can do: limits of ring 1, syntax errors and throws are messages.
        """
        ...

    def settle(self, number: int, ok: bool, value: str, time_ms: float) -> Drained:
        """Move the clock, settle one promise with a JSON text, run jobs until none is left, drain the outbox."""
        ...

    def limber(self) -> Iterator[None]:
        """Go through what a start will need, a little at each step, in a realm that no script has touched.

        Memory that was used just now is at hand; nothing that a script could see changes, however far this gets.
        """
        ...

    def interrupt(self) -> None:
        """Let the script run no further job; callable from a signal handler."""
        ...

    def light(self) -> bool:
        """Say whether so little memory is in use that the realm may stay until the process ends.

        To free a realm costs more than most scripts: all of it is written to, which a forked process first copies.
        """
        ...

    def close(self) -> None:
        """Free the realm; nothing of it is used again."""
        ...
