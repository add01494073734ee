"""The files of a workspace as tools may touch them: roots, locks, before-images, overlay."""

from toolscript.files.bounds import PROTECTED
from toolscript.files.content import UNDO_BYTES, digest_of
from toolscript.files.disk import DiskFiles
from toolscript.files.locks import Locks

__all__ = ["PROTECTED", "UNDO_BYTES", "DiskFiles", "Locks", "digest_of"]
