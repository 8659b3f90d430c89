"""Ends a process that has served, even if the application has left something running in it.

Python waits at its end for every thread that is no daemon, for the threads of executors, and for
the children of multiprocessing, without any limit. A server that was told to stop must
end. So a thread of ours looks after the exit:

    after a second    threads and children that are still there are named in the log
    children          are sent SIGTERM: the pools among them would wait for work forever
    threads           cannot be ended, so the process goes on without them: functions of `atexit`
                      run, which Python would have run behind these threads, and then it ends

A second signal ends the process at once, at any point of this.
"""

import atexit
import logging
import signal
import sys
import threading
import time
from collections.abc import Iterable
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from bascule.errors import EXIT_FORCED
from bascule.worker.run import end_process

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

logger = logging.getLogger("bascule")

# Seconds that the application's threads and children have to end by themselves.
GRACE = 1.0
# The same after a second signal.
HURRIED_GRACE = 0.1
# Seconds that functions of `atexit` have, once threads were given up.
FOR_EXIT_FUNCTIONS = 5.0


def end_within_reason(code: int, signals: Iterable[int]) -> None:
    """See to it that this process ends, from now on. code: its exit code. signals: each of them
    ends it at once."""
    for number in signals:
        signal.signal(number, end_at_once)
    wanted, called = threading.Event(), threading.Event()

    def call_exit_functions() -> None:
        wanted.wait()
        try:
            atexit._run_exitfuncs()
        finally:
            called.set()

    def look_after() -> None:
        time.sleep(HURRIED_GRACE if code == EXIT_FORCED else GRACE)
        _end_what_is_left(code, wanted, called)

    # Both now: from Python 3.12 on, no thread can be started once Python waits for the others.
    threading.Thread(target=call_exit_functions, name="bascule atexit", daemon=True).start()
    threading.Thread(target=look_after, name="bascule ending", daemon=True).start()


def end_at_once(number: int, frame: FrameType | None) -> NoReturn:
    """For signals that come when everything has stopped already."""
    end_process(EXIT_FORCED)


def _end_what_is_left(code: int, wanted: threading.Event, called: threading.Event) -> None:
    """wanted: has functions of `atexit` called, and `called` is set when they have been."""
    threads, children = threads_left(), children_left()
    if not threads and not children:
        # Functions of `atexit` take their time, and end.
        return
    left = [f"thread {thread.name}" for thread in threads]
    left += [f"process {child.name} (pid {child.pid})" for child in children]
    logger.warning(
        "the process ends although the application has left this running: %s. Stop it in lifespan "
        "shutdown, or make it a daemon",
        ", ".join(left),
    )
    for child in children:
        child.terminate()
    if threads:
        # Python still waits for them, so none of these functions has been called yet.
        wanted.set()
        called.wait(FOR_EXIT_FUNCTIONS)
    else:
        time.sleep(GRACE)
    end_process(code)


def threads_left() -> list[threading.Thread]:
    """Threads for which Python waits now, at its end: those that are no daemons, and those of
    executors, which are waited for whatever they are."""
    main = threading.main_thread()
    frame = sys._current_frames().get(main.ident or 0)
    at_end = False
    left = [one for one in threading.enumerate() if not one.daemon and one is not main]
    while frame is not None:
        at_end = at_end or frame.f_code is threading._shutdown.__code__  # type: ignore[attr-defined]
        if frame.f_code is threading.Thread.join.__code__:
            left.append(frame.f_locals["self"])
        frame = frame.f_back
    return list(dict.fromkeys(one for one in left if one.is_alive())) if at_end else []


def children_left() -> "list[BaseProcess]":
    """Children for which multiprocessing waits at the end; others it ends by itself."""
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is None:
        return []
    return [child for child in multiprocessing.active_children() if not child.daemon]
