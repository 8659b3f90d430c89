"""One TCP connection whose bytes are the application's: a transport, one call, and deadlines.

    data_received -> call.receive_body -> application
    application -> send, close, ... -> transport.write

`TcpService` is the shared side of the connections of one `--listen` address.

    phase       meaning                                 ends with
    (open)      bytes go both ways, or one way          the deadline for tcp.accept, the idle and
                                                        the write deadline
    CLOSING, …  as of every connection (`transport`)

Reading pauses while more than `BODY_HIGH_WATER` waits for the application; `send` waits while
more is written than the client reads. So the memory of a connection is bounded both ways.
"""

import logging
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

from bascule.connections.hub import Hub
from bascule.connections.negotiation import chosen_protocol
from bascule.connections.transport import CLOSED, CLOSING, ManagedTransport
from bascule.connections.transport_info import endpoint_of, printable_client, printable_peer
from bascule.interfaces.asgi.call import AsgiCaller
from bascule.interfaces.asgi.tcp import (
    BY_CLIENT,
    IDLE,
    NOT_READING,
    OFFERED,
    RESET,
    STOPPED,
    UNANSWERED,
    TcpCall,
    TcpCarrier,
)

if TYPE_CHECKING:
    from bascule.protocols.proxy import ProxiedEnds

logger = logging.getLogger("bascule.tcp")

# Seconds that the application has to answer tcp.connect: as long as for a WebSocket handshake.
ANSWER_WITHIN = 30.0

# SO_LINGER of socket(7): on, for 0 seconds. close(2) then sends a reset, and discards what was not
# sent; otherwise a client could take an aborted connection for a complete one.
RESET_AT_CLOSE = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class TcpService:
    """The shared side of the connections of one `--listen` address.

    interface: calls the application.
    address: as clients reach it.
    idle: seconds that a connection may pass without a byte, 0 for no limit.
    seconds: that a call has when the server stops.
    server_name: returns the name that the client of an SSLObject has asked for.
    open: all TCP connections of the worker.
    """

    interface: AsgiCaller
    address: str
    idle: float
    seconds: float
    server_name: Callable[[Any], str | None]
    open: "set[TcpConnection]" = field(default_factory=set)


