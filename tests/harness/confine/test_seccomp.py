from __future__ import annotations

import errno
import random
import struct

import pytest
from tests.harness.confine.inside import inside
from tests.needs import need

from toolscript.confine import syscalls
from toolscript.confine.seccomp import ALLOW, Action, Arg, Filter, Rule

need("seccomp")

UNIX_DENIED = """
seccomp.load(seccomp.Filter(default=seccomp.ALLOW, rules=(
    seccomp.Rule(calls=("socket",), when=(seccomp.Arg(index=0, equals=socket.AF_INET),), action=seccomp.ALLOW),
    seccomp.Rule(calls=("socket",), action=seccomp.Action.errno(errno.EACCES)),
    seccomp.Rule(calls=("io_uring_setup", "io_uring_enter"), action=seccomp.Action.errno(errno.ENOSYS)),
)))
"""


def test_the_first_rule_that_matches_decides_and_the_rest_is_left_alone():
    said = inside(
        UNIX_DENIED
        + """
print(tried(lambda: socket.socket(socket.AF_INET)))
print(tried(lambda: socket.socket(socket.AF_UNIX)))
print(tried(lambda: socket.socketpair()))
print(tried(lambda: open("/etc/hostname")))
"""
    )

    assert said == ["ok", "EACCES", "ok", "ok"]


def test_high_bits_of_an_argument_cannot_hide_a_value():
    said = inside(
        """
import ctypes
seccomp.load(seccomp.Filter(default=seccomp.ALLOW, rules=(
    seccomp.Rule(calls=("socket",), when=(seccomp.Arg(index=0, equals=1),), action=seccomp.Action.errno(errno.EACCES)),
)))
from toolscript.confine import libc, syscalls
number = syscalls.number("socket", syscalls.machine())
print(tried(lambda: libc.syscall(number, 1 | 1 << 32, 1, 0)))
print(tried(lambda: libc.syscall(number, 2 | 1 << 32, 1, 0)))
"""
    )

    assert said == ["EACCES", "ok"]


def test_conditions_must_all_hold_and_a_mask_picks_bits():
    said = inside(
        """
import mmap
P, A = mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
seccomp.load(seccomp.Filter(default=seccomp.ALLOW, rules=(
    seccomp.Rule(calls=("mmap",), when=(seccomp.Arg(index=2, equals=4, mask=4), seccomp.Arg(index=3, equals=A)),
                 action=seccomp.Action.errno(errno.EPERM)),
)))
print(tried(lambda: mmap.mmap(-1, 4096, A, P)))
print(tried(lambda: mmap.mmap(-1, 4096, A, P | mmap.PROT_EXEC)))
print(tried(lambda: mmap.mmap(-1, 4096, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS, P | mmap.PROT_EXEC)))
"""
    )

    assert said == ["ok", "EPERM", "ok"]


def test_an_allow_list_kills_what_it_does_not_name():
    said = inside(
        """
print("before", flush=True)
seccomp.load(seccomp.Filter(default=seccomp.KILL, rules=(
    seccomp.Rule(calls=("write", "exit_group", "brk", "mmap", "munmap", "rt_sigaction", "futex"), action=seccomp.ALLOW),
)))
print("written", flush=True)
os.getppid()
print("never")
"""
    )

    assert said == ["before", "written", "signal 31"]


def test_the_filter_holds_for_what_the_process_starts():
    said = inside(
        UNIX_DENIED
        + """
import subprocess
code = "import socket\\ntry: socket.socket(socket.AF_UNIX)\\nexcept PermissionError: print('refused')"
print(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip())
"""
    )

    assert said == ["refused"]


def test_a_call_name_that_no_processor_knows_is_an_error_not_a_hole():
    rules = Filter(default=ALLOW, rules=(Rule(calls=("sokcet",), action=Action.errno(errno.EPERM)),))

    with pytest.raises(KeyError, match="sokcet"):
        rules.compiled("x86_64")


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_every_program_is_well_formed_on_both_processors(arch):
    rules = Filter(
        default=Action.errno(errno.EPERM),
        rules=(
            Rule(calls=tuple(sorted(syscalls.known())), action=ALLOW, when=(Arg(index=1, equals=7, mask=15),)),
            Rule(calls=("read", "open"), action=ALLOW),
        ),
    )

    code = rules.compiled(arch)

    assert len(code) % 8 == 0
    assert _jumps_stay_inside(code)


def _jumps_stay_inside(code: bytes) -> bool:
    import struct

    program = list(struct.iter_unpack("=HBBI", code))
    return all(at + 1 + max(hit, miss) < len(program) for at, (_, hit, miss, _) in enumerate(program[:-1]))


def _decided(program: bytes, number: int, arguments: list[int]) -> int:
    """Run a filter as the kernel does."""
    steps = [*struct.iter_unpack("=HBBI", program)]
    asked = struct.pack("=iIQ6Q", number, syscalls.AUDIT_ARCH["x86_64"], 0, *arguments)
    word = at = 0
    while True:
        code, hit, miss, operand = steps[at]
        at += 1
        match code:
            case 0x20:
                (word,) = struct.unpack_from("=I", asked, operand)
            case 0x54:
                word &= operand
            case 0x05:
                at += operand
            case 0x15:
                at += hit if word == operand else miss
            case 0x35:
                at += hit if word >= operand else miss
            case _:
                return operand


def _ruled(rules: Filter, number: int, arguments: list[int]) -> int:
    """Read the rules as people do."""
    for rule in rules.rules:
        called = number in {syscalls.number(name, "x86_64") for name in rule.calls}
        if called and all(arguments[arg.index] & 0xFFFFFFFF & arg.mask == arg.equals & arg.mask for arg in rule.when):
            return rule.action.word
    return rules.default.word


@pytest.mark.parametrize("seed", range(8))
def test_a_compiled_filter_decides_as_its_rules_read(seed):
    chance = random.Random(seed)
    names = sorted(syscalls.known())
    actions = [ALLOW, Action.errno(1), Action.errno(2)]
    rules = Filter(
        rules=tuple(
            Rule(
                calls=tuple(chance.sample(names, chance.choice((1, 5, 60)))),
                action=chance.choice(actions),
                when=tuple(
                    Arg(index=chance.randrange(6), equals=chance.randrange(4), mask=chance.choice((0xFFFFFFFF, 3)))
                    for _ in range(chance.choice((0, 0, 1, 2)))
                ),
            )
            for _ in range(12)
        ),
        default=chance.choice(actions),
    )
    program = rules.compiled("x86_64")

    for number in range(470):
        arguments = [chance.choice((0, 1, 2, 3, 4, 1 << 32)) for _ in range(6)]
        assert _decided(program, number, arguments) == _ruled(rules, number, arguments), (number, arguments)
