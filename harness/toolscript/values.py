"""Decides that frozen values which each call makes anew are made quickly."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from typing import Any, TypeVar

T = TypeVar("T")


def quick(cls: type[T]) -> type[T]:
    """Give a frozen dataclass with slots and keyword-only fields a constructor that takes half the time.

    The usual one finds each slot by its name; this one holds them. All else stays: values are as frozen as before.
    """
    known = fields(cls)  # type: ignore[arg-type]
    if hasattr(cls, "__post_init__") or not all(field.init and field.kw_only for field in known):
        raise TypeError(f"{cls.__name__} does more than hold keyword arguments")
    names: dict[str, Any] = {"MISSING": MISSING}
    for field in known:
        names |= {f"set_{field.name}": getattr(cls, field.name).__set__, f"default_{field.name}": field.default}
        names[f"make_{field.name}"] = field.default_factory
    given = ", ".join(map(_parameter, known))
    body = "\n".join(f"    set_{field.name}(self, {_value(field)})" for field in known)
    exec(f"def __init__(self, *, {given}):\n{body}", names)
    init = names["__init__"]
    init.__qualname__, init.__module__ = f"{cls.__qualname__}.__init__", cls.__module__
    cls.__init__ = init  # type: ignore[method-assign]
    return cls


def _parameter(field: Field[Any]) -> str:
    if field.default is MISSING and field.default_factory is MISSING:
        return field.name
    return f"{field.name}=default_{field.name}"


def _value(field: Field[Any]) -> str:
    if field.default_factory is MISSING:
        return field.name
    return f"make_{field.name}() if {field.name} is MISSING else {field.name}"
