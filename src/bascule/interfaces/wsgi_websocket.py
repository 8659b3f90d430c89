"""WebSockets for WSGI applications: `environ["wsgi.websocket"]`, one call, one thread.

    WebSocket         what the application gets: receive, send, close, iteration
    WebSocketCall     the exchange behind it; cut along the thread boundary like ThreadedExchange
    PairedSocket      what applications get that want the client's socket itself
    websocket()       the WebSocket of a request, for views: `bascule.websocket(request)`

An upgrade request is called in a thread of a pool of its own, because it keeps its thread for as
long as the WebSocket is open; requests are never held up by it. The handshake is accepted by the
first thing the application does with the WebSocket. An application that does nothing with it and
answers as usual has refused it by that. Once it is accepted, what the application answers besides
has nowhere to go, and start_response need not be called.

The object follows gevent-websocket's, which most code for WSGI WebSockets was written for: None
at the end, an error after that, `closed`. Code for simple-websocket (flask-sock) finds a socket
under "werkzeug.socket".
"""

import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, Protocol

from bascule.errors import ClientDisconnected, ResponseError, UsageError, WebSocketClosed
from bascule.interfaces.exchange import Carrier
from bascule.interfaces.session import INTERNAL_ERROR, NORMAL_CLOSURE, Message, WebSocketSession
from bascule.interfaces.wsgi import (
    DONE,
    PLAIN_TEXT,
    ThreadedExchange,
    WsgiInterface,
    encode_field,
)
from bascule.protocols.events import Request
from bascule.types import Environ

# Operations from the thread to the loop, beside those of ThreadedExchange.
ACCEPT = 10
TEXT = 11
BINARY = 12
PING = 13
CLOSE = 14
CONCLUDE = 15
PROCEED = 16
TUNNEL = 17

TRY_AGAIN = [*PLAIN_TEXT, (b"retry-after", b"1")]


