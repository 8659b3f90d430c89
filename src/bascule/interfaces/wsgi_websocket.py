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
import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from time import monotonic
from typing import Any

from bascule.errors import ClientDisconnected, ResponseError, UsageError, WebSocketClosed
from bascule.interfaces.exchange import Carrier
from bascule.interfaces.session import INTERNAL_ERROR, NORMAL_CLOSURE, Message, WebSocketSession
from bascule.interfaces.wsgi_call import (
    DONE,
    PLAIN_TEXT,
    RESPONSE_HIGH_WATER,
    ThreadedExchange,
    WsgiCaller,
    encode_field,
)
from bascule.protocols.events import Request
from bascule.protocols.websocket.engine import close_payload
from bascule.protocols.websocket.frames import LONGEST_CONTROL
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

    switched: it was accepted. taken: the application has begun to use the WebSocket, so what it
    answers besides is not sent. tunnelled: it uses the client's socket.
    waiters: the events of threads that wait for the loop to get on, each its own: one that is
    shared is cleared by one thread behind another's back.

    Methods of the base are called by its name: compiled methods have no `super()`.
    """

    __slots__ = ("finish_tunnel", "session", "switched", "taken", "tunnelled", "waiters")

    def __init__(self, interface: WsgiCaller, request: Request, carrier: Carrier) -> None:
        super().__init__(interface, request, carrier)
        plan = interface.websockets
        self.session = WebSocketSession(self, plan.queue if plan is not None else 1)
        self.switched = self.taken = self.tunnelled = False
        self.waiters: list[threading.Event] = []
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
            if self.over and self.error is None:
                self.come_too_late()
            if not self.disconnected and self.error is None:
                self.carry_out_websocket(operation)
            elif kind == TUNNEL:
                self.lead_nowhere(operation[1])
            return
        if kind == DONE:
            self.interface.sockets -= 1
            if self.switched:
                self.interface.switched -= 1
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
            self.note_switch()
            self.wake_thread()
        else:
            try:
                self.finish_tunnel = self.carrier.tunnel(self, operation[1])
            except ResponseError:
                self.lead_nowhere(operation[1])
                raise
            self.note_switch()

    def note_switch(self) -> None:
        """The connection is no HTTP connection any more."""
        self.switched = True
        self.interface.switched += 1

    def lead_nowhere(self, sock: socket.socket) -> None:
        """There is no client: the application reads that, but not before its answer to the
        handshake has been taken, which engines cannot bear to fail."""
        loop = self.interface.loop
        end = partial(end_reading, loop, sock)
        sock.shutdown(socket.SHUT_WR)
        loop.add_reader(sock, end)
        self.finish_tunnel = end

    def come_too_late(self) -> None:
        """The application has answered the handshake, and then uses the WebSocket: the carrier may
        carry another exchange by now."""
        self.error = ResponseError("the handshake was answered before the WebSocket was used")
        self.log("used a WebSocket that it had refused", self.error)
        self.wake_thread()

    def catch_up(self) -> None:
        self.flush()

    def wake_thread(self) -> None:
        ThreadedExchange.wake_thread(self)
        for waiter in tuple(self.waiters):
            waiter.set()

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
        self.taken = self.tunnelled = True
        theirs, ours = socket.socketpair()
        ours.setblocking(False)
        self.put_operation((TUNNEL, ours))
        return theirs

    def next_message(self, timeout: float | None) -> Message | None:
        """The next message, waiting for it; None when there will be none. Raises TimeoutError."""
        session = self.session
        deadline = None if timeout is None else monotonic() + timeout
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
                if session.messages:
                    # Both came since the look above.
                    continue
                return None
            if session.pending:
                self.put_operation((CONCLUDE,))
            if not self.wait_for_message(deadline):
                raise TimeoutError(f"no message within {timeout:g} s")

    def wait_for_message(self, deadline: float | None) -> bool:
        session = self.session
        event = self.armed_event()
        if session.messages or self.disconnected or self.error is not None:
            return True
        if session.held:
            # The loop may have stopped reading for a message that was taken in the same moment.
            self.put_operation((PROCEED,))
        return event.wait(None if deadline is None else max(deadline - monotonic(), 0.0))

    def send_message(self, kind: int, message: Message) -> None:
        """Send, and wait while too much is queued. Raises WebSocketClosed."""
        self.check_open()
        self.queued += len(message)
        self.put_operation((kind, message))
        self.wait_for_client()

    def wait_for_client(self) -> None:
        """As in the base, but in any thread."""
        if self.is_behind():
            self.wait_while(self.is_behind)
        if self.error is not None:
            raise self.error

    def is_behind(self) -> bool:
        """The client has much to read, and may still read it."""
        return self.queued - self.written >= RESPONSE_HIGH_WATER and self.is_open()

    def is_open(self) -> bool:
        """Neither side has closed, and the application has made no mistake."""
        return not self.disconnected and self.error is None

    def wait_while(self, condition: Callable[[], bool]) -> None:
        """Wait until the loop has changed that."""
        waiter = threading.Event()
        self.waiters.append(waiter)
        try:
            while condition():
                waiter.clear()
                if condition():
                    waiter.wait()
        finally:
            self.waiters.remove(waiter)

    def close(self, code: int, reason: str) -> None:
        """Close, and wait until that is done: so it is closed for the application, too."""
        if self.is_open():
            self.put_operation((CLOSE, code, reason))
            self.wait_while(self.is_open)

    def check_open(self) -> None:
        """Raises WebSocketClosed, or what the application got wrong before."""
        if self.error is not None:
            raise self.error
        if self.disconnected:
            raise closed_error(self.session.code, self.session.reason)


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

    def __init__(self, call: WebSocketCall, environ: Environ) -> None:
        self._call = call
        self._end_told = False
        self.environ = environ
        self.subprotocol: str | None = None

    def accept(
        self, subprotocol: str | None = None, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Accept the handshake; without it the first receive, send, ping or close does.

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
        # First: applications of gevent-websocket hand on the None at the end, to hear of it.
        self._call.check_open()
        if isinstance(message, str):
            if binary:
                self._call.send_message(BINARY, encoded(message))
            else:
                if not message.isascii():
                    encoded(message)
                self._call.send_message(TEXT, message)
        elif binary is False:
            self._call.send_message(TEXT, decoded(octets_of(message, "a message")))
        else:
            self._call.send_message(BINARY, octets_of(message, "a message"))

    def ping(self, payload: bytes | bytearray | memoryview = b"") -> None:
        """Send a ping; the answer is not told. Raises WebSocketClosed, and ResponseError for a
        payload that no ping can carry."""
        self._open()
        data = octets_of(payload, "the payload of a ping")
        if len(data) > LONGEST_CONTROL:
            size = len(data)
            raise ResponseError(f"a ping carries at most {LONGEST_CONTROL} octets, not {size}")
        self._call.send_message(PING, data)

    def close(self, code: int = NORMAL_CLOSURE, reason: str | bytes | None = "") -> None:
        """Close. Does nothing where that has happened. Raises ResponseError for a code that may
        not be sent (RFC 6455 section 7.4) and for a reason that does not fit, and closes nothing
        then."""
        text = decoded(reason) if isinstance(reason, bytes) else reason or ""
        check_close(code, text)
        self._open()
        self._call.close(code, text)

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
        check_close(code, "")
        self._call.session.stop_code = code

    @property
    def subprotocols(self) -> list[str]:
        """What the client offers, in its order."""
        offer = self._call.request.websocket
        return list(offer.subprotocols) if offer is not None else []

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
        elif self._call.tunnelled:
            raise ResponseError("the client's socket is in use: there are no messages besides")


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


# What is wrong with what the application sends is found in its own thread, at the call that did
# it, and not on the loop, where it would be an error of the server's.


def encoded(text: str) -> bytes:
    """UTF-8. Raises ResponseError."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ResponseError(f"a WebSocket text is UTF-8, which cannot say {error}") from None


def decoded(data: bytes) -> str:
    """From UTF-8. Raises ResponseError."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ResponseError(f"a WebSocket text is UTF-8, which this is not: {error}") from None


def octets_of(data: object, what: str) -> bytes:
    """The octets of bytes and the like. Raises ResponseError."""
    if not isinstance(data, bytes | bytearray | memoryview):
        kinds = "str or bytes" if what == "a message" else "bytes"
        raise ResponseError(f"{what} is {kinds}, not {type(data).__name__}")
    return bytes(data)


def check_close(code: object, reason: object) -> None:
    """Raises ResponseError for what may not be in a Close frame."""
    if not isinstance(code, int) or not 0 <= code <= 0xFFFF:
        raise ResponseError(f"{code!r} is not a code to close a WebSocket with")
    if not isinstance(reason, str):
        raise ResponseError(f"a close reason is str, not {type(reason).__name__}")
    close_payload(code, reason)


def end_reading(loop: AbstractEventLoop, sock: socket.socket) -> None:
    """Close a socket that the loop watches; nothing the second time."""
    if sock.fileno() >= 0:
        loop.remove_reader(sock)
        sock.close()


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

    Flask wants to know which of its routes are for handshakes: `@app.route(..., websocket=True)`.
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
