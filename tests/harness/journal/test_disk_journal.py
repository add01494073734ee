from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.harness.journal.samples import call, end, every_kind, output, path_in, run, run_end

from toolscript.errors import JournalDamaged, JournalError
from toolscript.facade.crew import _Begun
from toolscript.journal import chain
from toolscript.journal.reader import lines, read_secrets, records
from toolscript.journal.records import KINDS, MemoryJournal, Record
from toolscript.journal.writer import DiskJournal

HARNESS = Path(chain.__file__).parents[2]


def written(directory: Path, *what: Record, **more: object) -> Path:
    journal = DiskJournal(path_in(directory), **more)  # type: ignore[arg-type]
    for record in what:
        journal.write(record)
    journal.close()
    return path_in(directory)


def test_every_kind_of_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    kinds = every_kind()
    assert {record.kind for record in kinds} == set(KINDS)
    assert list(records(written(tmp_path, *kinds))) == kinds


def test_a_record_is_in_the_file_as_soon_as_it_is_written(tmp_path: Path) -> None:
    journal = DiskJournal(path_in(tmp_path))
    journal.write(run())
    assert [line.kind for line in lines(path_in(tmp_path))] == ["run"]
    journal.close()


def test_each_line_is_json_that_names_its_version_and_the_line_before(tmp_path: Path) -> None:
    raw = written(tmp_path, run(), call(), end()).read_bytes().splitlines()
    parsed = [json.loads(line) for line in raw]
    assert [(p["v"], p["kind"]) for p in parsed] == [(1, "run"), (1, "call"), (1, "end")]
    assert [p["prev"] for p in parsed] == ["", *(hashlib.sha256(line).hexdigest() for line in raw[:-1])]


def test_files_and_directories_are_private(tmp_path: Path) -> None:
    journal = DiskJournal(path_in(tmp_path), secrets={"TOKEN": "s3cr3t-value"})
    journal.write(run(source="x" * 20_000 + "s3cr3t-value"))
    journal.keep(b"before")
    modes = {
        str(path.relative_to(tmp_path)).partition("/")[0]: oct(path.stat().st_mode & 0o777)
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    assert modes == {"run-1.jsonl": "0o600", "run-1.secrets": "0o600", "run-1.blobs": "0o600"}
    assert oct((tmp_path / "run-1.blobs").stat().st_mode & 0o777) == "0o700"
    journal.close()


def test_a_second_writer_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    first = DiskJournal(path_in(tmp_path))
    first.write(run())
    with pytest.raises(JournalError, match="another process writes it"):
        DiskJournal.resume(path_in(tmp_path))
    first.close()
    DiskJournal.resume(path_in(tmp_path)).close()


def test_a_journal_is_never_begun_over_another_or_through_a_link(tmp_path: Path) -> None:
    written(tmp_path, run())
    with pytest.raises(JournalError, match="cannot be opened"):
        DiskJournal(path_in(tmp_path))
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(JournalError, match="cannot be opened"):
        DiskJournal(tmp_path / "link.jsonl")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("cut", range(1, 40, 7))
def test_a_torn_last_line_is_passed_over_and_cut_off_when_the_run_is_resumed(tmp_path: Path, cut: int) -> None:
    path = written(tmp_path, run(), call(), end())
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - cut)
    assert [line.kind for line in lines(path)] == ["run", "call"]
    resumed = DiskJournal.resume(path)
    resumed.write(end(status="failed"))
    resumed.close()
    assert list(records(path)) == [run(), call(), end(status="failed")]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (b'"kind":"call"', b'"kind":"cell"', 2),
        (b'"tool":"exec"', b'"tool":"xxxx"', 3),
        (b'"v":1', b'"v":2', 1),
        (b'"kind":"run"', b'"kind":"log"', 1),
        (b'{"v":1', b'["v":1', 1),
        (b'"seed":7', b'"seed":8', 2),
    ],
)
def test_any_other_damage_is_refused_naming_the_line(tmp_path: Path, old: bytes, new: bytes, line: int) -> None:
    path = written(tmp_path, run(), call(), end())
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    with pytest.raises(JournalDamaged) as damaged:
        list(records(path))
    assert damaged.value.details["line"] == line
    assert damaged.value.details["path"] == str(path)


