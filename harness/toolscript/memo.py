"""Decides that what is made from the same object again and again is made once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")


class Latest(Generic[Given, Made]):
    """A function that keeps its latest result, for as long as it is asked of the very same, immutable object.

    Unlike a cache by equality it need not hash the object, which costs more than the work where it is large.
    """

    def __init__(self, make: Callable[[Given], Made]) -> None:
        self._make = make
        self._pair: tuple[Given, Made] | None = None
        self.__doc__ = make.__doc__

    def __call__(self, given: Given) -> Made:
        """Return what is made from the object."""
        pair = self._pair
        if pair is None or pair[0] is not given:
            self._pair = pair = (given, self._make(given))
        return pair[1]
