"""One HTTP/1.1 connection: a transport's callbacks, the engine, one exchange at a time, and
deadlines.

    data_received -> engine -> pump: events -> exchange -> application
    application -> exchange -> respond, send, ... -> engine -> transport.write

A phase says which deadline is running; `tick` looks at it.

    phase       meaning                                         ends with
    FRESH       connected, nothing received yet                 the head deadline
    IDLE        between requests                                the keep-alive deadline
    HEAD        part of a head is here                          408 at the head deadline
    BUSY        an exchange is under way                        the time for requests, the body
                                                                rate, the write deadline
    CLOSING     the last response is being flushed              the write deadline
    LINGERING   it is flushed, what still comes is thrown away  the linger deadline

A connection takes at most `EVENTS_A_TURN` events in one turn of the loop. What is left over has
its turn when every other connection has had one (`go_on`), so that pipelined requests and tiny
chunks do not delay other connections. Reading pauses while more than `READ_AHEAD` is left over.
"""

import logging
import os
import socket
from asyncio import Future, Task, Transport
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from bascule.connections.hub import TOO_MUCH_UNSENT, Hub
from bascule.connections.stall import StallWatch
from bascule.connections.transport_info import (
    NOWHERE,
    endpoint_of,
    printable_peer,
)
from bascule.errors import ClientDisconnected, ResponseError
from bascule.interfaces.answers import TEXT
from bascule.interfaces.endpoint import Endpoint
from bascule.interfaces.exchange import Carrier, Exchange
from bascule.loop import resume_reading, sendfile
from bascule.protocols.events import BodyData, BodyEnd, Refused, Request
from bascule.protocols.http1.engine import Http1Engine
from bascule.protocols.http2.frames import PREFACE

if TYPE_CHECKING:
    from bascule.protocols.proxy import ProxiedEnds

logger = logging.getLogger("bascule.http")

FRESH = 0
IDLE = 1
HEAD = 2
BUSY = 3
CLOSING = 4
LINGERING = 5
CLOSED = 6

# Octets of pipelined requests that may wait behind the one being served, beside what one read
# brings.
READ_AHEAD = 65536
# Events of the engine that are taken in one turn of the loop. Each request may be a call of the
# application. Beside twenty hostile connections, all others must still get a turn every 50 ms.
EVENTS_A_TURN = 4
# A file up to this size is read and written with its head; beyond it the kernel copies it
# (sendfile).
SMALL_FILE = 65536
# How much the kernel is asked to send at a time: each piece has the whole write deadline.
FILE_PIECE = 262144

# RFC 9113 section 3.2.
HTTP2 = "h2"
# So much of the preface of HTTP/2 is no method of HTTP/1.1.
PREFACE_TOLD = 4


