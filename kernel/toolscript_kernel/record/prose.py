"""Decides how a model's Markdown is shown: formatted, but with no HTML, remote image or unsafe link."""

from __future__ import annotations

from functools import cache
from typing import Any
from urllib.parse import urlsplit

from markdown_it import MarkdownIt

from toolscript_kernel.record import inert, rewrite

_LINKS = ("http", "https", "mailto", "")


def to_html(markdown: str) -> str:
    """Return the Markdown as HTML that needs no trust: raw HTML is text, images are links, links are web or mail."""
    return str(_parser().render(inert.text(markdown)))


def to_markdown(markdown: str) -> str:
    """Return Markdown that looks the same to every reader and holds no HTML, no image and no unsafe link."""
    return rewrite.blocks(_parser().parse(inert.text(markdown)))


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
