"""The event loop that ASGI applications run on under a WSGI server.

It runs in a daemon thread of its own, is made for the first request, and serves all requests. A
forked process has only the thread that forked, so the loop is made again there.
"""

import asyncio
import atexit
import contextvars
import os
import threading
import weakref
from asyncio import Task
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from bascule.errors import StartupError
from bascule.interfaces.asgi.lifespan import Lifespan
from bascule.types import ASGI3App, Receive, Scope, Send

# How long the end of the process waits for lifespan shutdown, and before that for calls that are
# still running: what they do behind their response is not lost, and none keeps the process.
SHUTDOWN_PATIENCE = 10.0
CALL_PATIENCE = 3.0

# Seconds in which a lifespan may end by itself after its answer.
GRACE = 0.1

# The loops of the parent process. Closing one here would take the parent's descriptors out of
# the epoll set that both share, and collecting it would warn of tasks that were not finished.
ABANDONED: "list[Background]" = []


class Background:
    """One loop in one thread, with the lifespan of one application.

    app: the application.
    state: filled by lifespan startup, and copied into each scope; None without a lifespan.
    tasks: the calls that are running; the loop itself holds tasks only weakly.
    """

    def __init__(self, app: ASGI3App) -> None:
        self.app = app
        self.loop = asyncio.new_event_loop()
        self.state: dict[str, Any] | None = None
        self.tasks: set[Task[Any]] = set()
        self._closing = threading.Lock()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="asgi-loop", daemon=True)
        self._lifespan: Lifespan | None = None

    def start(self) -> None:
        """Start, and wait for lifespan startup. Raises StartupError."""
        self._thread.start()
        try:
            starting = asyncio.run_coroutine_threadsafe(self._startup(), self.loop)
            starting.result()
        except BaseException:
            self._end()
            raise

    def stop(self) -> None:
        """Lifespan shutdown; then what still runs is cancelled and the thread ends."""
        try:
            stopping = asyncio.run_coroutine_threadsafe(self._shutdown(), self.loop)
            stopping.result(CALL_PATIENCE + SHUTDOWN_PATIENCE)
        except TimeoutError:
            # The thread is a daemon: it keeps nothing.
            return
        self._end()

    def submit(self, start: Callable[[], None]) -> None:
        """Call `start` on the loop. Raises RuntimeError if the loop is closed: every call that it
        takes is answered."""
        with self._closing:
            if self._is_closed:
                raise RuntimeError("the loop of this ASGI application has been closed")
            self.loop.call_soon_threadsafe(start)

    def _end(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(SHUTDOWN_PATIENCE)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
            with self._closing:
                self._is_closed = True
            # Calls that came while it stopped end with an error.
            self.loop.run_until_complete(self._cancel_calls())
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        finally:
            self.loop.close()

    # LOOP SIDE

    def begin_task(
        self, coroutine: Coroutine[Any, Any, None], context: contextvars.Context
    ) -> None:
        """Run the coroutine as a task, which is to begin with `note_begun`."""
        task = self.loop.create_task(coroutine, context=context, name="asgi-request")
        task.add_done_callback(self.tasks.discard)

    def note_begun(self) -> None:
        """The current task may be cancelled from now on. A task that is cancelled
        before its first step runs no code, and a thread waits for its END event."""
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)

    async def _startup(self) -> None:
        lifespan = Lifespan(partial(contained, self.app), hint="")
        try:
            # Not in the context of the request that happens to be the first.
            await lifespan.startup(contextvars.Context())
        except StartupError:
            await lifespan.abandon(GRACE)
            raise
        self._lifespan = lifespan
        if lifespan.supported:
            self.state = lifespan.state

    async def _shutdown(self) -> None:
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=CALL_PATIENCE)
        await self._cancel_calls()
        if self._lifespan is not None:
            await self._lifespan.shutdown(GRACE)

    async def _cancel_calls(self) -> None:
        # A turn of the loop, in which those begin that wait for it.
        await asyncio.sleep(0)
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=CALL_PATIENCE)


async def contained(app: ASGI3App, scope: Scope, receive: Receive, send: Send) -> None:
    """Call an application so that it cannot end the loop, and with it all other calls."""
    try:
        await app(scope, receive, send)
    except (SystemExit, KeyboardInterrupt) as error:
        raise RuntimeError(f"the ASGI application raised {type(error).__name__}") from error


class Backgrounds:
    """The background of this process for one application."""

    def __init__(self, app: ASGI3App) -> None:
        self.app = app
        self.lock = threading.Lock()
        self.current: Background | None = None
        EVERY.add(self)

    def get(self) -> Background:
        """Start the background if it is not running. Raises StartupError; the next request tries
        again, because a service that failed may be back by then."""
        current = self.current
        if current is not None:
            return current
        with self.lock:
            if self.current is None:
                started = Background(self.app)
                started.start()
                self.current = started
                STARTED.add(self)
            return self.current

    def forget(self) -> None:
        """Forget the background of the parent process, after a fork: its thread does not exist
        here, and the lock may be held by another thread that does not."""
        self.lock = threading.Lock()
        if self.current is not None:
            ABANDONED.append(self.current)
            self.current = None

    def stop(self) -> None:
        """Stop the background if it is running; the next request would start another one."""
        with self.lock:
            current, self.current = self.current, None
            STARTED.discard(self)
        if current is not None:
            current.stop()


# Every object: each may be starting, its lock held, while another thread forks.
EVERY: "weakref.WeakSet[Backgrounds]" = weakref.WeakSet()

# The running ones, kept alive so that they are stopped even if their application is gone.
STARTED: set[Backgrounds] = set()


def forget_all() -> None:
    """Forget the backgrounds of the parent process, after a fork: their threads do not exist
    here."""
    for backgrounds in EVERY:
        backgrounds.forget()
    STARTED.clear()


def stop_all() -> None:
    for backgrounds in list(STARTED):
        backgrounds.stop()


os.register_at_fork(after_in_child=forget_all)
atexit.register(stop_all)
