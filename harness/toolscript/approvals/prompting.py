"""Decides the words of a question on the terminal, and how a typed line is understood."""

from __future__ import annotations

import json
import os
import shlex
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from toolscript.approvals.brief import first, rest
from toolscript.approvals.folding import folded
from toolscript.approvals.request import ApprovalRequest, Choice, Decision
from toolscript.approvals.text import SCOPE, WHAT, WHY, Section, conversation_scope
from toolscript.approvals.visible import one_line
from toolscript.errors import Json

BY = "terminal"
MARGIN = "  | "
FRAME = 4
"""Columns that the panel's border and its padding take."""
SHORT = 45
TITLES = {WHAT: "What", WHY: "Why", "Justification by the script": "The script says"}
"""How the titles of the first part are said where there is little room."""


@dataclass(frozen=True, slots=True)
class View:
    """Show everything, nothing cut."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Let the person change the arguments."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Give one answer to all that wait."""

    decision: Decision


@dataclass(frozen=True, slots=True)
class Help:
    """Say what may be typed; the line was no answer."""

    text: str


Answer = Decision | View | Edit | Batch | Help


def panel(request: ApprovalRequest, *, width: int = 80, full: bool = False) -> Panel:
    """Return a request as it stands on a terminal of this width: text only, nothing of it acts.

    What it would do comes first, then why it asks, and what else must be read before answering; ``full`` adds all
    that is known besides, and cuts nothing.
    """
    body = Text()
    for section in _shown(request, full):
        _append(body, section, width - FRAME)
    body.rstrip()
    return Panel(body, title=f"toolscript asks: {one_line(request.tool)}", title_align="left", border_style="yellow")


def _shown(request: ApprovalRequest, full: bool) -> list[Section]:
    scope = conversation_scope(request)
    told = first(request, full=full) + (rest(request) if full else [])
    if scope and (full or len(scope) > SHORT):
        told.append(Section(title=SCOPE, text=scope))
    return told


def _append(body: Text, section: Section, width: int) -> None:
    title = TITLES.get(section.title, section.title)
    fact = section.kind not in ("code", "diff")
    head, *more = folded(f"{title}  {section.text}" if fact else title, width, width - len(MARGIN))
    body.append(head[: len(title)], style="bold red" if section.kind == "warning" else "bold")
    body.append(f"{head[len(title) :]}\n")
    for part in more:
        body.append(f"{MARGIN}{part}\n")
    for line in () if fact else section.text.removesuffix("\n").split("\n"):
        style = _diff_style(line) if section.kind == "diff" else ""
        # Folded here and not by the terminal: no part of a long line may pass for a line of the request.
        for part in folded(line, width - len(MARGIN)):
            body.append(f"{MARGIN}{part}\n", style=style)


def _diff_style(line: str) -> str:
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")


def question(request: ApprovalRequest, *, others: int = 0, width: int | None = None) -> str:
    """Return the line that asks, broken between answers at ``width``; only what this request takes is offered."""
    scope = conversation_scope(request)
    answers = ["[y] allow once", *([f"[a]llow for this conversation ({_short(scope)})"] if scope else [])]
    answers += ["[e]dit", "[n] deny REASON", "[s]top the turn REASON"]
    all_of_them = f" ({others} more wait: y! and n! answer all)" if others > 0 else ""
    line = ""
    for answer in [*(f"{answer}, " for answer in answers), f"[v]iew all{all_of_them}: "]:
        room = width is None or cell_len(line.rpartition("\n")[2] + answer) <= width
        line = line + answer if room else f"{line.rstrip()}\n{answer}"
    return line


def read_answer(line: str, request: ApprovalRequest) -> Answer:
    """Return what a typed line means; anything but a clear answer is none, above all an empty line."""
    word, _, reason = line.strip().partition(" ")
    reason = reason.strip()
    match word.lower():
        case "y" | "yes" if not reason:
            return Decision(choice=Choice.ALLOW, by=BY)
        case "a" if not reason and conversation_scope(request):
            return Decision(choice=Choice.ALLOW_CONVERSATION, by=BY)
        case "n" | "no":
            return Decision(choice=Choice.DENY, by=BY, reason=reason)
        case "s":
            return Decision(choice=Choice.DENY_AND_STOP, by=BY, reason=reason)
        case "y!" if not reason:
            return Batch(Decision(choice=Choice.ALLOW, by=BY))
        case "n!":
            return Batch(Decision(choice=Choice.DENY, by=BY, reason=reason))
        case "e" if not reason:
            return Edit()
        case "v" if not reason:
            return View()
        case _:
            return Help("Type one of the letters in brackets, and Enter.")


def _short(scope: str) -> str:
    """Return a scope for the line that asks; what does not fit stands in the panel above it."""
    return scope if len(scope) <= SHORT else "as shown above"


Run = Callable[[list[str]], int]
"""Runs a command on the terminal until it ends and returns its exit code. Raises OSError."""


def edited(request: ApprovalRequest, run: Run, console: Console) -> Json:
    """Return the arguments as the person changed them in an editor; None if they did not, or wrote no JSON."""
    with tempfile.TemporaryDirectory(prefix="toolscript-") as directory:
        path = Path(directory) / "arguments.json"
        path.write_text(json.dumps(request.arguments, indent=2) + "\n")
        if not _opened(path, run, console):
            return None
        after = path.read_text(errors="replace")
    try:
        changed = json.loads(after)
    except (ValueError, RecursionError) as error:
        console.print(f"That is not JSON: {error}")
        return None
    if changed == request.arguments:
        console.print("Nothing was changed.")
        return None
    return changed


def _opened(path: Path, run: Run, console: Console) -> bool:
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        code = run([*shlex.split(command), str(path)])
    except (OSError, ValueError) as error:
        console.print(f"The editor {command!r} did not start: {error}; set EDITOR")
        return False
    if code != 0:
        console.print(f"The editor {command!r} ended with {code}; nothing was changed.")
    return code == 0
