"""Decides how proposals for one request queue up, and how each proposer learns what became of it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import anyio

from toolscript.approvals.choices import Choice
from toolscript.errors import DecisionError, Json, ToolscriptError, UnknownApproval

if TYPE_CHECKING:
    from toolscript.approvals.request import ApprovalRequest, Decision

log = logging.getLogger(__name__)

PROPOSED = frozenset({Choice.ALLOW, Choice.ALLOW_CONVERSATION, Choice.EDIT, Choice.DENY, Choice.DENY_AND_STOP})
"""What a decider may answer; the other choices are the bridge's own."""


class Proposal:
    """One decider's answer on its way; ``future`` tells it whether the answer counted."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        self.future: concurrent.futures.Future[Decision] = concurrent.futures.Future()

    def take(self) -> bool:
        """Say whether its decider still wants it; from here on it cannot be taken back."""
        return self.future.set_running_or_notify_cancel()

    def succeed(self, decision: Decision) -> None:
        """Tell the decider that its answer counted."""
        with contextlib.suppress(concurrent.futures.InvalidStateError):  # its decider went away
            self.future.set_result(decision)

    def fail(self, error: Exception) -> None:
        """Tell the decider why its answer does not count."""
        with contextlib.suppress(concurrent.futures.InvalidStateError):
            self.future.set_exception(error)


@dataclass(slots=True, kw_only=True)
class Pending:
    """One request with the proposals for it; used on the loop of the task that asks, and only there."""

    request: ApprovalRequest
    validate: Callable[[Json], Awaitable[Json]] | None
    loop: asyncio.AbstractEventLoop
    outcome: Decision | None = None
    failure: ToolscriptError | None = None
    """Why an answer that was taken could not be made to count."""
    _proposals: deque[Proposal] = field(default_factory=deque)
    _winner: Proposal | None = None
    _arrived: anyio.Event = field(default_factory=anyio.Event)
    _late: DecisionError | None = None

    def propose(self, proposal: Proposal) -> None:
        """Queue a proposal; on the request's loop."""
        if self._late is not None:
            proposal.fail(self._late)
            return
        self._proposals.append(proposal)
        self._arrived.set()

    def propose_threadsafe(self, proposal: Proposal) -> None:
        """Queue a proposal from any thread."""
        try:
            self.loop.call_soon_threadsafe(self.propose, proposal)
        except RuntimeError:  # the loop is closed, and the run with it
            proposal.fail(UnknownApproval(self.request.approval_id))

    async def first_valid(self) -> Decision:
        """Return the first proposal that this request takes; the others are told why not."""
        while True:
            while self._proposals:
                proposal = self._proposals.popleft()
                if proposal.take() and (decision := await self._checked(proposal)) is not None:
                    return decision
            self._arrived = anyio.Event()
            await self._arrived.wait()

    async def _checked(self, proposal: Proposal) -> Decision | None:
        self._winner = proposal
        try:
            return await self._valid(proposal.decision)
        except ToolscriptError as error:
            proposal.fail(error)
        except Exception:
            # Edited arguments are a person's free text: nothing in them may end the request.
            log.exception("edited arguments of %s could not be checked", self.request.approval_id)
            proposal.fail(DecisionError("the edited arguments could not be checked"))
        self._winner = None
        return None

    async def _valid(self, decision: Decision) -> Decision:
        if decision.choice not in PROPOSED:
            raise DecisionError(f"{decision.choice.value!r} is not an answer to a request")
        if decision.choice is Choice.ALLOW_CONVERSATION and self.request.classification.remember is None:
            raise DecisionError("this call can be allowed once, not for the conversation")
        if decision.choice is not Choice.EDIT:
            return replace(decision, arguments=None)
        if self.validate is None:
            raise DecisionError("the arguments of this call cannot be edited")
        return replace(decision, arguments=await self.validate(decision.arguments))

    def close(self, final: Decision, late: DecisionError) -> None:
        """End the request: the winner learns that it counted, everyone else who was first."""
        self._late = late
        if self._winner is not None:
            if self.outcome is not None:
                self._winner.succeed(final)
            else:
                self._winner.fail(self.failure or late)
        while self._proposals:
            self._proposals.popleft().fail(late)
