"""Decides which ten coding workflows are measured: the files, the prompt, the ways to do it, and when it is done.

Both ways are those of a model that knows its tools: independent structured calls go out together, scripts return
only what is needed next. ``done`` looks at the files and the answer, not at the way.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Call = tuple[str, dict[str, Any]]
PYTHON = sys.executable


@dataclass(frozen=True, kw_only=True)
class Workflow:
    """One task, two ways. ``calls`` are the structured calls of each step, ``scripts`` the script of each step."""

    name: str
    prompt: str
    files: Callable[[Path], None]
    calls: tuple[tuple[Call, ...], ...]
    scripts: tuple[str, ...]
    answer: str
    done: Callable[[Path, str], bool]


def write(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def read(*paths: str) -> tuple[Call, ...]:
    return tuple(("read_file", {"path": path}) for path in paths)


def patch(path: str, old: str, new: str) -> Call:
    body = f"*** Begin Patch\n*** Update File: {path}\n@@\n-{old}\n+{new}\n*** End Patch"
    return ("apply_patch", {"patch": body})


def run(*command: str) -> Call:
    return ("exec", {"command": list(command)})


# 1 ── rename a function everywhere it is used

MODULES = [f"src/part{n}.py" for n in range(6)]


def _rename_files(root: Path) -> None:
    for n, path in enumerate(MODULES):
        filler = "\n".join(f"VALUE_{i} = {i * n}" for i in range(40))
        write(root, path, f"from lib import load_cfg\n{filler}\n\n\ndef part{n}():\n    return load_cfg({n})\n")
    write(root, "lib.py", "def load_cfg(n):\n    return n\n")


def _renamed(root: Path, answer: str) -> bool:
    texts = [(root / path).read_text() for path in [*MODULES, "lib.py"]]
    return all("load_cfg" not in text and "load_config" in text for text in texts)


RENAME = Workflow(
    name="rename a function in 7 files",
    prompt="Rename the function load_cfg to load_config everywhere.",
    files=_rename_files,
    calls=(
        (("grep_files", {"pattern": "load_cfg"}),),
        read("lib.py", *MODULES),
        (
            patch("lib.py", "def load_cfg(n):", "def load_config(n):"),
            *(patch(path, "from lib import load_cfg", "from lib import load_config") for path in MODULES),
        ),
        tuple(patch(p, f"    return load_cfg({n})", f"    return load_config({n})") for n, p in enumerate(MODULES)),
        (("grep_files", {"pattern": "load_cfg"}),),
    ),
    scripts=(
        """
const hits = await tools.grepFiles({ pattern: "load_cfg" });
const paths = [...new Set(hits.map((hit) => hit.path))];
await Promise.all(paths.map(async (path) => {
  const text = await tools.readFile({ path });
  await tools.writeFile({ path, content: text.replaceAll("load_cfg", "load_config") });
}));
const left = await tools.grepFiles({ pattern: "load_cfg" });
return { changed: paths.length, left: left.length };
""",
    ),
    answer="load_cfg is load_config now, in 7 files.",
    done=_renamed,
)

# 2 ── run the tests, mend what fails, run them again

TEST = "import unittest\nfrom prices import total\n\n\nclass T(unittest.TestCase):\n"
TEST += "    def test_total(self):\n        self.assertEqual(total([2, 3]), 5)\n\n"
TEST += "".join(f"    def test_{n}(self):\n        self.assertEqual(total([{n}]), {n})\n\n" for n in range(30))
TEST += "\nif __name__ == '__main__':\n    unittest.main()\n"
PRICES = "def total(items):\n    result = 0\n    for item in items:\n        result = item\n    return result\n"
TESTS = (PYTHON, "-B", "-m", "unittest", "-v", "test_prices")


def _tests_pass(root: Path, answer: str) -> bool:
    return subprocess.run(TESTS, cwd=root, capture_output=True, check=False).returncode == 0


FIX = Workflow(
    name="mend a failing test",
    prompt="The tests fail. Find out why, mend the code, and see that they pass.",
    files=lambda root: (write(root, "prices.py", PRICES), write(root, "test_prices.py", TEST))[0],
    calls=(
        (run(*TESTS),),
        read("prices.py", "test_prices.py"),
        (patch("prices.py", "        result = item", "        result += item"),),
        (run(*TESTS),),
    ),
    scripts=(
        f"""
