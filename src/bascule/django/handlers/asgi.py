"""Django's ASGI application, without what its middleware and its threads cost there.

`get_asgi_application` stands where Django's function of that name does. It returns Django's
handler, except that

- neighbouring middleware is called together (`middleware`), and on the loop where nothing waits
  (`builtin`);
- threads are kept and lent (`executors`); a request that needs none takes none;
- what Django does in a thread at the start and the end of every request, for the sake of the
  connections of that thread, is done in the thread that is lent, without waiting for it, and not
  at all without one;
- lifespan is answered, so that the connections of the threads are closed at the end.

Reading the body, making the request, calling the view, converting exceptions and sending the
response are Django's own methods. `_handle` is ours because the two signals are sent from there.
It is structured as in Django 6: a call that is cancelled takes its view along.
A `send` that raises because the client has left ends the request as a disconnect does.
"""

import asyncio
import logging
from contextlib import closing
from functools import partial
from typing import Any

import django
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix
from django.utils.module_loading import import_string

from bascule.django.handlers.executors import THREADS, Lease, ThreadLeases
from bascule.django.handlers.middleware import HookLayer, HookRun, in_one_run, view_hook_on_loop
from bascule.django.handlers.originals import has_known_attributes
from bascule.django.handlers.signals import AT_END, AT_START, Receiver, sole_receivers
from bascule.django.handlers.threads import (
    can_lend,
    close_after_lifespan,
    database_threads,
    in_lent_thread,
)
from bascule.interfaces.leaving import forget_frames
from bascule.types import ASGI3App, Receive, Scope, Send

logger = logging.getLogger("bascule.django")

# The methods of Django that ours stand in for. Tools that watch a project replace them, and some
# do so late.
CALL = ASGIHandler.__call__
HANDLE = ASGIHandler.handle


def get_asgi_application(threads: int = THREADS) -> ASGI3App:
    """Django's ASGI application, for an asgi.py. As many as `threads` threads run synchronous
    code; at least one."""
    django.setup(set_prefix=False)
    if not can_lend():
        logger.warning(
            "asgiref is older than 3.13 and cannot lend threads; Django's own ASGI handler is used"
        )
    elif not has_known_attributes():
        logger.warning("this version of Django is not known; Django's own ASGI handler is used")
    else:
        return DjangoASGIApplication(database_threads(threads))
    unchanged: ASGI3App = ASGIHandler()
    return unchanged


