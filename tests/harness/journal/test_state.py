from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest
from tests.harness.journal.samples import call, output, run, run_end

from toolscript.errors import ConfigError, JournalError
from toolscript.journal import chain
from toolscript.journal.reader import records
from toolscript.journal.redact import secret_values
from toolscript.journal.state import interrupted, run_files, run_path, state_dir, sweep
from toolscript.journal.writer import DiskJournal
from toolscript_tools.shell.environment import EnvironmentPolicy


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return state_dir(tmp_path / "work", {"XDG_STATE_HOME": str(tmp_path / "state")})


def begun(state: Path, run_id: str, *, ended: bool, size: int = 0) -> DiskJournal:
    journal = DiskJournal.create(state, run_id)
    journal.write(run(run_id=run_id))
    journal.write(call())
    journal.write(output("x" * size))
    if ended:
        journal.write(run_end())
    return journal


def test_a_workspace_has_one_private_directory_whatever_its_spelling(tmp_path: Path) -> None:
    workspace = tmp_path / "work"
    workspace.mkdir()
    (tmp_path / "link").symlink_to(workspace)
    environ = {"XDG_STATE_HOME": str(tmp_path / "state")}
    directory = state_dir(workspace, environ)
    assert directory == state_dir(tmp_path / "link", environ) == state_dir(f"{workspace}/../work", environ)
    assert directory.parent == tmp_path / "state" / "toolscript"
    assert len(directory.name) == 16 and set(directory.name) <= set("0123456789abcdef")
    assert directory.stat().st_mode & 0o777 == 0o700
    assert state_dir(tmp_path / "other", environ) != directory


@pytest.mark.parametrize("named", ["", "relative/state"])
def test_the_default_lies_in_the_home_directory(tmp_path: Path, named: str) -> None:
    directory = state_dir("/w", {"HOME": str(tmp_path), "XDG_STATE_HOME": named})
    assert directory.is_relative_to(tmp_path / ".local" / "state" / "toolscript")


def test_a_directory_that_others_could_read_is_closed(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    state_dir("/w", environ).chmod(0o755)
    assert state_dir("/w", environ).stat().st_mode & 0o777 == 0o700


def test_a_link_in_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    directory = state_dir("/w", environ)
    directory.rmdir()
    directory.symlink_to("/tmp")
    with pytest.raises(ConfigError, match="not a directory of this user"):
        state_dir("/w", environ)


def test_a_workspace_that_holds_the_state_directory_still_has_one(tmp_path: Path) -> None:
    assert state_dir(tmp_path, {"XDG_STATE_HOME": str(tmp_path / "state")}).is_dir()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigError, match="set XDG_STATE_HOME elsewhere"):
        state_dir("/w", {"XDG_STATE_HOME": str(tmp_path)})


def test_a_file_in_place_of_the_directory_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "toolscript").write_text("not a directory")
    with pytest.raises(ConfigError, match="set XDG_STATE_HOME elsewhere"):
        state_dir("/w", {"XDG_STATE_HOME": str(tmp_path)})


@pytest.mark.parametrize("run_id", ["", "../x", "a/b", ".hidden", "x" * 101, "a\nb", "a\0b"])
def test_an_id_that_could_lead_elsewhere_is_no_run(state: Path, run_id: str) -> None:
    with pytest.raises(JournalError, match="is not the id of a run"):
        run_path(state, run_id)


def test_runs_are_told_apart_by_end_and_lock(state: Path) -> None:
    begun(state, "done", ended=True).close()
    begun(state, "lost", ended=False).close()
    live = begun(state, "live", ended=False)
    found = {f.run_id: (f.ended, f.live, f.interrupted) for f in run_files(state)}
    assert found == {
        "done": (True, False, False),
        "lost": (False, False, True),
        "live": (False, True, False),
    }
    assert [f.run_id for f in interrupted(state)] == ["lost"]
    live.close()


def test_looking_at_the_runs_does_not_disturb_their_writers(state: Path) -> None:
    live = begun(state, "live", ended=False)
    run_files(state)
    with pytest.raises(JournalError, match="another process"):
        DiskJournal.resume(run_path(state, "live"))
    live.close()


def test_a_torn_end_is_no_end(state: Path) -> None:
    begun(state, "torn", ended=True).close()
    path = run_path(state, "torn")
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)
    assert [f.run_id for f in interrupted(state)] == ["torn"]


@pytest.mark.parametrize("size", [0, 10_000, 20_000, 400_000])
def test_the_end_of_a_run_is_found_however_long_its_last_lines_are(state: Path, size: int) -> None:
    journal = DiskJournal.create(state, "long")
    journal.write(run())
    journal.write(run_end(warnings=("w" * 15_000,), error={"message": "m" * 15_000}, result="x" * 15_000))
    journal.close()
    assert [f.ended for f in run_files(state)] == [True]
    with run_path(state, "long").open("ab") as file:
        file.write(b"t" * size)  # torn
    assert [f.ended for f in run_files(state)] == [True]


