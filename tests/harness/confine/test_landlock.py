from __future__ import annotations

from tests.harness.confine.inside import inside
from tests.needs import need

need("landlock")


def test_only_the_named_paths_can_be_read_and_written(tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "a").write_text("a")
    (tmp_path / "shut").mkdir()
    (tmp_path / "shut" / "b").write_text("b")
    (tmp_path / "read").mkdir()
    (tmp_path / "read" / "c").write_text("c")

    said = inside(
        """
base = Path(sys.argv[1])
landlock.restrict([(base / "open", landlock.WRITE), (base / "read", landlock.READ), (base / "gone", landlock.READ)])
print(tried(lambda: (base / "open" / "new").write_text("x")))
print(tried(lambda: (base / "open" / "a").unlink()))
print(tried(lambda: (base / "read" / "c").read_text()))
print(tried(lambda: (base / "read" / "c").write_text("x")))
print(tried(lambda: (base / "shut" / "b").read_text()))
print(tried(lambda: os.listdir(base)))
""",
        str(tmp_path),
    )

    assert said == ["ok", "ok", "ok", "EACCES", "EACCES", "EACCES"]


def test_a_single_file_can_be_named(tmp_path):
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")

    said = inside(
        """
landlock.restrict([(Path(sys.argv[1]), landlock.WRITE)])
print(tried(lambda: Path(sys.argv[1]).write_text("x")), tried(lambda: Path(sys.argv[2]).read_text()))
""",
        str(tmp_path / "a"),
        str(tmp_path / "b"),
    )

    assert said == ["ok EACCES"]


def test_programs_run_only_where_running_is_allowed():
    said = inside(
        """
import subprocess
landlock.restrict([(Path("/"), landlock.READ)])
print(tried(lambda: subprocess.run(["/bin/true"])))
"""
    )

    assert said == ["EACCES"]


def test_rights_that_are_not_held_back_stay_as_they_were(tmp_path):
    said = inside(
        """
landlock.restrict([], only=landlock.WRITE & ~landlock.RUN, tcp_connect=None, tcp_bind=None, isolate=False)
print(tried(lambda: open("/etc/hostname").read()), tried(lambda: Path(sys.argv[1], "x").write_text("x")))
""",
        str(tmp_path),
    )

    assert said == ["ok EACCES"]


def test_tcp_reaches_only_the_named_ports():
    said = inside(
        """
server = socket.create_server(("127.0.0.1", 0))
other = socket.create_server(("127.0.0.1", 0))
left = landlock.restrict([], tcp_connect=[server.getsockname()[1]])
def connect(to):
    with socket.socket() as s:
        s.connect(to.getsockname())
def bind():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
print("tcp" in left or [tried(lambda: connect(server)), tried(lambda: connect(other)), tried(bind)])
"""
    )

    assert said in (["['ok', 'EACCES', 'EACCES']"], ["True"])


def test_what_the_kernel_is_too_old_for_is_said(monkeypatch):
    from toolscript.confine import landlock

    assert landlock._beyond(1, tcp=True, isolate=True) == ("refer", "truncate", "ioctl", "tcp", "scopes")
    assert landlock._beyond(7, tcp=True, isolate=True) == ()
