# cython: binding=True
"""ASGI WebSockets (ASGI 3.0, WebSocket specification 2.5): one WebSocket, one call.

    state         meaning                                      messages that are in order
    CONNECTING    the handshake is not answered                accept, close, http.response.start
    DENIAL_KEPT   http.response.start was received             http.response.body
    DENYING       the denial's head is out, its body is not    http.response.body
    OPEN          accepted                                     send, close
    CLOSED        closed by the application, or denied         none

A client that goes away cancels nothing: `receive` says websocket.disconnect with the code and the
reason, `send` raises OSError. What the client sent before that is received first.
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
from bascule.interfaces.session import INTERNAL_ERROR, NORMAL_CLOSURE, WebSocketSession
from bascule.protocols.events import Request
from bascule.types import Message, Scope

CONNECTING = 0
DENIAL_KEPT = 1
DENYING = 2
OPEN = 3
CLOSED = 4

EXPECTED = (
    "before the handshake was accepted",
    "between websocket.http.response.start and its body",
    "in the middle of the body of a denial",
    "in an accepted WebSocket",
    "after the WebSocket was closed",
)

# Stands for the HTTP connection once that is a WebSocket: nothing of it need be kept.
SWITCHED = Carrier()


class AsgiWebSocket(AsgiCall):
    """One WebSocket of an ASGI application, from its handshake on."""

    __slots__ = ("connect_told", "fields", "session", "state", "status")

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
        self.state = CONNECTING
        self.connect_told = False
        self.status = 0
        self.fields: list[tuple[bytes, bytes]] = []

    def scope(self) -> Scope:
        """The WebSocket connection scope (ASGI WebSocket specification 2.5)."""
        endpoint = self.ends()
        interface = self.interface
        extensions = interface.offer(interface.websocket_extensions)
        scope = interface.scope("websocket", self.request, endpoint, extensions)
        scope["asgi"]["spec_version"] = WEBSOCKET_SPEC_VERSION
        scope["scheme"] = "wss" if endpoint.scheme == "https" else "ws"
        offer = self.request.websocket
        scope["subprotocols"] = list(offer.subprotocols) if offer is not None else []
        return scope

    def judge_return(self) -> None:
        """The application returned: an open WebSocket is closed, an unanswered one answered."""
        state = self.state
        if state == OPEN:
            self.session.close(NORMAL_CLOSURE, "")
        elif state == DENYING:
            self.break_off()
        elif state == CLOSED or self.disconnected:
            return
        elif self.finished_sending:
            # It was told that the client is gone.
            self.break_off()
        else:
            self.fail("returned without answering the WebSocket handshake", None)

    def fail(self, what: str, error: BaseException | None) -> None:
        """The application will not go on: 500 if the handshake is unanswered, else 1011."""
        if error is not None or not self.disconnected:
            self.log_failure(what, error)
        if self.disconnected:
            return
        state = self.state
        if state == OPEN:
            self.session.close(INTERNAL_ERROR, "")
        elif state == DENYING:
            self.break_off()
        elif state != CLOSED:
            self.state = CLOSED
            self.carrier.respond(500, PLAIN_TEXT, b"Internal Server Error", True)

    def break_off(self) -> None:
        """Cut a denial off that will not be complete."""
        self.state = CLOSED
        self.carrier.abort()

    def whereabouts(self) -> str:
        return "WebSocket open" if self.carrier is SWITCHED else AsgiCall.whereabouts(self)

    def finish(self) -> None:
        """The application runs no more."""
        if self.carrier is SWITCHED:
            self.interface.switched -= 1
        AsgiCall.finish(self)

    # From the application.

    def receive(self) -> ReceiveAwaitable:
        """ASGI `receive`."""
        return ReceiveAwaitable(self)

    def next_message(self) -> Message | None:
        """What `receive` returns now, or None."""
        if not self.connect_told:
            self.connect_told = True
            return {"type": "websocket.connect"}
        session = self.session
        message = session.take()
        if message is not None:
            if type(message) is str:
                return {"type": "websocket.receive", "text": message}
            return {"type": "websocket.receive", "bytes": message}
        if self.finished_sending or self.state == CLOSED:
            return {
                "type": "websocket.disconnect",
                "code": session.code,
                "reason": session.reason,
            }
        return None

    def send(self, message: Message) -> ReadyAwaitable | DrainAwaitable:
        """ASGI `send`. Raises ClientDisconnected, ResponseError or RuntimeError at the call."""
        kind = message["type"]
        if self.disconnected and self.state != CLOSED:
            self.check_connected()
        if kind == "websocket.send" and self.state == OPEN:
            self.send_message(message)
        else:
            self.send_other(kind, message)
        if self.is_congested():
            return DrainAwaitable(self)
        return READY

    def send_message(self, message: Message) -> None:
        """websocket.send."""
        session = self.session
        data = message.get("bytes")
        if data is not None:
            session.send_binary(data if type(data) is bytes else checked_body(data))
            return
        text = message.get("text")
        session.send_text(text if type(text) is str else checked_text(text, "text"))

    def send_other(self, kind: str, message: Message) -> None:
        """Everything that is not a message to the client."""
        state = self.state
        if kind == "websocket.accept" and state == CONNECTING:
            self.accept(message)
        elif kind == "websocket.close" and state == OPEN:
            code = checked_code(message.get("code", NORMAL_CLOSURE), "code")
            self.session.close(code, checked_text(message.get("reason") or "", "reason"))
            self.state = CLOSED
        elif kind == "websocket.close" and state == CONNECTING:
            self.deny(403, PLAIN_TEXT, b"the WebSocket was refused\n", True)
        elif kind == "websocket.http.response.start" and state == CONNECTING:
            self.status = message["status"]
            self.fields = list(message.get("headers", ()))
            self.state = DENIAL_KEPT
        elif kind == "websocket.http.response.body" and DENIAL_KEPT <= state <= DENYING:
            self.send_denial(message)
        else:
            raise RuntimeError(f"{kind!r} is not expected {EXPECTED[state]}")

    def accept(self, message: Message) -> None:
        """websocket.accept. With `bascule.stop_code` the client gets that code, such as 1001,
        instead of 1012 when the server stops."""
        session = self.session
        session.stop_code = checked_code(
            message.get("bascule.stop_code", session.stop_code), "bascule.stop_code"
        )
        subprotocol = message.get("subprotocol")
        if subprotocol is not None:
            subprotocol = checked_text(subprotocol, "subprotocol")
        self.carrier.accept(session, subprotocol, list(message.get("headers", ())))
        self.state = OPEN
        self.carrier = SWITCHED
        self.interface.switched += 1

    def send_denial(self, message: Message) -> None:
        """websocket.http.response.body (the extension websocket.http.response)."""
        body = checked_body(message.get("body", b""))
        end = not message.get("more_body", False)
        if self.state == DENIAL_KEPT:
            self.deny(self.status, self.fields, body, end)
            return
        if end:
            self.state = CLOSED
        try:
            self.carrier.send(body, end)
        except BaseException:
            self.state = DENYING
            raise
        if end:
            self.wake_reader()

    def deny(self, status: int, fields: list[tuple[bytes, bytes]], body: bytes, end: bool) -> None:
        """Answer the handshake with an HTTP response. If HTTP does not allow what the application
        wants, nothing was sent and it may still answer otherwise."""
        self.state = CLOSED if end else DENYING
        try:
            self.carrier.respond(status, fields, body, end)
        except BaseException:
            self.state = CONNECTING
            raise
        if end:
            self.wake_reader()

    # From the session.

    def wake_reader(self) -> None:
        """Resume those that wait for a message; in place where the session says that may be."""
        session = self.session
        if not session.in_place:
            AsgiCall.wake_reader(self)
            return
        waiters = self.waiters
        if waiters:
            self.waiters = []
            # What they do may wake others, and that is inside a task.
            session.in_place = False
            for wakeup in waiters:
                wakeup.wake_now()
            session.in_place = True

    # For the awaitables.

    def is_congested(self) -> bool:
        state = self.state
        if self.disconnected or state == CLOSED:
            return False
        carrier = self.session.carrier
        if carrier is not None:
            return carrier.congested
        return state == DENYING and self.carrier.congested


mark_async(AsgiWebSocket.receive)
mark_async(AsgiWebSocket.send)


def checked_text(text: object, name: str) -> str:
    """Text of a subclass, such as a template's, is copied, because compiled code takes no other;
    anything else is the application's mistake."""
    if isinstance(text, str):
        return str.__str__(text)
    raise ResponseError(f"{name} is {type(text).__name__}, not str")


def checked_code(code: object, name: str) -> int:
    """A number; whether it may be on the wire is for the engine to say."""
    if isinstance(code, int):
        return code
    raise ResponseError(f"{name} is {type(code).__name__}, not int")
