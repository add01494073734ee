"""A workspace in which exec and shell are called as the facade calls them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from toolscript.confine.command import Commands
from toolscript.files.disk import DiskFiles
from toolscript.registry.classification import Classification
from toolscript.registry.context import ProcessRecord, ToolContext
from toolscript.registry.tool import Tool
from toolscript_tools.shell import tools
from toolscript_tools.shell.models import CommandOutput

EXEC, SHELL = tools()
ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "SHELL": "/bin/bash", "ANTHROPIC_API_KEY": "canary"}


@dataclass
class Bench:
    """Calls the two tools in one workspace, and remembers what they told."""

    root: Path
    context: ToolContext
    deltas: list[tuple[str, str]] = field(default_factory=list)
    started: list[ProcessRecord] = field(default_factory=list)

    @classmethod
    def of(cls, root: Path, commands: Commands, **changes: Any) -> Bench:
        context = ToolContext(
            cwd=root, roots=(root,), files=DiskFiles([root]), commands=commands, environment=ENVIRONMENT, **changes
        )
        bench = cls(root, context)

        async def started(record: ProcessRecord) -> None:
            bench.started.append(record)

        bench.context = replace(context, emit=lambda stream, text: bench.deltas.append((stream, text)), started=started)
        return bench

    async def exec(self, *command: str, **arguments: Any) -> CommandOutput:
        return await self.call(EXEC, {"command": list(command), **arguments})

    async def shell(self, command: str, **arguments: Any) -> CommandOutput:
        return await self.call(SHELL, {"command": command, **arguments})

    async def call(self, tool: Tool, arguments: dict[str, Any]) -> CommandOutput:
        parsed = tool.spec.input.parse(tool.spec.name, arguments)
        output = await tool.call(parsed, self.context)
        assert isinstance(output, CommandOutput)
        return output

    async def classify(self, *command: str, **arguments: Any) -> Classification:
        parsed = EXEC.spec.input.parse("exec", {"command": list(command), **arguments})
        return await EXEC.classify(parsed, self.context)

    async def classify_shell(self, command: str, **arguments: Any) -> Classification:
        parsed = SHELL.spec.input.parse("shell", {"command": command, **arguments})
        return await SHELL.classify(parsed, self.context)

    def with_environment(self, **variables: str) -> ToolContext:
        return replace(self.context, environment={**self.context.environment, **variables})

    def unconfined(self) -> Bench:
        from toolscript.registry.context import SandboxMode

        self.context = replace(self.context, sandbox=SandboxMode.DANGER_FULL_ACCESS)
        return self
