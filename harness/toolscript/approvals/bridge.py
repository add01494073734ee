"""Decides who is asked for consent and which answer counts: the first that is valid, once, and on disk."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from toolscript.approvals.choices import Choice
from toolscript.approvals.pending import Pending, Proposal
from toolscript.approvals.ways import TERMINAL, how_to_allow
from toolscript.errors import (
    AlreadyDecided,
    ApprovalUnavailable,
    DecisionError,
    JournalError,
    Json,
    ToolscriptError,
    UnknownApproval,
)
from toolscript.events import ApprovalRequested, ApprovalResolved, Emitter
from toolscript.journal.records import OTHER_QUESTIONS, AskRecord, DecisionRecord, Journal

if TYPE_CHECKING:
    from toolscript.approvals.request import ApprovalRequest, Decider, Decision

log = logging.getLogger(__name__)

EXPIRES_SECONDS = 900.0
"""When a request without an expiry of its own expires."""
MAX_PENDING = 256
"""How many requests may wait at once, over all runs; nobody can judge more."""
REMEMBERED = 1024
"""How many decided requests are remembered, to tell late deciders who was first."""

Validate = Callable[[Json], Awaitable[Json]]
"""Checks edited arguments and returns them after defaults; raises a ToolscriptError that the decider sees."""


class Bridge:
    """Puts requests before whoever can decide and hands back the one decision that counts.

    One bridge serves scripts, structured calls, tasks and questions of MCP servers, and knows no face: faces
    are deciders. Its coroutines run on one event loop; :meth:`decide_threadsafe` may be called from any thread.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._deciders: list[Decider] = []
        self._answers: deque[Decision] = deque()
        self._pending: dict[str, Pending] = {}
        self._decided: OrderedDict[str, Decision] = OrderedDict()
        self.ways: tuple[str, ...] = TERMINAL
        """How a call can be allowed on this face, for refusals; ``{tool}`` stands for the tool."""

    @property
    def can_ask(self) -> bool:
        """Whether somebody would see a request now, or has answered the next one ahead."""
        return bool(self._deciders or self._answers)

    @property
    def pending(self) -> tuple[ApprovalRequest, ...]:
        """The requests that wait for a decision, oldest first."""
        return tuple(waiting.request for waiting in self._pending.values())

    @contextmanager
    def attach(self, decider: Decider) -> Iterator[None]:
        """Show every request to ``decider`` while the block runs, those that wait already included."""
        self._deciders.append(decider)
        for waiting in tuple(self._pending.values()):
            self._show(decider, waiting.request)
        try:
            yield
        finally:
            self._deciders.remove(decider)

    @property
    def answers(self) -> tuple[Decision, ...]:
        """The answers that were given ahead and not used yet."""
        return tuple(self._answers)

    def answer_next(self, choice: Choice, reason: str = "", *, by: str = "notebook") -> None:
        """Answer the next request of a run that begins from now on, once, before it is asked.

        Raises ValueError for what cannot be given ahead: only allow and deny can.
        """
        if choice not in (Choice.ALLOW, Choice.DENY, Choice.DENY_AND_STOP):
            raise ValueError(f"{choice.value!r} cannot be answered ahead; allow, deny and deny_and_stop can")
        from toolscript.approvals.request import Decision

        self._answers.append(Decision(choice=choice, by=by, reason=reason, time=self._clock()))

    def forget_answers(self) -> int:
        """Drop the answers that were given ahead and not used; returns how many there were."""
        count = len(self._answers)
        self._answers.clear()
        return count

    async def ask(
        self,
        request: ApprovalRequest,
        *,
        emitter: Emitter,
        journal: Journal,
        validate: Validate | None = None,
    ) -> Decision:
        """Return the decision on a request once it is durable in the journal.

        ``validate`` is what makes edit-and-allow possible: the arguments of the returned decision are what it
        returned. Nobody answers in time: a decision ``expire``. Raises ApprovalUnavailable at once when nobody
        can be asked, and JournalError when the decision cannot be written; the call must not run then.
        Cancelling the asking task withdraws the request everywhere.
        """
        request = self._dated(request)
        self._refuse_if_nobody(request)
        waiting = Pending(request=request, validate=validate, loop=asyncio.get_running_loop())
        async with self._open(waiting, emitter, journal):
            decision = await self._decision(waiting)
            journal.write(decision_record(request, decision))
            await journal.sync()
            waiting.outcome = decision
        return decision

    async def decide(self, approval_id: str, decision: Decision) -> Decision:
        """Propose a decision and return it once it counts and is on disk.

        Raises UnknownApproval, AlreadyDecided (naming who was first), a DecisionError for an answer that this
        request does not take, and what edited arguments were refused with; the request waits on then.
        """
        return await asyncio.wrap_future(self.decide_threadsafe(approval_id, decision))

    def decide_threadsafe(self, approval_id: str, decision: Decision) -> concurrent.futures.Future[Decision]:
        """Propose a decision from any thread; the future ends as :meth:`decide` does."""
        proposal = Proposal(replace(decision, time=self._clock()))
        waiting = self._pending.get(approval_id)
        if waiting is None:
            proposal.fail(self._too_late(approval_id))
        else:
            waiting.propose_threadsafe(proposal)
        return proposal.future

    async def decide_all(
        self, decision: Decision, ids: Iterable[str] | None = None
    ) -> dict[str, Decision | ToolscriptError]:
        """Give one answer to several requests (all that wait, when ``ids`` is None); returns what became of each."""
        chosen = tuple(self._pending) if ids is None else tuple(ids)
        futures = {approval_id: self.decide_threadsafe(approval_id, decision) for approval_id in chosen}
        return {approval_id: await _outcome(future) for approval_id, future in futures.items()}

    def _dated(self, request: ApprovalRequest) -> ApprovalRequest:
        created = request.created or self._clock()
        return replace(request, created=created, expires=request.expires or created + EXPIRES_SECONDS)

    def _refuse_if_nobody(self, request: ApprovalRequest) -> None:
        if request.approval_id in self._pending or request.approval_id in self._decided:
            raise ValueError(f"approval id {request.approval_id!r} was used before")
        if not (self._deciders or self._is_answered(request)):
            raise unavailable(request, self.ways)
        if len(self._pending) >= MAX_PENDING:
            raise ApprovalUnavailable(
                f"{request.tool} needs consent, but {MAX_PENDING} requests wait already", tool=request.tool
            )

    @asynccontextmanager
    async def _open(self, waiting: Pending, emitter: Emitter, journal: Journal) -> AsyncIterator[None]:
        from toolscript.approvals.wire import request_to_json

        request = waiting.request
        body = request_to_json(request)
        journal.write(ask_record(request))
        self._pending[request.approval_id] = waiting
        try:
            emitter.emit(ApprovalRequested, approval_id=request.approval_id, operation=request.operation, request=body)
            self._show_everywhere(waiting)
            yield
        except ToolscriptError as error:
            waiting.failure = error
            raise
        finally:
            del self._pending[request.approval_id]
            self._settle(waiting, emitter, journal)

    def _show_everywhere(self, waiting: Pending) -> None:
        if self._is_answered(waiting.request):
            waiting.propose(Proposal(replace(self._answers.popleft(), time=self._clock())))
            return
        shown = [self._show(decider, waiting.request) for decider in tuple(self._deciders)]
        if not any(shown):
            raise unavailable(waiting.request, self.ways)

    def _is_answered(self, request: ApprovalRequest) -> bool:
        # Nobody can have answered ahead whether a call took effect before its host died.
        if not self._answers or request.extra.get("unknown"):
            return False
        return request.run_began == 0 or request.run_began >= self._answers[0].time

    def _show(self, decider: Decider, request: ApprovalRequest) -> bool:
        try:
            return decider.show(request) is not False
        except Exception:
            # A broken face must not take consent away from the others.
            log.exception("the decider %s could not show %s", decider.name, request.approval_id)
            return False

    async def _decision(self, waiting: Pending) -> Decision:
        with anyio.move_on_after(max(0.0, waiting.request.expires - self._clock())):
            return await waiting.first_valid()
        from toolscript.approvals.request import Decision

        return Decision(choice=Choice.EXPIRE, by="clock", reason="nobody decided in time", time=self._clock())

    def _settle(self, waiting: Pending, emitter: Emitter, journal: Journal) -> None:
        request = waiting.request
        final = waiting.outcome or self._withdrawn(waiting, journal)
        self._remember(request.approval_id, final)
        waiting.close(final, self._too_late(request.approval_id))
        for decider in tuple(self._deciders):
            try:
                decider.withdraw(request.approval_id, final)
            except Exception:
                log.exception("the decider %s could not withdraw %s", decider.name, request.approval_id)
        emitter.emit(
            ApprovalResolved, approval_id=request.approval_id, operation=request.operation,
            decision=final.choice.value, by=final.by, reason=final.reason, arguments=_ran_with(request, final),
        )  # fmt: skip

    def _withdrawn(self, waiting: Pending, journal: Journal) -> Decision:
        why = waiting.failure.message if waiting.failure else "the call ended before it was decided"
        from toolscript.approvals.request import Decision

        decision = Decision(choice=Choice.WITHDRAWN, by="run", reason=why, time=self._clock())
        # An answer that was taken but not yet durable must not be found alone by a later resume.
        with contextlib.suppress(JournalError):
            journal.write(decision_record(waiting.request, decision))
        return decision

    def _remember(self, approval_id: str, decision: Decision) -> None:
        self._decided[approval_id] = decision
        while len(self._decided) > REMEMBERED:
            self._decided.popitem(last=False)

    def _too_late(self, approval_id: str) -> DecisionError:
        decided = self._decided.get(approval_id)
        if decided is None:
            return UnknownApproval(approval_id)
        return AlreadyDecided(approval_id, decided.choice.value, decided.by)


