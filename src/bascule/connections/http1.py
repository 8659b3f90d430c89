"""One HTTP/1.1 connection: a transport's callbacks, the engine, one exchange at a time, and
deadlines.

    data_received -> engine -> pump: events -> exchange -> application
    application -> exchange -> respond, send, ... -> engine -> transport.write

The phase of an open connection says which deadline is running; `tick` checks it.

    phase   meaning                           ends with
    FRESH   connected, nothing received yet   the head deadline
    IDLE    between requests                  the keep-alive deadline
    HEAD    part of a head is here            408 at the head deadline
    BUSY    an exchange is under way          the time for requests, the body rate, the write
                                              deadline

A connection takes at most `EVENTS_A_TURN` events in one turn of the loop. Events that are left
over have their turn when every other connection has had one (`go_on`), so that pipelined requests
and tiny chunks do not delay other connections. Reading pauses while more than `READ_AHEAD` is left
over.
"""

import socket
from collections.abc import Callable
from typing import Any

from bascule.connections.files import SMALL_FILE, FileCopy, read_small
from bascule.connections.hub import TOO_MUCH_UNSENT
from bascule.connections.request_carrier import RequestCarrier
from bascule.connections.transport import CLOSING, LINGERING, READ_AHEAD, ManagedTransport
from bascule.errors import ResponseError
from bascule.interfaces.endpoint import Endpoint
from bascule.interfaces.exchange import Exchange
from bascule.protocols.events import BodyData, BodyEnd, Refused, Request
from bascule.protocols.http1.engine import Http1Engine

# Those of a connection that is open; the further ones are every connection's (`transport`).
FRESH = 0
IDLE = 1
HEAD = 2
BUSY = 3

# Events of the engine that are taken in one turn of the loop. Each request may be a call of the
# application. Beside twenty hostile connections, all others must still get a turn every 50 ms.
EVENTS_A_TURN = 4