class WebSocketCall(ThreadedExchange):
    """A WebSocket handshake to a WSGI application, and the WebSocket that comes of it.

    taken: the application has begun to use the WebSocket, so what it answers besides is not sent.

    Methods of the base are called by its name: compiled methods have no `super()`.
    """

    __slots__ = ("finish_tunnel", "session", "taken")

    def __init__(self, interface: WsgiInterface, request: Request, carrier: Carrier) -> None:
        super().__init__(interface, request, carrier)
        plan = interface.websockets
        self.session = WebSocketSession(self, plan.queue if plan is not None else 1)
        self.taken = False
        self.finish_tunnel: Callable[[], None] | None = None
        self.pool = interface.socket_threads()

    # LOOP SIDE

    def start(self) -> None:
        """Hand over to a thread, or say that all are taken."""
        interface = self.interface
        plan = interface.websockets
        if plan is None or interface.sockets >= plan.threads:
            interface.warn(
                "websocket threads",
                f"{interface.sockets} WebSockets have a thread each: further ones get 503 "
                "(--websocket-threads)",
            )
            self.carrier.respond(503, TRY_AGAIN, b"no thread is left for a WebSocket\n", True)
            return
        interface.sockets += 1
        self.submit()

    def tick(self) -> None:
        """There is no body to wait for."""

    def is_congested(self) -> bool:
        carrier = self.session.carrier
        return carrier.congested if carrier is not None else self.carrier.congested

    def carry_out(self, operation: tuple[Any, ...]) -> None:
        kind = operation[0]
        if kind >= ACCEPT:
            if not self.disconnected and self.error is None:
                self.carry_out_websocket(operation)
            elif kind == TUNNEL:
                operation[1].close()
            return
        if kind == DONE:
            self.interface.sockets -= 1
            if self.finish_tunnel is not None:
                self.finish_tunnel()
        ThreadedExchange.carry_out(self, operation)

    def carry_out_websocket(self, operation: tuple[Any, ...]) -> None:
        kind = operation[0]
        session = self.session
        if kind == TEXT:
            session.send_text(operation[1])
        elif kind == BINARY:
            session.send_binary(operation[1])
        elif kind == PROCEED:
            session.proceed()
        elif kind == CONCLUDE:
            session.conclude()
        elif kind == CLOSE:
            session.close(operation[1], operation[2])
        elif kind == PING:
            session.send_ping(operation[1])
        elif kind == ACCEPT:
            self.carrier.accept(session, operation[1], operation[2])
            self.wake_thread()
        else:
            self.finish_tunnel = self.carrier.tunnel(self, operation[1])

    def refuse(self, error: ResponseError) -> None:
        """The protocol does not allow what the application sent."""
        session = self.session
        if session.carrier is None:
            ThreadedExchange.refuse(self, error)
            return
        self.error = error
        self.log("sent what a WebSocket does not allow", error)
        session.close(INTERNAL_ERROR, "")
        self.wake_thread()

    # THREAD SIDE

    def environ(self, body: Any) -> Environ:
        environ = ThreadedExchange.environ(self, body)
        environ["wsgi.websocket"] = WebSocket(self, environ)
        environ["werkzeug.socket"] = PairedSocket(self)
        return environ

    def put_whole(self, data: bytes) -> None:
        if not self.taken:
            ThreadedExchange.put_whole(self, data)

    def put(self, data: bytes) -> None:
        if not self.taken:
            ThreadedExchange.put(self, data)

    def finish(self) -> None:
        if not self.taken:
            ThreadedExchange.finish(self)

    def fail(self, error: BaseException) -> None:
        """The application raised: 500 while the handshake is unanswered, else 1011."""
        if not self.taken:
            ThreadedExchange.fail(self, error)
        elif not (self.disconnected and isinstance(error, ClientDisconnected | StopIteration)):
            # StopIteration is how applications leave Gunicorn that took its socket.
            self.log("raised", error)
            self.put_operation((CLOSE, INTERNAL_ERROR, ""))

    def end_call(self) -> None:
        if self.taken:
            self.put_operation((CLOSE, NORMAL_CLOSURE, ""))
        ThreadedExchange.end_call(self)

    def accept(self, subprotocol: str | None, fields: list[tuple[bytes, bytes]]) -> None:
        """Accept the handshake, and wait until that is done. Raises what it came to."""
        if self.taken:
            raise ResponseError("this WebSocket was accepted before")
        self.taken = True
        self.put_operation((ACCEPT, subprotocol, fields))
        while self.session.carrier is None and self.error is None and not self.disconnected:
            event = self.armed_event()
            if self.session.carrier is None and self.error is None and not self.disconnected:
                event.wait()
        if self.error is not None:
            raise self.error

    def open_tunnel(self) -> socket.socket:
        """Take the client's octets as they are. Returns the application's end."""
        if self.taken:
            raise ResponseError("this WebSocket was accepted before: its socket is in use")
        self.taken = True
        theirs, ours = socket.socketpair()
        ours.setblocking(False)
        self.put_operation((TUNNEL, ours))
        return theirs

    def next_message(self, timeout: float | None) -> Message | None:
        """The next message, waiting for it; None when there will be none. Raises TimeoutError."""
        session = self.session
        while True:
            session.owed = True
            try:
                message: Message = session.messages.popleft()
            except IndexError:
                session.owed = False
            else:
                session.consumed += len(message)
                if session.held and not session.messages:
                    self.put_operation((PROCEED,))
                return message
            if self.error is not None:
                raise self.error
            if self.disconnected:
                return None
            if session.pending:
                self.put_operation((CONCLUDE,))
            if not self.wait_for_message(timeout):
                raise TimeoutError(f"no message within {timeout:g} s")

    def wait_for_message(self, timeout: float | None) -> bool:
        event = self.armed_event()
        if self.session.messages or self.disconnected or self.error is not None:
            return True
        return event.wait(timeout)

    def send_message(self, kind: int, message: Message) -> None:
        """Send, and wait while too much is queued. Raises WebSocketClosed."""
        self.check_open()
        self.queued += len(message)
        self.put_operation((kind, message))
        self.wait_for_client()

    def close_socket(self, code: int, reason: str) -> None:
        """Close, where that has not happened."""
        if not self.disconnected and self.error is None:
            self.put_operation((CLOSE, code, reason))

    def subprotocols(self) -> list[str]:
        """What the client offers, in its order."""
        offer = self.request.websocket
        return list(offer.subprotocols) if offer is not None else []

    def check_open(self) -> None:
        """Raises WebSocketClosed, or what the application got wrong before."""
        if self.error is not None:
            raise self.error
        if self.disconnected:
            raise closed_error(self.session.code, self.session.reason)


class Ending(Protocol):
    """How a WebSocket was closed, and with what the server would close it when it stops."""

    code: int
    reason: str
    stop_code: int


class SocketCall(Protocol):
    """What is behind a `WebSocket`: a WebSocketCall, or what stands in for it over ASGI.

    taken: `accept` was called. disconnected: it is closed, as `session` says.
    """

    taken: bool
    disconnected: bool

    @property
    def session(self) -> Ending: ...

    def accept(self, subprotocol: str | None, fields: list[tuple[bytes, bytes]]) -> None: ...

    def next_message(self, timeout: float | None) -> Message | None: ...

    def send_message(self, kind: int, message: Message) -> None: ...

    def close_socket(self, code: int, reason: str) -> None: ...

    def subprotocols(self) -> list[str]: ...


