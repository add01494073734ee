"""What an installed wheel brings to Jupyter: the kernel with its icon, the extension for JupyterLab, the lexer."""

from __future__ import annotations

import configparser
import json
import subprocess
import sys
import zipfile

import pytest
from tests.kernel.running import ROOT

pytest.importorskip("hatchling")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("*.whl")
    return zipfile.ZipFile(made)


def shared(wheel: zipfile.ZipFile, place: str) -> set[str]:
    names = (name.partition(f"/share/jupyter/{place}/") for name in wheel.namelist())
    return {inside for _, found, inside in names if found}


def test_the_kernel_comes_with_its_icon_and_speaks_encrypted(wheel):
    spec = json.loads(next(wheel.read(n) for n in wheel.namelist() if n.endswith("kernels/toolscript/kernel.json")))

    assert shared(wheel, "kernels/toolscript") == {"kernel.json", "logo-32x32.png", "logo-64x64.png", "logo-svg.svg"}
    assert (spec["display_name"], spec["interrupt_mode"]) == ("toolscript", "signal")
    assert spec["metadata"]["supported_encryption"] == ["curve"]


def test_the_extension_for_jupyterlab_is_whole_without_a_build(wheel):
    found = shared(wheel, "labextensions/toolscript")
    static = {name.partition("/")[2] for name in found if name.startswith("static/")}
    wanted = {
        line.split('"')[1].removeprefix("./")
        for name in static
        if name.endswith(".js")
        for line in _text(wheel, name).splitlines()
        if line.startswith("import ") and '"./' in line
    }

    assert {"package.json", "install.json"} <= found
    assert wanted and wanted <= static


def test_the_template_for_printing_comes_along(wheel):
    assert shared(wheel, "nbconvert/templates/toolscript") == {"conf.json", "index.html.j2"}


def test_the_lexer_is_registered(wheel):
    metadata = configparser.ConfigParser()
    metadata.read_string(next(wheel.read(n).decode() for n in wheel.namelist() if n.endswith("entry_points.txt")))

    assert metadata["pygments.lexers"]["toolscript"] == "toolscript_kernel.lexer:ToolscriptLexer"


def _text(wheel: zipfile.ZipFile, name: str) -> str:
    return next(
        wheel.read(n).decode() for n in wheel.namelist() if n.endswith(f"labextensions/toolscript/static/{name}")
    )
