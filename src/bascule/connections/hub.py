"""The shared side of connections: the interface, the limits, one coarse clock, the drain.

One tick serves every deadline of every connection: no timer is made or cancelled for a request.
Deadlines are in seconds of `now`, which the tick sets; they are as exact as the tick is short,
which is enough for what they guard.
"""

import time
from asyncio import AbstractEventLoop
from collections.abc import Callable
from time import perf_counter, sleep
from typing import Protocol

from bascule.connections.overdue import Overdue
from bascule.connections.plan import ConnectionPlan, Observers
from bascule.connections.transport_info import printable_client
from bascule.dates import http_date
from bascule.interfaces.answers import PLAIN_TEXT, TRY_AGAIN
from bascule.interfaces.endpoint import Endpoint
from bascule.interfaces.exchange import Carrier, Exchange, Interface
from bascule.protocols.events import Request
from bascule.protocols.response_fields import ResponseDefaults

TICK = 0.25

# The most that the hub's clock counts from one look to the next, in seconds.
LONGEST_STEP = 2 * TICK

# Bytes of responses that wait for clients, of all connections together. Past the first, clients
# that take nothing are cut sooner, and none with HTTP/2 gets more than its share. Past the second,
# threads wait for their clients, whatever waits for the threads.
MOST_UNSENT = 64 * 1024 * 1024
TOO_MUCH_UNSENT = 4 * MOST_UNSENT

# Seconds for which threads get the interpreter's lock between two turns of a busy loop: enough for
# one to wake up, and as short as a sleep can be.
FOR_THREADS = 0.00005
# And from one time to the next: twenty busy connections are not to sleep one after the other.
BETWEEN_THREADS = 0.001

TOO_MANY = b"more requests than this server takes at once\n"
TOO_LATE = b"the application did not answer in time\n"


class RequestJudge(Protocol):
    """Judges requests that have fields of proxies."""

    def look(self, request: Request, endpoint: Endpoint) -> None: ...


class Connection(Protocol):
    """A connection, as the hub calls it."""

    def tick(self, now: float) -> None: ...

    def drain(self) -> None: ...

    def abort(self) -> None: ...


