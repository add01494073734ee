"""Types go, everything else stays where it is; what cannot be erased exactly is refused with its place."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import _quickjs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.harness.language.replies import CORPUS

import toolscript
from toolscript.errors import Position, ScriptSyntaxError, ToolscriptError, UnsupportedTypeScript
from toolscript.language.blank import blank
from toolscript.language.positions import author_position

ROWS = json.loads((CORPUS / "typescript.json").read_text("utf-8"))
BLANKED = [row for row in ROWS if "blanked" in row]
REFUSED = [row for row in ROWS if "error" in row]
PRELUDE = "var R; globalThis.tools = 1; globalThis.params = 2; globalThis.f = (...a) => a.length; globalThis.a = 3;"


def evaluated(prepared: str) -> object:
    """Return what the body gives in a real engine, or its error as text."""
    context = _quickjs.Context()
    context.eval(PRELUDE)
    context.eval(
        f"(async () => {{\n{prepared}\n}})().then(v => {{ R = JSON.stringify({{v}}) }}, e => {{ R = '' + e }})"
    )
    while context.execute_pending_job():
        pass
    text = context.eval("R")
    return json.loads(text).get("v") if text.startswith("{") else text


def line_ends(text: str) -> list[int]:
    return [at for at, c in enumerate(text) if c == "\n"]


@pytest.mark.parametrize("row", BLANKED, ids=lambda row: row["source"][:40])
def test_this_typescript_becomes_this_javascript(row: dict[str, str]):
    assert blank(row["source"]) == row["blanked"]


@pytest.mark.parametrize("row", BLANKED, ids=lambda row: row["source"][:40])
def test_every_line_and_column_stays(row: dict[str, str]):
    source, blanked = row["source"], row["blanked"]

    assert line_ends(source) == line_ends(blanked[: len(source)])
    assert all(new in (old, " ", "\u00a0", "\u3000", ";", "(", ")") for old, new in zip(source, blanked, strict=False))


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row["source"][:40])
def test_this_typescript_is_refused_at_this_place(row: dict[str, object]):
    with pytest.raises(ToolscriptError) as caught:
        blank(str(row["source"]))

    assert type(caught.value).__name__ == row["error"]
    assert caught.value.position == Position(row["line"], row["column"])


@pytest.mark.parametrize("row", BLANKED, ids=lambda row: row["source"][:40])
def test_what_was_blanked_is_blank(row: dict[str, str]):
    assert blank(row["blanked"]) == row["blanked"]


@pytest.mark.parametrize(
    ("source", "construct", "alternative"),
    [
        ("enum E { A }", "enum", "const Name"),
        ("namespace N { export const a = 1 }", "namespace", "object"),
        ("class A { constructor(public a: string) {} }", "parameter property", "this.x = x"),
        ("@d class A {}", "decorator", "call the function"),
        ("import a = A.B", "import alias", "const X = A.B"),
        ("return <T>x", "<T>value", "value as T"),
    ],
)
def test_what_cannot_be_erased_is_named_with_what_to_write_instead(source: str, construct: str, alternative: str):
    with pytest.raises(UnsupportedTypeScript) as caught:
        blank(source)

    assert construct in caught.value.details["construct"]
    assert alternative in caught.value.details["alternative"]


@pytest.mark.parametrize("source", ['import fs from "fs"', 'import "x"', "export const a = 1", 'export * from "x"'])
def test_modules_are_refused_with_what_scripts_have_instead(source: str):
    with pytest.raises(ScriptSyntaxError, match=r"tools|return value"):
        blank(source + "\nfoo()")


@pytest.mark.parametrize(
    ("source", "position", "says"),
    [
        ("const a = 1\nconst = 2", (2, 7), "unexpected '='"),
        ("foo bar", (1, 5), "unexpected 'bar'"),
        ("if (a {\n b()\n}", (1, 7), "`(` at column 4 of this line is not closed"),
        ("f(1, 2\nb()", (2, 1), "`(` at column 2, 1 line above, is not closed"),
        ("function f() {\n return 1\n", (3, 1), "`{` at column 14, 2 lines above, is not closed"),
        ("x.y({\n a: [1,\n 2\n})", (4, 1), "`}` at column 1 of this line cannot close `[` at column 5, 2 lines above,"),
        ("foo())", (1, 6), "closes nothing"),
        ("const s = 'abc\nfoo()", (1, 11), "string"),
        ("const s = `abc\nfoo()", (1, 11), "template"),
        ("a()\n/* never", (2, 1), "comment"),
        ("const é = '日本', = 1", (1, 17), "unexpected '='"),
        ("const x: = 5", (1, 10), "unexpected '='"),
        ("const o = {\n a: 1\n b: 2\n}", (3, 2), "unexpected 'b'"),
    ],
)
def test_a_syntax_error_names_the_token_that_does_not_fit(source: str, position: tuple[int, int], says: str):
    with pytest.raises(ScriptSyntaxError) as caught:
        blank(source)

    assert caught.value.position == Position(*position)
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("13", 13),
        ("1\n14", 14),
        ("// c\n15", 15),
        ("const a: number = 15 // x\na + 1", 16),
        ("const a = 15 /* x\n */\na + 2", 17),
        ('"use strict"\n18', 18),
        ("type A = 1\n\n19\ninterface B {}", 19),
        ("({a: 20})", {"a": 20}),
        ("`21`", "21"),
        ("22;;", 22),
        ("22;\n// end", 22),
        ("const b = 24\r\nb", 24),
        ("declare const x: unique symbol /* c */\n26", 26),
        ("if (1) { } // c\n28", 28),
        ("1; /* a */ 29", 29),
        ("{\n 5 }\n/* x */ (30)", 30),
        ("#!/usr/bin/node\n31", 31),
        ("\ufeff#!/usr/bin/node\n31", 31),
        ("const x = 1\nx as any as number", 1),
        ("1,\n2", 2),
        ("await Promise.resolve(3)", 3),
        ("let x = 4\nx = 5", 5),
        ("const f = 1;\n`${f}`", "1"),
        ("for (const x of [1]) {}", None),
        ("let x = 4", None),
        ("", None),
        ("// only a comment", None),
        ("return 7\n8", 7),
    ],
)
def test_the_value_of_a_last_expression_is_the_result(source: str, result: object):
    prepared = blank(source, last_expression=True)

    assert evaluated(prepared) == result
    assert prepared.count("\n") == source.count("\n")


def place_of_error(prepared: str) -> tuple[int, int]:
    """Return line and column, as the engine counts them, of what the body throws."""
    context = _quickjs.Context()
    context.eval("var R")
    context.eval(f"(async () => {{\n{prepared}\n}})().catch(e => {{ R = e.stack }})")
    while context.execute_pending_job():
        pass
    found = re.search(r"<input>:(\d+):(\d+)", context.eval("R"))
    assert found is not None
    return int(found[1]) - 1, int(found[2])


@pytest.mark.parametrize("last_expression", [False, True])
@pytest.mark.parametrize(
    "source",
    [
        "nope",
        "1\nnope",
        "'é'; nope",
        "const x: string = '日本'; nope",
        "const x = '😀' as string; nope",
        "1 // c\n  nope",
        "const f = (a: Array<'ü'>) => a, y = nope",
        "type Größe = 'ß'; let a = 1; a; nope",
        "/* ü */ nope /* ü */",
        "await (async (x: number): Promise<void> => {\n  nope\n})(1)\n",
        "export default async () => {\r\n  nope\r\n}",
        "() => nope",
    ],
)
def test_an_error_of_the_engine_is_placed_where_the_author_wrote_it(source: str, last_expression: bool):
    prepared = blank(source, last_expression=last_expression)
    before = source[: source.rindex("nope")].split("\n")

    assert author_position(prepared, *place_of_error(prepared)) == Position(len(before), len(before[-1]) + 1)


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("export default async function main() {\n return 1\n}", 1),
        ("export default async () => {\n return 2 }", 2),
        ("export default 3", 3),
        ("export default\n4;", 4),
        ("async function main(): Promise<number> { return 5 }", 5),
        ("function f({ tools, params }) { return tools + params }", 3),
        ("(tools) => tools + 5", 6),
        ("async tools => { return tools + 6 }", 7),
        ("(async () => { return 8 })()", 8),
        ("await (async () => 9)();", 9),
        ("() => 10", 10),
        ("()=>11", 11),
        ("type A = 12\nexport default (): A => 12", 12),
        ("// a comment\nfunction again(): number { return globalThis.x ? 13 : (globalThis.x = 1, again()) }", 13),
        ("export default class { static a = 1 }\n; return 14", "export"),
    ],
)
def test_a_script_that_is_one_function_is_its_body(source: str, result: object):
    if result == "export":
        with pytest.raises(ScriptSyntaxError):
            blank(source)
        return
    for last_expression in (False, True):
        assert evaluated(blank(source, last_expression=last_expression)) == result


@pytest.mark.parametrize(
    ("source", "says", "column"),
    [("async x => x", "arguments", 7), ("function f(a, b) {}", "arguments", 12), ("function* g() {}", "generator", 1)],
)
def test_a_function_that_is_no_script_says_why(source: str, says: str, column: int):
    with pytest.raises(ScriptSyntaxError, match=says) as caught:
        blank(source)

    assert caught.value.position == Position(1, column)


def test_what_is_blanked_keeps_its_bytes_as_far_as_blanks_can():
    source = "const größe: Array<'ü' | '日本'> = [], x: '😀' = y"
    prepared = blank(source)

    assert prepared.index("= [") == source.index("= [")
    assert prepared.encode().index(b"= [") == source.encode().index(b"= [")
    assert prepared.index("= y") == source.index("= y")


def test_a_function_beside_other_statements_is_only_a_function():
    assert evaluated(blank("function f(a: number) { return a }\nreturn f(4)")) == 4


@pytest.mark.parametrize("source", ["a as A.B.C\n;0", "tag<T>`x`\n;0", "x as T\n(f)\n;0", "f<string>(a)\n;0"])
def test_what_the_grammar_reads_wrongly_is_erased_rightly(source: str):
    prepared = blank("const x = 1, tag = () => 1\n" + source)

    assert evaluated(prepared + ";return 5") == 5
    assert "<" not in prepared
    assert " as " not in prepared


def test_what_typescript_reads_as_type_arguments_is_no_comparison():
    assert evaluated(blank("return f<string>(a)")) == 1
    assert evaluated(blank("return (f < a, a > (f))")) == 1
    assert evaluated(blank("return [a < 4, a > 2]")) == [True, True]


@pytest.mark.parametrize(
    "source",
    [
        "(" * 9_000, "(" * 9_000 + "1" + ")" * 9_000, "[" * 9_000 + "]" * 9_000, "{" * 9_000, "`${" * 5_000,
        "a=>" * 6_000 + "1",
        "!" * 15_000 + "x", "x as " * 4_000 + "y", "let x: " + "A<" * 6_000, "let x: " + "infer X extends " * 800 + "y",
        "a<b," * 2_000, "x!" * 4_500, "if(a)" * 3_500 + "b", "a?b:" * 4_000 + "c", "class A{" * 2_000, "x as {" * 3_000,
        "type A = `${" * 1_500, "(a)=>{" * 3_000 + "}" * 3_000, "a." * 9_000 + "b", "a+" * 9_000 + "1", "<" * 18_000,
    ],
    ids=lambda source: source[:12],
)  # fmt: skip
def test_deep_nesting_is_refused_and_crashes_nothing(source: str):
    with pytest.raises(ScriptSyntaxError) as caught:
        blank(source)

    assert caught.value.position is not None


PARTS = st.sampled_from(
    [
        "a", "b", " as ", " satisfies ", "T", "<", ">", "(", ")", "[", "]", "{", "}", "=", "=>", ":", "?", "!", ".",
        ",", ";",
        "\n", " ", "`", "${", "'", "type ", "interface ", "class ", "const ", "let ", "function ", "async ",
        "await ", "|", "&",
        "1", "+", "/", "//", "/*", "*/", "return ", "declare ", "enum ", "namespace ", "private ", "static ", "get ",
        "é", "😀",
    ]
)  # fmt: skip


@settings(deadline=None, max_examples=500)
@given(source=st.lists(PARTS | st.sampled_from([row["source"] for row in ROWS]), max_size=30).map("".join) | st.text())
def test_any_text_is_blanked_in_place_or_refused_with_a_typed_error(source: str):
    try:
        prepared = blank(source)
    except ToolscriptError as error:
        assert error.position is not None
        return
    assert line_ends(prepared[: len(source)]) == line_ends(source)


@settings(deadline=None, max_examples=200)
@given(source=st.lists(PARTS, max_size=20).map("".join) | st.text())
def test_a_last_expression_moves_no_line(source: str):
    try:
        prepared = blank(source, last_expression=True)
    except ToolscriptError:
        return
    assert prepared.count("\n") == source.count("\n")


def test_a_long_source_in_many_alphabets_is_read_whole():
    line = "const größe: Array<'日本'> = ['日本', '😀', 'é']\n"
    source = "".join(line.replace("größe", f"größe{n}") for n in range(3_000))

    assert blank(source).count("= ['日本', '😀', 'é']\n") == 3_000


def test_a_worker_that_may_open_nothing_can_blank_and_refuse():
    program = """
import sys
sys.path.insert(0, sys.argv[1])
from toolscript.language.blank import blank
from toolscript.errors import ToolscriptError

def forbid(event, arguments):
    if event in ("open", "import", "os.listdir", "socket.__new__", "subprocess.Popen"):
        raise SystemExit(f"{event} {arguments}")

sys.addaudithook(forbid)
for source in ("const é: T = x as A.B.C", "const = 1", "enum E {}", "f(`", "tag<T>`x`", "type A = B\\n[1].map(f)", "(" * 9_000):
    try:
        blank(source, last_expression=True)
    except ToolscriptError as error:
        print(error.code)
"""
    root = Path(toolscript.__file__).parents[1]
    ran = subprocess.run([sys.executable, "-I", "-c", program, root], capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.split() == ["syntax_error", "unsupported_typescript", "syntax_error", "syntax_error"]
