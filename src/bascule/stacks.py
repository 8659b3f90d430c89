"""Stacks of threads, and of tasks that are running or waiting, as text for people.

The frames of the server, with which every stack begins, are left out: the application's code is of
interest. In the main thread the frames below those of the loop are left out too. A thread that is
in no code of the application is shown with all frames.
"""

import gc
import sys
import traceback
from asyncio import Task
from collections.abc import Iterator
from types import FrameType
from typing import Any

# The server's threads that do not keep a process from ending.
WATCHDOG_THREAD = "bascule watchdog"
RELOADER_THREAD = "bascule reloader"
SUPERVISOR_THREAD = "bascule supervisor"
OWN_THREADS = frozenset({WATCHDOG_THREAD, RELOADER_THREAD, SUPERVISOR_THREAD})

# The frames that are shown of each end of a longer stack.
MOST_FRAMES = 40
OWN_MODULES = ("bascule.", "threading", "concurrent.futures.thread", "asyncio.")
# Objects between an awaiting coroutine and the awaited one: compiled code awaits by `__await__`,
# and asynchronous generators are wrapped. They have no attribute for the wrapped object; the
# garbage collector knows it.
WRAPPERS = frozenset({"coroutine_wrapper", "async_generator_asend", "anext_awaitable"})
# Modules that start a loop. Frames below theirs are of the command line, or of a program that
# embeds the server.
STARTS_LOOP = ("bascule.worker.run", "asyncio.runners", "asyncio.base_events")


def thread_stack(ident: int) -> str:
    """Return the stack of a thread; "" where there is no such thread."""
    frame = sys._current_frames().get(ident)
    if frame is None:
        return ""
    frames = list(traceback.walk_stack(frame))
    frames.reverse()
    if not module_of(frames[0]).startswith(OWN_MODULES):
        # The main thread; all others begin in `threading`.
        starts = (n for n, one in enumerate(frames) if module_of(one) in STARTS_LOOP)
        frames = frames[next(starts, 0) :]
    return shown(frames)


def task_stack(task: "Task[Any]") -> str:
    """Return the stack of a task: its coroutine, the awaited coroutine, and so on. Continues with
    another task where it waits for one."""
    frames: list[tuple[FrameType, int]] = []
    seen: set[int] = set()
    following: Any = task
    while isinstance(following, Task) and id(following) not in seen:
        seen.add(id(following))
        frames += awaited_frames(following.get_coro())
        # A private attribute of asyncio, which may disappear.
        following = getattr(following, "_fut_waiter", None)
    return shown(frames)


def awaited_frames(coroutine: Any) -> Iterator[tuple[FrameType, int]]:
    """Yield the frames of a coroutine or an awaited generator, and of those that it waits for."""
    while coroutine is not None:
        if type(coroutine).__name__ in WRAPPERS:
            coroutine = next(filter(kind_of, gc.get_referents(coroutine)), None)
        kind = kind_of(coroutine)
        if not kind:
            return
        frame = getattr(coroutine, kind + "_frame")
        # The frames of compiled coroutines have no line number.
        if frame is not None and frame.f_lineno:
            yield frame, frame.f_lineno
        coroutine = getattr(coroutine, kind + ("_yieldfrom" if kind == "gi" else "_await"), None)


def kind_of(awaited: object) -> str:
    """Return the prefix of the attributes of a coroutine, a generator or an async generator.

    It is "" for other objects.
    """
    return next((kind for kind in ("cr", "gi", "ag") if hasattr(awaited, kind + "_frame")), "")


def shown(frames: list[tuple[FrameType, int]]) -> str:
    """Return the frames, the outermost first, in the form of a traceback."""
    theirs = (n for n, one in enumerate(frames) if not module_of(one).startswith(OWN_MODULES))
    frames = frames[next(theirs, 0) :]
    left_out = len(frames) - 2 * MOST_FRAMES
    if left_out <= 0:
        return lines_of(frames)
    middle = f"  ({left_out} frames more)\n"
    return lines_of(frames[:MOST_FRAMES]) + middle + lines_of(frames[-MOST_FRAMES:])


def module_of(frame: tuple[FrameType, int]) -> str:
    return str(frame[0].f_globals.get("__name__"))


def lines_of(frames: list[tuple[FrameType, int]]) -> str:
    return "".join(traceback.StackSummary.extract(iter(frames)).format())
