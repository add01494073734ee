"""Decides what becomes of a toolscript cell: who is asked, what is shown, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from toolscript.errors import Json, ToolscriptError
from toolscript_kernel import namespace, options, recall
from toolscript_kernel.cells import Cell, Kind, is_injected
from toolscript_kernel.door import Door
from toolscript_kernel.front import Caller, Front
from toolscript_kernel.large import fitting
from toolscript_kernel.own import OwnTools
from toolscript_kernel.rewind import Branch, Heard, script_note

if TYPE_CHECKING:
    from toolscript.agent.turn import Turn
    from toolscript.approvals.plan import ApprovedPlan
    from toolscript.approvals.request import Policy
    from toolscript.harness import Harness
    from toolscript.registry.registry import Registry
    from toolscript.run import Run
    from toolscript_kernel.approvals.lasting import Lasting
    from toolscript_kernel.view.watch import View, Watch


INJECTED = (
    "these are parameters in Python, as papermill -p injects them, and a plain cell is a prompt: nothing was asked. "
    "Put the parameters into a %%py cell"
)
FAILURE_CHARS = 600
"""How much is shown of why a server did not start."""


class CellError(Exception):
    """A cell failed; what the front end shows of it: a name, a message, and lines that point at the source."""

    def __init__(self, name: str, message: str, lines: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.name = name
        self.message = message
        self.lines = tuple(lines) or (f"{name}: {message}",)


class Desk:
    """Runs toolscript cells for a shell: the kernel's own, or the ordinary Python kernel's by its extension."""

    def __init__(self, shell: Any, door: Door | None = None) -> None:
        self.shell = shell
        self.door = door or Door()
        self.caller: Caller | None = None
        """Who runs the cell that is at work."""
        self.agent: str | None = None
        """The agent that plain cells speak to; None is the configured default."""
        self.offsets: dict[str, int] = {}
        """How many lines of its cell stand above the script of each run, as far as this kernel ran it."""
        self._own = OwnTools()
        self._deleted: set[str] = set()
        self._lasting: Lasting | None = None
        self._turns = Branch()
        self._branch_of: Harness | None = None
        self._told_of: Harness | None = None

    async def run(self, cell: Cell, caller: Caller) -> None:
        """Take one turn or script cell to its end. Raises CellError when it did not succeed."""
        if is_injected(cell):
            raise CellError("ConfigError", INJECTED)
        try:
            if cell.kind is Kind.SCRIPT:
                await self._script(cell, caller)
            else:
                await self._turn(cell, caller)
        except asyncio.CancelledError:
            raise CellError(name="Interrupted", message="the cell was stopped; what had happened is kept") from None
        except ToolscriptError as error:
            raise _failure(error.to_json(), cell.body, cell.offset) from None
        finally:
            self._drop_answers(caller)

    def _drop_answers(self, caller: Caller) -> None:
        """Let no answer that was given ahead for this cell outlive it, and say so."""
        harness = self.door.harness
        if harness is not None and (dropped := harness.approvals.forget_answers()):
            what = "an answer that was" if dropped == 1 else f"{dropped} answers that were"
            caller.stage.display({"text/plain": f"dropped: {what} given ahead, and nothing asked for"})

    def offer_own(self, registry: Registry) -> list[str]:
        """Offer the notebook's own functions as tools; return what is wrong with some."""
        return self._own.offer(registry, self.shell.user_ns)

    async def _opened(self, caller: Caller) -> Harness:
        """Return the harness; the first cell that needs it says what of the configuration has no effect or fails."""
        harness = await self.door.open()
        if self._told_of is not harness:
            await self._tell_of(harness, caller)
            self._told_of = harness
        for problem in self.offer_own(harness.registry):
            caller.stage.stream("stderr", f"{problem}\n")
        return harness

    async def _tell_of(self, harness: Harness, caller: Caller) -> None:
        from toolscript_kernel.record import inert

        if notice := harness.configuration.notice:
            caller.stage.stream("stderr", f"{notice}\n")
        for failure in await harness.served.failures():
            caller.stage.stream("stderr", f"{inert.one_line(failure, FAILURE_CHARS)}\n")

    async def _script(self, cell: Cell, caller: Caller) -> None:
        chosen = options.read(cell.options)
        taken = namespace.taken(self.shell.user_ns, chosen.inputs)
        harness = await self._opened(caller)
        options.check_tools(chosen.tools or (), harness.registry)
        params = (fitting(taken, harness.limits.argument_bytes, harness.keep) if taken else taken) | chosen.params
        if chosen.replay is not None:
            await self._replay(harness, chosen.replay, cell, caller)
            return
        plan = None
        if chosen.plan:
            found, plan = await self._plan(harness, cell, caller, params)
            if found and plan is None:
                return  # The frozen plan says that the person declined it.
        async with self._watched(harness, caller, cell, in_turn=False):
            run = await harness.run(
                cell.body,
                params=params,
                limits=chosen.limits or None,
                policy=_policy(chosen.policy),
                allowed_tools=chosen.tools,
                origin="cell",
                last_expression=True,
                mode="dry-run" if chosen.dry_run else "on",
                plan=plan,
                large_result=True,
            )
        self.shell.user_ns["_run"] = run
        self.offsets[run.run_id] = cell.offset
        harness.conversation.note(script_note(cell.body, run), key=f"cell {caller.cell_id or ''}")
        _raise_unless_completed(run, cell)
        if chosen.output:
            result = harness.large(run)
            self.shell.user_ns[chosen.output] = namespace.to_frame(result) if chosen.frame else result
        if run.result is not None:
            if chosen.dry_run:
                caller.stage.display({"text/plain": "planned, not done; the script would return:"})
            caller.stage.result(run.result)

    async def resume(self, run_id: str, outcomes: dict[int, Any]) -> None:
        """Go on with a run whose host died, in the cell that is at work. Raises CellError or ToolscriptError."""
        if (caller := self.caller) is None:
            raise CellError("ConfigError", "a run is resumed by a cell of its own")
        harness, cell = await self._opened(caller), Cell(kind=Kind.SCRIPT)
        async with self._watched(harness, caller, cell, in_turn=False):
            run = await harness.resume(run_id, outcomes=outcomes, large_result=True)
        self.shell.user_ns["_run"] = run
        _raise_unless_completed(run, Cell(kind=Kind.SCRIPT, body=run.source))
        if run.result is not None:
            caller.stage.result(run.result)

    async def resume_turn(self, conversation_id: str) -> None:
        """Go on with a turn whose host died, and with its conversation, in the cell that is at work.

        The turns of this notebook's own conversation stay where they were: nothing of them is sent any more.
        Raises CellError or ToolscriptError.
        """
        if (caller := self.caller) is None:
            raise CellError("ConfigError", "a turn is resumed by a cell of its own")
        harness, heard = await self._opened(caller), Heard()
        own = harness.conversation
        before = self._branch(harness).before(harness)
        try:
            with harness.listening(heard):
                async with self._watched(harness, caller, Cell(kind=Kind.TURN), in_turn=True):
                    turn = await harness.resume_turn(conversation_id)
        finally:
            if harness.conversation is not own:
                self._turns = Branch()
                self._turns.took(harness, caller.cell_id, before, heard.runs)
        self._ended(turn)

    async def _replay(self, harness: Harness, name: str, cell: Cell, caller: Caller) -> None:
        replayed = await recall.replayed(harness, name, cell.body)
        for log in replayed.logs:
            caller.stage.stream("stderr" if log.level in ("warn", "error") else "stdout", f"{log.text}\n")
        if replayed.divergence is not None:
            raise CellError("Diverged", str(replayed.divergence))
        caller.stage.display({"text/plain": recall.told(replayed)})
        if replayed.error is not None:
            raise _failure(replayed.error, cell.body, cell.offset)
        if replayed.result is not None:
            caller.stage.result(fitting({"": replayed.result}, harness.limits.result_bytes, harness.keep)[""])

    async def _plan(
        self, harness: Harness, cell: Cell, caller: Caller, params: dict[str, Json]
    ) -> tuple[bool, ApprovedPlan | None]:
        """Return whether there was anything to choose, and the rows that the person chose, if any."""
        plan = await harness.plan(cell.body, params=params, last_expression=True)
        if not plan.rows:
            return False, None
        if caller.front not in (Front.WIDGETS, Front.NOTEBOOK):
            raise CellError("ApprovalUnavailable", "--plan lets a person choose in the page; --dry-run only shows")
        from toolscript_kernel.approvals.choosing import choose

        return True, await choose(plan, caller.stage, offset=cell.offset)

    async def _turn(self, cell: Cell, caller: Caller) -> None:
        harness = await self._opened(caller)
        branch = self._branch(harness)
        if told := (await branch.rewind(harness, caller.cell_id)).told():
            caller.stage.display({"text/plain": told})
        before, heard = branch.before(harness), Heard()
        try:
            with harness.listening(heard):
                async with self._watched(harness, caller, cell, in_turn=True):
                    turn = await harness.turn(cell.body, agent=cell.options or self.agent)
        finally:
            branch.took(harness, caller.cell_id, before, heard.runs)
        self._ended(turn)

    def _ended(self, turn: Turn) -> None:
        if turn.runs:
            self.shell.user_ns["_run"] = turn.runs[-1]
        if turn.error is not None:
            raise _failure(_error_json(turn.error), "", 0)

    async def forget(self, cell_ids: Sequence[str]) -> None:
        """Take the turns of cells that were deleted out of the conversation."""
        self._deleted.update(cell_ids)
        if cell_ids and (harness := self.door.harness) is not None:
            await self._branch(harness).forget(harness, cell_ids)

    @property
    def lasting(self) -> Lasting:
        """The cells whose tasks go on."""
        if self._lasting is None:
            from toolscript_kernel.approvals.lasting import Lasting

            self._lasting = Lasting()
        return self._lasting

    @property
    def history(self) -> Branch:
        """The turns of the conversation by their cells."""
        return self._branch(self.door.harness)

    def _branch(self, harness: Harness | None) -> Branch:
        if self._branch_of is not harness:
            self._branch_of, self._turns = harness, Branch()
        return self._turns

    @asynccontextmanager
    async def _watched(self, harness: Harness, caller: Caller, cell: Cell, *, in_turn: bool) -> AsyncIterator[None]:
        """Show all that happens in the block, and put requests for consent before the caller if there is one."""
        from toolscript_kernel.approvals.asking import asking
        from toolscript_kernel.record.keeping import kept
        from toolscript_kernel.view.watch import Watch

        offset = 0 if in_turn else cell.offset
        view = self._view(caller, offset=offset, in_turn=in_turn, max_calls=harness.limits.calls)
        watch = Watch(view, keep=partial(kept, harness))
        watch.adopt(self.lasting.left_by({caller.cell_id, *self._deleted}))
        self._deleted.clear()
        try:
            with harness.listening(watch):
                async with asking(harness.approvals, caller, view, offset, self.lasting.passing):
                    yield
        finally:
            watch.finish()
            self._follow(harness, caller, watch, offset)

    def _follow(self, harness: Harness, caller: Caller, watch: Watch, offset: int) -> None:
        """Stay with the tasks that outlive a cell: show how they end, and ask below it what they ask."""
        from toolscript_kernel.approvals.asking import late_decider

        late = late_decider(harness.approvals, caller, watch.view, offset)
        if late is not None:
            asked = self.lasting.attached(harness.approvals, late, watch, caller.cell_id)
            watch.follow(harness.listening(watch), asked)

    def _view(self, caller: Caller, *, offset: int, in_turn: bool, max_calls: int) -> View:
        from toolscript_kernel.view import live, plain

        stage, workspace = caller.stage, self.door.workspace
        match caller.front:
            case Front.NOBODY:
                return plain.QuietView(stage, workspace=workspace, offset=offset, in_turn=in_turn)
            case Front.CONSOLE | Front.TERMINAL:
                return plain.TerminalView(stage, workspace=workspace, offset=offset, in_turn=in_turn)
            case _:
                place = live.Place(stage, caller.cell_id, caller.shelf)
                return live.LiveView(place, workspace=workspace, offset=offset, in_turn=in_turn, max_calls=max_calls)


def _raise_unless_completed(run: Run, cell: Cell) -> None:
    if run.error is not None:
        if run.error.get("code") == "aborted":
            raise CellError(name="Interrupted", message=str(run.error.get("message", "the run was stopped")))
        raise _failure(run.error, cell.body, cell.offset)


def _policy(name: str | None) -> Policy | None:
    from toolscript.approvals.request import Policy

    return Policy(name) if name else None


def cell_error(error: ToolscriptError) -> CellError:
    """Return the error of a command as its cell shows it."""
    return _failure(error.to_json(), "", 0)


def _failure(error: dict[str, Json], source: str, offset: int) -> CellError:
    from toolscript_kernel.record import carets, secrets

    error, source = secrets.hidden(error), secrets.hidden(source)
    lines = carets.report(error, source, offset=offset)
    message = carets.title(error).removeprefix(f"{carets.label(error)}: ")
    return CellError(name=carets.label(error), message=message, lines=lines)


def _error_json(error: Any) -> dict[str, Json]:
    return error.to_json() if isinstance(error, ToolscriptError) else dict(error)
