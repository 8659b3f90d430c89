"""Gives the memory of a finished rush back to the system.

Python and its libraries give the memory that a rush of clients needed back to malloc, and malloc
keeps most of it: glibc has a heap for each thread that allocated, and returns only the free memory
at the end of one. Responses are made in several threads and freed in another, so something is
always left at the end. `malloc_trim` returns every free page. It takes time in proportion to the
free memory, so it is called once, when a rush is over, and in a thread.

A rush is recognised by the memory that the process has gained, and is over when its clients
account for little of that. Rejected: the weight of the clients at each tick. A short rush is over
before the next tick, and one that ends between two ticks is trimmed while a part of it is still
there.

Without glibc there is no such function, and without /proc no way to see a rush; then nothing is
done.
"""

import os
import threading
from collections.abc import Callable

# The least weight of a connection, and of a call, beside the bytes that wait for their clients.
CONNECTION_WEIGHT = 16384
CALL_WEIGHT = 16384
# Memory gained that is worth a trim, and the part of it that clients may still account for.
RUSH = 16 * 1024 * 1024
OVER = 8
# Seconds from one time to the next.
PAUSE = 5.0

PAGE = os.sysconf("SC_PAGE_SIZE")


class Trimmer:
    """Decides at each tick whether to trim.

    To be made before there are clients. trim: gives the memory back. measure: the memory that the
    process has, in bytes; 0 where that is not known.
    """

    def __init__(
        self, trim: Callable[[], None] | None = None, measure: Callable[[], int] | None = None
    ) -> None:
        self._trim = trim or trim_in_thread
        self._measure = measure or resident
        self._least = self._measure()
        self._silent_until = 0.0

    def look(self, unsent: int, connections: int, calls: int, now: float) -> None:
        """unsent: bytes that wait for clients. now: seconds of any clock."""
        memory = self._measure()
        if not self._least or memory < self._least:
            self._least = memory
        gained = memory - self._least
        weight = unsent + CONNECTION_WEIGHT * connections + CALL_WEIGHT * calls
        if gained < RUSH or weight > gained // OVER or now < self._silent_until:
            return
        # Memory that remains after this belongs to the application, until the next ticks see less.
        self._least = memory
        self._silent_until = now + PAUSE
        self._trim()


def resident(pid: int | None = None) -> int:
    """Bytes of memory that a process has; this one without a pid. 0 where the system does not
    say."""
    try:
        with open(f"/proc/{pid or 'self'}/statm", "rb") as file:
            return int(file.read().split()[1]) * PAGE
    except (OSError, IndexError, ValueError):
        return 0


def trim_in_thread() -> None:
    threading.Thread(target=trim, name="bascule-trim", daemon=True).start()


def trim() -> None:
    """Have malloc return all free pages."""
    # Imported lazily: it is large.
    import ctypes

    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)
