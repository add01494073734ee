"""For each limit of a run: a script that reaches it when it is low, and what is told of it then."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio

from toolscript import tool

FILL = "const a = []; for (;;) a.push('x'.repeat(1000) + a.length);"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """``low`` is what the run is given; ``used`` the least and the most that may be told of what it used."""

    low: float
    script: str
    code: str
    used: tuple[float, float]
    shown: str
    """How a person reads what was allowed."""
    together: dict[str, float] = field(default_factory=dict)
    """Other limits that keep the case short."""


@tool(effect="read")
def long(size: int) -> str:
    """Returns a text of so many characters."""
    return "x" * size


class Crowd:
    """Counts how many calls are under way at once, at most."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def enter(self) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        await anyio.sleep(0.02)
        self.now -= 1


crowd = Crowd()


@tool(effect="read")
async def meet(n: int) -> int:
    """Stays for a moment, with all the others that are there."""
    await crowd.enter()
    return n


@tool(effect="network")
def send(n: int) -> int:
    """Needs consent, which nobody gives."""
    return n


ERRORS: dict[str, Case] = {
    "source_bytes": Case(
        low=400, script="return 1; // " + "x" * 500, code="source_limit", used=(513, 700), shown="400 bytes"
    ),
    "guest_seconds": Case(low=0.2, script="for (;;) {}", code="guest_time_limit", used=(0.2, 0.3), shown="0.2 s"),
    "wall_seconds": Case(low=0.2, script="await sleep(60000);", code="wall_time_limit", used=(0.2, 5), shown="0.2 s"),
    "heap_bytes": Case(low=3 << 20, script=FILL, code="heap_limit", used=(3 << 20, 3 << 20), shown="3 MB"),
    "stack_bytes": Case(
        low=100_000, script="const f = () => f() + 1; f();", code="stack_limit", used=(100_000, 100_000), shown="97.7 KB"
    ),
    "calls": Case(
        low=2, script="for (let n = 0; n < 4; n++) await tools.meet({ n });", code="call_limit", used=(3, 3), shown="2"
    ),
    "timers": Case(
        low=3, script="for (let i = 0; i < 9; i++) setTimeout(() => {}, 1); await sleep(50);", code="timer_limit",
        used=(4, 4), shown="3",
    ),
    "argument_bytes": Case(
        low=100, script="await tools.search({ query: 'x'.repeat(200) });", code="argument_limit", used=(212, 212),
        shown="100 bytes",
    ),
    "result_bytes": Case(
        low=100, script="return 'x'.repeat(200);", code="result_limit", used=(202, 202), shown="100 bytes"
    ),
    "tool_output_bytes": Case(
        low=1000, script="return tools.long({ size: 9000 });", code="output_too_large", used=(9002, 9002),
        shown="1000 bytes",
    ),
    "store_bytes": Case(
        low=100, script="store.set('k', 'x'.repeat(200));", code="store_limit", used=(202, 202), shown="100 bytes"
    ),
    "approval_seconds": Case(
        low=0.2, script="await tools.send({ n: 0 });", code="approval_expired", used=(0, 0), shown="0.2 s"
    ),
    "denials": Case(
        low=2, script="for (let n = 0; n < 5; n++) try { await tools.send({ n }); } catch {}", code="denial_limit",
        used=(2, 2), shown="2",
    ),
}  # fmt: skip
"""Limits that end a run, or a call of it."""
