"""Decides what one command of the editor would do to the files, without doing it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from toolscript.errors import ToolError
from toolscript.registry.context import ToolContext
from toolscript.registry.files import Files, Place, State
from toolscript_tools.editor.history import History, Step
from toolscript_tools.editor.model import COMMANDS, EditorInput, EditorOutput
from toolscript_tools.editor.text import inserted, refused, replaced, viewed
from toolscript_tools.files.effects import check_editable
from toolscript_tools.patch import file_diff

MAX_ENTRIES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One command, worked out. ``writes`` is false for a view; ``content`` None then means that the file goes.

    ``undoes`` is the edit that an undo takes back.
    """

    place: Place
    before: State
    output: EditorOutput
    writes: bool = False
    content: bytes | None = None
    undoes: Step | None = None


def work_out(arguments: EditorInput, context: ToolContext, history: History, *, looking: bool = True) -> Work:
    """Return what the command would do. Raises ToolError with the message that models know.

    Without ``looking`` a view shows nothing yet: it may still need consent.
    """
    command, path = arguments.command, arguments.path
    place = _place(command, path, context)
    match command:
        case "view":
            return _view(arguments, place, context) if looking else _unseen(arguments, place)
        case "create":
            text = _required(arguments.file_text, "file_text", command)
            return _writing(place, path, State(kind="missing"), encoded(text), EditorOutput(path=path))
        case "str_replace" | "insert":
            return _edit(arguments, place, context.files)
        case "undo_edit":
            return _undo(place, path, context, history)
        case _:
            allowed = ", ".join(COMMANDS)
            tool = "str_replace_editor"
            raise refused(f"Unrecognized command {command}. The allowed commands for the {tool} tool are: {allowed}")


def encoded(text: str) -> bytes:
    """Return the bytes of a text; raises ToolError for one that no file can hold."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise refused("the text holds a lone surrogate, which cannot be written to a file") from None


def _place(command: str, path: str, context: ToolContext) -> Place:
    place = context.files.place(path, context.cwd)
    if place.kind == "missing" and command != "create":
        raise refused(f"The path {path} does not exist. Please provide a valid path.", "not_found")
    if place.kind != "missing" and command == "create":
        raise refused(f"File already exists at: {path}. Cannot overwrite files using command `create`.", "exists")
    if place.kind == "directory" and command != "view":
        only = "only the `view` command can be used on directories"
        raise refused(f"The path {path} is a directory and {only}", "is_directory")
    return place


def _unseen(arguments: EditorInput, place: Place) -> Work:
    # No digest: a view changes nothing, and the file may be large.
    return Work(place=place, before=State(kind=place.kind), output=EditorOutput(path=arguments.path))


def _view(arguments: EditorInput, place: Place, context: ToolContext) -> Work:
    path = arguments.path
    if place.kind == "directory":
        if arguments.view_range is not None:
            raise refused("The `view_range` parameter is not allowed when `path` points to a directory.")
        entries = [path, *_listing(path, place, context)]
        return Work(place=place, before=State(kind="directory"), output=EditorOutput(path=path, entries=entries))
    # Looking at a state is free; reading is not.
    state = State(kind="file", data=_allowed(place, path, context.files))
    shown = viewed(_decoded(state, path), arguments.view_range)
    output = EditorOutput(path=path, content=shown.text, first_line=shown.first_line)
    return Work(place=place, before=state, output=output)


def _listing(path: str, place: Place, context: ToolContext) -> list[str]:
    found: list[str] = []
    for name, is_directory in _visible(place, context.files):
        child = f"{path.rstrip('/')}/{name}"
        found.append(child)
        if is_directory:
            inner = context.files.place(child, context.cwd)
            found.extend(f"{child}/{below}" for below, _ in _visible(inner, context.files))
        if len(found) > MAX_ENTRIES:
            raise refused(f"The path {path} holds more than {MAX_ENTRIES} entries; view a directory in it.", "too_many")
    return found


def _visible(place: Place, files: Files) -> Iterator[tuple[str, bool]]:
    entries = [entry for entry in files.entries(place) if not entry.name.startswith(".")]
    yield from sorted((entry.name, entry.kind == "directory") for entry in entries)


def _edit(arguments: EditorInput, place: Place, files: Files) -> Work:
    path, command = arguments.path, arguments.command
    if command == "str_replace":
        old = _required(arguments.old_str, "old_str", command)
        state = _read(place, path, files)
        edited = replaced(_decoded(state, path), old, arguments.new_str or "", path)
    else:
        line = arguments.insert_line
        if line is None:
            raise _missing("insert_line", command)
        given = arguments.insert_text if arguments.insert_text is not None else arguments.new_str
        text = _required(given, "new_str", command)
        state = _read(place, path, files)
        edited = inserted(_decoded(state, path), line, text)
    output = EditorOutput(path=path, content=edited.snippet.text, first_line=edited.snippet.first_line)
    return _writing(place, path, state, encoded(edited.text), output)


def _undo(place: Place, path: str, context: ToolContext, history: History) -> Work:
    now = context.files.state(place, content=True)
    steps = history.of(context.conversation_id, place.path)
    if not steps:
        raise refused(f"No edit history found for {path}.", "no_history")
    # Edits that no longer stand (planned only, or rewound) are passed over.
    step = next((step for step in steps if step.after == now.digest), None)
    if step is None:
        raise refused(
            f"The file {path} was changed since its last edit; undoing that would lose the change.", "changed"
        )
    content = None if step.before is None else step.before.decode(errors="replace")
    output = EditorOutput(path=path, content=content, first_line=None if content is None else 1)
    return _writing(place, path, now, step.before, output, undoes=step)


def _writing(
    place: Place, path: str, before: State, content: bytes | None, output: EditorOutput, *, undoes: Step | None = None
) -> Work:
    diff = file_diff(path, before.data, content)
    output = output.model_copy(update={"diff": diff})
    return Work(place=place, before=before, output=output, writes=True, content=content, undoes=undoes)


def _allowed(place: Place, path: str, files: Files) -> bytes:
    try:
        return files.read(place)
    except ToolError as error:
        raise failing(error, "read", path) from error


def _read(place: Place, path: str, files: Files) -> State:
    try:
        check_editable(files, place)
        state = files.state(place, content=True)
        if state.kind != "file":
            raise ToolError("it is not a regular file", code="not_a_file")
        if state.data is None:
            raise ToolError("a file too large to be edited as a whole", code="file_too_large")
    except ToolError as error:
        raise failing(error, "read", path) from error
    return state


def failing(error: ToolError, what: str, path: str) -> ToolError:
    """Return the error for files that cannot be read or written."""
    return ToolError(
        f"Ran into {error.message} while trying to {what} {path}",
        tool="strReplaceEditor",
        code=error.code,
        details=error.details,
    )


def _decoded(state: State, path: str) -> str:
    try:
        return (state.data or b"").decode()
    except UnicodeDecodeError as error:
        what = f"bytes that are no UTF-8 text (at {error.start}) while trying to read {path}"
        raise refused(f"Ran into {what}", "not_utf8") from None


def _required(value: str | None, name: str, command: str) -> str:
    if value is None:
        raise _missing(name, command)
    return value


def _missing(name: str, command: str) -> ToolError:
    return refused(f"Parameter `{name}` is required for command: {command}", argument=name)
