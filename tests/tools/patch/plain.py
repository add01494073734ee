"""The rules of patches in their plainest form, slow and obvious: what the tool's own code is compared with."""

from __future__ import annotations

import re

WHITE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
FOLD = {
    **dict.fromkeys([*range(0x2010, 0x2016), 0x2212], "-"),
    **dict.fromkeys(range(0x2018, 0x201C), "'"),
    **dict.fromkeys(range(0x201C, 0x2020), '"'),
    **dict.fromkeys([0xA0, *range(0x2002, 0x200B), 0x202F, 0x205F, 0x3000], " "),
}
ENDS = re.compile("\r\n|\r|\n")

Chunk = tuple[str | None, list[str], list[str], list[tuple[int, int]], bool]
"""Context, old lines, new lines, pairs of context lines, whether it is tied to the end of the file."""


class Refused(Exception):
    """The patch does not fit, or is none."""


def passes(line: str) -> list[str]:
    trimmed = line.strip(WHITE)
    return [line, line.rstrip(WHITE), trimmed, trimmed.translate(FOLD)]


def seek(lines: list[str], block: list[str], start: int, *, end: bool, preserve: bool) -> int | None:
    if not block:
        return start
    if len(block) > len(lines):
        return None
    last = len(lines) - len(block)
    first = start if not end else max(start, last) if preserve else last
    for number in range(4):
        for at in range(first, last + 1):
            if all(passes(a)[number] == passes(b)[number] for a, b in zip(lines[at:], block, strict=False)):
                return at
    return None


def located(lines: list[str], chunks: list[Chunk], *, preserve: bool) -> list[tuple[int, Chunk]]:
    cursor, found = 0, []
    for context, old, new, kept, end in chunks:
        if context is not None:
            hit = seek(lines, [context], cursor, end=False, preserve=preserve)
            if hit is None:
                raise Refused(f"Failed to find context '{context}' in f")
            cursor = hit + 1
        if not old:
            at = len(lines)
            if not preserve and lines and lines[-1] == "":
                at -= 1
            found.append((at, (context, old, new, kept, end)))
            continue
        hit, was, becomes = seek(lines, old, cursor, end=end, preserve=preserve), old, new
        if hit is None and old[-1] == "":
            was = old[:-1]
            becomes = new[:-1] if new and new[-1] == "" else new
            hit = seek(lines, was, cursor, end=end, preserve=preserve)
        if hit is None:
            raise Refused("Failed to find expected lines in f:\n" + "\n".join(old))
        cursor = hit + len(was)
        pairs = [(i, j) for i, j in kept if i < len(was) and j < len(becomes)]
        found.append((hit, (context, was, becomes, pairs, end)))
    return sorted(found, key=lambda pair: pair[0])


def updated(content: str, chunks: list[Chunk]) -> str:
    """Return a file after the chunks; every byte that they do not name stays."""
    texts, ends, at = [], [], 0
    for match in ENDS.finditer(content):
        texts.append(content[at : match.start()])
        ends.append(match.group())
        at = match.end()
    if content[at:]:
        texts.append(content[at:])
        ends.append("")
    newline = next((end for end in ends if end), "\n")
    result = list(zip(texts, ends, strict=True))
    for start, (_, old, new, pairs, _) in reversed(located(texts, chunks, preserve=True)):
        for (i, j), (next_i, next_j) in reversed(
            list(zip([(-1, -1), *pairs], [*pairs, (len(old), len(new))], strict=True))
        ):
            added = [(line, newline) for line in new[j + 1 : next_j]]
            result[start + i + 1 : start + next_i] = added
    return "".join(text + (end or newline) for text, end in result)


def updated_legacy(content: str, chunks: list[Chunk]) -> str:
    """Return a file as older tools leave it."""
    lines = content.split("\n")
    if lines[-1] == "":
        lines.pop()
    result = list(lines)
    for start, (_, old, new, _, _) in reversed(located(lines, chunks, preserve=False)):
        result[start : start + len(old)] = new
    if not result or result[-1] != "":
        result.append("")
    return "\n".join(result)
