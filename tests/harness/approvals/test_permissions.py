from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.harness.approvals.parts import EXEC, READ, SHELL, WRITE, arguments, command, touches

from toolscript.approvals.permissions import Permissions
from toolscript.errors import InvalidArguments, ToolError
from toolscript.registry.classification import Classification, Danger
from toolscript.registry.tool import ToolSpec

GIT_PUSH = command(remember="git push")


def covered(permissions: Permissions, tool: ToolSpec, what: Classification, **given: Any) -> bool:
    return permissions.covering(tool, what, arguments(tool, **given)) is not None


def pushed(permissions: Permissions, what: Classification = GIT_PUSH, tool: ToolSpec = EXEC) -> bool:
    return covered(permissions, tool, what, command=["git", "push"])


@pytest.fixture
def permissions() -> Permissions:
    return Permissions()


def test_what_was_allowed_for_the_conversation_covers_the_same_pattern_of_the_same_tool(
    permissions: Permissions,
) -> None:
    permissions.remember(EXEC, GIT_PUSH, by="widget")
    assert pushed(permissions)
    assert not pushed(permissions, command(remember="git fetch"))
    assert not pushed(permissions, tool=replace(EXEC, name="other"))


@pytest.mark.parametrize(
    "more",
    [
        {"environment": {"GIT_SSH_COMMAND": "./evil"}},
        {"escalated": True},
        {"danger": Danger.DANGEROUS},
        {"remember": None},
    ],
    ids=lambda more: next(iter(more)),
)
def test_it_covers_nothing_that_was_not_seen(permissions: Permissions, more: dict[str, Any]) -> None:
    permissions.remember(EXEC, GIT_PUSH, by="widget")
    assert not pushed(permissions, replace(GIT_PUSH, **more))


def test_it_does_not_outlive_a_change_of_the_tools_definition(permissions: Permissions) -> None:
    permissions.remember(EXEC, GIT_PUSH, by="widget")
    assert not pushed(permissions, tool=replace(EXEC, doc="Now does something else."))


def test_what_the_classification_does_not_offer_is_not_remembered(permissions: Permissions) -> None:
    assert permissions.remember(EXEC, command(), by="widget") is None
    assert permissions.remember(WRITE, touches("/w/toolscript.toml"), by="widget") is None
    assert len(permissions) == 0


def test_words_name_the_exact_arguments(permissions: Permissions) -> None:
    permissions.allow("exec", "git", "push")
    assert pushed(permissions, command())
    assert not covered(permissions, EXEC, command(), command=["git", "push", "--force"])
    assert not covered(permissions, EXEC, command(), command=["git", "push"], env={"A": "1"})
    assert not covered(permissions, SHELL, command(), command="git push")


def test_words_given_exactly_cover_even_what_is_dangerous(permissions: Permissions) -> None:
    permissions.allow("exec", "rm", "-rf", "build")
    assert covered(permissions, EXEC, command(Danger.DANGEROUS), command=["rm", "-rf", "build"])
    assert not covered(permissions, EXEC, command(Danger.DANGEROUS), command=["rm", "-rf", "build", "/"])


def test_the_words_of_a_shell_line_are_joined(permissions: Permissions) -> None:
    permissions.allow("shell", "npm", "test")
    assert covered(permissions, SHELL, command(), command="npm test")
    assert not covered(permissions, SHELL, command(), command="npm test; evil")


def test_a_json_object_names_any_argument(permissions: Permissions) -> None:
    permissions.allow("exec", '{"command": ["make"], "cwd": "src"}')
    assert covered(permissions, EXEC, command(), command=["make"], cwd="src")
    assert not covered(permissions, EXEC, command(), command=["make"])


@pytest.mark.parametrize("word", ["{", "{}", '{"a": '])
def test_words_that_are_no_json_object_are_refused(permissions: Permissions, word: str) -> None:
    with pytest.raises(InvalidArguments):
        permissions.allow("exec", word)


def test_a_tool_alone_covers_its_ordinary_calls_and_nothing_remarkable(permissions: Permissions) -> None:
    permissions.allow("writeFile")
    assert covered(permissions, WRITE, touches("/w/a"), path="a")
    assert not covered(permissions, WRITE, touches("/etc/a", inside=False), path="/etc/a")
    assert not covered(permissions, WRITE, touches("/w/.git/config", protected=True), path=".git/config")
    permissions.allow("exec")
    assert covered(permissions, EXEC, command(), command=["make"])
    assert not covered(permissions, EXEC, command(Danger.DANGEROUS), command=["rm", "-rf", "x"])
    assert not covered(permissions, EXEC, command(escalated=True), command=["make"])


def test_a_pattern_for_paths_covers_what_really_lies_there(permissions: Permissions) -> None:
    permissions.allow("readFile", "/etc/*")
    hosts = touches("/etc/hosts", "read", inside=False)
    assert covered(permissions, READ, hosts, path="/etc/hosts")
    shadow = touches("/root/secret", "read", inside=False)
    assert not covered(permissions, READ, shadow, path="/etc/link-to-secret")
    assert not covered(permissions, READ, hosts, path="/etc/x/../hosts")


def test_a_pattern_for_commands_covers_nothing_remarkable(permissions: Permissions) -> None:
    permissions.allow("exec", "git", "**")
    assert covered(permissions, EXEC, command(), command=["git", "fetch"])
    assert not covered(permissions, EXEC, command(Danger.DANGEROUS), command=["git", "clean"])
    assert not covered(permissions, EXEC, command(), command=["git", "log", "--format=$(x)"])


def test_the_name_for_structured_calls_is_understood_too(permissions: Permissions) -> None:
    permissions.allow("read_file", "a")
    assert covered(permissions, READ, touches("/w/a", "read"), path="a")


def test_permissions_are_listed_and_revoked(permissions: Permissions) -> None:
    first = permissions.allow("exec", "make")
    second = permissions.remember(EXEC, GIT_PUSH, by="widget")
    assert second is not None
    assert [(p.id, str(p), p.by) for p in permissions] == [
        (first.id, "exec make", "notebook"),
        (second.id, "exec git push", "widget"),
    ]
    assert permissions.revoke(first.id) == first
    assert list(permissions) == [second]
    with pytest.raises(ToolError, match="no permission"):
        permissions.revoke(first.id)


def test_a_rewind_restores_what_was_allowed_then(permissions: Permissions) -> None:
    kept = permissions.allow("exec", "make")
    before = permissions.snapshot()
    later = permissions.allow("exec", "rm", "x")
    permissions.revoke(kept.id)
    permissions.restore(before)
    assert list(permissions) == [kept]
    assert permissions.allow("exec", "ls").id > later.id
