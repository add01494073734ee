"""``toolscript demo``: a notebook with its real kernel, told in a terminal or a file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nbformat
import pytest
from tests.extension.cli.test_run import toolscript
from tests.kernel.running import manager_of


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with our kernel installed, in which notebooks lie one level down."""
    spec = tmp_path / "data" / "kernels" / "toolscript"
    spec.mkdir(parents=True)
    spec.joinpath("kernel.json").write_text(json.dumps(manager_of(standin=False)._kernel_spec.to_dict()))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    work = tmp_path / "work"
    (work / "notes").mkdir(parents=True)
    return work


def notebook(folder: Path, *sources: str, kernel: str = "toolscript") -> Path:
    cells = [nbformat.v4.new_markdown_cell("# A title"), *map(nbformat.v4.new_code_cell, sources)]
    spec = {"name": kernel, "display_name": kernel, "language": "toolscript"}
    path = folder / "notes" / "n.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": spec}), path)
    return path


def test_a_notebook_elsewhere_runs_and_is_told_in_plain_whole_lines(folder):
    line = " ".join(f"word{n}" for n in range(60))
    notebook(folder, f"%%toolscript\nconsole.log({line!r});\nreturn 42")

    done = toolscript(folder, "demo", "notes/n.ipynb")

    assert done.returncode == 0, done.stderr
    assert "A title" in done.stdout and "42" in done.stdout
    assert f"console.log({line!r});" in done.stdout.splitlines()
    assert f"  {line}" in done.stdout.splitlines()
    assert "\x1b" not in done.stdout
    assert "all cells ran" in done.stdout and "jupyter lab notes/.work/n.executed.ipynb" in done.stdout
    assert (folder / "notes" / ".work" / "n.executed.ipynb").is_file()
    assert [p.name for p in (folder / "notes").iterdir() if p.name.startswith("kernel")] == []


def test_a_cell_that_fails_ends_it_with_the_exit_code_of_a_failure(folder):
    notebook(folder, "%%toolscript\nthrow new Error('boom')", "%%toolscript\nreturn 'never'")

    done = toolscript(folder, "demo", "notes/n.ipynb")

    assert done.returncode == 1, done.stderr
    assert "Error: boom" in done.stdout and "In [2]" not in done.stdout
    assert "stopped at the cell that failed" in done.stdout


def test_a_planned_cell_is_passed_over_when_its_notebook_is_replayed_and_audited(folder):
    plan = "%%toolscript --dry-run\nawait writeFile('a.txt', 'x'); return 1"
    notebook(folder, plan, "%%toolscript\nconsole.log('said'); return (await listDir('.')).length")
    assert toolscript(folder, "demo", "notes/n.ipynb", "--output", "out.ipynb").returncode == 0

    replayed = toolscript(folder, "replay", "out.ipynb")
    audited = toolscript(folder, "audit", "out.ipynb", "--workspace", "notes")

    assert (replayed.returncode, replayed.stdout) == (0, "1\n"), replayed.stderr
    assert replayed.stderr == (
        "cell 2: planned only, nothing to replay\ncell 3: script, 1 run\nsaid\nreplayed: the same\n"
    )
    assert audited.returncode == 0 and "cell 2: planned only, nothing to audit\n" in audited.stderr
    assert audited.stdout.startswith("run r-")


def test_what_is_no_notebook_or_has_no_kernel_is_one_sentence(folder):
    notebook(folder, "1", kernel="nobodys-kernel")
    (folder / "text.ipynb").write_text("hello")
    shutil.rmtree(folder.parent / "data")

    for name, says in (
        ("notes/n.ipynb", "nobodys-kernel"),
        ("text.ipynb", "not a notebook"),
        ("no.ipynb", "cannot read"),
    ):
        done = toolscript(folder, "demo", name)
        assert done.returncode == 2, done.stderr
        assert says in done.stderr and len(done.stderr.splitlines()) == 1
