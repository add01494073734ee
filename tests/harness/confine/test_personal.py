from __future__ import annotations

from pathlib import Path

import pytest
from tests.harness.confine.box import MOUNTED, Box, Ways, rules_only
from tests.needs import need

from toolscript.confine import personal
from toolscript.confine.modes import plan
from toolscript.files.disk import DiskFiles

pytestmark = pytest.mark.anyio
need("seccomp")

EXISTING = (".bashrc", ".ssh/config", ".config/toolscript/toolscript.toml", ".ipython/profile_default/startup/00.py",
            ".jupyter/jupyter_server_config.py", ".gitconfig", ".local/share/jupyter/kernels/python3/kernel.json",
            ".local/bin/git", ".unheard-of/settings")  # fmt: skip
MISSING = (
    ".bash_profile",
    ".zshenv",
    ".netrc",
    ".config/autostart/x.desktop",
    ".local/lib/python3.11/site-packages/a.pth",
)


@pytest.fixture
def home(box: Box, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace that is the user's home directory."""
    monkeypatch.setenv("HOME", str(box.root))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in EXISTING:
        (box.root / name).parent.mkdir(parents=True, exist_ok=True)
        (box.root / name).write_text("mine")
    return box.root


@pytest.mark.parametrize("way", MOUNTED)
async def test_the_users_own_configuration_in_a_workspace_stays_as_it_is(box: Box, home: Path, way: Ways) -> None:
    script = "".join(
        f"mkdir -p $(dirname {name}); echo evil > {name}; rm -rf {name}; mv {name.split('/')[0]} away; echo evil >> {name};"
        for name in (*EXISTING, *MISSING)
    )
    await box.guarded(
        f"{script} mv .local/share s; mkdir -p .local/share/jupyter; echo evil > .local/share/jupyter/x", way()
    )
    assert {name: (home / name).read_text() for name in EXISTING} == dict.fromkeys(EXISTING, "mine")
    assert not [name for name in MISSING if (home / name).exists()]
    assert not (home / ".local/share/jupyter/x").exists()


@pytest.mark.parametrize("way", MOUNTED)
async def test_the_rest_of_a_home_directory_can_be_written(box: Box, home: Path, way: Ways) -> None:
    restored = await box.guarded("echo x > made; mkdir -p .cache/tool && echo x > .cache/tool/x; git init -q p", way())
    assert restored == []
    assert (home / "made").exists()
    assert (home / ".cache/tool/x").exists()
    assert (home / "p" / ".git" / "config").exists()


async def test_rules_alone_do_not_claim_to_protect_a_home_directory(box: Box, home: Path) -> None:
    assert plan(writes=True, roots=[home], by=rules_only()) is None
    assert plan(writes=False, roots=[home], by=rules_only()) is not None


@pytest.mark.parametrize("way", MOUNTED)
async def test_a_settings_file_that_leads_into_the_workspace_is_protected_there(
    box: Box, way: Ways, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(box.outside))
    (box.root / "dotfiles").mkdir()
    (box.root / "dotfiles" / "bashrc").write_text("mine")
    (box.outside / ".bashrc").symlink_to(box.root / "dotfiles" / "bashrc")
    await box.guarded(
        "echo evil > dotfiles/bashrc; mv dotfiles away; mkdir -p dotfiles; echo evil > dotfiles/bashrc", way()
    )
    assert (box.outside / ".bashrc").read_text() == "mine"


@pytest.mark.parametrize("way", MOUNTED)
async def test_a_link_among_the_users_settings_is_put_back(box: Box, home: Path, way: Ways) -> None:
    (home / "dots").mkdir()
    (home / "dots" / "vimrc").write_text("mine")
    (home / ".vimrc").symlink_to("dots/vimrc")
    restored = await box.guarded("rm .vimrc; echo evil > .vimrc; echo evil > dots/vimrc", way())
    assert (home / ".vimrc").is_symlink()
    assert (home / ".vimrc").read_text() == "mine"
    assert [each.did for each in restored] == ["put back"]


def test_directories_that_variables_name_are_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conf" / "toolscript").mkdir(parents=True)
    (tmp_path / "ipy").mkdir()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "conf"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipy"))
    assert set(personal.within([str(tmp_path)]).frozen) == {f"{tmp_path}/conf/toolscript", f"{tmp_path}/ipy"}


def test_the_installation_in_which_the_harness_runs_is_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".venv").mkdir()
    monkeypatch.setattr(personal.sys, "prefix", str(tmp_path / ".venv"))
    assert personal.within([str(tmp_path)]).frozen == (f"{tmp_path}/.venv",)
    assert personal.within([str(tmp_path)], installation=False).frozen == ()


def test_a_workspace_among_the_users_settings_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = tmp_path / ".config" / "nvim"
    workspace.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert personal.within([str(workspace)], installation=False).frozen == ()


def test_file_tools_ask_before_they_write_the_users_own_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    files = DiskFiles([home])
    for name in (
        ".bashrc",
        ".ssh/config",
        ".local/bin/git",
        ".config/toolscript/toolscript.toml",
        ".ipython/x",
        ".new",
    ):
        assert files.place(str(home / name), home).protected
    for name in ("project/x", ".cache/x", ".local/share/tool/x", "notes.txt"):
        assert not files.place(str(home / name), home).protected
    inner = home / ".config" / "nvim"
    inner.mkdir(parents=True)
    assert not DiskFiles([inner]).place(str(inner / "init.lua"), inner).protected
