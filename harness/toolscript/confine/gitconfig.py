"""Decides which settings of a git repository are harmless: they never make git run a program or leave the directory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import unquote

_HEADER = re.compile(r'\[([A-Za-z0-9.-]+)(?:[ \t]+"((?:[^"\\]|\\["\\])*)")?\]')
_KEY = re.compile(r"([A-Za-z][A-Za-z0-9-]*)[ \t]*(?:=(.*))?", re.DOTALL)

_FREE = frozenset(("advice", "color", "column", "extensions"))
"""Sections of which no setting can name a program."""
_ALONE: dict[str, frozenset[str]] = {
    "author": frozenset(("name", "email")),
    "branch": frozenset(("autosetupmerge", "autosetuprebase", "sort")),
    "commit": frozenset(("cleanup", "gpgsign", "status", "verbose")),
    "committer": frozenset(("name", "email")),
    "core": frozenset((
        "abbrev", "autocrlf", "bare", "bigfilethreshold", "checkstat", "compression", "deltabasecachelimit", "eol",
        "filemode", "ignorecase", "ignorestat", "logallrefupdates", "multipackindex", "packedgitlimit",
        "precomposeunicode",
        "preloadindex", "protecthfs", "protectntfs", "quotepath", "repositoryformatversion", "safecrlf",
        "sharedrepository",
        "sparsecheckout", "sparsecheckoutcone", "splitindex", "symlinks", "trustctime", "untrackedcache",
        "warnambiguousrefs",
        "whitespace",
    )),
    "diff": frozenset(("algorithm", "colormoved", "context", "mnemonicprefix", "noprefix", "renamelimit", "renames",
                       "submodule")),
    "feature": frozenset(("experimental", "manyfiles")),
    "fetch": frozenset(("parallel", "prune", "prunetags", "recursesubmodules", "writecommitgraph")),
    "gc": frozenset(("auto", "autodetach", "pruneexpire", "reflogexpire", "worktreepruneexpire", "writecommitgraph")),
    "index": frozenset(("sparse", "threads", "version")),
    "init": frozenset(("defaultbranch",)),
    "lfs": frozenset(("repositoryformatversion",)),
    "log": frozenset(("abbrevcommit", "date", "decorate", "follow", "mailmap")),
    "merge": frozenset(("autostash", "conflictstyle", "ff", "log", "renamelimit", "renames", "stat")),
    "pack": frozenset(("threads", "window", "windowmemory")),
    "pull": frozenset(("ff", "rebase")),
    "push": frozenset(("autosetupremote", "default", "followtags", "recursesubmodules")),
    "rebase": frozenset(("autosquash", "autostash", "updaterefs")),
    "remote": frozenset(("pushdefault",)),
    "rerere": frozenset(("autoupdate", "enabled")),
    "status": frozenset(("branch", "relativepaths", "short", "showuntrackedfiles", "submodulesummary")),
    "submodule": frozenset(("active", "fetchjobs", "propagatebranches", "recurse")),
    "tag": frozenset(("gpgsign", "sort")),
    "user": frozenset(("email", "name", "useconfigonly")),
}  # fmt: skip
"""What is harmless in a section without a name of its own, such as ``[core]``."""
_NAMED: dict[str, frozenset[str]] = {
    "branch": frozenset(("description", "merge", "pushremote", "rebase", "remote")),
    "remote": frozenset(("fetch", "mirror", "prune", "prunetags", "push", "pushurl", "skipdefaultupdate",
                         "skipfetchall",
                         "tagopt", "url")),
    "submodule": frozenset(("active", "branch", "fetchrecursesubmodules", "ignore", "update", "url")),
}  # fmt: skip
"""What is harmless in a section with a name, such as ``[remote "origin"]``."""
_ADDRESSES = frozenset(("url", "pushurl", "remote", "pushremote", "pushdefault"))
_UPDATES = frozenset(("checkout", "rebase", "merge", "none"))
_FLAGS = frozenset(("", "true", "false", "yes", "no", "on", "off", "0", "1"))


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: section and key in lower case, the section's own name, and the value (None: only named)."""

    section: str
    name: str | None
    key: str
    value: str | None

    def __str__(self) -> str:
        return ".".join(part for part in (self.section, self.name, self.key) if part is not None)


