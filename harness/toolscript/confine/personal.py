"""Decides which files are the user's own, so that no command may change them wherever the workspace lies.

They decide what runs outside the sandbox: shells, git, editors, Jupyter and toolscript itself read them.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_NAMES = (
    ".bash_aliases", ".bash_login", ".bash_logout", ".bash_profile", ".bashrc", ".profile", ".inputrc", ".zlogin",
    ".zlogout",
    ".zprofile", ".zshenv", ".zshrc", ".cshrc", ".tcshrc", ".login", ".kshrc", ".xinitrc", ".xprofile", ".xsession",
    ".xsessionrc", ".pam_environment", ".envrc", ".direnvrc", ".gitconfig", ".git-templates", ".hgrc", ".ssh",
    ".gnupg", ".netrc",
    ".curlrc", ".wgetrc", ".npmrc", ".yarnrc", ".yarnrc.yml", ".pypirc", ".condarc", ".gemrc", ".irbrc", ".pryrc",
    ".Rprofile",
    ".Renviron", ".pdbrc", ".pdbrc.py", ".pythonrc", ".pythonstartup.py", ".gdbinit", ".lldbinit", ".psqlrc",
    ".sqliterc",
    ".vimrc", ".gvimrc", ".vim", ".exrc", ".nanorc", ".emacs", ".emacs.d", ".tmux.conf", ".screenrc", ".lesskey",
    ".ipython",
    ".jupyter", ".aws", ".azure", ".kube", ".docker", ".m2", ".gradle", ".pip", ".cargo/config", ".cargo/config.toml",
    ".cargo/env",
    ".cargo/bin", ".config/autostart", ".config/environment.d", ".config/fish", ".config/gcloud", ".config/gh",
    ".config/git",
    ".config/jupyter", ".config/nvim", ".config/pip", ".config/systemd", ".config/toolscript", ".local/bin",
    ".local/lib",
    ".local/share/applications", ".local/share/jupyter", ".local/share/systemd", ".vscode", ".vscode-server",
    "Library/Jupyter", "Library/LaunchAgents",
)  # fmt: skip
"""What is looked for below the home directory."""
_VARIABLES = {
    "XDG_CONFIG_HOME": ("autostart", "environment.d", "fish", "gcloud", "gh", "git", "jupyter", "nvim", "pip",
                        "systemd",
                        "toolscript"),
    "XDG_DATA_HOME": ("applications", "jupyter", "systemd"),
    "IPYTHONDIR": ("",), "JUPYTER_CONFIG_DIR": ("",), "JUPYTER_CONFIG_PATH": ("",), "JUPYTER_DATA_DIR": ("",),
    "JUPYTER_PATH": ("",), "GIT_CONFIG_GLOBAL": ("",), "GIT_TEMPLATE_DIR": ("",), "PYTHONSTARTUP": ("",),
    "PYTHONUSERBASE": ("",), "NPM_CONFIG_USERCONFIG": ("",), "CARGO_HOME": ("bin", "config", "config.toml", "env"),
    "BASH_ENV": ("",), "ENV": ("",), "ZDOTDIR": (".zshenv", ".zshrc", ".zprofile", ".zlogin"), "GNUPGHOME": ("",),
    "DOCKER_CONFIG": ("",), "KUBECONFIG": ("",), "RIPGREP_CONFIG_PATH": ("",),
}  # fmt: skip
"""What variables of the host put elsewhere, and what is looked for there."""
_OPEN = frozenset((
    ".cache", ".git", ".gitattributes", ".gitignore", ".gitmodules", ".github", ".local", ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache", ".Trash", ".venv",
))  # fmt: skip
"""Hidden entries of the home directory that are not protected as a whole."""


@dataclass(frozen=True, slots=True)
class Own:
    """The user's own files in what commands may write.

    ``frozen`` exist (absolute, resolved); ``anchors`` are the directories that lead to them; ``watched`` are links to
    them, and names of which nothing is there yet: directory and name below it.
    """

    frozen: tuple[str, ...]
    anchors: tuple[str, ...]
    watched: tuple[tuple[Path, str], ...]


def within(writable: Iterable[str], *, installation: bool = True) -> Own:
    """Return the user's own files that lie in these directories, which are resolved.

    ``installation`` counts the environment in which this very program runs among them.
    """
    places = tuple(writable)
    if not places:
        return Own((), (), ())
    frozen: set[str] = set()
    watched: set[tuple[str, str]] = set()
    directories: dict[str, str] = {}
    for path in dict.fromkeys(_candidates(places, installation)):
        above, _, name = path.rpartition("/")
        if above not in directories:
            directories[above] = os.path.realpath(above)
        # The directory's links are resolved, not the file's own: that one may be replaced.
        spelt = f"{directories[above]}/{name}"
        kind = _kind(spelt)
        if kind and (real := _inside(os.path.realpath(spelt) if kind == stat.S_IFLNK else spelt, places)):
            frozen.add(real)
        if kind in (0, stat.S_IFLNK) and _inside(spelt, places):
            watched.add((_holder(spelt, places), spelt))
    outer = _outermost(frozen)
    loose = [(holder, path) for holder, path in sorted(watched) if not _below(path, outer)]
    return Own(
        tuple(outer), tuple(_anchors(outer, places)),
        tuple((Path(holder), os.path.relpath(path, holder)) for holder, path in loose),
    )  # fmt: skip


def _kind(path: str) -> int:
    """Return what is at a path, no link followed; 0 for nothing."""
    try:
        return stat.S_IFMT(os.lstat(path).st_mode)
    except OSError:
        return 0


def owns(path: str, root: str) -> bool:
    """Say whether a path in a root (both resolved) is, or lies in, the user's own configuration."""
    home = os.path.realpath(os.path.expanduser("~"))  # noqa: PTH111 - Path.home() raises where there is none
    if home == "/" or not _below(path, [root]):
        return False
    if _below(home, [root]) and path.startswith(f"{home}/."):
        name = path[len(home) + 1 :].split("/", 1)[0]
        if name not in _OPEN:
            return True
    return any(_below(path, [each]) and not _below(root, [each]) for each in _named(home))


