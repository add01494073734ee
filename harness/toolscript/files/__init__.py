"""The files of a workspace as tools may touch them: roots, locks, before-images, overlay."""

from toolscript.files.bounds import PROTECTED
from toolscript.files.content import UNDO_BYTES, digest_of
from toolscript.files.disk import DiskFiles
from toolscript.files.locks import Locks
from toolscript.files.overlay import OverlayFiles
from toolscript.files.undo import Conflict, alike, conflicts, net, restore, undo, widened

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
    "undo",
    "widened",
]
