"""What we import is what we declare, so that a fresh machine has it."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = {"toolscript", "toolscript_tools", "toolscript_kernel", "toolscript_extension"}
OPTIONAL = {"quickjs_rs", "wasmtime", "pandas"}
"""Imported only where they are installed."""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported() -> set[str]:
    found: set[str] = set()
    for package in ("harness", "tools", "kernel", "extension"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                match node:
                    case ast.Import(names=names):
                        found |= {alias.name.split(".")[0] for alias in names}
                    case ast.ImportFrom(module=str(module), level=0):
                        found.add(module.split(".")[0])
    return found - OURS - OPTIONAL - set(sys.stdlib_module_names)


def test_every_imported_package_is_a_declared_dependency_or_comes_with_one_that_owns_its_interface():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {normal(re.split(r"[\s\[<>=;!~]", d)[0]) for d in project["dependencies"]}
    providers = packages_distributions()

    missing = {m for m in imported() if not declared & {normal(d) for d in providers.get(m, [m])}}

    assert missing == set()


def test_no_link_is_committed_since_it_would_point_to_nothing_elsewhere():
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a clone, or no git")
    listed = subprocess.run([git, "-C", ROOT, "ls-files", "-s"], capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("git does not read this clone")

    assert [line for line in listed.stdout.splitlines() if line.startswith("120000")] == []


@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
def test_a_virtual_environment_that_is_a_broken_link_is_told_with_what_to_do(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / ".venv").symlink_to("nowhere")

    done = subprocess.run(
        ["make", f"PYTHON={sys.executable}", "demo"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
    )  # fmt: skip

    assert done.returncode == 2
    assert done.stdout == ".venv is a link to what is not there: remove it (rm .venv), and try again\n"
