"""Decides that blocking work on files ends soon after the call that asked for it was cancelled."""

from __future__ import annotations

from anyio import NoEventLoopError, from_thread


def check_cancelled() -> None:
    """End the work of a cancelled call; does nothing where no event loop waits for this thread."""
    try:
        from_thread.check_cancelled()
    except NoEventLoopError:
        return
