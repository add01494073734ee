"""What is offered in a script, and what is said of a word there; ``|`` marks the cursor."""

from __future__ import annotations

import random

import pytest

from toolscript.registry.function import tool
from toolscript.registry.registry import Registry, installed_tools
from toolscript_kernel.completion import line, scan
from toolscript_kernel.completion.complete import Offer, complete, explain
from toolscript_kernel.completion.symbols import Facade


@pytest.fixture(scope="module")
def facade() -> Facade:
    return Facade(Registry(installed_tools()), params=["folder"], environment=["LANG", "TZ"])


def offered(marked: str, facade: Facade) -> list[str]:
    cursor = marked.index("|")
    return [o.text for o in complete(marked.replace("|", "", 1), cursor, facade).offers]


def said(marked: str, facade: Facade) -> tuple[str, str] | None:
    cursor = marked.index("|")
    return explain(marked.replace("|", "", 1), cursor, facade)


@pytest.mark.parametrize(
    ("script", "first"),
    [
        ("tools.gr|", ["grepFiles"]),
        ("await tools?.listD|", ["listDir"]),
        ("tools.spawn.li|", ["listDir", "list"]),
        ("readF|", ["readFile"]),
        ("tools.exec({ comm| })", ["command: "]),
        ("tools.exec({ command: ['ls'], tim|", ["timeoutMs: "]),
        ("await Promise.all([tools.readFile({ | })])", ["path: ", "offset: ", "limit: ", "mode: "]),
        ("tools.readFile({ path: 'a', indentation: { anc| } })", ["anchorLine: "]),
        ("tools.readFile({ path: 'a', mode: '|' })", ["slice", "indentation"]),
        ("tools.readFile({ path: 'a', mode: \"in|", ["indentation"]),
        ("const r = await tools.exec({ command: [`a${1}`] });\nr.ex|", ["exitCode"]),
        ("const { stdout } = await exec(['ls']);\nstdout.spl|", ["split"]),
        ("const found = await tools.listDir({ path: '.' });\nfor (const one of found) { one.p|", ["path"]),
        ("const found = await listDir('.');\nfound.filter((one) => one.si|)", ["size"]),
        ("const found = await listDir('.');\nfound.map(({ path, type }) => path.sta|)", ["startsWith"]),
        ("const found = await listDir('.');\nfound.fla|", ["flat", "flatMap"]),
        ("const total = 1;\nconsole.log(tot|)", ["total"]),
        ("function helper() {}\nhelp|", ["helper"]),
        ("params.|", ["folder"]),
        ("context.limits.tim|", ["timeoutMs", "timers"]),
        ("context.env.|", ["LANG", "TZ"]),
        ("store.|", ["delete", "get", "set"]),
        ("`${tools.wri|}`", ["writeFile"]),
        ("if (x) { thr|", ["throw"]),
        ("(async () => { await sle|", ["sleep"]),
    ],
)
def test_what_fits_is_offered_first(script: str, first: list[str], facade: Facade):
    assert offered(script, facade)[: len(first)] == first


@pytest.mark.parametrize(
    "script",
    [
        "'tools.|'",
        '"tools.|',
        "// tools.|",
        "/* tools.|",
        "`tools.|`",
        "nobody.|",
        "tools.exec.|",
        "const a = /tools.|/;",
        "1.|",
    ],
)
def test_nothing_is_offered_in_texts_comments_and_unknown_places(script: str, facade: Facade):
    assert offered(script, facade) == []


def test_an_argument_that_is_there_is_not_offered_again(facade: Facade):
    assert "path: " not in offered("tools.readFile({ path: 'a', |", facade)


def test_required_arguments_come_first(facade: Facade):
    assert offered("tools.grepFiles({ |", facade)[0] == "pattern: "


def test_an_offer_carries_its_kind_and_type(facade: Facade):
    source = "tools.exec({ timeo"
    assert complete(source, len(source), facade).offers == (Offer("timeoutMs: ", "property", "number"),)


@pytest.mark.parametrize(
    ("script", "begins", "prose"),
    [
        ("await tools.wri|teFile({})", "/**\n * Replace or create a file", ""),
        ("tools.writeFile(|", "/**\n * Replace or create a file", ""),
        ("tools.writeFile({ path: 'a', | })", "/**\n * Replace or create a file", ""),
        ("tools.exec({ timeo|utMs: 5 })", "timeoutMs: number", "After this time the command is ended"),
        ("const r = await exec(['a']);\nr.exit|Code", "exitCode: number", "0 for success; 124 after a timeout"),
        ("sle|ep(5)", "sleep: (ms: number) => Promise<void>", "Resolves after"),
        ("stor|e.get('a')", "store", "JSON values that live across"),
    ],
)
def test_a_word_or_the_call_around_it_is_explained(script: str, begins: str, prose: str, facade: Facade):
    found = said(script, facade)
    assert found is not None
    assert found[0].startswith(begins)
    assert found[1].startswith(prose)


@pytest.mark.parametrize("script", ["con|st a = 1", "unknown|", "'tools.exec|'", "1 + |1"])
def test_what_is_not_known_is_not_explained(script: str, facade: Facade):
    assert said(script, facade) is None


def test_a_tool_that_somebody_added_is_offered_like_any_other():
    @tool
    async def greet(name: str, loud: bool = False) -> str:
        """Say hello to somebody."""
        return name

    facade = Facade([greet])
    assert offered("tools.gr|", facade) == ["greet"]
    assert offered("tools.greet({ |", facade) == ["name: ", "loud: "]
    assert "Say hello to somebody" in (said("tools.gr|eet", facade) or ("",))[0]


KNOWN = line.Known(
    verbs={"allow": "", "answer": ""}, tools=["exec", "readFile"], agents=["critic"], values=["todos", "_hidden"]
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("%%toolscript --o", ["--out"]),
        ("%%toolscript --policy ", ["untrusted", "on-request", "never", "always-ask"]),
        ("%%toolscript --in ", ["todos"]),
        ("%%toolscript --limits cal", ["calls="]),
        ("%%toolscript --tools exec,re", ["readFile"]),
        ("%toolscript a", ["allow", "answer"]),
        ("%toolscript allow r", ["readFile"]),
        ("%toolscript answer ", ["allow", "deny", "stop"]),
        ("%agent ", ["critic"]),
    ],
)
def test_options_and_commands_are_offered_on_their_lines(text: str, found: list[str]):
    offers = line.complete(text, KNOWN)
    assert offers is not None
    assert [o.text for o in offers.offers] == found


@pytest.mark.parametrize("text", ["%pip inst", "%too", "x = 1"])
def test_other_lines_are_left_to_ipython(text: str):
    assert line.complete(text, KNOWN) is None


PIECES = [
    "const a = 1;\n", "`text ${a} and`", "`open", "${", "}", "{", "/* a\n b */", "/*", "*/", "// a line\n", "\n", "\n\n", " ", "/re[/]x/g", "/", "a / b",
    '"text"', '"open', "'", "=>", "...", ".", "tools.exec(", ")", ",", "return ", "x", "1", "$", "\\",
]  # fmt: skip


def test_a_script_that_is_read_on_from_where_it_changed_reads_as_it_does_anew():
    chance = random.Random(7)
    source = ""
    for _ in range(3_000):
        start = chance.randint(0, len(source))
        end = min(len(source), start + chance.choice([0, 0, 0, 1, 5]))
        source = source[:start] + chance.choice(PIECES) + source[end:]
        source = source[-300:] if len(source) > 400 else source
        found = list(scan.tokens(source))
        scan.tokens("")
        anew = list(scan.tokens(source))
        assert found == anew, source
