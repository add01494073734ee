"""What rules and allowances cover is what a call really touches, however it is spelt."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from toolscript.approvals.request import Policy
from toolscript.approvals.rules import Rule
from toolscript.harness import Harness
from toolscript.journal.records import MemoryJournal
from toolscript.run import Run

pytestmark = pytest.mark.anyio

PATCH = "*** Begin Patch\n*** Add File: {}\n+x\n*** End Patch"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A workspace beside a directory that is none of its business."""
    for name in ("workspace", "outside"):
        (tmp_path / name).mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("secret")
    (tmp_path / "outside" / "plain.txt").write_text("plain")
    workspace = tmp_path / "workspace"
    (workspace / "notes.txt").write_text("notes")
    (workspace / "deep").mkdir()
    (workspace / "deep" / "secret.txt").write_text("deep")
    return workspace


@asynccontextmanager
async def harness(workspace: Path, *rules: Rule, **options: Any) -> AsyncIterator[Harness]:
    async with Harness(workspace, rules=rules, journals=lambda run_id: MemoryJournal(), **options) as opened:
        yield opened


def rule(verdict: Any, tool: str, **named: Any) -> Rule:
    return Rule(tool=tool, verdict=verdict, arguments=named)


def refused(run: Run) -> bool:
    return run.error is not None and run.error["code"] == "approval_unavailable"


@pytest.mark.parametrize("path", ["../outside/secret.txt", "deep/../../outside/secret.txt", "link/secret.txt", "file"])
async def test_an_allow_rule_with_a_wildcard_covers_nothing_that_leads_outside(place: Path, path: str) -> None:
    (place / "link").symlink_to("../outside")
    (place / "file").symlink_to("../outside/secret.txt")
    async with harness(
        place, rule("allow", "readFile", path="*"), rule("allow", "writeFile", path="*", content="*")
    ) as h:
        assert refused(await h.run("return readFile(params)", params=path))
        assert refused(await h.run("await writeFile(params, 'mine')", params=path))
    assert (place.parent / "outside" / "secret.txt").read_text() == "secret"


async def test_an_allow_rule_covers_the_outside_that_it_names(place: Path) -> None:
    outside = place.parent / "outside"
    (outside / "link").symlink_to("/etc/hostname")
    async with harness(place, rule("allow", "readFile", path=f"{outside}/*")) as h:
        assert (await h.run("return readFile(params)", params=str(outside / "plain.txt"))).result == "plain"
        assert (await h.run("return readFile(params)", params="../outside/plain.txt")).error is not None
        assert refused(await h.run("return readFile(params)", params=str(outside / "link")))


async def test_an_allow_rule_for_an_exact_path_does_not_follow_a_link_that_took_its_place(place: Path) -> None:
    async with harness(place, rule("allow", "readFile", path="notes.txt"), policy=Policy.ALWAYS_ASK) as h:
        assert (await h.run("return readFile('notes.txt')")).result == "notes"
        (place / "notes.txt").unlink()
        (place / "notes.txt").symlink_to("../outside/secret.txt")
        assert refused(await h.run("return readFile('notes.txt')"))


async def test_a_rule_for_commands_covers_a_patch_only_where_the_patch_touches_nothing_remarkable(place: Path) -> None:
    async with harness(place, rule("allow", "exec", command=["apply_patch", "**"]), policy=Policy.UNTRUSTED) as h:
        source = "return (await exec(['apply_patch', params])).exitCode"
        assert (await h.run(source, params=PATCH.format("new.txt"))).error["code"] == "approval_unavailable"
    async with harness(place, rule("allow", "exec", command="*"), rule("allow", "exec")) as h:
        for path in ("../outside/new.txt", ".git/hooks/pre-commit", "toolscript.toml"):
            assert refused(await h.run(source, params=PATCH.format(path))), path
    assert not (place.parent / "outside" / "new.txt").exists()


@pytest.mark.parametrize(
    "denied",
    [rule("deny", "applyPatch"), rule("deny", "applyPatch", path="deep/*"), rule("deny", "*", path="deep/*")],
    ids=["tool", "path", "every tool"],
)
async def test_a_command_that_is_a_patch_is_denied_as_a_patch(place: Path, denied: Rule) -> None:
    async with harness(place, denied) as h:
        for source in (
            "await exec(['apply_patch', params])",
            "await shell(`apply_patch <<'EOF'\\n${params}\\nEOF`)",
            "await applyPatch(params)",
        ):
            assert refused(await h.run(source, params=PATCH.format("deep/new.txt"))), source
    assert not (place / "deep" / "new.txt").exists()


