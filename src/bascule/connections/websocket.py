"""One WebSocket connection: a transport's callbacks, the engine, one session, and deadlines.

    data_received -> engine -> pump: messages -> session -> application
    application -> session -> send_text, close, ... -> engine -> transport.write

An HTTP/1.1 connection that was upgraded gives its transport over to one of these; of an HTTP/2
connection it gets a stream that looks like a transport.

    phase        meaning                                            ends with
    OPEN         messages go both ways                              the pings, the write deadline
    CLOSE_SENT   our Close frame is out, the client's is awaited    the closing deadline

A connection takes at most `EVENTS_A_TURN` events in one turn of the loop. Events that are left
over have their turn when every other connection has had one (`go_on`), so that floods of pings
and of tiny messages do not delay other connections. Reading pauses while more than `READ_AHEAD` is
left over.
"""

from typing import Any

from bascule.connections.hub import Hub
from bascule.connections.transport import CLOSING, OPEN, READ_AHEAD, ManagedTransport
from bascule.connections.transport_info import printable_peer
from bascule.errors import ResponseError
from bascule.interfaces.session import INTERNAL_ERROR, WebSocketCarrier, WebSocketSession
from bascule.protocols.events import Failed, PeerClosed, Ping, Pong
from bascule.protocols.websocket.engine import WebSocketEngine
from bascule.protocols.websocket.handshake import Offer, negotiate, response_fields

# The second phase of a connection that is open; the further ones are every connection's
# (`transport`).
CLOSE_SENT = 1

# Events that are taken in one turn of the loop, each of which may be answered in place, and frames
# that are read for them. Beside twenty hostile connections, all others must still get a turn
# every 50 ms.
EVENTS_A_TURN = 8
FRAMES_A_TURN = 64
# The same when the client closes a TLS connection without a Close frame: there is no next turn.
EVENTS_AT_THE_END = 1024

PING = b"bascule"
MESSAGE = (str, bytes)


