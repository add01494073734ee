"""The shape of the code: what reviewers would otherwise have to watch by eye."""

from __future__ import annotations

import ast
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "harness/toolscript",
    "tools/toolscript_tools",
    "kernel/toolscript_kernel",
    "extension/toolscript_extension",
)
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_module_says_what_it_decides_and_stays_readable_in_one_sitting(path):
    text = path.read_text()
    first = (ast.get_docstring(ast.parse(text)) or "").split("\n")[0]

    assert len(text.splitlines()) <= 400
    assert first.startswith("Decides") or path.name in ("__init__.py", "__main__.py")
    assert first


def test_functions_are_short():
    lengths = sorted(
        (node.end_lineno or 0) - node.lineno + 1
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )

    assert lengths[len(lengths) // 2] <= 10
    assert sum(1 for n in lengths if n > 40) <= len(lengths) // 100


def test_generated_documentation_has_not_drifted():
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        import generate
    finally:
        sys.path.pop(0)

    stale = [p.relative_to(ROOT).as_posix() for p, text in generate.pages().items() if p.read_text() != text]

    assert stale == [], "run python docs/generate.py"


def test_no_module_imports_itself_through_others():
    graph = grimp.build_graph(*(Path(package).name for package in PACKAGES), cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}

    tuple(TopologicalSorter(imports).static_order())  # a CycleError names the modules of a circle
