"""Decides which commands are really patches, so that the patch tool runs them and no shell does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tree_sitter import Node

from toolscript_tools.patch import refuse_uncalled
from toolscript_tools.shell.bash import parse, text_of

NAMES = frozenset(("apply_patch", "applypatch"))
MAX_PATCH_SCRIPT = 16 * 1024 * 1024
_EXPANSION = re.compile(r"[$`\\]")
PathStyle = Literal["posix", "windows"]


@dataclass(frozen=True, slots=True)
class PatchCall:
    """A patch found in a command, and the directory (as spelt there) that it is relative to."""

    patch: str
    workdir: str | None = None

    def directory(self, cwd: Path) -> Path:
        """Return the directory that the patch's paths start from."""
        return cwd / self.workdir if self.workdir else cwd


def apply_patch_invocation(argv: Sequence[str], *, style: PathStyle = "posix") -> PatchCall | None:
    """Return the patch that a command applies, or None when it is an ordinary command.

    Raises ToolError with code ``uncalled_patch`` for a bare patch where a command belongs. Whether the patch
    itself is well formed is for the patch tool to say.
    """
    if len(argv) == 1:
        refuse_uncalled(argv[0])
    if len(argv) == 2 and argv[0] in NAMES:
        return PatchCall(argv[1])
    script = _shell_script(argv, style)
    if script is None or len(script) > MAX_PATCH_SCRIPT:
        return None
    refuse_uncalled(script)
    # Parsing costs; a script that names no patch program is none.
    return _from_script(script) if any(name in script for name in NAMES) else None


def _shell_script(argv: Sequence[str], style: PathStyle) -> str | None:
    if len(argv) == 4 and argv[1].lower() == "-noprofile" and _stem(argv[0], style) in ("pwsh", "powershell"):
        argv = [argv[0], *argv[2:]]
    if len(argv) != 3:
        return None
    flag, stem = argv[1], _stem(argv[0], style)
    matches = {
        "bash": flag in ("-lc", "-c"), "zsh": flag in ("-lc", "-c"), "sh": flag in ("-lc", "-c"),
        "pwsh": flag.lower() == "-command", "powershell": flag.lower() == "-command", "cmd": flag.lower() == "/c",
    }  # fmt: skip
    return argv[2] if matches.get(stem) else None


def _stem(program: str, style: PathStyle) -> str:
    separators = r"/" if style == "posix" else r"[/\\]"
    return re.split(separators, program)[-1].rsplit(".", 1)[0].lower()


def _from_script(script: str) -> PatchCall | None:
    program = parse(script)
    if len(program.named_children) != 1 or program.named_children[0].type != "redirected_statement":
        return None
    parts = program.named_children[0].named_children
    if len(parts) != 2 or parts[1].type != "heredoc_redirect":
        return None
    body = _heredoc(parts[1])
    if body is None:
        return None
    if parts[0].type == "command":
        return PatchCall(body) if _is_patch_program(parts[0]) else None
    workdir = _cd_before_patch(parts[0])
    return PatchCall(body, workdir) if workdir is not None else None


def _heredoc(redirect: Node) -> str | None:
    """Return the text of a here-document that is nothing but that and that the shell would not change."""
    kinds = [child.type for child in redirect.children if child.type not in ("<<", "<<-")]
    if kinds not in (["heredoc_start", "heredoc_body", "heredoc_end"], ["heredoc_start", "heredoc_end"]):
        return None
    named = {child.type: child for child in redirect.named_children}
    if not text_of(named["heredoc_end"]):
        return None
    body = text_of(named["heredoc_body"]) if "heredoc_body" in named else ""
    quoted = any(mark in text_of(named["heredoc_start"]) for mark in "'\"\\")
    if not quoted and ("$" in body or "`" in body):
        return None
    return body.rstrip("\n")


def _is_patch_program(command: Node) -> bool:
    words = [child for child in command.named_children if child.type != "variable_assignment"]
    return len(words) == 1 and _is_patch_name(words[0])


def _is_patch_name(node: Node) -> bool:
    inner = node.named_children
    return node.type == "command_name" and len(inner) == 1 and inner[0].type == "word" and text_of(inner[0]) in NAMES


def _cd_before_patch(node: Node) -> str | None:
    """Return the directory of exactly ``cd DIRECTORY && apply_patch``, or None for anything else."""
    if node.type != "list" or [child.type for child in node.children] != ["command", "&&", "command"]:
        return None
    cd, patch = node.named_children
    words = cd.named_children
    if len(words) != 2 or text_of(words[0]) != "cd" or words[0].type != "command_name":
        return None
    if not patch.named_children or not any(_is_patch_name(child) for child in patch.named_children):
        return None
    return _directory(words[1])


def _directory(node: Node) -> str | None:
    text = text_of(node)
    if node.type == "word" and not (_EXPANSION.search(text) or text.startswith("~") or set("*?[{").intersection(text)):
        return text
    if node.type == "raw_string":
        return text[1:-1]
    if node.type == "string" and len(text) > 2 and not _EXPANSION.search(text):
        return text[1:-1]
    return None
