"""Decides between which words a policy, a verdict on one call and a person's answer choose."""

from __future__ import annotations

from enum import StrEnum


class Policy(StrEnum):
    """When consent is needed; design.md's names."""

    UNTRUSTED = "untrusted"
    ON_REQUEST = "on-request"
    NEVER = "never"
    ALWAYS_ASK = "always-ask"


class Verdict(StrEnum):
    """What a policy says of one exact call."""

    ALLOW = "allow"
    ASK = "ask"
    REFUSE = "refuse"
    """It would need consent, and the policy never asks."""
    DENY = "deny"
    """A rule forbids it, whoever consents."""


class Choice(StrEnum):
    """What a decider may answer."""

    ALLOW = "allow"
    ALLOW_CONVERSATION = "allow_conversation"
    EDIT = "edit"
    DENY = "deny"
    DENY_AND_STOP = "deny_and_stop"
    EXPIRE = "expire"
    WITHDRAWN = "withdrawn"
