from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.harness.approvals.parts import EXEC, FETCH, READ, WRITE, arguments, command, touches

from toolscript.approvals.permissions import Permissions
from toolscript.approvals.policy import judge
from toolscript.approvals.request import Policy, Verdict
from toolscript.approvals.rules import Rule
from toolscript.registry.classification import Classification, Danger, Effect
from toolscript.registry.tool import Ask, ToolSpec

ALLOW, ASK, REFUSE, DENY = Verdict.ALLOW, Verdict.ASK, Verdict.REFUSE, Verdict.DENY
LS = command(Danger.KNOWN_SAFE)
MAKE = command()
RM = command(Danger.DANGEROUS, reasons=("rm -rf removes without asking",))
SUDO = command(escalated=True)
INSIDE_READ = touches("/w/a", "read")
OUTSIDE_READ = touches("/etc/hosts", "read", inside=False)
INSIDE_WRITE = touches("/w/a")
OUTSIDE_WRITE = touches("/etc/hosts", inside=False)
PROTECTED = touches("/w/.git/hooks/pre-commit", protected=True)
NETWORK = Classification(effect=Effect.NETWORK)

#                                    untrusted on-request never always-ask
TABLE: dict[str, tuple[ToolSpec, Classification, bool, str]] = {
    "known-safe command": (EXEC, LS, True, "allow allow allow ask"),
    "known-safe command, unconfined": (EXEC, LS, False, "allow allow allow ask"),
    "ordinary command": (EXEC, MAKE, True, "ask allow allow ask"),
    "ordinary command, unconfined": (EXEC, MAKE, False, "ask ask refuse ask"),
    "dangerous command": (EXEC, RM, True, "ask ask refuse ask"),
    "dangerous command, unconfined": (EXEC, RM, False, "ask ask refuse ask"),
    "escalated command": (EXEC, SUDO, True, "ask ask refuse ask"),
    "escalated known-safe command": (EXEC, replace(LS, escalated=True), True, "allow ask refuse ask"),
    "command that reads outside": (EXEC, replace(MAKE, paths=OUTSIDE_READ.paths), True, "ask allow allow ask"),
    "command that writes outside": (EXEC, replace(MAKE, paths=OUTSIDE_WRITE.paths), True, "ask ask refuse ask"),
    "read inside": (READ, INSIDE_READ, True, "allow allow allow ask"),
    "read inside, unconfined": (READ, INSIDE_READ, False, "allow allow allow ask"),
    "read outside": (READ, OUTSIDE_READ, True, "ask ask refuse ask"),
    "write inside": (WRITE, INSIDE_WRITE, True, "ask allow allow ask"),
    "write inside, unconfined": (WRITE, INSIDE_WRITE, False, "ask allow allow ask"),
    "write outside": (WRITE, OUTSIDE_WRITE, True, "ask ask refuse ask"),
    "write of a protected file": (WRITE, PROTECTED, True, "ask ask refuse ask"),
    "read of a protected file": (READ, touches("/w/.env", "read", protected=True), True, "allow allow allow ask"),
    "network": (FETCH, NETWORK, True, "ask ask refuse ask"),
    "network tool in a call that only reads": (FETCH, Classification(effect=Effect.READ), True, "allow ask refuse ask"),
    "network tool that never asks": (replace(FETCH, ask=Ask.NEVER), NETWORK, True, "ask allow allow ask"),
    "dangerous call of a tool that never asks": (replace(EXEC, ask=Ask.NEVER), RM, True, "ask ask refuse ask"),
    "tool that always asks": (replace(READ, ask=Ask.ALWAYS), INSIDE_READ, True, "ask ask refuse ask"),
    "look-up of the harness": (
        replace(READ, ask=Ask.NEVER),
        Classification(effect=Effect.READ),
        False,
        "allow allow allow allow",
    ),
}


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("column", range(4), ids=["untrusted", "on-request", "never", "always-ask"])
def test_each_policy_says_of_each_call(name: str, column: int) -> None:
    spec, classification, sandboxed, verdicts = TABLE[name]
    policy = (Policy.UNTRUSTED, Policy.ON_REQUEST, Policy.NEVER, Policy.ALWAYS_ASK)[column]
    verdict, reason = judge(policy, spec, classification, sandboxed=sandboxed)
    assert verdict == verdicts.split()[column], reason
    assert reason


