"""Decides what a tool is: one declaration, one classification, one call, one rendering."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

if TYPE_CHECKING:
    from toolscript.registry.classification import Classification, Effect
    from toolscript.registry.context import ToolContext
    from toolscript.registry.shape import Shape


class ToolModel(BaseModel):
    """Base of a tool's input and output models: snake_case in Python, camelCase for scripts; frozen.

    Both spellings are accepted as input, since structured calls use snake_case names.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")


class Ask(StrEnum):
    """When a tool asks for consent, beyond what the policy says of its effect."""

    BY_POLICY = "by_policy"
    ALWAYS = "always"
    NEVER = "never"


OPENAI = frozenset({"openai"})
"""The pack of tools in a shape that OpenAI's models were trained on."""
ANTHROPIC = frozenset({"anthropic"})
"""The pack of tools in a shape that Anthropic's models were trained on."""


@runtime_checkable
class Failing(Protocol):
    """A tool whose output can be a failure to a model although it resolves for a script (a non-zero exit)."""

    def failed(self, output: Any) -> bool:
        """Say whether a structured call reports this output as an error."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """All that is declared of a tool; schemas, TypeScript, completion, REST and docs are made from it.

    ``name`` is the facade's spelling (``applyPatch``), ``namespace`` the way to it (``("mcp", "git")``).
    ``positional`` names the arguments that scripts may give by position: ``readFile("a.ts")``. A tool with
    ``flat`` is a global as well as a member of ``tools``. ``packs`` empty means: in every pack.
    ``held`` promises that nothing happens before ``ToolContext.started`` was awaited, as with commands.
    ``through_files`` promises that a call which is classified as a write writes through ``ToolContext.files`` alone:
    a dry run may make it, on files that keep every change aside.
    ``digest`` is :func:`toolscript.registry.registry.schema_digest` of the tool, where it was declared ahead (see
    :meth:`known_as`); a spec that is made from another has none.
    """

    name: str
    doc: str
    effect: Effect
    input: Shape
    output: Shape
    namespace: tuple[str, ...] = ()
    positional: tuple[str, ...] = ()
    flat: bool = False
    ask: Ask = Ask.BY_POLICY
    packs: frozenset[str] = frozenset()
    lazy: bool = False
    held: bool = False
    through_files: bool = False
    examples: tuple[str, ...] = ()
    digest: str = field(default="", init=False, compare=False)
    extra: dict[str, Any] = field(default_factory=dict)

    def known_as(self, digest: str) -> ToolSpec:
        """Return this spec with the digest of its schemas, which whoever declared them ahead has worked out."""
        object.__setattr__(self, "digest", digest)
        return self

    @property
    def path(self) -> str:
        """The full name on the facade: ``exec``, ``mcp.git.status``."""
        return ".".join((*self.namespace, self.name))

    @property
    def wire_name(self) -> str:
        """The name for structured calls, which allow no dots: ``apply_patch``, ``mcp__git__status``."""
        if self.namespace:
            return "__".join((*self.namespace, self.name))
        return "".join(f"_{c.lower()}" if c.isupper() else c for c in self.name)


class Tool(Protocol):
    """One tool. Knows nothing of approvals, limits, journals or faces: those wrap it."""

    @property
    def spec(self) -> ToolSpec:
        """The declaration; it never changes while the tool is registered."""
        ...

    async def classify(self, arguments: Any, context: ToolContext) -> Classification:
        """Say what this exact call would do, touching nothing. Raises ToolError if it cannot be done at all."""
        ...

    async def call(self, arguments: Any, context: ToolContext) -> Any:
        """Do it and return the output value. Raises ToolError; is cancelled by its task's cancellation,
        and leaves no process behind then."""
        ...

    def render(self, arguments: Any, output: Any) -> str:
        """Return the output as the text that a structured call gives to a model."""
        ...
