"""Globs: the rules of .gitignore, checked against git itself, in time that no pattern can blow up."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from pathlib import Path

import pytest

from toolscript_tools.search.globs import BadGlob, compile_globs


@pytest.mark.parametrize(
    ("glob", "fits", "misses"),
    [
        ("*.ts", ["a.ts", "src/a.ts", ".ts"], ["a.tsx", "a.ts/b", "ats"]),
        ("a", ["a", "x/y/a"], ["b", "ab", "a/b"]),
        ("src/*.ts", ["src/a.ts"], ["a.ts", "src/b/a.ts", "x/src/a.ts"]),
        ("/a", ["a"], ["x/a"]),
        ("src/**", ["src/a", "src/a/b"], ["src", "a/src/b"]),
        ("**/src", ["src", "a/src", "a/b/src"], ["srcs", "src/a"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["a/xb", "ab", "a/b/c"]),
        ("**/a/**/b/**/c", ["a/b/c", "x/a/y/b/z/c", "a/a/b/b/c"], ["b/a/c", "a/c"]),
        ("**", ["a", "a/b"], []),
        ("*", ["a", ".a", "a/b"], []),
        ("?", ["a", "x/b"], ["ab"]),
        ("[ab]c", ["ac", "bc"], ["cc", "abc"]),
        ("[!ab]c", ["cc"], ["ac", "/c"]),
        ("[a-c]", ["b"], ["d", "-"]),
        ("[]]", ["]"], ["["]),
        (r"\*", ["*"], ["a"]),
        ("*.{ts,tsx}", ["a.ts", "a.tsx"], ["a.t", "a.{ts,tsx}"]),
        ("{a,b}/{c,d}*", ["a/c", "b/dx"], ["a/b", "c/a"]),
        ("a{,b}", ["a", "ab"], ["b"]),
        ("{a,{b,c}d}", ["a", "bd", "cd"], ["b", "ad"]),
        ("{", ["{"], []),
        ("a.b+c(d)^$", ["a.b+c(d)^$"], ["aXb+c(d)^$"]),
        ("dist/", ["dist", "a/dist"], ["dista"]),
        ("a//b", ["a/b"], []),
    ],
)  # fmt: skip
def test_what_a_glob_means(glob: str, fits: list[str], misses: list[str]):
    compiled = compile_globs(glob)
    assert [path for path in fits if not compiled.fullmatch(path)] == []
    assert [path for path in misses if compiled.fullmatch(path)] == []


@pytest.mark.parametrize(
    "glob", ["[", "[a/]b", "a[b", "[z-a]", "x" * 2000, "{a,b}" * 9, "{" + ",".join("a" * n for n in range(300)) + "}"]
)
def test_a_glob_that_cannot_be_read_is_refused(glob: str):
    with pytest.raises(BadGlob):
        compile_globs(glob)


@pytest.mark.parametrize(
    "glob", ["**/**/**/**/**/**/*a*a*a*a*b", "*a" * 300 + "b", "**/a/" * 200 + "b", "?*" * 200 + "b"]
)
def test_no_glob_blows_up(glob: str):
    compiled = compile_globs(glob)
    for path in ("a" * 255, "a/" * 2000 + "a", "/".join(["a" * 255] * 15)):
        assert not compiled.fullmatch(path)


GIT_PATTERNS = [
    "a", "*.c", "/a", "a/", "a/b", "a/*", "a/**", "**/b", "**/a/b", "a/**/b", "?", "[ab]", "[!a]", "*a*", "b/", "/*", "*/b",
    "**/", "a*/", r"\a", "a/**/", "/**/b", "**/*.c", "[a-]",
]  # fmt: skip
PATHS = ["/".join(names) for depth in (1, 2, 3) for names in itertools.product(["a", "b", "a.c"], repeat=depth)]


@pytest.mark.parametrize("pattern", GIT_PATTERNS)
def test_git_agrees(pattern: str, tmp_path: Path):
    from toolscript_tools.search.ignores import rules_of

    git = shutil.which("git")
    if git is None:
        pytest.skip("this machine has no git")
    subprocess.run([git, "init", "-q", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text(pattern + "\n")
    command = [git, "-C", tmp_path, "check-ignore", "--no-index", "--stdin", "-z"]
    rules = rules_of(
        str(tmp_path), lambda name: (pattern + "\n").encode() if name == ".gitignore" else None, True, None
    )

    def ours(path: str) -> bool:
        # An entry is reached only if nothing above it is ignored; what is given with no slash behind is a file.
        parents = [path[:at] for at, char in enumerate(path) if char == "/"]
        return rules is not None and (
            any(rules.ignored(f"{tmp_path}/{parent}", directory=True) for parent in parents)
            or rules.ignored(f"{tmp_path}/{path}", directory=False)
        )

    done = subprocess.run(command, input="\0".join(PATHS).encode(), capture_output=True)
    theirs = {name for name in done.stdout.decode().split("\0") if name}
    assert {path for path in PATHS if ours(path)} == theirs
