"""The threads in which the synchronous parts of asynchronous requests run.

Django starts a thread for every request and ends it with the request. Here a few live on, so that
what belongs to a thread, a database connection above all, is there for the next request.

Rules:

1. A lease is one request's claim on a thread. It takes the thread with its first call and keeps it
   until the request is over, because code counts on one thread for one request, and on no other
   code running in between. A request that makes no call takes no thread.
2. A lease whose request is over gives its thread back when the last call in it has returned: a
   synchronous view cannot be cancelled, so the request may be over sooner.
3. `size` bounds the threads at work. When all are, a lease waits; it waits as a future, so nothing
   is blocked meanwhile.
4. A thread that its request has not used for `IDLE_AFTER` is not at work. It may be waiting for a
   slow client, or for an hour, or for the very request that waits for a thread. So another thread
   is started beside it, and ends when there are more than `size` again. A loop that is behind is
   no reason: of those `TURNS` must have passed as well, in which the request would have gone on.

All of it is guarded by the pool's lock, for calls may come from, and return in, any thread.
"""

import asyncio
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from typing import Any

logger = logging.getLogger("bascule.django")

# As many as Bascule has for WSGI.
THREADS = 8

# Twenty times the interpreter's switch interval: no request between two of its own calls takes so
# long, and the wait for a thread stays short.
IDLE_AFTER = 0.1

# A request needs a handful from the return of its last call to its end.
TURNS = 32

Callback = Callable[[], object]


class ThreadLeases:
    """A pool of threads, each lent to one request at a time. `on_retire` is the last thing that
    runs in a thread."""

    def __init__(self, size: int = THREADS, on_retire: Callback = lambda: None) -> None:
        if size < 1:
            raise ValueError(f"at least one thread is needed, not {size}")
        self.size = size
        self.on_retire = on_retire
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self.lock = threading.Lock()
        self._free: list[ThreadPoolExecutor] = []
        self._lent: set[Lease] = set()
        self._waiting: deque[Lease] = deque()
        self._watched_by: asyncio.AbstractEventLoop | None = None
        self._watched_since = 0.0

    def lease(self) -> "Lease":
        """A claim on a thread, for one request."""
        return Lease(self)

    def after_fork(self) -> None:
        """Begin anew in a child: threads do not survive a fork, and another thread may
        have held the lock."""
        if self._pid != os.getpid():
            self._reset()

    def count(self) -> int:
        """How many threads there are, lent or not."""
        with self.lock:
            return len(self._free) + len(self._lent)

    def close(self) -> None:
        """End the threads that are not lent, and wait for that. Others end with the process."""
        with self.lock:
            free, self._free = self._free, []
        for thread in free:
            self._retire(thread)
        for thread in free:
            thread.shutdown()

    # The methods below are called with the lock held.

    def lend(self, lease: "Lease") -> None:
        """Give the lease a thread, now or when there is one."""
        self._waiting.append(lease)
        self.serve()
        # Before a lease waits: the next one is to know at once which threads are idle.
        if self._waiting or self._at_work() >= self.size:
            self._watch()

    def serve(self) -> None:
        """Give those that wait, in their order, what there is."""
        while self._waiting:
            if self._free:
                # The one used last, whose connections are the freshest.
                thread = self._free.pop()
            elif self._at_work() < self.size:
                thread = ThreadPoolExecutor(1, thread_name_prefix="bascule-django")
            else:
                return
            lease = self._waiting.popleft()
            self._lent.add(lease)
            lease.take(thread)

    def take_back(self, lease: "Lease") -> None:
        """The lease is over: its thread is for others, or one too many."""
        thread, lease.thread = lease.thread, None
        if thread is None:
            if lease in self._waiting:
                self._waiting.remove(lease)
            return
        self._lent.discard(lease)
        self._free.append(thread)
        self.serve()
        if self._free and len(self._free) + len(self._lent) > self.size:
            self._retire(self._free.pop())

    def _at_work(self) -> int:
        return sum(not lease.idle for lease in self._lent)

    def _retire(self, thread: ThreadPoolExecutor) -> None:
        thread.submit(guarded, self.on_retire)
        thread.shutdown(wait=False)

    def _watch(self) -> None:
        """Look later who is idle: no event says so."""
        if self._watched_by is not None and self._watched_by.is_running():
            return
        try:
            self._watched_by = asyncio.get_running_loop()
        except RuntimeError:
            return
        self._watched_since = time.monotonic()
        self._watched_by.call_later(IDLE_AFTER, self._look, self._watched_by, TURNS)

    def _look(self, loop: asyncio.AbstractEventLoop, turns: int) -> None:
        """A callback of the loop, without the lock."""
        if turns:
            loop.call_soon(self._look, loop, turns - 1)
            return
        with self.lock:
            self._watched_by = None
            for lease in self._lent:
                lease.idle = not lease.unfinished and lease.idle_since <= self._watched_since
            self.serve()
            if self._waiting:
                self._watch()