def test_the_reason_names_everything_that_wants_consent() -> None:
    classification = replace(RM, escalated=True, paths=OUTSIDE_WRITE.paths)
    _, reason = judge(Policy.ON_REQUEST, EXEC, classification, sandboxed=False)
    for part in ("rm -rf removes", "without confinement", "cannot confine", "/etc/hosts"):
        assert part in reason


def judged(call: tuple[ToolSpec, Classification, dict[str, Any]], *rules: Rule, **more: Any) -> Verdict:
    spec, classification, given = call
    policy = more.pop("policy", Policy.ON_REQUEST)
    return judge(policy, spec, classification, rules=rules, sandboxed=False, arguments=given, **more)[0]


PUSH = (EXEC, MAKE, arguments(EXEC, command=["git", "push", "origin"]))
DENY_PUSH = Rule(tool="exec", verdict="deny", arguments={"command": ["git", "push", "**"]}, source="user, rule 1")
ALLOW_GIT = Rule(tool="exec", verdict="allow", arguments={"command": ["git", "**"]})
ASK_EXEC = Rule(tool="exec", verdict="ask")


def test_the_strictest_of_several_rules_wins_whatever_their_order() -> None:
    assert judged(PUSH, ALLOW_GIT) is ALLOW
    assert judged(PUSH, ALLOW_GIT, ASK_EXEC) is judged(PUSH, ASK_EXEC, ALLOW_GIT) is ASK
    assert judged(PUSH, ALLOW_GIT, DENY_PUSH, ASK_EXEC) is judged(PUSH, DENY_PUSH, ALLOW_GIT) is DENY


def test_a_refusal_by_a_rule_names_where_the_rule_stands() -> None:
    spec, classification, given = PUSH
    _, reason = judge(Policy.ON_REQUEST, spec, classification, rules=[DENY_PUSH], sandboxed=True, arguments=given)
    assert "user, rule 1" in reason


@pytest.mark.parametrize("policy", Policy)
def test_an_allow_rule_lifts_what_only_the_policy_asks(policy: Policy) -> None:
    assert judged(PUSH, ALLOW_GIT, policy=policy) is ALLOW


def test_an_ask_rule_asks_for_what_the_policy_lets_run_and_is_refused_under_never() -> None:
    call = (READ, INSIDE_READ, arguments(READ, path="a"))
    rule = Rule(tool="readFile", verdict="ask")
    assert judged(call, rule) is ASK
    assert judged(call, rule, policy=Policy.NEVER) is REFUSE


def test_a_rule_with_a_wildcard_does_not_cover_what_is_dangerous_or_escalated() -> None:
    given = arguments(EXEC, command=["git", "clean"])
    assert judged((EXEC, RM, given), ALLOW_GIT) is ASK
    exact = Rule(tool="exec", verdict="allow", arguments={"command": ["git", "clean"]})
    assert judged((EXEC, RM, given), exact) is ALLOW


@pytest.mark.parametrize("policy", Policy)
def test_a_call_that_changes_the_configuration_is_never_allowed_by_rule_or_memory(policy: Policy) -> None:
    classification = touches("/w/toolscript.toml", protected=True)
    permissions = Permissions()
    permissions.allow("writeFile", "/w/toolscript.toml")
    rule = Rule(tool="writeFile", verdict="allow", arguments={"path": "/w/toolscript.toml"})
    call = (WRITE, classification, arguments(WRITE, path="/w/toolscript.toml"))
    assert judged(call, rule, policy=policy, permissions=permissions) is (REFUSE if policy is Policy.NEVER else ASK)


def test_a_deny_rule_stands_above_what_the_conversation_allowed() -> None:
    permissions = Permissions()
    permissions.allow("exec", "git", "push", "origin")
    assert judged(PUSH, permissions=permissions) is ALLOW
    assert judged(PUSH, ASK_EXEC, permissions=permissions) is ALLOW
    assert judged(PUSH, DENY_PUSH, permissions=permissions) is DENY