class TcpConnection(TcpCarrier):
    """The asyncio protocol of a connection, and the carrier of its call."""

    __slots__ = (
        "exchange",
        "finished",
        "heard",
        "hub",
        "proxied",
        "reason",
        "received",
        "sent",
        "service",
        "transport",
    )

    def __init__(
        self, hub: Hub, service: TcpService, proxied: "ProxiedEnds | None" = None
    ) -> None:
        """proxied: what a PROXY header has said of the connection's ends."""
        self.hub = hub
        self.service = service
        self.proxied = proxied
        self.congested = False
        self.alpn = None
        self.server_name = None
        self.has_half_close = True
        # A ManagedTransport and a TcpCall, from connection_made on.
        self.transport: Any = None
        self.exchange: Any = None
        self.heard = hub.now
        self.reason = ""
        self.received = self.sent = 0
        # The sending side is closed.
        self.finished = False

    # Callbacks of the transport.

    def connection_made(self, raw: Any) -> None:
        """A client has connected (under TLS: and completed its handshake)."""
        hub, service = self.hub, self.service
        self.endpoint = endpoint = endpoint_of(raw, self.proxied)
        # Those of a connection are no response.
        self.transport = transport = ManagedTransport(hub, raw, endpoint)
        transport.deadline = hub.now + ANSWER_WITHIN
        self.has_half_close = bool(raw.can_write_eof())
        secured = raw.get_extra_info("ssl_object")
        if secured is not None:
            self.alpn = chosen_protocol(raw)
            self.server_name = service.server_name(secured)
        self.exchange = TcpCall(service.interface, self, service.address, service.seconds)
        self.exchange.arrived_at = perf_counter()
        hub.opened(self)
        hub.served += 1
        service.open.add(self)
        # Not here: a transport may call this inside of a task, where no other may begin.
        hub.loop.call_soon(self.begin)

    def begin(self) -> None:
        """Call the application."""
        if self.transport.phase != CLOSED:
            self.exchange.start()
            if self.hub.draining:
                self.exchange.stop()

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        transport, call = self.transport, self.exchange
        if transport.phase >= CLOSING:
            transport.receive_late()
            return
        self.heard = self.hub.now
        self.received += len(data)
        call.in_place = True
        call.receive_body(data)
        call.in_place = False

    def eof_received(self) -> bool:
        """The client has closed its sending side. Under TLS that ends both sides."""
        transport = self.transport
        if transport.phase >= CLOSING:
            return False
        transport.finished_at = self.heard = self.hub.now
        self.exchange.end_body([])
        return self.has_half_close and not self.finished

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone, from whichever side."""
        self.transport.lose()
        self.hub.closed(self)
        self.service.open.discard(self)
        reason = self.reason or (BY_CLIENT if error is None else RESET)
        self.exchange.lose(reason)
        if self.hub.access is not None:
            self.record()

    def pause_writing(self) -> None:
        """More is written than the client reads."""
        self.congested = True

    def resume_writing(self) -> None:
        """The client has caught up."""
        self.congested = False
        self.exchange.resume_writing()

    def record(self) -> None:
        """Write the line of a connection that has ended."""
        call = self.exchange
        logger.info(
            '%s - "%s %s" %s, %d bytes received, %d sent, %.1fs',
            printable_client(self.endpoint) or "-",
            "TCP" if self.endpoint.tls is None else "TLS",
            self.service.address,
            call.reason,
            self.received,
            self.sent,
            perf_counter() - call.arrived_at,
        )

    # The carrier of a call.

    def send(self, data: bytes, end: bool) -> None:
        transport = self.transport
        if transport.is_closing():
            # A connection that broke is closed a turn of the loop before it is lost; the
            # application must give way for that turn to come.
            self.congested = True
            return
        self.heard = self.hub.now
        if data:
            self.sent += len(data)
            transport.write(data)
        if end:
            self.finish()

    def finish(self) -> None:
        """Close the sending side behind what was written."""
        self.finished = True
        if self.exchange.body_ended:
            self.transport.close()
        elif not self.has_half_close:
            # TLS ends both sides at once.
            self.transport.linger(False)
        else:
            self.transport.end_sending()

    def close(self) -> None:
        """Close behind what was written, but not before the client has had time to read it."""
        if self.exchange.body_ended and self.has_half_close:
            self.transport.close()
        else:
            self.transport.linger(False)

    def hold_body(self) -> None:
        self.transport.pause_reading()

    def want_body(self) -> None:
        self.transport.regulate_reading(False)
        # Nothing could be heard meanwhile.
        self.heard = self.hub.now

    def abort(self) -> None:
        """Reset the connection; what is not written yet is lost."""
        transport = self.transport
        if transport.phase == CLOSED:
            return
        if self.hub.draining and not self.reason:
            self.reason = STOPPED
        reset_at_close(transport.raw)
        transport.abort()

    # Called by the hub.

    def drain(self) -> None:
        """The worker stops: the application has the graceful deadline to come to an end."""
        self.exchange.stop()

    def tick(self, now: float) -> None:
        """Check the deadlines."""
        transport, call, service = self.transport, self.exchange, self.service
        if transport.phase >= CLOSING:
            transport.tick(now)
        elif transport.is_write_stalled(now, self.hub.patience(call)):
            self.reason = NOT_READING
            peer = printable_peer(self.endpoint)
            self.hub.warn("tcp write", f"{peer} reads nothing: TCP connection reset")
            self.abort()
        elif call.state == OFFERED:
            if now >= transport.deadline:
                self.reason = UNANSWERED
                text = f"the application left tcp.connect unanswered for {ANSWER_WITHIN:g} s"
                self.hub.warn("tcp accept", text)
                self.abort()
        elif service.idle and now - self.heard >= service.idle and not transport.reading_paused:
            self.reason = IDLE
            transport.close()


def reset_at_close(raw: Any) -> None:
    """Have the kernel send a reset when the socket is closed."""
    sock = raw.get_extra_info("socket")
    if sock is not None and sock.family != socket.AF_UNIX and sock.fileno() >= 0:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        except OSError:
            # The client has reset it already.
            pass
