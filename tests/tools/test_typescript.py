"""The declarations of the facade, read by TypeScript's own compiler in its strictest mode."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import mcp_types
import pytest
from anyio.abc import TaskGroup
from pydantic import BaseModel
from tests.oracles import npm_program

from toolscript.registry.declarations import declarations
from toolscript.registry.function import tool
from toolscript.registry.registry import Registry
from toolscript.registry.tool import Tool
from toolscript_tools import tools
from toolscript_tools.mcp import McpServer
from toolscript_tools.mcp.connection import Connection
from toolscript_tools.mcp.tool import tool_of

STRICT = ("--noEmit", "--strict", "--noUncheckedIndexedAccess", "--target", "es2022", "--lib", "es2023", "--types", "")


def compiled(folder: Path, facade: Iterable[Tool], script: str, *, documented: bool = False) -> str:
    """Return what the compiler says of a script against the declarations of these tools; nothing where it is content."""
    compiler = npm_program("tsc")
    text = declarations(Registry(facade).select(), lazy=True, documented=documented)
    (folder / "facade.d.ts").write_text(text, encoding="utf-8")
    (folder / "script.ts").write_text(f"async function script() {{\n{script}\n}}\nexport {{}};\n", encoding="utf-8")
    done = subprocess.run(
        [compiler, *STRICT, "facade.d.ts", "script.ts"], cwd=folder, capture_output=True, text=True, timeout=120
    )
    return done.stdout + done.stderr


SCRIPT = """
const text: string = await readFile("a.ts");
const part: string = await tools.readFile({ path: "big.log", offset: 100, limit: 20 });
await readFile("a.ts", 3, 4);
await readFile("a.ts", { mode: "indentation", indentation: { anchorLine: 3 } });
await writeFile("a.ts", text.toUpperCase());
const made: boolean = (await writeFile("a/b.ts", part, { createDirs: true })).created;
const { exitCode, stdout, timedOut } = await shell("npm test", { timeoutMs: 1000, env: { A: "b" } });
const ran = await exec(["ls", "-l"], { cwd: "src" });
const code: number = exitCode + ran.exitCode;
for (const m of await grepFiles("TODO", "src")) console.log(m.path, m.line?.toFixed(), m.text?.length);
const files = (await listDir("src")).filter((entry) => entry.type === "file").map((entry) => entry.size);
const best = (await fileSearch({ query: "kernel", limit: 1 }))[0];
const [a, b] = await Promise.all([readFile("a"), tools.exec({ command: ["b"] })]);
const moved = (await applyPatch(`*** Begin Patch\n*** End Patch`)).moved.map((m) => m.from + m.to);
await strReplaceEditor({ command: "insert", path: "/a", insertLine: 0, insertText: "x" });
const found = await tools.search("git");
const told = await tools.describe(found[0]?.name ?? "");
const answer: string = (await tools.agent({ agent: "reviewer", prompt: "?" })).text;
const task = tools.spawn.exec({ command: ["sleep", "1"], scope: "conversation" });
const ended: number = (await task.done).exitCode;
const infos = await tools.spawn.list();
await tools.spawn.cancel(infos[0]?.id ?? task.id);
const later = (await tools.spawn.get(task.id)).done;
const waited: any = await tools.spawn.wait(task.id);
const timer: number = setTimeout((word: string) => console.log(word), 10, "x");
clearTimeout(timer);
await sleep(10);
store.set("k", { n: [1] });
if (store.has("k")) for (const key of store.keys()) store.delete(key);
try { await readFile("missing"); } catch (error) {
  const failure = error as ToolError;
  console.error(failure.name, failure.code, failure.tool, failure.message, failure.details.exitCode, failure.stack);
}
const limit: number | undefined = context.limits.timeoutMs;
const image = await viewImage("plot.png");
return { text, a, b, best, code, ended, files, image, later, limit, made, moved, stdout, timedOut, told, answer, waited, n: params.n };
"""

WRONG = """
// @ts-expect-error no such tool
await tools.nothing({});
// @ts-expect-error a misspelt argument
await tools.readFile({ pth: "a" });
// @ts-expect-error a number for a text
await writeFile("a", 3);
// @ts-expect-error the result is frozen text, not an object
(await readFile("a")).content;
// @ts-expect-error a command line is for shell
await exec("ls -l");
// @ts-expect-error no such command of the editor
await strReplaceEditor({ command: "delete", path: "/a" });
// @ts-expect-error a scope that there is not
tools.spawn.exec({ command: ["ls"], scope: "ever" });
// @ts-expect-error the context cannot be changed
context.agent = "other";
// @ts-expect-error there are no globals of a browser
document.title;
// @ts-expect-error nor of Node
process.env;
"""


@pytest.mark.parametrize("documented", [False, True], ids=["for prompts", "with arguments explained"])
def test_what_scripts_usually_do_type_checks(tmp_path: Path, documented: bool) -> None:
    assert compiled(tmp_path, tools(), SCRIPT, documented=documented) == ""


def test_what_is_wrong_is_an_error_of_types(tmp_path: Path) -> None:
    assert compiled(tmp_path, tools(), WRONG) == ""


class Error(BaseModel):
    """A model that has the name of one of the language's types."""

    reason: str


class Found(BaseModel):
    """A model that has the name of another tool's."""

    count: int


def failures(text: str = "*/ }") -> Error:
    """Lists `failures` */ }"""
    raise NotImplementedError


def count(what: list[str], exact: bool = False) -> Found:
    """Counts."""
    raise NotImplementedError


def nothing() -> None:
    """Does nothing."""


def test_tools_of_others_take_no_name_from_the_language_or_from_each_other(tmp_path: Path) -> None:
    script = """
    const reason: string = (await tools.failures("x")).reason;
    const n: number = (await tools.count(["a"], true)).count + (await tools.count({ what: [] })).count;
    const name: string | undefined = (await tools.search("x"))[0]?.name;
    const error: Error = new Error("still the language's own");
    await tools.nothing();
    const done: TaskHandle<{ count: number }> = tools.spawn.count({ what: [] });
    return [reason, n, name, error.stack, done];
    """
    assert compiled(tmp_path, [*tools(), tool(failures), tool(count), tool(nothing)], script) == ""


def remote(name: str, schema: dict[str, Any], output: dict[str, Any] | None = None) -> Tool:
    """Return one tool as an MCP server would offer it."""
    described = {"name": name, "description": "*/ does `it`\n@x */", "inputSchema": schema}
    connection = Connection(McpServer(name="box", command="true"), cast(TaskGroup, None), (), lambda changed: None)
    found = mcp_types.Tool.model_validate(described | ({"outputSchema": output} if output else {}))
    return tool_of(connection, "box", name, found)


def test_tools_of_servers_have_their_types_also_as_tasks(tmp_path: Path) -> None:
    text = {"type": "string"}
    look = remote(
        "look",
        {"type": "object", "properties": {"place": text, "deep-er": {"type": "integer"}}, "required": ["place"]},
        {"type": "object", "properties": {"found": {"type": "array", "items": text}}, "required": ["found"]},
    )
    loop = remote(
        "loop", {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"$ref": "#/$defs/n"}}}
    )
    script = """
    const found: string[] = (await tools.mcp.box.look({ place: "x", "deep-er": 2 })).structuredContent.found;
    const task = tools.spawn.mcp.box.look({ place: "x", scope: "turn" });
    // @ts-expect-error the place is missing
    await tools.mcp.box.look({});
    await tools.mcp.box.loop({ n: 1 });
    return [found, (await task.done).content.length];
    """
    assert compiled(tmp_path, [*tools(), look, loop], script) == ""
