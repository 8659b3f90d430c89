"""Four things that C does at less cost than Python; stepping.pxd has the compiled twins.

This module itself is never compiled.
"""

import sys
from contextvars import Context
from typing import Any, Protocol


class Steps(Protocol):
    """A coroutine, by the method with which this package takes its steps."""

    def step(self) -> object:
        """Take a step."""


def advance(coroutine: Any, finished: object) -> object:
    """Return what the coroutine waits for next, or `finished` where it has returned."""
    try:
        awaited: object = coroutine.send(None)
    except StopIteration:
        return finished
    return awaited


def step_in(context: Context, coroutine: Steps) -> object:
    """Take a step of the coroutine in a context."""
    return context.run(coroutine.step)


def copy_of(context: Context) -> Context:
    """Return a copy of a context."""
    return context.copy()


def count_references(held: object) -> int:
    """Return the number of references to an object, and of arguments that are passed to here."""
    return sys.getrefcount(held)
