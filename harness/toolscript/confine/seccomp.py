"""Decides which system calls a process may still make: rules in order, compiled to the kernel's filter language.

Build a :class:`Filter` from rules, the first that matches decides, and :func:`load` it. It holds for the calling
thread, for everything it starts later, and for good::

    load(Filter(default=ALLOW, rules=(
        Rule(calls=("socket",), action=ALLOW, when=(Arg(index=0, equals=AF_INET),)),
        Rule(calls=("socket",), action=Action.errno(EPERM)),
    )))
"""

from __future__ import annotations

import ctypes
import errno
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from toolscript.confine import libc, syscalls
from toolscript.confine.process import no_new_privileges

_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_SET_MODE_FILTER = 1
_LOAD, _JUMP, _JUMP_EQUAL, _JUMP_AT_LEAST, _AND, _RETURN = 0x20, 0x05, 0x15, 0x35, 0x54, 0x06
_OFFSET_NUMBER, _OFFSET_ARCH, _OFFSET_ARGUMENTS = 0, 4, 16
_LONGEST = 4096
_FARTHEST = 255
"""Instructions that a condition can jump over."""

Instruction = tuple[int, int, int, int]
"""Operation, jump if true, jump if false, operand."""
Verdict = tuple[Instruction, ...]
"""What is left to do once the call is known."""


@dataclass(frozen=True, slots=True)
class Action:
    """What happens to a call: let it through, refuse it with an error number, or kill the process."""

    word: int

    @classmethod
    def errno(cls, number: int = errno.EPERM) -> Action:
        """Refuse the call with this error number."""
        return cls(_ERRNO | number)


ALLOW = Action(_ALLOW)
KILL = Action(_KILL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arg:
    """A condition on one argument (0 to 5): ``argument & mask == equals``.

    Only the low 32 bits are looked at, as the kernel does for descriptors, families and flags: a caller could
    otherwise hide a value behind high bits that the kernel ignores.
    """

    index: int
    equals: int
    mask: int = 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What happens to some calls, by name, when all conditions hold; names unknown to a processor are skipped."""

    calls: tuple[str, ...]
    action: Action
    when: tuple[Arg, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Rules in order and what happens to every other call; ``foreign`` meets those of other conventions (i386, x32)."""

    rules: tuple[Rule, ...]
    default: Action
    foreign: Action = KILL

    def compiled(self, arch: str) -> bytes:
        """Return the program for a processor (``x86_64``, ``aarch64``). Raises KeyError for an unknown call name."""
        program = [*self._prologue(arch), *_search(self._steps(arch), self._verdict(()))]
        if len(program) > _LONGEST:
            raise ValueError(f"a filter may have {_LONGEST} instructions, this one has {len(program)}")
        return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)

    def _steps(self, arch: str) -> list[tuple[int, Verdict]]:
        """Return, in order, each number from which on another verdict holds than below it."""
        rules: dict[int, list[Rule]] = {}
        for rule in self.rules:
            for name in rule.calls:
                if (found := syscalls.number(name, arch)) is not None:
                    rules.setdefault(found, []).append(rule)
        steps: list[tuple[int, Verdict]] = []
        for found in sorted(rules):
            if steps and steps[-1][0] == found:
                steps.pop()
            steps += [(found, self._verdict(rules[found])), (found + 1, self._verdict(()))]
        below = self._verdict(())
        return [step for step, (_, before) in zip(steps, [(0, below), *steps], strict=False) if step[1] != before]

    def _verdict(self, rules: Iterable[Rule]) -> Verdict:
        """Return what decides about one call: conditions and answers in turn, up to the first answer without any."""
        verdict: list[Instruction] = []
        for rule in rules:
            verdict += _answer(rule)
            if not rule.when:
                return tuple(verdict)
        return (*verdict, (_RETURN, 0, 0, self.default.word))

    def _prologue(self, arch: str) -> Iterator[Instruction]:
        yield _LOAD, 0, 0, _OFFSET_ARCH
        yield _JUMP_EQUAL, 1, 0, syscalls.AUDIT_ARCH[arch]
        yield _RETURN, 0, 0, self.foreign.word
        yield _LOAD, 0, 0, _OFFSET_NUMBER
        if arch == "x86_64":
            yield _JUMP_AT_LEAST, 0, 1, syscalls.X32_BIT
            yield _RETURN, 0, 0, self.foreign.word


def _search(steps: list[tuple[int, Verdict]], below: Verdict) -> Sequence[Instruction]:
    """Halve what is left of the numbers until the verdict is known.

    The kernel asks a new filter for its answer to every number there is, so a walk along all of them would be long.
    """
    if not steps:
        return below
    middle = len(steps) // 2
    number, verdict = steps[middle]
    left, right = _search(steps[:middle], below), _search(steps[middle + 1 :], verdict)
    if len(left) > _FARTHEST:
        return (_JUMP_AT_LEAST, 0, 1, number), (_JUMP, 0, 0, len(left)), *left, *right
    return (_JUMP_AT_LEAST, len(left), 0, number), *left, *right


def _answer(rule: Rule) -> list[Instruction]:
    """Return a rule's answer behind its conditions; where one of these fails, what follows is next."""
    body = [*_conditions(rule.when), (_RETURN, 0, 0, rule.action.word)]
    last = len(body) - 1
    return [
        (code, hit, last - at if code == _JUMP_EQUAL else miss, operand)
        for at, (code, hit, miss, operand) in enumerate(body)
    ]


def _conditions(when: tuple[Arg, ...]) -> Iterator[Instruction]:
    for arg in when:
        yield _LOAD, 0, 0, _OFFSET_ARGUMENTS + 8 * arg.index
        if arg.mask != 0xFFFFFFFF:
            yield _AND, 0, 0, arg.mask
        yield _JUMP_EQUAL, 0, 0, arg.equals & arg.mask


def supported() -> bool:
    """Say whether this kernel, and what confines us already, lets us filter system calls, on a processor we know."""
    arch = syscalls.machine()
    if arch is None:
        return False
    number = syscalls.number("seccomp", arch)
    assert number is not None
    try:
        # A filter that is not there: who would take one looks for it first.
        libc.syscall(number, _SET_MODE_FILTER, 0, None, what="seccomp")
    except OSError as error:
        return error.errno == errno.EFAULT
    return False


def load(rules: Filter, *, compiled: bytes | None = None) -> None:
    """Hold this thread, and all it starts, to the filter, for good. Raises OSError where the kernel cannot.

    Filters add up: a call must pass all of them. ``compiled`` saves compiling where many processes load the same.
    """
    arch = syscalls.machine()
    if arch is None:
        raise OSError(errno.ENOSYS, "seccomp: unknown processor")
    Ready(compiled if compiled is not None else rules.compiled(arch)).load()


class Ready:
    """A compiled filter as the kernel takes it, for whoever has it loaded by many children."""

    def __init__(self, code: bytes) -> None:
        self._code = ctypes.create_string_buffer(code, len(code))
        self._program = struct.pack("@HP", len(code) // 8, ctypes.addressof(self._code))
        arch = syscalls.machine()
        number = None if arch is None else syscalls.number("seccomp", arch)
        if number is None:
            raise OSError(errno.ENOSYS, "seccomp: unknown processor")
        self._number = number

    def load(self) -> None:
        """Hold this thread, and all it starts, to the filter, for good. Raises OSError where the kernel cannot."""
        no_new_privileges()
        libc.syscall(self._number, _SET_MODE_FILTER, 0, self._program, what="seccomp")