@pytest.mark.parametrize("number", [0, 1])
def test_a_line_that_is_missing_is_noticed(tmp_path: Path, number: int) -> None:
    path = written(tmp_path, run(), call(), end())
    raw = path.read_bytes().splitlines(keepends=True)
    del raw[number]
    path.write_bytes(b"".join(raw))
    with pytest.raises(JournalDamaged):
        list(lines(path))


def test_a_line_without_end_is_damage_not_memory(tmp_path: Path) -> None:
    path = written(tmp_path, run())
    with path.open("ab") as file:
        file.write(b"x" * (2 * 1024 * 1024))
    with pytest.raises(JournalDamaged, match="more than 1 MB"):
        list(lines(path))


def test_a_deeply_nested_line_is_damage_not_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"[" * 200_000 + b"]" * 200_000 + b"\n")
    with pytest.raises(JournalDamaged, match="not JSON"):
        list(lines(path))


def chained(path: Path, **entry: object) -> None:
    """Append a well-chained line that this version would not write."""
    last = path.read_bytes().splitlines()[-1]
    data = {"v": 1, "prev": hashlib.sha256(last).hexdigest()} | entry
    with path.open("ab") as file:
        file.write(json.dumps(data).encode() + b"\n")


def test_kinds_of_a_later_version_are_refused_by_who_acts_and_skipped_by_who_shows(tmp_path: Path) -> None:
    path = written(tmp_path, run())
    chained(path, kind="hologram", number=1)
    with pytest.raises(JournalDamaged, match="unknown kind of record 'hologram'"):
        list(records(path))
    assert list(records(path, unknown="skip")) == [run()]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"kind": "log", "level": "info", "text": "x", "colour": "red"}, "a log record has no colour"),
        ({"kind": "log", "level": "info"}, "log.text"),
        ({"kind": "end", "number": "one", "ok": True, "value": "", "time_ms": 1, "status": ""}, "end.number"),
        ({"kind": "run_end", "status": "great", "result": None, "error": None}, "run_end.status"),
        ({"kind": "log", "level": "info", "text": {"$blob": "../../etc/passwd"}}, "names no body"),
        ({"kind": "log", "level": "info", "text": {"$blob": 7}}, "a body has no name"),
        ({"kind": "log", "level": "info", "text": {"$blob": "0" * 64}}, "cannot be read"),
    ],
)
def test_a_record_that_does_not_fit_its_kind_is_damage(tmp_path: Path, entry: dict[str, object], reason: str) -> None:
    path = written(tmp_path, run())
    chained(path, **entry)
    with pytest.raises(JournalDamaged, match=reason):
        list(records(path))


def test_a_missing_file_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be read: No such file"):
        list(lines(tmp_path / "none.jsonl"))


def test_large_fields_lie_beside_the_journal_by_their_hash(tmp_path: Path) -> None:
    large = run(source="ä" * 20_000, params=json.dumps(["x"] * 10_000))
    path = written(tmp_path, large, call(arguments="a" * 16_000))
    assert path.stat().st_size < 18_000
    bodies = list((tmp_path / "run-1.blobs").iterdir())
    assert len(bodies) == 2
    assert all(hashlib.sha256(body.read_bytes()).hexdigest() == body.name for body in bodies)
    assert list(records(path)) == [large, call(arguments="a" * 16_000)]


def test_a_value_that_looks_like_a_reference_to_a_body_stays_a_value(tmp_path: Path) -> None:
    forged = run_end(status="failed", error={"$blob": "0" * 64, "size": 3})
    assert list(records(written(tmp_path, run(), forged)))[1] == forged


def test_a_body_that_was_changed_is_damage(tmp_path: Path) -> None:
    path = written(tmp_path, run(source="x" * 20_000))
    (body,) = (tmp_path / "run-1.blobs").iterdir()
    body.write_bytes(b"y" + body.read_bytes()[1:])
    with pytest.raises(JournalDamaged, match="not what was written"):
        list(records(path))


