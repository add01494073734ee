"""Decides what one run's calls share: identity, limits, consent rules, and the world that tools are given."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolscript.registry.context import MemoryOutputs, Outputs, SandboxMode, ToolContext
from toolscript.values import quick

if TYPE_CHECKING:
    from toolscript.approvals.bridge import Bridge
    from toolscript.approvals.permissions import Permissions
    from toolscript.approvals.plan import PlanRow, Terms
    from toolscript.approvals.request import Decision, Policy
    from toolscript.approvals.rules import Rule
    from toolscript.confine.command import Commands
    from toolscript.errors import Json
    from toolscript.events import Emitter
    from toolscript.journal.records import Journal
    from toolscript.limits import Limits
    from toolscript.registry.files import Files, LockableFiles
    from toolscript.registry.tool import Tool
    from toolscript.runtime.session import FacadeEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What tools of one harness may see and touch; the same for all its runs."""

    cwd: Path
    roots: tuple[Path, ...]
    opened: Callable[[], LockableFiles]
    """Returns the files, the same each time; most scripts touch none."""
    sandbox: SandboxMode = SandboxMode.WORKSPACE_WRITE
    network: bool = False
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    secret_paths: tuple[Path, ...] = ()
    outputs: Outputs = field(default_factory=MemoryOutputs)
    commands: Commands | None = None

    @property
    def files(self) -> LockableFiles:
        """The files of the roots."""
        return self.opened()


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class RunScope:
    """What every call of one run shares."""

    run_id: str
    script_hash: str
    limits: Limits
    policy: Policy
    tools: Mapping[str, Tool]
    facade: tuple[FacadeEntry, ...]
    """The same tools as a worker builds them."""
    known: Callable[[str], Tool]
    emitter: Emitter
    journal: Journal
    bridge: Bridge
    permitted: Callable[[], Permissions]
    """Returns what is allowed for the conversation; most scripts never ask."""
    world: World
    rules: tuple[Rule, ...] = ()
    conversation_id: str = ""
    turn_id: str | None = None
    catalogue: Callable[[], Json] = dict
    began: float = field(default_factory=time.time)
    digests: dict[str, str] = field(default_factory=dict)
    planned: list[PlanRow] | None = None
    """Where a dry run writes the effects that it only plans; None: this is no dry run."""
    plan: Terms | None = None
    """The plan that this run carries out."""
    inline_result_bytes: int | None = None
    """A result beyond this is kept, and the run names its handle; None: the limit alone counts."""
    run_agent: Callable[[str, str, str], Awaitable[Json]] | None = None
    """Called with agent, prompt and ``run_id/operation`` of the asking call."""
    recall: Callable[[int, str], Decision | None] = lambda number, digest: None
    """Returns what was decided on exactly this call before the run was interrupted, once."""

    @property
    def permissions(self) -> Permissions:
        """What is allowed for the conversation."""
        return self.permitted()

    def context(self, number: int, files: Files, **services: Any) -> ToolContext:
        """Return the context of one call; ``services`` are what only the road can give (emit, started, ask)."""
        world = self.world
        return ToolContext(
            cwd=world.cwd, roots=world.roots, run_id=self.run_id, operation=number, sandbox=world.sandbox,
            conversation_id=self.conversation_id,
            network=world.network, environment=world.environment, secret_paths=world.secret_paths,
            outputs=world.outputs, commands=world.commands, max_output_bytes=self.limits.tool_output_bytes,
            files=files, **services,
        )  # fmt: skip
