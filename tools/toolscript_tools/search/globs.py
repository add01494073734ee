"""Decides what a glob matches: the rules of .gitignore, with alternatives in braces, in time linear in the path."""

from __future__ import annotations

import re

MAX_GLOB = 1024
MAX_ALTERNATIVES = 256
_NAME = "[^/]"


class BadGlob(ValueError):
    """A pattern that cannot be read; the message says why."""


def compile_globs(pattern: str) -> re.Pattern[str]:
    """Return the expression that a whole relative path must match. A pattern without a slash (but at its end)
    matches a name at any depth, any other from the top. Raises BadGlob."""
    if len(pattern) > MAX_GLOB:
        raise BadGlob(f"a glob may have {MAX_GLOB} characters")
    alternatives = _alternatives(pattern)
    return re.compile("|".join(f"(?:{_whole(one)})" for one in alternatives), re.DOTALL)


def _whole(pattern: str) -> str:
    """Return the expression of a glob without braces."""
    anchored = "/" in pattern.rstrip("/")
    segments = [segment for segment in pattern.split("/") if segment]
    if not anchored:
        segments.insert(0, "**")
    groups: list[list[str]] = [[]]
    for segment in segments:
        if segment == "**":
            if groups[-1] or len(groups) == 1:
                groups.append([])
        else:
            groups[-1].append(_segment(segment))
    return _joined(groups, ends_deep=segments[-1:] == ["**"])


def _joined(groups: list[list[str]], *, ends_deep: bool) -> str:
    """Join the runs of segments between ``**``. As between stars in a name, taking the first place where a run fits
    is never wrong, so each but the last is atomic: no going back, no explosion."""
    first, *rest = groups
    if rest and not rest[-1]:
        rest.pop()
    if not rest:
        text = "/".join(first)
        return f"{text}/.+" if ends_deep and text else text or ".+"
    *middle, last = rest
    text = "".join(f"{segment}/" for segment in first)
    text += "".join(f"(?>(?:{_NAME}+/)*?{'/'.join(run)}/)" for run in middle)
    if ends_deep:
        return f"{text}(?>(?:{_NAME}+/)*?{'/'.join(last)}/).+"
    return f"{text}(?:{_NAME}+/)*{'/'.join(last)}"


def _segment(glob: str) -> str:
    """Return the expression of one name, whose stars never go back further than they must."""
    runs = _runs(glob)
    if len(runs) == 1:
        return runs[0]
    first, *middle, last = runs
    return first + "".join(f"(?>{_NAME}*?{run})" for run in middle if run) + f"{_NAME}*{last}"


def _runs(glob: str) -> list[str]:
    """Return the expressions between the stars of one name."""
    runs, at = [""], 0
    while at < len(glob):
        char = glob[at]
        at += 1
        if char == "*":
            runs.append("")
        elif char == "?":
            runs[-1] += _NAME
        elif char == "[":
            text, at = _class(glob, at)
            runs[-1] += text
        elif char == "\\" and at < len(glob):
            runs[-1] += re.escape(glob[at])
            at += 1
        else:
            runs[-1] += re.escape(char)
    return runs


def _class(glob: str, at: int) -> tuple[str, int]:
    """Return the expression of the class that begins behind its bracket, and where it ends."""
    negated = glob[at : at + 1] in ("!", "^") and glob[at : at + 1] != ""
    at += negated
    items: list[str] = []
    first = at
    while at < len(glob) and (glob[at] != "]" or at == first):
        if glob[at] == "\\" and at + 1 < len(glob):
            at += 1
        low = glob[at]
        if glob[at + 1 : at + 2] == "-" and glob[at + 2 : at + 3] not in ("]", ""):
            high = glob[at + 2]
            if high < low:
                raise BadGlob(f"the range {low}-{high} in the glob is the wrong way round")
            items.append(f"{re.escape(low)}-{re.escape(high)}")
            at += 3
        else:
            items.append(re.escape(low))
            at += 1
    if at >= len(glob):
        raise BadGlob("the glob has a [ without its ]")
    body = "".join(items)
    return (f"(?!/)[^{body}]" if negated else f"(?!/)[{body}]"), at + 1


def _alternatives(pattern: str) -> list[str]:
    """Return the patterns that a pattern with braces stands for."""
    done: list[str] = []
    pending = [pattern]
    while pending:
        text = pending.pop()
        braces = _braces(text)
        if braces is None:
            done.append(text)
        else:
            start, end, parts = braces
            pending += [text[:start] + part + text[end:] for part in reversed(parts)]
        if len(done) + len(pending) > MAX_ALTERNATIVES:
            raise BadGlob(f"the glob stands for more than {MAX_ALTERNATIVES} patterns")
    return done


def _braces(text: str) -> tuple[int, int, list[str]] | None:
    """Return the first outermost pair of braces: start, end, and its parts; None if there is none."""
    start, depth, cut = -1, 0, 0
    parts: list[str] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 1
        elif char == "[" and (end := text.find("]", at + 2)) > 0:
            at = end
        elif char == "{":
            depth += 1
            if depth == 1:
                start, cut = at, at + 1
        elif char == "}" and depth:
            depth -= 1
            if depth == 0:
                return start, at + 1, [*parts, text[cut:at]]
        elif char == "," and depth == 1:
            parts.append(text[cut:at])
            cut = at + 1
        at += 1
    return None
