"""A workspace on the real disk with a tool context over it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from toolscript.files import DiskFiles, Locks
from toolscript.registry.context import ToolContext
from toolscript.registry.tool import Tool


def world(root: Path, **options: Any) -> ToolContext:
    """Return a context whose only root and working directory is ``root``; locks lie beside it."""
    cwd = options.pop("cwd", root)
    limit = options.pop("max_output_bytes", 1024 * 1024)
    root.mkdir(exist_ok=True)
    files = DiskFiles([root], locks=Locks(root.parent / f".locks-{root.name}", wait=5), **options)
    return ToolContext(cwd=cwd, roots=(root,), files=files, max_output_bytes=limit)


async def use(tool: Tool, context: ToolContext, /, **arguments: Any) -> Any:
    """Check the arguments as the facade does, classify, call."""
    checked = tool.spec.input.parse(tool.spec.name, arguments)
    await tool.classify(checked, context)
    return await tool.call(checked, context)


async def text_of(tool: Tool, context: ToolContext, /, **arguments: Any) -> str:
    """Return what a structured call shows of the output."""
    checked = tool.spec.input.parse(tool.spec.name, arguments)
    return tool.render(checked, await tool.call(checked, context))


def plant(root: Path, tree: dict[str, str]) -> None:
    """Make files, directories (``name/``) and links (``symlink:target``)."""
    for name, content in tree.items():
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if content.startswith("symlink:"):
            path.symlink_to(content.removeprefix("symlink:"))
        else:
            path.write_text(content)


def plant_undecodable(root: Path) -> None:
    """Make a file whose name is no text, where the file system allows it."""
    with contextlib.suppress(OSError):
        (root / os.fsdecode(b"bad\xff.py")).write_text("TODO\n")
