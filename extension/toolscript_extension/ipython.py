"""Decides how the ordinary Python kernel and IPython run ``%%toolscript`` and ``%%agent`` cells: by awaiting them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from toolscript_kernel.cells import Kind, read
from toolscript_kernel.desk import CellError
from toolscript_kernel.session import Session

_HOOK = "_toolscript_cell"


class Face:
    """What ``%load_ext toolscript_extension`` adds to one shell; taken away by ``%unload_ext``."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        kernel = getattr(shell, "kernel", None)
        self.session = Session(shell, kernel)
        self._undo: list[Callable[[], None]] = []
        setattr(shell, _HOOK, self._cell)
        # Among the line transformers: those of clean-up also decide when a console takes a cell for complete.
        shell.input_transformer_manager.line_transforms.insert(0, awaited)
        shell.register_magic_function(_toolscript, "cell", "toolscript")
        shell.register_magic_function(_agent, "cell", "agent")
        if kernel is not None:
            self.session.start()
            self._wrap(kernel, "do_shutdown", self._shutdown)
            self._wrap(kernel, "do_inspect", self._inspect)
            self._wrap(kernel, "do_complete", self._complete)

    def remove(self) -> None:
        """Take everything back; what runs is ended with the kernel."""
        self._shell.input_transformer_manager.line_transforms.remove(awaited)
        for undo in reversed(self._undo):
            undo()

    async def _cell(self, code: str) -> None:
        parent = self._parent()
        content, metadata = parent.get("content") or {}, parent.get("metadata") or {}
        caller = self.session.caller(
            allow_stdin=bool(content.get("allow_stdin")), cell_id=metadata.get("cellId") or None
        )
        deleted = metadata.get("deletedCells")
        gone = [c for c in deleted if isinstance(c, str)] if isinstance(deleted, list) else []
        try:
            await self.session.run(read(code), caller, gone)
        except CellError as error:
            raise _shown(error) from None

    def _parent(self) -> dict[str, Any]:
        kernel = getattr(self._shell, "kernel", None)
        return dict(kernel.get_parent("shell") or {}) if kernel is not None else {}

    def _wrap(self, kernel: Any, name: str, wrapper: Callable[..., Any]) -> None:
        original = getattr(kernel, name)

        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            async def stock() -> Any:
                answer = original(*args, **kwargs)
                return await answer if inspect.isawaitable(answer) else answer

            return await wrapper(stock, *args)

        setattr(kernel, name, wrapped)
        self._undo.append(lambda: delattr(kernel, name))

    async def _shutdown(self, stock: Callable[[], Any], *_: Any) -> Any:
        await self.session.end()
        return await stock()

    async def _inspect(self, stock: Callable[[], Any], code: str, cursor: int, *_: Any) -> Any:
        found = self.session.inspect(code, cursor) if _is_ours(code) else None
        return found if found is not None else await stock()

    async def _complete(self, stock: Callable[[], Any], code: str, cursor: int, *_: Any) -> Any:
        asked = _is_ours(code) or _line_is_ours(code, cursor)
        found = self.session.complete(code, cursor) if asked else None
        return found if found is not None else await stock()


def awaited(lines: list[str]) -> list[str]:
    """Turn a cell of ours into one that IPython awaits: cell magics are called, not awaited."""
    code = "".join(lines)
    return [f"await get_ipython().{_HOOK}({code!r})\n"] if _is_ours(code) else lines


def _is_ours(code: str) -> bool:
    """Tell whether a cell is ours in a Python kernel, where a plain cell is Python."""
    cell = read(code)
    commands_alone = cell.kind is Kind.EMPTY and bool(cell.commands)
    return cell.magic in ("toolscript", "agent") or commands_alone


def _line_is_ours(code: str, cursor: int) -> bool:
    line = code[code.rfind("\n", 0, cursor) + 1 : cursor]
    return line.startswith(("%toolscript ", "%agent "))


def _shown(error: CellError) -> Exception:
    """Return an exception that IPython shows as the cell's error, under its own name."""
    lines = list(error.lines)
    members = {"_render_traceback_": lambda self: lines, "__module__": "toolscript"}
    kind: type[Exception] = type(error.name, (Exception,), members)
    return kind(error.message)


def _toolscript(line: str, cell: str) -> None:
    """Run a script: ``%%toolscript [options]``. Listed for ``%lsmagic``; cells are awaited before they get here."""
    raise RuntimeError("%%toolscript stands on the first line of a cell")


def _agent(line: str, cell: str) -> None:
    """Let an agent answer the prompt below: ``%%agent [NAME]``."""
    raise RuntimeError("%%agent stands on the first line of a cell")
