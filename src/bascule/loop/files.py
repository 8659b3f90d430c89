"""Sending a file over a connection: by sendfile(2) where transport and file allow, else in pieces.

sendfile(2) is used on plain connections, with a loop of our own around it: uvloop has none for its
transports, and asyncio's waits forever when the connection is aborted meanwhile, which is what a
write deadline does. Everything else reads and writes: TLS has to encrypt.
"""

import asyncio
import os
import stat
from collections.abc import Awaitable, Callable
from typing import IO

from bascule.errors import ClientDisconnected

# Bytes read and written at a time; the default high-water mark of asyncio's transports.
PIECE = 65536

# Read what is in the page cache, refuse what is not (preadv2(2)); Linux only.
CACHED_ONLY: int | None = getattr(os, "RWF_NOWAIT", None)

# Seconds after which a sender that waits looks whether its connection is still there.
LOOK_AGAIN = 0.25

DrainFunction = Callable[[], Awaitable[None]]
Read = Callable[[int], Awaitable[bytes | bytearray]]


async def sendfile(
    loop: asyncio.AbstractEventLoop,
    transport: asyncio.WriteTransport,
    file: IO[bytes],
    offset: int,
    count: int | None,
    *,
    drain: DrainFunction,
) -> int:
    """Send `count` bytes of a binary file from `offset` on (None: to its end), after what was
    written.

    drain: waits until the transport takes more; the connection knows, as the protocol of the
    transport.

    Returns the number of bytes sent: fewer than `count` when the file ends before, also when it
    is cut short meanwhile.
    Raises ClientDisconnected when the connection is closed before all is sent, OSError when the
    file cannot be read. Cancelling aborts the connection, because the transport might otherwise
    continue to send from a descriptor that the caller closes.
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
    drain: DrainFunction,
) -> int:
    sock = transport.get_extra_info("socket")
    if transport.get_extra_info("sslcontext") is None and sock is not None:
        await _until_written(transport, drain)
        # A descriptor of our own: the loop does not let anybody wait on that of a transport, and
        # this one cannot become another connection's when the transport is closed meanwhile.
        out = os.dup(sock.fileno())
        try:
            return await _send_from_kernel(loop, transport, out, file.fileno(), offset, count)
        finally:
            os.close(out)
    return await _send_pieces(transport, _read_file(loop, file.fileno(), offset), count, drain)


async def _until_written(transport: asyncio.WriteTransport, drain: DrainFunction) -> None:
    """Wait until nothing is left in the transport: the kernel must not overtake it."""
    transport.set_write_buffer_limits(high=0)
    try:
        while transport.get_write_buffer_size():
            await drain()
            if transport.is_closing():
                raise _left(None)
    finally:
        transport.set_write_buffer_limits()


async def _send_from_kernel(
    loop: asyncio.AbstractEventLoop,
    transport: asyncio.WriteTransport,
    out: int,
    source: int,
    offset: int,
    count: int,
) -> int:
    sent = 0
    while sent < count:
        if transport.is_closing():
            raise _left(None)
        try:
            size = os.sendfile(out, source, offset + sent, count - sent)
        except BlockingIOError:
            await _until_writable(loop, out)
            continue
        except ConnectionError as exc:
            raise _left(exc) from None
        if size == 0:
            break
        sent += size
        # A fast reader takes everything at once: let the other connections have their turn.
        await asyncio.sleep(0)
    return sent


async def _until_writable(loop: asyncio.AbstractEventLoop, fd: int) -> None:
    """Wait until the socket takes more, or for a moment: no callback reports that its transport
    is closed."""
    writable = loop.create_future()
    loop.add_writer(fd, _set, writable)
    try:
        await asyncio.wait([writable], timeout=LOOK_AGAIN)
    finally:
        loop.remove_writer(fd)


def _set(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _regular_size(file: IO[bytes]) -> int | None:
    """Return the size of a regular file in bytes; None for an object that only looks like a
    file."""
    try:
        status = os.fstat(file.fileno())
    except (AttributeError, OSError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _left(error: BaseException | None) -> ClientDisconnected:
    reason = f" ({error})" if error is not None else ""
    return ClientDisconnected(f"the connection was closed before the file was sent{reason}")


async def _send_pieces(
    transport: asyncio.WriteTransport, read: Read, count: int | None, drain: DrainFunction
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
        piece = read_cached(fd, wanted, position)
        if piece is None:
            piece = await loop.run_in_executor(None, os.pread, fd, wanted, position)
        position += len(piece)
        return piece

    return read


def read_cached(fd: int, wanted: int, position: int) -> bytes | bytearray | None:
    """Return the bytes that the page cache has there, none at the file's end; None when they
    have to be fetched."""
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
