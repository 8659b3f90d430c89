"""The bounded pool of long-lived threads for WSGI applications, and the way back to the loop.

Threads are started when requests are waiting for one, never more than the limit, and stay: a
thread-local database connection made by a request is there for the next one, so there are as many
connections as threads.

Switching between threads costs more than everything else that a small request needs, because only
one of them can hold the interpreter's lock. So the pool switches as rarely as it can:

    to a thread    calls that come in one turn of the loop are handed over at its end, together, by
                   waking one thread. It takes one after another; a thread that leaves calls behind
                   while it runs one wakes the next, which gets its chance as soon as the first
                   waits for anything. The thread that was idle last is woken first: its memory is
                   still in the processor's cache.
    to the loop    `post` wakes the loop once; what other calls post until it comes round leaves in
                   the same wake-up.

Rejected: queue.SimpleQueue, which wakes a thread for each call. On one core a trivial application
made 50,000 requests a second with it, and 62,000 with this.
"""

import logging
import threading
from asyncio import AbstractEventLoop
from collections import deque
from contextlib import suppress
from threading import get_ident
from time import sleep
from typing import Protocol

logger = logging.getLogger("bascule.wsgi")

# Seconds until a pool that has no thread at all tries again to start one.
TRY_AGAIN_AFTER = 1.0

# Bytes of responses that may be posted and not carried out, before threads let the loop go first:
# for so many seconds at a time, and so many times.
MOST_POSTED = 262144
CATCHING_UP = 0.0005
MOST_TRIES = 200


class Call(Protocol):
    """A call that a pool runs: `run` in a thread, `flush` on the loop after each `post`."""

    def run(self) -> None: ...

    def flush(self) -> None: ...


class PoolThread:
    """One thread of a pool: its `ident` and `name`, and the `call` it runs, or None."""

    __slots__ = ("call", "ident", "name")

    def __init__(self, ident: int, name: str) -> None:
        self.ident = ident
        self.name = name
        self.call: Call | None = None


