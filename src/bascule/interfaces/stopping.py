"""The news that the server stops, for applications.

    ASGI    scope["extensions"]["bascule.stopping"]: `is_set()`, `await wait()`, and `event`, the
            object that WSGI gets, for code in threads
    WSGI    environ["bascule.stopping"]: `is_set()` and `wait(timeout)`, as a threading.Event has

One object serves all applications of a worker. It is set once, on the loop's thread, when the
worker begins to drain: because the server stops, or because this worker is replaced.
"""

import asyncio
import threading

# sse-starlette checks twice a second whether the server stops.
EVENTS_GRACE = 1.0


class StoppingEvent:
    """The event for applications in threads: a threading.Event that they cannot set."""

    __slots__ = ("is_set", "wait")

    def __init__(self, event: threading.Event) -> None:
        self.is_set = event.is_set
        self.wait = event.wait


class Stopping:
    """Whether a worker stops.

    is_begun: the worker stops, since `begun_at` on the loop's clock.
    events_for: seconds that a stream of events has from then on to end by itself, perhaps with a
        last event.
    quiet_for: seconds after which another response that is quiet, and may have no end, is ended.
    """

    def __init__(self, quiet_for: float = 15.0) -> None:
        self.is_begun = False
        self.begun_at = 0.0
        self.events_for = EVENTS_GRACE
        self.quiet_for = quiet_for
        self._event = threading.Event()
        self._waiters: set[asyncio.Future[None]] = set()
        self.event = StoppingEvent(self._event)

    def begin(self, now: float) -> None:
        """Announce that the worker stops. Called on the loop's thread."""
        self.is_begun = True
        self.begun_at = now
        self._event.set()
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self) -> None:
        """Wait until the worker stops. Called on the loop's thread."""
        if self.is_begun:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    def extension(self) -> dict[str, object]:
        """Return the ASGI extension."""
        return {"is_set": self.event.is_set, "wait": self.wait, "event": self.event}
