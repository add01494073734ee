"""Decides how a shell line is read without running it: as plain words, or as something that is not known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

_NAMED = frozenset(
    ("program", "list", "pipeline", "command", "command_name", "word", "string", "string_content", "raw_string",
     "number", "concatenation")
)  # fmt: skip
_TOKENS = frozenset(("&&", "||", ";", "|", '"', "'"))
_EXPANDING = frozenset("\\{}*?[]")
_FIRST_PRINTED, _DELETE = 32, 127
MAX_SCRIPT = 100_000
"""Longer scripts are not looked into: nobody can say that they are safe."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a command. ``exact`` is False where the shell may make another text of it."""

    text: str
    exact: bool = True


@cache
def _language() -> Language:
    return Language(tree_sitter_bash.language())


def parse(script: str) -> Node:
    """Return the syntax tree's root; it may hold errors."""
    # A parser of its own for each call: threads must not share one.
    return Parser(_language()).parse(script.encode("utf-8", "surrogatepass")).root_node


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and all below it, in the order of the text."""
    cursor = node.walk()
    while True:
        assert cursor.node is not None
        yield cursor.node
        if cursor.goto_first_child():
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent() or cursor.node == node:
                return


def text_of(node: Node) -> str:
    """Return the text that a node covers."""
    return (node.text or b"").decode("utf-8", "replace")


def plain_commands(script: str) -> list[list[Word]] | None:
    """Return the words of each command, or None where anything but plain words and ``&& || ; |`` appears."""
    if len(script) > MAX_SCRIPT:
        return None
    root = parse(script)
    if root.has_error or not all(_is_plain(node) for node in walk(root)) or not _plainly_parted(root):
        return None
    commands = [_words(node) for node in walk(root) if node.type == "command"]
    return None if None in commands else [words for words in commands if words is not None]


def _plainly_parted(root: Node) -> bool:
    """Say whether the words are parted as the shell parts them: a grammar takes more characters for blanks."""
    text, before = root.text or b"", root.start_byte
    quoted = [node for node in walk(root) if node.type in ("string", "raw_string")]
    for node in reversed(quoted):
        text = text[: node.start_byte - before] + text[node.end_byte - before :]
    bare = text.decode("utf-8", "replace").replace(" ", "").replace("\t", "").replace("\n", "")
    return not any(
        character.isspace() or ord(character) < _FIRST_PRINTED or ord(character) == _DELETE for character in bare
    )


def _is_plain(node: Node) -> bool:
    if node.is_named:
        return node.type in _NAMED
    return node.type in _TOKENS or not node.type.strip()


def _words(command: Node) -> list[Word] | None:
    words = []
    for child in command.named_children:
        word = _name(child) if child.type == "command_name" else literal(child)
        if word is None:
            return None
        words.append(word)
    return words


def _name(node: Node) -> Word | None:
    inner = node.named_children
    return literal(inner[0]) if len(inner) == 1 and inner[0].type == "word" else None


def literal(node: Node) -> Word | None:
    """Return the word that a node spells, or None where only the shell can tell."""
    text = text_of(node)
    match node.type:
        case "word" | "number":
            return Word(text, exact=not _EXPANDING.intersection(text))
        case "raw_string":
            return Word(text[1:-1])
        case "string":
            if any(child.type != "string_content" for child in node.named_children):
                return None
            return Word(text[1:-1], exact="\\" not in text)
        case "concatenation":
            return _concatenated(node)
        case _:
            return None


def _concatenated(node: Node) -> Word | None:
    parts = [literal(child) for child in node.named_children]
    known = [part for part in parts if part is not None]
    text = "".join(part.text for part in known)
    if len(known) != len(parts) or not text:
        return None
    return Word(text, exact=all(part.exact for part in known))
