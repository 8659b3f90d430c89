"""One HTTP/2 connection: a transport's callbacks, the engine, a carrier for each stream, and
deadlines.

    data_received -> engine -> pump: events -> carriers -> exchanges -> application
    carriers -> engine; flush: engine -> transport.write

All that the streams have to say in one turn of the loop leaves in one write. While the client
reads less than is written, the bytes of the streams stay in the engine, which then reads no more
frames either; so nothing grows.

    phase   meaning                               ends with
    FRESH   connected, no SETTINGS received yet   the head deadline
    OPEN    idle, or streams are under way        the keep-alive deadline, when idle

A connection takes so many frames in one turn of the loop, and gives its transport so many bytes.
The rest has its turn when every other connection has had one (`go_on`, `flush`). Reading
pauses while more than `READ_AHEAD` is left over.

The client is to see the GOAWAY that ends a connection. A socket that is closed while the client
still sends is reset, and what it has not read yet is lost with it. So the connection waits for the
client to close, for a bounded time.
"""

from typing import Any

from bascule.connections.http2_stream import (
    StreamCarrier,
    StreamOwner,
    StreamTransport,
)
from bascule.connections.transport import CLOSING, LINGERING, READ_AHEAD, ManagedTransport
from bascule.connections.transport_info import printable_peer
from bascule.connections.write_watch import WriteWatch
from bascule.interfaces.answers import TEXT
from bascule.protocols.events import (
    BodyData,
    BodyEnd,
    ConnectionFailed,
    Refused,
    Request,
    StreamReset,
)
from bascule.protocols.http2.engine import Http2Engine
from bascule.protocols.http2.frames import (
    CANCEL,
    ENHANCE_YOUR_CALM,
    NO_ERROR,
    SETTINGS_TIMEOUT,
    error_name,
)

# Seconds that a client has to answer the ping behind the first GOAWAY: more than any round trip.
DRAIN_PATIENCE = 1.0

# Those of a connection that is open; the further ones are every connection's (`transport`).
FRESH = 0
OPEN = 1

# How much of the bodies is taken out of the engine at a time: as much as a transport takes before
# it asks to pause; and how many times in one turn of the loop, for a client that reads as fast.
WRITTEN_AT_ONCE = 65536
WRITES_A_TURN = 8
# Frames that are read in one turn of the loop, and how many more a request counts for: four
# requests are all of it, as over HTTP/1.1. Beside twenty hostile connections, all others must
# still get a turn every 50 ms.
FRAMES_A_TURN = 64
REQUEST_FRAMES = 15
# Bytes that wait to be written until all that was received has had its turn.
GATHERED = 16384


