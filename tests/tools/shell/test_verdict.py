from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.needs import need
from tests.tools.shell.bench import Bench

from toolscript.errors import InvalidArguments
from toolscript.registry.classification import Danger, Effect
from toolscript.registry.context import SandboxMode
from toolscript_tools.shell import verdict

pytestmark = pytest.mark.anyio


async def test_reading_commands_are_known_to_be_safe_and_others_are_not(bench: Bench) -> None:
    assert (await bench.classify("git", "status")).danger is Danger.KNOWN_SAFE
    assert (await bench.classify_shell("ls | wc -l")).danger is Danger.KNOWN_SAFE
    assert (await bench.classify("make")).danger is Danger.ORDINARY
    assert (await bench.classify("rm", "-rf", "x")).danger is Danger.DANGEROUS
    assert (await bench.classify_shell("cd x; rm -rf *")).danger is Danger.DANGEROUS


async def test_a_command_is_told_as_whoever_gave_it_wrote_it(bench: Bench) -> None:
    (bench.root / "sub").mkdir()
    assert (await bench.classify_shell("npm test | tail -3")).summary == "run npm test | tail -3"
    assert (await bench.classify_shell("make in sub", cwd="sub")).summary == "in sub: run make in sub"
    assert (await bench.classify("bash", "-c", "make it")).summary == "run bash -c 'make it'"


async def test_a_script_too_long_to_be_looked_into_is_called_dangerous(bench: Bench) -> None:
    seen = await bench.classify_shell("rm -rf x" + " # padding" * 20_000)
    assert (seen.danger, seen.reasons) == (Danger.DANGEROUS, ("the script is too long to be looked into",))
    assert (await bench.classify_shell("ls; " * 5_000 + "rm -rf x")).danger is Danger.DANGEROUS


async def test_nothing_is_run_to_classify(bench: Bench) -> None:
    program = bench.root / "pwsh"
    program.write_text("#!/bin/sh\ntouch ran\n")
    program.chmod(0o755)
    await bench.classify(str(program), "-Command", "Get-ChildItem")
    assert bench.started == []
    assert [path.name for path in bench.root.iterdir()] == ["pwsh"]


async def test_a_program_that_a_command_could_have_put_there_is_not_known_to_be_safe(bench: Bench) -> None:
    planted = bench.root / "ls"
    planted.write_text("#!/bin/sh\ntouch ran\n")
    planted.chmod(0o755)
    assert (await bench.classify("./ls")).danger is Danger.ORDINARY
    assert (await bench.classify(str(planted))).danger is Danger.ORDINARY
    path = f"{bench.root}:{bench.context.environment['PATH']}"
    bench.context = replace(bench.context, environment={"PATH": path})
    assert (await bench.classify("ls")).danger is Danger.ORDINARY
    assert (await bench.classify_shell("ls && cat x")).danger is Danger.ORDINARY
    assert (await bench.classify("cat", "x")).danger is Danger.KNOWN_SAFE


async def test_a_link_in_a_safe_place_to_a_planted_program_is_seen_through(bench: Bench, tmp_path: Path) -> None:
    (bench.root / "evil").write_text("#!/bin/sh\n")
    (bench.root / "evil").chmod(0o755)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ls").symlink_to(bench.root / "evil")
    bench.context = replace(bench.context, environment={"PATH": f"{tmp_path}/bin"})
    assert (await bench.classify("ls")).danger is Danger.ORDINARY


@pytest.mark.parametrize("name", ["PATH", "LD_PRELOAD", "GIT_EXTERNAL_DIFF", "PAGER", "BASH_ENV", "HOME"])
async def test_variables_that_may_change_what_a_program_does_are_not_safe(bench: Bench, name: str) -> None:
    seen = await bench.classify("git", "log", env={name: "x"})
    assert seen.danger is Danger.ORDINARY
    assert seen.environment == {name: "x"}
    assert name in seen.reasons[0]


async def test_variables_for_looks_only_are_safe(bench: Bench) -> None:
    assert (await bench.classify("git", "log", env={"NO_COLOR": "1"})).danger is Danger.KNOWN_SAFE


async def test_a_program_told_another_name_is_not_safe(bench: Bench) -> None:
    assert (await bench.classify("ls", arg0="rm")).danger is Danger.ORDINARY


async def test_a_directory_outside_the_roots_is_named(bench: Bench) -> None:
    seen = await bench.classify("ls", cwd="..")
    assert [(path.path, path.kind, path.inside) for path in seen.outside] == [(bench.root.parent, "read", False)]
    assert (await bench.classify("ls", cwd=".")).outside == ()


async def test_escalation_is_said_with_its_justification_and_is_not_confined(bench: Bench) -> None:
    need("landlock", "seccomp")
    seen = await bench.classify("make", withEscalatedPermissions=True, justification="needs the network")
    assert (seen.escalated, seen.confined, seen.justification) == (True, False, "needs the network")
    assert (await bench.classify("make")).confined


async def test_without_a_sandbox_there_is_nothing_to_escalate_from(bench: Bench) -> None:
    seen = await bench.unconfined().classify("make", withEscalatedPermissions=True, justification="x")
    assert (seen.escalated, seen.confined) == (False, False)


async def test_what_the_system_cannot_confine_is_not_called_confined(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdict.modes, "means", verdict.modes.Means)
    assert not (await bench.classify("make")).confined


