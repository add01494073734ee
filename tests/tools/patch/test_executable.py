"""The bare program: exit codes, output, and files, also after a failure half-way."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.tools.patch.table import LEGACY, harvest, plant, rows_by_mode

import toolscript
import toolscript_tools
from toolscript_tools.patch.executable import USAGE, main


def run(root: Path, patch: str, via: str = "arg", *, legacy: bool = False) -> tuple[int, str, str]:
    stdout, stderr = io.StringIO(), io.StringIO()
    arguments = [patch] if via == "arg" else []
    code = main(arguments, io.BytesIO(patch.encode()), stdout, stderr, root, legacy=legacy)
    return code, stdout.getvalue(), stderr.getvalue()


@pytest.mark.parametrize(("row", "mode"), rows_by_mode("program"))
def test_the_program_behaves_as_stated(row: dict[str, Any], mode: str, tmp_path: Path) -> None:
    plant(tmp_path, row["before"])

    def here(text: str) -> str:
        return text.replace("{ROOT}", str(tmp_path))

    assert run(tmp_path, here(row["patch"]), row["via"], legacy=mode == LEGACY) == (
        row["exit"],
        here(row["stdout"]),
        here(row["stderr"]),
    )
    assert harvest(tmp_path) == row["after"]


@pytest.mark.parametrize(("row", "mode"), rows_by_mode("scenario"))
def test_a_scenario_leaves_these_files(row: dict[str, Any], mode: str, tmp_path: Path) -> None:
    plant(tmp_path, row["before"])

    code, stdout, stderr = run(tmp_path, row["patch"], legacy=mode == LEGACY)

    assert (code, stdout + stderr) == (row["exit"], row["output"].replace("{ROOT}", str(tmp_path)))
    assert harvest(tmp_path) == row["after"]


def test_more_than_one_argument_is_misuse(tmp_path: Path) -> None:
    stderr = io.StringIO()

    assert main(["a", "b"], io.BytesIO(), io.StringIO(), stderr, tmp_path) == 2
    assert stderr.getvalue().endswith(USAGE)


def test_unreadable_standard_input_is_a_failure(tmp_path: Path) -> None:
    stderr = io.StringIO()

    assert main([], io.BytesIO(b"\xff"), io.StringIO(), stderr, tmp_path) == 1
    assert "Failed to read PATCH from stdin" in stderr.getvalue()


def test_deleting_a_directory_fails_and_a_link_goes_without_its_target(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "kept").write_text("kept")
    (tmp_path / "link").symlink_to("kept")

    code, _, stderr = run(tmp_path, "*** Begin Patch\n*** Delete File: link\n*** Delete File: dir\n*** End Patch")

    assert (code, stderr) == (1, f"Failed to delete file {tmp_path}/dir\n")
    assert harvest(tmp_path) == {"kept": "kept"}


def test_an_edited_file_keeps_its_hard_links(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("a\n")
    os.link(tmp_path / "one", tmp_path / "two")

    run(tmp_path, "*** Begin Patch\n*** Update File: one\n@@\n-a\n+b\n*** End Patch")

    assert (tmp_path / "two").read_text() == "b\n"


def test_a_fifo_does_not_block_the_program(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p")

    code, _, stderr = run(tmp_path, "*** Begin Patch\n*** Update File: p\n@@\n-a\n+b\n*** End Patch")

    assert (code, stderr) == (1, f"Failed to read file to update {tmp_path}/p: not a regular file\n")


def test_the_module_runs_as_a_program(tmp_path: Path) -> None:
    packages = [str(Path(package.__file__ or "").parents[1]) for package in (toolscript, toolscript_tools)]
    patch = b"*** Begin Patch\n*** Add File: a\n+x\n*** End Patch"

    done = subprocess.run(
        [sys.executable, "-m", "toolscript_tools.patch.executable"],
        input=patch, capture_output=True, cwd=tmp_path, env={"PYTHONPATH": os.pathsep.join(packages)}, timeout=60,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (0, b"Success. Updated the following files:\nA a\n")
    assert harvest(tmp_path) == {"a": "x\n"}
