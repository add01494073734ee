"""Decides what each sandbox mode means on this machine: what commands may write, read and reach, and by what means."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from toolscript.confine import mounts, personal
from toolscript.confine.detect import Capabilities, detect
from toolscript.confine.wire import Confinement
from toolscript.errors import ConfigError

PROTECTED = ("toolscript.toml",)
"""What commands may not change at a root: it decides what they may do."""

_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx", "/dev/pts")
_SHARED_MEMORY = "/dev/shm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """By what this machine can hold commands; found out once, or given in tests."""

    landlock: bool = False
    seccomp: bool = False
    namespace: bool = False
    user_namespace: bool = False
    bubblewrap: str = ""

    @classmethod
    def of(cls, found: Capabilities, *, privileged: bool) -> Means:
        """Return the means that a machine's capabilities amount to; ``privileged`` is root that may mount."""
        return cls(
            landlock=found.landlock > 0, seccomp=found.seccomp,
            namespace=privileged or found.mount_namespaces, user_namespace=not privileged,
            bubblewrap=str(found.bubblewrap or ""),
        )  # fmt: skip


def means() -> Means:
    """Return the means of this machine."""
    return Means.of(detect(), privileged=mounts.privileged())


def temporary_directories(configured: str | None) -> tuple[str, ...]:
    """Return the directories for temporary files, as the host's own environment names them."""
    named = [configured] if configured and Path(configured).is_absolute() else []
    real = [os.path.realpath(path) for path in [*named, "/tmp", "/var/tmp"]]
    return tuple(dict.fromkeys(path for path in real if path != "/" and Path(path).is_dir()))


def plan(
    *,
    writes: bool,
    roots: Iterable[Path],
    secrets: Iterable[Path] = (),
    network: bool = False,
    temporary: str | None = None,
    by: Means | None = None,
) -> Confinement | None:
    """Return what the operating system shall hold a command to, or None when it cannot.

    ``writes`` allows writing below the roots and in temporary directories (``temporary`` is the host's TMPDIR).
    Raises ConfigError for a root that is, or has become, a link.
    """
    by = by or means()
    real_roots = [_real(root) for root in roots]
    writable: tuple[str, ...] = (*real_roots, *temporary_directories(temporary), _SHARED_MEMORY) if writes else ()
    hidden = tuple(_existing([*secrets, *_block_devices()]))
    wanted = Confinement(
        writable=tuple(dict.fromkeys(writable)), devices=_DEVICES, hidden=hidden, network=network, seccomp=by.seccomp,
        landlock=by.landlock,
    )  # fmt: skip
    return _held(wanted, by)


def hiding(secrets: Iterable[Path], by: Means | None = None) -> Confinement | None:
    """Return what keeps secrets from a command that may do anything else; None where nothing can without harm to it.

    A namespace of an ordinary user's would take from the command that it can change the user, and that files of root
    are seen as root's (ssh insists on that).
    """
    by = by or means()
    if not by.namespace or by.user_namespace:
        return None
    return Confinement(hidden=tuple(_existing(secrets)), namespace=True, only_hides=True)


def _held(wanted: Confinement, by: Means) -> Confinement | None:
    """Choose the strongest means that hold all that is wanted."""
    if not by.seccomp:
        return None
    if any(_below(root, wanted.hidden) for root in wanted.writable):
        return None
    if by.landlock and by.namespace:
        return replace(wanted, namespace=True, user_namespace=by.user_namespace)
    if by.bubblewrap:
        return replace(wanted, bubblewrap=by.bubblewrap, landlock=False)
    # Rules only add: what is hidden, or the user's own, cannot lie in what is writable.
    if not by.landlock or any(_below(path, wanted.writable) for path in wanted.hidden):
        return None
    if personal.within(wanted.writable, installation=False).frozen:
        return None
    return wanted


def _real(root: Path) -> str:
    # A command may have put a link in the place of a root, to have the next one write where it leads.
    if (real := os.path.realpath(root)) != os.fspath(root):
        raise ConfigError(f"the workspace root {os.fspath(root)!r} leads to {real!r}: give that path itself")
    return real


def freezing(confinement: Confinement, paths: Iterable[str], anchors: Iterable[str] = ()) -> Confinement:
    """Return the confinement under which these paths cannot be changed, as far as it can hold them by mounts.

    What does not exist, or is a link, cannot be mounted on. ``anchors`` are directories that must not be moved away
    with the paths in them; those of repositories are anchored anyway.
    """
    frozen = tuple(dict.fromkeys(path for path in paths if os.path.realpath(path) == path and Path(path).exists()))
    pinned = tuple(sorted({*_pinned(frozen, confinement.writable), *anchors}))
    return replace(confinement, frozen=frozen, pinned=pinned)


def mounted(confinement: Confinement) -> bool:
    """Say whether mounts hold what is frozen; without them it is put back afterwards."""
    return confinement.namespace or bool(confinement.bubblewrap)


def _pinned(frozen: Iterable[str], writable: Iterable[str]) -> list[str]:
    """Return directories that must not be moved away with the frozen files in them."""
    repositories = {path[: path.rindex("/.git/")] + "/.git" for path in frozen if "/.git/" in path}
    # A root in a directory for temporary files could be moved away from there.
    nested = {path for path in writable if _below(path, [other for other in writable if other != path])}
    return sorted(repositories | nested)


def _existing(paths: Iterable[Path | str]) -> Iterator[str]:
    yield from dict.fromkeys(os.path.realpath(path) for path in paths if Path(path).exists())


def _block_devices() -> list[str]:
    """Return the disks as devices: root could read all files there, past every other bound."""
    if os.geteuid() != 0:
        return []
    found = []
    for directory in ("/dev", "/dev/mapper"):
        try:
            entries = list(os.scandir(directory))
        except OSError:
            continue
        found += [entry.path for entry in entries if _is_block(entry)]
    return found


def _is_block(entry: os.DirEntry[str]) -> bool:
    try:
        return stat.S_ISBLK(entry.stat(follow_symlinks=False).st_mode)
    except OSError:
        return False


def _below(path: str, directories: Iterable[str]) -> bool:
    return any(Path(path).is_relative_to(directory) for directory in directories)