async def test_the_summary_says_what_runs_and_where(bench: Bench) -> None:
    (bench.root / "sub").mkdir()
    seen = await bench.classify("echo", "a b", cwd="sub")
    assert (seen.effect, seen.summary) == (Effect.EXECUTE, "run echo 'a b' in sub")


SAME = [
    (["git", "commit", "-a"], ["git", "commit", "--amend"], "git commit …"),
    (["npm", "test"], ["npm", "test", "--", "x"], "npm test …"),
    (["pytest", "-x"], ["pytest", "tests"], "pytest …"),
    (["git", "commit", "-av"], ["git", "commit", "--no-verify", "--all"], "git commit …"),
    (["make", "test", "-j4"], ["make", "test", "--jobs=4"], "make test …"),
]


@pytest.mark.parametrize(("first", "second", "name"), SAME)
async def test_known_programs_are_remembered_by_their_subcommand(
    bench: Bench, first: list[str], second: list[str], name: str
) -> None:
    assert (await bench.classify(*first)).remember == (await bench.classify(*second)).remember == name


async def test_a_line_with_one_known_command_is_remembered_like_the_command(bench: Bench) -> None:
    assert (await bench.classify_shell("npm test")).remember == "npm test …"


@pytest.mark.parametrize(
    "argv",
    [
        ["git", "push", "origin"], ["git", "-c", "core.pager=x", "log"], ["git", "log", "--output=x"],
        ["git", "commit", "-F", "x"], ["git", "checkout", "-f"], ["git", "fetch", "--upload-pack=x"],
        ["npm", "run", "x"], ["npm", "test", "--script-shell=x"], ["pytest", "-p", "x"], ["pytest", "-cx"],
        ["./node_modules/.bin/jest"], ["/usr/bin/git", "status"], ["make", "-f", "x", "test"], ["make", "deploy"],
        ["python3", "-c", "1"], ["bash", "x.sh"], ["env", "npm", "test"], ["xargs", "git", "commit"],
        ["sudo", "git", "commit"], ["timeout", "5", "npm", "test"], ["busybox", "ls"],
        ["git", "fetch", "--upload-pac=x", "."], ["git", "diff", "--outpu", "x"], ["git", "log", "--ext"], ["make", "test", "--eva=x"],
        ["make", "--dir=x", "test"], ["make", "test", "SHELL=x"], ["go", "test", "--exec=x"], ["go", "test", "-exec", "x"],
        ["npm", "test", "-script-shel=x"], ["npm", "test", "--pre=x"], ["jest", "--global-setup=x"], ["tsc", "-OUTDIR", "x"],
    ],
)  # fmt: skip
async def test_all_else_is_remembered_by_its_very_words(bench: Bench, argv: list[str]) -> None:
    from shlex import join

    assert (await bench.classify(*argv)).remember == f"exactly: {join(argv)}"


@pytest.mark.parametrize("line", ["npm test && npm ci", "npm test *", "git commit -m a\\ b", "npm test | tail"])
async def test_lines_of_several_commands_or_with_patterns_are_remembered_by_their_very_words(
    bench: Bench, line: str
) -> None:
    remembered = (await bench.classify_shell(line)).remember
    assert remembered is not None
    assert remembered.startswith("exactly: /bin/bash -c ")


@pytest.mark.parametrize(
    "line", ["npm test > x", "echo $(id)", "a & b", "for f in *; do ls $f; done", "npm test $X", "("]
)
async def test_a_line_that_cannot_be_split_is_never_remembered(bench: Bench, line: str) -> None:
    assert (await bench.classify_shell(line)).remember is None


async def test_dangerous_commands_are_never_remembered(bench: Bench) -> None:
    assert (await bench.classify("rm", "-rf", "build")).remember is None


async def test_consent_does_not_carry_over_to_other_variables_names_or_permissions(bench: Bench) -> None:
    plain = (await bench.classify("npm", "test")).remember
    others = [
        await bench.classify("npm", "test", env={"NODE_OPTIONS": "-r x"}),
        await bench.classify("npm", "test", env={"NODE_OPTIONS": "-r y"}),
        await bench.classify("npm", "test", arg0="x"),
        await bench.classify("npm", "test", withEscalatedPermissions=True, justification="x"),
    ]
    assert len({plain, *(seen.remember for seen in others)}) == 5


async def test_consent_does_not_carry_over_to_another_directory(bench: Bench) -> None:
    (bench.root / "sub").mkdir()
    assert (await bench.classify("./deploy", cwd="sub")).remember == f"exactly: ./deploy in {bench.root}/sub"
    assert (await bench.classify("./deploy", cwd=".")).remember == "exactly: ./deploy"


async def test_only_reading_can_count_as_undone(bench: Bench) -> None:
    assert (await bench.classify("ls")).undoable
    assert not (await bench.classify("make")).undoable


async def test_each_mode_says_what_it_holds(bench: Bench) -> None:
    need("landlock", "seccomp")
    for mode, confined in ((SandboxMode.READ_ONLY, True), (SandboxMode.DANGER_FULL_ACCESS, False)):
        bench.context = replace(bench.context, sandbox=mode)
        assert (await bench.classify("make")).confined is confined


@pytest.mark.parametrize("given", [{}, {"justification": ""}, {"justification": " \n"}])
async def test_leaving_the_sandbox_without_a_reason_is_refused_naming_the_argument(bench: Bench, given) -> None:
    with pytest.raises(InvalidArguments, match=r"justification: .*say why") as refused:
        await bench.classify("make", withEscalatedPermissions=True, **given)

    assert [error["argument"] for error in refused.value.details["errors"]] == ["justification"]
