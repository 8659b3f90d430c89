"""The plans for the layers below, made of the settings, which only this package sees whole."""

from dataclasses import replace
from typing import TYPE_CHECKING

from bascule.connections.hub import TICK
from bascule.connections.plan import ConnectionPlan, Deadlines
from bascule.interfaces.exchange import WebSocketPlan
from bascule.protocols.limits import RequestLimits, WebSocketLimits
from bascule.settings import Settings

if TYPE_CHECKING:
    from bascule.interfaces.asgi.plan import AsgiPlan
    from bascule.interfaces.wsgi.plan import WsgiPlan
    from bascule.sockets.tls import WatchedContext

DEBUG_STALL = 0.1


def connection_plan(settings: Settings) -> ConnectionPlan:
    """Return the choices for connections."""
    return ConnectionPlan(
        limits=RequestLimits(
            request_line=settings.limit_request_line,
            head=settings.limit_request_head,
            fields=settings.limit_request_fields,
            body=settings.limit_request_body,
        ),
        websocket_limits=WebSocketLimits(
            message=settings.ws_max_size,
            frame=settings.ws_max_size,
            fragments=settings.ws_max_fragments,
        ),
        deadlines=Deadlines(
            keep_alive=settings.timeout_keep_alive,
            request_head=settings.timeout_request_head,
            write=settings.timeout_write,
            body_rate=settings.limit_body_rate,
            websocket_ping_interval=settings.ws_ping_interval or 0.0,
            websocket_ping_timeout=settings.ws_ping_timeout or 0.0,
        ),
        request_timeout=settings.request_timeout or 0.0,
        max_connections=settings.limit_connections,
        max_running=settings.limit_concurrency or 0,
        http1=settings.http != "2",
        http2=settings.http != "1",
        header_map=settings.header_map,
        compress=settings.ws_per_message_deflate,
        date_header=settings.date_header,
        server_line=b"server: bascule\r\n" if settings.server_header else b"",
        extra_lines=b"".join(b"%b: %b\r\n" % field for field in settings.header),
    )


def without_last_call(plan: ConnectionPlan) -> ConnectionPlan:
    """Return a plan by which idle connections are closed at once when the worker stops."""
    return replace(plan, deadlines=replace(plan.deadlines, last_call=0.0, first_call=TICK))


def stall_after(settings: Settings) -> float | None:
    """Return the seconds after which a loop counts as blocked; None if it is not watched. With
    --debug asyncio's own threshold."""
    after = settings.loop_stall
    return after if after is None or not settings.debug else min(after, DEBUG_STALL)


def wsgi_plan(settings: Settings, multiprocess: bool, beside_asgi: bool) -> "WsgiPlan":
    """Return the choices for WSGI calls."""
    from bascule.interfaces.wsgi.body import PATIENCE
    from bascule.interfaces.wsgi.plan import WsgiPlan

    patience = PATIENCE
    if settings.request_timeout:
        # Most of the time is for the application.
        patience = min(patience, int(settings.request_timeout / (4 * TICK)))
    return WsgiPlan(
        threads=settings.threads,
        root_path=settings.root_path,
        websockets=websockets(settings),
        queue_timeout=settings.queue_timeout or 0.0,
        queue_limit=settings.limit_queue or settings.limit_connections,
        body_limit=settings.limit_body_buffer,
        body_patience=patience,
        multiprocess=multiprocess,
        beside_asgi=beside_asgi,
    )


def asgi_plan(settings: Settings) -> "AsgiPlan":
    """Return the choices for ASGI calls."""
    from bascule.interfaces.asgi.plan import AsgiPlan

    return AsgiPlan(settings.root_path, websockets(settings), settings.asgi_extensions)


def websockets(settings: Settings) -> WebSocketPlan | None:
    """Return the choices for WebSockets; None where they are not wanted."""
    if settings.ws == "none":
        return None
    return WebSocketPlan(settings.ws_max_queue, settings.websocket_threads)


def alpn(settings: Settings) -> list[str]:
    """The protocols that are offered over TLS, the preferred one first (RFC 7301)."""
    return {"auto": ["h2", "http/1.1"], "1": ["http/1.1"], "2": ["h2"]}[settings.http]


def tls_context(settings: Settings) -> "WatchedContext | None":
    """Return the context that connections are encrypted with; None without TLS. Raises
    UsageError."""
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
    has_tcp = any(address.is_encrypted for address, _ in settings.listen)
    tcp_alpn = settings.tcp_alpn if has_tcp else None
    if settings.supervised is None:
        return WatchedContext(files, alpn(settings), tcp_alpn=tcp_alpn)
    from bascule.sockets.tickets import shared_secret

    # The supervisor comes here before it forks, so all of its workers have the same.
    return WatchedContext(files, alpn(settings), shared_secret(), tcp_alpn)
