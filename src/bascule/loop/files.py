"""Sending a file over a connection: by sendfile(2) where transport and file allow, else in pieces.

sendfile(2) is used with aiofastnet's transports on plain connections. Everything else reads and
writes: TLS has to encrypt, uvloop has no sendfile for its transports, and that of asyncio waits
for ever when the connection is aborted meanwhile, which is what a write deadline does.
"""

import asyncio
import os
import stat
from collections.abc import Awaitable, Callable
from typing import IO, Any

from bascule.errors import ClientDisconnected

# Octets read and written at a time; the default high-water mark of asyncio's transports.
PIECE = 65536

# Read what is in the page cache, refuse what is not (preadv2(2)); Linux only.
CACHED_ONLY: int | None = getattr(os, "RWF_NOWAIT", None)

Drain = Callable[[], Awaitable[None]]
Read = Callable[[int], Awaitable[bytes | bytearray]]


async def sendfile(
    loop: asyncio.AbstractEventLoop,
    transport: asyncio.WriteTransport,
    file: IO[bytes],
    offset: int,
    count: int | None,
    *,
    drain: Drain,
) -> int:
    """Send `count` octets of a binary file from `offset` on (None: to its end), after what was
    written.

    drain: waits until the transport takes more; the connection knows, as its protocol is told.

    Returns the octets sent: fewer than `count` when the file ends before, also when it is cut
    short meanwhile.
    Raises ClientDisconnected when the connection is closed before all is sent, OSError when the
    file cannot be read. Cancelling aborts the connection, because the transport might otherwise go
    on to send from a descriptor that the caller closes.
    """
    size = _regular_size(file)
    if size is not None:
        available = max(0, size - offset)
        count = available if count is None else min(count, available)
    if count == 0:
        return 0
    if transport.is_closing():
        raise _left(None)
    try:
        if size is None or count is None:
            if offset:
                file.seek(offset)
            return await _send_pieces(transport, _read_object(loop, file), count, drain)
        return await _send_regular(loop, transport, file, offset, count, drain)
    except asyncio.CancelledError:
        transport.abort()
        raise


async def _send_regular(
    loop: asyncio.AbstractEventLoop,
    transport: asyncio.WriteTransport,
    file: IO[bytes],
    offset: int,
    count: int,
    drain: Drain,
) -> int:
    if _has_sendfile(transport):
        try:
            return await _send_natively(transport, file, offset, count)
        except NotImplementedError:
            pass  # a TLS transport that encrypts by itself
    return await _send_pieces(transport, _read_file(loop, file.fileno(), offset), count, drain)


def _regular_size(file: IO[bytes]) -> int | None:
    """The size of a regular file in octets; None for what only looks like a file."""
    try:
        status = os.fstat(file.fileno())
    except (AttributeError, OSError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _has_sendfile(transport: asyncio.WriteTransport) -> bool:
    try:
        from aiofastnet import Transport
    except ImportError:
        return False
    return isinstance(transport, Transport)


async def _send_natively(transport: Any, file: IO[bytes], offset: int, count: int) -> int:
    """Raises NotImplementedError, with nothing sent, when this transport cannot do it."""
    try:
        waiter = transport.sendfile(file, offset, count)
    except ConnectionError as exc:
        raise _left(exc) from None
    if waiter is not None:
        # wait() does not raise what the future holds: an aborted connection cancels it, and that
        # must not look like this task's own cancellation.
        await asyncio.wait([waiter])
        if waiter.cancelled():
            raise _left(None)
        error = waiter.exception()
        if error is not None:
            raise _left(error)
    # The transport takes the end of the file for the end of its work, without a word.
    return max(0, min(count, os.fstat(file.fileno()).st_size - offset))


def _left(error: BaseException | None) -> ClientDisconnected:
    reason = f" ({error})" if error is not None else ""
    return ClientDisconnected(f"the connection was closed before the file was sent{reason}")


async def _send_pieces(
    transport: asyncio.WriteTransport, read: Read, count: int | None, drain: Drain
) -> int:
    sent = 0
    while count is None or sent < count:
        piece = await read(PIECE if count is None else min(PIECE, count - sent))
        if not piece:
            break
        if transport.is_closing():
            raise _left(None)
        transport.write(piece)
        sent += len(piece)
        await drain()
        # A fast reader never makes drain() wait: let the other connections have their turn.
        await asyncio.sleep(0)
    return sent


def _read_file(loop: asyncio.AbstractEventLoop, fd: int, offset: int) -> Read:
    """Read a regular file piece by piece, on the loop's thread what is cached, in a thread what is
    not.

    A hop to a thread and back costs more than reading 64 KiB of cached file, and a disk may take
    longer than every other connection of this worker wants to wait.
    """
    position = offset

    async def read(wanted: int) -> bytes | bytearray:
        nonlocal position
        piece = _read_cached(fd, wanted, position)
        if piece is None:
            piece = await loop.run_in_executor(None, os.pread, fd, wanted, position)
        position += len(piece)
        return piece

    return read


def _read_cached(fd: int, wanted: int, position: int) -> bytes | bytearray | None:
    """What the page cache has there, empty at the file's end; None when it has to be fetched."""
    if CACHED_ONLY is None:
        return None
    # A new buffer for each piece: transports keep what they could not send yet, some without a
    # copy.
    piece = bytearray(wanted)
    try:
        del piece[os.preadv(fd, [piece], position, CACHED_ONLY) :]
    except OSError:
        # Not cached, or a file system that cannot tell; a real error comes again from pread.
        return None
    return piece


def _read_object(loop: asyncio.AbstractEventLoop, file: IO[bytes]) -> Read:
    """Read a file-like object, always in a thread: only it knows how long its read() takes."""

    async def read(wanted: int) -> bytes:
        return await loop.run_in_executor(None, file.read, wanted)

    return read
