"""One stream of an HTTP/2 connection: the carrier of one exchange, or the transport of one
WebSocket.

    Http2Connection -> StreamCarrier -> exchange -> application
    application -> exchange -> respond, send, ... -> engine; the connection writes, once a turn

An HTTP/1.1 connection pauses its transport; a stream uses its windows instead: the
client may send as much as is consumed, and nothing is consumed while an exchange holds.
"""

import socket
from collections.abc import Callable
from typing import Any

from bascule.connections.files import FilePieces
from bascule.connections.hub import MOST_UNSENT, TOO_MUCH_UNSENT
from bascule.connections.request_carrier import RequestCarrier
from bascule.connections.transport import ManagedTransport
from bascule.connections.transport_info import printable_peer
from bascule.connections.write_watch import WriteWatch
from bascule.errors import ResponseError
from bascule.interfaces.exchange import Exchange
from bascule.protocols.http2.engine import Http2Engine
from bascule.protocols.http2.frames import CANCEL, INTERNAL_ERROR, NO_ERROR
from bascule.protocols.http2.response import check_size
from bascule.protocols.http2.stream import NOTHING, Stream
from bascule.protocols.response_fields import check_reason

# Bytes of responses that may wait for the client of one connection before no further calls are
# begun for it: many usual pages. Where too much waits in all, each connection has its share.
CONNECTION_UNSENT = 524288
FAIR_SHARE = 65536

# Of the answer to a handshake, what only HTTP/1.1 says (RFC 8441 section 5).
ONLY_HTTP1 = (b"upgrade", b"connection", b"sec-websocket-accept")


class StreamOwner:
    """The connection, as its streams see it.

    transport: its transport, whose pauses hold all streams.
    crowd: streams whose calls have not begun, because too much waits for the client.
    unstarted: streams whose exchanges wait for what has arrived of their bodies.
    """

    __slots__ = ("crowd", "engine", "hub", "transport", "unstarted")

    def __init__(self, transport: ManagedTransport, engine: Http2Engine) -> None:
        self.hub = transport.hub
        self.transport = transport
        self.engine = engine
        self.crowd: list["StreamCarrier"] = []
        self.unstarted: list["StreamCarrier"] = []

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


