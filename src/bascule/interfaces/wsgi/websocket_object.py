"""The WebSocket that a WSGI application gets: `environ["wsgi.websocket"]`.

    WebSocket         receive, send, close, iteration
    WebSocketBackend  the call below it: the server's, or an adapter's
    websocket()       the WebSocket of a request, for views: `bascule.websocket(request)`

It follows gevent-websocket's, which most code for WSGI WebSockets was written for: None at the
end, an error after that, `closed`. Mistakes in the messages of an application are found here, in
its own thread, at the call that made them.
"""

import sys
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Protocol

from bascule.errors import ResponseError, UsageError, WebSocketClosed
from bascule.interfaces.session import INTERNAL_ERROR, NORMAL_CLOSURE, WebSocketMessage
from bascule.interfaces.wsgi.operations import BINARY, PING, TEXT
from bascule.pep3333 import encode_field
from bascule.protocols.websocket.engine import close_payload
from bascule.protocols.websocket.frames import LONGEST_CONTROL
from bascule.types import Environ


class Ending(Protocol):
    """How a WebSocket was closed, and the code with which the server would close it when it
    stops."""

    code: int
    reason: str
    stop_code: int


class WebSocketBackend(Protocol):
    """The call below a `WebSocket`: a WebSocketCall, or an adapter's call over ASGI.

    taken: `accept` was called.
    tunnelled: the application has the client's socket instead.
    disconnected: the WebSocket is closed; `session` has the code.
    """

    taken: bool
    tunnelled: bool
    disconnected: bool

    @property
    def session(self) -> Ending: ...

    def accept(self, subprotocol: str | None, fields: list[tuple[bytes, bytes]]) -> None: ...

    def next_message(self, timeout: float | None) -> WebSocketMessage | None: ...

    def send_message(self, kind: int, message: WebSocketMessage) -> None: ...

    def close_socket(self, code: int, reason: str) -> None: ...

    def check_open(self) -> None: ...

    def subprotocols(self) -> list[str]: ...


