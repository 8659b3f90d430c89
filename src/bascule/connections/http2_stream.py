"""One stream of an HTTP/2 connection: the carrier of one exchange, or the transport of one
WebSocket.

    Http2Connection -> StreamCarrier -> exchange -> application
    application -> exchange -> respond, send, ... -> engine; the connection writes, once a turn

What the transport of an HTTP/1.1 connection does by pausing, a stream does by its windows: the
client may send as much as is consumed, and nothing is consumed while an exchange holds.
"""

import logging
import os
import socket
from collections.abc import Callable
from time import perf_counter
from typing import Any

from bascule.connections.hub import MOST_UNSENT, TOO_MUCH_UNSENT, Hub
from bascule.connections.stall import StallWatch
from bascule.connections.transport_info import NOWHERE, printable_peer
from bascule.errors import ResponseError
from bascule.interfaces.answers import TEXT
from bascule.interfaces.exchange import Carrier, Exchange
from bascule.protocols.events import Request
from bascule.protocols.http2.engine import Http2Engine
from bascule.protocols.http2.frames import CANCEL, INTERNAL_ERROR, NO_ERROR
from bascule.protocols.http2.response import check_size
from bascule.protocols.http2.stream import NOTHING, Stream
from bascule.protocols.response_fields import check_reason

logger = logging.getLogger("bascule.http")

# How much of a file is read at a time, when there is room for it.
FILE_PIECE = 65536

# Bytes of responses that may wait for the client of one connection before no further calls are
# begun for it: many usual pages. Where too much waits in all, each connection has its share.
CONNECTION_UNSENT = 524288
FAIR_SHARE = 65536

# Of the answer to a handshake, what only HTTP/1.1 says (RFC 8441 section 5).
ONLY_HTTP1 = (b"upgrade", b"connection", b"sec-websocket-accept")


class StreamOwner:
    """The connection, as its streams see it.

    writing_paused: more is written than the client reads. finished_at: when it closed its sending
    side, or 0. crowd: streams whose calls have not begun, because too much waits for the client.
    """

    __slots__ = ("crowd", "endpoint", "engine", "finished_at", "hub", "writing_paused")

    def __init__(self, hub: Hub, engine: Http2Engine) -> None:
        self.hub = hub
        self.engine = engine
        self.endpoint = NOWHERE
        self.writing_paused = False
        self.finished_at = 0.0
        self.crowd: list["StreamCarrier"] = []

    def holds_back(self) -> bool:
        """As of `Carrier`."""
        unsent = self.engine.outbox.unsent
        if unsent < FAIR_SHARE:
            return False
        return unsent >= CONNECTION_UNSENT or self.hub.unsent >= MOST_UNSENT

    def let_in(self) -> None:
        """Those that wait for room find out whether there is some."""
        crowd, self.crowd = self.crowd, []
        for carrier in crowd:
            exchange = carrier.exchange
            if exchange is not None:
                exchange.resume_writing()

    def leave_crowd(self, carrier: "StreamCarrier") -> None:
        """A stream that may wait for room is gone."""
        if carrier in self.crowd:
            self.crowd.remove(carrier)

    def written(self) -> None:
        """Something is to be sent; it will be, with whatever else comes in this turn."""
        raise NotImplementedError

    def completed(self, carrier: "StreamCarrier") -> None:
        """The application has sent all of its response."""
        raise NotImplementedError

    def switched(self, carrier: "StreamCarrier", transport: "StreamTransport") -> None:
        """The stream is a WebSocket's from now on."""
        raise NotImplementedError

    def lose(self, carrier: "StreamCarrier") -> None:
        """The stream is gone, before its response was complete."""
        raise NotImplementedError


