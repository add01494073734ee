from __future__ import annotations

from tests.harness.confine.inside import inside
from tests.needs import need

from toolscript.confine.detect import detect


def test_limits_are_lowered_for_good_and_what_is_unknown_is_said():
    said = inside(
        """
import resource
print(rlimits.restrict(open_files=16, core=0))
print(resource.getrlimit(resource.RLIMIT_NOFILE), tried(lambda: [os.dup(0) for _ in range(20)]))
del resource.RLIMIT_CORE
print(rlimits.restrict(core=0))
"""
    )

    assert said == ["()", "(16, 16) EMFILE", "('core',)"]


def test_a_limit_is_never_raised():
    said = inside(
        """
import resource
rlimits.restrict(open_files=16)
rlimits.restrict(open_files=64)
print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    )

    assert said == ["(16, 16)"]


def test_all_descriptors_but_the_kept_ones_are_closed():
    said = inside(
        """
a, b = os.pipe()
process.close_all_but([1, 2, b])
print(tried(lambda: os.fstat(a)), tried(lambda: os.fstat(b)), tried(lambda: os.fstat(0)))
"""
    )

    assert said == ["EBADF ok EBADF"]


def test_a_child_whose_parent_has_died_ends_too():
    need("landlock")  # stands for Linux
    said = inside(
        """
r, w = os.pipe()
if (child := os.fork()) == 0:
    parent = os.getpid()
    if os.fork() == 0:
        process.die_with_parent(parent=parent)
        os.write(w, b"ready")
        signal.pause()
    os.read(r, 5)
    os._exit(0)
os.waitpid(child, 0)
os.close(w)
print(os.read(r, 5))
"""
    )

    assert said == ["b''"]


def test_what_is_missing_is_explained_to_a_person():
    found = detect()

    assert set(found.missing()) <= {"landlock", "seccomp", "user_namespaces", "mount_namespaces", "bubblewrap",
                                    "subreaper", "pidfd"}  # fmt: skip
    assert all(not getattr(found, name) for name in found.missing())