@pytest.mark.parametrize("where", ["disk", "memory"])
def test_before_images_are_kept_exactly(tmp_path: Path, where: str) -> None:
    journal = DiskJournal(path_in(tmp_path), secrets={"T": "s3cr3t-value"}) if where == "disk" else MemoryJournal()
    data = b"\x00\xff s3cr3t-value"
    digest = journal.keep(data)
    assert digest == hashlib.sha256(data).hexdigest() == journal.keep(data)
    assert journal.body(digest) == data
    with pytest.raises(JournalError):
        journal.body("0" * 64)
    journal.close()


class Flushes:
    """Counts the fsyncs of a journal and holds them until released; the real ones still happen."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.order: list[str] = []
        self.started = threading.Semaphore(0)
        self.release = threading.Semaphore(0)
        real = chain.sync_fd

        def held(fd: int) -> None:
            self.order.append("journal")
            self.started.release()
            assert self.release.acquire(timeout=30)
            real(fd)

        monkeypatch.setattr(chain, "sync_fd", held)

    async def begun(self) -> None:
        await anyio.to_thread.run_sync(self.started.acquire)


@pytest.mark.anyio
async def test_callers_that_come_during_one_fsync_share_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushes = Flushes(monkeypatch)
    journal = DiskJournal(path_in(tmp_path))
    done: list[int] = []

    async def effect(number: int) -> None:
        journal.write(call(number))
        await journal.sync()
        done.append(number)

    async with anyio.create_task_group() as group:
        journal.write(run())
        group.start_soon(journal.sync)
        await flushes.begun()
        for number in range(10):
            group.start_soon(effect, number)
        await anyio.wait_all_tasks_blocked()
        assert done == []
        flushes.release.release()
        await flushes.begun()
        assert done == []
        flushes.release.release()
    assert sorted(done) == list(range(10))
    assert len(flushes.order) == 2
    journal.close()


@pytest.mark.anyio
async def test_the_loop_goes_on_while_the_disk_works_and_a_cancelled_caller_spoils_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushes = Flushes(monkeypatch)
    journal = DiskJournal(path_in(tmp_path))
    journal.write(run())
    async with anyio.create_task_group() as group:
        scope = anyio.CancelScope()

        async def cancelled() -> None:
            with scope:
                await journal.sync()

        group.start_soon(cancelled)
        await flushes.begun()
        journal.write(call())
        scope.cancel()
        group.start_soon(journal.sync)
        flushes.release.release(2)
    journal.write(end())
    flushes.release.release()
    await journal.sync()
    journal.close()
    assert len(list(records(path_in(tmp_path)))) == 3


@pytest.mark.anyio
async def test_bodies_are_durable_before_the_journal_that_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from toolscript.journal import blobs

    order: list[str] = []
    monkeypatch.setattr(blobs, "sync_file", lambda path: order.append(path.parent.name))
    monkeypatch.setattr(chain, "sync_fd", lambda fd: order.append("journal"))
    journal = DiskJournal(path_in(tmp_path))
    journal.write(run(source="x" * 20_000))
    journal.keep(b"before-image")
    await journal.sync()
    await journal.sync()
    journal.close()
    assert order == ["run-1.blobs", "run-1.blobs", "journal"]


@pytest.mark.anyio
async def test_a_failed_fsync_is_told_to_everyone_who_waits_and_ends_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(chain, "sync_fd", fails)
    journal = DiskJournal(path_in(tmp_path))
    journal.write(run())
    errors: list[JournalError] = []

    async def sync() -> None:
        try:
            await journal.sync()
        except JournalError as error:
            errors.append(error)

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(sync)
    assert len(errors) == 3
    with pytest.raises(JournalError, match="Input/output error"):
        journal.write(call())
    journal.close()


FULL_DISK = """
import resource, signal, sys
sys.path.insert(0, sys.argv[1]); sys.path.insert(0, sys.argv[2])
from pathlib import Path
from tests.harness.journal.samples import run, call, output
from toolscript.errors import JournalError
from toolscript.journal.writer import DiskJournal
journal = DiskJournal(Path(sys.argv[3]))
journal.write(run())
journal.write(call())
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, resource.RLIM_INFINITY))
try:
    for number in range(100):
        journal.write(output("x" * 500))
