from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.harness.confine.box import ALL, MOUNTED, Box, Ways, bubblewrap, own_namespace, rules_only
from tests.harness.confine.commands import Done, done, launch
from tests.needs import need

from toolscript.confine import modes
from toolscript.confine.command import LaunchFailed
from toolscript.confine.detect import detect
from toolscript.confine.modes import Means, plan
from toolscript.errors import ConfigError

pytestmark = pytest.mark.anyio
need("seccomp")


@pytest.mark.parametrize("way", ALL)
async def test_a_command_writes_in_the_workspace_and_nowhere_else(box: Box, way: Ways) -> None:
    script = (
        f"echo in > made; mkdir d; mv made d; ln d/made hard; echo out > {box.outside}/made; rm {box.outside}/plain"
    )
    ended = await box.run(script, box.plan(way()))
    assert ended.code != 0
    assert "Permission denied" in ended.stderr or "Read-only file system" in ended.stderr
    assert (box.root / "d" / "made").read_text() == "in\n"
    assert [path.name for path in box.outside.iterdir()] == ["plain"]


@pytest.mark.parametrize("way", MOUNTED)
async def test_modes_owners_and_times_outside_cannot_be_changed(box: Box, way: Ways) -> None:
    before = (box.outside / "plain").stat()
    script = (
        f"for do in 'chmod 777' 'chown 1:1' 'touch -t 200001010000' 'truncate -s 0'; do $do {box.outside}/plain; done"
    )
    await box.run(script, box.plan(way()))
    assert (box.outside / "plain").stat() == before


@pytest.mark.parametrize("way", ALL)
async def test_modes_owners_and_times_inside_can_be_changed(box: Box, way: Ways) -> None:
    (box.root / "mine").write_text("x")
    ended = await box.run("chmod 700 mine && touch -t 200001010000 mine && truncate -s 0 mine", box.plan(way()))
    assert ended == Done(0, "", "")
    assert (box.root / "mine").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("way", ALL)
async def test_links_do_not_lead_writes_out_of_the_workspace(box: Box, way: Ways) -> None:
    (box.root / "link").symlink_to(box.outside)
    script = f"echo out > link/made; ln -s {box.outside}/plain l; echo out >> l; cp /bin/true link/"
    await box.run(script, box.plan(way()))
    assert [path.name for path in box.outside.iterdir()] == ["plain"]
    assert (box.outside / "plain").read_text() == "outside"


@pytest.mark.parametrize("way", ALL)
async def test_read_only_writes_nothing_but_to_the_null_device(box: Box, way: Ways) -> None:
    ended = await box.run(
        "echo x > /dev/null && echo fine; echo x > made; touch /tmp/made", box.plan(way(), writes=False)
    )
    assert ended.stdout == "fine\n"
    assert list(box.root.iterdir()) == []


@pytest.mark.parametrize("way", ALL)
async def test_what_lies_outside_can_be_read_and_run(box: Box, way: Ways) -> None:
    ended = await box.run(f"cat {box.outside}/plain; /usr/bin/env true && echo ran", box.plan(way()))
    assert ended == Done(0, "outsideran\n", "")


@pytest.mark.parametrize("way", ALL)
async def test_secret_directories_cannot_be_read(box: Box, way: Ways) -> None:
    script = (
        f"cat {box.secrets}/token; ls {box.secrets}; cd {box.secrets} && cat token; cat /proc/1/root{box.secrets}/token"
    )
    ended = await box.run(script, box.plan(way()))
    assert ended.stdout == ""
    assert "canary" not in ended.stderr


@pytest.mark.parametrize("way", ALL)
async def test_secret_directories_cannot_be_read_through_the_host(box: Box, way: Ways) -> None:
    script = f"for way in root cwd; do cat /proc/{os.getpid()}/$way{box.secrets}/token; done; echo done"
    assert (await box.run(script, box.plan(way()))).stdout == "done\n"


@pytest.mark.parametrize("way", ALL)
async def test_secret_directories_cannot_be_moved_linked_or_uncovered(box: Box, way: Ways) -> None:
    (box.root / "link").symlink_to(box.secrets)
    script = f"""
        umount {box.secrets}; umount -l {box.secrets}; mount --bind / . ; cat link/token
        mv {box.secrets} .; ln {box.secrets}/token hard; unshare -rm umount {box.secrets}; cat {box.secrets}/token
        unshare -r cat {box.secrets}/token; nsenter -t 1 -m cat {box.secrets}/token; echo done"""
    assert (await box.run(script, box.plan(way()))).stdout == "done\n"
    assert (box.secrets / "token").read_text() == "canary"


