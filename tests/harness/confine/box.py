"""A workspace with secrets beside it, and the ways in which this machine can confine commands in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.harness.confine.commands import Done, done, shell
from tests.needs import need

from toolscript.confine import mounts
from toolscript.confine.command import Commands
from toolscript.confine.detect import detect
from toolscript.confine.modes import Means, plan
from toolscript.confine.protect import Restored
from toolscript.confine.wire import Confinement


def own_namespace() -> Means:
    need("landlock")
    if not mounts.privileged():
        pytest.skip("only root makes namespaces of its own")
    return Means(landlock=True, seccomp=True, namespace=True)


def user_namespace() -> Means:
    need("landlock", "user namespaces")
    return Means(landlock=True, seccomp=True, namespace=True, user_namespace=True)


def bubblewrap() -> Means:
    need("bubblewrap")
    return Means(seccomp=True, bubblewrap=str(detect().bubblewrap))


def rules_only() -> Means:
    need("landlock")
    return Means(landlock=True, seccomp=True)


ALL = (own_namespace, user_namespace, bubblewrap, rules_only)
MOUNTED = ALL[:3]
Ways = Callable[[], Means]


class Box:
    """A workspace beside other directories, none of which is a place for temporary files."""

    def __init__(self, base: Path, commands: Commands) -> None:
        self.commands = commands
        self.root = base / "workspace"
        self.outside = base / "outside"
        self.secrets = base / "state" / "secrets"
        for path in (self.root, self.outside, self.secrets):
            path.mkdir(parents=True)
        (self.secrets / "token").write_text("canary")
        (self.outside / "plain").write_text("outside")

    def plan(self, by: Means, *, writes: bool = True, network: bool = False) -> Confinement:
        found = plan(writes=writes, roots=[self.root], secrets=[self.secrets], network=network, by=by)
        assert found is not None
        # What a mount can hold is held; what else is kept around a command has tests of its own.
        return self.commands.guard.begin(found, [self.root]).confinement if writes else found

    async def guarded(self, script: str, by: Means) -> list[Restored]:
        """Run a script as a call does, and return what was not left as it left it."""
        found = plan(writes=True, roots=[self.root], secrets=[self.secrets], by=by)
        assert found is not None
        watch = self.commands.guard.begin(found, [self.root])
        await self.run(script, watch.confinement)
        return self.commands.guard.finish(watch)

    async def run(self, script: str, confinement: Confinement) -> Done:
        return await done(self.commands, shell(script, cwd=str(self.root), confinement=confinement))
