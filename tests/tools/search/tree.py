"""A generated tree with all that searches must get right: ignore files, links, encodings, binaries, odd names."""

from __future__ import annotations

import os
import random
from pathlib import Path

from tests.tools.files.world import plant_undecodable

WORDS = [
    "alpha",
    "beta",
    "TODO",
    "todo:",
    "foo(bar)",
    "naïve",
    "x = 1;",
    "http://a.b/c",
    "ﬁsh",
    "Straße",
    "é",
    "²",
    "a\tb",
    "",
]


def grow(root: Path, seed: int = 1) -> None:
    """Make the tree."""
    choice = random.Random(seed)
    (root / ".git" / "info").mkdir(parents=True)
    (root / ".git" / "info" / "exclude").write_text("excluded.txt\n")
    (root / ".git" / "config").write_text("TODO in git\n")
    (root / ".gitignore").write_text(
        "*.log\n!keep.log\nbuild/\n/top.txt\nsub/*.tmp\n# comment\n\\#odd\ndeep/**/skip\n\nends \n"
    )
    (root / ".ignore").write_text("!special.log\nnoise\n")
    (root / "nested").mkdir()
    (root / "nested" / ".gitignore").write_text("*\n!*/\n!*.txt\n!.gitignore\n")
    for folder in ("", "src", "src/a b", "sub", "build", "deep/x/y", "nested/more", ".hidden", "noise", "repo/in"):
        path = root / folder
        path.mkdir(parents=True, exist_ok=True)
        for name in (
            "one.txt",
            "two.ts",
            "three.log",
            "keep.log",
            "top.txt",
            "a.tmp",
            "special.log",
            "excluded.txt",
            "skip",
        ):
            lines = [" ".join(choice.choices(WORDS, k=choice.randrange(6))) for _ in range(choice.randrange(40))]
            end = choice.choice(["\n", "\r\n"])
            (path / name).write_bytes((end.join(lines) + choice.choice(["", end])).encode())
    (root / "repo" / ".git").mkdir()
    _odd(root)


def _odd(root: Path) -> None:
    (root / "#odd").write_text("TODO\n")
    (root / "ends").write_text("TODO\n")
    (root / "-dash").write_text("TODO\n")
    (root / "new\nline").write_text("TODO\n")
    plant_undecodable(root)
    (root / "latin.txt").write_bytes("TODO na\xefve caf\xe9\nplain\n".encode("latin-1"))
    (root / "utf16.txt").write_bytes("TODO é\r\nalpha beta\r\n".encode("utf-16"))
    (root / "utf16be.txt").write_bytes(b"\xfe\xff" + "alpha\nTODO".encode("utf-16-be"))
    (root / "bom.txt").write_bytes(b"\xef\xbb\xbfTODO first\nsecond\n")
    (root / "binary").write_bytes(b"TODO\n\0\nTODO\n")
    (root / "late-nul").write_bytes(b"TODO\n" + b"x" * 10_000 + b"\n\0TODO\n")
    (root / "no-end").write_text("TODO")
    (root / "empty").touch()
    (root / "cr").write_bytes(b"a\rTODO\rb\n\rTODO\r\r\n")
    (root / "link.txt").symlink_to("src/one.txt")
    (root / "linked").symlink_to("src")
    (root / "outside").symlink_to("/etc")
    os.mkfifo(root / "fifo")
