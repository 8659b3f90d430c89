"""The UDP sockets of `--listen` in a worker: which application serves each."""

import socket
from collections.abc import Mapping, Sequence

from bascule.connections.hub import Hub
from bascule.connections.udp import UdpSocket
from bascule.interfaces.asgi.call import AsgiCaller
from bascule.settings import Settings
from bascule.sockets.named import describe, name_of


class UdpServices:
    """The sockets, from their opening to the end of the drain."""

    def __init__(
        self,
        settings: Settings,
        callers: Mapping[str, AsgiCaller],
        hub: Hub,
        sockets: Sequence[socket.socket],
    ) -> None:
        seconds = settings.timeout_graceful_shutdown
        self.sockets = [
            UdpSocket(
                hub, callers.get(name_of(sock)) or callers[""], sock, describe(sock, ""), seconds
            )
            for sock in sockets
        ]

    def open(self) -> None:
        """Begin to read."""
        for one in self.sockets:
            one.open()

    def tick(self) -> None:
        """Do what is due a few times a second."""
        for one in self.sockets:
            one.tick()

    def drain(self) -> None:
        """Take what the kernel has, and no more after it."""
        for one in self.sockets:
            one.drain()

    def abort(self) -> None:
        """Close all."""
        for one in self.sockets:
            one.abort()