class StreamCarrier(Carrier):
    """Carries one exchange on one stream."""

    __slots__ = (
        "body_octets",
        "body_since",
        "deadline",
        "early",
        "exchange",
        "expires_at",
        "file",
        "file_end",
        "file_missing",
        "file_offset",
        "octets",
        "owner",
        "request",
        "started_at",
        "status",
        "stream",
        "writes",
    )

    def __init__(self, owner: StreamOwner, stream: Stream, request: Request) -> None:
        self.owner = owner
        self.endpoint = self.owner.endpoint
        self.congested = self.owner.writing_paused
        self.stream = stream
        self.request = request
        self.exchange: Exchange | None = None
        self.status = 0
        self.octets = 0
        self.started_at = perf_counter()
        self.expires_at = 0.0
        self.deadline = 0.0
        self.body_since = self.owner.hub.now
        self.body_octets = 0
        # Most streams never wait for a window.
        self.writes: StallWatch | None = None
        # Octets of a WebSocket that has not been accepted yet.
        self.early: list[bytes] | None = None
        self.file: Any = None
        self.file_offset = 0
        self.file_missing = 0
        self.file_end = False

    # From the connection.

    def receive_body(self, data: bytes) -> None:
        """A piece of the request body."""
        exchange = self.exchange
        if self.request.websocket is not None:
            # Not consumed: a window of it may come, no more.
            if self.early is None:
                self.early = []
            self.early.append(data)
        elif exchange is None:
            self.owner.engine.consume(self.stream, len(data))
        else:
            self.body_octets += len(data)
            exchange.receive_body(data)
            if not exchange.held:
                self.owner.engine.consume(self.stream, len(data))

    def proceed(self) -> None:
        """The client has taken some of what was to be sent."""
        if self.file is not None:
            self.feed_file()
            if self.file is not None:
                return
        self.congested = self.stream.congested or self.owner.writing_paused
        exchange = self.exchange
        if exchange is not None and not self.congested:
            exchange.resume_writing()

    def lost(self) -> None:
        """The stream is gone."""
        self.close_file()
        if self.owner.crowd:
            self.owner.leave_crowd(self)
        exchange = self.exchange
        if exchange is not None:
            self.exchange = None
            self.congested = False
            self.record(499 if self.status == 0 else self.status, exchange.waited)
            exchange.disconnect()

    # The carrier of an exchange.

    def respond(
        self,
        status: int,
        fields: list[tuple[bytes, bytes]],
        body: bytes,
        end: bool,
        reason: bytes = b"",
    ) -> None:
        stream = self.stream
        if reason:
            check_reason(reason)
        self.owner.engine.send_head(stream, status, fields, body, end)
        self.status = status
        if stream.framing != NOTHING:
            self.octets = len(body)
        self.sent(end)

    def send(self, data: bytes, end: bool) -> None:
        if self.file is not None:
            raise ResponseError(
                "body while a file is still being sent; await the send of the file first"
            )
        stream = self.stream
        self.owner.engine.send_data(stream, data, end)
        if stream.framing != NOTHING:
            self.octets += len(data)
        self.sent(end)

    def sent(self, end: bool) -> None:
        """Something was given to the engine."""
        owner = self.owner
        if end:
            self.complete()
        else:
            self.congested = self.stream.congested or owner.writing_paused
        owner.written()

    def send_trailers(self, fields: list[tuple[bytes, bytes]]) -> None:
        self.owner.engine.send_trailers(self.stream, fields)
        self.sent(True)

    def inform(self, status: int, fields: list[tuple[bytes, bytes]]) -> None:
        self.owner.engine.send_informational(self.stream, status, fields)
        self.owner.written()

    def send_file(self, file: Any, offset: int, count: int, end: bool) -> None:
        if self.file is not None:
            file.close()
            raise ResponseError(
                "a second file while the first is still being sent; await its send first"
            )
        try:
            check_size(self.stream, count, end)
        except ResponseError:
            file.close()
            raise
        if not self.stream.has_body or count == 0:
            file.close()
            self.send(b"", end)
            return
        self.file = file
        self.file_offset = offset
        self.file_missing = count
        self.file_end = end
        self.congested = True
        self.feed_file()

    def feed_file(self) -> None:
        """Read as much of the file as there is room for."""
        stream, owner = self.stream, self.owner
        while self.file is not None and not stream.congested and not owner.writing_paused:
            size = FILE_PIECE if self.file_missing > FILE_PIECE else self.file_missing
            try:
                data = os.pread(self.file.fileno(), size, self.file_offset)
            except OSError as error:
                logger.error("a file could not be read while it was sent: %s", error)
                self.abort()
                return
            if not data:
                logger.error(
                    "a file became %d octets shorter while it was sent; the stream is reset",
                    self.file_missing,
                )
                self.abort()
                return
            self.file_offset += len(data)
            self.file_missing -= len(data)
            if self.file_missing == 0:
                self.close_file()
            self.send_piece(data, self.file is None and self.file_end)

    def send_piece(self, data: bytes, end: bool) -> None:
        self.owner.engine.send_data(self.stream, data, end)
        self.octets += len(data)
        if self.file is None:
            self.sent(end)
        else:
            self.owner.written()

    def close_file(self) -> None:
        if self.file is not None:
            self.file.close()
            self.file = None

    def accept(
        self, session: Any, subprotocol: str | None, fields: list[tuple[bytes, bytes]]
    ) -> None:
        # Not before there is one: many applications have no WebSockets.
        from bascule.connections.websocket import accepted

        offer: Any = self.request.websocket
        if offer is None:
            raise ResponseError("there is no WebSocket handshake to accept")
        owner = self.owner
        transport = StreamTransport(owner, self.stream)
        exchange = self.exchange
        # Whom trusted proxies name, for lines about it.
        ends = self.endpoint if exchange is None else exchange.ends()
        connection, answer = accepted(
            owner.hub, transport, ends, offer, session, subprotocol, fields
        )
        owner.engine.send_accepted(
            self.stream, [field for field in answer if field[0] not in ONLY_HTTP1]
        )
        transport.protocol = connection
        self.status = 200
        self.record(200)
        self.exchange = None
        early = b"".join(self.early or ())
        owner.switched(self, transport)
        owner.written()
        connection.begin(early, self.stream.remote_ended)
        owner.engine.consume(self.stream, len(early))

    def tunnel(self, exchange: Exchange, sock: socket.socket) -> Callable[[], None]:
        raise ResponseError(
            "an application that speaks the WebSocket protocol itself needs HTTP/1.1"
        )

    def is_crowded(self) -> bool:
        return self.owner.hub.unsent >= TOO_MUCH_UNSENT

    def holds_back(self) -> bool:
        return self.owner.holds_back()

    def wait_for_room(self) -> None:
        self.owner.crowd.append(self)
        self.owner.written()

    def want_body(self) -> None:
        stream = self.stream
        engine = self.owner.engine
        engine.send_continue(stream)
        if self.request.websocket is None:
            engine.consume(stream, stream.unconsumed)
        self.owner.written()

    def hold_body(self) -> None:
        """What comes from now on is not consumed."""

    def abort(self) -> None:
        """Reset the stream, so that the client sees an incomplete message."""
        self.owner.engine.reset(self.stream, INTERNAL_ERROR)
        self.owner.written()
        # Not here: this is inside the application's call.
        self.owner.hub.loop.call_soon(self.owner.lose, self)

    def complete(self) -> None:
        """The response is complete."""
        exchange = self.exchange
        self.exchange = None
        self.record(self.status, 0.0 if exchange is None else exchange.waited)
        if self.stream.dropped_body:
            self.owner.hub.warn(
                "dropped body",
                f"the application sent a body with status {self.status}; it was dropped",
            )
        self.owner.completed(self)

    def record(self, status: int, waited: float = 0.0) -> None:
        self.owner.hub.record(
            self.request, self.endpoint, status, self.octets, self.started_at, waited
        )

    # Deadlines.

    def tick(self, now: float) -> None:
        """Look at the deadlines of the stream."""
        owner = self.owner
        exchange = self.exchange
        if exchange is not None:
            exchange.tick()
            exchange = self.exchange
        if exchange is not None:
            if owner.finished_at and now - owner.finished_at >= owner.hub.deadlines.half_close:
                exchange.finish_sending()
            if self.request.websocket is None:
                if owner.hub.request_timeout:
                    self.check_age(exchange, owner.hub.read_at)
                if self.exchange is exchange and not self.stream.remote_ended:
                    self.check_body_rate(now, exchange)
            elif now >= self.deadline:
                self.expire_handshake(exchange)
        self.check_writes(now)

    def expire_handshake(self, exchange: Exchange) -> None:
        """The application has not answered a WebSocket handshake in time."""
        hub = self.owner.hub
        if not self.stream.started and hub.interface.websockets is not None:
            hub.expire_handshake(self, exchange)

    def check_age(self, exchange: Exchange, now: float) -> None:
        """A response is to begin within the time for requests; see `Http1Connection.check_age`."""
        if self.exchange is not exchange or self.stream.started:
            return
        hub = self.owner.hub
        if self.expires_at == 0.0:
            self.expires_at = now + hub.request_timeout
        elif now >= self.expires_at:
            exchange.catch_up()
            if self.exchange is exchange and not self.stream.started:
                hub.expire(self, exchange)

    def check_body_rate(self, now: float, exchange: Exchange) -> None:
        hub = self.owner.hub
        if exchange.held or self.stream.waits_for_continue:
            # It is the application that is slow, not the client.
            self.body_since = now
            self.body_octets = 0
            return
        elapsed = now - self.body_since
        rate = hub.deadlines.body_rate
        if elapsed > hub.deadlines.body_grace and self.body_octets < elapsed * rate:
            self.refuse(408, f"the request body came at less than {rate:g} octets a second")

    def refuse(
        self, status: int, reason: str, fields: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        """Answer what breaks a limit. An exchange under way learns that its client is gone."""
        owner, stream = self.owner, self.stream
        owner.hub.warn("refused", f"{printable_peer(self.endpoint)}: {status} {reason}")
        exchange = self.exchange
        self.exchange = None
        if exchange is not None:
            exchange.disconnect()
        self.close_file()
        if stream.started:
            self.record(self.status)
            owner.engine.reset(stream, CANCEL)
        else:
            self.status = status
            body = reason.encode() + b"\n"
            owner.engine.send_head(stream, status, [TEXT, *fields], body, True)
            self.record(status)
        owner.completed(self)
        owner.written()

    def check_writes(self, now: float) -> None:
        """Reset the stream when its client has not let an octet through for the length of the
        write deadline: a window that is held shut."""
        owner, stream = self.owner, self.stream
        waiting = stream.queued
        # A stream that waits for its turn is not its client's fault.
        shut = waiting > 0 and stream.send_window <= 0
        if self.writes is None:
            if not shut:
                return
            self.writes = StallWatch()
        if self.writes.is_stalled(shut, waiting, now, owner.hub.patience(self.exchange)):
            owner.hub.warn("write", f"{printable_peer(self.endpoint)} reads nothing: stream reset")
            owner.engine.reset(stream, CANCEL)
            owner.written()
            owner.lose(self)


class StreamTransport:
    """A stream that looks like a transport to the WebSocket on it.

    closing: END_STREAM is to follow what is written. held: nothing is consumed.
    """

    __slots__ = ("closing", "gone", "held", "owner", "paused", "protocol", "stream")

    def __init__(self, owner: StreamOwner, stream: Stream) -> None:
        self.owner = owner
        self.stream = stream
        self.protocol: Any = None
        self.closing = False
        self.held = False
        self.paused = False
        self.gone = False

    # From the connection.

    def receive(self, data: bytes) -> None:
        """Octets of the WebSocket."""
        self.protocol.data_received(data)
        if not self.held:
            self.owner.engine.consume(self.stream, len(data))

    def receive_eof(self) -> None:
        """The client has ended its half of the stream."""
        if not self.protocol.eof_received():
            self.close()

    def proceed(self) -> None:
        """The client has taken some of what was to be sent."""
        if self.paused and not self.stream.congested and not self.owner.writing_paused:
            self.paused = False
            self.protocol.resume_writing()

    def settle(self) -> bool:
        """Whether the stream has come to its end; if so the WebSocket is told, once."""
        stream = self.stream
        if not stream.closed and not (self.closing and stream.local_ended):
            return False
        if not self.gone:
            self.gone = True
            # Both sides have said all they had to; some clients do not end their half.
            self.owner.engine.reset(stream, NO_ERROR)
            self.protocol.connection_lost(None)
        return True

    # A transport, as far as connections.websocket uses one.

    def write(self, data: bytes) -> None:
        if self.closing or self.stream.closed:
            return
        self.owner.engine.send_data(self.stream, data, False)
        self.owner.written()
        if not self.paused and (self.stream.congested or self.owner.writing_paused):
            self.paused = True
            self.protocol.pause_writing()

    def close(self) -> None:
        if not self.closing and not self.stream.closed:
            self.closing = True
            self.owner.engine.send_data(self.stream, b"", True)
        self.owner.written()

    def abort(self) -> None:
        self.owner.engine.reset(self.stream, CANCEL)
        self.owner.written()

    def is_closing(self) -> bool:
        return self.closing or self.stream.closed

    def can_write_eof(self) -> bool:
        # A reset cannot overtake what was sent before, so there is nothing to linger for.
        return False

    def write_eof(self) -> None:
        self.close()

    def get_write_buffer_size(self) -> int:
        return self.stream.queued

    def pause_reading(self) -> None:
        self.held = True

    def resume_reading(self) -> None:
        self.held = False
        self.owner.engine.consume(self.stream, self.stream.unconsumed)
        self.owner.written()
