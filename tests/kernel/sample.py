"""Real events of made-up cells, for tests of what is shown."""

from __future__ import annotations

from toolscript import events as ev

SOURCE = """\
const hits = await tools.grepFiles({ pattern: "TODO", path: "." });
// Then see what the tests say.
const run = await tools.exec({ command: ["python", "-m", "unittest", "-q"] });
console.log(`${hits.length} TODOs, exit ${run.exitCode}`);
return { todos: hits.length, failed: run.exitCode !== 0 };
"""
DIFF = """\
--- a/shop/cart.py
+++ b/shop/cart.py
@@ -1,3 +1,3 @@
 def total(items):
-    return sum(i.price for i in items)
+    return sum(i.price * i.count for i in items)
"""


class Cell:
    """Collects events as a harness emits them, with a clock that steps by a tenth of a second."""

    def __init__(self) -> None:
        self.events: list[ev.BaseEvent] = []
        self._time = 1_000.0
        self.emitter = ev.Emitter(clock=self._tick)
        self.emitter.channel.listeners.append(self.events.append)

    def _tick(self) -> float:
        self._time += 0.1
        return self._time

    def say(self, *words: str) -> Cell:
        for word in words:
            self.emitter.emit(ev.MessageDelta, text=word, turn_id="t-1")
        return self


def turn() -> list[ev.BaseEvent]:
    """A whole turn: prose, a script with three operations, and an answer."""
    cell = Cell()
    e = cell.emitter.scoped(conversation_id="c-1", turn_id="t-1", step=1)
    e.emit(ev.TurnStarted, prompt="Fix the tests", agent="default", model="recorded")
    e.emit(ev.MessageDelta, text="I look for *TODOs* and ")
    e.emit(ev.MessageDelta, text="run the tests.\n\n")
    r = e.scoped(run_id="r-1")
    script(r)
    e.emit(ev.Usage, input_tokens=1200, output_tokens=80, cached_tokens=900, cost=0.0012, bytes_kept_out=4096)
    e.emit(ev.MessageDelta, text="Done: `total` counts each item now.")
    e.emit(ev.TurnFinished, status="completed", text="Done.", steps=2)
    return cell.events


def script(r: ev.Emitter, *, origin: str = "model") -> None:
    """A run with a read, a failing command and a patch that was asked for."""
    r.emit(ev.ScriptExecution, source=SOURCE, script_hash="f00d", origin=origin)
    r.emit(ev.ScriptStarted, script_hash="f00d")
    _operation(r, 1, "grepFiles", {"pattern": "TODO", "path": "."}, [{"path": "a.py", "line": 1, "text": "# TODO"}])
    _operation(
        r, 2, "exec", {"command": ["python", "-m", "unittest", "-q"]},
        {"exitCode": 1, "stdout": "Ran 3 tests in 0.012s"},
    )  # fmt: skip
    r.emit(
        ev.OperationStarted, operation=3, tool="applyPatch", arguments={"patch": "*** Begin Patch\n"}, line=4, column=7,
        effect="write",
    )  # fmt: skip
    r.emit(ev.ApprovalRequested, approval_id="a-1", operation=3, request={"tool": "applyPatch"})
    r.emit(ev.ApprovalResolved, approval_id="a-1", operation=3, decision="allow", by="notebook")
    r.emit(
        ev.OperationFinished, operation=3, tool="applyPatch", status=ev.OperationStatus.SUCCEEDED, diff=DIFF,
        output={"modified": ["shop/cart.py"], "added": [], "deleted": [], "moved": []}, duration_ms=12.5,
    )  # fmt: skip
    r.emit(ev.ScriptLog, level="log", text="1 TODOs, exit 1", line=4)
    r.emit(
        ev.ScriptExecutionOutput, status=ev.RunStatus.COMPLETED, script_hash="f00d",
        result={"todos": 1, "failed": True}, durations={"total": 250.0},
    )  # fmt: skip


def _operation(r: ev.Emitter, number: int, tool: str, arguments: object, output: object) -> None:
    r.emit(ev.OperationStarted, operation=number, tool=tool, arguments=arguments, line=number * 2 - 1, effect="read")
    r.emit(ev.OperationOutputDelta, operation=number, text="…")
    r.emit(
        ev.OperationFinished, operation=number, tool=tool, status=ev.OperationStatus.SUCCEEDED, output=output,
        duration_ms=8.25, output_bytes=21, handle="out-7",
    )  # fmt: skip
