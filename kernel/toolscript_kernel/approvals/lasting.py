"""Decides before which cell a request is put: the one whose run asks, also when that has ended and its tasks go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from toolscript.approvals.request import ApprovalRequest, Decider, Decision
from toolscript.approvals.text import as_text
from toolscript_kernel.stage import Stage

if TYPE_CHECKING:
    from toolscript.approvals.bridge import Bridge
    from toolscript_kernel.view.watch import Watch

ID_CHARS = 6
"""So many characters of a request's id name it among those that wait."""


def short(request: ApprovalRequest) -> str:
    """Return the name by which a person speaks of a request."""
    return request.approval_id[:ID_CHARS]


class Only:
    """A decider that is asked some requests and not the others."""

    def __init__(self, decider: Decider, takes: Callable[[ApprovalRequest], bool]) -> None:
        self.name = decider.name
        self._decider = decider
        self._takes = takes

    def show(self, request: ApprovalRequest) -> bool | None:
        """Put the request before the person if it is for them."""
        return self._decider.show(request) if self._takes(request) else False

    def withdraw(self, approval_id: str, decision: Decision) -> None:
        """Take the request away; a decider that was not asked it does not know it."""
        self._decider.withdraw(approval_id, decision)


class Bell:
    """Says below a cell in a console that a task asks, and how to answer: a console has no prompt between cells."""

    name = "console"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def show(self, request: ApprovalRequest) -> None:
        """Write down what is asked."""
        told = f"\na task of this cell asks:\n{as_text(request)}\n"
        self._stage.stream("stdout", f"{told}answer it: %toolscript answer allow|deny|stop {short(request)} [REASON]\n")

    def withdraw(self, approval_id: str, decision: Decision) -> None:
        """Leave what was written."""

    async def close(self) -> None:
        """Ask nobody any more."""


@dataclass(eq=False, slots=True)
class _Late:
    """A cell that has ended and whose tasks can still ask."""

    cell: str | None
    watch: Watch
    stands: bool = True


@dataclass(slots=True)
class Lasting:
    """The cells whose tasks go on; one for each kernel."""

    _late: list[_Late] = field(default_factory=list)

    def passing(self, decider: Decider) -> Only:
        """Return the decider of a cell that runs: it takes all but what is asked below earlier cells."""
        return Only(decider, lambda request: not any(_asks(late, request) for late in self._late))

    @contextmanager
    def attached(self, bridge: Bridge, decider: Decider, watch: Watch, cell: str | None) -> Iterator[None]:
        """Put what a cell's tasks ask before ``decider`` while the block runs, or until the cell is gone."""
        late = _Late(cell, watch)
        self._late.append(late)
        try:
            with bridge.attach(Only(decider, lambda request: _asks(late, request))):
                yield
        finally:
            self._late.remove(late)

    def left_by(self, cells: Iterable[str | None]) -> list[Watch]:
        """Take the place from cells that are run again or deleted; return whose tasks have none now."""
        gone = [late for late in self._late if late.stands and late.cell is not None and late.cell in cells]
        for late in gone:
            late.stands = False
        return [late.watch for late in gone]


def _asks(late: _Late, request: ApprovalRequest) -> bool:
    return late.stands and late.watch.owns(request.run_id)
