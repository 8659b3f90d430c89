"""Notices a blocked event loop, and logs it while it lasts.

At each tick the loop notes when the next is due (`beat`). A thread checks about once a second
whether it came. The thread's own sleep shows whether anything could have run at all: when the
machine was asleep, or the process stopped, the thread is as late as the loop, and the loop is not
to blame. The same is true when a thread computed all the while and held the interpreter's lock;
then both were late and the processor was busy, and a line says so afterwards.
"""

import logging
import threading
import time
from collections.abc import Callable

from bascule.stacks import WATCHDOG_THREAD

logger = logging.getLogger("bascule")

# How often the thread checks. One wake-up a second is nothing, even to a laptop's battery.
LOOK_EVERY = 1.0
# A thread that is woken this much later than it asked for, or by half of the time that the loop
# has, was kept from running.
MOST_LATE = 0.5
# How long it may be from one line about a stall to the next; before, it doubles each time.
MOST_SILENCE = 60.0


class LoopWatch:
    """The judgement: no thread, and no clock of its own.

    after: seconds past its due time at which the loop counts as blocked.
    interval: seconds between calls of `look`.
    where: returns the stack of the loop and the requests in flight, as lines.
    stalled: the loop is blocked now.
    """

    def __init__(self, after: float, interval: float, where: Callable[[], str]) -> None:
        self.after = after
        self.interval = interval
        self.most_late = min(MOST_LATE, after / 2)
        self.where = where
        self.stalled = False
        self._due = 0.0
        self._began = 0.0
        self._resumed = 0.0
        self._told_at = 0.0
        self._looked_at = 0.0
        self._cpu = 0.0

    def beat(self, now: float, due: float) -> None:
        """The loop has come round, and will again at `due`. Called by the loop."""
        if self.stalled and not self._resumed:
            self._resumed = now
        self._due = due

    def begin(self, now: float, cpu: float) -> None:
        """The first `look` is in an interval from now. Times as there."""
        self._looked_at, self._cpu = now, cpu

    def look(self, now: float, cpu: float) -> None:
        """Judge, and log. now: seconds of the monotonic clock; cpu: processor time of the
        process so far."""
        slept = now - self._looked_at
        computed = cpu - self._cpu
        self._looked_at, self._cpu = now, cpu
        due = self._due
        if not due:
            return
        if self.stalled and due > self._began:
            self._end(now)
        elif slept > self.interval + self.most_late and not self.stalled:
            self._explain(slept, computed)
            # In either case the loop has its usual time from now on.
            self._due = max(due, now)
        elif now - due > self.after:
            self._tell(now, due)

    def _explain(self, slept: float, computed: float) -> None:
        """Nothing ran: report it if a thread was computing, and not if the process was stopped."""
        if slept - self.interval > self.after and computed > slept / 2:
            logger.warning(
                "nothing else ran for %.1f s while a thread computed: something holds the "
                "interpreter's lock",
                slept - self.interval,
            )

    def _tell(self, now: float, due: float) -> None:
        if not self.stalled:
            self.stalled = True
            self._began, self._resumed = due, 0.0
        elif now - self._told_at < min(self._told_at - self._began, MOST_SILENCE):
            return
        self._told_at = now
        logger.warning(
            "the event loop is blocked for %.1f s now, by what its thread does:\n%s",
            now - self._began,
            self.where(),
        )

    def _end(self, now: float) -> None:
        self.stalled = False
        seconds = (self._resumed or now) - self._began
        logger.warning("the event loop runs again; it was blocked for %.1f s", seconds)


class Watchdog:
    """The thread that checks the loop."""

    def __init__(self, after: float, where: Callable[[], str]) -> None:
        interval = min(LOOK_EVERY, after / 2)
        self.watch = LoopWatch(after, interval, where)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=WATCHDOG_THREAD, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and wait for that; a moment."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(1.0)

    def _run(self) -> None:
        watch = self.watch
        watch.begin(time.monotonic(), time.process_time())
        while not self._stop.wait(watch.interval):
            watch.look(time.monotonic(), time.process_time())
