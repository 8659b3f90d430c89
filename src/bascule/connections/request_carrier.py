"""Watching a request, whatever carries it: an HTTP/1.1 connection, or one stream of HTTP/2.

A carrier derives from `RequestCarrier`, begins each request with `begin`, and adds what its
protocol knows. These are written once, here: the exchange's begin and end, the line in the
access log, refusals, and the deadlines, which `watch` checks once each tick.

    the response      has to begin within --request-timeout
    the request body  has to come at the body rate, while the application reads it
    a handshake       of a WebSocket has to be answered in time
    half-close        a client that has closed its sending side counts as gone after a moment
"""

from time import perf_counter
from typing import Any

from bascule.connections.hub import Hub
from bascule.connections.transport_info import printable_peer
from bascule.interfaces.answers import TEXT
from bascule.interfaces.endpoint import Endpoint
from bascule.interfaces.exchange import Carrier, Exchange
from bascule.protocols.events import Request


class RequestCarrier(Carrier):
    """Carries exchanges one after the other, and watches each.

    exchange: the one under way, None between requests and once its response is complete.
    request: the request of the last exchange.
    status, bytes_sent: what has been sent of the response: 0 before its head, and the size of its
        body so far.
    started_at: when the head was here, in seconds of `perf_counter`.
    expires_at: when the response has to have begun, 0 where no tick has seen the request yet.
    handshake_deadline: when a WebSocket handshake has to be answered.
    body_since, body_received: since when bytes of the request body are counted, and how many have
        come.
    """

    __slots__ = (
        "body_received",
        "body_since",
        "bytes_sent",
        "exchange",
        "expires_at",
        "handshake_deadline",
        "hub",
        "request",
        "started_at",
        "status",
    )

    def __init__(self, hub: Hub, endpoint: Endpoint) -> None:
        self.hub = hub
        self.endpoint = endpoint
        self.congested = False
        self.exchange: Exchange | None = None
        # A Request, from the first one on.
        self.request: Any = None
        self.status = 0
        self.bytes_sent = 0
        self.started_at = 0.0
        self.expires_at = 0.0
        self.handshake_deadline = 0.0
        self.body_since = 0.0
        self.body_received = 0

    # Defined by each protocol.

    def put_off(self, exchange: Exchange) -> None:
        """Start the exchange when what has already arrived of its body has reached it."""
        raise NotImplementedError

    def has_responded(self) -> bool:
        """Whether the head of a response to the request has been sent."""
        raise NotImplementedError

    def is_body_awaited(self) -> bool:
        """Whether the request body is not complete, and more of it is wanted."""
        raise NotImplementedError

    def is_body_held(self) -> bool:
        """Whether it is the application, and not the client, that holds the body up."""
        raise NotImplementedError

    def probe(self, exchange: Exchange) -> None:
        """Find out whether a client that has closed its sending side is still there."""

    def send_refusal(self, status: int, fields: list[tuple[bytes, bytes]], body: bytes) -> None:
        """Send a whole response, write its line into the access log, and end the carrier."""
        raise NotImplementedError

    def cut_short(self) -> None:
        """End the carrier in the middle of a response, or of the request behind it."""
        raise NotImplementedError

    # A request.

    def begin(self, request: Request) -> None:
        """Make the exchange of a request; start it if the request is complete."""
        hub = self.hub
        self.request = request
        self.status = self.bytes_sent = 0
        self.started_at = perf_counter()
        self.expires_at = 0.0
        exchange = hub.exchange(request, self, self.started_at)
        self.exchange = exchange
        if hub.turns_away(self):
            return
        if request.ended:
            if request.websocket is not None:
                self.handshake_deadline = hub.now + hub.deadlines.websocket_handshake
            exchange.start()
        else:
            self.body_since = hub.now
            self.body_received = 0
            self.put_off(exchange)

    def end(self, dropped_body: bool) -> None:
        """The response is complete. dropped_body: the application sent a body with a status that
        cannot have one."""
        exchange = self.exchange
        self.exchange = None
        if self.hub.access is not None:
            self.record(self.status, 0.0 if exchange is None else exchange.waited)
        if dropped_body:
            self.hub.warn(
                "dropped body",
                f"the application sent a body with status {self.status}; it was dropped",
            )

    def disconnect(self) -> None:
        """The client is gone, before the response was complete."""
        exchange = self.exchange
        if exchange is not None:
            self.exchange = None
            self.congested = False
            # 499 is nginx's, for a client that left before there was an answer.
            self.record(self.status or 499, exchange.waited)
            exchange.disconnect()

    def refuse(
        self, status: int, reason: str, fields: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        """Answer what breaks the protocol or a limit, and end the carrier. An exchange under way
        learns that its client is gone."""
        self.hub.warn("refused", f"{printable_peer(self.endpoint)}: {status} {reason}")
        exchange = self.exchange
        self.exchange = None
        if exchange is not None:
            exchange.disconnect()
        if self.has_responded():
            if exchange is not None:
                self.record(self.status)
            self.cut_short()
        else:
            body = reason.encode() + b"\n"
            self.status = status
            self.bytes_sent = len(body)
            self.send_refusal(status, [TEXT, *fields], body)

    def record(self, status: int, waited: float = 0.0) -> None:
        """Write the line of the request into the access log."""
        request = self.request
        if request is not None:
            self.hub.record(
                request, self.endpoint, status, self.bytes_sent, self.started_at, waited
            )

    # Deadlines.

    def watch(self, now: float, finished_at: float) -> None:
        """Check the deadlines of the request. finished_at: when the client closed its sending
        side, or 0."""
        exchange = self.exchange
        if exchange is not None:
            exchange.tick()
            exchange = self.exchange
        if exchange is not None:
            if finished_at:
                self.watch_half_closed(exchange, now - finished_at)
            if exchange.request.websocket is not None:
                if now >= self.handshake_deadline:
                    self.expire_handshake(exchange)
            elif self.hub.request_timeout:
                self.watch_age(exchange, self.hub.read_at)
        if self.is_body_awaited():
            self.watch_body_rate(now)

    def watch_half_closed(self, exchange: Exchange, seconds: float) -> None:
        """The client has closed its sending side some seconds ago. It waits for its response, or
        has gone, which only writing to it would tell."""
        if seconds >= self.hub.deadlines.half_close:
            exchange.finish_sending()
        else:
            self.probe(exchange)

    def expire_handshake(self, exchange: Exchange) -> None:
        """The application has not answered a WebSocket handshake in time."""
        if not self.has_responded() and self.hub.interface.websockets is not None:
            self.hub.expire_handshake(self, exchange)

    def watch_age(self, exchange: Exchange, now: float) -> None:
        """A response has to begin within the time for requests, also where it is the application
        that holds the loop. Once it has, nothing limits how long it may continue: it may be a
        stream of events."""
        if self.exchange is not exchange or self.has_responded():
            return
        if self.expires_at == 0.0:
            # Counted from the first tick that sees the request. The time of the tick before it
            # may be long gone, if the loop was blocked, and the request is not to suffer for it.
            self.expires_at = now + self.hub.request_timeout
        elif now >= self.expires_at:
            exchange.catch_up()
            if self.exchange is exchange and not self.has_responded():
                self.hub.expire(self, exchange)

    def watch_body_rate(self, now: float) -> None:
        """Refuse a body that comes more slowly than any honest client sends."""
        if self.is_body_held():
            self.body_since = now
            self.body_received = 0
            return
        deadlines = self.hub.deadlines
        elapsed = now - self.body_since
        rate = deadlines.body_rate
        if elapsed > deadlines.body_grace and self.body_received < elapsed * rate:
            self.refuse(408, f"the request body came at less than {rate:g} bytes a second")
