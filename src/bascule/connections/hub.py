"""What all connections of a worker share: the interface, the limits, one coarse clock, the drain.

One tick serves every deadline of every connection: no timer is made or cancelled for a request.
Deadlines are in seconds of `now`, which the tick sets; they are as exact as the tick is short,
which is enough for what they guard.
"""

import time
from asyncio import AbstractEventLoop
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bascule.interfaces.exchange import Interface
from bascule.protocols.http1.response import ResponseDefaults
from bascule.protocols.limits import RequestLimits, WebSocketLimits

TICK = 0.25


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds, all finite, each with its reason.

    keep_alive: an idle connection. Longer than the 60 s after which load balancers drop theirs:
    the side that closes
        first must be the balancer, or it meets a closed connection and answers 502.
    request_head: from the first octet of a head to its last; a restart at each octet would be
    slowloris' friend.
    write: without the client taking an octet of what was written.
    body_grace, body_rate: after the grace, a request body must have come at this many octets a
    second on average.
    linger: for the client to read a refusal before the connection goes (RFC 9112 section 9.6).
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
    """

    keep_alive: float = 75.0
    request_head: float = 30.0
    write: float = 60.0
    body_grace: float = 30.0
    body_rate: float = 240.0
    linger: float = 2.0
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
        octets: int,
        seconds: float,
    ) -> None: ...


class Connection(Protocol):
    """What the hub asks of a connection."""

    def tick(self, now: float) -> None: ...

    def drain(self) -> None: ...

    def abort(self) -> None: ...


class Hub:
    """The shared side of a worker's connections.

    now: seconds of the loop's clock at the last tick. draining: no connection is kept alive any
    more.
    warn: for lines that a client could cause in any number; called with (kind, text).
    max_running: requests at once, 0 for no limit. keep_alive: of the deadlines, wanted most often.
    set_accepting: pauses and resumes the listening sockets.
    websockets: how many are open. websocket_limits, compress: what their engines are given.
    """

    __slots__ = (
        "access",
        "compress",
        "connections",
        "date_header",
        "deadlines",
        "defaults",
        "draining",
        "header_map",
        "interface",
        "keep_alive",
        "limits",
        "loop",
        "max_connections",
        "max_running",
        "now",
        "ping_interval",
        "set_accepting",
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
        self.defaults = ResponseDefaults()
        self.access: AccessRecorder | None = None
        self.header_map = "drop"
        self.max_connections = 10000
        self.max_running = 0
        self.date_header = True
        self.connections: set[Connection] = set()
        self.draining = False
        self.websockets = 0
        self.websocket_limits = WebSocketLimits()
        self.compress = True
        self.set_accepting: Callable[[bool], None] = ignore
        self.now = loop.time()
        self.set_date()

    def opened(self, connection: Connection) -> None:
        """A client has connected. At the limit no more are accepted: they wait in the kernel's
        queue."""
        self.connections.add(connection)
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
        if full and not self.draining:
            self.set_accepting(True)

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
        self.now = now = self.loop.time()
        self.set_date()
        for connection in tuple(self.connections):
            connection.tick(now)

    def set_date(self) -> None:
        """RFC 9110 section 6.6.1, formatted once a tick instead of once a response."""
        line = b"date: %b\r\n" % http_date(time.time()) if self.date_header else b""
        self.defaults.date = line

    def drain(self) -> None:
        """Close what is idle; what is busy closes behind its response."""
        self.draining = True
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
