"""Decides where a TypeScript type ends, by TypeScript's own rules for line breaks and operators.

The tree's grammar is looser than TypeScript (``x as A.B.C`` loses a segment, ``T`` and ``[`` meet across lines), so the
extent of each type that is erased is taken from here, or checked against it.
"""

from __future__ import annotations

import re

_GAP = re.compile(rb"(?:[ \t\v\f\r\n]++|\xc2\xa0|\xef\xbb\xbf|//[^\r\n]*+|/\*(?:[^*]|\*(?!/))*+\*/)*+")
_NAME = re.compile(rb"(?:[A-Za-z_$\x80-\xff]|\\u)(?:[\w$\x80-\xff]|\\u\{?[0-9a-fA-F]+\}?)*+")
_NUMBER = re.compile(rb"-?\s*(?:0[xXoObB][\da-fA-F_]+n?|\d[\d_]*(?:\.[\d_]*)?(?:[eE][+-]?\d+)?n?|\.\d+)")
_STRING = re.compile(rb"'(?:[^'\\\r\n]|\\.)*+'|\"(?:[^\"\\\r\n]|\\.)*+\"", re.DOTALL)
_BRACKETS = {b"(": b")", b"[": b"]", b"{": b"}"}
_STOPS = re.compile(rb"""[()\[\]{}'"`]|//|/\*""")
_MODIFIERS = {b"public", b"private", b"protected", b"readonly", b"override"}
_KEYWORDS = frozenset(
    b"any unknown number object boolean bigint string symbol never undefined void null true false this".split()
)
"""Types that take no type arguments: a ``<`` behind them compares."""
_PREFIXES = {b"keyof", b"unique", b"readonly", b"infer"}
_MAX_DEPTH = 100
_MAX_STEPS = 20_000


TIGHT_OPERATOR = re.compile(rb"\+(?!\+)|-(?!-)|[*%]|/(?![/*])|<<|>>")
"""Operators that bind tighter than ``as``: what stands before them cannot simply lose its ``as T``."""


class NoType(Exception):
    """What stands here is no type; ``depth`` of nesting may also have been too great."""


def skip_gap(source: bytes, at: int) -> int:
    """Return the offset behind blanks and comments."""
    gap = _GAP.match(source, at)
    return gap.end() if gap else at


def has_break(source: bytes, start: int, end: int) -> bool:
    """Return whether a line ends between two offsets."""
    between = source[start:end]
    return b"\n" in between or b"\r" in between


def separator(source: bytes, end: int) -> str:
    """Return the semicolon that must part a type which ends a statement from a next line that would go on with it."""
    following = skip_gap(source, end)
    return ";" if source.startswith((b"(", b"[", b"`"), following) and has_break(source, end, following) else ""


def type_end(source: bytes, at: int) -> int:
    """Return where the type that begins at ``at`` (blanks allowed before it) ends. Raises NoType."""
    return _Types(source).type(at, 0)


def arguments_end(source: bytes, at: int) -> int:
    """Return where the type arguments that begin with the ``<`` at ``at`` end. Raises NoType."""
    return _Types(source).arguments(at, 0)


def parameters_end(source: bytes, at: int) -> int:
    """Return where the type parameters that begin with the ``<`` at ``at`` end. Raises NoType."""
    return _Types(source).parameters(at, 0)


def balanced_end(source: bytes, at: int) -> int:
    """Return where the bracket at ``at`` closes; no regular expressions may stand inside. Raises NoType."""
    return _Types(source).balanced(at)