class DjangoASGIApplication(ASGIHandler):
    """The handler. Signals name Django's class as their sender, for receivers may ask for it."""

    def __init__(self, threads: ThreadLeases) -> None:
        self.threads = threads
        self._runs: dict[Any, HookRun] = {}
        super().__init__()

    # Middleware.

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async)
        layers = [layer for run in self._runs.values() for layer in run.layers]
        for path in settings.MIDDLEWARE:
            factory = import_string(path)
            layer = next((one for one in layers if type(one.middleware) is factory), None)
            what = "as Django calls it" if layer is None else describe(layer)
            logger.debug("middleware %s: %s", path, what)

    def adapt_method_mode(
        self,
        is_async: bool,
        method: Any,
        method_is_async: bool | None = None,
        debug: bool = False,
        name: str | None = None,
    ) -> Any:
        """Django calls it with each layer before it puts the next one around it, and with each
        hook for views."""
        ours = in_one_run(method, self._runs)
        if ours is None and is_async:
            ours = view_hook_on_loop(method)
        return super().adapt_method_mode(
            is_async, method if ours is None else ours, method_is_async, debug, name
        )

    # Requests.

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await close_after_lifespan(self.threads, receive, send)
            return
        if scope["type"] != "http":
            # Refused as Django refuses it.
            await super().__call__(scope, receive, send)
            return
        lease = self.threads.lease()
        lease.closing = close_old_connections
        if ASGIHandler.__call__ is not CALL or ASGIHandler.handle is not HANDLE:
            # A tool has replaced a method since.
            await in_lent_thread(lease, super().__call__(scope, receive, send))
            return
        await in_lent_thread(lease, self._handle(scope, receive, send, lease))

    async def _handle(self, scope: Scope, receive: Receive, send: Send, lease: Lease) -> None:
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        with closing(body):
            set_script_prefix(get_script_prefix(scope))
            await self._started(scope, lease)
            request, response = self.create_request(scope, body)
            if request is None:
                await self.send_response(response, send)
            else:
                response = await self._answer(request, receive, send)
            await self._finished(request, response, lease)

    async def _answer(self, request: Any, receive: Receive, send: Send) -> Any:
        """The response, sent; None if the client went before there was one."""
        response = None
        error: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                # It raises when the client has gone, and that cancels the rest.
                watch = tasks.create_task(self.listen_for_disconnect(receive))
                response = await self.run_get_response(request)
                await self.send_response(response, aborted_by_leaving(send))
                watch.cancel()
        except BaseExceptionGroup as group:
            # It leads to the TaskGroup's frame, which has the group, and to this one: a stream
            # without a reader would not be closed before the garbage is collected.
            group.__traceback__ = None
            others = (e for e in group.exceptions if not isinstance(e, RequestAborted))
            error = next(others, None)
            if error is None:
                # So does the cancellation that the group made of the client's leaving.
                forget_frames(group)
        if error is not None:
            raise error
        return response

    async def run_get_response(self, request: Any) -> Any:
        response = await super().run_get_response(request)
        response._handler_class = ASGIHandler
        return response

    async def _started(self, scope: Scope, lease: Lease) -> None:
        receivers = sole_receivers(request_started, ASGIHandler, AT_START)
        if receivers is None:
            await send_signal(request_started, scope=scope)
            return
        signal = {"signal": request_started, "sender": ASGIHandler, "scope": scope}
        lease.opening = partial(call_all, receivers, signal)

    async def _finished(self, request: Any, response: Any, lease: Lease) -> None:
        if closes_without_waiting(request, response):
            # Where there is a thread, its connections are looked after when it goes back.
            if response is None:
                request_finished.send(sender=ASGIHandler)
            else:
                response.close()
            return
        if response is None:
            await send_signal(request_finished)
        else:
            await sync_to_async(response.close)()
        # The signal has been in the thread.
        lease.closing = None


def aborted_by_leaving(send: Send) -> Send:
    """A server may say by an OSError of `send` that the client has left (ASGI HTTP specification
    2.4). To Django that is an error of the application's, after which it closes no response and
    sends no signal."""

    async def send_or_abort(message: Any) -> None:
        try:
            await send(message)
        except OSError as error:
            raise RequestAborted from error

    return send_or_abort


def closes_without_waiting(request: Any, response: Any) -> bool:
    """Whether `response.close()` and the signal it sends take no time: only Django's receivers
    listen, no upload is deleted, no cache disconnects."""
    sender = ASGIHandler if response is None else response._handler_class
    return (
        sole_receivers(request_finished, sender, AT_END) is not None
        and (response is None or type(response).close is HttpResponseBase.close)
        and (response is None or all(c == request.close for c in response._resource_closers))
        and not getattr(request, "_files", None)
        and all(type(c).close is BaseCache.close for c in caches.all(initialized_only=True))
    )


async def send_signal(signal: Any, **named: Any) -> None:
    """As `asend`, which calls synchronous receivers in a task: context variables that they set,
    such as the transaction of elastic-apm, are lost with its context."""
    if signal._live_receivers(ASGIHandler)[1]:
        await signal.asend(sender=ASGIHandler, **named)
    else:
        await sync_to_async(signal.send)(sender=ASGIHandler, **named)


def call_all(receivers: list[Receiver], signal: dict[str, Any]) -> None:
    for receiver in receivers:
        receiver(**signal)


def describe(layer: HookLayer) -> str:
    there = {"process_request": layer.has_request, "process_response": layer.has_response}
    hooks = " and ".join(name for name in there if there[name])
    return f"{hooks or 'no hooks'} called together with those beside it; {layer.rule.why}"