class Http1Connection(RequestCarrier):
    """The asyncio protocol of an HTTP/1.1 connection, and the carrier of its exchanges.

    unstarted: the exchange, while it waits for what has arrived of its body.
    left: events that may still be taken in this turn.
    held: the exchange has enough of its body.
    file: a file that is being sent.
    """

    __slots__ = (
        "engine",
        "file",
        "held",
        "left",
        "pumping",
        "transport",
        "unstarted",
    )

    def __init__(self, transport: ManagedTransport) -> None:
        super().__init__(transport.hub, transport.endpoint)
        hub = self.hub
        self.transport = transport
        self.engine = Http1Engine(
            hub.limits, hub.header_map, hub.defaults, hub.interface.websockets is not None
        )
        self.unstarted: Exchange | None = None
        self.pumping = False
        # Renewed by the next turn and not by each read: under TLS each record is one.
        self.left = EVENTS_A_TURN
        self.held = False
        self.file: FileCopy | None = None

    # Callbacks of the transport.

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        transport = self.transport
        if transport.phase >= CLOSING:
            transport.receive_late()
            return
        self.engine.receive_data(data)
        if not self.pumping and not transport.turn_due:
            self.pump()
        if self.engine.buffered() > READ_AHEAD:
            self.regulate_reading()

    def eof_received(self) -> bool:
        """The client has closed its sending side; it may still read (RFC 9112 section 9.6)."""
        transport = self.transport
        self.engine.receive_eof()
        if transport.phase == LINGERING:
            return False
        transport.finished_at = self.hub.now
        encrypted = self.endpoint.tls is not None
        if encrypted:
            # The transport closes behind this, so what is left over has its turn now or never.
            self.left = EVENTS_A_TURN
        if (
            transport.phase < CLOSING
            and not self.pumping
            and (encrypted or not transport.turn_due)
        ):
            self.pump()
        return not encrypted

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone, from whichever side."""
        self.transport.lose()
        self.hub.closed(self)
        if self.file is not None:
            self.file.cancel()
        self.unstarted = None
        self.disconnect()

    def pause_writing(self) -> None:
        """More is written than the client reads."""
        self.congested = self.transport.writing_paused = True

    def resume_writing(self) -> None:
        """The client has caught up."""
        self.transport.writing_paused = False
        if self.file is not None:
            self.file.resume()
            return
        self.congested = False
        if self.exchange is not None:
            self.exchange.resume_writing()
        else:
            # Pipelined requests had to wait.
            self.transport.take_turn_soon(self.go_on)

    # Events of the engine.

    def pump(self) -> None:
        """Take the events there are, as many as are left of this turn. An exchange starts when
        what has arrived of its body is with it, or has had this turn."""
        engine, transport = self.engine, self.transport
        left = self.left
        self.pumping = True
        try:
            while left:
                if transport.writing_paused and self.exchange is None and engine.body_ended():
                    # A client that does not read its answers gets no more of them.
                    break
                event = engine.next_event()
                if event is None:
                    if self.unstarted is None:
                        break
                    self.start_exchange()
                elif type(event) is Request:
                    left -= 1
                    if self.hub.draining:
                        engine.stop_keep_alive()
                    transport.phase = BUSY
                    self.begin(event)
                else:
                    left = 0 if engine.cut_short else left - 1
                    self.take(event)
            if left == 0:
                self.start_exchange()
        finally:
            self.pumping = False
        self.left = left
        if transport.phase < CLOSING:
            if left == 0:
                transport.take_turn_soon(self.go_on)
            elif self.exchange is None and not transport.writing_paused:
                self.rest()
            if transport.reading_paused:
                self.regulate_reading()

    def put_off(self, exchange: Exchange) -> None:
        self.unstarted = exchange

    def start_exchange(self) -> None:
        """Start the exchange that has waited for its body, if one has."""
        exchange = self.unstarted
        if exchange is not None:
            self.unstarted = None
            exchange.start()

    def go_on(self) -> None:
        """The turn of what was left over has come."""
        self.transport.begin_turn()
        self.left = EVENTS_A_TURN
        if self.transport.phase < CLOSING and not self.pumping:
            self.pump()

    def take(self, event: Any) -> None:
        """Every event but a request."""
        exchange = self.exchange
        kind = type(event)
        if kind is BodyData:
            self.body_received += len(event.data)
            if exchange is not None:
                exchange.receive_body(event.data)
        elif kind is BodyEnd:
            if exchange is not None:
                exchange.end_body(event.trailers)
        elif kind is Refused:
            self.refuse(event.status, event.reason, event.fields)
        elif exchange is not None:
            # The client stopped in the middle of a request body: there is no response to it.
            self.abort()
        elif event.clean or self.transport.finished_at:
            self.transport.close()
        else:
            self.linger()

    def rest(self) -> None:
        """Nothing is under way: set the deadline for what may come."""
        hub, transport = self.hub, self.transport
        if self.engine.in_head():
            if transport.phase != HEAD:
                if transport.phase != FRESH:
                    transport.deadline = hub.now + hub.deadlines.request_head
                transport.phase = HEAD
        elif transport.phase == BUSY or transport.phase == HEAD:
            transport.phase = IDLE
            # A client that was promised that the connection stays may be sending on it already.
            transport.deadline = hub.now + (
                hub.deadlines.last_call if hub.draining else hub.keep_alive
            )

    # The carrier of an exchange.

    def respond(
        self,
        status: int,
        fields: list[tuple[bytes, bytes]],
        body: bytes,
        end: bool,
        reason: bytes = b"",
    ) -> None:
        engine = self.engine
        data = engine.send_head(status, fields, body, end, reason)
        self.status = status
        if self.hub.access is not None and engine.has_body():
            self.bytes_sent = len(body)
        transport = self.transport
        transport.write(data)
        unsent = engine.take_unsent()
        if unsent is not None:
            transport.write(unsent)
        if end:
            self.complete()

    def send(self, data: bytes, end: bool) -> None:
        if self.file is not None:
            raise ResponseError(
                "body while a file is still being sent; await the send of the file first"
            )
        framed = self.engine.send_data(data, end)
        if framed:
            self.bytes_sent += len(data)
            if self.transport.is_closing():
                # A connection that broke is closed a turn of the loop before it is lost. Its
                # transport would count, and complain about, what is written meanwhile; and an
                # application on the loop's own thread must give way for that turn to come.
                self.congested = True
            else:
                self.transport.write(framed)
        if end:
            self.complete()

    def send_trailers(self, fields: list[tuple[bytes, bytes]]) -> None:
        self.transport.write(self.engine.send_trailers(fields))
        self.complete()

    def inform(self, status: int, fields: list[tuple[bytes, bytes]]) -> None:
        self.transport.write(self.engine.send_informational(status, fields))

    def send_file(self, file: Any, offset: int, count: int, end: bool) -> None:
        if self.file is not None:
            file.close()
            raise ResponseError(
                "a second file while the first is still being sent; await its send first"
            )
        try:
            prefix = self.engine.send_file_prefix(count, end)
        except ResponseError:
            file.close()
            raise
        if prefix is None:
            # A response that has no body.
            count = 0
        if count == 0:
            file.close()
            self.send_file_content(prefix or b"", b"", end)
            return
        if count <= SMALL_FILE:
            data = read_small(file, offset, count)
            if data is not None:
                if data:
                    self.send_file_content(prefix or b"", data, end)
                else:
                    self.abort()
                return
        self.bytes_sent += count
        if prefix:
            self.transport.write(prefix)
        self.congested = True
        self.file = FileCopy(self, self.transport, file, offset, count, end)

    def send_file_content(self, prefix: bytes, data: bytes, end: bool) -> None:
        """Send a small file in one piece."""
        self.bytes_sent += len(data)
        suffix = self.engine.send_file_suffix(len(data), end)
        self.transport.write(b"".join((prefix, data, suffix)))
        if end:
            self.complete()

    def file_sent(self, count: int, end: bool) -> None:
        """A large file is written."""
        self.file = None
        self.congested = self.transport.writing_paused
        suffix = self.engine.send_file_suffix(count, end)
        if suffix:
            self.transport.write(suffix)
        if end:
            self.complete()
        elif self.exchange is not None and not self.congested:
            self.exchange.resume_writing()

    def accept(
        self, session: Any, subprotocol: str | None, fields: list[tuple[bytes, bytes]]
    ) -> None:
        # Imported lazily: many applications have no WebSockets.
        from bascule.connections.websocket import WebSocketConnection, negotiated

        websocket, answer = negotiated(self.hub, self.offer(), subprotocol, fields)
        engine = self.engine
        head = engine.send_switching(answer)
        transport = self.release()
        connection = WebSocketConnection(transport, websocket, session)
        transport.pass_on(self, connection)
        transport.write(head)
        connection.begin(engine.take_rest(), engine.eof)

    def tunnel(self, exchange: Exchange, sock: socket.socket) -> Callable[[], None]:
        from bascule.connections.tunnel import Tunnel

        engine = self.engine
        self.offer()
        # The application writes its answer itself.
        engine.send_switching([])
        transport = self.release()
        tunnel = Tunnel(transport, exchange)
        transport.pass_on(self, tunnel)
        tunnel.begin(sock, engine.take_rest(), engine.eof)
        return tunnel.finish

    def offer(self) -> Any:
        """The WebSocket handshake that the request is. Raises ResponseError."""
        request = self.engine.request
        if request is None or request.websocket is None:
            raise ResponseError("there is no WebSocket handshake to accept")
        return request.websocket

    def release(self) -> ManagedTransport:
        """Give the transport away, with the two ends of the exchange under way."""
        ends: Endpoint = self.endpoint if self.exchange is None else self.exchange.ends()
        self.status = 101
        self.record(101)
        self.exchange = self.unstarted = None
        return self.transport.release(ends)

    def is_crowded(self) -> bool:
        return self.hub.unsent >= TOO_MUCH_UNSENT

    def want_body(self) -> None:
        proceed = self.engine.send_continue()
        if proceed:
            self.transport.write(proceed)
        self.held = False
        if self.transport.reading_paused:
            self.regulate_reading()

    def hold_body(self) -> None:
        self.held = True
        self.transport.pause_reading()

    def abort(self) -> None:
        """Close now; what is not written yet is lost, so the client sees an incomplete message."""
        self.transport.abort()

    # The end of a response, and of the connection.

    def complete(self) -> None:
        """The response is complete: free the connection for the next exchange, or close it."""
        engine, transport = self.engine, self.transport
        self.unstarted = None
        self.end(engine.dropped_body())
        if not engine.keep_alive():
            if transport.finished_at or (engine.body_ended() and not engine.buffered()):
                transport.close()
            else:
                self.linger()
            return
        self.held = False
        if self.pumping:
            return
        if engine.body_ended() and not engine.buffered() and not transport.finished_at:
            self.rest()
        else:
            # Not here: this may be inside a task, and the next exchange begins in a task of its
            # own.
            transport.take_turn_soon(self.go_on)
        if transport.reading_paused:
            self.regulate_reading()

    def has_responded(self) -> bool:
        """Also of a complete response, while it is the rest of its request's body that comes."""
        engine = self.engine
        started: bool = engine.response_started()
        return started and (engine.request is not None or not engine.response_complete())

    def send_refusal(self, status: int, fields: list[tuple[bytes, bytes]], body: bytes) -> None:
        engine = self.engine
        self.unstarted = None
        engine.begin_refusal()
        self.transport.write(engine.send_head(status, fields, body, True))
        if engine.request is None:
            words = engine.request_line()
            self.hub.record_refused(words, self.endpoint, status, len(body))
        else:
            self.record(status)
        self.linger()

    def cut_short(self) -> None:
        self.unstarted = None
        if self.engine.response_complete():
            # It is the rest of its body that is refused. A request has one final response (RFC
            # 9110 section 15): another would be taken for the answer to the next.
            self.linger()
        else:
            self.abort()

    def linger(self) -> None:
        """Close, but not before the client has had time to read its response. Where the end of the
        connection is the end of the response, TLS has to close at once."""
        self.transport.linger(not self.engine.ends_with_connection())

    def regulate_reading(self) -> None:
        """Pause while the exchange holds its body, or while more is left over than may wait."""
        transport = self.transport
        waits = self.exchange is not None or transport.turn_due or transport.writing_paused
        transport.regulate_reading(self.held or (waits and self.engine.buffered() > READ_AHEAD))

    def drain(self) -> None:
        """The worker stops: close between requests; a client that has just connected gets a moment
        to ask, and so does one whose response has announced that the connection stays."""
        transport, hub = self.transport, self.hub
        if transport.phase == IDLE:
            transport.deadline = min(transport.deadline, hub.now + hub.deadlines.last_call)
        elif transport.phase == FRESH:
            transport.deadline = hub.now + hub.deadlines.first_call
        elif transport.phase == BUSY and not self.engine.response_started():
            self.engine.stop_keep_alive()

    # Deadlines.

    def tick(self, now: float) -> None:
        """Check the deadlines of the phase."""
        transport = self.transport
        phase = transport.phase
        if phase == BUSY:
            self.watch(now, transport.finished_at)
            self.check_writes(now)
        elif phase >= CLOSING:
            transport.tick(now)
        elif phase == IDLE and not self.hub.draining:
            self.tick_idle(now)
        elif now >= transport.deadline:
            self.expire()

    def tick_idle(self, now: float) -> None:
        """For the server the last response is complete; its client may still be taking it, and
        has the keep-alive deadline from then on."""
        transport = self.transport
        if transport.unwritten():
            transport.deadline = now + self.hub.keep_alive
        elif now >= transport.deadline:
            self.expire()
            return
        self.check_writes(now)

    def expire(self) -> None:
        """A client has sent nothing, or not all of a head, in time."""
        if self.transport.phase == HEAD:
            self.refuse(408, "the request head took too long")
        else:
            # The rest of the last response has the write deadline from here on.
            self.transport.close()

    def is_body_awaited(self) -> bool:
        return not self.engine.body_ended()

    def is_body_held(self) -> bool:
        return self.transport.reading_paused or self.engine.waits_for_continue

    def probe(self, exchange: Exchange) -> None:
        """Before the application works for a client that has gone. Every client ignores a 100 (RFC
        9110 section 15.2); where the client has gone, the second one breaks the connection."""
        if not self.engine.response_started() and exchange.waits_for_turn():
            self.transport.write(self.engine.send_informational(100, []))

    def check_writes(self, now: float) -> None:
        """Abort when the client has not taken a byte for the length of the write deadline."""
        patience = self.hub.patience(self.exchange)
        if self.transport.is_write_stalled(now, patience, self.file is not None):
            self.transport.give_up()
