"""Stacks of threads and of tasks that are running or waiting, as text for people.

The server's own frames, through which every stack begins, are left out: what is looked for is the
application's code. So are those of whatever has started the loop in the main thread. A thread that
is in none of the application's code is shown as it is.
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

# Of each end of a stack that is longer.
MOST_FRAMES = 40
OWN_MODULES = ("bascule.", "threading", "concurrent.futures.thread", "asyncio.")
# What stands between an awaiting coroutine and the awaited one where that is awaited by its
# `__await__`, as compiled code does, and around asynchronous generators. It does not say what it
# wraps; the garbage collector knows.
WRAPPERS = frozenset({"coroutine_wrapper", "async_generator_asend", "anext_awaitable"})
# Where a loop is started; before that stands the command line, or who embeds the server.
STARTS_LOOP = ("bascule.worker.run", "asyncio.runners", "asyncio.base_events")


def thread_stack(ident: int) -> str:
    """What a thread is doing now; "" when there is no such thread."""
    frame = sys._current_frames().get(ident)
    if frame is None:
        return ""
    frames = list(traceback.walk_stack(frame))
    frames.reverse()
    if not module_of(frames[0]).startswith(OWN_MODULES):
        # The main thread; all others begin in what runs threads.
        starts = (n for n, one in enumerate(frames) if module_of(one) in STARTS_LOOP)
        frames = frames[next(starts, 0) :]
    return shown(frames)


def task_stack(task: "Task[Any]") -> str:
    """Where a task is: its coroutine, what that awaits, and so on; and the same of another task if
    it waits for one."""
    frames: list[tuple[FrameType, int]] = []
    seen: set[int] = set()
    following: Any = task
    while isinstance(following, Task) and id(following) not in seen:
        seen.add(id(following))
        frames += awaited_frames(following.get_coro())
        # What asyncio keeps there is not for everybody, and may one day not be there.
        following = getattr(following, "_fut_waiter", None)
    return shown(frames)


def awaited_frames(coroutine: Any) -> Iterator[tuple[FrameType, int]]:
    """The frames of a coroutine, or of a generator that is awaited, and of what each awaits."""
    while coroutine is not None:
        if type(coroutine).__name__ in WRAPPERS:
            coroutine = next(filter(kind_of, gc.get_referents(coroutine)), None)
        kind = kind_of(coroutine)
        if not kind:
            return
        frame = getattr(coroutine, kind + "_frame")
        # Compiled coroutines have frames that know no line.
        if frame is not None and frame.f_lineno:
            yield frame, frame.f_lineno
        coroutine = getattr(coroutine, kind + ("_yieldfrom" if kind == "gi" else "_await"), None)


def kind_of(awaited: object) -> str:
    """What the attributes of a coroutine, a generator or an asynchronous generator begin with; ""
    for everything else."""
    return next((kind for kind in ("cr", "gi", "ag") if hasattr(awaited, kind + "_frame")), "")


def shown(frames: list[tuple[FrameType, int]]) -> str:
    """The frames, the outermost first, as a traceback has them."""
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
