"""What all connections of a worker share: the interface, the limits, one coarse clock, the drain.

One tick serves every deadline of every connection: no timer is made or cancelled for a request.
Deadlines are in seconds of `now`, which the tick sets; they are as exact as the tick is short,
which is enough for what they guard.
"""

import time
from asyncio import AbstractEventLoop
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter, sleep
from typing import TYPE_CHECKING, Protocol

from bascule.connections.overdue import Overdue
from bascule.connections.transport_info import printable_client
from bascule.interfaces.answers import PLAIN_TEXT, TRY_AGAIN
from bascule.interfaces.endpoint import Endpoint
from bascule.interfaces.exchange import Carrier, Exchange, Interface
from bascule.protocols.events import Request
from bascule.protocols.http1.response import ResponseDefaults
from bascule.protocols.limits import Http2Limits, RequestLimits, WebSocketLimits

if TYPE_CHECKING:
    from bascule.observability.board import Slot

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


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds, all finite, each with its reason.

    keep_alive: an idle connection. Longer than the 60 s after which load balancers drop theirs:
    the side that closes
        first must be the balancer, or it meets a closed connection and answers 502.
    request_head: from the first octet of a head to its last; a restart at each octet would be
    slowloris' friend.
    write: without the client taking an octet of what was written. write_contended: the same, where
        the response holds a thread that other requests wait for, or too much waits for clients in
        all.
    body_grace, body_rate: after the grace, a request body must have come at this many octets a
    second on average.
    last_call: when the worker stops, a client whose connection is idle has this long to send what
        it may be sending already: closing at once would lose it.
    first_call: the same for a client that has connected, and has sent nothing yet.
    linger: for the client to read a refusal before the connection goes (RFC 9112 section 9.6); it
    begins anew while the client still sends, until longest_linger. nginx has such a pair.
    half_close: how long a client that closed its sending side is taken for one that waits for its
    response.
    websocket_handshake: for the application to answer a handshake; browsers give up later, without
    saying why.
    websocket_answer: an end of a WebSocket that came behind messages waits this long for the
    application to answer those.
    websocket_closing: for the client to answer a Close frame; what clients allow the other way.
    websocket_ping_interval: of silence, after which a client is asked whether it is there; below
    the 60 s after which proxies drop idle connections. 0 for never.
    websocket_ping_timeout: for an answer to that; a phone that changes networks takes a while.
    0 for no limit: it is asked again in each interval.
    """

    keep_alive: float = 75.0
    last_call: float = 1.0
    first_call: float = 2.0
    request_head: float = 30.0
    write: float = 60.0
    write_contended: float = 5.0
    body_grace: float = 30.0
    body_rate: float = 240.0
    linger: float = 2.0
    longest_linger: float = 30.0
    half_close: float = 2.0
    websocket_handshake: float = 30.0
    websocket_answer: float = 2.0
    websocket_closing: float = 10.0
    websocket_ping_interval: float = 20.0
    websocket_ping_timeout: float = 20.0


class AccessRecorder(Protocol):
    """What a connection asks of the access log."""

    def record(
        self,
        client: str,
        method: str,
        target: bytes,
        http_version: str,
        status: int,
        size: int,
        seconds: float,
        queued: float = 0.0,
    ) -> None: ...


class RequestJudge(Protocol):
    """What is asked about requests that have fields of proxies."""

    def look(self, request: Request, endpoint: Endpoint) -> None: ...


class Connection(Protocol):
    """What the hub asks of a connection."""

    def tick(self, now: float) -> None: ...

    def drain(self) -> None: ...

    def abort(self) -> None: ...


class Hub:
    """The shared side of a worker's connections.

    now: seconds of the clock that deadlines of clients are set by; coarse, a tick old at most. It
    leaves out when the loop or the whole process stood still: nobody was heard then, and a client
    that sent all the while must not pay for it. read_at: what the loop's clock said when it was
    last looked at; `request_timeout` goes by that, for it may be the application that holds it.
    draining: no connection is kept alive any more.
    warn: for lines that a client could cause in any number; called with (kind, text).
    max_running: requests at once, 0 for no limit. request_timeout: seconds until a response has
    begun, 0 for no limit. keep_alive: of the deadlines, wanted most often.
    set_accepting: pauses and resumes the listening sockets.
    unsent: bytes of responses that wait for their clients, when the last tick looked; counted: as
    far as this one has.
    served: requests begun. slot: where the number of connections is written down for others to
    see.
    proxy_fields: judges the fields of proxies, None where they are the application's business.
    overdue: what becomes of requests past their deadline.
    websockets: how many are open. websocket_limits, compress: what their engines are given.
    http1, http2: whether connections may speak it; where both are, the client chooses.
    http2_limits: what its engines are given.
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
        limits: RequestLimits,
        deadlines: Deadlines,
        warn: Callable[[str, str], None],
    ) -> None:
        self.loop = loop
        self.interface = interface
        self.limits = limits
        self.deadlines = deadlines
        self.keep_alive = deadlines.keep_alive
        self.ping_interval = deadlines.websocket_ping_interval
        self.warn = warn
        self.overdue = Overdue(warn)
        self.request_timeout = 0.0
        self.defaults = ResponseDefaults()
        self.access: AccessRecorder | None = None
        self.header_map = "drop"
        self.proxy_fields: RequestJudge | None = None
        self.max_connections = 10000
        self.max_running = 0
        self.date_header = True
        self.connections: set[Connection] = set()
        self.draining = False
        self.threads_due = 0.0
        self.served = 0
        self.slot: "Slot | None" = None
        self.unsent = self.counted = 0
        self.websockets = 0
        self.websocket_limits = WebSocketLimits()
        self.compress = True
        self.http1 = True
        self.http2 = False
        self.http2_limits = Http2Limits()
        self.set_accepting: Callable[[bool], None] = ignore
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

    # What is the same for a request by every protocol.

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
        """A connection goes on as something else."""
        self.connections.discard(connection)
        self.connections.add(successor)

    @property
    def busy(self) -> int:
        """Requests under way: calls of the application that did not become WebSockets. Open
        connections are not what is counted: a WebSocket outlives its call while it closes, and a
        call outlives its WebSocket while it cleans up."""
        return self.interface.count_running() - self.interface.count_switched()

    def tick(self) -> None:
        """Let every connection look at its deadlines."""
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
        """No connection is open, and every call that is running sends to nobody."""
        interface = self.interface
        return not self.connections and interface.count_running() == interface.count_deserted()


DAYS = (b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun")
MONTHS = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def http_date(seconds: float) -> bytes:
    """IMF-fixdate (RFC 9110 section 5.6.7) of a time in seconds since the epoch.

    Not email.utils, which is 0.4 MB of every worker, nor strftime, which knows the locale.
    """
    now = time.gmtime(seconds)
    day, month = DAYS[now.tm_wday], MONTHS[now.tm_mon - 1]
    clock = (now.tm_hour, now.tm_min, now.tm_sec)
    return b"%b, %02d %b %d %02d:%02d:%02d GMT" % (day, now.tm_mday, month, now.tm_year, *clock)


def ignore(accepting: bool) -> None:
    """Stands in for `Hub.set_accepting` until there is something to accept on."""
