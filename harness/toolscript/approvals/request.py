"""Decides what a request for consent says, what may be answered, and who is asked through which protocol."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Protocol

from toolscript.approvals.choices import Choice, Policy, Verdict
from toolscript.errors import Json
from toolscript.registry.classification import Classification

__all__ = ["ApprovalRequest", "Choice", "Decider", "Decision", "Policy", "Verdict", "new_approval_id"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One answer; ``by`` names the decider (``notebook``, ``terminal``, ``widget``, ``rule``, ``policy`` …)."""

    choice: Choice
    by: str
    reason: str = ""
    arguments: Json = None
    time: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequest:
    """One exact call that waits for consent. What is shown is what is executed: ``digest`` binds it.

    ``digest`` is the SHA-256 of the RFC 8785 JSON of run, call number, script hash, tool and schema, arguments
    after defaults, working directory, environment additions, sandbox mode and before-digests.
    """

    approval_id: str
    digest: str
    run_id: str
    operation: int
    tool: str
    arguments: Json
    classification: Classification
    script_hash: str = ""
    line: int | None = None
    column: int | None = None
    allowed_tools: tuple[str, ...] = ()
    cwd: str = ""
    sandbox: str = ""
    why: str = ""
    created: float = 0.0
    expires: float = 0.0
    run_began: float = 0.0
    """When its run began; an answer given ahead counts for later runs only."""
    extra: dict[str, Json] = field(default_factory=dict)


def new_approval_id() -> str:
    """Return an id that nobody can guess: 128 random bits, written without characters that need quoting."""
    return secrets.token_hex(16)


class Decider(Protocol):
    """A face that can put a request before a person, and withdraw it when it is settled elsewhere."""

    name: str

    def show(self, request: ApprovalRequest) -> bool | None:
        """Put the request before the person; answer through ``Bridge.decide``. Returns at once.

        False says that this request is not for this decider: then nobody was asked by it.
        """
        ...

    def withdraw(self, approval_id: str, decision: Decision) -> None:
        """Take the request away: it was decided, expired or ended with its run."""
        ...
