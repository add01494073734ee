from __future__ import annotations

from dataclasses import replace

import pytest

from toolscript.confine.detect import Capabilities, detect
from toolscript.confine.modes import Means, means, plan
from toolscript.confine.report import Finding, findings

FULL = Capabilities(
    system="linux", landlock=7, seccomp=True, user_namespaces=True, mount_namespaces=True, bubblewrap=None,
    subreaper=True, pidfd=True,
)  # fmt: skip


def told(found: Capabilities) -> dict[str, Finding]:
    by = Means.of(found, privileged=False)
    return {finding.feature: finding for finding in findings(found, by)}


def test_a_machine_with_everything_lacks_nothing_for_commands() -> None:
    assert all(finding.available for name, finding in told(FULL).items() if name.startswith("commands"))


def test_a_machine_with_nothing_says_that_commands_are_not_confined() -> None:
    nothing = replace(FULL, landlock=0, seccomp=False, user_namespaces=False, mount_namespaces=False)
    for name, finding in told(nothing).items():
        if name.startswith("commands"):
            assert not finding.available
            assert name == "commands: protected files" or "unconfined" in finding.consequence


@pytest.mark.parametrize(
    ("lacking", "feature", "words"),
    [
        ({"mount_namespaces": False}, "commands: secret directories", "cannot be listed"),
        ({"mount_namespaces": False}, "commands: protected files", "put back"),
        ({"landlock": 5}, "commands: other processes", "can signal"),
        ({"seccomp": False}, "commands: files", "unconfined"),
        ({"subreaper": False}, "subreaper", "outlive"),
    ],
)
def test_what_a_machine_lacks_is_said_with_what_follows(lacking: dict[str, bool], feature: str, words: str) -> None:
    finding = told(replace(FULL, **lacking))[feature]
    assert not finding.available
    assert words in finding.consequence


def test_what_is_told_of_this_machine_is_what_commands_get() -> None:
    files = next(finding for finding in findings() if finding.feature == "commands: files")
    assert files.available is (plan(writes=True, roots=[], by=means()) is not None)
    assert {finding.feature for finding in findings()} == set(told(detect()))
