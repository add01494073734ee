from __future__ import annotations

import pytest
from pygments.token import Keyword, Name, Text

from toolscript_kernel.lexer import ToolscriptLexer


def kinds(text: str) -> dict[str, object]:
    return {value: kind for kind, value in ToolscriptLexer().get_tokens(text)}


def test_a_script_is_coloured_as_typescript():
    found = kinds("%toolscript status\n%%toolscript --param a=1\nconst x = await tools.exec({});\n")

    assert found["%%toolscript"] is Keyword
    assert found["const"] in Keyword
    assert found["await"] in Keyword


def test_python_is_coloured_as_python_and_a_prompt_as_text():
    assert kinds("%%py\nimport os\n")["os"] is Name.Namespace
    assert set(kinds("import the files, please\n").values()) == {Text}


@pytest.mark.parametrize(
    "text", ["", "%%toolscript", "\n\n%%py\n1", "prompt", "%agent x\n\nprompt\n", "%%toolscript\n`${", "a\r\nb"]
)
def test_nothing_of_a_cell_is_lost(text: str):
    lexer = ToolscriptLexer(stripnl=False, ensurenl=False)
    assert "".join(value for _, _, value in lexer.get_tokens_unprocessed(text)) == text