class WebSocketConnection(WebSocketCarrier):
    """The asyncio protocol of a connection that was upgraded, and the carrier of its session."""

    __slots__ = (
        "engine",
        "failed",
        "heard",
        "hub",
        "left",
        "pinged",
        "pong_due",
        "pumping",
        "session",
        "transport",
    )

    def __init__(
        self, transport: ManagedTransport, engine: WebSocketEngine, session: WebSocketSession
    ) -> None:
        self.hub = hub = transport.hub
        self.transport = transport
        # Those of a stream of HTTP/2 count as the connection's, and none are a response.
        transport.counts = False
        self.engine = engine
        self.session = session
        self.congested = False
        self.pumping = False
        # Not renewed for each read: a turn of the loop brings many, under TLS one for each record.
        self.begin_turn(EVENTS_A_TURN)
        self.failed = False
        self.pinged = False
        self.pong_due: bytes | None = None
        self.heard = hub.now

    def begin(self, rest: bytes, eof: bool) -> None:
        """Take over. `rest` is what the client sent behind its handshake, which RFC 6455 section
        4.1 forbids it to do before the answer, but clients that guess the answer do."""
        self.session.carrier = self
        self.hub.websockets += 1
        if rest:
            self.engine.receive_data(rest)
        if eof:
            self.engine.receive_eof()
        if rest or eof:
            # Not here: this is inside the application's call.
            self.hub.loop.call_soon(self.pump)
        if self.hub.draining:
            self.hub.loop.call_soon(self.drain)

    # Callbacks of the transport.

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        transport = self.transport
        if transport.phase >= CLOSING:
            transport.receive_late()
            return
        self.heard = self.hub.now
        self.engine.receive_data(data)
        if not transport.turn_due:
            self.pump_in_place()
        if self.engine.buffered > READ_AHEAD:
            self.regulate_reading()

    def pump_in_place(self) -> None:
        """Have a turn in a callback of the loop: a task that it wakes may continue at once."""
        session = self.session
        session.in_place = True
        self.pump()
        session.in_place = False

    def eof_received(self) -> bool:
        """The client has closed its sending side. A WebSocket has no half-close: the transport
        closes, without TLS when what came before has had its turn."""
        transport = self.transport
        self.engine.receive_eof()
        if transport.phase >= CLOSING:
            return False
        encrypted = transport.endpoint.tls is not None
        if encrypted:
            self.begin_turn(EVENTS_AT_THE_END)
        if encrypted or not transport.turn_due:
            self.pump()
        return transport.turn_due and not encrypted

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone, from whichever side."""
        self.transport.lose()
        self.hub.websockets -= 1
        self.hub.closed(self)
        self.session.lose()

    def pause_writing(self) -> None:
        """More is written than the client reads."""
        self.congested = True

    def resume_writing(self) -> None:
        """The client has caught up."""
        self.congested = False
        if self.pong_due is not None:
            payload, self.pong_due = self.pong_due, None
            self.answer_ping(payload)
        self.session.resume_writing()

    # Events of the engine.

    def pump(self) -> None:
        """Take the events there are, as many as are left of this turn, until the session has
        enough."""
        if self.pumping:
            return
        self.pumping = True
        engine, transport = self.engine, self.transport
        engine.cut_short = False
        try:
            while transport.phase < CLOSING and not self.has_enough():
                event = engine.next_event() if self.left else None
                if event is None:
                    break
                self.left -= 1
                if isinstance(event, MESSAGE):
                    # After our Close frame messages have no reader any more.
                    if transport.phase == OPEN:
                        self.session.receive_message(event)
                else:
                    self.take(event)
        finally:
            self.pumping = False
        if self.left == 0 or engine.cut_short:
            transport.take_turn_soon(self.go_on)
        if transport.reading_paused:
            self.regulate_reading()

    def has_enough(self) -> bool:
        """Whether the session takes no more messages for now."""
        return self.session.held and self.transport.phase == OPEN

    def go_on(self) -> None:
        """The turn of what was left over has come."""
        self.transport.begin_turn()
        if self.transport.phase < CLOSING:
            self.begin_turn(EVENTS_A_TURN)
            self.pump_in_place()

    def begin_turn(self, events: int) -> None:
        self.left = events
        self.engine.turn = max(events, FRAMES_A_TURN)

    def take(self, event: Any) -> None:
        """Every event but a message."""
        kind = type(event)
        if kind is Ping:
            self.answer_ping(event.payload)
        elif kind is PeerClosed:
            if self.transport.phase == CLOSE_SENT:
                self.transport.close()
            else:
                self.end(event.code, event.reason, True)
        elif kind is Failed:
            peer = printable_peer(self.transport.endpoint)
            self.hub.warn("websocket", f"{peer}: WebSocket failed: {event.code} {event.reason}")
            self.failed = True
            if self.transport.phase == CLOSE_SENT:
                self.linger()
            else:
                self.end(event.code, event.reason, False)
        elif kind is not Pong:
            # Lost: the client is gone without a Close frame.
            self.transport.close()

    def end(self, code: int, reason: str, echo: bool) -> None:
        """An end that the client has brought about; it may have to wait for the application."""
        self.transport.deadline = self.hub.now + self.hub.deadlines.websocket_answer
        self.session.end(code, reason, echo)

    def answer_ping(self, payload: bytes) -> None:
        """RFC 6455 section 5.5.3: while the client reads nothing only the latest ping is kept to
        be answered, so that pings cannot fill memory."""
        if self.transport.phase != OPEN:
            return
        if self.congested:
            self.pong_due = payload
        else:
            self.write(self.engine.send_pong(payload))

    # The carrier of a session.

    def send_text(self, text: str) -> None:
        self.write(self.engine.send_text(text))

    def send_binary(self, data: bytes) -> None:
        self.write(self.engine.send_binary(data))

    def send_ping(self, payload: bytes) -> None:
        self.write(self.engine.send_ping(payload))

    def write(self, data: bytes) -> None:
        if self.transport.is_closing():
            # A connection that broke is closed a turn of the loop before it is lost; the
            # application must give way for that turn to come.
            self.congested = True
        else:
            self.transport.write(data)

    def close(self, code: int, reason: str) -> None:
        """RFC 6455 section 7.1.2: a Close frame each way, then the server closes first (7.1.1)."""
        if self.transport.phase != OPEN:
            return
        engine = self.engine
        self.write(engine.send_close(code, reason))
        transport = self.transport
        if engine.close_received:
            transport.close()
        elif self.failed:
            self.linger()
        else:
            transport.phase = CLOSE_SENT
            transport.deadline = self.hub.now + self.hub.deadlines.websocket_closing
            self.hold_reading(False)
            self.hub.loop.call_soon(self.pump)

    def hold(self) -> None:
        self.transport.pause_reading()

    def proceed(self) -> None:
        self.regulate_reading()
        if not self.transport.turn_due:
            self.pump()

    def regulate_reading(self) -> None:
        """Pause while the session has enough, or while more is left over than may wait; else read
        on."""
        waits = self.transport.turn_due and self.engine.buffered > READ_AHEAD
        self.hold_reading(waits or self.has_enough())

    def hold_reading(self, hold: bool) -> None:
        transport = self.transport
        if transport.reading_paused and not hold:
            # Nothing could be heard meanwhile.
            self.heard = self.hub.now
        transport.regulate_reading(hold)

    # The end of the connection.

    def linger(self) -> None:
        """Close, but not before the client has had time to read our Close frame."""
        self.transport.linger(False)

    def abort(self) -> None:
        """Close now; what is not written yet is lost."""
        self.transport.abort()

    def drain(self) -> None:
        """The worker stops: 1012, or the code that the application has asked for."""
        if self.transport.phase != OPEN:
            return
        session = self.session
        try:
            session.stop()
        except ResponseError:
            # The application has asked for a code that may not be on the wire.
            session.stop_code = INTERNAL_ERROR
            session.stop()

    # Deadlines.

    def tick(self, now: float) -> None:
        """Check the deadlines of the phase."""
        transport = self.transport
        if transport.phase >= CLOSING:
            transport.tick(now)
        elif transport.phase == OPEN:
            # Pings and the application's answer share the deadline.
            if self.session.pending:
                if now >= transport.deadline:
                    self.session.conclude()
            elif self.hub.ping_interval > 0.0:
                self.keep_alive(now)
            self.check_writes(now)
        elif transport.unwritten():
            # The deadline is for what the client does behind our Close frame, which has not left.
            transport.deadline = now + self.hub.deadlines.websocket_closing
            self.check_writes(now)
        elif now >= transport.deadline:
            transport.abort()

    def keep_alive(self, now: float) -> None:
        """RFC 6455 section 5.5.2: ask a silent client whether it is there. Any byte is an
        answer."""
        if self.transport.reading_paused or self.congested:
            # Nothing can be heard, or the write deadline is watching already.
            return
        silent = now - self.heard
        if silent < self.hub.ping_interval:
            self.pinged = False
        elif not self.pinged or now >= self.transport.deadline:
            seconds = self.hub.deadlines.websocket_ping_timeout
            if self.pinged and seconds:
                self.give_up(f"no answer to a ping within {seconds:g} s")
                return
            self.pinged = True
            # Proxies between drop what is idle, whether or not anybody answers.
            self.transport.deadline = now + (seconds or self.hub.ping_interval)
            self.write(self.engine.send_ping(PING))

    def check_writes(self, now: float) -> None:
        """Give up when the client has not taken a byte for the length of the write deadline."""
        if self.transport.is_write_stalled(now, self.hub.deadlines.write):
            self.give_up("nothing was read for the length of the write deadline")

    def give_up(self, reason: str) -> None:
        """The client is not there any more; the application hears why."""
        self.hub.warn("websocket lost", f"{printable_peer(self.transport.endpoint)}: {reason}")
        if not self.session.closed and not self.session.pending:
            self.session.reason = reason
        self.abort()


def negotiated(
    hub: Hub,
    offer: Offer,
    subprotocol: str | None,
    fields: list[tuple[bytes, bytes]],
) -> tuple[WebSocketEngine, list[tuple[bytes, bytes]]]:
    """The engine of a WebSocket whose handshake the application accepts, and the fields of the
    answer that says so. Raises ResponseError."""
    deflate, extension = negotiate(offer, hub.compress)
    answer = response_fields(offer, subprotocol, extension, fields)
    return WebSocketEngine(hub.websocket_limits, deflate), answer
