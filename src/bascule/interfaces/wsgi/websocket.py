"""WebSockets for WSGI applications: one handshake, one call, one thread.

    WebSocketCall  the exchange behind a `WebSocket` (websocket_object.py); cut along the thread
                   boundary like ThreadedExchange
    PairedSocket   the socket for applications that want the client's socket itself

The application is called for a handshake in a thread of a separate pool, because it keeps its
thread for as long as the WebSocket is open; requests never wait for it. The handshake is accepted
by the first use of the WebSocket. An application that does not use it and responds as usual has
refused it by that. Once it is accepted, a response of the application is dropped, and
start_response need not be called.

Code for simple-websocket (flask-sock) finds a socket under "werkzeug.socket".
"""

import socket
import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

from bascule.errors import ClientDisconnected, ResponseError
from bascule.interfaces.answers import TRY_AGAIN
from bascule.interfaces.exchange import Carrier
from bascule.interfaces.response_states import COMPLETE, SWITCH, SWITCHED
from bascule.interfaces.session import (
    INTERNAL_ERROR,
    NORMAL_CLOSURE,
    WebSocketMessage,
    WebSocketSession,
)
from bascule.interfaces.wsgi.call import WsgiCaller
from bascule.interfaces.wsgi.operations import (
    ACCEPT,
    BINARY,
    CLOSE,
    CONCLUDE,
    PING,
    PROCEED,
    RETURNED,
    TEXT,
    TUNNEL,
)
from bascule.interfaces.wsgi.threaded import CROWDED_HIGH_WATER, ThreadedExchange
from bascule.interfaces.wsgi.websocket_object import WebSocket, closed_error
from bascule.protocols.events import Request
from bascule.types import Environ


