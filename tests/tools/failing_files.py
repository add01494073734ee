"""The disk, with faults on demand: what a full or broken disk does in the middle of a call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from toolscript.errors import ToolError
from toolscript.files.disk import DiskFiles
from toolscript.registry.files import Change, Place


class FailingFiles(DiskFiles):
    """``failing`` holds names whose next write or delete fails; ``locks_taken`` what was locked."""

    def __init__(self, roots: list[Path]) -> None:
        super().__init__(roots)
        self.failing: set[str] = set()
        self.locks_taken: list[tuple[Path, ...]] = []

    def write(self, place: Place, data: bytes, **options: Any) -> Change:
        """Write, unless the name is to fail."""
        self._fail(place)
        return super().write(place, data, **options)

    def delete(self, place: Place) -> Change:
        """Delete, unless the name is to fail."""
        self._fail(place)
        return super().delete(place)

    def locked(self, *places: Place) -> Any:
        """Lock, and remember what."""
        self.locks_taken.append(tuple(place.path for place in places))
        return super().locked(*places)

    def _fail(self, place: Place) -> None:
        if place.path.name in self.failing:
            self.failing.remove(place.path.name)
            raise ToolError("no space left on device", code="io_error")
