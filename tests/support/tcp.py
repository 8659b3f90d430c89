"""TCP connections of ASGI applications: an application, and what clients read."""

import socket
from typing import Any


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Send back what comes, until the client ends."""
    await receive()
    await send({"type": "tcp.accept"})
    more = True
    while more:
        message = await receive()
        if message["type"] == "tcp.disconnect":
            return
        if message["type"] == "tcp.receive":
            more = message["more"]
            await send({"type": "tcp.send", "bytes": message["bytes"]})


def read_all(client: socket.socket) -> bytes:
    """Read until the end of the server's side."""
    return b"".join(iter(lambda: client.recv(65536), b""))
