"""Decides what a finished command's output looks like to a script, and to a model."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from toolscript import units
from toolscript.confine.protect import Restored
from toolscript.registry.context import ToolContext
from toolscript_tools.shell.collect import Collector
from toolscript_tools.shell.denial import denied_by_sandbox, signal_name
from toolscript_tools.shell.models import CommandOutput
from toolscript_tools.shell.run import Ending
from toolscript_tools.shell.truncation import Budget, HeadTail, shortened, truncated

TIMEOUT_EXIT = 124
MODEL_TOKENS = 10_000
_SLACK = 4096
"""Room for the other fields within the size that a result may have."""


@dataclass(frozen=True, slots=True)
class _Cut:
    text: str
    handle: str | None

    @property
    def size(self) -> int:
        return len(json.dumps(self.text, ensure_ascii=False).encode("utf-8", "replace"))


def exit_code(ending: Ending, *, flooded: bool) -> int:
    """Return the code that scripts see: 124 after a timeout, 128 + n after signal n."""
    if ending.timed_out:
        return TIMEOUT_EXIT
    if flooded or ending.code is None:
        return 128 + signal.SIGKILL
    return ending.code if ending.code >= 0 else 128 - ending.code


def describe(
    ending: Ending, collector: Collector, context: ToolContext, *, limit: int, confined: bool
) -> CommandOutput:
    """Return the output of a command, each text cut to ``limit`` bytes and the whole kept behind handles."""
    code = exit_code(ending, flooded=collector.flooded)
    stdout, stderr, together = _fitted(collector, context, limit)
    sandbox = sys.platform if confined and not ending.timed_out else None
    denied = denied_by_sandbox(code, stdout.text, stderr.text, together.text, sandbox=sandbox)
    notes = [*_endings(ending, collector, code), *_denial(denied), *_restoration(ending.restored, context)]
    return CommandOutput(
        exit_code=code, stdout=stdout.text, stderr=stderr.text, aggregated_output=together.text,
        duration_ms=round(ending.seconds * 1000), timed_out=ending.timed_out,
        truncated=any(cut.handle for cut in (stdout, stderr, together)), handle=together.handle,
        stdout_handle=stdout.handle, stderr_handle=stderr.handle, sandbox_denied=denied or None,
        note="; ".join(notes) or None, restored=[os.fspath(each.path) for each in ending.restored] or None,
    )  # fmt: skip


def _fitted(collector: Collector, context: ToolContext, limit: int) -> list[_Cut]:
    """Cut the three texts so that they fit into one result together, however much JSON's escapes add."""
    kept: dict[bytes, str] = {}
    streams = [collector.kept["stdout"], collector.kept["stderr"], collector.together]
    cuts = [_cut(stream, context, limit, kept) for stream in streams]
    while limit > 0 and sum(cut.size for cut in cuts) > max(0, context.max_output_bytes - _SLACK):
        limit //= 2
        cuts = [_cut(stream, context, limit, kept) for stream in streams]
    return cuts


def _cut(stream: HeadTail, context: ToolContext, limit: int, kept: dict[bytes, str]) -> _Cut:
    data = stream.marked()
    text, cut = shortened(data, limit)
    if not cut and not stream.omitted:
        return _Cut(text, None)
    if data not in kept:
        # A command that wrote to one stream only has the same text twice: it is kept once.
        kept[data] = context.outputs.keep(data)
    return _Cut(text, kept[data])


def _endings(ending: Ending, collector: Collector, code: int) -> list[str]:
    notes = []
    if collector.flooded:
        notes.append(f"ended: it wrote more than {units.size(collector.most)}")
    elif ending.too_many_processes:
        notes.append("ended: it had too many processes")
    elif ending.code is not None and ending.code < 0:
        notes.append(f"ended by {signal_name(code - 128)}")
    if ending.left:
        notes.append(f"processes that could not be ended: {', '.join(map(str, ending.left))}")
    return notes


def _denial(denied: bool) -> list[str]:
    if not denied:
        return []
    return ["the sandbox probably stopped it: withEscalatedPermissions and a justification ask for consent"]


_DONE = {
    "put back": "protected files were changed and put back",
    "removed": "what would make git (or another program) run something was removed",
    "made harmless": "what could make git run a program was taken out of",
    "not searched": "too many directories to look through for new git configuration in",
    "closed": "closed, so that nobody can look for new git configuration in",
    "left": "can make git run a program, and could not be removed (nor made harmless)",
}


def _restoration(restored: Sequence[Restored], context: ToolContext) -> list[str]:
    if not restored:
        return []
    # Somebody else may have written them meanwhile: what they had become is not lost.
    handle = context.outputs.keep("\n".join(f"{each.path}\n{each.became}" for each in restored).encode())
    notes = []
    for did, words in _DONE.items():
        if names := ", ".join(os.fspath(each.path) for each in restored if each.did == did):
            notes.append(f"{words}: {names}")
    return [*notes, f"what they had become: handle {handle}"]


def rendered(output: CommandOutput, budget: Budget | None = None) -> str:
    """Return the text that a structured call gives to a model: code, wall time, and the output within a budget."""
    body = output.aggregated_output
    if output.timed_out:
        body = f"command timed out after {output.duration_ms} milliseconds\n{body}"
    cut = truncated(body, budget or Budget(tokens=MODEL_TOKENS))
    lines = [f"Exit code: {output.exit_code}", f"Wall time: {round(output.duration_ms / 1000, 1):g} seconds"]
    if len(cut.splitlines()) != len(body.splitlines()):
        lines.append(f"Total output lines: {len(body.splitlines())}")
    if output.note:
        lines.append(f"Note: {output.note}")
    if output.handle:
        lines.append(f"Full output: handle {output.handle}")
    return "\n".join([*lines, "Output:", cut])
