"""Decides where lines end: at CRLF, CR or LF when endings are preserved, at LF alone in the legacy way."""

from __future__ import annotations

_ENDINGS = b"\r\n"


def split(content: bytes) -> list[bytes]:
    """Return the lines with their endings; the last one may lack its own. Nothing but CRLF, CR and LF ends a line."""
    return content.splitlines(keepends=True)


def bare(line: bytes) -> bytes:
    """Return the line without its ending."""
    return line.rstrip(_ENDINGS)


def ending(line: bytes) -> bytes:
    """Return the ending alone; empty for a last line without one."""
    return line[len(bare(line)) :]


def preferred_ending(lines: list[bytes]) -> bytes:
    """Return the ending that new lines get: the first line's, LF where there is none."""
    return (ending(lines[0]) if lines else b"") or b"\n"
