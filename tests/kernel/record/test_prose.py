"""A model's Markdown in the saved record: the same to read, and nothing in it acts, whoever renders it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import mistune
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from toolscript_kernel.record import prose

PIECES = (
    "`", "``", "```", "~~~", "\n", "\n\n", "> ", "- ", "1. ", "    ", "# ", "| a | b |\n| --- | --- |\n| ", " |", "*", "**",
    "_", "~~", "[x](", ")", "](", "![", "[a]: ", "<", ">", "<b>", "</b>", "<script>alert(1)</script>", "<!--", "-->",
    "<img src=x onerror=alert(1)>", "javascript:alert(1)", "https://ok.example/a_b", "&lt;", "&#60;", "\\", "\\`", "$", "\t",
    "word", "two words", "===", "---", "&", "<?php", "<![CDATA[", "data:text/html,x", "<https://ok.example>",
)  # fmt: skip
MARKDOWN = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)
STRICT = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
KNOWN = {
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip


class Read(HTMLParser):
    """What a reader sees of a page, and the elements that it is made of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.words = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.links += [v or "" for n, v in attrs if n in ("href", "src")]
        self.links += [f"javascript:{n}" for n, _ in attrs if n.startswith("on")]

    def handle_data(self, data):
        self.words += data


@settings(max_examples=300, deadline=None)
@given(MARKDOWN)
@example("x `\n<b>a</b>\n- ` y")
@example("`a\n# <script>alert(1)</script> `")
@example("- a `\n\n<img src=x onerror=alert(1)>\n`")
@example("[a]: javascript:alert(1)\n\n[a]")
def test_no_html_image_or_unsafe_link_survives_in_the_markdown_whoever_renders_it(written: str):
    twin = prose.to_markdown(written)

    for html in (STRICT.render(twin), str(mistune.create_markdown(escape=False, plugins=["table"])(twin))):
        read = Read(html)
        assert read.tags <= KNOWN, twin
        assert [u for u in read.links if re.match(r"(?!https?:|mailto:)[A-Za-z][A-Za-z0-9+.-]*:", u)] == [], twin


@settings(max_examples=300, deadline=None)
@given(MARKDOWN)
def test_the_markdown_reads_as_the_html_does(written: str):
    def words(html: str) -> str:
        return re.sub(r"[\s\[\]\u2028]", "", Read(html).words)

    twin = words(STRICT.render(prose.to_markdown(written)))

    assert twin == words(prose.to_html(written))


@pytest.mark.parametrize(
    ("written", "twin"),
    [
        ("Done: `List<T>` *is* **here**.", "Done: `List<T>` *is* **here**."),
        ("- a\n- b\n  - c", "- a\n- b\n  - c"),
        ("1. a\n\n   more\n2. b", "1. a\n\n   more\n\n2. b"),
        ("> said\n> again", "> said\n> again"),
        ("a_b 2 < 3 & 1 > 0", "a_b 2 &lt; 3 &amp; 1 &gt; 0"),
        ("```ts\nlet a = `<b>`;\n", "```ts\nlet a = `<b>`;\n```"),
        ("| a | b |\n| --- | --- |\n| 1 | `x` |", "| a | b |\n| --- | --- |\n| 1 | `x` |"),
        ("## A title\n\n***\ntext", "## A title\n\n***\n\ntext"),
        ("[a](https://ok.example/x_(y))", "[a](https://ok.example/x_%28y%29)"),
        ("![x](https://evil.example/?q=S)", "[x: https://evil.example/?q=S](https://evil.example/?q=S)"),
    ],
)  # fmt: skip
def test_plain_markdown_stays_as_it_is(written: str, twin: str):
    assert prose.to_markdown(written) == twin
