"""Any ASGI application around Django, with threads that last.

Django's handler starts a thread for every request, unless it is known before in which thread
this request's synchronous code runs: asgiref heeds the outermost `ThreadSensitiveContext`. So one
around the whole application, with a thread lent by `executors`, gives every part of it (Django's
handler, consumers of Channels, what else calls `sync_to_async`) threads that are bounded and stay,
and with them database connections that stay.

WebSockets are left alone: a consumer that lives for hours would keep its thread as long.
"""

import asyncio
import inspect
import logging
from collections.abc import Awaitable
from functools import partial

from asgiref.sync import ThreadSensitiveContext
from django.core.handlers.asgi import ASGIHandler
from django.db import close_old_connections, connections, reset_queries

from bascule.django.handlers.executors import Lease, ThreadLeases
from bascule.types import ASGI3App, Message, Receive, Scope, Send

logger = logging.getLogger("bascule.django")


def can_lend() -> bool:
    """Whether this asgiref accepts a thread of another pool; 3.13 is the first that does."""
    return "executor" in inspect.signature(ThreadSensitiveContext.__init__).parameters


def database_threads(size: int) -> ThreadLeases:
    """A pool whose threads close their connections at their end; at least one thread, also where
    --threads is 0."""
    return ThreadLeases(max(1, size), on_retire=connections.close_all)


async def in_lent_thread(lease: Lease, call: Awaitable[None]) -> None:
    """Await the call of an application; its synchronous code runs in the thread of the lease,
    which is over afterwards."""
    context = ThreadSensitiveContext(executor=lease)
    try:
        async with context:
            await call
    finally:
        # asgiref would refuse what a task that outlives the request calls. Under Django's
        # handler such a task gets a thread of its own, and projects count on it.
        context._exited = False
        vacated = lease.close()
        if vacated is not None:
            await asyncio.wrap_future(vacated)


class ThreadLender:
    """An ASGI application whose requests are lent threads of a pool."""

    def __init__(self, app: ASGI3App, threads: ThreadLeases) -> None:
        self.app = app
        self.threads = threads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            lease = self.threads.lease()
            # Django's handler does the same by signals, and it does no harm twice. Other parts of
            # the application would meet connections that the database has long closed.
            lease.opening = look_after_connections
            lease.closing = close_old_connections
            await in_lent_thread(lease, self.app(scope, receive, send))
        elif scope["type"] == "lifespan" and type(self.app) is ASGIHandler:
            # It would raise, which tools that watch it report as an error of the project's.
            await close_after_lifespan(self.threads, receive, send)
        elif scope["type"] == "lifespan":
            await self.app(scope, receive, partial(self._send_of_lifespan, send))
        else:
            await self.app(scope, receive, send)

    async def _send_of_lifespan(self, send: Send, message: Message) -> None:
        """The application has ended: so do the threads, before the server hears of it."""
        if message["type"].startswith("lifespan.shutdown."):
            await asyncio.to_thread(self.threads.close)
        await send(message)


async def close_after_lifespan(threads: ThreadLeases, receive: Receive, send: Send) -> None:
    """Answer lifespan where Django refuses it. There is nothing to start, but something to end."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await asyncio.to_thread(threads.close)
            await send({"type": "lifespan.shutdown.complete"})
            return


def look_after_connections() -> None:
    """Do the work of Django's receivers at the start of each request."""
    reset_queries()
    close_old_connections()