class Http1Connection(Carrier):
    """The asyncio protocol of an HTTP/1.1 connection, and the carrier of its exchanges."""

    __slots__ = (
        "access",
        "body_octets",
        "body_since",
        "deadline",
        "drained",
        "early",
        "engine",
        "exchange",
        "expires_at",
        "file_task",
        "finished_at",
        "held",
        "hub",
        "left",
        "linger_ends",
        "octets",
        "phase",
        "proxied",
        "pumping",
        "reading_paused",
        "started_at",
        "status",
        "transport",
        "turn_due",
        "unstarted",
        "writes",
        "writing_paused",
    )

    def __init__(self, hub: Hub, proxied: "ProxiedEnds | None" = None) -> None:
        """proxied: what a PROXY header before the client's octets has said of its ends."""
        self.hub = hub
        self.proxied = proxied
        self.access = hub.access
        self.engine = Http1Engine(
            hub.limits, hub.header_map, hub.defaults, hub.interface.websockets is not None
        )
        self.transport: Any = None
        self.endpoint = NOWHERE
        self.exchange: Exchange | None = None
        self.unstarted: Exchange | None = None
        self.congested = False
        self.pumping = False
        self.turn_due = False
        # Renewed by the next turn and not by each read: under TLS each record is one.
        self.left = EVENTS_A_TURN
        self.reading_paused = False
        self.held = False
        self.linger_ends = 0.0
        self.phase = FRESH
        self.deadline = hub.now + hub.deadlines.request_head
        self.finished_at = 0.0
        self.body_since = 0.0
        self.body_octets = 0
        self.writes = StallWatch()
        self.started_at = 0.0
        self.expires_at = 0.0
        self.status = 0
        self.octets = 0
        self.file_task: Task[None] | None = None
        self.writing_paused = False
        self.drained: Future[None] | None = None
        self.early = b""

    # Callbacks of the transport.

    def connection_made(self, transport: Transport) -> None:
        """A client has connected (under TLS: and shaken hands)."""
        self.transport = transport
        self.endpoint = endpoint_of(transport, self.proxied)
        self.hub.opened(self)
        if self.hub.http2 and chosen_protocol(transport) == HTTP2:
            self.become_http2(b"")
            return
        if self.hub.draining:
            self.drain()

    def data_received(self, data: bytes) -> None:
        """Octets from the client."""
        if self.phase >= CLOSING:
            self.receive_late()
            return
        if self.phase == FRESH and self.hub.http2:
            data = self.first_octets(data)
            if not data:
                return
        self.engine.receive_data(data)
        if not self.pumping and not self.turn_due:
            self.pump()
        if self.engine.buffered > READ_AHEAD:
            self.regulate_reading()

    def receive_late(self) -> None:
        """Throw away what comes behind the last request. A client that looks at its response only
        when it has sent all of its body may go on for a while, but does not hold up a stop."""
        hub = self.hub
        if self.phase == LINGERING and hub.now < self.linger_ends and not hub.draining:
            self.deadline = hub.now + hub.deadlines.linger

    def first_octets(self, data: bytes) -> bytes:
        """The first octets of a connection, as far as they are for HTTP/1.1: none where they begin
        as HTTP/2 does (RFC 9113 section 3.3), or may yet."""
        data = self.early + data
        self.early = b""
        if not self.hub.http1 or data.startswith(PREFACE[:PREFACE_TOLD]):
            self.become_http2(data)
            return b""
        if len(data) < PREFACE_TOLD and PREFACE.startswith(data):
            self.early = data
            return b""
        return data

    def become_http2(self, data: bytes) -> None:
        """The client speaks HTTP/2; `data` is what it has sent of it."""
        # Not before somebody does.
        from bascule.connections.http2 import Http2Connection

        successor = Http2Connection(self.hub)
        self.phase = CLOSED
        self.hub.replaced(self, successor)
        self.transport.set_protocol(successor)
        successor.take_over(self.transport, self.endpoint)
        if data:
            successor.data_received(data)

    def eof_received(self) -> bool:
        """The client has closed its sending side; it may still read (RFC 9112 section 9.6)."""
        self.engine.receive_data(self.early)
        self.engine.receive_eof()
        if self.phase == LINGERING:
            return False
        self.finished_at = self.hub.now
        encrypted = self.endpoint.tls is not None
        if encrypted:
            # The transport closes behind this, so what is left over has its turn now or never.
            self.left = EVENTS_A_TURN
        if self.phase < CLOSING and not self.pumping and (encrypted or not self.turn_due):
            self.pump()
        return not encrypted

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone, from whichever side."""
        self.phase = CLOSED
        self.hub.closed(self)
        if self.file_task is not None:
            self.file_task.cancel()
        exchange = self.exchange
        if exchange is not None:
            self.exchange = self.unstarted = None
            self.congested = False
            self.record(499 if self.status == 0 else self.status, exchange.waited)
            exchange.disconnect()

    def pause_writing(self) -> None:
        """More is written than the client reads."""
        self.congested = self.writing_paused = True

    def resume_writing(self) -> None:
        """The client has caught up."""
        self.writing_paused = False
        if self.file_task is not None:
            if self.drained is not None and not self.drained.done():
                self.drained.set_result(None)
            return
        self.congested = False
        if self.exchange is not None:
            self.exchange.resume_writing()
        else:
            # Pipelined requests had to wait.
            self.take_turn_soon()

    # Events of the engine.

    def pump(self) -> None:
        """Take the events there are, as many as are left of this turn. An exchange starts when
        what has arrived of its body is with it, or has had this turn."""
        engine = self.engine
        left = self.left
        self.pumping = True
        try:
            while left:
                if self.writing_paused and self.exchange is None and engine.body_ended:
                    # A client that does not read its answers gets no more of them.
                    break
                event = engine.next_event()
                if event is None:
                    if self.unstarted is None:
                        break
                    self.start_exchange()
                elif type(event) is Request:
                    left -= 1
                    self.begin(event)
                else:
                    left = 0 if engine.cut_short else left - 1
                    self.take(event)
            if left == 0:
                self.start_exchange()
        finally:
            self.pumping = False
        self.left = left
        if self.phase < CLOSING:
            if left == 0:
                self.take_turn_soon()
            elif self.exchange is None and not self.writing_paused:
                self.rest()
            if self.reading_paused:
                self.regulate_reading()

    def start_exchange(self) -> None:
        """Start the exchange that has waited for its body, if one has."""
        exchange = self.unstarted
        if exchange is not None:
            self.unstarted = None
            exchange.start()

    def take_turn_soon(self) -> None:
        """Look for further events in the next turn of the loop."""
        if not self.turn_due and self.phase < CLOSING:
            self.turn_due = True
            self.hub.loop.call_soon(self.go_on)

    def go_on(self) -> None:
        """The turn has come."""
        self.turn_due = False
        self.hub.let_threads_run()
        self.left = EVENTS_A_TURN
        if self.phase < CLOSING and not self.pumping:
            self.pump()

    def begin(self, request: Request) -> None:
        """A request: make its exchange; start it if it is complete."""
        hub = self.hub
        if hub.draining:
            self.engine.stop_keep_alive()
        self.phase = BUSY
        self.status = self.octets = 0
        self.started_at = perf_counter()
        self.expires_at = 0.0
        exchange = hub.exchange(request, self, self.started_at)
        self.exchange = exchange
        if hub.turns_away(self):
            return
        if request.ended:
            if request.websocket is not None:
                self.deadline = hub.now + hub.deadlines.websocket_handshake
            exchange.start()
        else:
            self.body_since = hub.now
            self.body_octets = 0
            self.unstarted = exchange

    def take(self, event: Any) -> None:
        """Every event but a request."""
        exchange = self.exchange
        kind = type(event)
        if kind is BodyData:
            self.body_octets += len(event.data)
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
        elif event.clean or self.finished_at:
            self.close()
        else:
            self.linger()

    def refuse(
        self, status: int, reason: str, fields: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        """Answer what breaks the protocol, and close. An exchange under way learns that its client
        is gone."""
        self.hub.warn("refused", f"{printable_peer(self.endpoint)}: {status} {reason}")
        engine = self.engine
        exchange = self.exchange
        self.exchange = self.unstarted = None
        if exchange is not None:
            exchange.disconnect()
        if engine.response_started and not engine.response_complete:
            self.record(self.status)
            self.abort()
            return
        if engine.request is not None and engine.response_complete:
            # It is the rest of its body that is refused. A request has one final response (RFC
            # 9110 section 15): another would be taken for the answer to the next.
            self.linger()
            return
        engine.begin_refusal()
        self.status = status
        body = reason.encode() + b"\n"
        self.octets = len(body)
        self.transport.write(engine.send_head(status, [TEXT, *fields], body, True))
        if engine.request is None:
            words = engine.request_line()
            self.hub.record_refused(words, self.endpoint, status, len(body))
        else:
            self.record(status)
        self.linger()

    def rest(self) -> None:
        """Nothing is under way: set the deadline for what may come."""
        hub = self.hub
        if self.engine.in_head:
            if self.phase != HEAD:
                if self.phase != FRESH:
                    self.deadline = hub.now + hub.deadlines.request_head
                self.phase = HEAD
        elif self.phase == BUSY or self.phase == HEAD:
            self.phase = IDLE
            # Who was promised that the connection stays may be sending on it already.
            self.deadline = hub.now + (hub.deadlines.last_call if hub.draining else hub.keep_alive)

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
        if self.access is not None and engine.has_body:
            self.octets = len(body)
        transport = self.transport
        transport.write(data)
        unsent = engine.take_unsent()
        if unsent is not None:
            transport.write(unsent)
        if end:
            self.complete()

    def send(self, data: bytes, end: bool) -> None:
        if self.file_task is not None:
            raise ResponseError(
                "body while a file is still being sent; await the send of the file first"
            )
        framed = self.engine.send_data(data, end)
        if framed:
            self.octets += len(data)
        if framed:
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
        if self.file_task is not None:
            file.close()
            raise ResponseError(
                "a second file while the first is still being sent; await its send first"
            )
        try:
            prefix = self.engine.send_file_prefix(count, end)
        except ResponseError:
            file.close()
            raise
        if prefix is None or count <= SMALL_FILE:
            self.send_small_file(file, offset, count, end, prefix)
            return
        self.octets += count
        if prefix:
            self.transport.write(prefix)
        self.congested = True
        self.watch_writes()
        self.file_task = self.hub.loop.create_task(self.copy_file(file, offset, count, end))
        # Not in the task: one that is cancelled before its first step never sees its file.
        self.file_task.add_done_callback(partial(close_file, file))

    def send_small_file(
        self, file: Any, offset: int, count: int, end: bool, prefix: bytes | None
    ) -> None:
        """Also closes the file of a response that has no body (`prefix` is None)."""
        try:
            with file:
                data = b"" if prefix is None else os.pread(file.fileno(), count, offset)
        except OSError as error:
            self.file_unreadable(error)
            return
        if prefix is not None and len(data) != count:
            self.file_changed(count - len(data))
            return
        self.octets += len(data)
        suffix = self.engine.send_file_suffix(len(data), end)
        self.transport.write(b"".join((prefix or b"", data, suffix)))
        if end:
            self.complete()

    async def copy_file(self, file: Any, offset: int, count: int, end: bool) -> None:
        """Have the kernel send the file; each piece must be gone within the write deadline."""
        missing = count
        loop, transport, drain = self.hub.loop, self.transport, self.drain_writes
        try:
            while missing:
                self.watch_writes()
                size = min(missing, FILE_PIECE)
                sent = await sendfile(loop, transport, file, offset, size, drain=drain)
                if sent == 0:
                    break
                offset += sent
                missing -= sent
        except ClientDisconnected:
            # Learned from the kernel, which the transport has not asked.
            self.abort()
            return
        except OSError as error:
            self.file_unreadable(error)
            return
        self.file_task = None
        self.congested = self.writing_paused
        if missing:
            self.file_changed(missing)
            return
        suffix = self.engine.send_file_suffix(count, end)
        if suffix:
            self.transport.write(suffix)
        if end:
            self.complete()
        elif self.exchange is not None and not self.congested:
            self.exchange.resume_writing()

    async def drain_writes(self) -> None:
        """Wait until the transport takes more."""
        if self.writing_paused:
            self.drained = self.hub.loop.create_future()
            await self.drained

    def file_unreadable(self, error: OSError) -> None:
        logger.error("a file could not be read while it was sent: %s", error)
        self.abort()

    def file_changed(self, missing: int) -> None:
        logger.error(
            "a file became %d octets shorter while it was sent; the connection is closed", missing
        )
        self.abort()

    def accept(
        self, session: Any, subprotocol: str | None, fields: list[tuple[bytes, bytes]]
    ) -> None:
        # Not before there is one: many applications have no WebSockets.
        from bascule.connections.websocket import accepted

        engine, transport = self.engine, self.transport
        connection, answer = accepted(
            self.hub, transport, self.ends(), self.offer(), session, subprotocol, fields
        )
        head = engine.send_switching(answer)
        self.hand_over(connection)
        transport.write(head)
        connection.begin(engine.take_rest(), engine.eof)

    def tunnel(self, exchange: Exchange, sock: socket.socket) -> Callable[[], None]:
        from bascule.connections.tunnel import Tunnel

        engine = self.engine
        self.offer()
        # The application writes its answer itself.
        engine.send_switching([])
        tunnel = Tunnel(self.hub, self.transport, exchange.ends(), exchange)
        self.hand_over(tunnel)
        tunnel.begin(sock, engine.take_rest(), engine.eof)
        return tunnel.finish

    def ends(self) -> Endpoint:
        """Those of the exchange under way, for lines about it."""
        return self.endpoint if self.exchange is None else self.exchange.ends()

    def offer(self) -> Any:
        """The WebSocket handshake that the request is. Raises ResponseError."""
        request = self.engine.request
        if request is None or request.websocket is None:
            raise ResponseError("there is no WebSocket handshake to accept")
        return request.websocket

    def hand_over(self, successor: Any) -> None:
        """The transport has another protocol from now on."""
        self.status = 101
        self.record(101)
        self.exchange = self.unstarted = None
        self.resume_reading()
        self.phase = CLOSED
        self.hub.replaced(self, successor)
        self.transport.set_protocol(successor)
        if self.writing_paused:
            # The transport has said so to this protocol, and says it once.
            successor.pause_writing()

    def is_crowded(self) -> bool:
        return self.hub.unsent >= TOO_MUCH_UNSENT

    def want_body(self) -> None:
        proceed = self.engine.send_continue()
        if proceed:
            self.transport.write(proceed)
        self.held = False
        if self.reading_paused:
            self.regulate_reading()

    def hold_body(self) -> None:
        self.held = True
        self.pause_reading()

    def abort(self) -> None:
        """Close now; what is not written yet is lost, so the client sees an incomplete message."""
        if self.phase != CLOSED:
            self.transport.abort()

    # The end of a response, and of the connection.

    def complete(self) -> None:
        """The response is complete: free the connection for the next exchange, or close it."""
        exchange = self.exchange
        self.exchange = self.unstarted = None
        if self.access is not None:
            self.record(self.status, 0.0 if exchange is None else exchange.waited)
        engine = self.engine
        if engine.dropped_body:
            self.hub.warn(
                "dropped body",
                f"the application sent a body with status {self.status}; it was dropped",
            )
        if not engine.keep_alive:
            if self.finished_at or (engine.body_ended and not engine.buffered):
                self.close()
            else:
                self.linger()
            return
        self.held = False
        if self.pumping:
            return
        if engine.body_ended and not engine.buffered and not self.finished_at:
            self.rest()
        else:
            # Not here: this may be inside a task, and the next exchange begins in a task of its
            # own.
            self.take_turn_soon()
        if self.reading_paused:
            self.regulate_reading()

    def record(self, status: int, waited: float = 0.0) -> None:
        request = self.engine.request
        if request is not None:
            self.hub.record(request, self.endpoint, status, self.octets, self.started_at, waited)

    def close(self) -> None:
        """Close when what is written has been flushed."""
        if self.phase < CLOSING:
            self.phase = CLOSING
            self.watch_writes()
            self.transport.close()

    def linger(self) -> None:
        """Close the sending side, and for a moment take what the client still sends: closing on
        unread octets resets the connection, and the response with it (RFC 9112 section 9.6)."""
        if self.phase >= CLOSING:
            return
        can_finish = self.transport.can_write_eof()
        if not can_finish and self.engine.ends_with_connection:
            self.close()
            return
        self.phase = LINGERING
        self.watch_writes()
        self.deadline = self.hub.now + self.hub.deadlines.linger
        self.linger_ends = self.hub.now + self.hub.deadlines.longest_linger
        self.resume_reading()
        if not can_finish:
            # TLS has no half that could be closed alone. The client has been told that the
            # connection ends, and closes it itself when it has the response.
            return
        try:
            self.transport.write_eof()
        except OSError:
            # asyncio asks the kernel at once, which knows already that the client has gone.
            self.abort()

    def regulate_reading(self) -> None:
        """Pause while the exchange holds its body, or while more is left over than may wait; else
        read on, as a connection that ends always does."""
        if self.phase >= CLOSING:
            return
        waits = self.exchange is not None or self.turn_due or self.writing_paused
        if self.held or (waits and self.engine.buffered > READ_AHEAD):
            self.pause_reading()
        else:
            self.resume_reading()

    def pause_reading(self) -> None:
        if not self.reading_paused:
            self.reading_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self.reading_paused and self.phase != CLOSED:
            self.reading_paused = False
            resume_reading(self.hub.loop, self.transport)

    def drain(self) -> None:
        """The worker stops: close between requests; a client that has just connected gets a moment
        to ask, and so does one that was told that its connection stays."""
        if self.phase == IDLE:
            self.deadline = min(self.deadline, self.hub.now + self.hub.deadlines.last_call)
        elif self.phase == FRESH:
            self.deadline = self.hub.now + self.hub.deadlines.first_call
        elif self.phase == BUSY and not self.engine.response_started:
            self.engine.stop_keep_alive()

    # Deadlines.

    def tick(self, now: float) -> None:
        """Look at the deadlines of the phase."""
        phase = self.phase
        if phase == BUSY:
            self.tick_busy(now)
        elif phase == CLOSING:
            self.check_writes(now)
        elif phase == LINGERING and self.transport.get_write_buffer_size():
            # The deadline is for what comes after the response, not for the response.
            self.deadline = now + self.hub.deadlines.linger
            self.check_writes(now)
        elif phase == IDLE and not self.hub.draining:
            self.tick_idle(now)
        elif now >= self.deadline:
            self.expire()

    def tick_idle(self, now: float) -> None:
        """For the server the last response is complete; its client may still be taking it, and
        has the keep-alive deadline from then on."""
        if self.transport.get_write_buffer_size():
            self.deadline = now + self.hub.keep_alive
        elif now >= self.deadline:
            self.expire()
            return
        self.check_writes(now)

    def expire(self) -> None:
        if self.phase == HEAD:
            self.refuse(408, "the request head took too long")
        elif self.phase == IDLE and self.hub.draining:
            # What is still written of the last response has the write deadline from here on.
            self.close()
        elif self.phase == LINGERING and not self.transport.can_write_eof():
            self.phase = CLOSING
            self.watch_writes()
            self.transport.close()
        elif self.phase == LINGERING or self.transport.get_write_buffer_size():
            self.abort()
        else:
            self.close()

    def tick_busy(self, now: float) -> None:
        exchange = self.exchange
        if exchange is not None:
            exchange.tick()
            if self.finished_at:
                self.tick_half_closed(exchange, now)
            if exchange.request.websocket is not None:
                if now >= self.deadline:
                    self.expire_handshake(exchange)
            elif self.hub.request_timeout:
                self.check_age(exchange, self.hub.read_at)
        if not self.engine.body_ended:
            self.check_body_rate(now)
        self.check_writes(now)

    def tick_half_closed(self, exchange: Exchange, now: float) -> None:
        """The client has closed its sending side. It waits for its response, or has gone, which
        only writing to it would tell."""
        if now - self.finished_at >= self.hub.deadlines.half_close:
            exchange.finish_sending()
        elif not self.engine.response_started and exchange.waits_for_turn():
            # Find out before the application works for a client that has gone. Every client
            # ignores a 100 (RFC 9110 section 15.2); where the client has gone, the second one
            # breaks the connection.
            self.transport.write(self.engine.send_informational(100, []))

    def expire_handshake(self, exchange: Exchange) -> None:
        """The application has not answered a WebSocket handshake in time."""
        if not self.engine.response_started and self.hub.interface.websockets is not None:
            self.hub.expire_handshake(self, exchange)

    def check_age(self, exchange: Exchange, now: float) -> None:
        """A response is to begin within the time for requests, also where it is the application
        that holds the loop. Once it has, nothing limits how long it may go on: it may be a stream
        of events."""
        if self.exchange is not exchange or self.engine.response_started:
            return
        if self.expires_at == 0.0:
            # Counted from the first tick that sees the request. The time of the tick before it
            # may be long gone, if the loop was blocked, and the request is not to suffer for it.
            self.expires_at = now + self.hub.request_timeout
        elif now >= self.expires_at:
            exchange.catch_up()
            if self.exchange is exchange and not self.engine.response_started:
                self.hub.expire(self, exchange)

    def check_body_rate(self, now: float) -> None:
        deadlines = self.hub.deadlines
        if self.reading_paused or self.engine.waits_for_continue:
            # It is the application that is slow, not the client.
            self.body_since = now
            self.body_octets = 0
            return
        elapsed = now - self.body_since
        if elapsed > deadlines.body_grace and self.body_octets < elapsed * deadlines.body_rate:
            self.refuse(
                408, f"the request body came at less than {deadlines.body_rate:g} octets a second"
            )

    def watch_writes(self) -> None:
        self.writes.restart(self.transport.get_write_buffer_size(), self.hub.now)

    def check_writes(self, now: float) -> None:
        """Abort when the client has not taken an octet for the length of the write deadline."""
        size = self.transport.get_write_buffer_size()
        busy = size > 0 or self.file_task is not None
        self.hub.counted += size
        if self.writes.is_stalled(busy, size, now, self.hub.patience(self.exchange)):
            self.hub.warn(
                "write", f"{printable_peer(self.endpoint)} reads nothing: connection closed"
            )
            self.abort()


def chosen_protocol(transport: Any) -> str | None:
    """What the client and the server have agreed on in the TLS handshake (RFC 7301)."""
    secured = transport.get_extra_info("ssl_object")
    return None if secured is None else secured.selected_alpn_protocol()


def close_file(file: Any, task: Task[None]) -> None:
    file.close()