class WebSocketCall(ThreadedExchange):
    """A WebSocket handshake to a WSGI application, and the WebSocket that comes of it.

    taken: the application has begun to use the WebSocket, so its response is not sent.
    tunnelled: the application uses the client's socket.
    waiters: the events of threads that wait for the loop, one for each thread: a shared event
        would be cleared by one thread while another waits for it.

    Methods of the base are called by its name: compiled methods have no `super()`.
    """

    __slots__ = ("finish_tunnel", "session", "taken", "tunnelled", "waiters")

    def __init__(self, interface: WsgiCaller, request: Request, carrier: Carrier) -> None:
        super().__init__(interface, request, carrier)
        plan = interface.websockets
        self.session = WebSocketSession(self, plan.queue if plan is not None else 1)
        self.taken = self.tunnelled = False
        self.waiters: list[threading.Event] = []
        self.finish_tunnel: Callable[[], None] | None = None
        self.pool = interface.socket_threads()

    # LOOP SIDE

    def start(self) -> None:
        """Hand over to a thread, or answer that all are taken."""
        interface = self.interface
        plan = interface.websockets
        if plan is None or interface.sockets >= plan.threads:
            interface.warn(
                "websocket threads",
                f"{interface.sockets} WebSockets have a thread each: further ones get 503 "
                "(--websocket-threads)",
            )
            self.answer(503, TRY_AGAIN, b"no thread is left for a WebSocket\n")
            return
        interface.sockets += 1
        self.submit()

    def tick(self) -> None:
        """Do nothing: there is no body to wait for."""

    def is_congested(self) -> bool:
        carrier = self.session.carrier
        return carrier.congested if carrier is not None else ThreadedExchange.is_congested(self)

    def carry_out(self, operation: tuple[Any, ...]) -> None:
        kind = operation[0]
        if kind >= ACCEPT:
            if self.state == COMPLETE and self.error is None:
                self.come_too_late()
            if not self.disconnected and self.error is None:
                self.carry_out_websocket(operation)
            elif kind == TUNNEL:
                self.lead_nowhere(operation[1])
            return
        if kind == RETURNED:
            self.interface.sockets -= 1
            if self.state == SWITCHED:
                self.interface.switched -= 1
        ThreadedExchange.carry_out(self, operation)
        if kind == RETURNED and self.finish_tunnel is not None:
            self.finish_tunnel()

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
            self.switch(session, operation[1], operation[2])
            self.interface.switched += 1
            self.wake_thread()
        else:
            try:
                self.switch_to_tunnel(operation[1])
            except ResponseError:
                self.lead_nowhere(operation[1])
                raise
            self.interface.switched += 1

    def switch_to_tunnel(self, sock: socket.socket) -> None:
        """Give the client's bytes to a socket."""
        before = self.commit(SWITCH)
        try:
            self.finish_tunnel = self.carrier.tunnel(self, sock)
        except BaseException:
            self.take_back(before)
            raise

    def lead_nowhere(self, sock: socket.socket) -> None:
        """Let the application read the end of its socket, because there is no client; but only
        after its answer to the handshake, which engines expect to succeed."""
        loop = self.interface.loop
        end = partial(end_reading, loop, sock)
        sock.shutdown(socket.SHUT_WR)
        loop.add_reader(sock, end)
        self.finish_tunnel = end

    def come_too_late(self) -> None:
        """Refuse to use the WebSocket after the application has answered the handshake: the
        carrier may carry another exchange by now."""
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
        """Close, because the protocol does not allow what the application sent."""
        session = self.session
        if session.carrier is None:
            ThreadedExchange.refuse(self, error)
            return
        self.error = error
        self.wake_thread()
        try:
            self.log("sent what a WebSocket does not allow", error)
        finally:
            session.close(INTERNAL_ERROR, "")

    def report_failure(self, error: Exception) -> None:
        session = self.session
        if session.carrier is None:
            ThreadedExchange.report_failure(self, error)
            return
        self.error = ResponseError("the WebSocket was broken off")
        self.wake_thread()
        try:
            self.log("could not be answered", error)
        finally:
            session.close(INTERNAL_ERROR, "")

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

    def complete(self) -> None:
        if not self.taken:
            ThreadedExchange.complete(self)

    def fail(self, error: BaseException) -> None:
        """Log what the application raised; answer 500 to the handshake, or close with 1011."""
        if not self.taken:
            ThreadedExchange.fail(self, error)
        elif not self.is_leaving(error):
            self.log("raised", error)
            self.put_operation((CLOSE, INTERNAL_ERROR, ""))

    def is_leaving(self, error: BaseException) -> bool:
        """Return whether an exception is the usual end of an application whose WebSocket is
        closed.

        Applications that took the socket have nothing to return to the server, and no status.
        They leave Werkzeug by ConnectionError, which it swallows (engineio does so), and Gunicorn
        by StopIteration. Both have no arguments; an error of the operating system has its number.
        """
        if self.tunnelled and type(error) in (ConnectionError, StopIteration) and not error.args:
            return True
        if not self.disconnected:
            return False
        if self.tunnelled and isinstance(error, ConnectionError):
            return True
        return isinstance(error, ClientDisconnected | StopIteration)

    def post_return(self) -> None:
        if self.taken:
            self.put_operation((CLOSE, NORMAL_CLOSURE, ""))
        ThreadedExchange.post_return(self)

    def accept(self, subprotocol: str | None, fields: list[tuple[bytes, bytes]]) -> None:
        """Accept the handshake, and wait until that is done. Raises the error of doing it."""
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
        """Take the client's bytes as they are. Returns the application's end."""
        if self.taken:
            raise ResponseError("this WebSocket was accepted before: its socket is in use")
        self.taken = self.tunnelled = True
        theirs, ours = socket.socketpair()
        ours.setblocking(False)
        self.put_operation((TUNNEL, ours))
        return theirs

    def next_message(self, timeout: float | None) -> WebSocketMessage | None:
        """Wait for the next message, and return it; None when there will be none. Raises
        TimeoutError."""
        session = self.session
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            session.owed = True
            try:
                message: WebSocketMessage = session.messages.popleft()
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
                    # Both came since the check above.
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

    def send_message(self, kind: int, message: WebSocketMessage) -> None:
        """Send, and wait while too many bytes are queued. Raises WebSocketClosed."""
        self.check_open()
        self.queued += len(message)
        self.put_operation((kind, message))
        self.wait_for_client()

    def wait_for_client(self) -> None:
        """Wait as in the base class, but in any thread."""
        if self.is_behind():
            self.wait_while(self.is_behind)
        if self.error is not None:
            raise self.error

    def is_behind(self) -> bool:
        """Return whether the client has much to read, and may still read it."""
        return self.queued - self.written >= CROWDED_HIGH_WATER and self.is_open()

    def is_open(self) -> bool:
        """Return whether no side has closed, and the application has made no mistake."""
        return not self.disconnected and self.error is None

    def wait_while(self, condition: Callable[[], bool]) -> None:
        """Wait while a condition holds that the loop changes."""
        waiter = threading.Event()
        self.waiters.append(waiter)
        try:
            while condition():
                waiter.clear()
                if condition():
                    waiter.wait()
        finally:
            self.waiters.remove(waiter)

    def close_socket(self, code: int, reason: str) -> None:
        """Close, and wait until that is done, so that it is closed for the application as well."""
        if self.is_open():
            self.put_operation((CLOSE, code, reason))
            self.wait_while(self.is_open)

    def subprotocols(self) -> list[str]:
        """Return the subprotocols that the client offers, in its order."""
        offer = self.request.websocket
        return list(offer.subprotocols) if offer is not None else []

    def check_open(self) -> None:
        """Raise WebSocketClosed, or the error of what the application did wrong before."""
        if self.error is not None:
            raise self.error
        if self.disconnected:
            raise closed_error(self.session.code, self.session.reason)


class PairedSocket:
    """The value of "werkzeug.socket", in place of the client's socket.

    The pair is made when it is first used: until then the application may use the WebSocket object
    instead.
    """

    def __init__(self, call: WebSocketCall) -> None:
        self._call = call
        self._socket: socket.socket | None = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            # The caller inspects the object, and does not use the socket.
            raise AttributeError(name)
        if self._socket is None:
            self._socket = self._call.open_tunnel()
        return getattr(self._socket, name)

    def __del__(self) -> None:
        # Other servers close the client's socket themselves, so not all applications do.
        if self._socket is not None:
            self._socket.close()


def end_reading(loop: AbstractEventLoop, sock: socket.socket) -> None:
    """Close a socket that the loop watches; do nothing the second time."""
    if sock.fileno() >= 0:
        loop.remove_reader(sock)
        sock.close()