async def test_an_ask_rule_for_patches_asks_for_a_command_that_is_one(place: Path) -> None:
    async with harness(place, rule("ask", "applyPatch")) as h:
        assert refused(await h.run("await exec(['apply_patch', params])", params=PATCH.format("new.txt")))


SPELLINGS = {
    "dots": "./deep//secret.txt",
    "up and down": "deep/../deep/secret.txt",
    "absolute": "{root}/deep/secret.txt",
    "link to the file": "link.txt",
    "link to the directory": "elsewhere/secret.txt",
    "capitals": "DEEP/Secret.TXT",
    "composed": "deep/secret.txt",
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS.keys())
@pytest.mark.parametrize("pattern", ["deep/secret.txt", "deep/*", "{root}/deep/*", "elsewhere/*", "./deep/secret.txt"])
async def test_a_deny_rule_knows_a_file_by_where_it_really_is(place: Path, spelling: str, pattern: str) -> None:
    (place / "link.txt").symlink_to("deep/secret.txt")
    (place / "elsewhere").symlink_to("deep")
    denied = rule("deny", "readFile", path=pattern.format(root=place))
    async with harness(place, denied) as h:
        run = await h.run("return readFile(params)", params=spelling.format(root=place))
        assert refused(run), run.result
        assert (await h.run("return readFile('notes.txt')")).result == "notes"


async def test_a_deny_rule_knows_a_name_in_every_form_of_its_letters(place: Path) -> None:
    (place / "cafe\u0301.txt").write_text("x")
    async with harness(place, rule("deny", "readFile", path="caf\u00e9.txt")) as h:
        assert refused(await h.run("return readFile(params)", params="cafe\u0301.txt"))


@pytest.mark.parametrize("command", [["curl", "-V"], ["/usr/bin/curl", "-V"], ["./got", "-V"], ["CURL", "-V"]])
@pytest.mark.parametrize("pattern", ["curl", "/usr/bin/curl"])
async def test_a_deny_rule_knows_a_program_by_any_way_to_it(place: Path, command: list[str], pattern: str) -> None:
    (place / "got").symlink_to("/usr/bin/curl")
    async with harness(place, rule("deny", "exec", command=[pattern, "**"])) as h:
        assert refused(await h.run("return exec(params)", params=command))


async def test_a_deny_rule_knows_the_working_directory_through_a_link(place: Path) -> None:
    (place / "elsewhere").symlink_to("deep")
    async with harness(place, rule("deny", "exec", cwd="deep")) as h:
        assert refused(await h.run("await exec({command: ['ls'], cwd: 'elsewhere'})"))
        assert (await h.run("return (await exec(['ls'])).exitCode")).result == 0


@pytest.mark.parametrize("words", [("notes.txt",), ('{"path": "notes.txt"}',)])
@pytest.mark.parametrize("target", ["deep/secret.txt", "../outside/secret.txt"])
async def test_what_was_allowed_ahead_does_not_follow_a_link_swapped_later(
    place: Path, words: tuple[str, ...], target: str
) -> None:
    async with harness(place, policy=Policy.ALWAYS_ASK) as h:
        h.permissions.allow("readFile", *words)
        assert (await h.run("return readFile('notes.txt')")).result == "notes"
        (place / "notes.txt").unlink()
        (place / "notes.txt").symlink_to(target)
        assert refused(await h.run("return readFile('notes.txt')"))


async def test_what_was_allowed_ahead_through_a_link_covers_where_it_led_then(place: Path) -> None:
    (place / "link").symlink_to("../outside/plain.txt")
    async with harness(place) as h:
        h.permissions.allow("readFile", "link")
        assert (await h.run("return readFile('link')")).result == "plain"
        os.replace(_link(place, "../outside/secret.txt"), place / "link")
        assert refused(await h.run("return readFile('link')"))


async def test_a_program_that_was_allowed_ahead_does_not_follow_a_link_swapped_later(place: Path) -> None:
    (place / "tool").symlink_to("/usr/bin/true")
    async with harness(place, policy=Policy.ALWAYS_ASK) as h:
        h.permissions.allow("exec", "./tool")
        assert (await h.run("return (await exec(['./tool'])).exitCode")).result == 0
        os.replace(_link(place, "/usr/bin/false"), place / "tool")
        assert refused(await h.run("return (await exec(['./tool'])).exitCode"))


def _link(place: Path, target: str) -> Path:
    new = place / "new-link"
    new.symlink_to(target)
    return new
