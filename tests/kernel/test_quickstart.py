"""The quickstart notebook: saved executed, and saying the same again whoever runs it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from tests.kernel.running import ROOT, environment, manager_of

pytestmark = pytest.mark.timeout(300)
NOTEBOOKS = ROOT / "notebooks"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A copy of the notebooks, and of nothing that an earlier run left there."""
    shutil.copytree(NOTEBOOKS, tmp_path / "notebooks", ignore=shutil.ignore_patterns(".work", ".ipynb_checkpoints"))
    spec = tmp_path / "data" / "kernels" / "toolscript"
    spec.mkdir(parents=True)
    spec.joinpath("kernel.json").write_text(json.dumps(manager_of(standin=False)._kernel_spec.to_dict()))
    return tmp_path


def run(place: Path, *command: str) -> subprocess.CompletedProcess[str]:
    env = environment() | {"JUPYTER_PATH": str(place / "data"), "JUPYTER_PLATFORM_DIRS": "1"}
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=place / "notebooks", env=env, capture_output=True, text=True, timeout=280
    )


def test_it_passes_under_nbval_again_and_again(place: Path):
    command = ("pytest", "--nbval", "--nbval-cell-timeout", "60", "-p", "no:cacheprovider", "-q", "01-quickstart.ipynb")
    for _ in range(2):
        done = run(place, *command)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_papermill_runs_it_with_the_same_outputs(place: Path):
    done = run(place, "papermill", "01-quickstart.ipynb", "out.ipynb", "--no-progress-bar")
    assert done.returncode == 0, done.stderr[-4000:]

    saved = nbformat.read(place / "notebooks" / "01-quickstart.ipynb", as_version=4)
    again = nbformat.read(place / "notebooks" / "out.ipynb", as_version=4)
    assert [_said(c) for c in again.cells] == [_said(c) for c in saved.cells]


def test_it_is_saved_executed_in_order_with_lasting_cell_ids():
    saved = nbformat.read(NOTEBOOKS / "01-quickstart.ipynb", as_version=4)
    nbformat.validate(saved)
    code = [c for c in saved.cells if c.cell_type == "code"]

    assert [c.execution_count for c in code] == list(range(1, len(code) + 1))
    assert len({c.id for c in saved.cells}) == len(saved.cells)
    assert sum(c.source.startswith("%%toolscript") for c in code) == 3
    assert sum(not c.source.startswith("%") for c in code) == 3
    assert not any(o.output_type == "error" for c in code for o in c.outputs)


def _said(cell: nbformat.NotebookNode) -> list[object]:
    return [o.get("text") or o.get("data", {}).get("text/plain") for o in cell.get("outputs", [])]
