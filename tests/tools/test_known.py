"""What is declared of the tools ahead is what the tools are, and none is loaded before it is needed."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from toolscript.facade.planning import Assumable
from toolscript.registry.registry import schema_digest
from toolscript.registry.shape import Shape
from toolscript.registry.tool import Failing, ToolSpec
from toolscript_tools import tools
from toolscript_tools.known import ROOMS, tools_of

ROOT = Path(__file__).resolve().parents[2]
REAL = [tool for room in ROOMS for tool in tools_of(room)]


@pytest.mark.parametrize(("known", "real"), [*zip(tools(), REAL, strict=True)], ids=lambda tool: tool.spec.path)
def test_a_tool_is_declared_as_it_is(known, real):
    for field in fields(ToolSpec):
        declared, true = getattr(known.spec, field.name), getattr(real.spec, field.name)
        if isinstance(true, Shape):
            assert declared.schema == true.schema
            assert declared.structured == true.structured
        elif field.name != "digest":
            assert declared == true
    assert schema_digest(known) == schema_digest(real)
    for trait in (Failing, Assumable):
        assert isinstance(known, trait) == isinstance(real, trait)


def test_knowing_all_tools_loads_none_and_using_one_loads_only_that():
    code = """
    import sys
    from toolscript.registry.registry import installed_tools, tools_digest
    from toolscript_tools import tools
    known = {tool.spec.path: tool for tool in tools()}
    tools_digest(known.values())
    rooms = lambda: sorted({name.split(".")[1] for name in sys.modules if name.startswith("toolscript_tools.")})
    print(*rooms())
    print(known["readFile"].spec.input.parse("readFile", {"path": "a"}).path, *rooms())
    """
    path = [str(ROOT / package) for package in ("harness", "tools")]
    code = f"import sys; sys.path[:0] = {path!r}\n{textwrap.dedent(code)}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)

    assert done.stdout.splitlines() == ["known", "a files known"], done.stderr


def test_two_harnesses_share_nothing_that_a_tool_remembers():
    first, second = ({t.spec.path: t for t in tools()} for _ in range(2))

    assert first["strReplaceEditor"].tool is first["strReplaceEditor"].tool
    assert first["strReplaceEditor"].tool is not second["strReplaceEditor"].tool


def test_a_spec_made_from_a_declared_one_is_not_taken_for_it():
    known = tools()[0]
    other = SimpleNamespace(spec=replace(known.spec, input=known.spec.output))

    assert known.spec.digest == schema_digest(known) != schema_digest(other)
