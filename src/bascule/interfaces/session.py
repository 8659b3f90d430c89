"""WebSocketSession and WebSocketCarrier: where a WebSocket's connection and an application meet.

    WebSocketCarrier   carries one WebSocket: a connection that was upgraded (RFC 6455), or one
                       stream of a multiplexed one (RFC 8441)
    WebSocketSession   the messages that wait to be read, and how the WebSocket ends
    Exchange           the call of the application, which began as the handshake's exchange

The carrier calls the session when the client does something: `receive_message`, `end`, `lose`,
`resume_writing`. The call takes messages with `take`, and calls the session when the application
does something: `send_text`, `send_binary`, `close`, ... Every method runs on the loop's thread;
wsgi/websocket.py reads some of the attributes in a thread.

Order is the rule here. The application can read, and answer, the messages that the client sent
before its Close frame, or before it broke the protocol, before the server's Close frame leaves: an
end that comes behind unread messages waits until the application asks for the next message
(`owed`), and for a moment at most (the deadline `websocket_answer`), which the carrier watches. An
application that waits for a message, or that never reads, delays nothing.
"""

from collections import deque

from bascule.interfaces.exchange import Exchange

WebSocketMessage = str | bytes

# Bytes of unread messages beyond which the carrier stops reading, whatever their number: as many
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
    """The connection's side of the contract.

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
        """Stop reading from the client until `proceed`: enough messages are waiting."""
        raise NotImplementedError

    def proceed(self) -> None:
        """Continue to read: the messages that were waiting have been read."""
        raise NotImplementedError


class WebSocketSession:
    """One WebSocket from its acceptance to its end.

    call: the application's call, which is woken when anything happens here.
    carrier: set when the handshake is accepted.
    most_messages: how many messages may wait unread.
    messages: the messages that wait.
    received, consumed: the sizes of all messages added up (bytes, or characters of text). The loop
        writes the first, the reader, who may be in a thread, the second.
    held: the carrier has been asked to stop reading.
    owed: the application has taken a message and not asked for the next, so it may still want to
        answer. Written by the reader.
    pending: an end from the client waits behind unread messages.
    echo: the client has sent a Close frame, and gets its code back.
    closed: the WebSocket is closed for the application, which receives `code` and `reason` after
        the messages that wait.
    stop_code: the code of the Close frame when the server stops.
    in_place: no task is running, so a waiting task may be resumed in place. Set by the carrier.
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
        """Take a whole message; ask the carrier to stop reading when enough is waiting."""
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
        """End the WebSocket, because the client has sent a Close frame (`echo`: it gets its code
        back) or has broken the protocol (it gets the reason). Waits behind unread messages."""
        self.code = code
        self.reason = reason
        self.echo = echo
        self.pending = True
        if not self.messages and not self.owed:
            # First, because the messages sent before the application asked for more are in time.
            self.call.catch_up()
            self.conclude()

    def conclude(self) -> None:
        """Answer the client's end now: no answer is owed any more, or for too long."""
        if self.pending and not self.closed and self.carrier is not None:
            self.carrier.close(self.code, "" if self.echo else self.reason)
            self.note_closed()

    def lose(self) -> None:
        """Note that the connection is gone. The messages that wait can still be read."""
        if not self.closed:
            self.note_closed()

    def stop(self) -> None:
        """Close, because the server stops."""
        self.call.catch_up()
        self.close(self.stop_code, "")

    def resume_writing(self) -> None:
        """Let the call write on: the carrier is no longer congested."""
        self.call.resume_writing()

    def note_closed(self) -> None:
        """Note that the WebSocket is closed, and wake the call."""
        self.closed = True
        self.call.disconnect()

    # From the call.

    def take(self) -> WebSocketMessage | None:
        """Return the next message, or None where there is none yet, or none any more
        (`closed`)."""
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
        """Let the carrier continue to read: the messages that were waiting have been read."""
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
        """Close from this side; where the client has ended the WebSocket already, answer that now.
        Raises ResponseError for a code or reason that may not be on the wire."""
        if self.pending:
            self.conclude()
        elif self.carrier is not None and not self.closed:
            self.carrier.close(code, reason)
            self.code = code
            self.reason = reason
            self.note_closed()
