"""The PROXY header of a connection, read from its socket before anything else is.

On a TLS connection the header comes before the handshake, and the loop's transports begin that as
soon as they are made. So it is read while there is no transport yet: bytes are read where they
lie in the kernel (MSG_PEEK), and only those of the header are taken.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from bascule.protocols.peers import TrustedPeers
from bascule.protocols.proxy import (
    ProxiedEnds,
    ProxyHeaderError,
    ProxyReader,
    looks_proxied,
)

# Bytes that are read at once: most headers whole.
SHOWN = 512


class ProxyHeaders:
    """Reads the headers; one for all listening sockets of a worker.

    trusted: the peers that begin with a header, each of them always. seconds: they have for it.
    warn: told of connections that are closed here, in a sentence each.
    """

    def __init__(self, trusted: TrustedPeers, seconds: float, warn: Callable[[str], None]) -> None:
        self.trusted = trusted
        self.seconds = seconds
        self.warn = warn

    async def read(self, conn: socket.socket, address: Any) -> ProxiedEnds | None:
        """Return the ends that the header of a new connection names, or None where it names
        none, or the peer is to send no header.

        conn: non-blocking. address: as accept() returns it. Raises ProxyHeaderError, TimeoutError
        or OSError where the connection is to be closed.
        """
        peer = address[0] if isinstance(address, tuple) else None
        known = self.trusted.unix if peer is None else self.trusted.includes(peer)
        reader = ProxyReader()
        try:
            async with asyncio.timeout(self.seconds):
                if known:
                    await take_header(conn, reader)
                elif looks_proxied(await show(conn)):
                    raise ProxyHeaderError(
                        "sends a PROXY header, and is not one who may (--proxy-allow-ips)"
                    )
        except ProxyHeaderError as error:
            self.complain(peer, str(error))
            raise
        except (TimeoutError, ConnectionError):
            # A client that has sent nothing may have checked whether the port is open.
            if reader.begun:
                self.complain(peer, "does not complete its PROXY header")
            raise
        return reader.ends

    def complain(self, peer: str | None, what: str) -> None:
        self.warn(f"{peer or 'a local client'} {what}: connection closed")


async def take_header(conn: socket.socket, reader: ProxyReader) -> None:
    """Take exactly the header."""
    while not reader.done:
        count = reader.feed(await show(conn))
        while count:
            count -= len(conn.recv(count))


async def show(conn: socket.socket) -> bytes:
    """Return the next bytes, which stay where they are. Raises ConnectionError at the end."""
    while True:
        try:
            shown = conn.recv(SHOWN, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            await readable(conn)
        else:
            if not shown:
                raise ConnectionAbortedError("the peer has closed")
            return shown


async def readable(conn: socket.socket) -> None:
    """Wait until there is something to read."""
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()
    fd = conn.fileno()
    loop.add_reader(fd, wake, waiter)
    try:
        await waiter
    finally:
        loop.remove_reader(fd)


def wake(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
