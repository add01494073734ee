"""Decides what fileSearch takes, returns and shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import Field

from toolscript import units
from toolscript.errors import OutputTooLarge
from toolscript.registry.classification import Classification, Effect
from toolscript.registry.context import ToolContext
from toolscript.registry.files import Place
from toolscript.registry.shape import Shape
from toolscript.registry.tool import ToolModel, ToolSpec
from toolscript_tools.files.effects import classify_read, display, in_thread, invalid, naming, place_of
from toolscript_tools.search.fuzzy import MAX_QUERY, Target, compile_query
from toolscript_tools.search.globs import BadGlob, compile_globs
from toolscript_tools.search.walk import Visit, Walk

SHOWN = 20
NEVER = (".git", ".hg", ".svn", ".jj")
"""Directories of version control: nobody looks for their insides."""


class FileSearchInput(ToolModel):
    """What to look for: a glob or a fuzzy query, one of the two."""

    query: str | None = Field(
        None,
        description='parts of the path, in fzf\'s manner: "utl test", "\'exact", "^src", ".ts$", "!spec"; '
        "one with a * is taken for a pattern",
    )
    pattern: str | None = Field(
        None, description='glob of files: "*.ts", "src/**/*.{ts,tsx}"; "dist/" finds directories'
    )
    path: str = Field(".", description="directory to search")
    exclude: list[str] = Field(default_factory=list, description="globs of what to leave out")
    ignored: bool = Field(False, description="find what .gitignore and .ignore leave out, too")
    offset: int | None = Field(None, description="number of the first result, from 1", json_schema_extra={"minimum": 1})
    limit: int | None = Field(None, description="how many results; default: all", json_schema_extra={"minimum": 1})


class FoundFile(ToolModel):
    """A path that fits: relative to the working directory, directories with a slash at the end. Queries give a
    score, higher is better, good for comparing only."""

    path: str
    score: int | None = None


class FoundFiles(list[FoundFile]):
    """Results with the number of all that were found."""

    total: int = 0


class FileSearch:
    """Finds files by their paths."""

    spec = ToolSpec(
        name="fileSearch",
        doc="Find files by path: by a glob ({pattern}), sorted by path, or by a fuzzy query ({query}), best first "
        "and directories included. Hidden files are found, ignored ones are not.",
        effect=Effect.READ,
        input=Shape.of(FileSearchInput),
        output=Shape.of(list[FoundFile]),
        positional=("query",),
        flat=True,
        examples=(
            'const tests = await fileSearch({pattern: "**/*.test.ts"});',
            'const [best] = await fileSearch({query: "kernel cells", limit: 1});',
        ),
    )

    async def classify(self, arguments: FileSearchInput, context: ToolContext) -> Classification:
        """Say which tree would be searched."""
        _checked(arguments)
        return await classify_read(context, arguments.path, "search")

    async def call(self, arguments: FileSearchInput, context: ToolContext) -> list[FoundFile]:
        """Return what was found. Raises ToolError ``not_found``, ``not_a_directory``, OutputTooLarge."""
        checked = _checked(arguments)
        with naming("fileSearch", "failed to search"):
            place = await place_of(context, arguments.path)
            return await in_thread(_search, checked, context, place)

    def render(self, arguments: FileSearchInput, output: list[FoundFile]) -> str:
        """Return a path on each line, at most 20 unless a limit was given."""
        if not output:
            return "No files found."
        shown = output[: arguments.limit or SHOWN]
        total = max(len(output), getattr(output, "total", 0))
        more = [f"({len(shown)} of {total} shown)"] if total > len(shown) else []
        return "\n".join([*(found.path for found in shown), *more])


def _checked(arguments: FileSearchInput) -> FileSearchInput:
    query, pattern = (arguments.query or "").strip(), (arguments.pattern or "").strip()
    if "*" in query and not pattern:
        query, pattern = "", query
    if bool(query) == bool(pattern):
        raise invalid("fileSearch", "query", "give either a pattern (glob) or a query (fuzzy)")
    if len(query) > MAX_QUERY:
        raise invalid("fileSearch", "query", f"a query may have {MAX_QUERY} characters")
    for name in ("offset", "limit"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise invalid("fileSearch", name, f"{name} must be greater than zero")
    for name, glob in [("pattern", pattern), *(("exclude", glob) for glob in arguments.exclude)]:
        try:
            compile_globs(glob)
        except BadGlob as error:
            raise invalid("fileSearch", name, str(error)) from None
    return arguments.model_copy(update={"query": query, "pattern": pattern})


def _search(arguments: FileSearchInput, context: ToolContext, place: Place) -> FoundFiles:
    walk = Walk(files=context.files, hidden=True, ignored=arguments.ignored, follow=True, exclude=_excluded(arguments))
    visits = walk.visits(place)
    found = _by_query(arguments.query, visits) if arguments.query else _by_glob(arguments.pattern or "", visits)
    start = (arguments.offset or 1) - 1
    end = len(found) if arguments.limit is None else start + arguments.limit
    base = display(place.path, context.cwd)
    results = FoundFiles(replace_path(one, base) for one in found[start:end])
    results.total = len(found)
    size = sum(len(one.path.encode()) + 32 for one in results)
    if size > context.max_output_bytes:
        raise OutputTooLarge(
            f"the {len(results)} paths have more than {units.size(context.max_output_bytes)}; "
            "get them in parts with offset and limit",
            tool="fileSearch",
            details={"limit": context.max_output_bytes, "arguments": ["offset", "limit"]},
        )
    return results


def _excluded(arguments: FileSearchInput) -> tuple[str, ...]:
    return (*NEVER, *arguments.exclude)


def _by_glob(pattern: str, visits: Iterable[Visit]) -> list[FoundFile]:
    directories = pattern.endswith("/")
    glob = compile_globs(pattern)
    names = [v.name for v in visits if v.directory is directories and glob.fullmatch(v.name)]
    return [FoundFile(path=f"{name}/" if directories else name) for name in sorted(names, key=lambda n: n.split("/"))]


def _by_query(query: str, visits: Iterable[Visit]) -> list[FoundFile]:
    return [FoundFile(path=name, score=score) for score, name in sorted(_scored(query, visits), key=_best_first)]


def _scored(query: str, visits: Iterable[Visit]) -> Iterator[tuple[int, str]]:
    score = compile_query(query)
    for visit in visits:
        points = score(Target.of(visit.name))
        if points is not None:
            yield points, f"{visit.name}/" if visit.directory else visit.name


def _best_first(item: tuple[int, str]) -> tuple[int, str]:
    return -item[0], item[1]


def replace_path(found: FoundFile, base: str) -> FoundFile:
    """Return a result with its path relative to the working directory."""
    return found if base == "." else found.model_copy(update={"path": f"{base.rstrip('/')}/{found.path}"})
