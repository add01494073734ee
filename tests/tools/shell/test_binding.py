from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.needs import need
from tests.tools.shell.bench import Bench

from toolscript.registry.classification import Classification, Danger

pytestmark = pytest.mark.anyio
need("landlock", "seccomp")

ESCALATED: dict[str, Any] = {"withEscalatedPermissions": True, "justification": "x"}
LINES = ["./deploy.sh now", "bash deploy.sh", "sh -c './deploy.sh'", "for f in 1 2; do ./deploy.sh $f; done", "env X=1 ./deploy.sh",
         "make --file=deploy.sh", 'x="$(./deploy.sh)"', "true && exec './deploy.sh'", "./dep\\loy.sh"]  # fmt: skip


@pytest.fixture
def program(bench: Bench) -> Path:
    path = bench.root / "deploy.sh"
    path.write_text("#!/bin/sh\necho fine\n")
    path.chmod(0o755)
    return path


async def escalated(bench: Bench, line: str, **more: Any) -> Classification:
    return await bench.classify_shell(line, **ESCALATED, **more)


@pytest.mark.parametrize("line", LINES)
async def test_consent_without_the_sandbox_is_bound_to_what_the_program_says(
    bench: Bench, program: Path, line: str
) -> None:
    first = await escalated(bench, line)
    assert first.before[str(program)] is not None
    assert str(program) in " ".join(first.reasons)
    assert await escalated(bench, line) == first
    program.write_text("#!/bin/sh\nevil\n")
    after = await escalated(bench, line)
    assert after != first
    assert after.before != first.before


async def test_consent_for_the_conversation_ends_when_the_program_changes(bench: Bench, program: Path) -> None:
    first = await bench.classify("./deploy.sh", **ESCALATED)
    assert first.remember is not None
    program.write_text("evil")
    assert (await bench.classify("./deploy.sh", **ESCALATED)).remember != first.remember
    assert (await bench.classify("git", "push", **ESCALATED)).remember == "without the sandbox, exactly: git push"


async def test_consent_is_bound_to_where_a_link_leads(bench: Bench, program: Path) -> None:
    other = bench.root / "other.sh"
    other.write_text("evil")
    link = bench.root / "link"
    link.symlink_to(program)
    first = await bench.classify("./link", **ESCALATED)
    link.unlink()
    link.symlink_to(other)
    assert (await bench.classify("./link", **ESCALATED)).before != first.before


async def test_consent_is_bound_to_the_directory_in_which_the_command_really_runs(bench: Bench) -> None:
    for name in ("one", "two"):
        (bench.root / name).mkdir()
    (bench.root / "here").symlink_to("one")
    first = await bench.classify("make", cwd="here", **ESCALATED)
    assert str(bench.root / "one") in first.before
    (bench.root / "here").unlink()
    (bench.root / "here").symlink_to("two")
    assert str(bench.root / "two") in (await bench.classify("make", cwd="here", **ESCALATED)).before


async def test_a_confined_command_is_bound_to_its_words_only(bench: Bench, program: Path) -> None:
    assert (await bench.classify("./deploy.sh")).paths == ()


async def test_a_program_found_on_the_path_is_bound_if_commands_can_write_it(bench: Bench, program: Path) -> None:
    bench.context = bench.with_environment(PATH=f"{bench.root}:/usr/bin:/bin")
    assert str(program) in (await bench.classify("deploy.sh", **ESCALATED)).before


async def test_a_file_too_large_to_read_is_bound_by_its_identity(
    bench: Bench, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolscript_tools.shell.binding.MOST_BYTES", 4)
    first = await bench.classify("./deploy.sh", **ESCALATED)
    program.write_text("#!/bin/sh\necho evil\n")
    assert (await bench.classify("./deploy.sh", **ESCALATED)).before != first.before


async def test_a_relative_program_is_never_known_to_be_safe(bench: Bench) -> None:
    (bench.root / "sub").mkdir()
    (bench.root / "ls").write_text("evil")
    assert (await bench.classify("../ls", cwd="sub")).danger is Danger.ORDINARY
    assert (await bench.classify_shell("cd sub && ../ls")).danger is Danger.ORDINARY
