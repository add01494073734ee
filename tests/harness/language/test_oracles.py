"""What is blanked here is what other strippers blank, where Node and they are present."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from tests.harness.language.replies import CORPUS
from tests.needs import REQUIRE_ALL, need

from toolscript.language._trees import javascript

ORACLES = Path(__file__).parents[2] / "oracles"
INSTALLED = Path(os.environ.get("TOOLSCRIPT_ORACLES", ORACLES)) / "node_modules"

BETTER = {
    # ts-blank-space lets a field and the next member run together; amaro erases what TypeScript reads as names.
    "class A { get: number\nfoo() {} }": "ts-blank-space",
    "class A { static: number\nfoo() {} }": "ts-blank-space",
    "namespace\nFoo\n{}": "amaro",
    "class A { a = 1\noverride *gen() {} }": "ts-blank-space",
    # Nothing can be exported from a script, so an empty export goes.
    "export {}": "ts-blank-space",
}
"""Sources on which ours differs on purpose, and from whom."""


@pytest.fixture(scope="module")
def answers() -> dict[str, dict[str, str | None]]:
    need("node")
    if not (INSTALLED / "ts-blank-space").is_dir():
        reason = "the oracles are not installed: npm ci --prefix tests/oracles"
        if os.environ.get(REQUIRE_ALL):
            pytest.fail(reason)
        pytest.skip(reason)
    sources = [row["source"] for row in rows()]
    script = INSTALLED.parent / "oracle.mjs"
    if not script.exists():
        script.write_text((ORACLES / "oracle.mjs").read_text("utf-8"), "utf-8")
    ran = subprocess.run(["node", script], input=json.dumps(sources), capture_output=True, text=True, check=True)
    return dict(zip(sources, json.loads(ran.stdout), strict=True))


def rows() -> list[dict[str, str]]:
    return json.loads((CORPUS / "typescript.json").read_text("utf-8"))


def code_of(text: str) -> tuple[str, str]:
    """Return what strippers agree on: the characters that are left and the statements they make.

    They may differ in blanks and in semicolons that are only empty statements.
    """
    tree = javascript(text.encode())
    shape = "" if tree is None else re.sub(r" ?(?:\w+: )?\(empty_statement\)", "", str(tree.root_node))
    return "".join(text.replace(";", "").split()), shape


def agree(theirs: tuple[str, str], ours: tuple[str, str]) -> bool:
    # The grammar does not know every place where a line break ends a statement: no shape, no comparison of shapes.
    return theirs[0] == ours[0] and (not theirs[1] or theirs[1] == ours[1])


@pytest.mark.parametrize("row", [r for r in rows() if "blanked" in r], ids=lambda row: row["source"][:40])
def test_an_oracle_that_accepts_a_source_leaves_the_same_code(row: dict[str, str], answers):
    source, ours = row["source"], code_of(row["blanked"])
    different = [
        name
        for name, text in answers[source].items()
        if text is not None and not agree(code_of(text), ours) and BETTER.get(source) != name
    ]

    assert different == []


def test_the_oracles_accept_most_of_the_corpus(answers):
    accepted = sum(any(answer.values()) for answer in answers.values())

    assert accepted >= 300
