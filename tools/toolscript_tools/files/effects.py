"""Decides what all file tools share: places, classification of reads, threads, and how a path is shown."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

import anyio
from anyio import NoEventLoopError, from_thread

from toolscript.errors import InvalidArguments, ToolError
from toolscript.registry.classification import Classification, Danger, Effect, PathEffect
from toolscript.registry.context import ToolContext
from toolscript.registry.files import Files, Kind, Place

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking work beside the event loop; it stops early where it asks :func:`check_cancelled`."""
    return await anyio.to_thread.run_sync(lambda: work(*args, **kwargs))


def check_cancelled() -> None:
    """End the work of a cancelled call; does nothing outside a worker thread."""
    try:
        from_thread.check_cancelled()
    except NoEventLoopError:
        return


def invalid(tool: str, argument: str, message: str) -> InvalidArguments:
    """Return the error for one argument that cannot be used, in the words that models know."""
    return InvalidArguments(message, tool=tool, details={"errors": [{"argument": argument, "message": message}]})


async def place_of(context: ToolContext, path: str) -> Place:
    """Say where a path of a call leads."""
    return await in_thread(context.files.place, path, context.cwd)


async def classify_read(context: ToolContext, path: str, verb: str) -> Classification:
    """Say that a call reads one path: known to be safe inside the roots, a matter of policy outside."""
    place = await place_of(context, path)
    return Classification(
        effect=Effect.READ,
        danger=Danger.KNOWN_SAFE if place.inside else Danger.ORDINARY,
        paths=(PathEffect(path=place.path, kind="read", inside=place.inside, protected=place.protected),),
        summary=f"{verb} {display(place.path, context.cwd)}",
        reasons=() if place.inside else ("the path leads outside the workspace",),
        remember=os.fspath(place.path),
    )


EDITABLE = 512 * 1024 * 1024
"""Bytes of a file that can be read, and so edited, as a whole."""


def check_editable(files: Files, place: Place) -> None:
    """Raise ToolError ``file_too_large`` for a file that is too large to be read: its digest alone takes minutes."""
    try:
        with files.open(place) as file:
            size = file.seek(0, os.SEEK_END)
    except ToolError:
        return  # whatever is wrong with it is told by who reads it
    if size > EDITABLE:
        raise ToolError(
            f"the file has {size} bytes, more than the {EDITABLE} that can be edited", code="file_too_large"
        )


def below(place: Place, name: str, kind: Kind) -> Place:
    """Return the place of an entry of a directory, without resolving anything anew."""
    # Spelt out, since a walk makes one for each file.
    spelt = f"{place.spelt.rstrip('/')}/{name}"
    return Place(spelt=spelt, path=place.path / name, inside=place.inside, kind=kind, protected=place.protected)


def display(path: Path, cwd: Path) -> str:
    """Return a real path as tools name it: relative in the working directory, absolute elsewhere."""
    real = Path(os.path.realpath(cwd))
    return path.relative_to(real).as_posix() if path.is_relative_to(real) else path.as_posix()


def is_text(name: str) -> bool:
    """Say whether a file name can be written as text; others cannot be named by a script."""
    return name.isascii() or not any("\udc80" <= c <= "\udcff" for c in name)


_SYSTEM = frozenset(
    ("not_found", "is_directory", "not_a_directory", "not_a_file", "permission_denied", "changed", "io_error")
)


@contextmanager
def naming(tool: str, doing: str) -> Iterator[None]:
    """Give errors from files the tool's name, and the words in which models know that tool's failures."""
    try:
        yield
    except ToolError as error:
        if type(error) is not ToolError:
            error.tool = error.tool or tool
            raise
        message = f"{doing}: {error.message}" if error.code in _SYSTEM else error.message
        raise ToolError(message, tool=tool, code=error.code, details=error.details) from error
