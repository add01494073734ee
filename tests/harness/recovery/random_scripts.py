"""Random concurrent scripts: every combinator, timers, retries, recursion, helpers, console, store, chance and dates."""

from __future__ import annotations

import random

HEAD = """
async function retry<T>(times: number, f: () => Promise<T>): Promise<T> {
  for (;;) { try { return await f() } catch (e) { if (--times < 0) throw e; console.warn('again', times, Date.now() % 2 >= 0) } }
}
async function walk(n: number): Promise<number> {
  if (n <= 0) return work(1, n, false) as Promise<number>;
  const [a, b] = await Promise.all([walk(n - 1), sleep(Math.random() * 2).then(() => n)]);
  return a + b;
}
const work = (ms: number, value: unknown, fail: boolean) => tools.work({ms, value, fail});
const told = (e: any) => 'E:' + (e.errors ? e.errors.length : e.name + e.message);
const seen = <T,>(name: string) => (v: T) => { console.log(name, JSON.stringify(v)); return v };
"""


class Writer:
    """Writes one script; the same seed writes the same."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._names = 0
        self._calls = 0

    def script(self) -> str:
        lines = [f"const r{n} = await {self._caught(self._promise(3))};" for n in range(self._chance.randint(1, 4))]
        names = ", ".join(f"r{n}" for n in range(len(lines)))
        lines.insert(self._chance.randrange(len(lines) + 1), self._aside())
        end = self._chance.choice(
            [
                f"return [{names}]",
                f"return [{names}, Math.random(), new Date().getTime() > 0]",
                "throw new Error('end')",
            ]
        )
        return HEAD + "\n".join([*lines, end])

    def _promise(self, depth: int) -> str:
        if depth == 0 or self._calls > 20 or self._chance.random() < 0.25:
            return self._leaf()
        pick = self._chance.choice(("all", "race", "any", "allSettled", "then", "retry", "chain", "helper"))
        below = depth - 1
        match pick:
            case "all" | "race" | "any" | "allSettled":
                inner = ", ".join(self._promise(below) for _ in range(self._chance.randint(1, 4)))
                return f"Promise.{pick}([{inner}])"
            case "then":
                return f"{self._promise(below)}.then(seen('{self._name()}'))"
            case "retry":
                return f"retry({self._chance.randint(0, 2)}, () => {self._promise(below)})"
            case "chain":
                return f"{self._caught(self._promise(below))}.then(() => {self._promise(below)})"
            case _:
                return f"(async () => {{ const a = await {self._promise(below)}; {self._aside()} return a; }})()"

    def _leaf(self) -> str:
        self._calls += 1
        ms, value = self._chance.randint(0, 4), self._chance.randrange(100)
        match self._chance.randrange(8):
            case 0:
                return f"sleep({ms}).then(() => {value})"
            case 1:
                return f"new Promise((r) => {{ const t = setTimeout(() => r({value}), {ms}); {self._aside()} }})"
            case 2:
                return f"walk({self._chance.randint(0, 2)})"
            case 3:
                return f"new Promise((_, no) => {{ const t = setTimeout(() => no(new Error('late')), {ms}) }})"
            case 4:
                return f"tools.spawn.work({{ms: {ms}, value: {value}, fail: false}}).done"
            case _:
                return f"work({ms}, {value}, {str(self._chance.random() < 0.3).lower()})"

    def _aside(self) -> str:
        return self._chance.choice(
            (
                f"console.log('{self._name()}', Math.random(), Date.now());",
                f"store.set('k{self._chance.randrange(3)}', Math.floor(Math.random() * 9));",
                f"console.info(store.get('k{self._chance.randrange(3)}') ?? null);",
                f"clearTimeout(setTimeout(() => console.log('never'), {self._chance.randrange(3)}));",
                f"setTimeout(() => console.log('{self._name()}'), {self._chance.randrange(4)});",
                f"void {self._caught(self._leaf())};" if self._calls < 20 else ";",
            )
        )

    def _caught(self, promise: str) -> str:
        return f"({promise}).catch(told)"

    def _name(self) -> str:
        self._names += 1
        return f"n{self._names}"