@pytest.mark.parametrize("way", MOUNTED)
async def test_secret_directories_in_the_workspace_are_hidden_by_mounts(box: Box, way: Ways) -> None:
    box.secrets = box.root / "state"
    box.secrets.mkdir()
    (box.secrets / "token").write_text("canary")
    ended = await box.run(
        "cat state/token; mv state away; cat away/token; echo x > state/new; echo done", box.plan(way())
    )
    assert ended.stdout == "done\n"
    assert [path.name for path in box.secrets.iterdir()] == ["token"]


async def test_rules_alone_do_not_claim_to_hide_secrets_in_the_workspace(box: Box) -> None:
    secret = box.root / "state"
    secret.mkdir()
    assert plan(writes=True, roots=[box.root], secrets=[secret], by=rules_only()) is None
    assert plan(writes=False, roots=[box.root], secrets=[secret], by=rules_only()) is not None


def _repository(box: Box) -> dict[str, Path]:
    (box.root / ".git" / "hooks").mkdir(parents=True)
    files = {name: box.root / name for name in (".git/config", ".git/hooks/pre-commit", "toolscript.toml")}
    for path in files.values():
        path.write_text("original")
    return files


CHANGES = """
    echo evil > .git/config; echo evil > .git/hooks/pre-commit; echo evil > .git/hooks/new; echo evil > toolscript.toml
    rm -rf .git/hooks; rm -f .git/config toolscript.toml; mv toolscript.toml t; mv .git/config c; mv .git/hooks h
    mv .git away; mkdir -p .git/hooks; echo evil > .git/hooks/pre-commit; echo evil > .git/config
    ln -sf /etc/passwd toolscript.toml; chmod 777 toolscript.toml .git/config; echo evil > .git/fine; true"""


@pytest.mark.parametrize("way", ALL)
async def test_protected_files_are_as_before_whatever_a_command_does(box: Box, way: Ways) -> None:
    files = _repository(box)
    modes_before = {path: path.stat().st_mode for path in files.values()}
    restored = await box.guarded(CHANGES, way())
    assert [path.read_text() for path in files.values()] == ["original"] * 3
    assert {path: path.stat().st_mode for path in files.values()} == modes_before
    assert [path.name for path in (box.root / ".git" / "hooks").iterdir()] == ["pre-commit"]
    if way is rules_only:
        assert {each.path.name for each in restored} == {"config", "hooks", "toolscript.toml"}
        assert any("evil" in each.became for each in restored)
    else:
        assert restored == []


@pytest.mark.parametrize("way", MOUNTED)
async def test_repositories_right_below_the_root_are_protected_as_well(box: Box, way: Ways) -> None:
    inner = box.root / "package" / ".git"
    (inner / "hooks").mkdir(parents=True)
    (inner / "config").write_text("original")
    linked = box.root / "worktree"
    linked.mkdir()
    (linked / ".git").write_text("gitdir: elsewhere")
    script = (
        "echo evil > package/.git/config; echo evil > package/.git/hooks/x; echo evil > worktree/.git; rm worktree/.git"
    )
    await box.run(script, box.plan(way()))
    assert (inner / "config").read_text() == "original"
    assert list((inner / "hooks").iterdir()) == []
    assert (linked / ".git").read_text() == "gitdir: elsewhere"


@pytest.mark.parametrize("way", MOUNTED)
async def test_a_root_among_temporary_files_cannot_be_moved_away(
    box: Box, way: Ways, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modes, "temporary_directories", lambda configured: (str(box.root.parent),))
    ended = await box.run("cd ..; touch made && mv workspace away; ln -s /etc workspace; ls", box.plan(way()))
    assert "workspace" in ended.stdout.split()
    assert "made" in ended.stdout.split()
    assert box.root.is_dir()
    assert not box.root.is_symlink()


@pytest.mark.parametrize("way", MOUNTED)
async def test_the_rest_of_a_repository_can_be_changed(box: Box, way: Ways) -> None:
    _repository(box)
    ended = await box.run("echo x > .git/index && mkdir .git/objects && mv .git/index .git/objects/", box.plan(way()))
    assert ended.code == 0
    assert (box.root / ".git" / "objects" / "index").exists()


