# cython: binding=True
"""ASGI WebSockets (ASGI 3.0, WebSocket specification 2.5): one WebSocket, one call.

    state of the response   meaning                                    messages that are in order
    IDLE                    the handshake is not answered              accept, close,
                                                                       http.response.start
    HEAD_KEPT               http.response.start was received           http.response.body
    SENDING                 the head of the denial response has left   http.response.body
    SWITCHED                accepted                                   send, close
    COMPLETE                closed by the application, or denied       none

A client that disconnects cancels nothing: `receive` returns websocket.disconnect with the code and
the reason, `send` raises OSError. Messages that the client sent before are received first.
"""

from bascule.errors import ResponseError
from bascule.interfaces.answers import PLAIN_TEXT
from bascule.interfaces.asgi.awaitables import (
    READY,
    DrainAwaitable,
    ReadyAwaitable,
    ReceiveAwaitable,
)
from bascule.interfaces.asgi.call import (
    WEBSOCKET_SPEC_VERSION,
    AsgiCall,
    AsgiCaller,
    checked_body,
    mark_async,
)
from bascule.interfaces.exchange import Carrier
from bascule.interfaces.response_states import (
    BODY,
    BROKEN,
    CLOSE,
    COMPLETE,
    END,
    HEAD,
    HEAD_KEPT,
    IDLE,
    SENDING,
    SWITCH,
    SWITCHED,
)
from bascule.interfaces.session import INTERNAL_ERROR, NORMAL_CLOSURE, WebSocketSession
from bascule.protocols.events import Request
from bascule.types import Message, Scope

# Where a message is not expected, by state.
EXPECTED = {
    IDLE: "before the handshake was accepted",
    HEAD_KEPT: "between websocket.http.response.start and its body",
    SENDING: "in the middle of the body of a denial",
    SWITCHED: "in an accepted WebSocket",
    COMPLETE: "after the WebSocket was closed",
    BROKEN: "after the WebSocket was closed",
}

# Stands in for the HTTP connection once that is a WebSocket, so that it is not kept alive.
NO_CARRIER = Carrier()