def parse(data: bytes) -> tuple[list[Setting], list[str]]:
    """Return the settings of a configuration, and the lines that are not understood: what is not plain is not."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return [], ["(it is no text)"]
    settings: list[Setting] = []
    strange: list[str] = []
    section: tuple[str, str | None] | None = None
    for line in text.replace("\r\n", "\n").split("\n"):
        bare = line.strip(" \t")
        if not bare or bare[0] in "#;":
            continue
        header = _HEADER.fullmatch(bare)
        if header is not None:
            section = _section(header)
        elif (setting := _setting(section, bare)) is not None:
            settings.append(setting)
        else:
            strange.append(bare)
    return settings, strange


def _section(header: re.Match[str]) -> tuple[str, str | None]:
    name, own = header[1].lower(), header[2]
    if own is None and "." in name:
        # The old spelling [remote.origin].
        name, own = name.split(".", 1)
    return name, None if own is None else re.sub(r"\\(.)", r"\1", own)


def _setting(section: tuple[str, str | None] | None, line: str) -> Setting | None:
    match = _KEY.fullmatch(line)
    if section is None or match is None or any(ord(character) < 32 and character != "\t" for character in line):
        return None
    if match[2] is None:
        return Setting(*section, match[1].lower(), None)
    value = _value(match[2].strip(" \t"))
    return None if value is None else Setting(*section, match[1].lower(), value)


def _value(text: str) -> str | None:
    """Return what git makes of a value; None where it goes on in the next line or is ill formed."""
    found, quoted, rest = "", False, iter(text)
    for character in rest:
        if character == "\\":
            escaped = {"n": "\n", "t": "\t", "b": "\b", "\\": "\\", '"': '"'}.get(next(rest, ""))
            if escaped is None:
                return None
            found += escaped
        elif character == '"':
            quoted = not quoted
        elif character in "#;" and not quoted:
            break
        else:
            found += character
    return None if quoted else found.rstrip(" \t") if '"' not in text else found


def harmless(
    setting: Setting,
    *,
    inside: Callable[[str], bool] = lambda path: False,
    reachable: Callable[[str], bool] = lambda path: True,
) -> bool:
    """Say whether a setting makes git run nothing.

    ``inside`` says whether a working tree lies within the workspace, ``reachable`` whether another repository on
    this machine, to which a local address leads, is one whose hooks and settings git may obey.
    """
    section, key, value = setting.section, setting.key, setting.value or ""
    if section == "core" and setting.name is None and key == "fsmonitor":
        return value.lower() in _FLAGS
    if section == "core" and setting.name is None and key == "worktree":
        return inside(value)
    if section in _FREE:
        return key != "partialclone"
    if key not in (_ALONE if setting.name is None else _NAMED).get(section, ()):
        return False
    if key in _ADDRESSES:
        # ext::sh -c … and other helpers are programs; what starts with a dash is an option.
        local = local_path(value)
        return "::" not in value and not value.startswith("-") and (local is None or reachable(local))
    return key != "update" or section != "submodule" or value in _UPDATES


def local_path(address: str) -> str | None:
    """Return the path of a repository on this machine to which an address leads, or None for one elsewhere."""
    if address.startswith("file://"):
        return "/" + unquote(address.removeprefix("file://")).lstrip("/")
    # As git tells a path from host:path.
    return None if "://" in address or ":" in address.split("/", 1)[0] else address


def serialised(settings: Iterable[Setting]) -> bytes:
    """Return the settings as a configuration that every git reads alike."""
    lines: list[str] = []
    current: tuple[str, str | None] | None = None
    for setting in settings:
        if (setting.section, setting.name) != current:
            current = (setting.section, setting.name)
            own = "" if setting.name is None else f' "{_escaped(setting.name)}"'
            lines.append(f"[{setting.section}{own}]")
        lines.append(f"\t{setting.key}" + ("" if setting.value is None else f' = "{_escaped(setting.value)}"'))
    return "".join(f"{line}\n" for line in lines).encode()


def _escaped(text: str) -> str:
    for character, written in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t"), ("\b", "\\b")):
        text = text.replace(character, written)
    return text
