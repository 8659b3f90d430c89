"""What each layer below gets of the settings. Only this package sees them whole."""

from typing import TYPE_CHECKING

from bascule.connections.hub import Deadlines
from bascule.interfaces.exchange import WebSocketPlan
from bascule.protocols.limits import RequestLimits, WebSocketLimits
from bascule.settings import Settings

if TYPE_CHECKING:
    from bascule.sockets.tls import WatchedContext

DEBUG_STALL = 0.1


def request_limits(settings: Settings) -> RequestLimits:
    """The limits an engine is given."""
    return RequestLimits(
        request_line=settings.limit_request_line,
        head=settings.limit_request_head,
        fields=settings.limit_request_fields,
        body=settings.limit_request_body,
    )


def deadlines(settings: Settings) -> Deadlines:
    """The deadlines a connection is given, in seconds."""
    return Deadlines(
        keep_alive=settings.timeout_keep_alive,
        request_head=settings.timeout_request_head,
        write=settings.timeout_write,
        body_rate=settings.limit_body_rate,
        websocket_ping_interval=settings.ws_ping_interval or 0.0,
        websocket_ping_timeout=settings.ws_ping_timeout or 0.0,
    )


def stall_after(settings: Settings) -> float | None:
    """Seconds after which a loop counts as blocked; None where nobody is to look. With --debug
    asyncio's own threshold."""
    after = settings.loop_stall
    return after if after is None or not settings.debug else min(after, DEBUG_STALL)


def websockets(settings: Settings) -> WebSocketPlan | None:
    """What an interface is told about WebSockets; None where they are not wanted."""
    if settings.ws == "none":
        return None
    return WebSocketPlan(settings.ws_max_queue, settings.websocket_threads)


def websocket_limits(settings: Settings) -> WebSocketLimits:
    """The limits the engine of a WebSocket is given."""
    return WebSocketLimits(
        message=settings.ws_max_size,
        frame=settings.ws_max_size,
        fragments=settings.ws_max_fragments,
    )


def alpn(settings: Settings) -> list[str]:
    """The protocols that are offered over TLS, the preferred one first (RFC 7301)."""
    return {"auto": ["h2", "http/1.1"], "1": ["http/1.1"], "2": ["h2"]}[settings.http]


def server_line(settings: Settings) -> bytes:
    """The Server field as a line, or nothing."""
    return b"server: bascule\r\n" if settings.server_header else b""


def extra_lines(settings: Settings) -> bytes:
    """The fields of `--header`, as lines."""
    return b"".join(b"%b: %b\r\n" % field for field in settings.header)


def tls_context(settings: Settings) -> "WatchedContext | None":
    """What connections are encrypted with; None without TLS. Raises UsageError."""
    if not settings.ssl_certfile:
        return None
    from bascule.sockets.tls import TLSFiles, WatchedContext

    files = TLSFiles(
        settings.ssl_certfile,
        settings.ssl_keyfile,
        settings.ssl_keyfile_password,
        settings.ssl_ca_certs,
        settings.ssl_cert_reqs,
    )
    if settings.supervised is None:
        return WatchedContext(files, alpn(settings))
    from bascule.sockets.tickets import shared_secret

    # The supervisor comes here before it forks, so all of its workers have the same.
    return WatchedContext(files, alpn(settings), shared_secret())