@pytest.mark.parametrize("way", ALL)
async def test_what_a_command_newly_makes_of_protected_files_is_taken_away(box: Box, way: Ways) -> None:
    restored = await box.guarded("mkdir -p .git/hooks; echo evil | tee .git/config .git/hooks/x toolscript.toml", way())
    assert sorted(path.name for path in box.root.iterdir()) == [".git"]
    assert list((box.root / ".git" / "hooks").iterdir()) == []
    assert (box.root / ".git" / "config").read_text() == ""
    assert {each.path.name: each.did for each in restored} == {
        "config": "made harmless", "x": "removed", "toolscript.toml": "put back",
    }  # fmt: skip


@pytest.mark.parametrize("way", ALL)
async def test_git_works_in_a_confined_command(box: Box, way: Ways) -> None:
    confinement = box.plan(way())
    script = """git init -q . && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m one && git log --oneline |
        wc -l"""
    assert (await box.run(script, confinement)).stdout == "1\n"
    again = "git -c user.name=a -c user.email=a@b commit -q --allow-empty -m two && git log --oneline | wc -l"
    assert (await box.run(again, box.plan(way()))).stdout == "2\n"


@pytest.fixture
def server() -> Iterator[tuple[str, int]]:
    """Answer every connection to a local port with one line."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(b"reached\n")

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[:2]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def _reach(address: tuple[str, int]) -> str:
    return f"cat < /dev/tcp/{address[0]}/{address[1]}"


@pytest.mark.parametrize("way", ALL)
async def test_the_network_is_closed_unless_allowed(box: Box, way: Ways, server: tuple[str, int]) -> None:
    refused = await box.run(_reach(server), box.plan(way()))
    assert (refused.code, refused.stdout) == (1, "")
    allowed = await box.run(_reach(server), box.plan(way(), network=True))
    assert allowed == Done(0, "reached\n", "")


SOCKETS = """
import socket, sys
def tried(family, kind=socket.SOCK_STREAM, protocol=0):
    try:
        socket.socket(family, kind, protocol).close()
        return "made"
    except OSError as error:
        return error.strerror
def pair(kind):
    try:
        left, right = socket.socketpair(socket.AF_UNIX, kind)
        left.send(b"x")
        right.recv(1)
        return "made"
    except OSError as error:
        return error.strerror
print(tried(socket.AF_UNIX), tried(socket.AF_UNIX, socket.SOCK_DGRAM), sep=",")
print(tried(socket.AF_INET), tried(socket.AF_INET6), sep=",")
print(tried(socket.AF_NETLINK, socket.SOCK_RAW, 9), tried(socket.AF_PACKET, socket.SOCK_RAW), tried(socket.AF_VSOCK), sep=",")
print(pair(socket.SOCK_STREAM), pair(socket.SOCK_DGRAM), sep=",")
"""
NO = "Operation not permitted"


@pytest.mark.parametrize("way", ALL)
@pytest.mark.parametrize("network", [False, True])
async def test_local_sockets_are_refused_always_but_pairs_stay(box: Box, way: Ways, network: bool) -> None:
    (box.root / "sockets.py").write_text(SOCKETS)
    ended = await box.run("python3 -I sockets.py", box.plan(way(), network=network))
    internet = "made,made" if network else f"{NO},{NO}"
    assert ended.stdout.splitlines() == [f"{NO},{NO}", internet, f"{NO},{NO},{NO}", f"made,{NO}"], ended.stderr


IO_URING = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print(libc.syscall(425, 8, None), ctypes.get_errno())
"""


@pytest.mark.parametrize("way", ALL)
async def test_io_uring_is_refused(box: Box, way: Ways) -> None:
    (box.root / "ring.py").write_text(IO_URING)
    assert (await box.run("python3 -I ring.py", box.plan(way(), network=True))).stdout == "-1 1\n"


@pytest.mark.parametrize("way", ALL)
async def test_other_processes_of_the_user_cannot_be_signalled(box: Box, way: Ways) -> None:
    if way is not bubblewrap and detect().landlock < 6:
        pytest.skip("this kernel's Landlock does not hold back signals")
    keeper = "" if way is bubblewrap else "kill -0 $PPID && echo keeper;"
    ended = await box.run(f"{keeper} kill -0 {os.getpid()} && echo reached", box.plan(way()))
    assert ended.stdout == ""


