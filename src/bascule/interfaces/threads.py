"""The bounded pool of long-lived threads that call WSGI applications, and the way back to the
loop.

Threads are started when requests are waiting for one, never more than the limit, and stay: a
thread-local database connection made by a request is there for the next one, so there are as many
connections as threads.

Back to the loop: `post` puts a call on `posted` and wakes the loop once; whatever other threads
post until it comes round leaves in the same wake-up.
"""

import threading
from asyncio import AbstractEventLoop
from collections import deque
from queue import SimpleQueue
from typing import Protocol


class Call(Protocol):
    """What a pool runs: `run` in a thread, `flush` on the loop after each `post`."""

    def run(self) -> None: ...

    def flush(self) -> None: ...


class ThreadPool:
    """At most `limit` threads. All methods but `post` belong to the loop's thread."""

    __slots__ = ("calls", "limit", "loop", "posted", "threads", "wake_up_due")

    def __init__(self, limit: int, loop: AbstractEventLoop) -> None:
        self.limit = limit
        self.loop = loop
        self.calls: SimpleQueue[Call | None] = SimpleQueue()
        self.posted: deque[Call] = deque()
        self.wake_up_due = False
        self.threads: list[threading.Thread] = []

    def submit(self, call: Call, running: int) -> None:
        """Have `call.run()` called in a thread. `running`: calls that have not finished, this one
        counted."""
        if running > len(self.threads) and len(self.threads) < self.limit:
            self.add_thread()
        self.calls.put(call)

    def add_thread(self) -> None:
        thread = threading.Thread(
            target=work, args=(self.calls,), name=f"bascule-{len(self.threads) + 1}", daemon=True
        )
        self.threads.append(thread)
        thread.start()

    def post(self, call: Call) -> None:
        """From any thread: have `call.flush()` called on the loop."""
        self.posted.append(call)
        # Set before the loop is told and cleared before it looks: a call posted in between is seen
        # either way.
        if not self.wake_up_due:
            self.wake_up_due = True
            self.loop.call_soon_threadsafe(self.flush_posted)

    def flush_posted(self) -> None:
        self.wake_up_due = False
        posted = self.posted
        while posted:
            posted.popleft().flush()

    def close(self) -> None:
        """Let idle threads end; those that are busy are daemons and do not keep the process."""
        for _ in self.threads:
            self.calls.put(None)
        self.threads = []


def work(calls: "SimpleQueue[Call | None]") -> None:
    """The life of a thread."""
    while True:
        call = calls.get()
        if call is None:
            return
        call.run()
