"""The files of a workspace as tools may touch them: roots, locks, before-images, overlay."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolscript.files.bounds import PROTECTED
    from toolscript.files.content import UNDO_BYTES, digest_of
    from toolscript.files.disk import DiskFiles
    from toolscript.files.locks import Locks
    from toolscript.files.overlay import OverlayFiles
    from toolscript.files.undo import Conflict, alike, conflicts, net, restore, widened

__all__ = [
    "PROTECTED",
    "UNDO_BYTES",
    "Conflict",
    "DiskFiles",
    "Locks",
    "OverlayFiles",
    "alike",
    "conflicts",
    "digest_of",
    "net",
    "restore",
    "widened",
]
_MODULES = {
    "PROTECTED": "bounds", "UNDO_BYTES": "content", "digest_of": "content", "DiskFiles": "disk", "Locks": "locks",
    "OverlayFiles": "overlay",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    # Loaded on demand: most who need one of these need none of the others.
    if name in __all__:
        return getattr(import_module(f"toolscript.files.{_MODULES.get(name, 'undo')}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
