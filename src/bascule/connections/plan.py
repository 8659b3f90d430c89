"""The choices that connections are given: limits, deadlines, versions, fields of every response.

One value, made once for a worker and never changed: whatever reads it may keep what it read.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from bascule.protocols.limits import Http2Limits, RequestLimits, WebSocketLimits

if TYPE_CHECKING:
    from bascule.observability.board import Slot


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds, all finite, each with its reason.

    keep_alive: for an idle connection. Longer than the 60 s after which load balancers drop
        theirs: the balancer must close first, or it sends a request into a closed connection and
        answers 502.
    last_call: when the worker stops, for a client whose connection is idle to send the request
        that may be on its way already: closing at once would lose it.
    first_call: the same for a client that has connected, and has sent nothing yet.
    request_head: from the first byte of a head to its last. Starting again at each byte would help
        slowloris.
    write: without the client taking a byte of what was written.
    write_contended: the same, where the response holds a thread that other requests wait for, or
        where too much waits for clients in all.
    body_grace: until the rate of a request body is checked.
    body_rate: bytes a second, which a request body must have come at on average after that.
    linger: for the client to read a refusal before the connection is closed (RFC 9112 section
        9.6). It begins anew while the client still sends, until longest_linger. nginx has such a
        pair.
    longest_linger: see linger.
    half_close: for a client that has closed its sending side to be taken for one that waits for
        its response.
    websocket_handshake: for the application to answer a handshake. Browsers give up later, without
        a reason.
    websocket_answer: for the application to answer messages that came before the client's end.
    websocket_closing: for the client to answer a Close frame. Clients allow the server as much.
    websocket_ping_interval: of silence until the client gets a ping, below the 60 s after which
        proxies drop idle connections. 0 for no pings.
    websocket_ping_timeout: for the answer to a ping. A telephone that changes networks takes a
        while. 0 for no limit: the client gets another ping after each interval.
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


@dataclass(frozen=True, slots=True)
class ConnectionPlan:
    """The choices for all connections of a worker.

    limits: of a request.
    http2_limits: of a connection with HTTP/2.
    websocket_limits: of a WebSocket.
    deadlines: of clients, in seconds.
    request_timeout: seconds until a response has begun, 0 for no limit.
    max_connections: open at once.
    max_running: requests at once, 0 for no limit.
    http1: whether clients may speak HTTP/1.1.
    http2: whether clients may speak HTTP/2; where both are, the client chooses.
    header_map: what becomes of fields with an underscore: "drop", "refuse" or "dangerous".
    compress: whether WebSockets may be compressed.
    date_header: whether responses have a Date field.
    server_line: the Server field of every response as a line, or nothing.
    extra_lines: further fields of every response, as lines.
    """

    limits: RequestLimits = field(default_factory=RequestLimits)
    http2_limits: Http2Limits = field(default_factory=Http2Limits)
    websocket_limits: WebSocketLimits = field(default_factory=WebSocketLimits)
    deadlines: Deadlines = field(default_factory=Deadlines)
    request_timeout: float = 0.0
    max_connections: int = 10_000
    max_running: int = 0
    http1: bool = True
    http2: bool = True
    header_map: str = "drop"
    compress: bool = True
    date_header: bool = True
    server_line: bytes = b""
    extra_lines: bytes = b""


class AccessRecorder(Protocol):
    """The access log, as connections write it."""

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


@dataclass(frozen=True, slots=True)
class Observers:
    """The receivers of facts about connections.

    warn: for lines that a client could cause in any number; called with (kind, text).
    access: the access log, None without one.
    slot: numbers of this worker that other processes read, None where there are none.
    """

    warn: Callable[[str, str], None]
    access: AccessRecorder | None = None
    slot: "Slot | None" = None