async def _outcome(future: concurrent.futures.Future[Decision]) -> Decision | ToolscriptError:
    try:
        return await asyncio.wrap_future(future)
    except ToolscriptError as error:
        return error


def ask_record(request: ApprovalRequest) -> AskRecord:
    """Return the record of a request."""
    from toolscript.approvals.wire import request_to_json

    return AskRecord(
        number=request.operation, approval_id=request.approval_id, digest=request.digest,
        request=request_to_json(request), expires=request.expires,
    )  # fmt: skip


def decision_record(request: ApprovalRequest, decision: Decision) -> DecisionRecord:
    """Return the record of what was decided on a request."""
    return DecisionRecord(
        approval_id=request.approval_id, decision=decision.choice.value, by=decision.by,
        reason=decision.reason, arguments=decision.arguments, time=decision.time,
    )  # fmt: skip


def unavailable(request: ApprovalRequest, ways: Iterable[str] = TERMINAL) -> ApprovalUnavailable:
    """Return the refusal for a call that needs consent where nobody can be asked; it says how to allow it."""
    why = f" ({request.why})" if request.why else ""
    return ApprovalUnavailable(
        f"{request.tool} needs consent{why}, and nobody can be asked here. To allow it: {how_to_allow(request, ways)}.",
        tool=request.tool,
        details={"why": request.why, "digest": request.digest},
    )


def _ran_with(request: ApprovalRequest, final: Decision) -> Json:
    """Return the edited arguments of the call; the answer to a question of a tool or of a resume is none."""
    asks = OTHER_QUESTIONS & request.extra.keys()
    return final.arguments if final.choice is Choice.EDIT and not asks else None
