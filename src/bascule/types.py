"""The types of ASGI and WSGI, as the specifications define them.

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

Headers = list[tuple[bytes, bytes]]

# The ASGI extensions that Bascule implements, by their names in the scope.
AsgiExtension = Literal[
    "http.response.trailers",
    "http.response.early_hint",
    "http.response.pathsend",
    "http.response.zerocopysend",
    "websocket.http.response",
    "tls",
    "bascule.stopping",
]

# The extensions that scopes announce by default. Those for files are not among them: a framework
# would use them, and middleware that compresses responses would not see these files.
ANNOUNCED: tuple[AsgiExtension, ...] = (
    "http.response.trailers",
    "http.response.early_hint",
    "websocket.http.response",
    "tls",
    "bascule.stopping",
)
