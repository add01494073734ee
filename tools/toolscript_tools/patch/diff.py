"""Decides how changes of files read as unified diffs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from toolscript_tools.patch.edits import Edit, between, refined
from toolscript_tools.patch.lines import split

NO_NEWLINE = b"\\ No newline at end of file\n"


def unified(old: Sequence[bytes], edits: Sequence[Edit], *, context: int = 3) -> str:
    """Return the hunks of a unified diff, without file headers. ``old`` carries endings; edits are in order."""
    pieces: list[bytes] = []
    shift = 0
    for group in _groups(refined(old, edits), 2 * context):
        start = max(0, group[0].start - context)
        stop = min(len(old), group[-1].start + group[-1].count + context)
        grown = sum(len(edit.lines) - edit.count for edit in group)
        was, is_now = _range(start, stop), _range(start + shift, stop + shift + grown)
        pieces.append(f"@@ -{was} +{is_now} @@\n".encode())
        pieces.extend(_body(old, group, start, stop))
        shift += grown
    return b"".join(pieces).decode(errors="replace")


def file_diff(
    path: str, old: bytes | None, new: bytes | None, *, to: str | None = None, edits: Sequence[Edit] | None = None
) -> str:
    """Return the diff of one file with its headers; None stands for a missing file, ``to`` for its new path."""
    header = f"--- {_named('a', path, old)}\n+++ {_named('b', to or path, new)}\n"
    if _binary(old) or _binary(new):
        return header + "Binary files differ\n"
    before = split(old or b"")
    return header + unified(before, between(before, split(new or b"")) if edits is None else edits)


def _named(side: str, path: str, content: bytes | None) -> str:
    # A line break in a name must not look like a line of the diff.
    return "/dev/null" if content is None else f"{side}/{path.lstrip('/')}".replace("\n", "\\n").replace("\r", "\\r")


def _binary(content: bytes | None) -> bool:
    return content is not None and b"\0" in content


def _groups(edits: Sequence[Edit], gap: int) -> Iterator[list[Edit]]:
    group: list[Edit] = []
    for edit in edits:
        if group and edit.start - (group[-1].start + group[-1].count) > gap:
            yield group
            group = []
        group.append(edit)
    if group:
        yield group


def _range(start: int, stop: int) -> str:
    length = stop - start
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"


def _body(old: Sequence[bytes], group: Sequence[Edit], start: int, stop: int) -> Iterator[bytes]:
    reached = start
    for edit in group:
        yield from (_line(b" ", line) for line in old[reached : edit.start])
        reached = edit.start + edit.count
        yield from (_line(b"-", line) for line in old[edit.start : reached])
        yield from (_line(b"+", line) for line in edit.lines)
    yield from (_line(b" ", line) for line in old[reached:stop])


def _line(sign: bytes, line: bytes) -> bytes:
    if line.endswith(b"\n"):
        return sign + line
    if line.endswith(b"\r"):
        return sign + line + b"\n"
    return sign + line + b"\n" + NO_NEWLINE
