"""Decides how a script finds tools that its prompt does not show: search and describe."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from pydantic import Field

from toolscript.errors import Json, UnknownTool
from toolscript.registry.classification import Classification, Danger, Effect
from toolscript.registry.context import ToolContext
from toolscript.registry.shape import Shape
from toolscript.registry.tool import Ask, Tool, ToolModel, ToolSpec

WORD = re.compile(r"[a-z0-9]+")


class SearchInput(ToolModel):
    """What to look for."""

    query: str = Field(description="Words that the tool's name or documentation should hold", min_length=1)
    limit: int = Field(default=10, ge=1, le=100)


class Found(ToolModel):
    """One tool that fits."""

    name: str
    doc: str


class DescribeInput(ToolModel):
    """Which tool to describe."""

    name: str = Field(description="The tool's path below tools, such as mcp.git.git_status")


class Description(ToolModel):
    """All that is declared of a tool."""

    name: str
    declaration: str
    effect: str
    input_schema: dict[str, Json]
    output_schema: dict[str, Json]


@dataclass(frozen=True, slots=True)
class Search:
    """Finds tools by words in their names and documentation, the best first."""

    spec = ToolSpec(
        name="search", effect=Effect.READ, ask=Ask.NEVER, positional=("query",),
        doc="Finds tools, also those not shown here, by words in their names and documentation.",
        input=Shape.of(SearchInput), output=Shape.of(list[Found]),
        examples=("const found = await tools.search({query: 'git status'});",),
    )  # fmt: skip

    async def classify(self, arguments: SearchInput, context: ToolContext) -> Classification:
        """Reading the catalogue touches nothing."""
        return Classification(effect=Effect.READ, danger=Danger.KNOWN_SAFE)

    async def call(self, arguments: SearchInput, context: ToolContext) -> list[Found]:
        """Return the tools in which the most words are found; names count double."""
        words = set(WORD.findall(arguments.query.lower()))
        scored = [(_score(words, entry), entry) for entry in context.catalogue()]
        best = sorted((s, e["name"]) for s, e in ((-s, e) for s, e in scored if s))
        docs = {e["name"]: e["doc"] for _, e in scored}
        return [Found(name=name, doc=docs[name].strip().split("\n")[0]) for _, name in best[: arguments.limit]]

    def render(self, arguments: SearchInput, output: list[Found]) -> str:
        """Return one line for each tool."""
        return "\n".join(f"{f.name}: {f.doc}" for f in output) or "No tools found."


@dataclass(frozen=True, slots=True)
class Describe:
    """Tells all that is declared of one tool."""

    spec = ToolSpec(
        name="describe", effect=Effect.READ, ask=Ask.NEVER, positional=("name",),
        doc="Returns a tool's TypeScript declaration, effect and JSON schemas.",
        input=Shape.of(DescribeInput), output=Shape.of(Description),
    )  # fmt: skip

    async def classify(self, arguments: DescribeInput, context: ToolContext) -> Classification:
        """Reading the catalogue touches nothing."""
        return Classification(effect=Effect.READ, danger=Danger.KNOWN_SAFE)

    async def call(self, arguments: DescribeInput, context: ToolContext) -> Description:
        """Return the description. Raises UnknownTool."""
        wanted = arguments.name.removeprefix("tools.")
        for entry in context.catalogue():
            if entry["name"] == wanted:
                kept = {k: entry[k] for k in ("name", "declaration", "effect", "input_schema", "output_schema")}
                return Description(**kept)
        names = [entry["name"] for entry in context.catalogue()]
        error = UnknownTool(arguments.name, difflib.get_close_matches(wanted, names, n=3))
        error.tool = self.spec.name
        raise error

    def render(self, arguments: DescribeInput, output: Description) -> str:
        """Return the declaration."""
        return output.declaration


def _score(words: set[str], entry: dict[str, Json]) -> int:
    name = set(WORD.findall(re.sub(r"([A-Z])", r" \1", entry["name"]).lower()))
    text = f"{entry['name']} {entry['doc']}".lower()
    return sum(2 if w in name else 1 for w in words if w in name or w in text)


def tools() -> list[Tool]:
    """Return the discovery tools."""
    return [Search(), Describe()]
