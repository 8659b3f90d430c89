"""Logs what a start waits for, when it takes long.

A server that prints nothing looks broken, and its operator cannot see that an import waits for a
database. A step that takes longer than two seconds is named, once.

A thread does it, because imports and lifespans may block the thread that runs them. It has ended
behind the block, so a process that then forks does not have it. `threading` does not know this
thread: an application may have gevent replace threads while it is imported, which fails where
there is another than the main one.
"""

import _thread
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

logger = logging.getLogger("bascule")

AFTER = 2.0  # seconds
# Seconds for the thread to end.
PATIENCE = 2.0

# Called with a line for people.
Tell = Callable[[str], object]


@contextmanager
def waiting_for(what: str, tell: Tell = logger.info, after: float = AFTER) -> Iterator[None]:
    """Report that the server waits for the block, if it takes longer than `after` seconds."""
    going, ended = _thread.allocate_lock(), _thread.allocate_lock()
    going.acquire()
    ended.acquire()

    def watch() -> None:
        try:
            if not going.acquire(timeout=after):
                tell(f"not ready yet: waiting for {what}")
        finally:
            ended.release()

    _thread.start_new_thread(watch, ())
    try:
        yield
    finally:
        going.release()
        # Longer only if `tell` hangs.
        ended.acquire(timeout=PATIENCE)
