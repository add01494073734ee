"""Decides under which name a person's "allow for this conversation" covers later commands."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from toolscript_tools.shell.bash import Word
from toolscript_tools.shell.classify import basename, shell_script, simple_commands

_SUBCOMMANDS: dict[str, frozenset[str]] = {
    "cargo": frozenset(("bench", "build", "check", "clippy", "doc", "fmt", "metadata", "test", "tree")),
    "git": frozenset(("add", "blame", "branch", "checkout", "commit", "describe", "diff", "fetch", "log", "ls-files",
                      "merge-base", "pull", "restore", "rev-parse", "show", "stash", "status", "switch", "tag")),
    "go": frozenset(("build", "doc", "fmt", "list", "test", "vet")),
    "make": frozenset(("all", "build", "check", "docs", "format", "lint", "test")),
    "npm": frozenset(("audit", "ci", "install", "list", "ls", "outdated", "test", "view")),
    "pip": frozenset(("check", "freeze", "list", "show")),
    "pnpm": frozenset(("audit", "install", "list", "outdated", "test")),
    "uv": frozenset(("lock", "sync", "tree")),
    "yarn": frozenset(("audit", "install", "list", "outdated", "test")),
}  # fmt: skip
"""Programs whose subcommand says what they do."""

_PROGRAMS = frozenset(("eslint", "jest", "mypy", "prettier", "pyright", "pytest", "ruff", "tsc", "vitest"))
"""Programs that do one thing."""

_DANGEROUS_OPTIONS: dict[str, tuple[str, ...]] = {
    "cargo": ("--config", "--manifest-path", "--target-dir", "-Z", "-C"),
    "eslint": ("--rulesdir", "--resolve-plugins-relative-to", "-c", "--config", "--parser", "--plugin", "-f",
               "--format"),
    "git": ("--upload-pack", "--receive-pack", "--exec", "--ext-diff", "--textconv", "--output", "--template", "-c",
            "--config-env", "--exec-path", "--git-dir", "--work-tree", "-C", "--namespace", "--super-prefix", "-f",
            "--force", "-D", "-d", "--delete", "--hard", "-m", "-M", "--edit", "-e", "-F", "--file"),
    "go": ("-exec", "-toolexec", "-vettool", "-C", "-o", "-modfile", "-overlay"),
    "jest": ("-c", "--config", "--globalSetup", "--globalTeardown", "--rootDir", "--testEnvironment"),
    "make": ("-f", "--file", "--makefile", "-C", "--directory", "-I", "--include-dir", "--eval", "-E"),
    "mypy": ("--config-file", "--python-executable", "--install-types", "--any-exprs-report"),
    "npm": ("--script-shell", "--prefix", "-C", "--userconfig", "--globalconfig", "-g", "--global", "--registry"),
    "pip": ("--target", "--prefix", "--python", "--log"),
    "pnpm": ("--script-shell", "--prefix", "-C", "--dir", "-g", "--global", "--registry"),
    "prettier": ("--config", "--plugin", "--plugin-search-dir"),
    "pytest": ("-c", "--config-file", "-p", "--rootdir", "--confcutdir", "-o", "--override-ini", "--basetemp"),
    "ruff": ("--config",),
    "tsc": ("--outDir", "--outFile", "-p", "--project"),
    "uv": ("--project", "--directory", "--python", "-p", "--index-url", "--extra-index-url", "--config-file"),
    "vitest": ("-c", "--config", "--globals", "--root"),
    "yarn": ("--cwd", "--script-shell", "--registry", "--use-yarnrc"),
}  # fmt: skip
"""Options that make a program run something else, or write somewhere else: such calls are remembered exactly."""


def pattern(argv: Sequence[str], *, exact: bool = False) -> str | None:
    """Return the name under which this command may be remembered, or None when it must not be.

    Two commands have the same name only if consent to one may stand for the other: the same program and
    subcommand of a known program without its dangerous options, or else the very same words. ``exact`` asks for
    the words in any case.
    """
    commands = simple_commands(argv)
    if not commands:
        return None
    if shell_script(argv) is None:
        return _of_command([Word(word) for word in argv], exact)
    if len(commands) > 1 or exact:
        return f"exactly: {shlex.join(argv)}"
    return _of_command(commands[0], exact or not all(word.exact for word in commands[0]), argv)


def _of_command(words: Sequence[Word], exact: bool, whole: Sequence[str] | None = None) -> str:
    argv = [word.text for word in words]
    if exact or (known := _known(argv)) is None:
        return f"exactly: {shlex.join(whole or argv)}"
    return known


def _known(argv: Sequence[str]) -> str | None:
    """Return program and subcommand for a program in the table that is called without dangerous options."""
    program = argv[0]
    if program != basename(program) or _is_dangerous(program, argv[1:]):
        return None
    if program in _PROGRAMS:
        return f"{program} …"
    if program in _SUBCOMMANDS and len(argv) > 1 and argv[1] in _SUBCOMMANDS[program]:
        return f"{program} {argv[1]} …"
    return None


def _is_dangerous(program: str, arguments: Sequence[str]) -> bool:
    if program == "make" and any("=" in argument and not argument.startswith("-") for argument in arguments):
        # A variable set here wins over the Makefile's, SHELL among them.
        return True
    options = _DANGEROUS_OPTIONS.get(program, ())
    return any(_is_option(argument, option) for argument in arguments for option in options)


def _is_option(argument: str, option: str) -> bool:
    """Say whether an argument is this option, alone, with its value, or within a cluster of short ones."""
    if argument == option or argument.startswith(f"{option}="):
        return True
    if not argument.startswith("-"):
        return False
    double = argument.startswith("--")
    if len(option) == 2:
        return not double and option[1] in argument[1:]
    # Many programs take a long option under any beginning that is clear enough to them, with one dash or two, in
    # any case, and with or without dashes between its words. Asking once more is the smaller harm.
    word = _spelling(argument)
    return len(word) >= (1 if double else 2) and _spelling(option).startswith(word)


def _spelling(option: str) -> str:
    return option.partition("=")[0].replace("-", "").lower()
