"""Decides whether one exact call runs, waits for a person, or is refused, and says why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from toolscript.approvals.permissions import Permissions, always_asked, covered_by_rule
from toolscript.approvals.request import Policy, Verdict
from toolscript.registry.classification import Classification, Danger, Effect
from toolscript.registry.tool import Ask, ToolSpec

if TYPE_CHECKING:
    from toolscript.approvals.rules import Rule
    from toolscript.errors import Json

_LETS_RUN = {policy: f"the policy {policy.value} lets it run" for policy in Policy}


def judge(
    policy: Policy,
    spec: ToolSpec,
    classification: Classification,
    *,
    rules: Sequence[Rule] = (),
    permissions: Permissions | None = None,
    sandboxed: bool,
    arguments: Json = None,
    cwd: Path = Path("/"),
) -> tuple[Verdict, str]:
    """Return the verdict on one exact call and the reason that people are shown.

    ``sandboxed`` is False where the sandbox mode wants commands confined and the operating system cannot do
    it. ``arguments`` are the call's, as JSON after defaults in facade spelling: rules and stated permissions
    look at them; relative paths in them begin at ``cwd``. Deny rules come first; then what a person allowed for
    the conversation; then the strictest of policy and rules, where an allow rule lifts what only the policy asks.
    """
    matching = [rule for rule in rules if rule.matches(spec, arguments, classification, cwd)] if rules else []
    if matching and (denying := _first(matching, "deny")):
        return Verdict.DENY, str(denying)
    if permissions and (permission := permissions.covering(spec, classification, arguments)):
        return Verdict.ALLOW, f"allowed for this conversation: {permission}"
    asking = _first(matching, "ask") if matching else None
    why = [str(asking)] if asking else reasons_to_ask(policy, spec, classification, sandboxed=sandboxed)
    if not why:
        return Verdict.ALLOW, _LETS_RUN[policy]
    allowing = None if asking else _allowing(matching, spec, classification, arguments, cwd)
    if allowing:
        return Verdict.ALLOW, str(allowing)
    reason = "; ".join(why)
    if policy is Policy.NEVER:
        return Verdict.REFUSE, f"{reason}; the policy never refuses what would need consent"
    return Verdict.ASK, reason


def _first(rules: Sequence[Rule], verdict: str) -> Rule | None:
    return next((rule for rule in rules if rule.verdict == verdict), None)


def _allowing(
    rules: Iterable[Rule], spec: ToolSpec, classification: Classification, arguments: Json, cwd: Path
) -> Rule | None:
    if always_asked(classification):
        return None
    allowing = (rule for rule in rules if rule.verdict == "allow")
    return next((r for r in allowing if covered_by_rule(r, spec, classification, arguments, cwd)), None)


def reasons_to_ask(policy: Policy, spec: ToolSpec, classification: Classification, *, sandboxed: bool) -> list[str]:
    """Return why a policy wants consent to a call; empty where it wants none."""
    match policy:
        case Policy.ALWAYS_ASK:
            return _always(spec, classification)
        case Policy.UNTRUSTED:
            return _untrusted(spec, classification)
        case Policy.ON_REQUEST | Policy.NEVER:
            return _on_request(spec, classification, sandboxed=sandboxed)


def _always(spec: ToolSpec, classification: Classification) -> list[str]:
    # The harness's own look-ups (discovery, kept outputs) touch nothing that anybody could consent to.
    if spec.ask is Ask.NEVER and classification.effect is Effect.READ and not classification.paths:
        return []
    return ["the policy always-ask asks before every call"]


def _untrusted(spec: ToolSpec, classification: Classification) -> list[str]:
    reasons = _in_any_case(spec, classification)
    if reasons:
        return reasons
    safe = classification.danger is Danger.KNOWN_SAFE or (
        classification.effect is Effect.READ and not classification.outside and not classification.escalated
    )
    return [] if safe else ["the policy untrusted runs only known-safe reads unasked"]


def _on_request(spec: ToolSpec, classification: Classification, *, sandboxed: bool) -> list[str]:
    reasons = _in_any_case(spec, classification)
    if classification.escalated:
        reasons.append("it wants to run without confinement")
    known_safe = classification.danger is Danger.KNOWN_SAFE
    if classification.effect is Effect.EXECUTE and not known_safe and not sandboxed:
        reasons.append("the operating system cannot confine commands here, and it is not known to be safe")
    if classification.paths:
        reasons += _outside(classification)
    if spec.ask is not Ask.NEVER and Effect.NETWORK in (spec.effect, classification.effect):
        reasons.append("it reaches the network")
    return reasons


def _in_any_case(spec: ToolSpec, classification: Classification) -> list[str]:
    reasons = []
    if spec.ask is Ask.ALWAYS:
        reasons.append(f"{spec.path} always asks")
    if classification.danger is Danger.DANGEROUS:
        reasons.append(_named("it is dangerous", classification.reasons))
    if classification.paths:
        protected = [str(p.path) for p in classification.paths if p.protected and p.kind != "read"]
        if protected:
            reasons.append(_named("it changes protected files", protected))
    return reasons


def _outside(classification: Classification) -> list[str]:
    # Confined commands may read outside; file tools ask for it.
    command = classification.effect is Effect.EXECUTE
    reads = [str(p.path) for p in classification.outside if p.kind == "read" and not command]
    writes = [str(p.path) for p in classification.outside if p.kind != "read"]
    reasons = [_named("it changes files outside the workspace", writes)] if writes else []
    if reads:
        reasons.append(_named("it reads outside the workspace", reads))
    return reasons


def _named(what: str, names: Iterable[str]) -> str:
    listed = list(names)
    if not listed:
        return what
    more = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
    return f"{what}: {', '.join(listed[:3])}{more}"