except JournalError as error:
    print(error.message)
try:
    journal.write(output("y"))
except JournalError:
    print("still refused")
"""


def test_a_full_disk_is_a_typed_error_and_leaves_a_journal_that_reads(tmp_path: Path) -> None:
    project = str(Path(__file__).parents[3])
    program = [sys.executable, "-c", FULL_DISK, str(HARNESS), project, str(path_in(tmp_path))]
    said = subprocess.run(program, capture_output=True, text=True, check=True).stdout.splitlines()
    assert "cannot be written: File too large" in said[0]
    assert said[1] == "still refused"
    raw = path_in(tmp_path).read_bytes()
    assert raw.endswith(b"\n")
    assert [record.kind for record in records(path_in(tmp_path))][:3] == ["run", "call", "output"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 3_000


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1]); sys.path.insert(0, sys.argv[2])
from pathlib import Path
from tests.harness.journal.samples import run, call
from toolscript.journal.writer import DiskJournal
journal = DiskJournal(Path(sys.argv[3]))
journal.write(run())
journal.write(call())
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_written_survives_a_kill_of_the_writer_and_the_lock_does_not(tmp_path: Path) -> None:
    project = str(Path(__file__).parents[3])
    program = [sys.executable, "-c", KILLED, str(HARNESS), project, str(path_in(tmp_path))]
    assert subprocess.run(program, check=False).returncode == -signal.SIGKILL
    journal = DiskJournal.resume(path_in(tmp_path))
    journal.write(end())
    journal.close()
    assert [record.kind for record in records(path_in(tmp_path))] == ["run", "call", "end"]


def test_a_closed_journal_accepts_nothing(tmp_path: Path) -> None:
    journal = DiskJournal(path_in(tmp_path))
    journal.write(run())
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match="is closed"):
        journal.write(call())


SECRETS = {"API_TOKEN": "hunter2-hunter2", "DB_PASSWORD": 'quo"te\\änd\n'}


def test_secrets_are_replaced_by_their_names_everywhere(tmp_path: Path) -> None:
    secret, odd = SECRETS.values()
    path = written(
        tmp_path,
        run(source=f"const t = '{secret}'", params=json.dumps({"p": odd}), store=json.dumps({secret: 1})),
        call(arguments=json.dumps({"env": {"T": odd}}, ensure_ascii=False)),
        output(f"token {secret}\n"),
        end(value=json.dumps(secret * 2_000)),
        run_end(error={"message": f"bad {odd}", secret: [secret]}),
        secrets=SECRETS,
    )
    everything = b"".join(f.read_bytes() for f in (path, *(tmp_path / "run-1.blobs").iterdir()))
    assert secret.encode() not in everything
    assert b"quo" not in everything
    assert "⟦secret:API_TOKEN⟧".encode() in everything
    assert "⟦secret:DB_PASSWORD".encode() in everything


def test_an_interrupted_run_gives_its_secrets_back_exactly(tmp_path: Path) -> None:
    secret, odd = SECRETS.values()
    original = [
        run(source=secret, params=json.dumps({"p": odd})),
        call(arguments=json.dumps({"T": odd}, ensure_ascii=False)),
        output(f"{odd} and ⟦secret:API_TOKEN⟧ as text"),
        end(value=json.dumps(secret * 2_000)),
    ]
    path = written(tmp_path, *original, secrets=SECRETS)
    assert list(records(path, secrets=read_secrets(path))) == original
    (masked, *_) = records(path)
    assert masked.source == "⟦secret:API_TOKEN⟧"  # type: ignore[union-attr]


def test_a_resumed_journal_keeps_the_meaning_of_its_markers(tmp_path: Path) -> None:
    path = written(tmp_path, run(source="old-value-1"), secrets={"TOKEN": "old-value-1"})
    resumed = DiskJournal.resume(path, secrets={"TOKEN": "new-value-2"})
    resumed.write(call(arguments="new-value-2 old-value-1"))
    resumed.close()
    assert b"-value-" not in path.read_bytes()
    first, second = records(path, secrets=read_secrets(path))
    assert first.source == "old-value-1"  # type: ignore[union-attr]
    assert second.arguments == "new-value-2 old-value-1"  # type: ignore[union-attr]


@pytest.mark.anyio
async def test_the_true_bytes_are_gone_once_the_end_of_the_run_is_durable(tmp_path: Path) -> None:
    journal = DiskJournal(path_in(tmp_path), secrets=SECRETS)
    journal.write(run(source="hunter2-hunter2"))
    await journal.sync()
    assert (tmp_path / "run-1.secrets").exists()
    journal.write(run_end())
    assert (tmp_path / "run-1.secrets").exists()
    await journal.sync()
    assert not (tmp_path / "run-1.secrets").exists()
    journal.close()
    assert read_secrets(path_in(tmp_path)) == {}


@pytest.mark.parametrize("cut", range(1, 15))
def test_a_secret_that_two_chunks_of_output_share_is_replaced_too(tmp_path: Path, cut: int) -> None:
    secret = SECRETS["API_TOKEN"]
    path = written(
        tmp_path, run(), output("a" + secret[:cut]), output("other", stream="stderr"), output(secret[cut:] + "b"),
        end(), secrets=SECRETS,
    )  # fmt: skip
    assert b"hunter" not in path.read_bytes()
    texts = [(r.stream, r.text) for r in records(path, secrets=read_secrets(path)) if r.kind == "output"]  # type: ignore[union-attr]
    assert "".join(text for stream, text in texts if stream == "stdout") == f"a{secret}b"
    assert ("stderr", "other") in texts


def test_output_that_only_began_like_a_secret_is_written_before_its_call_ends(tmp_path: Path) -> None:
    path = written(tmp_path, run(), call(), output("user hunt"), end(), secrets=SECRETS)
    kinds = [(r.kind, getattr(r, "text", "")) for r in records(path)]
    assert kinds[2:] == [("output", "user "), ("output", "hunt"), ("end", "")]


def test_streamed_output_is_bounded_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolscript.journal.writer.OUTPUT_BYTES", 1_000)
    path = written(tmp_path, run(), *[output("x" * 300) for _ in range(10)], end())
    texts = [r.text for r in records(path) if r.kind == "output"]  # type: ignore[union-attr]
    assert texts == ["x" * 300] * 3 + ["\n[further output is not in the journal]\n"]


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = count()
    path = written(tmp_path, run(source="x" * 20_000), secrets=SECRETS)
    list(records(path))
    with pytest.raises(JournalError):
        DiskJournal(path)
    path.write_bytes(b"")
    with pytest.raises(JournalDamaged):
        DiskJournal.resume(path)
    assert count() == before


@pytest.mark.anyio
async def test_records_of_one_step_are_written_at_its_end_or_before_a_sync_that_begins_in_it(tmp_path: Path) -> None:
    path = path_in(tmp_path)
    journal = DiskJournal(path)
    journal.write(run())
    with journal.together():
        journal.write(call(1, "a"))
        assert [record.kind for record in records(path)] == ["run"]
    assert [record.kind for record in records(path)] == ["run", "call"]
    async with anyio.create_task_group() as group:
        with journal.together():
            journal.write(call(2, "b"))
            sync = journal.sync()
            waits = sync.send(None)  # the first step of a call that syncs before its effect
            assert [record.kind for record in records(path)] == ["run", "call", "call"]
            journal.write(call(3, "c"))
        group.start_soon(going_on, sync, waits)
    journal.close()
    assert [getattr(record, "number", 0) for record in records(path)] == [0, 1, 2, 3]


async def going_on(sync: Coroutine[Any, Any, None], waits: Any) -> None:
    await _Begun(sync, waits)


def test_records_of_one_step_that_cannot_be_written_are_told_at_its_end_and_nothing_is_accepted_any_more(
    tmp_path: Path,
) -> None:
    journal = DiskJournal(path_in(tmp_path))
    journal.write(run())
    os.close(journal._file._fd)
    journal._file._fd = os.open(path_in(tmp_path), os.O_RDONLY)
    with pytest.raises(JournalError, match="cannot be written"), journal.together():
        journal.write(call(1, "a"))
    with pytest.raises(JournalError):
        journal.write(call(2, "b"))
    journal.close()
