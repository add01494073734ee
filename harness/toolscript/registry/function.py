"""Decides how an ordinary Python function becomes a tool: the ``@tool`` decorator."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_type_hints

from anyio import to_thread
from pydantic import ConfigDict, ValidationError, create_model
from pydantic.alias_generators import to_camel

from toolscript import misfits
from toolscript.errors import ConfigError, ToolError, ToolscriptError
from toolscript.registry.classification import Classification, Effect
from toolscript.registry.context import ToolContext
from toolscript.registry.shape import Shape
from toolscript.registry.tool import Ask, ToolSpec


@dataclass(frozen=True, slots=True)
class FunctionTool:
    """A tool made from a Python function; a plain function runs in a thread, an async one on the loop."""

    spec: ToolSpec
    function: Callable[..., Any]

    async def classify(self, arguments: Any, context: ToolContext) -> Classification:
        """Say no more than the declaration: what a foreign function does cannot be known beforehand."""
        return Classification(effect=self.spec.effect, undoable=False, remember=self.spec.path)

    async def call(self, arguments: Any, context: ToolContext) -> Any:
        """Call the function with the checked arguments and return what it declares.

        Raises ToolError ``tool_failed`` for its exceptions, ``bad_output`` where it returns something else.
        """
        values = {name: getattr(arguments, name) for name in type(arguments).model_fields}
        try:
            if inspect.iscoroutinefunction(self.function):
                returned = await self.function(**values)
            else:
                returned = await to_thread.run_sync(lambda: self.function(**values), abandon_on_cancel=True)
        except ToolscriptError:
            raise
        except (Exception, SystemExit) as error:
            # A function that ends the process is no reason to end the harness.
            raise ToolError(f"{type(error).__name__}: {error}", tool=self.spec.path, code="tool_failed") from error
        return self._declared(returned)

    def _declared(self, returned: Any) -> Any:
        try:
            value = self.spec.output.check(returned)
            json.dumps(self.spec.output.dump(value), allow_nan=False)
        except ValidationError as error:
            problems = misfits.told(error, whole="result", most=5)
            raise self._bad_output(f"its result is not what it declares: {problems}") from None
        except (ValueError, TypeError, RecursionError) as error:
            raise self._bad_output(f"its result is not JSON: {error}") from None
        return value

    def _bad_output(self, problem: str) -> ToolError:
        return ToolError(f"{self.spec.path}: {problem}", tool=self.spec.path, code="bad_output")

    def render(self, arguments: Any, output: Any) -> str:
        """Return the output as JSON text."""
        return json.dumps(self.spec.output.dump(output), ensure_ascii=False, indent=1)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the Python function as before: decorating it takes nothing away."""
        return self.function(*args, **kwargs)


def tool(
    function: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    effect: Effect | str = Effect.EXECUTE,
    ask: Ask | str = Ask.BY_POLICY,
    lazy: bool = False,
) -> Any:
    """Make a tool of a typed Python function: ``@tool`` or ``@tool(effect="read")``.

    The docstring becomes the tool's documentation, annotations its schema; parameters without annotation take
    any JSON. Raises ConfigError for ``*args``, ``**kwargs`` or positional-only parameters.
    """

    def decorate(f: Callable[..., Any]) -> FunctionTool:
        spec = ToolSpec(
            name=name or to_camel(f.__name__), doc=inspect.getdoc(f) or f"Calls the Python function {f.__name__}.",
            effect=Effect(effect), ask=Ask(ask), lazy=lazy, input=_input(f),
            output=Shape.of(get_type_hints(f, include_extras=True).get("return", Any)),
            positional=tuple(to_camel(p) for p in inspect.signature(f).parameters),
        )  # fmt: skip
        return FunctionTool(spec, f)

    return decorate if function is None else decorate(function)


def _input(f: Callable[..., Any]) -> Shape:
    hints = get_type_hints(f, include_extras=True)
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(f).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ConfigError(f"@tool: {f.__name__} may not take {parameter.kind.description} parameter {parameter}")
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (hints.get(parameter.name, Any), default)
    config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)
    return Shape.of(create_model(f"{f.__name__}_input", __config__=config, **fields))
