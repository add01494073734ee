"""Decides what each line of a patch means, given the lines before it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from toolscript_tools.patch.failures import InvalidPatch
from toolscript_tools.patch.model import AddFile, Chunk, DeleteFile, Hunk, UpdateFile
from toolscript_tools.patch.text import trim, trim_end

BEGIN = "*** Begin Patch"
END = "*** End Patch"
ENVIRONMENT = "*** Environment ID:"
ADD = "*** Add File: "
DELETE = "*** Delete File: "
UPDATE = "*** Update File: "
MOVE = "*** Move to: "
END_OF_FILE = "*** End of File"

FIRST_LINE = f"The first line of the patch must be '{BEGIN}'"
LAST_LINE = f"The last line of the patch must be '{END}'"
_HEADERS = "'*** Add File: {path}', '*** Delete File: {path}', '*** Update File: {path}'"
_NO_LINES = "Update hunk does not contain any lines"


class State(Enum):
    """Where in the patch the next line stands."""

    NOT_STARTED = auto()
    STARTED = auto()
    ADD = auto()
    DELETE = auto()
    UPDATE = auto()
    ENDED = auto()


@dataclass(slots=True)
class _OpenChunk:
    context: str | None = None
    old: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    kept: list[tuple[int, int]] = field(default_factory=list)
    end_of_file: bool = False

    @property
    def empty(self) -> bool:
        return not self.old and not self.new

    def closed(self) -> Chunk:
        return Chunk(self.context, tuple(self.old), tuple(self.new), tuple(self.kept), self.end_of_file)


@dataclass(slots=True)
class _OpenHunk:
    path: str
    line: int
    move_to: str | None = None
    content: list[str] = field(default_factory=list)
    chunks: list[_OpenChunk] = field(default_factory=list)


class LineMachine:
    """Takes the lines of a patch one by one, without their endings, and collects its hunks."""

    def __init__(self) -> None:
        self.state = State.NOT_STARTED
        self.environment_id: str | None = None
        self._line = 0
        self._closed: list[Hunk] = []
        self._open: _OpenHunk | None = None

    def hunks(self) -> tuple[Hunk, ...]:
        """Return the hunks so far, the open one included as far as it has come."""
        if self._open is None:
            return tuple(self._closed)
        return (*self._closed, self._frozen(self._open))

    def take(self, line: str) -> None:
        """Take the next line; raises InvalidPatch if it cannot stand there."""
        self._line += 1
        match self.state:
            case State.NOT_STARTED:
                if trim(line) != BEGIN:
                    raise InvalidPatch(FIRST_LINE)
                self.state = State.STARTED
            case State.STARTED:
                if not self._environment(trim(line)):
                    self._header_only(trim(line))
            case State.ADD:
                self._add(line)
            case State.DELETE:
                self._header_only(trim(line))
            case State.UPDATE:
                self._update(line)
            case State.ENDED:
                if trim(line):
                    raise InvalidPatch(LAST_LINE)

    def take_last(self, line: str | None) -> None:
        """Take the rest of the text, None if it ended with a newline; raises InvalidPatch if the patch is not over.

        On this one line the end marker may be indented, even within an update.
        """
        if line is not None and trim(line) == END:
            self._line += 1
            if self.state is State.NOT_STARTED:
                raise InvalidPatch(FIRST_LINE)
            if self.state is not State.ENDED:
                self._header(END, END)
        elif line is not None:
            self.take(line)
        if self.state is not State.ENDED:
            raise InvalidPatch(LAST_LINE)

    def _environment(self, line: str) -> bool:
        if not line.startswith(ENVIRONMENT):
            return False
        value = trim(line[len(ENVIRONMENT) :])
        if not value:
            raise InvalidPatch("apply_patch environment_id cannot be empty")
        if self.environment_id is not None:
            raise InvalidPatch("apply_patch environment_id cannot be specified more than once")
        self.environment_id = value
        return True

    def _header_only(self, line: str) -> None:
        if not self._header(line, line):
            raise InvalidPatch(f"'{line}' is not a valid hunk header. Valid hunk headers: {_HEADERS}", self._line)

    def _header(self, line: str, raw: str) -> bool:
        if line == END:
            self._close(raw, ending=True)
            self.state = State.ENDED
            return True
        for prefix, state in ((ADD, State.ADD), (DELETE, State.DELETE), (UPDATE, State.UPDATE)):
            if line.startswith(prefix):
                self._close(raw)
                self.state = state
                self._open = _OpenHunk(line[len(prefix) :], self._line)
                return True
        return False

    def _add(self, line: str) -> None:
        assert self._open is not None
        if line.startswith("+"):
            self._open.content.append(line[1:])
        else:
            self._header_only(trim(line))

    def _update(self, line: str) -> None:
        assert self._open is not None
        bare = trim_end(line)
        if self._header(bare, line):
            return
        last = self._open.chunks[-1] if self._open.chunks else None
        marker = bare == "@@" or bare.startswith("@@ ")
        if last is not None and last.end_of_file and not marker:
            if bare:
                raise self._expected_marker(line)
        elif last is None and self._open.move_to is None and bare.startswith(MOVE):
            self._open.move_to = bare[len(MOVE) :]
        elif marker:
            if last is not None and last.empty:
                raise self._unexpected(line)
            self._open.chunks.append(_OpenChunk(bare[3:] if len(bare) > 2 else None))
        elif bare == END_OF_FILE:
            self._end_of_file(last)
        else:
            self._content(self._open, last, line)

    def _end_of_file(self, last: _OpenChunk | None) -> None:
        if last is not None and last.empty:
            raise InvalidPatch(_NO_LINES, self._line)
        if last is not None:
            last.end_of_file = True

    def _content(self, hunk: _OpenHunk, last: _OpenChunk | None, line: str) -> None:
        kind, text = (line[0], line[1:]) if line else (" ", "")
        if kind not in " +-":
            raise self._unexpected(line) if last is None or last.empty else self._expected_marker(line)
        if last is None:
            last = _OpenChunk()
            hunk.chunks.append(last)
        if kind == " ":
            last.kept.append((len(last.old), len(last.new)))
        if kind in " -":
            last.old.append(text)
        if kind in " +":
            last.new.append(text)

    def _close(self, raw: str, *, ending: bool = False) -> None:
        hunk = self._open
        if hunk is None:
            return
        if self.state is State.UPDATE:
            if not hunk.chunks:
                raise InvalidPatch(f"Update file hunk for path '{hunk.path}' is empty", hunk.line)
            if hunk.chunks[-1].empty:
                raise InvalidPatch(_NO_LINES, self._line) if ending else self._unexpected(raw)
        self._closed.append(self._frozen(hunk))
        self._open = None

    def _frozen(self, hunk: _OpenHunk) -> Hunk:
        match self.state:
            case State.ADD:
                return AddFile(hunk.path, "".join(f"{line}\n" for line in hunk.content))
            case State.DELETE:
                return DeleteFile(hunk.path)
            case _:
                return UpdateFile(hunk.path, hunk.move_to, tuple(chunk.closed() for chunk in hunk.chunks))

    def _unexpected(self, line: str) -> InvalidPatch:
        return InvalidPatch(
            f"Unexpected line found in update hunk: '{line}'. Every line should start with "
            "' ' (context line), '+' (added line), or '-' (removed line)",
            self._line,
        )

    def _expected_marker(self, line: str) -> InvalidPatch:
        return InvalidPatch(f"Expected update hunk to start with a @@ context marker, got: '{line}'", self._line)
