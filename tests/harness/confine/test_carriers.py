from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.harness.confine.box import ALL, Box, Ways, bubblewrap, rules_only
from tests.needs import need

from toolscript.confine import modes, repositories
from toolscript.confine.gitconfig import harmless, parse, serialised

pytestmark = pytest.mark.anyio
need("seccomp")

SETTINGS = (
    "core.fsmonitor", "core.hooksPath", "core.pager", "core.sshCommand", "core.editor", "core.attributesFile",
    "diff.external", "filter.x.clean", "filter.x.process", "alias.st", "credential.helper",
    "remote.origin.uploadpack", "gpg.program", "diff.x.textconv", "merge.x.driver", "protocol.ext.allow",
    "url.ext::sh.insteadOf", "interactive.diffFilter", "core.askPass", "uploadpack.packObjectsHook", "includeIf.gitdir:/.path", "include.path",
)  # fmt: skip
EVIL = "evil() { echo 'touch PWNED' > evil; chmod +x evil; }; evil;"


def git(where: Path, *words: str) -> str:
    """Run git as the person would, in a clean environment."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", "GIT_PAGER": "cat"}
    done = subprocess.run(["git", *words], cwd=where, env=environment, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


async def untouched(box: Box) -> None:
    """Use git in every directory as a person might; nothing that a command planted may run."""
    for directory in [box.root, *(path for path in box.root.rglob("*") if path.is_dir())]:
        for words in (["status"], ["diff"], ["log", "-p"], ["st"], ["commit", "--allow-empty", "-m", "x"]):
            git(directory, "-c", "user.name=a", "-c", "user.email=a@b", *words)
    assert not [path for place in (box.root, box.outside) for path in place.rglob("PWNED")]


@pytest.mark.parametrize("way", ALL)
@pytest.mark.parametrize(
    "made", ["git init -q", "git init -q deep/er/sub; cd deep/er/sub", "git init -q --bare b.git; cd b.git"]
)
async def test_a_repository_that_a_command_makes_works_but_runs_nothing(box: Box, way: Ways, made: str) -> None:
    sets = "; ".join(f'git config {name} "$PWD/evil"' for name in SETTINGS)
    restored = await box.guarded(
        f"{made}; {EVIL} git config user.name me; git config remote.origin.url ./x; "
        "for hook in pre-commit post-checkout post-index-change; do mkdir -p $(git rev-parse --git-dir)/hooks; "
        f"cp evil $(git rev-parse --git-dir)/hooks/$hook; done; {sets}", way(),
    )  # fmt: skip
    (config,) = [path for path in box.root.rglob("config") if path.is_file()]
    assert "evil" not in config.read_text()
    assert git(config.parent, "config", "user.name") == "me\n"
    assert git(config.parent, "config", "remote.origin.url") == "./x\n"
    assert {each.did for each in restored} == {"made harmless", "removed"}
    assert any("evil" in each.became for each in restored)
    await untouched(box)


HEAD = "echo 'ref: refs/heads/x' > "
LAYOUTS = {
    "a bare layout by hand": f"mkdir -p bare/objects bare/refs; {HEAD} bare/HEAD; cp config bare/config",
    "a bare layout in the root": f"mkdir -p objects refs; {HEAD} HEAD",
    "links instead of directories": f"mkdir o r b; ln -s ../o b/objects; ln -s ../r b/refs; {HEAD} b/HEAD; cp config b/config",
    "a .git file that leads to the directory for temporary files": 'mkdir sub; git init -q --bare $TMPDIR; cp config $TMPDIR/config; echo "gitdir: $TMPDIR" > sub/.git',
    "a .git link": "mkdir sub; git init -q --bare $TMPDIR; cp config $TMPDIR/config; ln -s $TMPDIR sub/.git",
    "a commondir that leads astray": "git init -q w; mkdir c c/objects c/refs; cp config c/config; echo ../../c > w/.git/commondir",
    "a configuration that is a link": "git init -q s; rm s/.git/config; ln -s ../../config s/.git/config",
    "hooks that are a link": "git init -q s; rm -rf s/.git/hooks; mkdir h; cp evil h/pre-commit; ln -s ../../h s/.git/hooks",
    "a submodule's configuration": "git init -q s; cd s/.git; mkdir -p modules/a/b/c/objects modules/a/b/c/refs; "
    f"{HEAD} modules/a/b/c/HEAD; cp ../../config modules/a/b/c/config",
    "a worktree's own configuration": "git init -q s; cd s; git config extensions.worktreeConfig true; cp ../config .git/config.worktree",
    "lines that only git understands": r"git init -q s; printf '[alias] st = !touch PWNED\n' >> s/.git/config",
    "a value over two lines": r"git init -q s; printf '[alias]\n\tst = \\\n!touch PWNED\n' >> s/.git/config",
    "a mark of the byte order": r"git init -q s; printf '\357\273\277[alias]\n\tst = !touch PWNED\n' > s/.git/config",
    "settings under other capitals": r"git init -q s; printf '[ALIAS]\n\tST = !touch PWNED\n' >> s/.git/config",
    "a configuration with two names": "git init -q s; rm s/.git/config; ln config s/.git/config",
}


@pytest.mark.parametrize("way", [bubblewrap, rules_only])
@pytest.mark.parametrize("layout", LAYOUTS)
async def test_nothing_that_git_takes_for_a_repository_can_be_planted(
    box: Box, way: Ways, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modes, "temporary_directories", lambda configured: (str(box.outside),))
    config = r"printf '[core]\n\trepositoryformatversion = 0\n[alias]\n\tst = !touch PWNED\n' > config"
    await box.guarded(f"export TMPDIR={box.outside}; {EVIL} {config}; {LAYOUTS[layout]}", way())
    await untouched(box)


@pytest.mark.parametrize("way", ALL)
async def test_a_repository_made_by_commands_can_be_worked_in_by_later_ones(box: Box, way: Ways) -> None:
    await box.guarded("git init -q made", way())
    restored = await box.guarded(
        "cd made && git config user.name me && git config user.email me@x && git remote add origin ../y && "
        "git commit -q --allow-empty -m one && git checkout -q -b other && git worktree add -q ../tree && git clone -q . ../copy", way(),
    )  # fmt: skip
    assert restored == []
    assert git(box.root / "tree", "log", "--format=%s") == "one\n"
    assert git(box.root / "copy", "log", "--format=%s") == "one\n"
    restored = await box.guarded("git -C made config core.fsmonitor ./evil; rm -rf copy", way())
    assert [each.did for each in restored] == ["made harmless"]
    assert git(box.root / "made", "config", "user.name") == "me\n"
    assert not (box.root / "copy").exists()


@pytest.mark.parametrize("way", ALL)
async def test_what_the_user_set_in_a_repository_stays_wherever_the_repository_lies(box: Box, way: Ways) -> None:
    sub = box.root / "a" / "b" / "c"
    sub.mkdir(parents=True)
    git(sub, "init", "-q")
    git(sub, "config", "filter.lfs.clean", "git-lfs clean")
    (sub / ".git" / "hooks" / "pre-commit").write_text("mine")
    await box.guarded("git -C a/b/c config core.fsmonitor x; echo evil > a/b/c/.git/hooks/pre-commit", way())
    assert git(sub, "config", "--get-all", "core.fsmonitor") == ""
    await box.guarded("mv a moved", way())
    inside = next(path.parent for path in box.root.rglob(".git") if (path / "HEAD").exists())
    assert git(inside, "config", "filter.lfs.clean") == "git-lfs clean\n"
    assert (inside / ".git" / "hooks" / "pre-commit").read_text() == "mine"


ADDRESSES = {
    "{outside}/evil.git": False, "file://{outside}/evil.git": False, "../../outside/evil.git": False, "~/evil.git": False,
    "./link": False, "../other": True, "{root}/other": True, "file://{root}/other": True, "https://host/x.git": True,
    "git@host:x/y.git": True,
}  # fmt: skip


@pytest.mark.parametrize("key", ["remote.origin.url", "remote.origin.pushurl", "branch.master.remote"])
async def test_a_new_repository_leads_to_none_beyond_the_workspace(box: Box, key: str) -> None:
    for number, (address, kept) in enumerate(ADDRESSES.items()):
        where, value = f"new{number}", address.format(outside=box.outside, root=box.root)
        script = f"git init -q {where}; ln -s {box.outside} {where}/link.git; git -C {where} config {key} {value}"
        restored = await box.guarded(script, rules_only())
        assert git(box.root / where, "config", key) == (f"{value}\n" if kept else ""), address
        assert [each.did for each in restored] == ([] if kept else ["made harmless"])


async def test_an_address_must_stay_inside_from_every_working_tree(box: Box) -> None:
    restored = await box.guarded(
        "git init -q a/b/c; cd a/b/c; git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x; "
        f"git worktree add -q {box.root}/tree; git config remote.origin.url ../../evil", rules_only(),
    )  # fmt: skip
    assert [each.did for each in restored] == ["made harmless"]
    assert git(box.root / "tree", "config", "remote.origin.url") == ""


async def test_what_the_user_set_meanwhile_in_a_repository_of_a_command_stays(box: Box) -> None:
    await box.guarded("git init -q made", rules_only())
    git(box.root / "made", "config", "core.sshCommand", "ssh -i mine")
    await box.guarded("git -C made remote add origin ../y; git -C made config alias.st '!evil'", rules_only())
    assert git(box.root / "made", "config", "core.sshCommand") == "ssh -i mine\n"
    assert git(box.root / "made", "config", "remote.origin.url") == "../y\n"
    assert git(box.root / "made", "config", "alias.st") == ""


@pytest.mark.parametrize("way", [bubblewrap, rules_only])
async def test_a_second_name_for_a_setting_or_hook_is_no_way_to_write_there(box: Box, way: Ways) -> None:
    git(box.root, "init", "-q")
    (hook := box.root / ".git" / "hooks" / "pre-commit").parent.mkdir(exist_ok=True)
    hook.write_text("mine")
    hook.chmod(0o755)
    await box.guarded("git init -q made", way())
    await box.guarded("ln made/.git/config a; ln .git/config b; ln .git/hooks/pre-commit c", way())
    for path in (box.root / "made" / ".git" / "config", box.root / ".git" / "config", hook):
        assert path.stat().st_nlink == 1
    assert hook.read_text() == "mine"
    assert hook.stat().st_mode & 0o777 == 0o755


async def test_hooks_nested_beyond_all_sense_are_removed_all_the_same(box: Box) -> None:
    (box.root / ".git" / "hooks").mkdir(parents=True)
    deep = "python3 -I -c \"import os\nos.chdir('.git/hooks')\nfor n in range(3000): os.mkdir('d'); os.chdir('d')\""
    restored = await box.guarded(f"{deep}; chmod 0 .git/hooks/d", rules_only())
    assert [each.did for each in restored] == ["put back"]
    assert list((box.root / ".git" / "hooks").iterdir()) == []


async def test_a_workspace_grown_too_large_to_search_is_said(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repositories, "MAX_DIRECTORIES", 20)
    assert await box.guarded("true", rules_only()) == []
    restored = await box.guarded("mkdir d{1..30}; mkdir -p d1/x/y; git init -q d1/x/y", rules_only())
    assert [each.did for each in restored] == ["not searched"]


def test_an_unchanged_workspace_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/b/.git", "c/d"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(repositories, "_SETTLED", -1)
    survey = repositories.Survey(str(tmp_path))
    first = survey.look()
    assert [Path(path).name for path in first.directories] == [".git"]
    read = []
    real = os.scandir
    monkeypatch.setattr(repositories.os, "scandir", lambda path: read.append(str(path)) or real(path))
    assert survey.look() == first
    assert read == []
    (tmp_path / "c" / "d" / ".git").mkdir()
    assert len(survey.look().directories) == 2
    assert {Path(path).name for path in read} == {"d", ".git"}


HARMLESS = ["[core]\n\tbare = false", '[remote "o"]\n\turl = git@host:x', '[branch "a#b"]\n\tremote = origin', "[core]\n\tfsmonitor = true",
            "[user]\n\tname = \"a ; b\"", "[advice]\n\tx = y", '[submodule "s"]\n\tupdate = rebase']  # fmt: skip
HARMFUL = ["[core]\n\tfsmonitor = ./x", '[remote "o"]\n\turl = ext::sh -c x', '[submodule "s"]\n\tupdate = !x', "[include]\n\tpath = x",
           '[remote "o"]\n\tvcs = x', "[core]\n\tworktree = /", "[CORE]\n\tHooksPath = x", '[filter "x"]\n\tsmudge = x', "[alias]\n\ta = !x",
           '[branch "x"]\n\tremote = -oProxyCommand', "[http]\n\tproxy = x", "[sendemail]\n\ttocmd = x", "[pager]\n\tlog = x", "[branch.x]\n\tmergeoptions = y",
           "[remote.o]\n\treceivepack = x", "[gui]\n\tx = y", "[extensions]\n\tpartialClone = x"]  # fmt: skip


@pytest.mark.parametrize("text", HARMLESS)
def test_settings_that_run_nothing_are_harmless(text: str) -> None:
    settings, strange = parse(text.encode())
    assert strange == []
    assert all(map(harmless, settings))


@pytest.mark.parametrize("text", HARMFUL)
def test_settings_that_could_run_something_are_not_harmless(text: str) -> None:
    settings, strange = parse(text.encode())
    assert strange or not any(map(harmless, settings))


def test_settings_are_written_as_git_reads_them(tmp_path: Path) -> None:
    text = '[user]\n\tname = "a \\"b\\" \\\\ # ; c\\t"\n[branch "x\\"y\\\\z"]\n\tremote = o # note\n[core]\n\tbare\n'
    (tmp_path / "one").write_text(text)
    (tmp_path / "two").write_bytes(serialised(parse(text.encode())[0]))
    one, two = (git(tmp_path, "config", "--file", name, "--list", "-z") for name in ("one", "two"))
    assert one == two
    assert "user.name" in one
