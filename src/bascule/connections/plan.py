"""The choices that connections are given: limits, deadlines, versions, fields of every response.

One value, made once for a worker and never changed: whatever reads it may keep what it read.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from bascule.protocols.limits import Http2Limits, RequestLimits, WebSocketLimits, limit
from bascule.settings import OPTIONS

if TYPE_CHECKING:
    from bascule.observability.board import Slot


def settable(name: str) -> Any:
    """Return a field of a dataclass with the default and the reason of a setting, 0 for none."""
    option = OPTIONS[name]
    return limit(option.default or 0, option.reason)


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds, all finite, each with its reason.

    keep_alive: for an idle connection.
    last_call: when the worker stops, for a client whose connection is idle to send the request
        that it may be sending already.
    first_call: the same for a client that has connected, and has sent nothing yet.
    request_head: from the first byte of a head to its last. Starting again at each byte would help
        slowloris.
    write: without the client taking a byte of what was written.
    write_contended: the same, where the response holds a thread that other requests wait for, or
        where too much waits for clients in all.
    body_grace: until the rate of a request body is checked.
    body_rate: bytes a second, which a request body must have come at on average after that; 0 for
        no minimum.
    linger: for the client to read a refusal before the connection is closed. It begins anew while
        the client still sends, until longest_linger. nginx has such a pair.
    longest_linger: see linger.
    half_close: for a client that has closed its sending side to be taken for one that waits for
        its response.
    websocket_handshake: for the application to answer a handshake.
    websocket_answer: for the application to answer messages that came before the client's end.
    websocket_closing: for the client to answer a Close frame.
    websocket_ping_interval: of silence until the client gets a ping; 0 for no pings.
    websocket_ping_timeout: for the answer to a ping; 0 for no limit, with another ping after each
        interval.
    """

    keep_alive: float = settable("timeout_keep_alive")
    last_call: float = limit(1.0, "Closing at once would lose the request.")
    first_call: float = limit(2.0, "Closing at once would lose its first request.")
    request_head: float = settable("timeout_request_head")
    write: float = settable("timeout_write")
    write_contended: float = limit(
        5.0, "A client that reads nothing must not keep a thread from clients that read."
    )
    body_grace: float = limit(30.0)
    body_rate: float = settable("limit_body_rate")
    linger: float = limit(
        2.0, "RFC 9112 section 9.6: closing with unread bytes may lose the response."
    )
    longest_linger: float = limit(30.0, "nginx's number.")
    half_close: float = limit(2.0, "The client may be gone or may be waiting.")
    websocket_handshake: float = limit(30.0, "Browsers give up later, without a reason.")
    websocket_answer: float = limit(2.0, "A busy application does not hold the client up.")
    websocket_closing: float = limit(10.0, "Clients allow the server as much.")
    websocket_ping_interval: float = settable("ws_ping_interval")
    websocket_ping_timeout: float = settable("ws_ping_timeout")


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
    max_connections: int = settable("limit_connections")
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
