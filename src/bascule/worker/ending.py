"""Ends a process that has served, even if the application has left something running in it.

At exit Python waits for every thread that is not a daemon, for the threads of executors, and for
the children of multiprocessing, without any limit. A server that was asked to stop must end. So a
thread watches over the exit:

    after a second    threads and children that are still running are named in the log
    children          are sent SIGTERM: pools among them would wait for work forever
    threads           cannot be ended, so the process does not wait for them: functions of `atexit`
                      run, which Python runs after these threads otherwise, and then it ends

A second signal ends the process at once, at any point.
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
# Seconds that functions of `atexit` have, once threads are not waited for any more.
FOR_EXIT_FUNCTIONS = 5.0


def end_within_reason(code: int, signals: Iterable[int]) -> None:
    """Ensure that this process, which has served, ends soon.

    code: its exit code.
    signals: each of them ends it at once.
    """
    for number in signals:
        signal.signal(number, end_at_once)
    wanted, called = threading.Event(), threading.Event()

    def call_exit_functions() -> None:
        wanted.wait()
        try:
            # A private function of CPython's. Without it these functions are not called.
            getattr(atexit, "_run_exitfuncs", lambda: None)()
        finally:
            called.set()

    def look_after() -> None:
        time.sleep(HURRIED_GRACE if code == EXIT_FORCED else GRACE)
        _end_what_is_left(code, wanted, called)

    # Both are started now: from Python 3.12 on, no thread can be started once Python waits for the
    # others.
    threading.Thread(target=call_exit_functions, name="bascule atexit", daemon=True).start()
    threading.Thread(target=look_after, name="bascule ending", daemon=True).start()


def end_at_once(number: int, frame: FrameType | None) -> NoReturn:
    """Handle a signal that arrives once everything has stopped."""
    end_process(EXIT_FORCED)


def _end_what_is_left(code: int, wanted: threading.Event, called: threading.Event) -> None:
    """End the process, unless Python is about to.

    code: the exit code.
    wanted: set to have functions of `atexit` called.
    called: set once they have been.
    """
    threads, children = threads_left(), children_left()
    if not threads and not children:
        # Python runs functions of `atexit`, which end by themselves.
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
    """Return the threads that Python waits for at exit: those that are not daemons, and those of
    executors. None where it is not waiting."""
    main = threading.main_thread()
    frame = sys._current_frames().get(main.ident or 0)
    # A private function, which waits for the threads. Without it nothing shows whether Python is
    # waiting, and a process that ends too early is better than a process that never ends.
    waits = getattr(getattr(threading, "_shutdown", None), "__code__", None)
    at_end = waits is None
    left = [one for one in threading.enumerate() if not one.daemon and one is not main]
    while frame is not None:
        at_end = at_end or frame.f_code is waits
        if frame.f_code is threading.Thread.join.__code__:
            left.append(frame.f_locals["self"])
        frame = frame.f_back
    return list(dict.fromkeys(one for one in left if one.is_alive())) if at_end else []


def children_left() -> "list[BaseProcess]":
    """Return the children that multiprocessing waits for at exit; it ends daemons by itself."""
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is None:
        return []
    return [child for child in multiprocessing.active_children() if not child.daemon]
