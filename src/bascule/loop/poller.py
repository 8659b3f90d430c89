"""Waiting for many connections at once, in an epoll set whose descriptor the loop watches.

The loop calls `Poller.run` when anything in the set is ready, and `run` reads and writes for a
whole batch of connections. For the loop all of them are one reader: a connection costs neither a
handle of the loop nor a callback with a context of its own. This works on every loop that has
`add_reader`.

The set is level-triggered. A connection reads at most 64 KiB a turn, and the kernel reports by
itself that there is more. In an edge-triggered set the kernel would examine each descriptor once
less, but a connection that stopped reading early would wait for an edge that never comes: every
read would have to be followed by one that finds nothing.

Fairness: at most `AT_ONCE` connections have their turn in one call of `run`; the rest find the
set's descriptor still readable in the loop's next turn, and timers and callbacks run in between.
The kernel appends a descriptor that was reported to the end of its queue.

A descriptor's number is used again as soon as it is closed, so descriptors are closed when a batch
is over. Should a callback run the loop itself, which some tools make possible, an event may reach
a connection that came meanwhile. It then reads, and finds nothing.
"""

import select
from asyncio import AbstractEventLoop
from typing import Any

from bascule.loop import syscalls

# Taken now, because gevent and eventlet remove it when an application has them patch Python.
EPOLL: Any = getattr(select, "epoll", None)
# Without epoll (macOS), transports are the loop's.
HAS_EPOLL = EPOLL is not None

# Connections that have their turn in one call. Each may call the application, so that more would
# hold up the loop's timers; fewer would have the loop poll again and again under load.
AT_ONCE = 64


class Watched:
    """A descriptor in the set of a poller.

    events: those that the kernel watches for; 0 when the descriptor is not in the set.
    """

    __slots__ = ("events", "fd")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.events = 0

    def ready(self, events: int) -> None:
        """Handle what has happened. May raise only what ends the process."""
        raise NotImplementedError

    def end(self) -> None:
        """Close the descriptor; see `Poller.end_soon`."""
        raise NotImplementedError


class Poller:
    """An epoll set, and all that is in it. For use on the loop's thread.

    The set exists while something is watched or `hold` asks for it. Processes that are forked
    share it, and must not change it.

    fd: the descriptor of the set, or -1.
    watched: by number of descriptor.
    count: how many there are.
    ended: those that are to be closed.
    end_due: `end` was scheduled.
    running: a batch is being handled.
    """

    __slots__ = (
        "count",
        "end_due",
        "ended",
        "epoll",
        "fd",
        "held",
        "loop",
        "running",
        "watched",
    )

    def __init__(self, loop: AbstractEventLoop) -> None:
        self.loop = loop
        self.epoll: Any = None
        self.fd = -1
        self.held = False
        self.watched: list[Watched | None] = []
        self.count = 0
        self.ended: list[Watched] = []
        self.end_due = False
        self.running = False

    def hold(self) -> None:
        """Keep the set open also while nothing is watched."""
        self.held = True
        self.open()

    def release(self) -> None:
        """Close the set as soon as nothing is watched."""
        self.held = False
        self.close_unused()

    def open(self) -> None:
        if self.epoll is None:
            self.epoll = EPOLL()
            self.fd = self.epoll.fileno()
            self.loop.add_reader(self.fd, self.run)

    def close_unused(self) -> None:
        if self.epoll is not None and not self.held and not self.count:
            self.loop.remove_reader(self.fd)
            self.epoll.close()
            self.epoll = None
            self.fd = -1

    def add(self, watched: Watched, events: int) -> None:
        """Watch a descriptor. Raises OSError when the system has no room for it."""
        self.open()
        fd = watched.fd
        syscalls.change(self.epoll, self.fd, fd, 0, events)
        watched.events = events
        while fd >= len(self.watched):
            self.watched.append(None)
        self.watched[fd] = watched
        self.count += 1

    def change(self, watched: Watched, events: int) -> None:
        """Watch a descriptor for these events, 0 for none: without a place in the set it does not
        report errors either. Raises OSError when the system has no room for it."""
        before = watched.events
        if events != before:
            syscalls.change(self.epoll, self.fd, watched.fd, before, events)
            watched.events = events

    def end_soon(self, watched: Watched) -> None:
        """Take a descriptor out of the set, and have `end` called on what belongs to it, not
        inside the call that runs now."""
        try:
            self.change(watched, 0)
        except OSError:
            # In a process that was forked, where the set is /dev/null.
            pass
        self.ended.append(watched)
        if not self.running and not self.end_due:
            self.end_due = True
            self.loop.call_soon(self.end)

    def run(self) -> None:
        """Handle what is ready."""
        self.running = True
        try:
            for event in syscalls.wait(self.epoll, self.fd, AT_ONCE):
                watched = self.watched[event >> 32]
                if watched is not None:
                    watched.ready(event & 0xFFFFFFFF)
        finally:
            self.running = False
            if self.ended:
                self.end()

    def end(self) -> None:
        """Close what has ended."""
        self.end_due = False
        ended = self.ended
        self.ended = []
        for watched in ended:
            self.watched[watched.fd] = None
            self.count -= 1
            watched.end()
        self.close_unused()
