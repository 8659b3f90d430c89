"""Notices that every thread of a pool is busy while requests wait, and says what with.

The other half of what a blocked loop is: the loop runs, and no WSGI request does.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bascule.connections.overdue import age_of, named
from bascule.interfaces.exchange import Exchange
from bascule.stacks import thread_stack

if TYPE_CHECKING:
    from bascule.interfaces.wsgi.pool import ThreadPool

logger = logging.getLogger("bascule")

# A request that has waited for so many seconds while no thread came free is worth a line. Less is
# a busy moment.
WAITED_FOR = 5.0
# The line has the stacks of all threads, so it is written once in so many seconds.
SAID_AGAIN_AFTER = 60.0


class Starvation:
    """Looks after the pool at each tick. listing: the requests in flight, as lines."""

    def __init__(self, listing: Callable[[], str]) -> None:
        self.listing = listing
        self._silent_until = 0.0

    def look(self, pool: "ThreadPool", now: float) -> None:
        """Log it if the request that has waited longest has waited too long. now: seconds of
        `perf_counter`."""
        waited = longest_wait(pool, now)
        if waited < WAITED_FOR or now < self._silent_until or not pool.is_full():
            return
        self._silent_until = now + SAID_AGAIN_AFTER
        lines = [
            f"all {pool.limit} threads (--threads) are busy, and {len(pool.calls)} requests wait, "
            f"the first for {waited:.1f} s"
        ]
        for thread in tuple(pool.pool_threads):
            lines.append(f"thread {thread.name}, running {running(thread.call)}")
            lines.append(thread_stack(thread.ident).rstrip())
        lines.append(self.listing())
        logger.warning("%s", "\n".join(lines))


def longest_wait(pool: "ThreadPool", now: float) -> float:
    """Seconds that the first in the queue has waited; 0 when there is none."""
    try:
        first: Any = pool.calls[0]
    except IndexError:
        return 0.0
    return float(now - first.queued_at)


def running(call: object) -> str:
    return f"{named(call)} for {age_of(call):.1f} s" if isinstance(call, Exchange) else "nothing"
