"""Decides what ``%toolscript …`` and ``%agent …`` do; only cells that a person ran reach them."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from toolscript.errors import ConfigError, ToolscriptError
from toolscript_kernel import answering, recall, undoing
from toolscript_kernel.cells import Cell, Command, Kind
from toolscript_kernel.desk import CellError, Desk, cell_error
from toolscript_kernel.stage import Stage

Said = str | dict[str, Any]
"""A text, or a whole display bundle."""
Shown = Said | Awaitable[Said]


WIDTH = 88
"""So many characters stand beside each other in a page of ordinary width."""
SHOWN_TASKS = 10
"""So many of the latest tasks are in the status."""
MCP_CHARS = 4_000
"""How much the status says of all servers."""


@dataclass(frozen=True, slots=True)
class Verb:
    """One command: how it is written, what it does in a few words, and the function that does it."""

    usage: str
    says: str
    act: Callable[[Desk, list[str]], Shown]


async def run(command: Command, desk: Desk, stage: Stage, *, alone: bool) -> str | None:
    """Carry out one command line; returns the agent that it selects for the prompt below it, if it does.

    Raises CellError.
    """
    try:
        if command.magic == "agent":
            return _agent(command, desk, stage, alone=alone)
        shown = _perform(desk, command.arguments)
        said = shown if isinstance(shown, str | dict) else await shown
    except ToolscriptError as error:
        raise cell_error(error) from None
    if said:
        stage.display({"text/plain": said} if isinstance(said, str) else said)
    return None


def for_agent(cell: Cell, agent: str | None) -> Cell:
    """Return the cell, its prompt meant for this agent."""
    return replace(cell, options=agent) if agent and cell.kind is Kind.TURN and not cell.options else cell


def register(shell: Any, desk: Desk) -> None:
    """Make the commands known to IPython as line magics, for completion and for cells that mix them with Python."""

    def toolscript(line: str) -> None:
        """Speak to toolscript: ``%toolscript help`` lists the commands."""
        try:
            shown = _perform(desk, line)
        except ToolscriptError as error:
            raise UsageError(error.message) from None
        if not isinstance(shown, str):
            close = getattr(shown, "close", None)
            if close is not None:
                close()
            raise UsageError(f"%toolscript {line.split(' ', maxsplit=1)[0]} needs a cell without Python in it")
        if shown:
            print(shown)

    def agent(line: str) -> None:
        """Choose the agent that plain cells speak to."""
        try:
            desk.agent = _known_agent(desk, line.strip()) or None
        except ToolscriptError as error:
            raise UsageError(error.message) from None

    from IPython.core.error import UsageError

    shell.register_magic_function(toolscript, "line", "toolscript")
    shell.register_magic_function(agent, "line", "agent")


def _perform(desk: Desk, line: str) -> Shown:
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise ConfigError(f"%toolscript: {str(error).lower()}; quote arguments as in a shell") from None
    name = words[0] if words else "help"
    if (verb := VERBS.get(name)) is None:
        raise ConfigError(f"%toolscript: there is no command {name!r}; commands are {', '.join(VERBS)}")
    return verb.act(desk, words[1:])


def _agent(command: Command, desk: Desk, stage: Stage, *, alone: bool) -> str | None:
    name = command.arguments
    if " " in name:
        raise CellError("ConfigError", f"%agent takes one name, got {name!r}; the prompt goes on the lines below")
    if _known_agent(desk, name) and not alone:
        return name
    if name:
        desk.agent = name
    stage.display({"text/plain": f"plain cells speak to {desk.agent or 'the default agent'}"})
    return None


def _known_agent(desk: Desk, name: str) -> str:
    """Return the name of an agent that there is, or none. Raises ConfigError with near names."""
    if name:
        desk.door.made().configuration.choose(name)
    return name


def _help(desk: Desk, words: list[str]) -> str:
    from toolscript_kernel.options import OPTIONS

    says = {f"%toolscript {verb.usage}": verb.says for verb in VERBS.values()} | CELLS | OPTIONS
    # Below each other, since side by side the lines are longer than a narrow page, which breaks them within words.
    return "\n".join(f"{written}\n    {meant}" for written, meant in says.items())


def _status(desk: Desk, words: list[str]) -> str:
    from toolscript.metrics import told
    from toolscript_kernel.record import inert

    harness = desk.door.made()
    facts = {
        "workspace": str(harness.workspace),
        "agent": desk.agent or f"{harness.chosen.agent.id} (by default)",
        "policy": f"{harness.policy.value}, commands {harness.sandbox.value}",
        "tools": str(len(harness.registry)),
        "waiting for approval": _waiting(harness),
        "allowed for this conversation": str(len(harness.permissions)),
        "tasks": _tasks(harness),
    } | told(harness.metrics())
    if servers := harness.served.told():
        facts["mcp"] = inert.one_line(servers, MCP_CHARS)
    return "\n".join(f"{name}: {value}" for name, value in facts.items())


def _waiting(harness: Any) -> str:
    count = len(harness.approvals.pending)
    return f"{count} (%toolscript approvals lists them)" if count else "0"


def _tasks(harness: Any) -> str:
    board = getattr(harness, "board", None)  # there from the first cell that needs the harness
    told = [f"{task['id']} ({task['tool']}) {task['status']}" for task in board.list()] if board is not None else []
    return ", ".join(told[-SHOWN_TASKS:]) or "none"


def _tools(desk: Desk, words: list[str]) -> str:
    from toolscript.registry.declarations import declaration

    registry = desk.door.made().registry
    if words:
        return "\n\n".join(declaration(registry.get(name).spec) for name in words)
    width = max((len(tool.spec.path) for tool in registry), default=0)
    listed = sorted(registry, key=lambda tool: tool.spec.path)
    heads = [f"{t.spec.path:<{width}}  {t.spec.effect.value:<7}  " for t in listed]
    return "\n".join(_hung(head, _first_sentence(t.spec.doc)) for head, t in zip(heads, listed, strict=True))


def _hung(head: str, words: str) -> str:
    """Return words beside a head, broken between words where a page would break them within one."""
    indent = " " * len(head)
    return textwrap.fill(words, max(WIDTH, len(head) + 20), initial_indent=head, subsequent_indent=indent)


def _allow(desk: Desk, words: list[str]) -> str:
    if not words:
        raise ConfigError("%toolscript allow: name the tool, and its arguments: allow exec git status")
    harness = desk.door.made()
    harness.registry.get(words[0])
    permission = harness.permissions.allow(words[0], *words[1:])
    return f"allowed for this conversation: {permission}"


def _answer(desk: Desk, words: list[str]) -> Shown:
    from toolscript.approvals.request import Choice

    choices = {"allow": Choice.ALLOW, "deny": Choice.DENY, "stop": Choice.DENY_AND_STOP}
    if not words or words[0] not in choices:
        raise ConfigError("%toolscript answer: say allow, deny or stop, and a reason if there is one")
    bridge, choice = desk.door.made().approvals, choices[words[0]]
    alone = desk.caller is None or desk.caller.alone
    request, reason = answering.named(bridge, words[1:], alone=alone)
    if request is not None:
        return answering.answered(bridge, request, choice, " ".join(reason))
    bridge.answer_next(choice, " ".join(reason))
    return (
        f"the next request of the next cell will be answered: {' '.join(words)}; unused, it is dropped with that cell"
    )


def _approvals(desk: Desk, words: list[str]) -> str:
    harness = desk.door.made()
    match words:
        case []:
            return answering.listed(harness)
        case ["revoke", number] if recall.is_number(number):
            return f"revoked: {harness.permissions.revoke(int(number))}"
        case ["clear"]:
            harness.permissions.clear()
            dropped = harness.approvals.forget_answers()
            return f"nothing is allowed ahead any more{f'; {dropped} unused answers dropped' if dropped else ''}"
    raise ConfigError("%toolscript approvals: say nothing, `revoke NUMBER`, or `clear`")


def _history(desk: Desk, words: list[str]) -> str:
    marks = desk.history.marks
    lines = [f"{n}. {_first_words(m.prompt)}  ({m.status}, {_count(len(m.runs))})" for n, m in enumerate(marks, 1)]
    harness = desk.door.harness
    left = len(harness.conversation.branches) if harness is not None else 0
    if left:
        lines.append(f"{left} earlier branch{'' if left == 1 else 'es'} left by running cells again")
    return "\n".join(lines) or "no turn yet"


def _workspace(desk: Desk, words: list[str]) -> Shown:
    match words:
        case []:
            return str(desk.door.workspace)
        case [folder]:
            return _moved(desk, folder)
    raise ConfigError("%toolscript workspace: name one directory, quoted if there are blanks in it")


async def _moved(desk: Desk, folder: str) -> str:
    await desk.door.move(Path(folder).expanduser())
    return f"the workspace is {folder}; a new conversation begins"


async def _reset(desk: Desk, words: list[str]) -> str:
    await desk.door.close()
    desk.agent = None
    return "a new conversation begins; files are as they were"


def _audit(desk: Desk, words: list[str]) -> str:
    run_id = recall.run_of(desk.shell.user_ns, words[0] if words else None)
    return recall.audited(desk.door.made(), run_id, desk.offsets.get(run_id))


async def _replay(desk: Desk, words: list[str]) -> Said:
    harness = await desk.door.open()
    replayed = await recall.replayed(harness, recall.run_of(desk.shell.user_ns, words[0] if words else None))
    if replayed.divergence is not None:
        raise CellError("Diverged", str(replayed.divergence))
    return recall.told(replayed)


def _resume(desk: Desk, words: list[str]) -> Shown:
    if not words:
        return recall.interrupted(desk.door.made())
    return _resumed(desk, words[0], recall.outcomes(words[1:]))


async def _resumed(desk: Desk, name: str, outcomes: dict[int, Any]) -> str:
    if name not in desk.door.made().interrupted_turns():
        await desk.resume(name, outcomes)
    elif outcomes:
        raise ConfigError(f"outcomes are said of calls of a run; resume the runs of {name} first, then the turn")
    else:
        await desk.resume_turn(name)
    return ""


async def _undo(desk: Desk, words: list[str]) -> str:
    picks = dict(word.rsplit("=", 1) for word in words if "=" in word)
    names = [_turn_of(desk, word) for word in words if "=" not in word] or [recall.run_of(desk.shell.user_ns)]
    try:
        return await undoing.undone(await desk.door.open(), names, picks)
    finally:
        if desk.caller is not None and desk.caller.shelf is not None:
            desk.caller.shelf.tell_undone()


def _turn_of(desk: Desk, word: str) -> str:
    """Return the turn that a number of the history means; anything else is a run or turn by its name."""
    marks = desk.history.marks
    return marks[int(word) - 1].turn_id if recall.is_number(word) and 0 < int(word) <= len(marks) else word


def _edit(desk: Desk, words: list[str]) -> str:
    runs = tuple(run for mark in desk.history.marks for run in mark.runs)
    desk.shell.set_next_input(recall.as_cell(runs, words[0] if words else None))
    return ""


def _first_words(prompt: str) -> str:
    from toolscript_kernel.record import inert

    return inert.one_line(" ".join(prompt.split()), 80)


def _count(scripts: int) -> str:
    return f"{scripts} script{'' if scripts == 1 else 's'}"


def _first_sentence(doc: str) -> str:
    return f"{' '.join(doc.split()).split('. ')[0].rstrip('.')}"


CELLS = {
    "%agent NAME": "say who plain cells speak to; above a prompt, for it alone",
    "%%agent NAME": "the cell is a prompt for this agent",
    "%%py": "the cell is Python",
    "%%toolscript [OPTION]…": "the cell is a script; its options are:",
}
"""Other ways to begin a cell, for the list of commands."""
VERBS: dict[str, Verb] = {
    "help": Verb("help", "list these commands", _help),
    "status": Verb("status", "show workspace, policy, what waits, what the workers did", _status),
    "tools": Verb("tools [NAME]…", "list the tools, or show some as TypeScript", _tools),
    "allow": Verb("allow TOOL [ARGUMENTS]…", "allow such calls for this conversation", _allow),
    "answer": Verb(
        "answer allow|deny|stop [ID] [REASON]", "answer what waits, else the next request of the next cell", _answer
    ),
    "approvals": Verb("approvals [revoke NUMBER|clear]", "list or take back what is allowed", _approvals),
    "history": Verb("history", "show the turns of the conversation", _history),
    "edit": Verb("edit [NUMBER|RUN]", "turn a script of the model into a cell below", _edit),
    "audit": Verb("audit [RUN]", "tell what a run did, from its journal", _audit),
    "replay": Verb("replay [RUN|FILE]", "run a recorded script again, touching no tool", _replay),
    "resume": Verb(
        "resume [CONVERSATION|RUN [NUMBER=again|fail|JSON]…]", "go on with a turn or run whose kernel died", _resume
    ),
    "undo": Verb("undo [RUN|NUMBER]… [PATH=keep|restore|merge]…", "take file changes of runs and turns back", _undo),
    "workspace": Verb("workspace [DIRECTORY]", "show the workspace, or end what runs and go to another", _workspace),
    "reset": Verb("reset", "end what runs and begin a new conversation", _reset),
}