class WebSocket:
    """A WebSocket in a WSGI application; for use in the thread that was called, except `send`,
    `ping` and `close`, which any thread may call once the WebSocket is accepted.

        def application(environ, start_response):
            ws = environ["wsgi.websocket"]
            for message in ws:
                ws.send(message)
            return []

    environ: the WSGI environ of the handshake. stop_code: what the client gets when the server
    stops: 1012 (come back), unless this is set, to 1001 for example, before the handshake is
    accepted or later.
    """

    def __init__(self, call: SocketCall, environ: Environ) -> None:
        self._call = call
        self._end_told = False
        self.environ = environ
        self.subprotocol: str | None = None

    def accept(
        self, subprotocol: str | None = None, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Accept the handshake; without it the first receive, send or ping does.

        subprotocol: one of `subprotocols`. headers: further fields of the answer.
        Raises ResponseError for what the handshake does not allow (RFC 6455 section 4.2.2).
        """
        self._call.accept(subprotocol, [encode_field(name, value) for name, value in headers])
        self.subprotocol = subprotocol

    def receive(self, timeout: float | None = None) -> Message | None:
        """The next message, text as str and binary as bytes; waits for it.

        None when the WebSocket has been closed; the call after that raises WebSocketClosed.
        timeout: seconds to wait, None for ever. Raises TimeoutError.
        """
        self._open()
        if self._end_told:
            raise closed_error(self._call.session.code, self._call.session.reason)
        message = self._call.next_message(timeout)
        if message is None:
            self._end_told = True
        return message

    def send(self, message: Message | bytearray | memoryview, binary: bool | None = None) -> None:
        """Send a message; waits while the client reads slower than this writes.

        binary: send it as binary or as text, whatever its type. Raises WebSocketClosed, and
        ResponseError for what is no message.
        """
        self._open()
        if isinstance(message, str):
            if binary:
                self._call.send_message(BINARY, message.encode())
            else:
                self._call.send_message(TEXT, message)
        elif not isinstance(message, bytes | bytearray | memoryview):
            raise ResponseError(f"a message is str or bytes, not {type(message).__name__}")
        elif binary is False:
            self._call.send_message(TEXT, bytes(message).decode())
        else:
            self._call.send_message(BINARY, bytes(message))

    def ping(self, payload: bytes = b"") -> None:
        """Send a ping; the answer is not told. Raises WebSocketClosed."""
        self._open()
        self._call.send_message(PING, payload)

    def close(self, code: int = NORMAL_CLOSURE, reason: str | bytes = "") -> None:
        """Close. Does nothing where that has happened. Raises ResponseError for a code that may
        not be sent (RFC 6455 section 7.4)."""
        self._open()
        text = reason.decode() if isinstance(reason, bytes) else reason
        self._call.close_socket(code, text or "")

    def __iter__(self) -> Iterator[Message]:
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
        """The WebSocket is closed, from whichever side, though messages may be left to receive."""
        return bool(self._call.disconnected)

    @property
    def close_code(self) -> int | None:
        """How it was closed (RFC 6455 section 7.4.1); None while it is open."""
        return self._call.session.code if self.closed else None

    @property
    def close_reason(self) -> str | None:
        """The reason that came with the code; None while it is open."""
        return self._call.session.reason if self.closed else None

    @property
    def stop_code(self) -> int:
        return self._call.session.stop_code

    @stop_code.setter
    def stop_code(self, code: int) -> None:
        self._call.session.stop_code = code

    @property
    def subprotocols(self) -> list[str]:
        """What the client offers, in its order."""
        return self._call.subprotocols()

    # By these names gevent-websocket has them.

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


class PairedSocket:
    """Stands under "werkzeug.socket" for the client's socket. It is made when it is first used:
    until then the WebSocket is still free to be had the other way.
    """

    def __init__(self, call: WebSocketCall) -> None:
        self._call = call
        self._socket: socket.socket | None = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            # What asks is looking at the object, not at the client.
            raise AttributeError(name)
        if self._socket is None:
            self._socket = self._call.open_tunnel()
        return getattr(self._socket, name)


def closed_error(code: int, reason: str) -> WebSocketClosed:
    """The error for using a WebSocket that is closed; where gevent-websocket is loaded, its
    applications catch theirs."""
    theirs = sys.modules.get("geventwebsocket.exceptions")
    kind = gevent_kind(theirs.WebSocketError) if theirs is not None else WebSocketClosed
    return kind(code, reason)


@cache
def gevent_kind(theirs: type[OSError]) -> type[WebSocketClosed]:
    return type("WebSocketClosed", (WebSocketClosed, theirs), {})


def websocket(request: Any) -> WebSocket:
    """The WebSocket of a request, in a synchronous view of Django or Flask, or of an environ.

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
