"""Stacks of threads and tasks as text."""

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from bascule.stacks import MOST_FRAMES, task_stack, thread_stack
from support.flag import Flag


def names(stack: str) -> list[str]:
    return re.findall(r", in (\w+)", stack)


async def innermost() -> None:
    await asyncio.get_running_loop().create_future()


async def outer() -> None:
    await innermost()


async def in_a_task() -> None:
    await asyncio.create_task(outer())


async def pieces() -> AsyncIterator[int]:
    await innermost()
    yield 1


async def iterating() -> None:
    async for _ in pieces():
        pass


class Wrapped:
    def __await__(self) -> Any:
        return outer().__await__()


async def wrapped() -> None:
    await Wrapped()


@pytest.mark.parametrize(
    ("coroutine", "expected"),
    [
        (outer, ["outer", "innermost"]),
        (in_a_task, ["in_a_task", "outer", "innermost"]),
        (iterating, ["iterating", "pieces", "innermost"]),
        (wrapped, ["wrapped", "outer", "innermost"]),
    ],
)
def test_a_task_is_shown_down_to_where_it_waits(
    coroutine: Callable[[], Awaitable[None]], expected: list[str]
) -> None:
    async def main() -> list[str]:
        task = asyncio.ensure_future(coroutine())
        for _ in range(5):
            await asyncio.sleep(0)
        stack = task_stack(task)
        task.cancel()
        await asyncio.wait([task])
        assert task_stack(task) == ""
        return names(stack)

    assert asyncio.run(main()) == expected


def deep(depth: int, begun: Flag, release: Flag) -> None:
    if depth:
        deep(depth - 1, begun, release)
    else:
        begun.set()
        release.wait()


@pytest.mark.parametrize("depth", [3, 200])
def test_a_thread_is_shown_from_where_it_was_started_and_not_endlessly(depth: int) -> None:
    begun, release = Flag(), Flag()
    thread = threading.Thread(target=deep, args=(depth, begun, release))
    thread.start()
    begun.wait()
    assert thread.ident is not None
    stack = thread_stack(thread.ident)
    release.set()
    thread.join()
    assert "threading.py" not in stack.splitlines()[0]
    assert names(stack)[0] == "deep"
    assert "wait" in names(stack) or depth > MOST_FRAMES
    assert stack.count("File ") <= 2 * MOST_FRAMES
    assert ("frames more)" in stack) == (depth > 2 * MOST_FRAMES)


def test_a_thread_that_has_ended_has_no_stack() -> None:
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    assert thread.ident is not None
    assert thread_stack(-1) == ""
