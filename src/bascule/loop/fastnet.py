"""aiofastnet's TLS transport, with an alert for clients whose handshake fails; `handshake` has the
reasons.

Importing this raises ImportError where aiofastnet does not call OpenSSL itself, or is a version
that has not been examined.
"""

import asyncio
import os
import socket
import ssl
from typing import Any

import aiofastnet
from aiofastnet.constants import SSL_BIO_SIZE_DEFAULTS
from aiofastnet.ssl_transport import SSLEngineDirect, SSLTransport_Socket

from bascule.loop.handshake import Connect, Connected, Farewells

if SSLEngineDirect is None or not aiofastnet.__version__.startswith("1.2."):
    raise ImportError("not aiofastnet 1.2 with an OpenSSL of its own")


class TellingTransport(SSLTransport_Socket):  # type: ignore[misc]  # has no types
    """Sends what OpenSSL has written before it closes because of an error of TLS, and notices a
    client that resets the connection right behind something that it has sent."""

    __slots__ = ("farewells", "socket_option")

    def __init__(self, farewells: Farewells, conn: socket.socket, *arguments: Any) -> None:
        # First, because the handshake may begin, and fail, in there.
        self.farewells = farewells
        self.socket_option = conn.getsockopt
        super().__init__(*arguments)

    def _read_ready(self) -> None:
        super()._read_ready()
        if not self.is_closing():
            # libuv stops polling when it has told of an error, which it does once, together with
            # what can be read. Nothing would be heard of this connection again.
            error = self.socket_option(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                self._force_close(OSError(error, os.strerror(error)))

    def _force_close(self, error: BaseException | None) -> None:
        if isinstance(error, ssl.SSLError):
            self._write_ready()
            self.farewells.say(self.get_extra_info("socket"))
        super()._force_close(error)


def connector(loop: asyncio.AbstractEventLoop, farewells: Farewells) -> Connect:
    """As aiofastnet's connect_accepted_socket, with these transports."""

    async def connect(
        factory: Any,
        conn: socket.socket,
        *,
        ssl: ssl.SSLContext,
        ssl_handshake_timeout: float,
        ssl_shutdown_timeout: float,
    ) -> Connected:
        protocol = factory()
        waiter = loop.create_future()
        transport = TellingTransport(
            farewells,
            conn,
            loop,
            protocol,
            ssl,
            True,
            ssl_handshake_timeout,
            ssl_shutdown_timeout,
            SSL_BIO_SIZE_DEFAULTS["ssl_incoming_bio_size"],
            SSL_BIO_SIZE_DEFAULTS["ssl_outgoing_bio_size"],
            conn,
            waiter,
        )
        try:
            await waiter
        except BaseException:
            transport.close()
            # The exception in it has a traceback, which holds this frame: a cycle.
            del waiter
            raise
        return transport, protocol

    return connect
