"""Decides what is made from the code: module ownership, the tool reference, and what is declared of tools ahead.

Run ``python docs/generate.py`` to write them; ``--check`` exits with 1 where they have drifted.
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {
    "harness/toolscript": "the library: from model text to result",
    "tools/toolscript_tools": "the tools that ship with it",
    "kernel/toolscript_kernel": "the Jupyter kernel",
    "extension/toolscript_extension": "the faces beyond the kernel",
}


def sentence(path: Path) -> str:
    """Return the first paragraph of a module's docstring on one line."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return " ".join(text.split("\n\n")[0].split())


def ownership() -> str:
    """Return the list of modules with what each alone decides."""
    parts = []
    for package, role in PACKAGES.items():
        parts.append(f"\n## `{package}`: {role}\n")
        for path in sorted((ROOT / package).rglob("*.py")):
            name = path.relative_to(ROOT / package).as_posix()
            if text := sentence(path):
                parts.append(f"- `{name}`: {text}")
    return "\n".join(parts) + "\n"


def tool_reference() -> str:
    """Return the reference page of all tools."""
    from toolscript.registry.declarations import declaration
    from toolscript.registry.registry import Registry
    from toolscript_tools.known import ROOMS, tools_of

    parts = ["# Tools\n\nGenerated from the registry by `python docs/generate.py`.\n"]
    for tool in Registry(tool for room in ROOMS for tool in tools_of(room)).select():
        spec = tool.spec
        packs = ", ".join(sorted(spec.packs)) or "all"
        parts.append(
            f"## `tools.{spec.path}`\n\nEffect: **{spec.effect.value}** · asks: {spec.ask.value} · packs: {packs} · "
            f"structured calls: `{spec.wire_name}`\n\n```ts\n{declaration(spec)}\n```\n\n"
            f"<details><summary>Input schema</summary>\n\n```json\n{json.dumps(spec.input.schema, indent=1)}\n```\n\n"
            "</details>\n"
        )
    return "\n".join(parts)


def pages() -> dict[Path, str]:
    """Return every generated page with its text."""
    from toolscript_tools.known import DECLARED, declarations

    architecture = (ROOT / "docs/architecture.md").read_text()
    head, marker, _ = architecture.partition("<!-- modules -->\n")
    return {
        ROOT / "docs/architecture.md": head + marker + ownership(),
        ROOT / "docs/tools.md": tool_reference(),
        DECLARED: declarations(),
    }


def main() -> int:
    """Write the pages, or check them."""
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if "--check" in sys.argv:
            print(f"{path.relative_to(ROOT)} has drifted; run python docs/generate.py")
        else:
            path.write_text(pages()[path])
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
