"""Decides how a model's Markdown is shown: formatted, but with no HTML, remote image or unsafe link."""

from __future__ import annotations

import re
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from markdown_it import MarkdownIt

from toolscript_kernel.record import inert

_LINKS = ("http", "https", "mailto", "")
_TARGET = re.compile(r"\]\(\s*<?\s*([A-Za-z][A-Za-z0-9+.-]*):")
_DEFINITION = re.compile(r"^(\s{0,3}\[[^\]]+\]):", re.MULTILINE)


def to_html(markdown: str) -> str:
    """Return the Markdown as HTML that needs no trust: raw HTML is text, images are links, links are web or mail."""
    return str(_parser().render(inert.text(markdown)))


def to_markdown(markdown: str) -> str:
    """Return Markdown that looks the same and holds no HTML, no image and no unsafe link outside code."""
    source = inert.text(markdown)
    lines = source.split("\n")
    result: list[str] = []
    start = 0
    for first, last in _code_blocks(source):
        result += _neutral("\n".join(lines[start:first])).split("\n") if first > start else []
        result += lines[first:last]
        start = last
    if start < len(lines):
        result += _neutral("\n".join(lines[start:])).split("\n")
    return _closed("\n".join(result))


def top_level(markdown: str) -> list[tuple[int, int]]:
    """Return the line ranges of the top-level blocks."""
    tokens = _parser().parse(inert.text(markdown))
    return [(t.map[0], t.map[1]) for t in tokens if t.level == 0 and t.map and t.nesting >= 0]


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.validateLink = _safe_link  # type: ignore[method-assign]
    parser.add_render_rule("image", _image)
    parser.add_render_rule("link_open", _link_open)
    parser.add_render_rule("fence", _code)
    parser.add_render_rule("code_block", _code)
    return parser


def _safe_link(url: str) -> bool:
    try:
        return urlsplit(url.strip()).scheme.lower() in _LINKS
    except ValueError:
        return False


def _image(self: Any, tokens: Any, index: int, options: Any, env: Any) -> str:
    # An image would be fetched by the page that shows it, and its address can carry away what the model read.
    source, label = str(tokens[index].attrGet("src") or ""), tokens[index].content or "image"
    return (
        f'<a href="{inert.markup(source)}" rel="noopener noreferrer nofollow">'
        f"[{inert.markup(label)}: {inert.markup(inert.one_line(source, 80))}]</a>"
    )


def _link_open(self: Any, tokens: Any, index: int, options: Any, env: Any) -> str:
    target = inert.markup(str(tokens[index].attrGet("href") or ""))
    return f'<a href="{target}" rel="noopener noreferrer nofollow">'


def _code(self: Any, tokens: Any, index: int, options: Any, env: Any) -> str:
    return f'<pre style="overflow-x:auto;margin:6px 0"><code>{inert.markup(tokens[index].content)}</code></pre>\n'


def _code_blocks(source: str) -> list[tuple[int, int]]:
    """Return the line ranges of top-level code blocks, which stay as they are."""
    tokens = _parser().parse(source)
    return [(t.map[0], t.map[1]) for t in tokens if t.type in {"fence", "code_block"} and t.level == 0 and t.map]


def _neutral(source: str) -> str:
    """Escape what opens HTML or an image, outside code spans as CommonMark finds them."""
    result, index = [], 0
    for start, end in _code_spans(source):
        result += [_escaped(source[index:start]), source[start:end]]
        index = end
    return "".join([*result, _escaped(source[index:])])


def _code_spans(source: str) -> list[tuple[int, int]]:
    spans, index = [], 0
    while (tick := re.compile(r"\\.|`+", re.DOTALL).search(source, index)) is not None:
        index = tick.end()
        if tick[0].startswith("`"):
            closing = re.compile(rf"(?<!`)`{{{len(tick[0])}}}(?!`)").search(source, index)
            # A blank line ends the paragraph, and with it every code span.
            if closing is not None and not re.search(r"\n[ \t]*\n", source[tick.start() : closing.start()]):
                spans.append((tick.start(), closing.end()))
                index = closing.end()
    return spans


def _escaped(source: str) -> str:
    text = source.replace("<", "&lt;").replace("![", "!\\[")
    text = _TARGET.sub(lambda m: m[0] if m[1].lower() in _LINKS else m[0].replace("](", "]\\("), text)
    return _DEFINITION.sub(r"\1\\:", text)


def _closed(source: str) -> str:
    """Close a fence that a cut reply left open, so that what follows is not swallowed."""
    for token in _parser().parse(source):
        if token.type == "fence" and token.level == 0 and token.map:
            last = source.split("\n")[token.map[1] - 1].strip()
            if token.map[1] - token.map[0] < 2 or not last.startswith(token.markup) or last.strip(token.markup[0]):
                return f"{source.rstrip()}\n{token.markup}"
    return source
