"""The types of the two interfaces, as the specifications write them.

ASGI: https://asgi.readthedocs.io/en/latest/specs/ (ASGI 3.0, HTTP 2.3). WSGI: PEP 3333.
"""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from types import TracebackType
from typing import Any, Literal

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGI3App = Callable[[Scope, Receive, Send], Awaitable[None]]
ASGI2App = Callable[[Scope], Callable[[Receive, Send], Awaitable[None]]]

Environ = dict[str, Any]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]
StartResponse = Callable[..., Callable[[bytes], object]]
WSGIApp = Callable[[Environ, StartResponse], Iterable[bytes]]

App = ASGI3App | ASGI2App | WSGIApp
Headers = list[tuple[bytes, bytes]]

# The ASGI extensions that Bascule has, by their names in the scope.
AsgiExtension = Literal[
    "http.response.trailers",
    "http.response.early_hint",
    "http.response.pathsend",
    "http.response.zerocopysend",
    "websocket.http.response",
    "tls",
    "bascule.stopping",
]

# Those that scopes announce where nothing else is said. A framework that may leave files to the
# server does so, and middleware that compresses responses never sees them.
ANNOUNCED: tuple[AsgiExtension, ...] = (
    "http.response.trailers",
    "http.response.early_hint",
    "websocket.http.response",
    "tls",
    "bascule.stopping",
)
