"""WebSocketSession and WebSocketCarrier: where a WebSocket's connection and an application meet.

    WebSocketCarrier   what carries one WebSocket: a connection that was upgraded (RFC 6455), or
                       one stream of a multiplexed one (RFC 8441)
    WebSocketSession   the messages that wait to be read, and how the WebSocket ends
    Exchange           the call of the application, which began as the handshake's exchange

The carrier tells the session what the client does: `receive_message`, `end`, `lose`,
`resume_writing`. The call asks it for messages with `take`, and tells the carrier what the
application does: `send_text`, `send_binary`, `close`, ... Every method runs on the loop's thread,
but for what `wsgi_websocket` says of its own.

Order is the rule here. What the client sent before its Close frame, or before it broke the
protocol, is read and can be answered before the answer to that leaves: an end that comes behind
unread messages waits for the application to come back for more (`owed`), and for a moment at most
(the deadline `websocket_answer`), which the carrier watches. An application that waits for a
message, or that never reads, holds nothing up.
"""

from collections import deque

from bascule.interfaces.exchange import Exchange

WebSocketMessage = str | bytes

# Octets of unread messages beyond which the carrier stops reading, whatever their number: as much
# as of a request's body.
MESSAGES_HIGH_WATER = 131072

# RFC 6455 section 7.4.1.
NORMAL_CLOSURE = 1000
NO_STATUS = 1005
ABNORMAL_CLOSURE = 1006
INTERNAL_ERROR = 1011
# Registered since: "service restart"; clients should come back, after a moment.
SERVICE_RESTART = 1012


class WebSocketCarrier:
    """The connection's half of the contract.

    congested: the client reads slower than the application writes; the call should wait for
    `resume_writing` before it sends more.
    """

    __slots__ = ("congested",)

    congested: bool

    def send_text(self, text: str) -> None:
        """Send a text message. Raises ResponseError."""
        raise NotImplementedError

    def send_binary(self, data: bytes) -> None:
        """Send a binary message. Raises ResponseError."""
        raise NotImplementedError

    def send_ping(self, payload: bytes) -> None:
        """Send a ping. Raises ResponseError."""
        raise NotImplementedError

    def close(self, code: int, reason: str) -> None:
        """Send a Close frame, and end the connection when the client has answered it, or has not
        for too long. Raises ResponseError."""
        raise NotImplementedError

    def hold(self) -> None:
        """Enough messages are waiting: stop reading from the client until `proceed`."""
        raise NotImplementedError

    def proceed(self) -> None:
        """Messages were read: go on reading."""
        raise NotImplementedError


class WebSocketSession:
    """One WebSocket from its acceptance to its end.

    call: the application's call, which is woken when anything happens here. carrier: set when the
    handshake is accepted. most_messages: how many may wait unread.
    messages: those that wait. received, consumed: their sizes added up (octets, or characters of
    text), the one written by the loop, the other by the reader, who may be in a thread.
    owed: the application has taken a message and not come back for the next, so it may still want
    to answer. Written by the reader.
    pending: an end from the client that waits for its turn. closed: it is over for the application,
    which is to hear `code` and `reason` when it has read what waits.
    stop_code: the code of the Close frame when the server stops.
    in_place: no task is running, so one that is woken may go on at once. Set by the carrier.
    """

    __slots__ = (
        "call",
        "carrier",
        "closed",
        "code",
        "consumed",
        "echo",
        "held",
        "in_place",
        "messages",
        "most_messages",
        "owed",
        "pending",
        "reason",
        "received",
        "stop_code",
    )

    def __init__(self, call: Exchange, most_messages: int) -> None:
        self.call = call
        self.carrier: WebSocketCarrier | None = None
        self.most_messages = most_messages
        self.messages: deque[WebSocketMessage] = deque()
        self.received = 0
        self.consumed = 0
        self.held = False
        self.owed = False
        self.pending = False
        self.echo = False
        self.closed = False
        self.code = ABNORMAL_CLOSURE
        self.reason = ""
        self.stop_code = SERVICE_RESTART
        self.in_place = False

    # From the carrier.

    def receive_message(self, message: WebSocketMessage) -> None:
        """A whole message; asks the carrier to stop reading when enough is waiting."""
        self.messages.append(message)
        self.received += len(message)
        if not self.held and (
            len(self.messages) >= self.most_messages
            or self.received - self.consumed >= MESSAGES_HIGH_WATER
        ):
            self.held = True
            if self.carrier is not None:
                self.carrier.hold()
        self.call.wake_reader()

    def end(self, code: int, reason: str, echo: bool) -> None:
        """The client has sent a Close frame (`echo`: it gets its code back) or has broken the
        protocol (it is told why). Waits for its turn behind what came before."""
        self.code = code
        self.reason = reason
        self.echo = echo
        self.pending = True
        if not self.messages and not self.owed:
            # Looked at first: what was sent before the application came back is in time.
            self.call.catch_up()
            self.conclude()

    def conclude(self) -> None:
        """Answer the client's end now: nothing is owed any more, or for too long."""
        if self.pending and not self.closed and self.carrier is not None:
            self.carrier.close(self.code, "" if self.echo else self.reason)
            self.note_closed()

    def lose(self) -> None:
        """The connection is gone. What waits can still be read."""
        if not self.closed:
            self.note_closed()

    def stop(self) -> None:
        """The server stops."""
        self.call.catch_up()
        self.close(self.stop_code, "")

    def resume_writing(self) -> None:
        """The carrier is no longer congested."""
        self.call.resume_writing()

    def note_closed(self) -> None:
        """It is over for the application, too."""
        self.closed = True
        self.call.disconnect()

    # From the call.

    def take(self) -> WebSocketMessage | None:
        """The next message, or None where there is none yet, or none any more (`closed`)."""
        if self.messages:
            self.owed = True
            message = self.messages.popleft()
            self.consumed += len(message)
            if self.held and not self.messages:
                self.proceed()
            return message
        self.owed = False
        if self.pending:
            self.conclude()
        return None

    def proceed(self) -> None:
        """The application has read what waited: let the carrier read on."""
        if self.held:
            self.held = False
            if self.carrier is not None and not self.closed:
                self.carrier.proceed()

    def send_text(self, text: str) -> None:
        """Send a text message. Raises ResponseError."""
        if self.carrier is not None:
            self.carrier.send_text(text)

    def send_binary(self, data: bytes) -> None:
        """Send a binary message. Raises ResponseError."""
        if self.carrier is not None:
            self.carrier.send_binary(data)

    def send_ping(self, payload: bytes) -> None:
        """Send a ping. Raises ResponseError."""
        if self.carrier is not None:
            self.carrier.send_ping(payload)

    def close(self, code: int, reason: str) -> None:
        """Close from this side; where the client has ended it already, that is answered now.
        Raises ResponseError for what may not be on the wire."""
        if self.pending:
            self.conclude()
        elif self.carrier is not None and not self.closed:
            self.carrier.close(code, reason)
            self.code = code
            self.reason = reason
            self.note_closed()
