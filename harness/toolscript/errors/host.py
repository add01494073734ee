"""Decides which failures are for whoever runs the harness, decides, configures or provides."""

from __future__ import annotations

from toolscript.errors.base import Json, ToolscriptError


class DecisionError(ToolscriptError):
    """The answer to a request for consent cannot count; nothing was changed by it."""

    code = "decision_error"


class AlreadyDecided(DecisionError):
    """Somebody else decided first; ``details`` holds ``by`` and ``decision``."""

    code = "already_decided"

    def __init__(self, approval_id: str, decision: str, by: str) -> None:
        super().__init__(
            f"approval {approval_id} was already decided: {decision} by {by}",
            details={"approval_id": approval_id, "decision": decision, "by": by},
        )
        self.decision = decision
        self.by = by


class UnknownApproval(DecisionError):
    """No such request waits here: it is from another run, or its run has ended."""

    code = "unknown_approval"

    def __init__(self, approval_id: str) -> None:
        super().__init__(
            f"no request {approval_id!r} waits for a decision here; it may belong to a run that has ended",
            details={"approval_id": approval_id},
        )


class OwnerGone(DecisionError):
    """The process that ran the script is gone; ``details.resume`` is the command that goes on with it."""

    code = "owner_gone"

    def __init__(self, owner: str, resume: str) -> None:
        super().__init__(
            f"the process that owns these approvals ({owner}) is gone; go on with: {resume}",
            details={"owner": owner, "resume": resume},
        )


class RunAborted(ToolscriptError):
    """Somebody stopped the run; what had happened until then is kept."""

    code = "aborted"


class StillInterrupted(ToolscriptError):
    """An interrupted run does not go on; nothing of it was done. Its ``code`` says why: ``outcome_unknown``,
    ``consent_needed``, ``diverged``, ``other_installation``, ``not_resumable``."""

    code = "interrupted"

    def __init__(self, message: str, *, code: str, details: dict[str, Json] | None = None) -> None:
        super().__init__(message, details=details)
        # As with tools: situations differ by code; nobody needs to catch them by class.
        self.__dict__["code"] = code


class HostError(ToolscriptError):
    """The harness itself is at fault or overloaded; the next run works."""

    code = "host_error"


class InternalError(HostError):
    """Something failed that never should: a defect of the harness or of a tool, not of what it was asked to do."""

    code = "internal"


class WorkerCrashed(HostError):
    """The worker process ended without an answer."""

    code = "worker_crashed"


class PoolBusy(HostError):
    """All workers are busy and the queue is full."""

    code = "pool_busy"


class ProtocolFault(HostError):
    """A worker or peer sent a frame that breaks the protocol; it is not trusted any further."""

    code = "protocol_fault"


class JournalError(HostError):
    """The journal cannot be written (any more): disk full, not ours, or another process writes it."""

    code = "journal_error"


class JournalDamaged(ToolscriptError):
    """The journal is not what was written: ``details`` holds ``path``, ``line`` and ``reason``."""

    code = "journal_damaged"

    def __init__(self, path: str, line: int, reason: str) -> None:
        super().__init__(
            f"{path}:{line}: the journal is damaged: {reason}",
            details={"path": path, "line": line, "reason": reason},
        )
        self.reason = reason


class ProviderError(ToolscriptError):
    """The model's provider, or the way to it, failed; its own ``code`` says how (``provider_auth`` …)."""

    code = "provider_error"

    def __init__(self, message: str, *, code: str | None = None, details: dict[str, Json] | None = None) -> None:
        super().__init__(message, details=details)
        if code is not None:
            # As with tools: situations differ by code; nobody needs to catch them by class.
            self.__dict__["code"] = code


class ConfigError(ToolscriptError):
    """The configuration cannot be used; the message names file and line where there is one."""

    code = "config_error"
