"""Reading on after a pause, on every kind of transport alike."""

import asyncio
from typing import Any


def resume_reading(loop: asyncio.AbstractEventLoop, transport: Any) -> None:
    """`transport.resume_reading()`, and with aiofastnet's under TLS reading the records that it
    has already.

    aiofastnet 1.2 takes records from the socket before it decodes them. When it continues after
    a pause it asks the socket first, and if nothing is there, never reads the records that it
    has: the end of an upload stayed there forever, one time in a hundred and fifty.
    """
    transport.resume_reading()
    decode = getattr(transport, "_retry_ssl_read", None)
    if decode is not None:
        loop.call_soon(decode)