class Hub:
    """The shared side of a worker's connections.

    The choices of the plan are attributes here, under the same names: a compiled attribute is read
    without a lookup.

    interface: calls the application.
    keep_alive, ping_interval: of the deadlines, read most often.
    defaults: the fields that the server adds to responses.
    warn, access, slot: see `Observers`.
    set_accepting: pauses and resumes the listening sockets.
    proxy_fields: judges the fields of proxies; None where they are the application's business.
    overdue: ends requests that are past their deadline.
    connections: all that are open.
    websockets: how many of them are WebSockets.
    now: seconds of the clock that deadlines of clients are set by; coarse, a tick old at most. It
        leaves out time in which the loop or the whole process stood still: no client was heard
        then, and one that sent all the while must not pay for it.
    read_at: the loop's clock when it was last read. `request_timeout` goes by this clock, for it
        may be the application that holds the loop.
    draining: no connection is kept alive any more.
    threads_due: when `let_threads_run` may pause again.
    served: requests begun.
    unsent: bytes of responses that waited for their clients at the last tick.
    counted: the same of the connections that this tick has visited.
    """

    __slots__ = (
        "access",
        "compress",
        "connections",
        "counted",
        "date_header",
        "deadlines",
        "defaults",
        "draining",
        "header_map",
        "http1",
        "http2",
        "http2_limits",
        "interface",
        "keep_alive",
        "limits",
        "loop",
        "max_connections",
        "max_running",
        "now",
        "overdue",
        "ping_interval",
        "proxy_fields",
        "read_at",
        "request_timeout",
        "served",
        "set_accepting",
        "slot",
        "threads_due",
        "unsent",
        "warn",
        "websocket_limits",
        "websockets",
    )

    def __init__(
        self,
        loop: AbstractEventLoop,
        interface: Interface,
        plan: ConnectionPlan,
        observers: Observers,
        set_accepting: Callable[[bool], None],
        proxy_fields: RequestJudge | None = None,
    ) -> None:
        self.loop = loop
        self.interface = interface
        self.limits = plan.limits
        self.http2_limits = plan.http2_limits
        self.websocket_limits = plan.websocket_limits
        self.deadlines = plan.deadlines
        self.keep_alive = plan.deadlines.keep_alive
        self.ping_interval = plan.deadlines.websocket_ping_interval
        self.request_timeout = plan.request_timeout
        self.max_connections = plan.max_connections
        self.max_running = plan.max_running
        self.http1 = plan.http1
        self.http2 = plan.http2
        self.header_map = plan.header_map
        self.compress = plan.compress
        self.date_header = plan.date_header
        self.defaults = ResponseDefaults()
        self.defaults.server = plan.server_line
        self.defaults.extra = plan.extra_lines
        self.warn = observers.warn
        self.access = observers.access
        self.slot = observers.slot
        self.set_accepting = set_accepting
        self.proxy_fields = proxy_fields
        self.overdue = Overdue(observers.warn)
        self.connections: set[Connection] = set()
        self.draining = False
        self.threads_due = 0.0
        self.served = 0
        self.unsent = self.counted = 0
        self.websockets = 0
        self.now = self.read_at = loop.time()
        self.set_date()

    def opened(self, connection: Connection) -> None:
        """A client has connected. At the limit no more are accepted: they wait in the kernel's
        queue."""
        self.connections.add(connection)
        if self.slot is not None:
            self.slot.connections = len(self.connections)
        if len(self.connections) == self.max_connections:
            self.warn(
                "connections", f"{self.max_connections} connections are open; further ones wait"
            )
            self.set_accepting(False)

    def has_room(self, pending: int) -> bool:
        """Whether another connection may be accepted beside `pending` that are being set up."""
        return len(self.connections) + pending < self.max_connections

    def closed(self, connection: Connection) -> None:
        """A connection is gone; there may be room again."""
        full = len(self.connections) == self.max_connections
        self.connections.discard(connection)
        if self.slot is not None:
            self.slot.connections = len(self.connections)
        if full and not self.draining:
            self.set_accepting(True)

    # Steps of a request that are the same for every protocol.

    def exchange(self, request: Request, carrier: Carrier, arrived_at: float) -> Exchange:
        """A new exchange, not started yet, of a request in which what proxies say of it has been
        judged. All wire protocols get theirs here. arrived_at: as of `Exchange`."""
        self.served += 1
        if request.forwarding and self.proxy_fields is not None:
            self.proxy_fields.look(request, carrier.endpoint)
        exchange = self.interface.exchange(request, carrier)
        exchange.arrived_at = arrived_at
        return exchange

    def turns_away(self, carrier: Carrier) -> bool:
        """Answer a request for which there are too many; whether there are."""
        if not self.max_running or self.busy < self.max_running:
            return False
        carrier.respond(503, TRY_AGAIN, TOO_MANY, True)
        self.warn("concurrency", f"more than {self.max_running} requests at once: answered 503")
        return True

    def record(
        self,
        request: Request,
        endpoint: Endpoint,
        status: int,
        size: int,
        began: float,
        waited: float,
    ) -> None:
        """Write the line of a request into the access log. endpoint: of its connection, which
        trusted proxies may know better. began: in seconds of `perf_counter`."""
        access = self.access
        if access is None:
            return
        if request.endpoint is not None:
            endpoint = request.endpoint
        name = endpoint.client_name
        if name is None:
            name = endpoint.client_name = printable_client(endpoint)
        access.record(
            name,
            request.method,
            request.target,
            request.http_version,
            status,
            size,
            perf_counter() - began,
            waited,
        )

    def record_refused(
        self,
        words: tuple[str, bytes, str],
        endpoint: Endpoint,
        status: int,
        size: int,
    ) -> None:
        """Write the line of a request that was refused by its head. words: its method, target and
        version, "-" for what is not known."""
        access = self.access
        if access is not None:
            access.record(printable_client(endpoint), *words, status, size, 0.0)

    def expire(self, carrier: Carrier, exchange: Exchange) -> None:
        """A response has not begun within the time for requests."""
        self.overdue.expire(exchange, self.request_timeout, self.read_at)
        carrier.respond(504, PLAIN_TEXT, TOO_LATE, True)
        exchange.disconnect()

    def expire_handshake(self, carrier: Carrier, exchange: Exchange) -> None:
        """The application has not answered a WebSocket handshake in time; for it the client is
        gone."""
        seconds = self.deadlines.websocket_handshake
        self.warn(
            "handshake", f"the application left a WebSocket handshake unanswered for {seconds:g} s"
        )
        carrier.respond(503, TRY_AGAIN, TOO_LATE, True)
        exchange.disconnect()

    def patience(self, exchange: Exchange | None) -> float:
        """Seconds for which a client may take nothing of its response."""
        deadlines = self.deadlines
        if self.unsent >= MOST_UNSENT or (exchange is not None and exchange.holds_up()):
            return min(deadlines.write, deadlines.write_contended)
        return deadlines.write

    def let_threads_run(self) -> None:
        """Leave the interpreter's lock to threads for a moment. To be called by a connection that
        has more to do than its share of a turn: a loop that is never idle, in compiled code, gives
        the lock back only to take it again before a thread has woken up."""
        if self.interface.has_busy_threads():
            now = perf_counter()
            if now >= self.threads_due:
                sleep(FOR_THREADS)
                self.threads_due = now + BETWEEN_THREADS

    def replaced(self, connection: Connection, successor: Connection) -> None:
        """A connection continues as another object."""
        self.connections.discard(connection)
        self.connections.add(successor)

    @property
    def busy(self) -> int:
        """Requests under way: calls of the application that did not become WebSockets. Open
        connections are not what is counted: a WebSocket outlives its call while it closes, and a
        call outlives its WebSocket while it cleans up."""
        return self.interface.count_running() - self.interface.count_switched()

    def tick(self) -> None:
        """Have every connection check its deadlines."""
        now = self.look_at_clock()
        self.set_date()
        self.counted = 0
        for connection in tuple(self.connections):
            connection.tick(now)
        self.unsent = self.counted
        self.overdue.tick(self.read_at)
        if self.slot is not None:
            self.slot.requests = self.served
            self.slot.running = self.busy
            self.slot.stuck = self.overdue.stuck
            self.slot.beat()

    def look_at_clock(self) -> float:
        """`now`, brought up to date."""
        reading = self.loop.time()
        self.now += min(reading - self.read_at, LONGEST_STEP)
        self.read_at = reading
        return self.now

    def set_date(self) -> None:
        """RFC 9110 section 6.6.1, formatted once a tick instead of once a response."""
        line = b"date: %b\r\n" % http_date(time.time()) if self.date_header else b""
        self.defaults.date = line

    def drain(self) -> None:
        """Close what stays idle; what is busy closes behind its response."""
        self.draining = True
        self.look_at_clock()
        for connection in tuple(self.connections):
            connection.drain()

    def abort(self) -> None:
        """Close everything now."""
        for connection in tuple(self.connections):
            connection.abort()

    @property
    def quiet(self) -> bool:
        """No connection is open and no application call is running."""
        return not self.connections and self.interface.count_running() == 0

    @property
    def deserted(self) -> bool:
        """No connection is open, and every running call sends to a client that has gone."""
        interface = self.interface
        return not self.connections and interface.count_running() == interface.count_deserted()
