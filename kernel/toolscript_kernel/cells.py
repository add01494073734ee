"""Decides what a cell is: a turn, a script, Python, commands to toolscript, or something for IPython."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

_COMMAND = re.compile(r"%(toolscript|agent)\b(.*)")
_MAGIC = re.compile(r"%%(\w+)(?:[ \t]+(.*))?$")
_HELP = re.compile(r"%{0,2}([A-Za-z_]\w*)(\.\w+)*\?{1,2}$")


class Kind(StrEnum):
    """Who takes the cell."""

    TURN = "turn"
    SCRIPT = "script"
    PYTHON = "python"
    IPYTHON = "ipython"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One ``%toolscript …`` or ``%agent …`` line above the rest of the cell."""

    magic: str
    arguments: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A cell taken apart.

    ``offset`` is the number of cell lines above ``body``; ``magic`` the name after ``%%`` and ``options`` the rest
    of that line; a plain cell has neither.
    """

    kind: Kind
    magic: str = ""
    body: str = ""
    options: str = ""
    offset: int = 0
    commands: tuple[Command, ...] = ()


def read(code: str, defined: Callable[[str], bool] = lambda name: False) -> Cell:
    """Return what the cell is. ``defined`` tells whether ``name?`` names something in Python.

    A prompt may well end with a question mark or begin with a percentage, so that only what IPython surely
    means goes to IPython.
    """
    lines = code.split("\n")
    commands: list[Command] = []
    for number, line in enumerate(lines):
        if (command := _COMMAND.fullmatch(line.strip())) is not None:
            commands.append(Command(magic=command[1], arguments=command[2].strip(), line=number + 1))
        elif line.strip():
            return replace(_rest(lines, number, defined), commands=tuple(commands))
    return Cell(kind=Kind.EMPTY, commands=tuple(commands))


def is_injected(cell: Cell) -> bool:
    """Say whether a plain cell is none that a person wrote as a prompt, but what papermill writes for ``-p``."""
    if cell.kind is not Kind.TURN or cell.magic or cell.commands or cell.body.split("\n", 1)[0] != "# Parameters":
        return False
    import ast
    import warnings

    try:
        with warnings.catch_warnings(action="ignore"):
            statements = ast.parse(cell.body).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return bool(statements) and all(isinstance(statement, ast.Assign | ast.AnnAssign) for statement in statements)


def python_lines(lines: list[str]) -> list[str]:
    """Take what is ours off the top of a Python cell, leaving blank lines: an input transformer for IPython."""
    cell = read("".join(lines))
    return cell.body.splitlines(keepends=True) if cell.kind in (Kind.PYTHON, Kind.IPYTHON) else lines


def _rest(lines: list[str], first: int, defined: Callable[[str], bool]) -> Cell:
    head, below = lines[first].rstrip(), "\n".join(lines[first + 1 :])
    magic = _MAGIC.fullmatch(head)
    options = (magic[2] or "").strip() if magic else ""
    if magic and magic[1] == "toolscript":
        return Cell(kind=Kind.SCRIPT, magic=magic[1], body=below, options=options, offset=first + 1)
    if magic and magic[1] == "agent":
        return Cell(kind=Kind.TURN, magic=magic[1], body=below.strip(), options=options, offset=first + 1)
    if magic and magic[1] == "py":
        # Blank lines stand for what was above, so that a traceback names the cell's own lines.
        return Cell(
            kind=Kind.PYTHON, magic=magic[1], body="\n" * (first + 1) + below, options=options, offset=first + 1
        )
    whole = "\n".join(lines[first:])
    if _is_ipython(head, whole, defined):
        return Cell(kind=Kind.IPYTHON, body="\n" * first + whole, offset=first)
    return Cell(kind=Kind.TURN, body=whole.strip(), offset=first)


def _is_ipython(head: str, whole: str, defined: Callable[[str], bool]) -> bool:
    if re.match(r"%%?[A-Za-z]|!{1,2}\S|! \S|\?{1,2}[%\w]", head):
        return True
    asked = _HELP.fullmatch(whole.strip())
    return asked is not None and (head.startswith("%") or defined(asked[1]))
