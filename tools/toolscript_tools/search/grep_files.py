"""Decides what grepFiles takes, returns and shows."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, Literal

from pydantic import AliasChoices, Field, PrivateAttr

from toolscript import units
from toolscript.errors import OutputTooLarge, ToolError
from toolscript.registry.classification import Classification, Effect
from toolscript.registry.context import ToolContext
from toolscript.registry.files import Place
from toolscript.registry.shape import Shape
from toolscript.registry.tool import ToolModel, ToolSpec
from toolscript_tools.files.effects import classify_read, display, in_thread, invalid, place_of
from toolscript_tools.search.globs import BadGlob, compile_globs
from toolscript_tools.search.grep import Clock, Hit, hits
from toolscript_tools.search.pattern import Pattern, compile_pattern
from toolscript_tools.search.ripgrep import program, with_matches
from toolscript_tools.search.walk import Visit, Walk

SECONDS = 30.0
SHOWN = 100
MOST_SHOWN = 2000
SHOWN_TEXT = 500
MAX_CONTEXT = 50


class GrepFilesInput(ToolModel):
    """What to look for, and where."""

    pattern: str = Field(description="regular expression, matched line by line; no back-references, no looking around")
    path: str = Field(".", description="file or directory")
    include: str | None = Field(
        None, description='glob of the files to search: "*.ts", "src/**/*.ts"; "!dist" leaves out'
    )
    mode: Literal["lines", "files", "counts"] | None = Field(
        None, description="lines (default for scripts), only the paths of files, or how many lines match in each"
    )
    ignore_case: bool = Field(False, validation_alias=AliasChoices("ignoreCase", "ignore_case", "caseInsensitive"))
    literal: bool = Field(False, description="the pattern is plain text")
    context: int = Field(0, description="lines to return before and after each", json_schema_extra={"minimum": 0})
    hidden: bool = Field(False, description="search hidden files too")
    ignored: bool = Field(False, description="search files that .gitignore and .ignore leave out too")
    offset: int | None = Field(None, description="number of the first result, from 1", json_schema_extra={"minimum": 1})
    limit: int | None = Field(None, description="how many results; default: all", json_schema_extra={"minimum": 1})


class GrepMatch(ToolModel):
    """One result: a line (mode lines), or a file (modes files and counts, without line and text)."""

    path: str
    line: int | None = None
    text: str | None = None
    before: list[str] | None = None
    after: list[str] | None = None
    count: int | None = None
    _modified: int = PrivateAttr(default=0)


class GrepFiles:
    """Searches files line by line; what is found does not depend on whether ripgrep is installed."""

    spec = ToolSpec(
        name="grepFiles",
        doc="Search files for a regular expression, line by line. Returns {path, line, text}[], by path and line; "
        "mode `files` returns the paths, newest first. Leaves out binary, hidden and ignored files.",
        effect=Effect.READ,
        input=Shape.of(GrepFilesInput),
        output=Shape.of(list[GrepMatch]),
        positional=("pattern", "path"),
        flat=True,
        examples=('for (const m of await grepFiles("TODO", "src")) console.log(m.path, m.line, m.text);',),
    )

    async def classify(self, arguments: GrepFilesInput, context: ToolContext) -> Classification:
        """Say which tree would be searched."""
        _checked(arguments)
        return await classify_read(context, arguments.path, "search")

    async def call(self, arguments: GrepFilesInput, context: ToolContext) -> list[GrepMatch]:
        """Return what was found. Raises ToolError ``bad_pattern``, ``not_found``, ``timed_out``, OutputTooLarge."""
        pattern, include = _checked(arguments)
        place = await place_of(context, arguments.path)
        clock = Clock(SECONDS)
        visits = await in_thread(_files, arguments, context, place, include)
        visits = await _chosen(arguments, context, pattern, visits, clock)
        return await in_thread(_results, arguments, context, pattern, visits, clock)

    def render(self, arguments: GrepFilesInput, output: list[GrepMatch]) -> str:
        """Return the paths of the files, newest first; with mode lines or counts, a result on each line."""
        if not output:
            return "No matches found."
        limit = min(arguments.limit or SHOWN, MOST_SHOWN)
        lines = {"lines": _line_texts, "counts": _count_texts}.get(arguments.mode or "", _path_texts)(output)
        return "\n".join(lines[:limit])


def _checked(arguments: GrepFilesInput) -> tuple[Pattern, re.Pattern[str] | None]:
    if not arguments.pattern.strip():
        raise invalid("grepFiles", "pattern", "pattern must not be empty")
    for name in ("offset", "limit"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise invalid("grepFiles", name, f"{name} must be greater than zero")
    if not 0 <= arguments.context <= MAX_CONTEXT:
        raise invalid("grepFiles", "context", f"context must be between 0 and {MAX_CONTEXT}")
    pattern = compile_pattern(arguments.pattern, ignore_case=arguments.ignore_case, literal=arguments.literal)
    include = (arguments.include or "").strip()
    try:
        glob = compile_globs(include.removeprefix("!")) if include else None
        return pattern, None if include.startswith("!") else glob
    except BadGlob as error:
        raise invalid("grepFiles", "include", str(error)) from None


def _files(
    arguments: GrepFilesInput, context: ToolContext, place: Place, include: re.Pattern[str] | None
) -> list[Visit]:
    kind = place.kind
    if kind == "missing":
        raise ToolError(
            f"unable to access `{arguments.path}`: No such file or directory", tool="grepFiles", code="not_found"
        )
    if kind == "file":
        return [Visit(place=place, name=PurePosixPath(place.path).name, directory=False, size=0, modified=0)]
    left_out = (arguments.include or "").strip()
    exclude = (left_out[1:],) if left_out.startswith("!") else ()
    walk = Walk(files=context.files, hidden=arguments.hidden, ignored=arguments.ignored, exclude=exclude)
    visits = [v for v in walk.visits(place) if not v.directory and (include is None or include.fullmatch(v.name))]
    if arguments.mode == "files":
        return sorted(visits, key=lambda visit: (-visit.modified, visit.name))
    return sorted(visits, key=lambda visit: visit.name.split("/"))


async def _chosen(
    arguments: GrepFilesInput, context: ToolContext, pattern: Pattern, visits: list[Visit], clock: Clock
) -> list[Visit]:
    """Return the files that may hold a match."""
    rg = program(context.roots)
    if rg is None:
        return visits
    paths = {visit.name: context.files.on_disk(visit.place) for visit in visits}
    try:
        kept = await with_matches(
            rg,
            pattern,
            [path for path in paths.values() if path is not None],
            ignore_case=arguments.ignore_case,
            seconds=clock.left(),
        )
    except TimeoutError:
        raise clock.expired() from None
    return [v for v in visits if (path := paths[v.name]) is None or os.fspath(path) in kept]


def _results(
    arguments: GrepFilesInput, context: ToolContext, pattern: Pattern, visits: list[Visit], clock: Clock
) -> list[GrepMatch]:
    skip = (arguments.offset or 1) - 1
    results: list[GrepMatch] = []
    size = 0
    for number, match in enumerate(_matches(arguments, context, pattern, visits, clock)):
        if number < skip:
            continue
        if arguments.limit is not None and len(results) >= arguments.limit:
            break
        size += _size(match)
        if size > context.max_output_bytes:
            raise OutputTooLarge(
                f"the results have more than {units.size(context.max_output_bytes)}; get them in parts with offset and "
                "limit, or search less",
                tool="grepFiles",
                details={"limit": context.max_output_bytes, "arguments": ["offset", "limit"]},
            )
        results.append(match)
    return results


def _matches(
    arguments: GrepFilesInput, context: ToolContext, pattern: Pattern, visits: list[Visit], clock: Clock
) -> Iterator[GrepMatch]:
    for visit in visits:
        found = hits(context.files, visit.place, pattern, clock, context=arguments.context)
        for match in _as_results(arguments.mode, display(visit.place.path, context.cwd), found):
            match._modified = visit.modified
            yield match


def _as_results(mode: str | None, path: str, found: Iterator[Hit]) -> Iterator[GrepMatch]:
    if mode == "files":
        if any(found):
            yield GrepMatch(path=path)
    elif mode == "counts":
        count = sum(1 for _ in found)
        if count:
            yield GrepMatch(path=path, count=count)
    else:
        for hit in found:
            around: dict[str, Any] = {}
            if hit.before or hit.after:
                around = {"before": list(hit.before), "after": hit.after}
            yield GrepMatch(path=path, line=hit.line, text=hit.text, **around)


def _size(match: GrepMatch) -> int:
    texts = [match.path, match.text or "", *(match.before or ()), *(match.after or ())]
    return sum(len(text.encode()) + 4 for text in texts) + 32


def _path_texts(output: list[GrepMatch]) -> list[str]:
    newest = sorted({match.path: match._modified for match in output}.items(), key=lambda pair: -pair[1])
    return [path for path, _ in newest]


def _count_texts(output: list[GrepMatch]) -> list[str]:
    return [f"{match.path}:{match.count}" for match in output]


def _line_texts(output: list[GrepMatch]) -> list[str]:
    return [f"{match.path}:{match.line}:{(match.text or '')[:SHOWN_TEXT]}" for match in output]
