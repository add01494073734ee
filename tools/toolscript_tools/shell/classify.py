"""Decides from a command's words alone whether it only reads, or removes by force; it never runs anything."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from tree_sitter import Node

from toolscript_tools.shell.bash import MAX_SCRIPT, Word, literal, parse, plain_commands, walk

SHELLS = frozenset(("bash", "zsh", "sh"))
SHELL_FLAGS = frozenset(("-lc", "-c"))
FORCED_RM = "forced_rm"
MAX_DEPTH = 8

_ALWAYS = frozenset(
    ("cat", "cd", "cut", "echo", "expr", "false", "grep", "head", "id", "ls", "nl", "paste", "pwd", "rev", "seq",
     "stat", "tail", "tr", "true", "uname", "wc", "which", "whoami")
) | (frozenset(("numfmt", "tac")) if sys.platform == "linux" else frozenset())  # fmt: skip
_CHECKED = frozenset(("base64", "find", "git", "rg", "sed", "uniq"))
_FIND_ACTS = frozenset(("-exec", "-execdir", "-ok", "-okdir", "-delete", "-fls", "-fprint", "-fprint0", "-fprintf"))
_RG_RUNS = ("--search-zip", "--pre", "--hostname-bin")
_RG_VALUED = frozenset("ABCdefgjMmErTt")
_SED_RANGE = re.compile(r"[0-9]+(,[0-9]+)?p")
_GIT_READS = frozenset(("status", "log", "diff", "show", "branch"))
_GIT_VALUED = (
    "-C", "-c", "--config-env", "--exec-path", "--git-dir", "--namespace", "--super-prefix", "--work-tree",
)  # fmt: skip
_GIT_PLAIN = frozenset((
    "--", "-P", "--no-pager", "--no-optional-locks", "--no-replace-objects", "--no-lazy-fetch", "--no-advice",
    "--literal-pathspecs", "--glob-pathspecs", "--noglob-pathspecs", "--icase-pathspecs",
))  # fmt: skip
"""Options before a subcommand that neither take a value nor lead git elsewhere; all others do, or may one day."""
_GIT_WRITES = ("--output", "--ext-diff", "--textconv", "--exec", "--help")
_GIT_SHORTEST = 4
_UNIQ_VALUED = frozenset("fsw")
_UNIQ_WORDED = ("--skip-fields", "--skip-chars", "--check-chars")
_BRANCH_LISTS = frozenset(
    ("--list", "-l", "--show-current", "-a", "--all", "-r", "--remotes", "-v", "-vv", "--verbose")
)


def basename(program: str) -> str:
    """Return the last segment of a program's path."""
    return PurePosixPath(program).name if program else ""


def shell_type(program: str) -> str | None:
    """Return ``bash``, ``zsh``, ``sh``, ``powershell`` or ``cmd`` for a shell's name or path, else None."""
    stem = re.split(r"[/\\]", program)[-1].rsplit(".", 1)[0].lower()
    names = {"pwsh": "powershell", "powershell": "powershell", "cmd": "cmd"} | {name: name for name in SHELLS}
    return names.get(stem)


def shell_script(argv: Sequence[str]) -> str | None:
    """Return the script of ``[bash|zsh|sh, -c|-lc, script]``, or None for anything else."""
    if len(argv) != 3 or argv[1] not in SHELL_FLAGS:
        return None
    return argv[2] if PurePosixPath(argv[0]).stem in SHELLS else None


def split_script(script: str) -> list[list[str]] | None:
    """Return the words of each command of a script, or None where it holds anything but plain commands."""
    commands = plain_commands(script)
    return None if commands is None else [[word.text for word in words] for words in commands]


def simple_commands(argv: Sequence[str]) -> list[list[Word]] | None:
    """Return the commands that an argv runs: itself, or those of its script; None where only a shell can tell."""
    script = shell_script(argv)
    return plain_commands(script) if script is not None else [[Word(word) for word in argv]]


def known_safe(argv: Sequence[str]) -> bool:
    """Say whether a command is known to do nothing but read, by its words."""
    commands = simple_commands(argv)
    return bool(commands) and all(_reads_only(words) for words in commands or ())


def _reads_only(words: Sequence[Word]) -> bool:
    if not words:
        return False
    name = basename(words[0].text)
    arguments = [word.text for word in words[1:]]
    if name in _CHECKED:
        # What the shell may rewrite could become one of the options that are looked for.
        return all(word.exact for word in words) and _CHECKS[name](arguments)
    return name in _ALWAYS


def _uniq_reads(arguments: Sequence[str]) -> bool:
    """Say whether there is at most one operand: the second is the file that uniq writes."""
    operands, rest = 0, list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            return operands + len(rest) <= 1
        if not argument.startswith("-") or argument == "-":
            operands += 1
        elif _uniq_takes_next(argument):
            rest = rest[1:]
    return operands <= 1


def _uniq_takes_next(option: str) -> bool:
    """Say whether the value of an option is the next word."""
    if option.startswith("--"):
        # Long options may be shortened; what could be meant by several is refused by uniq itself.
        return "=" not in option and len(option) > 3 and any(word.startswith(option) for word in _UNIQ_WORDED)
    valued = next((place for place, letter in enumerate(option) if letter in _UNIQ_VALUED), None)
    return valued is not None and valued == len(option) - 1


def _has(arguments: Iterable[str], options: Iterable[str]) -> bool:
    listed = tuple(options)
    return any(argument == option or argument.startswith(f"{option}=") for argument in arguments for option in listed)


