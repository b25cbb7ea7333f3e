"""Arguments that had another name once: a sentence with the new one instead of an unknown keyword."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def renamed(**advice: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Keywords that a function no longer has, each with what to write instead."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def checked(*arguments: P.args, **named: P.kwargs) -> R:
            for old in advice.keys() & named.keys():
                raise TypeError(f"{function.__name__} has no argument {old}=: {advice[old]}")
            return function(*arguments, **named)

        return checked

    return decorate
