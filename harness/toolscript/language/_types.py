"""Decides where a TypeScript type ends, by TypeScript's own rules for line breaks and operators.

The tree's grammar is looser than TypeScript (``x as A.B.C`` loses a segment, ``T`` and ``[`` meet across lines), so the
extent of each type that is erased is taken from here, or checked against it.
"""

from __future__ import annotations

import re

from toolscript.errors import ScriptSyntaxError

_GAP = re.compile(rb"(?:[ \t\v\f\r\n]++|\xc2\xa0|\xef\xbb\xbf|//[^\r\n]*+|/\*(?:[^*]|\*(?!/))*+\*/)*+")
_NAME = re.compile(rb"(?:[A-Za-z_$\x80-\xff]|\\u)(?:[\w$\x80-\xff]|\\u\{?[0-9a-fA-F]+\}?)*+")
_NUMBER = re.compile(rb"-?\s*(?:0[xXoObB][\da-fA-F_]+n?|\d[\d_]*(?:\.[\d_]*)?(?:[eE][+-]?\d+)?n?|\.\d+)")
_STRING = re.compile(rb"'(?:[^'\\\r\n]|\\.)*+'|\"(?:[^\"\\\r\n]|\\.)*+\"", re.DOTALL)
_BRACKETS = {b"(": b")", b"[": b"]", b"{": b"}"}
_STOPS = re.compile(rb"""[()\[\]{}'"`]|//|/\*""")
_TEMPLATE_STOP = re.compile(rb"`|\$\{|\\.", re.DOTALL)
_MODIFIERS = {b"public", b"private", b"protected", b"readonly", b"override"}
_KEYWORDS = frozenset(
    b"any unknown number object boolean bigint string symbol never undefined void null true false this".split()
)
"""Types that take no type arguments: a ``<`` behind them compares."""
_PREFIXES = {b"keyof", b"unique", b"readonly", b"infer"}
_MAX_DEPTH = 100
_STEPS_PER_BYTE = 8


TIGHT_OPERATOR = re.compile(rb"\+(?!\+)|-(?!-)|[*%]|/(?![/*])|<<|>>")
"""Operators that bind tighter than ``as``: what stands before them cannot simply lose its ``as T``."""


class NoType(Exception):
    """What stands here is no type."""


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


