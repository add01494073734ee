from __future__ import annotations

from typing import Any

import pytest
from tests.tools.shell.bench import Bench
from tests.tools.shell.tables import PATCH, patches

from toolscript.errors import ToolError
from toolscript_tools.shell.interception import apply_patch_invocation


@pytest.mark.parametrize("row", patches("applies"))
def test_a_command_that_only_applies_a_patch_is_recognised(row: dict[str, Any]) -> None:
    found = apply_patch_invocation(row["argv"], style=row.get("style", "posix"))
    assert found is not None
    assert found.workdir == row.get("workdir")


@pytest.mark.parametrize("row", patches("ordinary"))
def test_a_command_that_does_anything_besides_is_an_ordinary_one(row: dict[str, Any]) -> None:
    assert apply_patch_invocation(row["argv"]) is None


@pytest.mark.parametrize("row", patches("uncalled"))
def test_a_patch_in_the_place_of_a_command_is_refused_with_the_way_to_apply_it(row: dict[str, Any]) -> None:
    with pytest.raises(ToolError, match="without explicit call to apply_patch"):
        apply_patch_invocation(row["argv"])


@pytest.mark.parametrize(
    "script",
    [
        "apply_patch <<PATCH\n*** Begin Patch\n*** Add File: foo\n+$HOME\n*** End Patch\nPATCH",
        "apply_patch <<PATCH\n*** Begin Patch\n*** Add File: foo\n+`id`\n*** End Patch\nPATCH",
        f"cd a\\ b && apply_patch <<'PATCH'\n{PATCH}\nPATCH",
        f"cd *x && apply_patch <<'PATCH'\n{PATCH}\nPATCH",
        f"cd \"`pwd`\" && apply_patch <<'PATCH'\n{PATCH}\nPATCH",
        f"cd ~ && apply_patch <<'PATCH'\n{PATCH}\nPATCH",
    ],
)
def test_what_only_a_shell_could_resolve_is_left_to_the_shell(script: str) -> None:
    assert apply_patch_invocation(["bash", "-c", script]) is None


@pytest.mark.anyio
@pytest.mark.parametrize(
    "row", [row for row in patches("applies") if row.get("workdir") in (None, "foo", "foo bar") and "style" not in row]
)
async def test_the_patch_tool_runs_it_and_no_shell_does(bench: Bench, row: dict[str, Any]) -> None:
    directory = bench.root / (row.get("workdir") or "")
    directory.mkdir(exist_ok=True)
    output = await bench.exec(*row["argv"])
    assert (output.exit_code, output.stdout) == (0, "Success. Updated the following files:\nA foo\n")
    assert (directory / "foo").read_text() == "hi\n"
    assert bench.started == []


@pytest.mark.anyio
async def test_a_line_for_the_shell_is_intercepted_as_well(bench: Bench) -> None:
    await bench.shell(f"apply_patch <<'EOF'\n{PATCH}\nEOF")
    assert (bench.root / "foo").read_text() == "hi\n"


@pytest.mark.anyio
async def test_an_intercepted_patch_is_classified_as_the_patch_it_is(bench: Bench) -> None:
    seen = await bench.classify_shell(f"apply_patch <<'EOF'\n{PATCH}\nEOF")
    assert seen.effect == "write"
    assert [(path.path.name, path.kind, path.inside) for path in seen.paths] == [("foo", "add", True)]
    assert "+hi" in (seen.diff or "")


@pytest.mark.anyio
@pytest.mark.parametrize("row", patches("ill_formed"))
async def test_an_ill_formed_patch_is_an_error_and_never_run(bench: Bench, row: dict[str, Any]) -> None:
    with pytest.raises(ToolError) as failed:
        await bench.exec(*row["argv"])
    assert row["message"] in failed.value.message
    assert bench.started == []
    assert list(bench.root.iterdir()) == []