class StreamCarrier(RequestCarrier):
    """Carries one exchange on one stream.

    early: data of a WebSocket that has not been accepted yet.
    file, file_end: a file that is being sent, and whether the response ends with it.
    writes: watches a window that is shut; most streams never wait for one.
    """

    __slots__ = (
        "early",
        "file",
        "file_end",
        "owner",
        "stream",
        "writes",
    )

    def __init__(self, owner: StreamOwner, stream: Stream) -> None:
        super().__init__(owner.hub, owner.transport.endpoint)
        self.owner = owner
        self.congested = owner.transport.writing_paused
        self.stream = stream
        self.writes: WriteWatch | None = None
        self.early: list[bytes] | None = None
        self.file: FilePieces | None = None
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
            self.body_received += len(data)
            exchange.receive_body(data)
            if not exchange.held:
                self.owner.engine.consume(self.stream, len(data))

    def proceed(self) -> None:
        """The client has taken some of what was to be sent."""
        if self.file is not None:
            self.feed_file()
            if self.file is not None:
                return
        self.congested = self.stream.congested or self.owner.transport.writing_paused
        exchange = self.exchange
        if exchange is not None and not self.congested:
            exchange.resume_writing()

    def lost(self) -> None:
        """The stream is gone."""
        self.close_file()
        if self.owner.crowd:
            self.owner.leave_crowd(self)
        self.disconnect()

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
            self.bytes_sent = len(body)
        self.sent(end)

    def send(self, data: bytes, end: bool) -> None:
        if self.file is not None:
            raise ResponseError(
                "body while a file is still being sent; await the send of the file first"
            )
        stream = self.stream
        self.owner.engine.send_data(stream, data, end)
        if stream.framing != NOTHING:
            self.bytes_sent += len(data)
        self.sent(end)

    def sent(self, end: bool) -> None:
        """Something was given to the engine."""
        owner = self.owner
        if end:
            self.complete()
        else:
            self.congested = self.stream.congested or owner.transport.writing_paused
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
        self.file = FilePieces(file, offset, count)
        self.file_end = end
        self.congested = True
        self.feed_file()

    def feed_file(self) -> None:
        """Read as much of the file as there is room for."""
        stream, owner = self.stream, self.owner
        while (
            self.file is not None
            and not self.file.fetching
            and not stream.congested
            and not owner.transport.writing_paused
        ):
            data = self.file.read()
            if data is None:
                self.file.fetch(self.hub.loop, self.file_fetched)
                return
            if not self.feed(data):
                return

    def file_fetched(self, data: bytes) -> None:
        """A thread has read a piece of the file."""
        if not self.stream.closed and self.feed(data):
            self.proceed()

    def feed(self, data: bytes) -> bool:
        """Send a piece of the file; return False where it could not be had."""
        file = self.file
        if not data or file is None:
            self.abort()
            return False
        if file.missing == 0:
            self.file = None
        self.send_piece(data, self.file is None and self.file_end)
        return True

    def send_piece(self, data: bytes, end: bool) -> None:
        self.owner.engine.send_data(self.stream, data, end)
        self.bytes_sent += len(data)
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
        # Imported lazily: many applications have no WebSockets.
        from bascule.connections.websocket import WebSocketConnection, negotiated

        offer: Any = self.request.websocket
        if offer is None:
            raise ResponseError("there is no WebSocket handshake to accept")
        owner, hub = self.owner, self.hub
        websocket, answer = negotiated(hub, offer, subprotocol, fields)
        owner.engine.send_accepted(
            self.stream, [field for field in answer if field[0] not in ONLY_HTTP1]
        )
        exchange = self.exchange
        # Those that trusted proxies name, for lines about it.
        ends = self.endpoint if exchange is None else exchange.ends()
        raw = StreamTransport(owner, self.stream)
        transport = ManagedTransport(hub, raw, ends)
        connection = WebSocketConnection(transport, websocket, session)
        raw.protocol = connection
        self.status = 200
        self.record(200)
        self.exchange = None
        early = b"".join(self.early or ())
        owner.switched(self, raw)
        owner.written()
        connection.begin(early, self.stream.remote_ended)
        owner.engine.consume(self.stream, len(early))

    def tunnel(self, exchange: Exchange, sock: socket.socket) -> Callable[[], None]:
        raise ResponseError(
            "an application that speaks the WebSocket protocol itself needs HTTP/1.1"
        )

    def is_crowded(self) -> bool:
        return self.hub.unsent >= TOO_MUCH_UNSENT

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
        """Consume nothing of the body from now on."""

    def abort(self) -> None:
        """Reset the stream, so that the client sees an incomplete message."""
        self.owner.engine.reset(self.stream, INTERNAL_ERROR)
        self.owner.written()
        # Not here: this is inside the application's call.
        self.hub.loop.call_soon(self.owner.lose, self)

    def complete(self) -> None:
        """The response is complete."""
        self.end(self.stream.dropped_body)
        self.owner.completed(self)

    # Deadlines, and what is checked for them.

    def tick(self, now: float) -> None:
        """Check the deadlines of the stream."""
        self.watch(now, self.owner.transport.finished_at)
        self.check_writes(now)

    def put_off(self, exchange: Exchange) -> None:
        self.owner.unstarted.append(self)

    def has_responded(self) -> bool:
        return self.stream.started

    def is_body_awaited(self) -> bool:
        if self.exchange is None or self.stream.remote_ended:
            return False
        return self.request.websocket is None

    def is_body_held(self) -> bool:
        exchange = self.exchange
        held = exchange is not None and exchange.held
        return held or self.stream.waits_for_continue

    def send_refusal(self, status: int, fields: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.owner.engine.send_head(self.stream, status, fields, body, True)
        self.record(status)
        self.finish_refused()

    def cut_short(self) -> None:
        self.owner.engine.reset(self.stream, CANCEL)
        self.finish_refused()

    def finish_refused(self) -> None:
        self.close_file()
        self.owner.completed(self)
        self.owner.written()

    def check_writes(self, now: float) -> None:
        """Reset the stream when its client has not let a byte through for the length of the
        write deadline: a window that is held shut."""
        owner, stream = self.owner, self.stream
        waiting = stream.queued
        # A stream that waits for its turn is not its client's fault.
        shut = waiting > 0 and stream.send_window <= 0
        if self.writes is None:
            if not shut:
                return
            self.writes = WriteWatch()
        if self.writes.is_stalled(shut, waiting, now, self.hub.patience(self.exchange)):
            self.hub.warn("write", f"{printable_peer(self.endpoint)} reads nothing: stream reset")
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
        """Bytes of the WebSocket."""
        self.protocol.data_received(data)
        if not self.held:
            self.owner.engine.consume(self.stream, len(data))

    def receive_eof(self) -> None:
        """The client has ended its half of the stream."""
        if not self.protocol.eof_received():
            self.close()

    def proceed(self) -> None:
        """The client has taken some of what was to be sent."""
        if self.paused and not self.stream.congested and not self.owner.transport.writing_paused:
            self.paused = False
            self.protocol.resume_writing()

    def settle(self) -> bool:
        """Return whether the stream has ended, and report that to the WebSocket once."""
        stream = self.stream
        if not stream.closed and not (self.closing and stream.local_ended):
            return False
        if not self.gone:
            self.gone = True
            # Both sides have said all they had to; some clients do not end their half.
            self.owner.engine.reset(stream, NO_ERROR)
            self.protocol.connection_lost(None)
        return True

    # A transport, as a `ManagedTransport` uses one (see `loop/transport.py`).

    def write(self, data: bytes) -> None:
        if self.closing or self.stream.closed:
            return
        self.owner.engine.send_data(self.stream, data, False)
        self.owner.written()
        if not self.paused and (self.stream.congested or self.owner.transport.writing_paused):
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

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return the default: the socket is the connection's, which has other streams."""
        return default

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