def _base64_reads(arguments: Sequence[str]) -> bool:
    # Long options may be shortened: --o is --output.
    return not any(a.startswith("--o") or re.match(r"-[^-]*o", a) for a in arguments)


def _find_reads(arguments: Sequence[str]) -> bool:
    return not _FIND_ACTS.intersection(arguments)


def _rg_reads(arguments: Sequence[str]) -> bool:
    return not _has(arguments, _RG_RUNS) and not any(_rg_cluster_unzips(argument) for argument in arguments)


def _rg_cluster_unzips(argument: str) -> bool:
    """Say whether a cluster of short options holds -z, before one that takes the rest as its value."""
    if not argument.startswith("-") or argument.startswith("--"):
        return False
    for letter in argument[1:]:
        if letter in _RG_VALUED:
            return False
        if letter == "z":
            return True
    return False


def _sed_prints(arguments: Sequence[str]) -> bool:
    if not 2 <= len(arguments) <= 3 or arguments[0] != "-n" or not _SED_RANGE.fullmatch(arguments[1]):
        return False
    # An option in the file's place would make the range a file and run another script.
    return len(arguments) == 2 or not arguments[2].startswith("-") or arguments[2] == "-"


def _git_reads(arguments: Sequence[str]) -> bool:
    position = _git_subcommand(arguments)
    if position is None or arguments[position] not in _GIT_READS:
        return False
    before, after = arguments[:position], arguments[position + 1 :]
    if not _GIT_PLAIN.issuperset(before) or any(map(_git_writes, after)):
        return False
    return arguments[position] != "branch" or all(a in _BRANCH_LISTS or a.startswith("--format=") for a in after)


def _git_subcommand(arguments: Sequence[str]) -> int | None:
    skip = False
    for position, argument in enumerate(arguments):
        if skip:
            skip = False
        elif argument in _GIT_VALUED:
            skip = True
        elif not argument.startswith("-"):
            return position
    return None


def _git_writes(option: str) -> bool:
    """Say whether an option, which git lets be shortened, writes or runs something."""
    name = option.partition("=")[0]
    if name == "--text" or len(name) < _GIT_SHORTEST:
        return False
    return any(writing.startswith(name) for writing in _GIT_WRITES)


_CHECKS = {
    "base64": _base64_reads,
    "find": _find_reads,
    "git": _git_reads,
    "rg": _rg_reads,
    "sed": _sed_prints,
    "uniq": _uniq_reads,
}


def dangerous(argv: Sequence[str], depth: int = 0) -> str | None:
    """Return ``forced_rm`` for a command that removes by force wherever it is found, else None."""
    if not argv or depth > MAX_DEPTH:
        return None
    name, rest = basename(argv[0]), list(argv[1:])
    if name == "rm":
        return FORCED_RM if _forces(rest) else None
    if name == "sudo":
        return dangerous(rest, depth + 1)
    if name == "env":
        return dangerous(_after_env(rest), depth + 1)
    if name == "trap":
        return _dangerous_script(_trapped(rest), depth + 1)
    script = shell_script(argv)
    return _dangerous_script(script, depth + 1) if script is not None else None


def _forces(arguments: Sequence[str]) -> bool:
    for argument in arguments:
        if argument == "--":
            return False
        if argument == "--force" or (argument.startswith("-") and not argument.startswith("--") and "f" in argument):
            return True
    return False


def _after_env(arguments: list[str]) -> list[str]:
    passed = ("-i", "--ignore-environment", "--")
    while arguments and (arguments[0] in passed or re.match(r"[A-Za-z_][A-Za-z0-9_]*=", arguments[0])):
        arguments = arguments[1:]
    return arguments


def _trapped(arguments: list[str]) -> str | None:
    if arguments and arguments[0] == "--":
        arguments = arguments[1:]
    return arguments[0] if arguments else None


def _dangerous_script(script: str | None, depth: int) -> str | None:
    if script is None or len(script) > MAX_SCRIPT:
        return None
    root = parse(script)
    if root.has_error:
        return None
    for node in walk(root):
        if node.type == "command":
            # Words that only the shell knows are left out; what remains still tells.
            words = [literal(_inner(child)) for child in node.named_children]
            if found := dangerous([word.text for word in words if word is not None], depth):
                return found
    return None


def _inner(node: Node) -> Node:
    return node.named_children[0] if node.type == "command_name" and node.named_children else node


def heredoc_prefix(argv: Sequence[str]) -> list[str] | None:
    """Return the words of a script's only command when a here-document feeds it and nothing else is there."""
    script = shell_script(argv)
    if script is None or len(script) > MAX_SCRIPT:
        return None
    root = parse(script)
    if root.has_error or len(root.named_children) != 1:
        return None
    statement = root.named_children[0]
    redirects = [child for child in statement.named_children if child.type != "command"]
    commands = [child for child in statement.named_children if child.type == "command"]
    if statement.type != "redirected_statement" or len(commands) != 1:
        return None
    if [node.type for node in redirects] != ["heredoc_redirect"] or not _bare(redirects[0]):
        return None
    words = [literal(_inner(child)) for child in commands[0].named_children if child.type != "file_redirect"]
    return None if None in words or not words else [word.text for word in words if word is not None]


def _bare(redirect: Node) -> bool:
    return all(child.type in ("heredoc_start", "heredoc_body", "heredoc_end") for child in redirect.named_children)
