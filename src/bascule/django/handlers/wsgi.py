"""Django's WSGI handler, without what its signals cost.

Django looks after connections by receivers of its own: `request_started` and `request_finished`
make it ask three times a request which connections to databases there are, and once which caches.
Its storage is made for coroutines, and takes a sixth of the time of a small view.
`DjangoWSGIApplication` asks for the same connections where Django keeps those of a thread, and
does the same to them. Other receivers of the two signals get them from Django as
always.

Making the request, the middleware, the view and the response are the handler's own methods.
"""

import threading
from asyncio import _get_running_loop
from collections.abc import Iterator
from typing import Any

from django.core.cache import caches, close_caches
from django.core.cache.backends.base import BaseCache
from django.core.handlers.wsgi import WSGIHandler, get_script_name
from django.core.signals import request_finished, request_started
from django.db import connections
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix, set_urlconf
from django.utils.module_loading import import_string

from bascule.django.handlers.originals import is_original
from bascule.django.handlers.signals import AT_END, AT_START, Audience
from bascule.types import Environ, StartResponse

# The functions of Django that ours replace. None for a function that a tool has replaced, which is
# called then.
CALL = WSGIHandler.__call__ if is_original(WSGIHandler, "__call__") else None
CLOSE = HttpResponseBase.close if is_original(HttpResponseBase, "close") else None

started = Audience(request_started, WSGIHandler, AT_START)
finished = Audience(request_finished, WSGIHandler, AT_END)


class DjangoWSGIApplication:
    """Calls Django's handler. It is the sender of signals still, for receivers may ask for it."""

    def __init__(self, handler: WSGIHandler) -> None:
        self.handler = handler

    def __call__(self, environ: Environ, start_response: StartResponse) -> Any:
        handler = self.handler
        if WSGIHandler.__call__ is not CALL:
            # A tool has replaced the method since.
            return handler(environ, start_response)
        set_script_prefix(get_script_name(environ))
        if started.is_djangos():
            for connection in connections_here():
                connection.queries_log.clear()
                connection.close_if_unusable_or_obsolete()
        else:
            request_started.send(sender=WSGIHandler, environ=environ)
        response = handler.get_response(handler.request_class(environ))
        response._handler_class = WSGIHandler
        start_response(
            f"{response.status_code} {response.reason_phrase}",
            [
                *response.items(),
                *(("Set-Cookie", c.OutputString()) for c in response.cookies.values()),
            ],
        )
        file = getattr(response, "file_to_stream", None)
        if file is not None and environ.get("wsgi.file_wrapper"):
            # The server closes that, and not the response.
            file.close = response.close
            return environ["wsgi.file_wrapper"](file, response.block_size)
        if type(response).close is CLOSE and "close" not in vars(response):
            return ServedResponse(response)
        return response


class ServedResponse:
    """A response as a server has it: an iterable with close()."""

    __slots__ = ("response",)

    def __init__(self, response: Any) -> None:
        self.response = response

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.response)

    def close(self) -> None:
        """As HttpResponseBase.close."""
        response = self.response
        if not finished.is_djangos():
            response.close()
            return
        for closer in response._resource_closers:
            try:
                closer()
            except Exception:
                # As Django: what is left of the request is closed whatever happens.
                continue
        response._resource_closers.clear()
        response.closed = True
        for connection in connections_here():
            connection.close_if_unusable_or_obsolete()
        if not backends.close_nothing():
            close_caches()
        set_urlconf(None)


def thread_storage(local: Any) -> threading.local | None:
    """Where asgiref keeps what is a thread's own, if it is as we know it."""
    try:
        storage = vars(local)["_storage"]
    except (TypeError, KeyError):
        return None
    return storage if type(storage) is threading.local else None


LOCAL = connections._connections
STORAGE = thread_storage(LOCAL)


def connections_here() -> list[Any]:
    """`connections.all(initialized_only=True)`, at a sixth of the price."""
    if STORAGE is None or connections._connections is not LOCAL or _get_running_loop() is not None:
        # Where a loop runs, they are the task's and not the thread's.
        there: list[Any] = connections.all(initialized_only=True)
        return there
    here = vars(STORAGE)
    return [here[alias] for alias in connections.settings if alias in here]


class CacheBackends:
    """The kinds of the caches in the settings, read again when these change. A cache that is put
    into `caches` by hand, under a name of the settings, is not examined."""

    def __init__(self) -> None:
        self._settings: object = None
        self._close_nothing = False

    def close_nothing(self) -> bool:
        """Closing a cache at the end of a request does nothing for any of them."""
        settings = caches.settings
        if settings is not self._settings:
            self._close_nothing = all(map(closes_nothing, settings.values()))
            self._settings = settings
        return self._close_nothing


backends = CacheBackends()


def closes_nothing(cache: dict[str, Any]) -> bool:
    try:
        backend = import_string(cache["BACKEND"])
    except Exception:
        # The code that uses it gets the error.
        return False
    return getattr(backend, "close", None) is BaseCache.close