@pytest.mark.parametrize("content", [b"", b"\n", b"\n\n", b"x", b"x\ny", b"\xff" * 40_000])
def test_a_file_that_is_no_journal_is_no_finished_run(state: Path, content: bytes) -> None:
    run_path(state, "odd").write_bytes(content)
    assert [f.ended for f in run_files(state)] == [False]


def aged(state: Path, run_id: str, age: int) -> None:
    os.utime(run_path(state, run_id), (1_000_000 - age, 1_000_000 - age))


def test_the_oldest_finished_runs_make_room_and_live_and_interrupted_ones_are_spared(state: Path) -> None:
    for age, (run_id, ended) in enumerate([("e", True), ("d", True), ("c", False), ("b", True), ("a", True)]):
        begun(state, run_id, ended=ended, size=12_000).close()
        aged(state, run_id, age)
    live = begun(state, "live", ended=False, size=12_000)
    aged(state, "live", 99)
    assert sweep(state, max_bytes=60_000) == ("a", "b")
    assert {f.run_id for f in run_files(state)} == {"c", "d", "e", "live"}
    assert sweep(state, max_bytes=1) == ("d", "e")
    assert {f.run_id for f in run_files(state)} == {"c", "live"}
    live.close()


def test_the_bodies_of_a_run_count_and_go_with_it(state: Path) -> None:
    journal = begun(state, "big", ended=False)
    journal.keep(b"x" * 100_000)
    journal.write(run_end())
    journal.close()
    assert run_files(state)[0].size > 100_000
    assert sweep(state, max_bytes=50_000) == ("big",)
    assert list((state / "runs").iterdir()) == []


def test_runs_are_bounded_in_number_too(state: Path) -> None:
    for age, run_id in enumerate("cba"):
        begun(state, run_id, ended=True).close()
        aged(state, run_id, age)
    assert sweep(state, max_runs=2) == ("a",)


def test_secrets_that_a_dead_writer_left_behind_are_removed(state: Path) -> None:
    journal = DiskJournal.create(state, "dead", secrets={"TOKEN": "s3cr3t-value"})
    journal.write(run(source="s3cr3t-value"))
    journal.write(run_end())
    journal.close()
    (left,) = (state / "runs").glob("*.secrets")
    sweep(state)
    assert not left.exists()
    assert len(list(records(run_path(state, "dead")))) == 2


def test_the_journal_keeps_out_what_commands_do_not_get(tmp_path: Path) -> None:
    environ = {
        "DATABASE_URL": "postgres://app@db/production",
        "SENTRY_ENDPOINT": "https://abcdef:0123456789@sentry.example.com/4",
        "SESSION_COOKIE": "0123456789abcdef",
        "DEPLOY_PAT": "0123456789abcdef",
        "ANSWER": "forty-two, forty-two",
        "PWD": "/no/such/directory",
        "HOME": "/no/such/home",
    }
    secret = set(secret_values(environ))
    assert secret == {"DATABASE_URL", "SENTRY_ENDPOINT", "SESSION_COOKIE", "DEPLOY_PAT"}
    assert secret == environ.keys() - EnvironmentPolicy().apply(environ).keys()


def test_secrets_are_the_values_of_variables_that_are_named_like_one(tmp_path: Path) -> None:
    agent = tmp_path / "agent.sock"
    agent.touch()
    environ = {
        "OPENAI_API_KEY": "sk-1234567890",
        "github_token": "ghp_1234567890",
        "DB_PASSWORD": "correct horse",
        "TOKENIZERS_PARALLELISM": "false",
        "SSH_AUTH_SOCK": str(agent),
        "PATH": "/usr/bin:/bin",
    }
    assert set(secret_values(environ)) == {"OPENAI_API_KEY", "github_token", "DB_PASSWORD"}
    assert set(secret_values(environ, ["PATH"])) == {"PATH"}


def test_who_only_looks_whether_a_run_is_live_keeps_nobody_from_going_on_with_it(state, monkeypatch):
    path = run_path(state, "run-1")
    journal = DiskJournal.create(state, "run-1")
    journal.write(run())
    journal.close()

    with path.open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        monkeypatch.setattr(chain.time, "sleep", lambda _: fcntl.flock(looking, fcntl.LOCK_UN))
        DiskJournal.resume(path).close()

        fcntl.flock(looking, fcntl.LOCK_SH)
        monkeypatch.setattr(chain.time, "sleep", lambda _: None)
        with pytest.raises(JournalError, match="another process writes it"):
            DiskJournal.resume(path)