class AsgiWebSocket(AsgiCall):
    """One WebSocket of an ASGI application, from its handshake on."""

    __slots__ = ("connect_told", "fields", "session", "status")

    def __init__(
        self, interface: AsgiCaller, request: Request, carrier: Carrier, most_messages: int
    ) -> None:
        self.interface = interface
        self.request = request
        self.carrier = carrier
        self.body = []
        self.body_size = 0
        self.body_ended = True
        self.trailers = []
        self.disconnected = False
        self.finished_sending = False
        self.held = False
        self.arrived_at = 0.0
        self.waited = 0.0
        self.waiters = []
        self.task = None
        self.session = WebSocketSession(self, most_messages)
        self.state = IDLE
        self.connect_told = False
        self.status = 0
        self.fields: list[tuple[bytes, bytes]] = []

    def scope(self) -> Scope:
        """Return the WebSocket connection scope (ASGI WebSocket specification 2.5)."""
        endpoint = self.ends()
        interface = self.interface
        extensions = interface.offer(interface.websocket_extensions)
        scope = interface.scope(interface.websocket_scope, self.request, endpoint, extensions)
        scope["asgi"]["spec_version"] = WEBSOCKET_SPEC_VERSION
        scope["scheme"] = "wss" if endpoint.scheme == "https" else "ws"
        offer = self.request.websocket
        scope["subprotocols"] = list(offer.subprotocols) if offer is not None else []
        return scope

    def judge_return(self) -> None:
        """Close a WebSocket that is open, and see that the handshake was answered."""
        state = self.state
        if state == SWITCHED:
            self.session.close(NORMAL_CLOSURE, "")
        elif state == SENDING:
            self.break_off()
        elif state >= COMPLETE or self.disconnected:
            return
        elif self.finished_sending:
            # `receive` has said that the client is gone.
            self.break_off()
        else:
            self.fail("returned without answering the WebSocket handshake", None)

    def fail(self, what: str, error: BaseException | None) -> None:
        """Log that the application will not continue, and end the handshake or the WebSocket."""
        try:
            if error is not None or not self.disconnected:
                self.log_failure(what, error)
        finally:
            if not self.disconnected:
                if self.state == SWITCHED:
                    self.session.close(INTERNAL_ERROR, "")
                else:
                    self.give_up()

    def whereabouts(self) -> str:
        return "WebSocket open" if self.carrier is NO_CARRIER else AsgiCall.whereabouts(self)

    def note_return(self) -> None:
        """The application runs no more."""
        if self.carrier is NO_CARRIER:
            self.interface.switched -= 1
        AsgiCall.note_return(self)

    # From the application.

    def receive(self) -> ReceiveAwaitable:
        """ASGI `receive`."""
        return ReceiveAwaitable(self)

    def next_message(self) -> Message | None:
        """Return the message that `receive` returns now, or None."""
        if not self.connect_told:
            self.connect_told = True
            return {"type": "websocket.connect"}
        session = self.session
        message = session.take()
        if message is not None:
            if type(message) is str:
                return {"type": "websocket.receive", "text": message}
            return {"type": "websocket.receive", "bytes": message}
        if self.finished_sending or self.state >= COMPLETE:
            return {
                "type": "websocket.disconnect",
                "code": session.code,
                "reason": session.reason,
            }
        return None

    def send(self, message: Message) -> ReadyAwaitable | DrainAwaitable:
        """ASGI `send`. Raises ClientDisconnected, ResponseError or RuntimeError at the call."""
        kind = message["type"]
        if self.disconnected and self.state < COMPLETE:
            self.check_connected()
        if kind == "websocket.send" and self.state == SWITCHED:
            self.send_message(message)
        else:
            self.send_other(kind, message)
        if self.is_congested():
            return DrainAwaitable(self)
        return READY

    def send_message(self, message: Message) -> None:
        """Handle websocket.send."""
        session = self.session
        data = message.get("bytes")
        if data is not None:
            session.send_binary(data if type(data) is bytes else checked_body(data))
            return
        text = message.get("text")
        session.send_text(text if type(text) is str else checked_text(text, "text"))

    def send_other(self, kind: str, message: Message) -> None:
        """Handle all messages but websocket.send."""
        if kind == "websocket.accept" and self.allows(SWITCH):
            self.accept(message)
        elif kind == "websocket.close" and self.allows(CLOSE):
            self.close(message)
        elif kind == "websocket.close" and self.state == IDLE:
            self.answer(403, PLAIN_TEXT, b"the WebSocket was refused\n")
            self.wake_reader()
        elif kind == "websocket.http.response.start" and self.allows(HEAD):
            self.status = message["status"]
            self.fields = list(message.get("headers", ()))
            self.commit(HEAD)
        elif kind == "websocket.http.response.body" and self.allows(BODY):
            self.send_denial(message)
        else:
            raise RuntimeError(f"{kind!r} is not expected {EXPECTED[self.state]}")

    def accept(self, message: Message) -> None:
        """Handle websocket.accept. With `bascule.stop_code` the client gets that code, such as
        1001, instead of 1012 when the server stops."""
        session = self.session
        session.stop_code = checked_code(
            message.get("bascule.stop_code", session.stop_code), "bascule.stop_code"
        )
        subprotocol = message.get("subprotocol")
        if subprotocol is not None:
            subprotocol = checked_text(subprotocol, "subprotocol")
        self.switch(session, subprotocol, list(message.get("headers", ())))
        self.carrier = NO_CARRIER
        self.interface.switched += 1

    def send_denial(self, message: Message) -> None:
        """Handle websocket.http.response.body (the extension websocket.http.response)."""
        body = checked_body(message.get("body", b""))
        step = BODY if message.get("more_body", False) else END
        if self.state == HEAD_KEPT:
            self.respond(step, self.status, self.fields, body)
        else:
            self.send_piece(step, body)
        if step == END:
            self.wake_reader()

    def close(self, message: Message) -> None:
        """Handle websocket.close."""
        code = checked_code(message.get("code", NORMAL_CLOSURE), "code")
        reason = checked_text(message.get("reason") or "", "reason")
        before = self.commit(CLOSE)
        try:
            self.session.close(code, reason)
        except BaseException:
            self.take_back(before)
            raise

    # From the session.

    def wake_reader(self) -> None:
        """Resume the tasks that wait for a message; in place where the session allows it."""
        session = self.session
        if not session.in_place:
            AsgiCall.wake_reader(self)
            return
        waiters = self.waiters
        if waiters:
            self.waiters = []
            # The tasks may wake others, and those must not be resumed inside of a task.
            session.in_place = False
            for wakeup in waiters:
                wakeup.wake_now()
            session.in_place = True

    # For the awaitables.

    def is_congested(self) -> bool:
        state = self.state
        if self.disconnected or state >= COMPLETE:
            return False
        carrier = self.session.carrier
        if carrier is not None:
            return carrier.congested
        return state == SENDING and self.carrier.congested


mark_async(AsgiWebSocket.receive)
mark_async(AsgiWebSocket.send)


def checked_text(text: object, name: str) -> str:
    """Return text as str. An instance of a subclass, such as a template's, is copied, because
    compiled code accepts no subclass. Raises ResponseError for all other types."""
    if isinstance(text, str):
        return str.__str__(text)
    raise ResponseError(f"{name} is {type(text).__name__}, not str")


def checked_code(code: object, name: str) -> int:
    """Return a close code; the engine checks whether it is allowed on the wire."""
    if isinstance(code, int):
        return code
    raise ResponseError(f"{name} is {type(code).__name__}, not int")