const run = await tools.exec({{ command: {json.dumps(TESTS)} }});
const lines = (run.stdout + run.stderr).split("\\n");
const failing = lines.filter((line) => /^(FAIL|ERROR|AssertionError)/.test(line));
return {{ exitCode: run.exitCode, failing, source: await tools.readFile({{ path: "prices.py" }}) }};
""",
        f"""
const source = await tools.readFile({{ path: "prices.py" }});
await tools.writeFile({{ path: "prices.py", content: source.replace("result = item", "result += item") }});
const run = await tools.exec({{ command: {json.dumps(TESTS)} }});
return {{ exitCode: run.exitCode, last: run.stderr.trim().split("\\n").at(-1) }};
""",
    ),
    answer="total kept only the last item; it adds them up now, and all tests pass.",
    done=_tests_pass,
)

# 3 ── change some of many files, depending on what is in them

SERVICES = [f"configs/service{n:02}.ini" for n in range(12)]


def _config_files(root: Path) -> None:
    for n, path in enumerate(SERVICES):
        rest = "\n".join(f"option{i} = {i}" for i in range(25))
        write(root, path, f"[main]\ndebug = {'true' if n % 3 == 0 else 'false'}\n{rest}\n")


CONDITIONAL = Workflow(
    name="patch files on a condition",
    prompt="Switch debug off in every configuration that has it on. Which were they?",
    files=_config_files,
    calls=(
        (("list_dir", {"path": "configs"}),),
        read(*SERVICES),
        tuple(patch(path, "debug = true", "debug = false") for path in SERVICES[::3]),
    ),
    scripts=(
        """
const files = (await tools.listDir({ path: "configs" })).filter((entry) => entry.path.endsWith(".ini"));
const changed = [];
await Promise.all(files.map(async ({ path }) => {
  const text = await tools.readFile({ path });
  if (!text.includes("debug = true")) return;
  await tools.writeFile({ path, content: text.replace("debug = true", "debug = false") });
  changed.push(path);
}));
return changed.sort();
""",
    ),
    answer="service00, service03, service06 and service09.",
    done=lambda root, answer: all("debug = false" in (root / p).read_text() for p in SERVICES) and "03" in answer,
)

# 4 ── build several targets at once and tell which fail

TARGETS = ("web", "api", "worker", "docs")


def _build_files(root: Path) -> None:
    for name in TARGETS:
        noise = "".join(f"print('compiling {name} unit {n}')\n" for n in range(120))
        end = "raise SystemExit('missing symbol: render')\n" if name == "docs" else "print('ok')\n"
        write(root, f"build/{name}.py", noise + end)


BUILDS = Workflow(
    name="build four targets together",
    prompt="Build all four targets in build/ and tell me which fail and why.",
    files=_build_files,
    calls=(tuple(run(PYTHON, f"build/{name}.py") for name in TARGETS),),
    scripts=(
        f"""
const targets = {json.dumps(TARGETS)};
const build = (name) => tools.exec({{ command: [{json.dumps(PYTHON)}, `build/${{name}}.py`] }});
const runs = await Promise.all(targets.map(build));
return runs.map((run, i) => ({{ target: targets[i], ok: run.exitCode === 0, why: run.stderr.trim() }}));
""",
    ),
    answer="Only docs fails: missing symbol: render.",
    done=lambda root, answer: "docs" in answer and "render" in answer,
)

# 5 ── count errors in large logs

LOGS = [f"logs/node{n}.log" for n in range(3)]


def _log_files(root: Path) -> None:
    for n, path in enumerate(LOGS):
        lines = [f"12:{i % 60:02} INFO request {i} served in {i % 90} ms by node {n}" for i in range(2500)]
        for i in range(0, 2500, 60 + 10 * n):
            lines[i] = f"12:{i % 60:02} ERROR E{(i // 10) % 4 + 500} upstream closed the connection"
        write(root, path, "\n".join(lines) + "\n")


def _log_counts(root: Path) -> dict[str, int]:
    counts: dict[str, int] = {}
    for path in LOGS:
        for line in (root / path).read_text().splitlines():
            if " ERROR " in line:
                code = line.split()[2]
                counts[code] = counts.get(code, 0) + 1
    return counts


LOG_TRIAGE = Workflow(
    name="triage 370 KB of logs",
    prompt="Which error codes are in the logs, and how often each? Answer with a line for each code.",
    files=_log_files,
    calls=(tuple(("grep_files", {"pattern": " ERROR ", "path": path, "mode": "lines"}) for path in LOGS),),
    scripts=(
        """
