"""Decides how what is shown reaches the cell that it belongs to, whichever task or thread shows it."""

from __future__ import annotations

import contextvars
import sys
import uuid
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from toolscript.errors import Json

T = TypeVar("T")


class Stage:
    """The output area of one cell. Made while the cell runs; keeps reaching it from events and timers."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        # Jupyter finds the cell of a message in context variables: those of the moment the cell began.
        self._context = contextvars.copy_context()

    @property
    def count(self) -> int:
        """The number that the cell's result gets."""
        return int(self._shell.displayhook.prompt_count)

    def run(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function so that all it shows lands in this cell. Not to be nested."""
        return self._context.copy().run(function, *args)

    def stream(self, name: Literal["stdout", "stderr"], text: str) -> None:
        """Write text as a program would, control characters made visible and secrets named."""
        # The record is loaded with the first output, not with the kernel; so it is below.
        from toolscript_kernel.record import inert, secrets

        self.run(self._write, name, inert.text(secrets.hidden(text)))

    def display(self, data: dict[str, Any], metadata: dict[str, Any] | None = None, *, slot: str | None = None) -> None:
        """Show a bundle; with a ``slot`` (see :func:`new_slot`) it can be replaced later."""
        transient = {"display_id": slot} if slot else {}
        self.run(lambda: self._shell.display_pub.publish(data, metadata or {}, transient=transient))

    def replace(self, slot: str, data: dict[str, Any], metadata: dict[str, Any] | None = None) -> None:
        """Show another bundle in place of what the slot holds."""
        transient = {"display_id": slot}
        self.run(lambda: self._shell.display_pub.publish(data, metadata or {}, transient=transient, update=True))

    def result(self, value: Json) -> None:
        """Show the cell's own result, secrets named, and keep it whole as ``_`` and in ``Out`` as IPython does."""
        self.run(self._result, value)

    def _write(self, name: str, text: str) -> None:
        stream = sys.stdout if name == "stdout" else sys.stderr
        stream.write(text)
        stream.flush()

    def _result(self, value: Json) -> None:
        from toolscript_kernel.record import secrets, values

        hook = self._shell.displayhook
        hook.start_displayhook()
        hook.write_output_prompt()
        hook.write_format_data({"text/plain": values.pretty(secrets.hidden(value))}, {})
        hook.update_user_ns(value)
        hook.finish_displayhook()


def new_slot() -> str:
    """Return a fresh name for something that will be replaced."""
    return uuid.uuid4().hex
