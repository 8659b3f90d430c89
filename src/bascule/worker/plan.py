"""What each layer below gets of the settings. Only this package sees them whole."""

from bascule.connections.hub import Deadlines
from bascule.interfaces.exchange import WebSocketPlan
from bascule.protocols.limits import RequestLimits, WebSocketLimits
from bascule.settings import Settings


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
        websocket_ping_timeout=settings.ws_ping_timeout,
    )


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


def server_line(settings: Settings) -> bytes:
    """The Server field as a line, or nothing."""
    return b"server: bascule\r\n" if settings.server_header else b""


def extra_lines(settings: Settings) -> bytes:
    """The fields of `--header`, as lines."""
    return b"".join(b"%b: %b\r\n" % field for field in settings.header)