def _candidates(places: tuple[str, ...], installation: bool) -> Iterator[str]:
    home = os.path.expanduser("~")  # noqa: PTH111 - Path.home() raises where there is none
    if home.startswith("/") and home != "/" and _below(os.path.realpath(home), places):
        yield from _hidden(home)
    yield from _named(home)
    if installation:
        yield os.path.realpath(sys.prefix)


def _named(home: str) -> Iterator[str]:
    """Yield what the names here and the variables of the host name."""
    if home.startswith("/") and home != "/":
        yield from (f"{home}/{name}" for name in _NAMES)
    for name, below in _VARIABLES.items():
        for base in os.environ.get(name, "").split(os.pathsep):
            if base.startswith("/") and base.strip("/"):
                yield from (os.path.normpath(f"{base}/{part}") for part in below)


def _hidden(home: str) -> Iterator[str]:
    """Yield the hidden entries of the home directory: whatever they are for, they are the user's settings."""
    try:
        names = os.listdir(home)  # noqa: PTH208
    except OSError:
        return
    yield from (f"{home}/{name}" for name in names if name.startswith(".") and name not in _OPEN)


def _inside(path: str, places: Iterable[str]) -> str | None:
    """Return the path if it lies below one of the places and holds none of them."""
    listed = tuple(places)
    holds = any(place == path or place.startswith(f"{path}/") for place in listed)
    return path if not holds and _below(path, listed) else None


def _below(path: str, places: Iterable[str]) -> bool:
    return any(path == place or path.startswith(place.rstrip("/") + "/") for place in places)


def _holder(path: str, places: Iterable[str]) -> str:
    """Return the deepest of the places that holds a path."""
    return max((place for place in places if _below(path, [place])), key=len)


def _outermost(paths: Iterable[str]) -> list[str]:
    found: list[str] = []
    for path in sorted(paths):
        if not _below(path, found):
            found.append(path)
    return found


def _anchors(paths: Iterable[str], places: Iterable[str]) -> Iterator[str]:
    """Yield the directories between a place and what is frozen in it: they must not be moved away."""
    listed = tuple(places)
    for path in paths:
        holder = _holder(path, listed)
        for parent in Path(path).parents:
            if len(str(parent)) <= len(holder):
                break
            yield str(parent)