class TypeReader:
    """Reads types at given places of one source, within one bound on the work for all of them.

    Every method takes the offset where something begins (blanks and comments before it are allowed) and returns the
    offset behind it. They raise NoType where there is no such thing, and ScriptSyntaxError where the text is too
    involved: hostile text can make a reader try twice at every level.
    """

    def __init__(self, source: bytes) -> None:
        self.source = source
        self.left = _STEPS_PER_BYTE * len(source) + 1_000

    def type_end(self, at: int) -> int:
        """Read a type."""
        return self._type(at, 0)

    def arguments_end(self, at: int) -> int:
        """Read type arguments, from their ``<`` on."""
        return self._arguments(at, 0)

    def parameters_end(self, at: int) -> int:
        """Read type parameters, from their ``<`` on."""
        return self._parameters(at, 0)

    def balanced_end(self, at: int) -> int:
        """Read a bracket and all in it; no regular expression may stand there."""
        return self._balanced(at, 0)

    def _spend(self, depth: int) -> None:
        self.left -= 1
        if depth > _MAX_DEPTH or self.left < 0:
            raise ScriptSyntaxError("the script's types are too involved to be read")

    def _type(self, at: int, depth: int) -> int:
        """A whole type: function, conditional, union, predicate."""
        self._spend(depth)
        start = self._skip(at)
        if (end := self._function(start, depth)) is not None:
            return end
        end = self._predicate(start, depth)
        if end is not None:
            return end
        end = self._union(start, depth)
        return self._conditional(end, depth)

    def _function(self, start: int, depth: int) -> int | None:
        """``<T>(a: A) => B``, ``new (a: A) => B``, ``abstract new () => B``."""
        at = start
        if self._word(at) == b"abstract" and self._word(self._skip(at + 8)) == b"new":
            at = self._skip(at + 8)
        constructs = self._word(at) == b"new"
        if constructs:
            at = self._skip(at + 3)
        generic = self._starts(at, b"<")
        if generic:
            at = self._skip(self._parameters(at, depth + 1))
        if constructs or generic:
            if not self._starts(at, b"("):
                raise NoType
        elif not self._opens_parameters(at, depth):
            return None
        arrow = self._skip(self._balanced(at, depth))
        if not self._starts(arrow, b"=>"):
            raise NoType
        return self._type(arrow + 2, depth + 1)

    def _opens_parameters(self, at: int, depth: int) -> bool:
        """Return whether a function type's parameters begin here, rather than a type in parentheses."""
        if not self._starts(at, b"("):
            return False
        at = self._skip(at + 1)
        if self.source.startswith((b")", b"..."), at):
            return True
        while self._word(at) in _MODIFIERS and self._word(self._skip(at + len(self._word(at)))):
            at = self._skip(at + len(self._word(at)))
        if self.source.startswith((b"[", b"{"), at):
            at = self._skip(self._balanced(at, depth))
        elif word := self._word(at):
            at = self._skip(at + len(word))
        else:
            return False
        if self._starts(at, b")"):
            return self._starts(self._skip(at + 1), b"=>")
        return self.source.startswith((b":", b",", b"?", b"="), at)

    def _predicate(self, start: int, depth: int) -> int | None:
        """``x is T``, ``asserts x``, ``asserts x is T``."""
        word = self._word(start)
        end = start + len(word)
        if word == b"asserts":
            name = self._skip(end)
            if (
                self._word(name)
                and not has_break(self.source, end, name)
                and self._word(name) not in {b"is", b"extends"}
            ):
                end = name + len(self._word(name))
                word = b"x"
            else:
                word = b""
                end = start
        following = self._skip(end)
        if word and self._word(following) == b"is" and not has_break(self.source, end, following):
            return self._type(following + 2, depth + 1)
        return end if word == b"x" and end > start and self._word(start) == b"asserts" else None

    def _conditional(self, end: int, depth: int) -> int:
        at = self._skip(end)
        if self._word(at) != b"extends" or has_break(self.source, end, at):
            return end
        question = self._skip(self._type_without_conditional(at + 7, depth + 1))
        if not self._starts(question, b"?"):
            raise NoType
        colon = self._skip(self._type(question + 1, depth + 1))
        if not self._starts(colon, b":"):
            raise NoType
        return self._type(colon + 1, depth + 1)

    def _type_without_conditional(self, at: int, depth: int) -> int:
        """The test of a conditional type, and the constraint of an ``infer`` in it."""
        start = self._skip(at)
        function = self._function(start, depth)
        return function if function is not None else self._union(start, depth, tests=True)

    def _union(self, start: int, depth: int, *, tests: bool = False) -> int:
        """Operands joined by ``|`` and ``&``, one of which may lead."""
        at = start
        if self._operator(at):
            at = self._skip(at + 1)
        while True:
            function = self._function(at, depth) if at != start else None
            end = function if function is not None else self._operand(at, depth + 1, tests=tests)
            following = self._skip(end)
            if not self._operator(following):
                return end
            at = self._skip(following + 1)

    def _operator(self, at: int) -> bool:
        c, following = self.source[at : at + 1], self.source[at + 1 : at + 2]
        return c in {b"|", b"&"} and following not in {c, b"="}

    def _operand(self, at: int, depth: int, *, tests: bool = False) -> int:
        self._spend(depth)
        word = self._word(at)
        if word in _PREFIXES:
            inner = self._skip(at + len(word))
            if self._begins_operand(inner):
                end = self._operand(inner, depth + 1, tests=tests)
                return self._constraint(end, depth, tests=tests) if word == b"infer" else end
        return self._postfix(self._primary(at, depth + 1), depth)

    def _constraint(self, end: int, depth: int, *, tests: bool) -> int:
        """``infer U extends C``, where no ``?`` follows that would make it the test of a conditional."""
        at = self._skip(end)
        if self._word(at) != b"extends":
            return end
        try:
            after = self._type_without_conditional(at + 7, depth + 1)
        except NoType:
            return end
        return end if not tests and self._starts(self._skip(after), b"?") else after

    def _begins_operand(self, at: int) -> bool:
        return (
            bool(self._word(at))
            or self.source[at : at + 1] in {b"(", b"[", b"{", b"'", b'"', b"`", b"-"}
            or (self.source[at : at + 1].isdigit())
        )

    def _postfix(self, end: int, depth: int) -> int:
        """``[]`` and ``[K]``, on the line where the type before them ends."""
        while True:
            at = self._skip(end)
            if not self._starts(at, b"[") or has_break(self.source, end, at):
                return end
            end = self._balanced(at, depth)

    def _primary(self, at: int, depth: int) -> int:
        c = self.source[at : at + 1]
        if c in {b"(", b"[", b"{"}:
            return self._balanced(at, depth)
        if c == b"`":
            return self._template(at, depth)
        for pattern in (_STRING, _NUMBER):
            if literal := pattern.match(self.source, at):
                return literal.end()
        word = self._word(at)
        if not word:
            raise NoType
        end = at + len(word)
        if word == b"typeof" and (name := self._skip(end)) and self._word(name):
            return self._reference(name, depth)
        return self._reference(at, depth)

    def _reference(self, at: int, depth: int) -> int:
        """``A.B.C<T>``, ``import("m").A<T>``, ``typeof a.b.#c``."""
        word = self._word(at)
        end = at + len(word)
        opening = self._skip(end)
        if word in _KEYWORDS and not self._starts(opening, b"."):
            return end
        if word == b"import" and self._starts(opening, b"("):
            end = self._balanced(opening, depth)
        while True:
            at = self._skip(end)
            if self._starts(at, b".") and not self._starts(at, b"..."):
                name = self._skip(at + 1)
                name += self._starts(name, b"#")
                if not self._word(name):
                    raise NoType
                end = name + len(self._word(name))
            elif self._starts(at, b"<") and not has_break(self.source, end, at) and not self._starts(at, b"<<="):
                return self._arguments(at, depth + 1)
            else:
                return end

    def _arguments(self, at: int, depth: int) -> int:
        """``<A, B>``; TypeScript takes no trailing comma here."""
        at = self._skip(at + 1)
        while True:
            end = self._skip(self._type(at, depth + 1))
            if self._starts(end, b">"):
                return end + 1
            if not self._starts(end, b","):
                raise NoType
            at = self._skip(end + 1)

    def _parameters(self, at: int, depth: int) -> int:
        """``<const in out T extends C = D, …>``."""
        at = self._skip(at + 1)
        while not self._starts(at, b">"):
            while self._word(at) in {b"const", b"in", b"out"} and self._word(self._skip(at + len(self._word(at)))):
                at = self._skip(at + len(self._word(at)))
            name = self._word(at)
            if not name:
                raise NoType
            at = self._skip(at + len(name))
            if self._word(at) == b"extends":
                at = self._skip(self._type(at + 7, depth + 1))
            if self._starts(at, b"=") and not self._starts(at, b"=>"):
                at = self._skip(self._type(at + 1, depth + 1))
            if self._starts(at, b","):
                at = self._skip(at + 1)
            elif not self._starts(at, b">"):
                raise NoType
        return at + 1

    def _balanced(self, at: int, depth: int) -> int:
        """Skip a bracket and all in it."""
        expected = [_BRACKETS[self.source[at : at + 1]]]
        at += 1
        while expected:
            self._spend(depth)
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
                at = self._template(stop.start(), depth)
            elif c in {b"//", b"/*"}:
                at = self._skip(stop.start())
                if at == stop.start():
                    raise NoType
            else:
                at = self._string(stop.start())
        return at

    def _string(self, at: int) -> int:
        literal = _STRING.match(self.source, at)
        if literal is None:
            raise NoType
        return literal.end()

    def _template(self, at: int, depth: int) -> int:
        """Skip a template with all its substitutions."""
        at += 1
        while stop := _TEMPLATE_STOP.search(self.source, at):
            self._spend(depth)
            if stop.group() == b"`":
                return stop.end()
            at = self._balanced(stop.end() - 1, depth + 1) if stop.group() == b"${" else stop.end()
        raise NoType

    def _skip(self, at: int) -> int:
        return skip_gap(self.source, at)

    def _starts(self, at: int, text: bytes) -> bool:
        return self.source.startswith(text, at)

    def _word(self, at: int) -> bytes:
        name = _NAME.match(self.source, at)
        return name.group() if name else b""