class ThreadPool:
    """At most `limit` threads.

    pool_threads: one for each thread that has started, in any order.
    calls: those that wait for a thread.
    posted_bytes: bytes of responses that were posted to the loop and not carried out yet.
        Approximate, because threads add to it without a lock.

    Everything shared between threads is changed by single operations on lists and deques, which
    the interpreter's lock makes atomic; `growing` guards what is not.
    """

    __slots__ = (
        "calls",
        "closed",
        "growing",
        "idle",
        "limit",
        "loop",
        "name",
        "pool_threads",
        "posted",
        "posted_bytes",
        "submitted",
        "threads",
        "wake_up_due",
        "waking",
    )

    def __init__(self, limit: int, loop: AbstractEventLoop, name: str = "bascule") -> None:
        self.name = name
        self.limit = limit
        self.loop = loop
        self.calls: deque[Call] = deque()
        self.idle: list[threading.Lock] = []
        self.threads: list[threading.Thread] = []
        self.pool_threads: list[PoolThread] = []
        self.growing = threading.Lock()
        self.posted: deque[Call] = deque()
        self.posted_bytes = 0
        self.closed = False
        self.submitted = False
        self.waking = False
        self.wake_up_due = False

    # LOOP SIDE

    def submit(self, call: Call) -> None:
        """Call `call.run()` in a thread, soon after this turn of the loop."""
        self.calls.append(call)
        if not self.submitted:
            self.submitted = True
            self.loop.call_soon(self.hand_over)

    def hand_over(self) -> None:
        self.submitted = False
        self.wake_one()

    def withdraw(self, call: Call) -> bool:
        """Take back a call that no thread has taken yet; False when one has."""
        try:
            # The calls that have waited longest are in front, and are the ones withdrawn.
            self.calls.remove(call)
        except ValueError:
            return False
        return True

    def flush_posted(self) -> None:
        self.wake_up_due = False
        posted = self.posted
        try:
            while posted:
                posted.popleft().flush()
            self.posted_bytes = 0
        finally:
            # One of them raised. The loop reports that; the others must be flushed all the same.
            if posted:
                self.wake_up_due = True
                self.loop.call_soon(self.flush_posted)

    def close(self) -> None:
        """Let idle threads end. Busy threads are daemons, which do not keep the process alive."""
        self.closed = True
        while self.idle:
            self.wake_one()

    # ANY THREAD

    def thread_of(self, call: Call) -> PoolThread | None:
        """Return the thread that runs a call, or None."""
        for thread in self.pool_threads:
            if thread.call is call:
                return thread
        return None

    def all_calls(self) -> list[Call]:
        """Return the calls that run, and those that wait."""
        running = [thread.call for thread in tuple(self.pool_threads)]
        return [call for call in running if call is not None] + list(self.calls)

    def is_full(self) -> bool:
        """Return whether there are as many threads as allowed, and all run a call."""
        threads = tuple(self.pool_threads)
        return len(threads) >= self.limit and all(one.call is not None for one in threads)

    # BOTH SIDES

    def wake_one(self) -> None:
        """Wake the thread that was idle last, or start one if none is idle and there may be
        more."""
        try:
            gate = self.idle.pop()
        except IndexError:
            self.grow()
        else:
            self.waking = True
            gate.release()

    def grow(self) -> None:
        with self.growing:
            count = len(self.threads)
            if count < self.limit and not self.closed:
                thread = threading.Thread(
                    target=self.work, name=f"{self.name}-{count + 1}", daemon=True
                )
                self.waking = True
                try:
                    thread.start()
                except RuntimeError as error:
                    self.waking = False
                    self.stay_small(error)
                    return
                self.threads.append(thread)

    def stay_small(self, error: RuntimeError) -> None:
        """Log that the system has no further thread; the existing threads take the calls."""
        count = len(self.threads)
        logger.error("cannot start a thread, %d of at most %d run: %s", count, self.limit, error)
        if not count:
            # Without a thread this runs on the loop, and no thread would take the calls.
            self.loop.call_later(TRY_AGAIN_AFTER, self.hand_over)

    # THREAD SIDE

    def work(self) -> None:
        """Take calls, and wait for more; the target of the threads."""
        gate = threading.Lock()
        gate.acquire()
        thread = PoolThread(get_ident(), threading.current_thread().name)
        self.pool_threads.append(thread)
        while True:
            self.waking = False
            self.take_calls(thread)
            if self.closed:
                return
            self.idle.append(gate)
            # A call that came before this thread counted as idle woke no thread: check again.
            if self.calls and self.leave_idle(gate):
                continue
            gate.acquire()

    def take_calls(self, thread: PoolThread) -> None:
        """Run calls until there are none."""
        calls = self.calls
        while True:
            try:
                call = calls.popleft()
            except IndexError:
                return
            if calls and not self.waking:
                self.wake_one()
            if self.posted_bytes > MOST_POSTED:
                self.let_loop_catch_up()
            thread.call = call
            try:
                call.run()
            except BaseException as error:
                # Calls handle the exceptions of their applications, so this is a fault of the
                # call's own. The thread continues in all cases: no other would replace it.
                report(thread, error)
                del error
            finally:
                thread.call = None

    def let_loop_catch_up(self) -> None:
        """Wait for the loop to carry out the operations that calls have posted, which count for no
        client before that. The loop is one thread among many, and without a pause the others could
        fill memory before it runs."""
        tries = MOST_TRIES
        while tries and self.posted_bytes > MOST_POSTED and not self.closed:
            tries -= 1
            sleep(CATCHING_UP)

    def leave_idle(self, gate: threading.Lock) -> bool:
        """Leave the idle threads; False when this thread has been chosen to be woken already."""
        try:
            self.idle.remove(gate)
        except ValueError:
            return False
        return True

    def post(self, call: Call) -> None:
        """Call `call.flush()` on the loop."""
        self.posted.append(call)
        # Set before the loop is woken, and cleared before it reads `posted`: a call that is posted
        # in between is flushed in both cases.
        if not self.wake_up_due:
            self.wake_up_due = True
            self.loop.call_soon_threadsafe(self.flush_posted)


def report(thread: PoolThread, error: BaseException) -> None:
    """Log that a call failed."""
    # An application's log handler that raises must not end the thread either.
    with suppress(BaseException):
        logger.error("a call failed in thread %s", thread.name, exc_info=error)