class _Types:
    def __init__(self, source: bytes) -> None:
        self.source = source
        self.left = _MAX_STEPS

    def spend(self, depth: int) -> None:
        """Bound both the depth and the whole work: hostile text can make a parser try twice at every level."""
        self.left -= 1
        if depth > _MAX_DEPTH or self.left < 0:
            raise NoType

    def type(self, at: int, depth: int) -> int:
        """A whole type: function, conditional, union, predicate."""
        self.spend(depth)
        start = self.skip(at)
        if (end := self.function(start, depth)) is not None:
            return end
        end = self.predicate(start, depth)
        if end is not None:
            return end
        end = self.union(start, depth)
        return self.conditional(end, depth)

    def function(self, start: int, depth: int) -> int | None:
        """``<T>(a: A) => B``, ``new (a: A) => B``, ``abstract new () => B``."""
        at = start
        if self.word(at) == b"abstract" and self.word(self.skip(at + 8)) == b"new":
            at = self.skip(at + 8)
        constructs = self.word(at) == b"new"
        if constructs:
            at = self.skip(at + 3)
        generic = self.starts(at, b"<")
        if generic:
            at = self.skip(self.parameters(at, depth + 1))
        if constructs or generic:
            if not self.starts(at, b"("):
                raise NoType
        elif not self.opens_parameters(at):
            return None
        arrow = self.skip(self.balanced(at))
        if not self.starts(arrow, b"=>"):
            raise NoType
        return self.type(arrow + 2, depth + 1)

    def opens_parameters(self, at: int) -> bool:
        """Return whether a function type's parameters begin here, rather than a type in parentheses."""
        if not self.starts(at, b"("):
            return False
        at = self.skip(at + 1)
        if self.source.startswith((b")", b"..."), at):
            return True
        while self.word(at) in _MODIFIERS and self.word(self.skip(at + len(self.word(at)))):
            at = self.skip(at + len(self.word(at)))
        if self.source.startswith((b"[", b"{"), at):
            at = self.skip(self.balanced(at))
        elif word := self.word(at):
            at = self.skip(at + len(word))
        else:
            return False
        if self.starts(at, b")"):
            return self.starts(self.skip(at + 1), b"=>")
        return self.source.startswith((b":", b",", b"?", b"="), at)

    def predicate(self, start: int, depth: int) -> int | None:
        """``x is T``, ``asserts x``, ``asserts x is T``."""
        word = self.word(start)
        end = start + len(word)
        if word == b"asserts":
            name = self.skip(end)
            if self.word(name) and not has_break(self.source, end, name) and self.word(name) not in {b"is", b"extends"}:
                end = name + len(self.word(name))
                word = b"x"
            else:
                word = b""
                end = start
        following = self.skip(end)
        if word and self.word(following) == b"is" and not has_break(self.source, end, following):
            return self.type(following + 2, depth + 1)
        return end if word == b"x" and end > start and self.word(start) == b"asserts" else None

    def conditional(self, end: int, depth: int) -> int:
        at = self.skip(end)
        if self.word(at) != b"extends" or has_break(self.source, end, at):
            return end
        question = self.skip(self.type_without_conditional(at + 7, depth + 1))
        if not self.starts(question, b"?"):
            raise NoType
        colon = self.skip(self.type(question + 1, depth + 1))
        if not self.starts(colon, b":"):
            raise NoType
        return self.type(colon + 1, depth + 1)

    def type_without_conditional(self, at: int, depth: int) -> int:
        """The test of a conditional type, and the constraint of an ``infer`` in it."""
        start = self.skip(at)
        function = self.function(start, depth)
        return function if function is not None else self.union(start, depth, tests=True)

    def union(self, start: int, depth: int, *, tests: bool = False) -> int:
        """Operands joined by ``|`` and ``&``, one of which may lead."""
        at = start
        if self.operator(at):
            at = self.skip(at + 1)
        while True:
            function = self.function(at, depth) if at != start else None
            end = function if function is not None else self.operand(at, depth + 1, tests=tests)
            following = self.skip(end)
            if not self.operator(following):
                return end
            at = self.skip(following + 1)

    def operator(self, at: int) -> bool:
        c, following = self.source[at : at + 1], self.source[at + 1 : at + 2]
        return c in {b"|", b"&"} and following not in {c, b"="}

    def operand(self, at: int, depth: int, *, tests: bool = False) -> int:
        self.spend(depth)
        word = self.word(at)
        if word in _PREFIXES:
            inner = self.skip(at + len(word))
            if self.begins_operand(inner):
                end = self.operand(inner, depth + 1, tests=tests)
                return self.constraint(end, depth, tests=tests) if word == b"infer" else end
        return self.postfix(self.primary(at, depth + 1), depth)

    def constraint(self, end: int, depth: int, *, tests: bool) -> int:
        """``infer U extends C``, where no ``?`` follows that would make it the test of a conditional."""
        at = self.skip(end)
        if self.word(at) != b"extends":
            return end
        try:
            after = self.type_without_conditional(at + 7, depth + 1)
        except NoType:
            return end
        return end if not tests and self.starts(self.skip(after), b"?") else after

    def begins_operand(self, at: int) -> bool:
        return (
            bool(self.word(at))
            or self.source[at : at + 1] in {b"(", b"[", b"{", b"'", b'"', b"`", b"-"}
            or (self.source[at : at + 1].isdigit())
        )

    def postfix(self, end: int, depth: int) -> int:
        """``[]`` and ``[K]``, on the line where the type before them ends."""
        while True:
            at = self.skip(end)
            if not self.starts(at, b"[") or has_break(self.source, end, at):
                return end
            end = self.balanced(at)

    def primary(self, at: int, depth: int) -> int:
        c = self.source[at : at + 1]
        if c in {b"(", b"[", b"{"}:
            return self.balanced(at)
        if c == b"`":
            return self.template(at)
        for pattern in (_STRING, _NUMBER):
            if literal := pattern.match(self.source, at):
                return literal.end()
        word = self.word(at)
        if not word:
            raise NoType
        end = at + len(word)
        if word == b"typeof" and (name := self.skip(end)) and self.word(name):
            return self.reference(name, depth)
        return self.reference(at, depth)

    def reference(self, at: int, depth: int) -> int:
        """``A.B.C<T>``, ``import("m").A<T>``, ``typeof a.b.#c``."""
        word = self.word(at)
        end = at + len(word)
        opening = self.skip(end)
        if word in _KEYWORDS and not self.starts(opening, b"."):
            return end
        if word == b"import" and self.starts(opening, b"("):
            end = self.balanced(opening)
        while True:
            at = self.skip(end)
            if self.starts(at, b".") and not self.starts(at, b"..."):
                name = self.skip(at + 1)
                name += self.starts(name, b"#")
                if not self.word(name):
                    raise NoType
                end = name + len(self.word(name))
            elif self.starts(at, b"<") and not has_break(self.source, end, at) and not self.starts(at, b"<<="):
                return self.arguments(at, depth + 1)
            else:
                return end

    def arguments(self, at: int, depth: int) -> int:
        """``<A, B>``; TypeScript takes no trailing comma here."""
        at = self.skip(at + 1)
        while True:
            end = self.skip(self.type(at, depth + 1))
            if self.starts(end, b">"):
                return end + 1
            if not self.starts(end, b","):
                raise NoType
            at = self.skip(end + 1)

    def parameters(self, at: int, depth: int) -> int:
        """``<const in out T extends C = D, …>``."""
        at = self.skip(at + 1)
        while not self.starts(at, b">"):
            while self.word(at) in {b"const", b"in", b"out"} and self.word(self.skip(at + len(self.word(at)))):
                at = self.skip(at + len(self.word(at)))
            name = self.word(at)
            if not name:
                raise NoType
            at = self.skip(at + len(name))
            if self.word(at) == b"extends":
                at = self.skip(self.type(at + 7, depth + 1))
            if self.starts(at, b"=") and not self.starts(at, b"=>"):
                at = self.skip(self.type(at + 1, depth + 1))
            if self.starts(at, b","):
                at = self.skip(at + 1)
            elif not self.starts(at, b">"):
                raise NoType
        return at + 1

    def balanced(self, at: int, depth: int = 0) -> int:
        """Skip a bracket and all in it."""
        self.spend(depth)
        expected = [_BRACKETS[self.source[at : at + 1]]]
        at += 1
        while expected:
            stop = _STOPS.search(self.source, at)
            if stop is None:
                raise NoType
            c, at = stop.group(), stop.end()
            if c in _BRACKETS:
                expected.append(_BRACKETS[c])
            elif c in {b")", b"]", b"}"}:
                if c != expected.pop():
                    raise NoType
            elif c == b"`":
                at = self.template(stop.start(), depth)
            elif c in {b"//", b"/*"}:
                at = self.skip(stop.start())
                if at == stop.start():
                    raise NoType
            else:
                at = self.string(stop.start())
        return at

    def string(self, at: int) -> int:
        literal = _STRING.match(self.source, at)
        if literal is None:
            raise NoType
        return literal.end()

    def template(self, at: int, depth: int = 0) -> int:
        """Skip a template with all its substitutions."""
        at += 1
        while at < len(self.source):
            c = self.source[at : at + 1]
            if c == b"`":
                return at + 1
            if c == b"\\":
                at += 2
            elif self.starts(at, b"${"):
                at = self.balanced(at + 1, depth + 1)
            else:
                at += 1
        raise NoType

    def skip(self, at: int) -> int:
        return skip_gap(self.source, at)

    def starts(self, at: int, text: bytes) -> bool:
        return self.source.startswith(text, at)

    def word(self, at: int) -> bytes:
        name = _NAME.match(self.source, at)
        return name.group() if name else b""
