"""The first request, which a worker makes itself: caches are filled before anybody waits.

It goes all the way, through a connection over a pair of sockets, so that what it warms is what
requests will use.
"""

import asyncio
import socket
from functools import partial
from typing import Any

from bascule.connections.hub import TICK, Hub
from bascule.connections.negotiation import Negotiation
from bascule.errors import StartupError

# Bytes of one line of a response's head.
LONGEST_LINE = 1 << 20


async def warm_up(hub: Hub, path: str) -> None:
    """Ask the application for `path`. Raises StartupError where the answer is a status of 500 or
    more, or none.

    hub: of this request alone, with HTTP/1.1 only.
    """
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    # Any: a compiled class cannot derive from asyncio.Protocol.
    factory: Any = partial(Negotiation, hub)
    await hub.loop.connect_accepted_socket(factory, theirs)
    reader, writer = await asyncio.open_connection(sock=ours, limit=LONGEST_LINE)
    ticking = hub.loop.create_task(tick(hub), name="bascule tick of the warm-up")
    try:
        writer.write(
            b"GET %b HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bascule\r\n"
            b"Connection: close\r\n\r\n" % path.encode()
        )
        status = await status_of(reader)
        await reader.read()
    finally:
        ticking.cancel()
        writer.close()
        hub.abort()
    if not 0 < status < 500:
        said = f"answered {status}" if status else "did not answer"
        raise StartupError(f"the application {said} when it was asked for {path} (--warm-up)")


async def tick(hub: Hub) -> None:
    """Check the deadlines of the request."""
    while True:
        await asyncio.sleep(TICK)
        hub.tick()


async def status_of(reader: asyncio.StreamReader) -> int:
    """Return the status of the response, 0 for none. Interim responses (RFC 9110 section 15.2)
    come before it, 103 with early hints for example."""
    status = 100
    while 100 <= status < 200:
        # HTTP/1.1 200 OK
        line = await reader.readline()
        status = int(line[9:12]) if line[9:12].isdigit() else 0
        while (await reader.readline()).strip():
            pass
    return status