class Http2Connection(StreamOwner):
    """The asyncio protocol of an HTTP/2 connection, and the owner of its streams."""

    __slots__ = (
        "block_since",
        "busy",
        "carriers",
        "flush_due",
        "opening_deadline",
        "pumping",
        "sockets",
        "ticked",
        "windows",
    )

    def __init__(self, transport: ManagedTransport) -> None:
        hub = transport.hub
        super().__init__(
            transport,
            Http2Engine(
                hub.limits,
                hub.http2_limits,
                hub.header_map,
                hub.defaults,
                hub.interface.websockets is not None,
            ),
        )
        self.carriers: dict[int, StreamCarrier] = {}
        self.sockets: dict[int, StreamTransport] = {}
        self.busy = False
        self.pumping = False
        # Not renewed for each read: a turn of the loop brings many, under TLS one for each record.
        self.engine.turn = FRAMES_A_TURN
        self.flush_due = False
        transport.deadline = self.opening_deadline = hub.now + hub.deadlines.request_head
        self.block_since = 0.0
        self.ticked = hub.read_at
        self.windows = WriteWatch()

    # Callbacks of the transport.

    def begin(self) -> None:
        """Send the server's SETTINGS; the client may have sent its own."""
        if self.hub.draining:
            self.drain()
        self.flush()

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        transport = self.transport
        if transport.phase >= CLOSING:
            transport.receive_late()
            return
        self.engine.receive_data(data)
        if not transport.turn_due:
            self.pump()
        if self.engine.buffered > READ_AHEAD:
            self.regulate_reading()

    def eof_received(self) -> bool:
        """The client has closed its sending side; it may still read."""
        transport = self.transport
        self.engine.receive_eof()
        if transport.phase == LINGERING:
            return False
        transport.finished_at = self.hub.now
        encrypted = transport.endpoint.tls is not None
        if encrypted:
            # The transport closes behind this, so what is left over has its turn now or never.
            self.engine.turn = FRAMES_A_TURN
        if encrypted or not transport.turn_due:
            self.pump()
        return not encrypted

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone, from whichever side."""
        self.transport.lose()
        self.hub.closed(self)
        self.lose_all()

    def pause_writing(self) -> None:
        """More is written than the client reads."""
        self.transport.writing_paused = True

    def resume_writing(self) -> None:
        """The client has caught up."""
        self.transport.writing_paused = False
        self.flush()
        if self.transport.writing_paused:
            return
        for carrier in tuple(self.carriers.values()):
            if carrier.congested:
                carrier.proceed()
        for transport in tuple(self.sockets.values()):
            transport.proceed()
        if not self.engine.choked and not self.transport.turn_due:
            self.pump()

    # Events of the engine.

    def pump(self) -> None:
        """Take the events there are, as many as are left of this turn, then write what came of
        them."""
        if self.pumping or self.transport.phase >= CLOSING:
            return
        engine = self.engine
        engine.cut_short = False
        self.pumping = True
        try:
            while True:
                event = engine.next_event()
                if event is not None:
                    self.take(event)
                    continue
                self.start_exchanges()
                if engine.cut_short or not engine.choked:
                    break
                # The engine looks on when what it has written is taken.
                self.write()
                if engine.choked:
                    break
        finally:
            self.pumping = False
        if not engine.cut_short or len(engine.outbox.outgoing) >= GATHERED:
            self.flush()
        if engine.cut_short:
            self.transport.take_turn_soon(self.go_on)
        if self.transport.reading_paused:
            self.regulate_reading()

    def go_on(self) -> None:
        """The turn of what was left over has come."""
        self.transport.begin_turn()
        self.engine.turn = FRAMES_A_TURN
        self.pump()

    def take(self, event: Any) -> None:
        """Any event."""
        kind = type(event)
        if kind is Request:
            self.begin_request(event)
        elif kind is BodyData:
            self.take_body(event)
        elif kind is BodyEnd:
            self.end_body(event)
        elif kind is StreamReset:
            self.end_stream(event)
        elif kind is Refused:
            self.refuse(event)
        elif kind is ConnectionFailed:
            self.fail(event)
        else:
            # The client has closed its side: requests that are not complete never will be.
            for carrier in tuple(self.carriers.values()):
                stream = carrier.stream
                if not stream.remote_ended:
                    self.engine.reset(stream, NO_ERROR if stream.local_ended else CANCEL)
                    self.lose(carrier)
            # Nor will a WebSocket bring anything more: its client has gone (RFC 6455 section
            # 7.1.1).
            for transport in tuple(self.sockets.values()):
                if not transport.stream.remote_ended:
                    transport.receive_eof()

    def begin_request(self, request: Request) -> None:
        """A request, on a stream of its own."""
        self.busy = True
        self.engine.turn -= REQUEST_FRAMES
        carrier = StreamCarrier(self, self.engine.streams.open[request.stream_id])
        self.carriers[request.stream_id] = carrier
        carrier.begin(request)

    def start_exchanges(self) -> None:
        """Start what waited for the part of its body that came with it."""
        while self.unstarted:
            unstarted, self.unstarted = self.unstarted, []
            for carrier in unstarted:
                exchange = carrier.exchange
                if exchange is not None:
                    exchange.start()

    def take_body(self, event: BodyData) -> None:
        carrier = self.carriers.get(event.stream_id)
        if carrier is not None:
            carrier.receive_body(event.data)
            return
        transport = self.sockets.get(event.stream_id)
        if transport is not None:
            transport.receive(event.data)

    def end_body(self, event: Any) -> None:
        carrier = self.carriers.get(event.stream_id)
        if carrier is not None:
            exchange = carrier.exchange
            if exchange is not None and carrier.request.websocket is None:
                exchange.end_body(event.trailers)
            return
        transport = self.sockets.get(event.stream_id)
        if transport is not None:
            transport.receive_eof()

    def end_stream(self, event: StreamReset) -> None:
        """A stream has ended early, by the client's doing."""
        if not event.by_peer:
            self.warn(f"stream reset: {error_name(event.code)}: {event.reason}")
        carrier = self.carriers.get(event.stream_id)
        if carrier is not None:
            self.lose(carrier)

    def refuse(self, refused: Refused) -> None:
        """A request that breaks a limit, before or after it had an exchange."""
        carrier = self.carriers.get(refused.stream_id)
        if carrier is not None:
            carrier.refuse(refused.status, refused.reason, refused.fields)
            return
        self.busy = True
        self.engine.turn -= REQUEST_FRAMES
        self.warn(f"{refused.status} {refused.reason}")
        body = refused.reason.encode() + b"\n"
        stream = self.engine.streams.open[refused.stream_id]
        self.engine.send_head(stream, refused.status, [TEXT, *refused.fields], body, True)
        endpoint = self.transport.endpoint
        self.hub.record_refused(("-", b"-", "2"), endpoint, refused.status, len(body))

    def warn(self, text: str) -> None:
        self.hub.warn("refused", f"{printable_peer(self.transport.endpoint)}: {text}")

    def fail(self, failed: ConnectionFailed) -> None:
        """The client breaks HTTP/2: GOAWAY, and the end."""
        self.warn(f"connection closed: {error_name(failed.code)}: {failed.reason}")
        self.lose_all()
        # Also to a client that reads less than is written. It is a few frames: the streams, which
        # had more to send, are gone.
        outgoing = self.engine.take_outgoing(0)
        if outgoing and not self.transport.is_closing():
            self.transport.write(outgoing)
        self.linger()

    # For the streams.

    def written(self) -> None:
        if not self.flush_due and not self.pumping and self.transport.phase < CLOSING:
            self.flush_due = True
            self.hub.loop.call_soon(self.flush)

    def completed(self, carrier: StreamCarrier) -> None:
        # A stream that waits for windows is still watched.
        if carrier.stream.closed:
            self.carriers.pop(carrier.stream.id, None)

    def switched(self, carrier: StreamCarrier, transport: StreamTransport) -> None:
        stream_id = carrier.stream.id
        self.carriers.pop(stream_id, None)
        self.sockets[stream_id] = transport
        # Its deadlines are its own.
        self.hub.connections.add(transport.protocol)

    def lose(self, carrier: StreamCarrier) -> None:
        self.carriers.pop(carrier.stream.id, None)
        carrier.lost()

    def lose_all(self) -> None:
        """No stream is there any more."""
        carriers, self.carriers = self.carriers, {}
        self.unstarted = []
        for carrier in carriers.values():
            self.engine.reset(carrier.stream, CANCEL)
            carrier.lost()
        for transport in tuple(self.sockets.values()):
            transport.abort()
        self.settle_sockets()

    def settle_sockets(self) -> None:
        for stream_id, transport in tuple(self.sockets.items()):
            if transport.settle():
                self.sockets.pop(stream_id, None)

    # Writing.

    def flush(self) -> None:
        """Write all that is to be written, and check whether that was all."""
        self.flush_due = False
        if self.transport.phase >= CLOSING:
            return
        self.write()
        if self.sockets:
            self.settle_sockets()
            self.write()
        if self.crowd and not self.holds_back():
            self.let_in()
        engine = self.engine
        if engine.finished:
            if not engine.outbox.outgoing:
                self.finish()
        elif self.busy and not engine.streams.open:
            self.busy = False
            if not engine.streams.draining:
                self.transport.deadline = self.hub.now + self.hub.keep_alive

    def write(self) -> None:
        """Give the transport what it takes, as much as one turn may have."""
        engine, transport = self.engine, self.transport
        for _ in range(WRITES_A_TURN):
            if transport.writing_paused or transport.is_closing():
                return
            outgoing = engine.take_outgoing(WRITTEN_AT_ONCE)
            if not outgoing:
                return
            transport.write(outgoing)
            if engine.outbox.relieved:
                self.relieve()
        if not self.flush_due:
            self.flush_due = True
            self.hub.loop.call_soon(self.flush)

    def relieve(self) -> None:
        """Streams have room again."""
        for stream in self.engine.take_relieved():
            carrier = self.carriers.get(stream.id)
            if carrier is not None:
                carrier.proceed()
            else:
                transport = self.sockets.get(stream.id)
                if transport is not None:
                    transport.proceed()

    def finish(self) -> None:
        """All is written that ever will be."""
        if self.transport.finished_at:
            self.transport.close()
        else:
            self.linger()

    def linger(self) -> None:
        """Close, but not before the client has had time to read the GOAWAY, which announces it."""
        self.transport.linger(True)

    def abort(self) -> None:
        """Close now; what is not written yet is lost."""
        self.transport.abort()

    def regulate_reading(self) -> None:
        """Pause while more is left over than may wait; else read on."""
        waits = self.transport.turn_due or self.engine.choked
        self.transport.regulate_reading(waits and self.engine.buffered > READ_AHEAD)

    def drain(self) -> None:
        """The worker stops: no new requests; a client that does not answer gets a moment."""
        hub = self.hub
        if self.transport.phase < CLOSING:
            self.transport.deadline = hub.now + min(DRAIN_PATIENCE, hub.deadlines.last_call)
            self.engine.drain()
            self.written()

    # Deadlines.

    def tick(self, now: float) -> None:
        """Check the deadlines of the phase, and of the streams."""
        transport = self.transport
        if transport.phase >= CLOSING:
            transport.tick(now)
            return
        self.check_writes(now)
        engine = self.engine
        # The budget of a client grows by all of the time, also while the loop stood still.
        read_at = self.hub.read_at
        engine.replenish(read_at - self.ticked)
        self.ticked = read_at
        for stream_id, carrier in tuple(self.carriers.items()):
            if carrier.stream.closed and carrier.exchange is None:
                self.carriers.pop(stream_id, None)
            else:
                carrier.tick(now)
        if transport.phase == FRESH and engine.opened:
            transport.phase = OPEN
            if not engine.streams.draining:
                transport.deadline = now + self.hub.keep_alive
        if transport.finished_at and self.carriers:
            # It may wait for its responses, or have gone, which only writing to it tells.
            engine.probe()
        self.check_patience(now)

    def check_patience(self, now: float) -> None:
        """Check the deadlines of the connection."""
        engine, transport = self.engine, self.transport
        if engine.in_block:
            if self.block_since == 0.0:
                self.block_since = now
            elif now - self.block_since >= self.hub.deadlines.request_head:
                self.fail(engine.fail(ENHANCE_YOUR_CALM, "the request head took too long"))
                return
        else:
            self.block_since = 0.0
        if transport.phase == OPEN and not engine.settings.acked and now >= self.opening_deadline:
            self.fail(engine.fail(SETTINGS_TIMEOUT, "SETTINGS were not acknowledged"))
        elif engine.streams.draining:
            if now >= transport.deadline and not engine.streams.drain_acked:
                engine.finish_drain()
                idle = not engine.streams.open and not engine.in_block and not transport.turn_due
                if idle and not transport.writing_paused:
                    # A client that has not answered the ping does not read; it sends nothing
                    # either. Lingering would serve nothing.
                    self.write()
                    transport.close()
        elif not engine.streams.open and now >= transport.deadline and not transport.turn_due:
            # Idle for too long: what comes now may be lost, and the client will know it.
            engine.finish_drain()
        self.flush()

    def patience(self) -> float:
        """Seconds for which the client may take nothing, whichever of its streams waits."""
        hub = self.hub
        for carrier in self.carriers.values():
            exchange = carrier.exchange
            if exchange is not None and exchange.holds_up():
                return hub.patience(exchange)
        return hub.patience(None)

    def check_writes(self, now: float) -> None:
        """Abort when the client has not taken a byte for the length of the write deadline."""
        engine, transport, patience = self.engine, self.transport, self.patience()
        self.hub.counted += engine.outbox.unsent
        stalled = transport.is_write_stalled(now, patience)
        # Or its window has been shut for as long, before all the streams.
        if self.windows.is_stalled(engine.held_shut, engine.outbox.sent, now, patience) or stalled:
            transport.give_up()
