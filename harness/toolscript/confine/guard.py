"""Decides what no command may change although it lies in what it may write: frozen, put back, or made harmless."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from toolscript.confine import carriers, modes, personal
from toolscript.confine.protect import Pictures, Restored
from toolscript.confine.repositories import Found, found_in
from toolscript.confine.wire import Confinement


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What is kept around one command: the confinement to run it in, and what to look at afterwards."""

    confinement: Confinement
    watched: tuple[tuple[Path, str], ...]
    ground: carriers.Ground


class Guard:
    """Keeps protected files across the commands of one harness. Its methods block: call them from a worker thread."""

    def __init__(self) -> None:
        self._pictures = Pictures()
        self._made: frozenset[str] = frozenset()

    def begin(self, confinement: Confinement, roots: Iterable[Path]) -> Watch:
        """Return the confinement with what must not change in it frozen; remember what no mount can hold."""
        real = [os.path.realpath(root) for root in roots]
        ground = carriers.look(real)
        own = personal.within(confinement.writable)
        names = {f"{root}/{name}": (Path(root), name) for root in real for name in modes.PROTECTED}
        names |= self._in_repositories(ground)
        held = modes.freezing(confinement, [*names, *own.frozen], own.anchors)
        mounted = set(held.frozen) if modes.mounted(held) else set()
        watched = tuple(key for path, key in names.items() if path not in mounted) + own.watched
        self._pictures.take(watched)
        return Watch(confinement=held, watched=watched, ground=ground)

    def _in_repositories(self, ground: carriers.Ground) -> dict[str, tuple[Path, str]]:
        """Return what exists in repositories that no command made, with root and relative path."""
        return {
            path: (Path(root), os.path.relpath(path, root))
            for root, found in ground.found.items()
            for owner, path in carriers.frozen_in(found)
            if owner not in self._made and os.path.lexists(path)
        }

    def finish(self, watch: Watch) -> list[Restored]:
        """Put back what changed, make harmless what is new, and return what was done."""
        restored = self._pictures.put_back(watch.watched)
        now = {root: found_in(root, leave_open=True) for root in watch.ground.found}
        kept = [f"{root}/{name}" for root, name in watch.watched]
        restored += carriers.sweep(watch.ground, now, kept)
        self._made = carriers.made_since(watch.ground, now, self._made)
        return restored + list(_unsearched(watch.ground.found, now))


def _unsearched(before: dict[str, Found], now: dict[str, Found]) -> Iterator[Restored]:
    """Yield what could be looked into before a command, and now no longer."""
    for root, found in now.items():
        if before[root].complete and not found.complete:
            yield Restored(Path(root), "", "not searched")
        for path in set(found.closed) - set(before[root].closed):
            yield Restored(Path(path), "", "closed")
