"""Decides how parsed Markdown is written anew, so that every reader takes it the same way: what is text stays text.

Readers of Markdown differ in where a code span or a paragraph ends, and what one takes for code another takes for
HTML. So nothing of the source is copied: each block and span is written in its plainest form, all text escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from markdown_it.token import Token

from toolscript_kernel.record import inert

_SPECIAL = re.compile(r"([\\`*\[\]~|$]|(?<!\w)_|_(?!\w))")
_LINE_START = re.compile(r"^([ \t]*)([#+=>:-]|\d{1,9}(?=[.)]))")
_SPAN_MARKS = {"em": "*", "strong": "**", "s": "~~"}


@dataclass(slots=True)
class _Frame:
    """A block that holds other blocks: what stands before its first line, and before all others."""

    first: str = ""
    rest: str = ""
    blocks: list[str] = field(default_factory=list)
    tight: bool = False

    def text(self) -> str:
        lines = ("\n" if self.tight else "\n\n").join(self.blocks).split("\n")
        led = [self.first + lines[0], *(self.rest + line if line or self.rest.strip() else "" for line in lines[1:])]
        return "\n".join(line.rstrip() for line in led)


def blocks(tokens: Sequence[Token]) -> str:
    """Return the Markdown of a parsed document."""
    stack = [_Frame()]
    for index, token in enumerate(tokens):
        if token.type.endswith("_open"):
            _open(stack, tokens, index)
        elif token.type.endswith("_close"):
            _close(stack, token)
        else:
            _leaf(stack, tokens, index)
    return stack[0].text().strip("\n")


def _open(stack: list[_Frame], tokens: Sequence[Token], index: int) -> None:
    token = tokens[index]
    match token.type:
        case "blockquote_open":
            stack.append(_Frame("> ", "> "))
        case "bullet_list_open" | "ordered_list_open" | "tbody_open" | "thead_open":
            stack.append(_Frame(tight=_is_tight(tokens, index)))
        case "table_open":
            stack.append(_Frame(tight=True))
        case "list_item_open":
            # Bullets and numbers of neighbouring lists differ, so that they stay two lists.
            mark = f"{token.info}{token.markup}" if token.info else token.markup
            stack.append(_Frame(f"{mark} ", " " * (len(mark) + 1), tight=stack[-1].tight))
        case "tr_open":
            stack.append(_Frame())


def _close(stack: list[_Frame], token: Token) -> None:
    match token.type:
        case "tr_close":
            cells = stack.pop().blocks
            stack[-1].blocks.append(f"| {' | '.join(cells)} |")
        case "thead_close":
            frame = stack.pop()
            columns = frame.blocks[0].replace("\\|", "").count("|") - 1
            stack[-1].blocks += [frame.blocks[0], f"|{' --- |' * columns}"]
        case (
            "tbody_close"
            | "table_close"
            | "blockquote_close"
            | "list_item_close"
            | "bullet_list_close"
            | "ordered_list_close"
        ):
            frame = stack.pop()
            stack[-1].blocks.append(frame.text())


def _leaf(stack: list[_Frame], tokens: Sequence[Token], index: int) -> None:
    token, above = tokens[index], tokens[index - 1]
    match token.type:
        case "fence" | "code_block":
            language = re.sub(r"[^\w+#.-]", "", token.info.split(" ")[0]) if token.info else ""
            stack[-1].blocks.append(inert.fence(token.content, language))
        case "hr":
            stack[-1].blocks.append("***")
        case "inline" if above.type == "heading_open":
            # Number signs at the end would be taken for the closing of the heading.
            stack[-1].blocks.append(f"{'#' * int(above.tag[1])} {re.sub(r'#(?=#*$)', _escape, _flat(token))}")
        case "inline" if above.type in ("td_open", "th_open"):
            stack[-1].blocks.append(_flat(token))
        case "inline":
            stack[-1].blocks.append(_lines(token))


def _escape(match: re.Match[str]) -> str:
    return f"\\{match[0]}"


def _is_tight(tokens: Sequence[Token], index: int) -> bool:
    """Tell whether the paragraphs right below a list stand without blank lines between them."""
    level = tokens[index].level
    for token in tokens[index + 1 :]:
        if token.level <= level:
            break
        if token.type == "paragraph_open" and token.level == level + 2:
            return token.hidden
    return True


def _flat(token: Token) -> str:
    return " ".join(_spans(token.children or ()).split())


def _lines(token: Token) -> str:
    return "\n".join(_begun(line.strip(" \t")) for line in _spans(token.children or ()).split("\n"))


def _begun(line: str) -> str:
    """Escape what would begin a block at the start of a line; emphasis and code spans never do."""
    if re.match(r"[ \t]*\d", line):
        return re.sub(r"^([ \t]*\d{1,9})([.)])", r"\1\\\2", line)
    return _LINE_START.sub(r"\1\\\2", line)


def _spans(children: Iterable[Token]) -> str:
    open_spans: list[tuple[str, list[str]]] = [("", [])]
    for child in children:
        if child.nesting > 0:
            href = str(child.attrGet("href") or "") if child.type == "link_open" else ""
            open_spans.append((_target(href) if href else _SPAN_MARKS.get(child.type.removesuffix("_open"), ""), []))
        elif child.nesting < 0:
            mark, written = open_spans.pop()
            above = open_spans[-1][1]
            above.append(_wrapped("".join(written), mark, child.type, [m for m, _ in open_spans], above))
        else:
            open_spans[-1][1].append(_span(child))
    return "".join(open_spans[0][1])


def _wrapped(content: str, mark: str, kind: str, outer: list[str], before: list[str]) -> str:
    if kind == "link_close":
        return f"[{content}]({mark})" if mark else content
    # Marks that touch others of their kind would be read as one; the words matter more than their emphasis.
    touching = bool(before) and before[-1].endswith(mark[:1])
    return content if not content.strip() or touching or mark in outer else f"{mark}{content}{mark}"


def _span(child: Token) -> str:
    match child.type:
        case "code_inline":
            return _code(child.content)
        case "softbreak":
            return "\n"
        case "hardbreak":
            return "\\\n"
        case "image":
            source = str(child.attrGet("src") or "")
            label = literal(f"{child.content or 'image'}: {inert.one_line(source, 80)}")
            return f"[{label}]({_target(source)})"
    return literal(child.content)


def literal(value: str) -> str:
    """Return text in which nothing is Markdown or HTML."""
    flat = inert.text(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", flat)


def _code(content: str) -> str:
    flat = content.replace("\n", " ")
    if not flat.strip():
        return literal(flat)
    longest = max((len(run) for run in re.findall(r"`+", flat)), default=0)
    pad = " " if flat[0] in "` " or flat[-1] in "` " else ""
    return f"{'`' * (longest + 1)}{pad}{flat}{pad}{'`' * (longest + 1)}"


def _target(url: str) -> str:
    """Return an address for a link: the parser has encoded blanks and angle brackets already."""
    return re.sub(r"([\\()`*\[\]|$])", lambda m: f"%{ord(m[1]):02X}", url)
