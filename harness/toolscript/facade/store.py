"""Decides what lives on across the scripts of a conversation, and when a run's changes to it count."""

from __future__ import annotations

import json
from collections.abc import Mapping

from toolscript.errors import StoreTooLarge


class Store:
    """JSON texts by key. A run works on a snapshot; its changes are merged when it completes or fails.

    When runs overlap, the one that ends last wins, key by key.
    """

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values: dict[str, str] = dict(values or {})

    def snapshot(self) -> str:
        """Return everything as one JSON object text."""
        if not self._values:
            return "{}"
        return "{" + ",".join(f"{json.dumps(key)}:{value}" for key, value in self._values.items()) + "}"

    def commit(self, changes: Mapping[str, str | None], quota: int) -> None:
        """Merge a run's changes (None deletes). Raises StoreTooLarge, and then changes nothing."""
        if not (changes or self._values):
            return
        merged = {k: v for k, v in (self._values | dict(changes)).items() if v is not None}
        size = sum(len(k.encode()) + len(v.encode()) for k, v in merged.items())
        if size > quota:
            raise StoreTooLarge(quota, size)
        self._values = merged

    def copy(self) -> Store:
        """Return an independent copy, for a rewind."""
        return Store(self._values)

    def restore(self, copy: Store) -> None:
        """Go back to what a copy holds."""
        self._values = dict(copy._values)
