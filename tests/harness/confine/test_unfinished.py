from __future__ import annotations

from pathlib import Path

import pytest
from tests.harness.confine.box import Box, Ways, bubblewrap, rules_only
from tests.harness.confine.test_carriers import git, untouched
from tests.needs import need

pytestmark = pytest.mark.anyio
need("seccomp")

NAMED = ("-c", "user.name=a", "-c", "user.email=a@b")


@pytest.fixture
def proj(box: Box) -> Path:
    """A repository of the user's with two commits."""
    path = box.root / "proj"
    path.mkdir()
    git(path, "init", "-q", "-b", "main")
    for message in ("one", "two"):
        git(path, *NAMED, "commit", "-q", "--allow-empty", "-m", message)
    return path


PLANT = (
    "cd proj/.git; mkdir {place}; cd {place}; echo refs/heads/main > head-name; git rev-parse HEAD > onto; git rev-parse HEAD > orig-head; "
    "printf 'noop\\n{line}\\n' > git-rebase-todo; : > done; echo 1 > msgnum; echo 1 > end; : > interactive"
)


@pytest.mark.parametrize("way", [bubblewrap, rules_only])
@pytest.mark.parametrize("line", ["exec touch PWNED", "x touch PWNED", "  exec\\ttouch PWNED"])
async def test_a_planted_rebase_runs_nothing(box: Box, proj: Path, way: Ways, line: str) -> None:
    restored = await box.guarded(PLANT.format(place="rebase-merge", line=line), way())
    assert [each.did for each in restored] == ["made harmless"]
    assert "touch PWNED" in restored[0].became
    git(proj, *NAMED, "rebase", "--continue")
    await untouched(box)


async def test_a_rebase_behind_a_link_is_put_away(box: Box, proj: Path) -> None:
    script = (
        PLANT.format(place="../../state", line="exec touch PWNED") + "; ln -s ../../state ../proj/.git/rebase-merge"
    )
    assert [each.did for each in await box.guarded(script, rules_only())] == ["removed"]
    git(proj, *NAMED, "rebase", "--continue")
    await untouched(box)


async def test_what_the_users_own_rebase_had_still_to_run_stays(box: Box, proj: Path) -> None:
    git(proj, *NAMED, "rebase", "--exec", "false", "--exec", "echo mine", "--root")
    todo = proj / ".git" / "rebase-merge" / "git-rebase-todo"
    assert "exec echo mine" in todo.read_text()
    restored = await box.guarded(f"echo 'exec touch PWNED' >> {todo}", rules_only())
    assert [each.did for each in restored] == ["made harmless"]
    assert "exec echo mine" in todo.read_text()
    assert "PWNED" not in todo.read_text()


async def test_addresses_in_old_forms_are_removed(box: Box, proj: Path) -> None:
    script = f"cd proj/.git; mkdir -p remotes branches; echo 'URL: {box.outside}/evil' > remotes/a; echo {box.outside}/evil > branches/b"
    assert [each.did for each in await box.guarded(script, rules_only())] == ["removed", "removed"]
    assert git(proj, "remote") == ""
