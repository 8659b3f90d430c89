"""Saying what a start waits for, when it takes long.

A server that prints nothing looks broken, and whoever looks at it cannot know that an import waits
for a database. What takes longer than two seconds is named, once.

In a thread, because imports and lifespans may block the one that runs them. It has ended behind
the block, so a process that goes on to fork has it no more.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

logger = logging.getLogger("bascule")

AFTER = 2.0  # seconds

# Called with a line for people.
Tell = Callable[[str], object]


@contextmanager
def waiting_for(what: str, tell: Tell = logger.info, after: float = AFTER) -> Iterator[None]:
    """Say, if the block takes longer than `after` seconds, that it is waited for."""
    ended = threading.Event()

    def watch() -> None:
        if not ended.wait(after):
            tell(f"not ready yet: waiting for {what}")

    thread = threading.Thread(target=watch, name="bascule waiting", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
