"""Tools of other packages: installed like any package, found by their entry point, called from a script."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from toolscript.errors import ConfigError
from toolscript.harness import Harness
from toolscript.registry.registry import installed_tools

pytestmark = pytest.mark.anyio

GOOD = '''
from toolscript import tool
from toolscript.registry.classification import Classification, Effect, PathEffect
from toolscript.registry.shape import Shape
from toolscript.registry.tool import ToolModel, ToolSpec


@tool(effect="read", lazy=True)
def count_words(text: str) -> int:
    """Counts words."""
    return len(text.split())


class Line(ToolModel):
    text_to_add: str


class Append:
    """Writes through the context, so that it is journaled and undone."""

    spec = ToolSpec(
        name="appendLine", doc="Adds a line to log.txt.", effect=Effect.WRITE, input=Shape.of(Line), output=Shape.of(int)
    )

    def _place(self, context):
        return context.files.place("log.txt", context.cwd)

    async def classify(self, arguments, context):
        place = self._place(context)
        before = context.files.state(place)
        effect = PathEffect(path=place.path, kind="modify", inside=place.inside, before=before.digest, after=None)
        return Classification(effect=Effect.WRITE, paths=(effect,), summary="add a line")

    async def call(self, arguments, context):
        place = self._place(context)
        old = context.files.read(place) if place.kind == "file" else b""
        context.files.write(place, old + arguments.text_to_add.encode() + b"\\n")
        return old.count(b"\\n") + 1

    def render(self, arguments, output):
        return f"line {output}"


def tools():
    return [count_words, Append()]
'''


def install(site: Path, name: str, code: str) -> None:
    """Put a package where an installer would put it, with its metadata."""
    site.mkdir(exist_ok=True)
    (site / f"{name}.py").write_text(code)
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[toolscript.tools]\n{name} = {name}:tools\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in ("words_for_toolscript", "broken_for_toolscript"):
        sys.modules.pop(name, None)


async def test_tools_of_an_installed_package_are_called_searched_journaled_and_undone(site: Path, tmp_path: Path):
    install(site, "words_for_toolscript", GOOD)
    (tmp_path / "work").mkdir()
    async with Harness(tmp_path / "work") as harness:
        run = await harness.run(
            "const found = (await tools.search('words')).map((t) => t.name);"
            "return [await tools.countWords('a b c'), await tools.appendLine({textToAdd: 'x'}), found[0],"
            " (await tools.describe('countWords')).declaration.split('\\n').at(-1)]"
        )
        written = (tmp_path / "work" / "log.txt").read_text()
        await harness.undo(run.run_id)

    assert run.error is None, run.error
    assert run.result == [3, 1, "countWords", "tools.countWords(args: { text: string }): Promise<number>;"]
    assert written == "x\n"
    assert not (tmp_path / "work" / "log.txt").exists()


def test_a_package_whose_tools_do_not_load_is_named(site: Path):
    install(site, "broken_for_toolscript", "raise RuntimeError('half installed')")

    with pytest.raises(ConfigError, match=r"'broken_for_toolscript' .* do not load: half installed"):
        installed_tools()
