"""Gives the memory of a finished rush back to the system.

Python and its libraries give the memory that a rush of clients needed back to malloc, and malloc
keeps most of it: glibc has a heap for each thread that allocated, and returns only what is
free at the end of one. Responses are made in several threads and freed in another, so there is
always something left at the end. `malloc_trim` returns every free page. It takes time in
proportion to what is free, so it is called once, when a rush is over, and in a thread.

Where there is no glibc there is no such function; then nothing is done.
"""

import threading
from collections.abc import Callable

# The least weight of a connection, and of a call, beside the bytes that wait for their clients.
CONNECTION_WEIGHT = 16384
CALL_WEIGHT = 16384
# Less than this is no rush, and one is over when there is a quarter of it.
RUSH = 16 * 1024 * 1024
OVER = 4
# Seconds from one time to the next.
PAUSE = 5.0


class Trimmer:
    """Looks at each tick. trim: gives the memory back."""

    def __init__(self, trim: Callable[[], None] | None = None) -> None:
        self._trim = trim or trim_in_thread
        self._most = 0
        self._silent_until = 0.0

    def look(self, unsent: int, connections: int, calls: int, now: float) -> None:
        """unsent: bytes that wait for clients. now: seconds of any clock."""
        weight = unsent + CONNECTION_WEIGHT * connections + CALL_WEIGHT * calls
        self._most = max(self._most, weight)
        if self._most < RUSH or weight > self._most // OVER or now < self._silent_until:
            return
        self._most = weight
        self._silent_until = now + PAUSE
        self._trim()


def trim_in_thread() -> None:
    threading.Thread(target=trim, name="bascule-trim", daemon=True).start()


def trim() -> None:
    """Have malloc return all free pages."""
    # Not before it is wanted: it is large.
    import ctypes

    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)