const logs = await tools.listDir({ path: "logs" });
const counts: Record<string, number> = {};
for (const text of await Promise.all(logs.map(({ path }) => tools.readFile({ path })))) {
  for (const [, code] of text.matchAll(/ ERROR (E\\d+)/g)) counts[code] = (counts[code] ?? 0) + 1;
}
return counts;
""",
    ),
    answer="E500: 62\nE501: 9\nE502: 30\nE503: 9",
    done=lambda root, answer: all(f"{code}: {n}" in answer for code, n in _log_counts(root).items()),
)

# 6 ── find packages that disagree about a dependency

PACKAGES = [f"packages/p{n}/package.json" for n in range(8)]


def _package_files(root: Path) -> None:
    for n, path in enumerate(PACKAGES):
        dependencies = {f"lib-{i}": f"^{i}.{2 if n == 5 and i == 7 else 1}.0" for i in range(20)}
        write(root, path, json.dumps({"name": f"p{n}", "dependencies": dependencies}, indent=2))


AUDIT = Workflow(
    name="audit dependencies of 8 packages",
    prompt="Do our packages agree on the versions of what they depend on? Name those that do not.",
    files=_package_files,
    calls=((("list_dir", {"path": "packages"}),), read(*PACKAGES)),
    scripts=(
        """
const folders = (await tools.listDir({ path: "packages", depth: 1 })).filter((entry) => entry.type === "directory");
const manifests = await Promise.all(folders.map(({ path }) => tools.readFile({ path: `${path}/package.json` })));
const seen = new Map<string, Map<string, string[]>>();
for (const { name, dependencies } of manifests.map((text) => JSON.parse(text))) {
  for (const [dependency, version] of Object.entries(dependencies)) {
    const versions = seen.get(dependency) ?? seen.set(dependency, new Map()).get(dependency);
    versions.set(version, [...(versions.get(version) ?? []), name]);
  }
}
return [...seen].filter(([, versions]) => versions.size > 1).map(([name, versions]) => [name, [...versions]]);
""",
    ),
    answer="All but one agree: p5 wants lib-7 ^7.2.0, the others ^7.1.0.",
    done=lambda root, answer: "lib-7" in answer and "p5" in answer,
)

# 7 ── put a header into files that lack it

SOURCES = [f"lib/m{n:02}.js" for n in range(10)]
HEADER = "// SPDX-License-Identifier: Apache-2.0"


def _header_files(root: Path) -> None:
    for n, path in enumerate(SOURCES):
        text = f"export const m{n} = {n};\n" * 20
        write(root, path, f"{HEADER}\n{text}" if n % 2 else text)


def with_header(path: str, first: str) -> Call:
    body = f"*** Begin Patch\n*** Update File: {path}\n@@\n+{HEADER}\n {first}\n*** End Patch"
    return ("apply_patch", {"patch": body})


HEADERS = Workflow(
    name="add missing licence headers",
    prompt=f"Every .js file in lib/ begins with the line `{HEADER}`. Add it where it is missing.",
    files=_header_files,
    calls=(
        (("list_dir", {"path": "lib"}), ("grep_files", {"pattern": "SPDX", "path": "lib", "mode": "files"})),
        tuple(("read_file", {"path": path, "limit": 3}) for path in SOURCES[::2]),
        tuple(with_header(p, f"export const m{n * 2} = {n * 2};") for n, p in enumerate(SOURCES[::2])),
    ),
    scripts=(
        f"""
const header = {json.dumps(HEADER)};
const files = (await tools.listDir({{ path: "lib" }})).filter((entry) => entry.path.endsWith(".js"));
const texts = await Promise.all(files.map(({{ path }}) => tools.readFile({{ path }})));
const missing = files.map(({{ path }}, i) => [path, texts[i]]).filter(([, text]) => !text.startsWith(header));
await Promise.all(missing.map(([path, text]) => tools.writeFile({{ path, content: `${{header}}\\n${{text}}` }})));
return missing.length;
""",
    ),
    answer="Five files lacked the header; they have it now.",
    done=lambda root, answer: all((root / p).read_text().startswith(HEADER) for p in SOURCES),
)

# 8 ── find modules that nothing uses

NAMES = [f"util{n:02}" for n in range(9)]


def _unused_files(root: Path) -> None:
    for name in NAMES:
        write(root, f"app/{name}.py", f"def {name}():\n    return 1\n")
    used = "\n".join(f"from {name} import {name}" for name in NAMES if name != "util04")
    write(root, "app/main.py", used + "\n")


UNUSED = Workflow(
    name="find an unused module",
    prompt="Which modules in app/ are imported by no other?",
    files=_unused_files,
    calls=(
        (("list_dir", {"path": "app"}),),
        tuple(("grep_files", {"pattern": f"import {name}", "path": "app", "mode": "counts"}) for name in NAMES),
    ),
    scripts=(
        """
