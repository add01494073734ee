from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from tests.tools.shell.bench import Bench

from toolscript.registry.classification import Danger

pytestmark = pytest.mark.anyio
READS = ("git status", "git diff", "git log -p", "git show HEAD", "git branch", "cd . && git status | head")


def git(where: Path, *words: str) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", *words], cwd=where, env=environment, capture_output=True, check=True)


@pytest.fixture
def repository(bench: Bench) -> Path:
    git(bench.root, "init", "-q")
    git(bench.root, "config", "user.email", "a@b")
    git(bench.root, "remote", "add", "origin", "https://example.invalid/x.git")
    return bench.root


@pytest.mark.parametrize("line", READS)
async def test_reading_a_plain_repository_is_known_to_be_safe(bench: Bench, repository: Path, line: str) -> None:
    assert (await bench.classify_shell(line)).danger is Danger.KNOWN_SAFE


@pytest.mark.parametrize("line", READS)
@pytest.mark.parametrize(
    "setting",
    ["core.fsmonitor", "diff.external", "diff.x.textconv", "filter.x.clean", "include.path", "core.hooksPath"],
)
async def test_reading_is_not_safe_where_the_settings_name_a_program(
    bench: Bench, repository: Path, line: str, setting: str
) -> None:
    git(repository, "config", setting, "./evil")
    seen = await bench.classify_shell(line)
    assert seen.danger is Danger.ORDINARY
    assert setting.lower() in seen.reasons[0].lower()


async def test_reading_an_embedded_bare_repository_is_not_safe(bench: Bench, repository: Path) -> None:
    git(bench.root, "init", "-q", "--bare", "inner")
    (bench.root / "inner" / "deeper").mkdir()
    for line in ("cd inner && git log", "ls; cd inner/deeper; git status", "cd nowhere || cd inner && git diff"):
        assert (await bench.classify_shell(line)).danger is Danger.ORDINARY
    assert (await bench.classify("git", "log", cwd="inner")).danger is Danger.ORDINARY
    assert (await bench.classify("git", "log")).danger is Danger.KNOWN_SAFE


async def test_where_a_cd_leads_must_be_plain(bench: Bench, repository: Path) -> None:
    for line in ("cd - && git log", "cd ~ && git log", "cd s* && git log", "cd && git log", "cd -P x && git log"):
        assert (await bench.classify_shell(line)).danger is Danger.ORDINARY
    assert (await bench.classify_shell("cd ~ && ls")).danger is Danger.KNOWN_SAFE


async def test_settings_of_repositories_below_count_as_well(bench: Bench, repository: Path) -> None:
    (bench.root / "sub").mkdir()
    git(bench.root / "sub", "init", "-q")
    assert (await bench.classify("git", "status")).danger is Danger.KNOWN_SAFE
    git(bench.root / "sub", "config", "core.fsmonitor", "./evil")
    assert (await bench.classify("git", "status")).danger is Danger.ORDINARY


async def test_settings_behind_a_git_file_count(bench: Bench, repository: Path) -> None:
    git(bench.root, "-c", "user.name=a", "commit", "-q", "--allow-empty", "-m", "x")
    git(bench.root, "worktree", "add", "-q", "tree")
    assert (await bench.classify("git", "log", cwd="tree")).danger is Danger.KNOWN_SAFE
    git(bench.root, "config", "core.pager", "./evil")
    assert (await bench.classify("git", "log", cwd="tree")).danger is Danger.ORDINARY


async def test_a_hook_that_reading_runs_is_not_safe(bench: Bench, repository: Path) -> None:
    (bench.root / ".git" / "hooks" / "post-index-change").write_text("#!/bin/sh\nevil")
    assert (await bench.classify("git", "status")).danger is Danger.ORDINARY


async def test_a_pipe_in_the_place_of_the_settings_is_no_trap(bench: Bench, repository: Path) -> None:
    (bench.root / ".git" / "config").unlink()
    os.mkfifo(bench.root / ".git" / "config")
    assert (await bench.classify("git", "status")).danger is Danger.KNOWN_SAFE


async def test_a_host_that_leads_git_elsewhere_leaves_nothing_known(bench: Bench, repository: Path) -> None:
    bench.context = replace(bench.context, environment={**bench.context.environment, "GIT_DIR": "/elsewhere"})
    assert (await bench.classify("git", "status")).danger is Danger.ORDINARY