class Lease(Executor):
    """One request's claim on a thread: an executor of one thread for `ThreadSensitiveContext`.

    `opening` runs in the thread before the first call, `closing` after the last; both only if
    there is a call at all. Their results are not awaited.
    idle: its thread is not at work.
    """

    def __init__(self, pool: ThreadLeases) -> None:
        pool.after_fork()
        self._pool = pool
        self.thread: ThreadPoolExecutor | None = None
        self.opening: Callback | None = None
        self.closing: Callback | None = None
        self.unfinished = 0
        self.idle_since = 0.0
        self.idle = False
        self._queue: list[tuple[Future[Any], Callback]] = []
        self._closed = False
        self._vacated: Future[None] | None = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Run it in this request's thread. It never blocks, whether there is a thread or not."""
        with self._pool.lock:
            if self._closed:
                raise RuntimeError("the request that this thread was lent to is over")
            self.unfinished += 1
            self.idle = False
            if self.thread is None and not self._queue:
                self._pool.lend(self)
            if self.thread is not None:
                future = self.thread.submit(fn, *args, **kwargs)
            else:
                future = Future()
                self._queue.append((future, partial(fn, *args, **kwargs)))
        future.add_done_callback(self._returned)
        return future

    def take(self, thread: ThreadPoolExecutor) -> None:
        """The pool has a thread, and the lock: pass on what has waited for it."""
        self.thread = thread
        if self.opening is not None:
            thread.submit(guarded, self.opening)
        queue, self._queue = self._queue, []
        for future, call in queue:
            thread.submit(run, future, call)

    def close(self) -> "Future[None] | None":
        """The request is over. Calls that waited for a thread are cancelled. If a call still runs,
        returns a future that is done when the call has returned."""
        with self._pool.lock:
            self._closed = True
            queue, self._queue = self._queue, []
            if self.thread is None or not self.unfinished:
                self._leave()
            else:
                self._vacated = Future()
                # A task that waits for it may be cancelled, which must not cancel it.
                self._vacated.set_running_or_notify_cancel()
        for future, _ in queue:
            future.cancel()
        return self._vacated

    def _returned(self, _: "Future[Any]") -> None:
        with self._pool.lock:
            self.unfinished -= 1
            if self.unfinished:
                return
            self.idle_since = time.monotonic()
            vacated = self._vacated
            if vacated is not None:
                self._leave()
        if vacated is not None:
            vacated.set_result(None)

    def _leave(self) -> None:
        if self.thread is not None and self.closing is not None:
            self.thread.submit(guarded, self.closing)
        self.opening = self.closing = None
        self._pool.take_back(self)


def run(future: "Future[Any]", call: Callback) -> None:
    """Run a call as ThreadPoolExecutor does, for a future that is older than its thread."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)


def guarded(call: Callback) -> None:
    """Run a call that no future waits for."""
    try:
        call()
    except BaseException:
        # SystemExit, too: a future would keep it to itself.
        logger.exception("%r failed in a thread that is between two requests", call)