class WebSocket:
    """A WebSocket in a WSGI application; for use in the thread that was called, except `send`,
    `ping` and `close`, which any thread may call once the WebSocket is accepted.

        def application(environ, start_response):
            ws = environ["wsgi.websocket"]
            for message in ws:
                ws.send(message)
            return []

    environ: the WSGI environ of the handshake.
    stop_code: the close code when the server stops: 1012 (service restart), unless this is set, to
        1001 for example, before the handshake is accepted or later.
    """

    def __init__(self, call: WebSocketBackend, environ: Environ) -> None:
        self._call = call
        self._end_told = False
        self.environ = environ
        self.subprotocol: str | None = None

    def accept(
        self, subprotocol: str | None = None, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Accept the handshake. Without this call, the first receive, send, ping or close accepts
        it.

        subprotocol: one of `subprotocols`.
        headers: further fields of the response.
        Raises ResponseError for fields that the handshake does not allow (RFC 6455 section 4.2.2).
        """
        self._call.accept(subprotocol, [encode_field(name, value) for name, value in headers])
        self.subprotocol = subprotocol

    def receive(self, timeout: float | None = None) -> WebSocketMessage | None:
        """Wait for the next message, and return it: text as str, binary as bytes.

        Returns None when the WebSocket has been closed; the call after that raises
        WebSocketClosed.
        timeout: seconds to wait; None waits forever. Raises TimeoutError.
        """
        self._open()
        if self._end_told:
            raise closed_error(self._call.session.code, self._call.session.reason)
        message = self._call.next_message(timeout)
        if message is None:
            self._end_told = True
        return message

    def send(
        self, message: WebSocketMessage | bytearray | memoryview, binary: bool | None = None
    ) -> None:
        """Send a message; wait while the client reads slower than the application writes.

        binary: send it as binary or as text, whatever its type.
        Raises WebSocketClosed, and ResponseError for an object that is no message.
        """
        self._open()
        # First, because applications for gevent-websocket pass on the None at the end, and expect
        # this error.
        self._call.check_open()
        if isinstance(message, str):
            if binary:
                self._call.send_message(BINARY, encoded(message))
            else:
                if not message.isascii():
                    encoded(message)
                self._call.send_message(TEXT, message)
        elif binary is False:
            self._call.send_message(TEXT, decoded(to_bytes(message, "a message")))
        else:
            self._call.send_message(BINARY, to_bytes(message, "a message"))

    def ping(self, payload: bytes | bytearray | memoryview = b"") -> None:
        """Send a ping; the answer is not told. Raises WebSocketClosed, and ResponseError for a
        payload that no ping can carry."""
        self._open()
        data = to_bytes(payload, "the payload of a ping")
        if len(data) > LONGEST_CONTROL:
            size = len(data)
            raise ResponseError(f"a ping carries at most {LONGEST_CONTROL} bytes, not {size}")
        self._call.send_message(PING, data)

    def close(self, code: int = NORMAL_CLOSURE, reason: str | bytes | None = "") -> None:
        """Close. Does nothing where that has happened. Raises ResponseError for a code that may
        not be sent (RFC 6455 section 7.4) and for a reason that does not fit, and closes nothing
        then."""
        text = decoded(reason) if isinstance(reason, bytes) else reason or ""
        check_close(code, text)
        self._open()
        self._call.close_socket(code, text)

    def __iter__(self) -> Iterator[WebSocketMessage]:
        """The messages until the WebSocket is closed."""
        while not self._end_told:
            message = self.receive()
            if message is not None:
                yield message

    def __enter__(self) -> "WebSocket":
        self._open()
        return self

    def __exit__(self, *error: object) -> None:
        self.close(NORMAL_CLOSURE if error[0] is None else INTERNAL_ERROR)

    @property
    def closed(self) -> bool:
        """Whether either side has closed the WebSocket. Messages may be left to receive."""
        return bool(self._call.disconnected)

    @property
    def close_code(self) -> int | None:
        """The close code (RFC 6455 section 7.4.1); None while the WebSocket is open."""
        return self._call.session.code if self.closed else None

    @property
    def close_reason(self) -> str | None:
        """The reason that came with the code; None while the WebSocket is open."""
        return self._call.session.reason if self.closed else None

    @property
    def stop_code(self) -> int:
        return self._call.session.stop_code

    @stop_code.setter
    def stop_code(self, code: int) -> None:
        check_close(code, "")
        self._call.session.stop_code = code

    @property
    def subprotocols(self) -> list[str]:
        """The subprotocols that the client offers, in its order."""
        return self._call.subprotocols()

    # The names of gevent-websocket.

    @property
    def origin(self) -> str | None:
        """The Origin field."""
        return self.environ.get("HTTP_ORIGIN")

    @property
    def path(self) -> str | None:
        return self.environ.get("PATH_INFO")

    @property
    def protocol(self) -> str | None:
        """The Sec-WebSocket-Protocol field as it came."""
        return self.environ.get("HTTP_SEC_WEBSOCKET_PROTOCOL")

    @property
    def version(self) -> str | None:
        return self.environ.get("HTTP_SEC_WEBSOCKET_VERSION")

    def _open(self) -> None:
        if not self._call.taken:
            self.accept()
        elif self._call.tunnelled:
            raise ResponseError("the client's socket is in use: there are no messages besides")


# Mistakes of the application are found in its own thread, at the call that made them, and not on
# the loop, where they would be errors of the server.


def encoded(text: str) -> bytes:
    """Return text as UTF-8. Raises ResponseError."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ResponseError(f"a WebSocket text is UTF-8, which cannot say {error}") from None


def decoded(data: bytes) -> str:
    """Return UTF-8 as text. Raises ResponseError."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ResponseError(f"a WebSocket text is UTF-8, which this is not: {error}") from None


def to_bytes(data: object, what: str) -> bytes:
    """Return any byte string as bytes. Raises ResponseError for other objects."""
    if not isinstance(data, bytes | bytearray | memoryview):
        kinds = "str or bytes" if what == "a message" else "bytes"
        raise ResponseError(f"{what} is {kinds}, not {type(data).__name__}")
    return bytes(data)


def check_close(code: object, reason: object) -> None:
    """Raise ResponseError for a code or reason that may not be in a Close frame."""
    if not isinstance(code, int) or not 0 <= code <= 0xFFFF:
        raise ResponseError(f"{code!r} is not a code to close a WebSocket with")
    if not isinstance(reason, str):
        raise ResponseError(f"a close reason is str, not {type(reason).__name__}")
    close_payload(code, reason)


def closed_error(code: int, reason: str) -> WebSocketClosed:
    """Return the error for using a closed WebSocket. Where gevent-websocket is imported, the error
    is also one of its own, which its applications catch."""
    theirs = sys.modules.get("geventwebsocket.exceptions")
    kind = gevent_kind(theirs.WebSocketError) if theirs is not None else WebSocketClosed
    return kind(code, reason)


@cache
def gevent_kind(theirs: type[OSError]) -> type[WebSocketClosed]:
    return type("WebSocketClosed", (WebSocketClosed, theirs), {})


def websocket(request: Any) -> WebSocket:
    """Return the WebSocket of a request, in a synchronous view of Django or Flask, or of an
    environ.

    Flask needs to know which of its routes are for handshakes: `@app.route(..., websocket=True)`.
    Raises UsageError where there is none: the request is no WebSocket handshake, or it did not
    come through Bascule's WSGI side.
    """
    environ = request if isinstance(request, dict) else getattr(request, "environ", None)
    if environ is None:
        raise UsageError(
            f"{type(request).__name__} has no WSGI environ: bascule.websocket() is for views that "
            "are called by WSGI; an ASGI application gets WebSockets in its own scope"
        )
    found = environ.get("wsgi.websocket")
    if isinstance(found, WebSocket):
        return found
    if environ.get("HTTP_UPGRADE", "").lower() != "websocket":
        raise UsageError(
            f"{environ.get('PATH_INFO', '')} was asked for without Upgrade: websocket; "
            "bascule.websocket() needs a WebSocket handshake"
        )
    raise UsageError(
        "this WebSocket handshake did not come to `bascule serve` with threads: another server "
        "is running, or Bascule with --threads 0 or --ws none"
    )
