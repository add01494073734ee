"""Decides who takes a cell in the toolscript kernel, and how interrupt, restart and shutdown reach what runs."""

from __future__ import annotations

import asyncio
import builtins
import inspect
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from ipykernel.ipkernel import IPythonKernel

from toolscript_kernel import __version__, cells
from toolscript_kernel.cells import Cell, Kind
from toolscript_kernel.desk import CellError
from toolscript_kernel.paths import importable
from toolscript_kernel.session import Session

PYTHON = frozenset({Kind.PYTHON, Kind.IPYTHON})
STORE_SECONDS = 0.25
"""So long after a cell began it enters IPython's history, whose file is flushed to disk under a lock."""


_Base: Any = IPythonKernel  # ipykernel declares few types; what is used of it is held by tests


class ToolscriptKernel(_Base):  # type: ignore[misc]
    """An IPython kernel whose plain cells are turns of an agent and whose ``%%toolscript`` cells are scripts."""

    implementation = "toolscript"
    implementation_version = __version__
    banner = "toolscript: a plain cell is a turn, %%toolscript runs a script, %%py runs Python"
    help_links: list[dict[str, str]] = []  # noqa: RUF012  (a trait)
    language_info = {  # noqa: RUF012  (a trait)
        "name": "toolscript",
        "version": __version__,
        "mimetype": "text/x-toolscript",
        "file_extension": ".md",
        # Front ends read the editor mode first: prose cells are Markdown, without any extension of ours.
        "codemirror_mode": "ipythongfm",
        "pygments_lexer": "toolscript-cell",
        "nbconvert_exporter": "markdown",
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.session_of_cells = Session(self.shell, self)
        self.shell.input_transformers_cleanup.insert(0, cells.python_lines)
        self._unstored: list[tuple[int, str]] = []

    def start(self) -> None:
        """Begin to serve, clicks during turns included."""
        super().start()
        self.session_of_cells.start()

    async def do_execute(
        self,
        code: str,
        silent: bool,
        store_history: bool = True,
        user_expressions: dict[str, str] | None = None,
        allow_stdin: bool = False,
        *,
        cell_meta: Any = None,
        cell_id: str | None = None,
    ) -> dict[str, Any]:
        """Run one cell. Silent requests come from programs, not from a person: they are never turns or scripts."""
        self._store()
        request = (silent, store_history, user_expressions, allow_stdin, cell_meta, cell_id)
        cell = Cell(kind=Kind.IPYTHON) if silent else cells.read(code, self._defined)
        if cell.kind in PYTHON and not cell.commands:
            return await self._python(cell, code, *request)
        session = self.session_of_cells
        caller = session.caller(allow_stdin=allow_stdin, cell_id=cell_id)
        with self._counted(code, store_history) as count:
            reply: dict[str, Any] = {"status": "ok", "execution_count": count, "payload": []}
            try:
                await session.run(cell, caller, _deleted(cell_meta))
            except CellError as error:
                return reply | self._failed(error)
            reply["user_expressions"] = self.shell.user_expressions(user_expressions or {})
            reply["payload"] = self.shell.payload_manager.read_payload()
            self.shell.payload_manager.clear_payload()
        if cell.kind in PYTHON:
            return await self._python(cell, code, *request)
        return reply

    async def do_shutdown(self, restart: bool) -> dict[str, Any]:
        """End what runs, then go."""
        self._store()
        await self.session_of_cells.end()
        reply = super().do_shutdown(restart)
        return dict(await reply if inspect.isawaitable(reply) else reply)

    async def do_complete(self, code: str, cursor_pos: int) -> dict[str, Any]:
        """Complete scripts from the registry, Python and magics as IPython does; a prompt completes to nothing."""
        if (ours := self.session_of_cells.complete(code, cursor_pos)) is not None:
            return ours
        found = super().do_complete(code, cursor_pos)
        return dict(await found if inspect.isawaitable(found) else found)

    async def do_inspect(
        self, code: str, cursor_pos: int, detail_level: int = 0, omit_sections: Any = ()
    ) -> dict[str, Any]:
        """Say what a word of a script is, or what IPython knows of Python."""
        if (ours := self.session_of_cells.inspect(code, cursor_pos)) is not None:
            return ours
        found = super().do_inspect(code, cursor_pos, detail_level, omit_sections)
        return dict(await found if inspect.isawaitable(found) else found)

    async def do_is_complete(self, code: str) -> dict[str, Any]:
        """Tell consoles when a cell ends: a prompt at once, a script at a blank line, Python as Python says."""
        kind = cells.read(code, self._defined).kind
        if kind is Kind.SCRIPT or (kind is Kind.PYTHON and code.lstrip().startswith("%%")):
            return {"status": "complete"} if code.endswith("\n\n") else {"status": "incomplete", "indent": ""}
        if kind in PYTHON:
            found = super().do_is_complete(code)
            return dict(await found if inspect.isawaitable(found) else found)
        return {"status": "complete"}

    async def _python(self, cell: Cell, code: str, *request: Any) -> dict[str, Any]:
        *arguments, cell_meta, cell_id = request
        run = super().do_execute
        workspace = self.session_of_cells.desk.door.workspace
        python = cell.kind is Kind.PYTHON
        with importable(workspace, self.shell.InteractiveTB) if python else nullcontext():
            return dict(await run(code, *arguments, cell_meta=cell_meta, cell_id=cell_id))

    def _failed(self, error: CellError) -> dict[str, Any]:
        content = {"ename": error.name, "evalue": error.message, "traceback": list(error.lines)}
        self.send_response(self.iopub_socket, "error", content)
        return {"status": "error", **content}

    @contextmanager
    def _counted(self, code: str, store_history: bool) -> Iterator[int]:
        """Count the cell as IPython does: some of its versions count before the cell runs, some after."""
        shell = self.shell
        count = shell.execution_count
        early = shell.displayhook.prompt_count < count
        if store_history:
            self._unstored.append((count, code))
            asyncio.get_running_loop().call_later(STORE_SECONDS, self._store)
        shell.execution_count += int(early and store_history)
        try:
            yield count
        finally:
            shell.execution_count += int(not early and store_history)

    def do_history(self, *arguments: Any, **options: Any) -> Any:
        """Return what was run before."""
        self._store()
        return super().do_history(*arguments, **options)

    def _store(self) -> None:
        """Enter the cells that were run into the history, in their order."""
        waiting, self._unstored = self._unstored, []
        for count, code in waiting:
            self.shell.history_manager.store_inputs(count, code, code)

    def _defined(self, name: str) -> bool:
        return name in self.shell.user_ns or hasattr(builtins, name)


def _deleted(cell_meta: Any) -> list[str]:
    """Return the ids of cells that the front end says were deleted since the last request."""
    found = cell_meta.get("deletedCells") if isinstance(cell_meta, dict) else None
    return [c for c in found if isinstance(c, str)] if isinstance(found, list) else []
