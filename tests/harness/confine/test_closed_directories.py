from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from tests.harness.confine.box import ALL, Box, Ways, rules_only
from tests.harness.confine.ordinary import ordinary
from tests.harness.confine.test_carriers import git
from tests.needs import need

from toolscript.confine.modes import plan
from toolscript.confine.protect import Restored
from toolscript.confine.repositories import Survey

pytestmark = pytest.mark.anyio
need("seccomp")

MODES = ("311", "000", "600")


async def guarded(box: Box, script: str, way: Ways) -> list[Restored]:
    """Run a script as a call of an ordinary user's does, who may not look into closed directories."""
    found = plan(writes=True, roots=[box.root], secrets=[box.secrets], by=way())
    assert found is not None
    with ordinary():
        watch = box.commands.guard.begin(found, [box.root])
    await box.run(script, watch.confinement)
    with ordinary():
        return box.commands.guard.finish(watch)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("closed", MODES)
@pytest.mark.parametrize("where", ["sub", "sub/.git", "a/b", "sub/.git/hooks"])
async def test_a_repository_behind_a_closed_directory_is_made_harmless(box: Box, closed: str, where: str) -> None:
    sub = "a/b/sub" if where == "a/b" else "sub"
    restored = await guarded(
        box, f"git init -q {sub}; git -C {sub} config core.fsmonitor ./evil; mkdir -p {sub}/.git/hooks; "
        f"echo evil > {sub}/.git/hooks/pre-commit; chmod {closed} {where}", rules_only,
    )  # fmt: skip
    assert {each.did for each in restored} == {"made harmless", "removed"}
    assert git(box.root / sub, "config", "core.fsmonitor") == ""
    assert not (box.root / sub / ".git" / "hooks" / "pre-commit").exists()


async def test_a_repository_that_nobody_may_write_in_is_made_harmless(box: Box) -> None:
    script = "git init -q sub; git -C sub config core.fsmonitor ./evil; echo x > sub/.git/hooks/pre-push; chmod 555 sub/.git sub/.git/hooks"
    assert {each.did for each in await guarded(box, script, rules_only)} == {"made harmless", "removed"}
    assert git(box.root / "sub", "config", "core.fsmonitor") == ""


@pytest.mark.parametrize("closed", MODES)
@pytest.mark.parametrize("way", ALL)
async def test_a_repository_of_the_users_stays_frozen_behind_a_closed_directory(
    box: Box, way: Ways, closed: str
) -> None:
    proj = box.root / "proj"
    proj.mkdir()
    git(proj, "init", "-q")
    git(proj, "config", "filter.lfs.clean", "git-lfs clean")
    await guarded(box, f"chmod {closed} proj", way)
    await guarded(
        box, "chmod 755 proj; git -C proj config core.fsmonitor x; echo evil > proj/.git/hooks/pre-commit; "
        f"chmod {closed} proj", way,
    )  # fmt: skip
    assert git(proj, "config", "core.fsmonitor") == ""
    assert git(proj, "config", "filter.lfs.clean") == "git-lfs clean\n"
    assert not (proj / ".git" / "hooks" / "pre-commit").exists()


async def test_a_closed_directory_without_a_repository_keeps_its_mode(box: Box) -> None:
    assert await guarded(box, "mkdir -p plain/deep; chmod 311 plain/deep; chmod 0 plain", rules_only) == []
    assert mode(box.root / "plain") == 0
    (box.root / "plain").chmod(0o755)
    assert mode(box.root / "plain" / "deep") == 0o311


def test_looking_without_leave_to_open_closes_all_again(tmp_path: Path) -> None:
    (tmp_path / "sub" / ".git").mkdir(parents=True)
    (tmp_path / "sub").chmod(0o311)
    with ordinary():
        found = Survey(str(tmp_path)).look()
    assert found.directories == (f"{tmp_path}/sub/.git",)
    assert mode(tmp_path / "sub") == 0o311


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes directories of somebody else's")
def test_in_a_directory_of_somebody_elses_git_is_asked_for_by_name_and_it_is_said_to_be_closed(tmp_path: Path) -> None:
    (tmp_path / "sub" / ".git").mkdir(parents=True)
    (tmp_path / "sub").chmod(0o711)
    os.chown(tmp_path / "sub", 12345, -1)
    survey = Survey(str(tmp_path))
    with ordinary():
        found = survey.look()
        (tmp_path / "sub").chmod(0o700)
        again = survey.look()
    assert found.directories == again.directories[:1] == (f"{tmp_path}/sub/.git",)
    assert found.closed == (f"{tmp_path}/sub",)