@pytest.mark.parametrize("way", ALL)
async def test_no_privileges_can_be_gained(box: Box, way: Ways) -> None:
    ended = await box.run("grep -E 'NoNewPrivs|Seccomp:' /proc/self/status", box.plan(way()))
    assert ended.stdout.split() == ["NoNewPrivs:", "1", "Seccomp:", "2"]


@pytest.mark.parametrize("way", ALL)
async def test_disks_cannot_be_read_past_the_files(box: Box, way: Ways) -> None:
    disks = modes._block_devices()
    if not disks:
        pytest.skip("no disk is there to be read")
    ended = await box.run(f"for disk in {' '.join(disks)}; do head -c 1 $disk; done | wc -c", box.plan(way()))
    assert ended.stdout == "0\n"


@pytest.mark.parametrize("way", ALL)
async def test_children_of_a_command_are_confined_as_well(box: Box, way: Ways) -> None:
    script = f"setsid sh -c 'echo x > {box.outside}/made; cat {box.secrets}/token'; python3 -c 'open(\"{box.outside}/m\", \"w\")'"
    ended = await box.run(script, box.plan(way()))
    assert ended.stdout == ""
    assert [path.name for path in box.outside.iterdir()] == ["plain"]


@pytest.mark.parametrize("way", ALL)
async def test_shared_memory_and_pipes_work(box: Box, way: Ways) -> None:
    script = "python3 -c 'import multiprocessing as m; print(m.get_context(\"spawn\").Lock())' && mkfifo p && echo ok"
    ended = await box.run(script, box.plan(way()))
    assert ended.stdout.endswith("ok\n"), ended.stderr


@pytest.mark.parametrize("way", ALL)
async def test_a_missing_program_is_an_error_in_every_way(box: Box, way: Ways) -> None:
    with pytest.raises(LaunchFailed) as failed:
        await done(box.commands, launch("no-such-program", confinement=box.plan(way())))
    assert failed.value.errno == 2


@pytest.mark.parametrize("way", ALL)
async def test_a_program_is_found_by_its_name(box: Box, way: Ways) -> None:
    assert (await done(box.commands, launch("echo", "found", confinement=box.plan(way())))).stdout == "found\n"


async def test_bubblewrap_refuses_what_it_cannot_do(box: Box) -> None:
    renamed = replace(launch("echo", confinement=box.plan(bubblewrap())), argv=("other", "x"))
    with pytest.raises(LaunchFailed, match="another name"):
        await done(box.commands, renamed)


@pytest.mark.parametrize("way", ALL)
async def test_exit_codes_pass_through(box: Box, way: Ways) -> None:
    assert (await box.run("exit 3", box.plan(way()))).code == 3


def test_a_root_that_has_become_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root").symlink_to("/etc")
    with pytest.raises(ConfigError, match="leads to '/etc'"):
        plan(writes=True, roots=[tmp_path / "root"], by=Means(landlock=True, seccomp=True))


def test_a_workspace_below_a_hidden_directory_is_not_called_confined(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    by = Means(landlock=True, seccomp=True, namespace=True)
    assert plan(writes=True, roots=[tmp_path / "root"], secrets=[tmp_path], by=by) is None


async def test_a_confinement_that_cannot_be_applied_stops_the_command(box: Box, tmp_path: Path) -> None:
    need("landlock")
    broken = replace(box.plan(own_namespace()), hidden=(), pinned=("/no/such/directory",))
    with pytest.raises(LaunchFailed) as failed:
        await box.run("touch ran", broken)
    assert failed.value.stage == "confine"
    assert list(box.root.iterdir()) == []


def test_without_a_filter_for_calls_nothing_is_called_confined() -> None:
    assert plan(writes=True, roots=[], by=Means(landlock=True, namespace=True, bubblewrap="/usr/bin/bwrap")) is None


def test_without_any_means_for_files_nothing_is_called_confined() -> None:
    assert plan(writes=True, roots=[], by=Means(seccomp=True, namespace=True)) is None


def test_the_temporary_directory_is_the_hosts_and_never_the_whole_disk(tmp_path: Path) -> None:
    assert modes.temporary_directories(str(tmp_path))[0] == str(tmp_path)
    assert "/" not in modes.temporary_directories("/")
    assert modes.temporary_directories("relative") == modes.temporary_directories(None)
