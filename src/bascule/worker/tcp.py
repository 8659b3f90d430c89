"""The addresses of `--listen` in a worker: which application serves each, and how."""

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from bascule.address import parse_listen_address
from bascule.connections.hub import Hub
from bascule.connections.tcp import TcpConnection, TcpService
from bascule.interfaces.asgi.call import AsgiCaller
from bascule.loop import Acceptor, listen
from bascule.settings import Settings
from bascule.sockets.named import describe, name_of

if TYPE_CHECKING:
    from bascule.loop.proxied import ProxyHeaders
    from bascule.sockets.tls import WatchedContext

Warn = Callable[[str, str], None]


class TcpServices:
    """Accepts the connections of `--listen`, for one worker.

    callers: what calls the application, by the name of the address; "" for all others.
    most: connections that may be open. open: those that are.
    acceptors: one for each socket. encrypted: those of them whose certificate may change.
    """

    def __init__(
        self,
        settings: Settings,
        callers: Mapping[str, AsgiCaller],
        hub: Hub,
        another_should_accept: Callable[[int], bool] | None,
    ) -> None:
        """another_should_accept: as of `Acceptor`; None without other workers."""
        self.another_should_accept = another_should_accept
        self.settings = settings
        self.most = settings.limit_tcp_connections
        self.callers = callers
        self.hub = hub
        self.open: set[TcpConnection] = set()
        self.acceptors: list[Acceptor] = []
        self.encrypted: list[Acceptor] = []

    def has_room(self, pending: int) -> bool:
        """Return whether another connection may be accepted beside `pending` that are being set
        up."""
        return len(self.open) + pending < self.most and self.hub.has_room(pending)

    async def begin(
        self,
        sockets: Sequence[socket.socket],
        tls: "WatchedContext | None",
        proxy_headers: "ProxyHeaders | None",
        warn: Warn,
    ) -> None:
        """Begin to accept."""
        for sock in sockets:
            is_encrypted = parse_listen_address(name_of(sock)).is_encrypted
            context = tls.tcp_context if tls is not None and is_encrypted else None
            acceptor = await listen(
                asyncio.get_running_loop(),
                partial(TcpConnection, self.hub, self.service(sock)),
                sock,
                backlog=self.settings.backlog,
                ssl=context,
                ssl_handshake_timeout=self.settings.timeout_request_head,
                proxy_headers=proxy_headers,
                warn=warn,
            )
            acceptor.may_accept = self.has_room
            if self.another_should_accept is not None:
                acceptor.another_should_accept = self.another_should_accept
            self.acceptors.append(acceptor)
            if context is not None:
                self.encrypted.append(acceptor)

    def service(self, sock: socket.socket) -> TcpService:
        """Return the shared side of the connections of a socket."""
        settings = self.settings
        return TcpService(
            self.callers.get(name_of(sock)) or self.callers[""],
            describe(sock, ""),
            settings.timeout_tcp_idle or 0.0,
            settings.timeout_graceful_shutdown,
            requested_name,
            self.open,
        )

    def renew(self, tls: "WatchedContext") -> None:
        """Give connections from now on the changed certificate."""
        for acceptor in self.encrypted:
            assert tls.tcp_context is not None
            acceptor.renew(tls.tcp_context)


def requested_name(ssl_object: Any) -> str | None:
    """Return the name that a client has asked for in its TLS handshake."""
    from bascule.sockets.tls import server_name

    return server_name(ssl_object)