const modules = (await tools.listDir({ path: "app" })).map((entry) => entry.path.split("/").at(-1).replace(".py", ""));
const imports = await tools.grepFiles({ pattern: "^(from|import) ", path: "app" });
return modules.filter((name) => !imports.some((hit) => hit.text.includes(name)));
""",
    ),
    answer="util04 (and main, where the program begins).",
    done=lambda root, answer: "util04" in answer,
)

# 9 ── sum up a history


def _history(root: Path) -> None:
    git = ("git", "-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")
    subprocess.run([*git, "init", "-q"], cwd=root, check=True)
    for n in range(6):
        write(root, f"f{n % 3}.txt", "line\n" * (10 * n + 5))
        subprocess.run([*git, "add", "."], cwd=root, check=True)
        kind = "Fix" if n % 2 else "Add"
        subprocess.run([*git, "commit", "-q", "-m", f"{kind} part {n}"], cwd=root, check=True, capture_output=True)


HISTORY = Workflow(
    name="sum up a git history",
    prompt="How many of the last six commits are fixes, and how many lines did those add?",
    files=_history,
    calls=(
        (run("git", "log", "--format=%h %s", "-6"),),
        tuple(run("git", "show", "--stat", "--format=%s", f"HEAD~{n}") for n in (0, 2, 4)),
    ),
    scripts=(
        """
const log = await tools.exec({ command: ["git", "log", "-6", "--format=%h %s"] });
const fixes = log.stdout.trim().split("\\n").filter((line) => line.slice(8).startsWith("Fix"));
const stats = await Promise.all(fixes.map((line) =>
  tools.exec({ command: ["git", "show", "--shortstat", "--format=", line.split(" ")[0]] })));
const added = stats.map((stat) => Number(/(\\d+) insertion/.exec(stat.stdout)?.[1] ?? 0));
return { fixes: fixes.length, added: added.reduce((a, b) => a + b, 0) };
""",
    ),
    answer="Three of the six are fixes; together they added 75 lines.",
    done=lambda root, answer: "75" in answer,
)

# 10 ── bring data to a new form

RECORDS = [f"data/r{n}.json" for n in range(5)]


def _record_files(root: Path) -> None:
    for n, path in enumerate(RECORDS):
        write(root, path, json.dumps({"version": 1, "items": [{"id": i, "cents": i * 100 + n} for i in range(60)]}))


def _version_two(n: int) -> dict[str, Any]:
    items = [{"id": i, "price": {"amount": (i * 100 + n) / 100, "currency": "EUR"}} for i in range(60)]
    return {"version": 2, "items": items}


MIGRATE = Workflow(
    name="migrate 5 data files",
    prompt='Bring data/*.json to version 2: "cents": c becomes "price": {"amount": c / 100, "currency": "EUR"}.',
    files=_record_files,
    calls=(
        (("list_dir", {"path": "data"}),),
        read(*RECORDS),
        tuple(("write_file", {"path": p, "content": json.dumps(_version_two(n))}) for n, p in enumerate(RECORDS)),
    ),
    scripts=(
        """
const files = await tools.listDir({ path: "data" });
await Promise.all(files.map(async ({ path }) => {
  const { items } = JSON.parse(await tools.readFile({ path }));
  const migrated = items.map(({ id, cents }) => ({ id, price: { amount: cents / 100, currency: "EUR" } }));
  await tools.writeFile({ path, content: JSON.stringify({ version: 2, items: migrated }) });
}));
return files.length;
""",
    ),
    answer="All five files are at version 2.",
    done=lambda root, answer: all(json.loads((root / p).read_text()) == _version_two(n) for n, p in enumerate(RECORDS)),
)

WORKFLOWS = (RENAME, FIX, CONDITIONAL, BUILDS, LOG_TRIAGE, AUDIT, HEADERS, UNUSED, HISTORY, MIGRATE)
