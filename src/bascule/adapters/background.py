"""The event loop that ASGI applications run on under a WSGI server.

It runs in a daemon thread of its own, is made for the first request, and serves all of them. A
process that was forked has no threads but one, so there it is made anew.
"""

import asyncio
import atexit
import logging
import os
import threading
import weakref
from asyncio import AbstractEventLoop, Future, Task
from typing import Any

from bascule.adapters.scope import ASGI_VERSION
from bascule.errors import StartupError
from bascule.types import ASGI3App, Message

logger = logging.getLogger("bascule.adapters")

# How long the end of the process waits for lifespan shutdown.
SHUTDOWN_PATIENCE = 10.0

# How long a lifespan may go on after it has answered.
LAST_WORDS = 0.1

# Loops of a parent process. Closing one would take the parent's descriptors out of the epoll
# set that both share, and collecting it would warn that it was not closed.
ABANDONED: list[AbstractEventLoop] = []


class Background:
    """One loop in one thread, with the lifespan of one application.

    state: what lifespan startup left, copied into each scope; None where there is no lifespan.
    tasks: the calls that are running; the loop itself only holds tasks weakly.
    """

    def __init__(self, app: ASGI3App) -> None:
        self.app = app
        self.loop = asyncio.new_event_loop()
        self.state: dict[str, Any] | None = None
        self.tasks: set[Task[None]] = set()
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
            stopping.result(SHUTDOWN_PATIENCE)
        except TimeoutError:
            # The thread is a daemon: it keeps nothing.
            return
        self._end()

    def _end(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(SHUTDOWN_PATIENCE)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        finally:
            self.loop.close()

    async def _startup(self) -> None:
        lifespan = Lifespan(self.app)
        if await lifespan.startup():
            self._lifespan = lifespan
            self.state = lifespan.state

    async def _shutdown(self) -> None:
        for task in list(self.tasks):
            task.cancel()
        if self.tasks:
            await asyncio.wait(self.tasks)
        if self._lifespan is not None:
            await self._lifespan.shutdown()


class Lifespan:
    """The lifespan call of an application (ASGI lifespan specification 2.0)."""

    def __init__(self, app: ASGI3App) -> None:
        self.app = app
        self.state: dict[str, Any] = {}
        self.incoming: asyncio.Queue[Message] = asyncio.Queue()
        self.answer: Future[Message] = asyncio.get_running_loop().create_future()
        self.task: Task[None] | None = None
        self.received = False

    async def startup(self) -> bool:
        """False where the application has no lifespan. Raises StartupError."""
        self.task = asyncio.create_task(self.run(), name="asgi-lifespan")
        message = await self.ask("lifespan.startup")
        if message["type"] == "lifespan.startup.failed":
            await self.end(self.task)
            raise StartupError(
                f"lifespan startup failed: {message.get('message') or 'no reason given'}"
            )
        return bool(message["type"] == "lifespan.startup.complete")

    async def shutdown(self) -> None:
        """A failure is logged: there is nothing left to stop."""
        assert self.task is not None
        if self.task.done():
            return
        self.answer = asyncio.get_running_loop().create_future()
        message = await self.ask("lifespan.shutdown")
        await self.end(self.task)
        if message["type"] == "lifespan.shutdown.failed":
            logger.error(
                "lifespan shutdown failed: %s", message.get("message") or "no reason given"
            )

    async def end(self, task: "Task[None]") -> None:
        """It has said its last word. One that waits for more waits for ever."""
        await asyncio.wait([task], timeout=LAST_WORDS)
        task.cancel()
        await asyncio.wait([task])

    async def ask(self, kind: str) -> Message:
        """Tell the application, and wait for what it says to it."""
        self.incoming.put_nowait({"type": kind})
        return await self.answer

    async def run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": ASGI_VERSION, "spec_version": "2.0"},
            "state": self.state,
        }
        try:
            await self.app(scope, self.receive, self.send)
        except Exception as error:
            # That is how an application says that it has no lifespan. One that has asked what is
            # wanted of it has probably failed, so it is not kept quiet.
            if self.received and not self.answer.done():
                logger.warning(
                    "the application raised during its lifespan; it is called all the same",
                    exc_info=error,
                )
        finally:
            if not self.answer.done():
                self.answer.set_result({"type": "lifespan.unsupported"})

    async def receive(self) -> Message:
        message = await self.incoming.get()
        self.received = True
        return message

    async def send(self, message: Message) -> None:
        if not self.answer.done():
            self.answer.set_result(message)


class Backgrounds:
    """The background of this process for one application."""

    def __init__(self, app: ASGI3App) -> None:
        self.app = app
        self.lock = threading.Lock()
        self.current: Background | None = None
        EVERY.add(self)

    def get(self) -> Background:
        """Start it where it is not running. Raises StartupError, each time anew: what it could
        not reach may be there for the next request."""
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
        """In a process that was forked: the thread is not here, and a lock may be held by one
        that is not."""
        self.lock = threading.Lock()
        if self.current is not None:
            ABANDONED.append(self.current.loop)
            self.current = None

    def stop(self) -> None:
        """End it where it is running; the next request would start another one."""
        with self.lock:
            current, self.current = self.current, None
            STARTED.discard(self)
        if current is not None:
            current.stop()


# All of them: any may be starting, its lock held, while another thread forks.
EVERY: "weakref.WeakSet[Backgrounds]" = weakref.WeakSet()

# Those that run, so that somebody ends them though their application is forgotten.
STARTED: set[Backgrounds] = set()


def forget_all() -> None:
    """In a process that was forked: it has none of the threads."""
    for backgrounds in EVERY:
        backgrounds.forget()
    STARTED.clear()


def stop_all() -> None:
    for backgrounds in list(STARTED):
        backgrounds.stop()


os.register_at_fork(after_in_child=forget_all)
atexit.register(stop_all)
