"""Sending a file over a connection: by sendfile(2) where transport and file allow, else in pieces.

sendfile(2) is used on plain connections, with a loop of our own around it: uvloop has none for its
transports, and asyncio's waits forever when the connection is aborted meanwhile, which is what a
write deadline does. Everything else reads and writes: TLS has to encrypt.

The loop's thread sends and reads only what is in the page cache; for the rest the same calls are
made in another thread, because they wait for the disk.
"""

import asyncio
import os
import stat
from collections.abc import Awaitable, Callable
from typing import IO

from bascule.errors import ClientDisconnected
from bascule.loop import page_cache

# Bytes read and written at a time; the default high-water mark of asyncio's transports.
PIECE = 65536

# Bytes for which the kernel is asked at a time. A fast reader takes them at once, and the other
# connections have their turn behind them.
WINDOW = 262144

# The same where another thread asks: it costs two switches between threads.
SLOW_WINDOW = 1048576

# Seconds after which a sender that waits looks whether its connection is still there.
LOOK_AGAIN = 0.25

DrainFunction = Callable[[], Awaitable[None]]
Progress = Callable[[], None]
Read = Callable[[int], Awaitable[bytes]]


def ignore_progress() -> None:
    """Do nothing."""


async def sendfile(
    loop: asyncio.AbstractEventLoop,
    transport: asyncio.WriteTransport,
    file: IO[bytes],
    offset: int,
    count: int | None,
    *,
    drain: DrainFunction,
    progress: Progress = ignore_progress,
) -> int:
    """Send `count` bytes of a binary file from `offset` on (None: to its end), after what was
    written.

    drain: waits until the transport takes more; the connection knows, as the protocol of the
    transport. progress: called each time that the client has let something through.

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
            read = _read_object(loop, file)
            return await _send_pieces(transport, read, count, drain, progress)
        return await _send_regular(loop, transport, file, offset, count, drain, progress)
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
    progress: Progress,
) -> int:
    sock = transport.get_extra_info("socket")
    if transport.get_extra_info("sslcontext") is None and sock is not None:
        await _until_written(transport, drain)
        # A descriptor of our own: the loop does not let anybody wait on that of a transport, and
        # this one cannot become another connection's when the transport is closed meanwhile.
        copy = KernelCopy(loop, transport, os.dup(sock.fileno()), file.fileno(), progress)
        try:
            return await copy.send(offset, count)
        finally:
            os.close(copy.out)
    read = _read_file(loop, file.fileno(), offset, offset + count)
    return await _send_pieces(transport, read, count, drain, progress)


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


class KernelCopy:
    """A file on its way to a plain connection.

    out: a descriptor of its socket. source: one of the file.
    """

    __slots__ = ("loop", "out", "progress", "source", "transport")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        transport: asyncio.WriteTransport,
        out: int,
        source: int,
        progress: Progress,
    ) -> None:
        self.loop = loop
        self.transport = transport
        self.out = out
        self.source = source
        self.progress = progress

    async def send(self, offset: int, count: int) -> int:
        """Send the bytes window by window; return how many there were. The kernel sends what is
        in the page cache, and a fast reader takes a window at once: the other connections have
        their turn behind it."""
        position = offset
        end = offset + count
        while position < end:
            if self.transport.is_closing():
                raise _left(None)
            missing = end - position
            try:
                if page_cache.is_cached(self.source, min(WINDOW, missing), position):
                    sent = os.sendfile(self.out, self.source, position, min(WINDOW, missing))
                else:
                    sent = await self.send_slowly(position, min(SLOW_WINDOW, missing))
            except BlockingIOError:
                await _until_writable(self.loop, self.out)
                continue
            except ConnectionError as exc:
                raise _left(exc) from None
            if sent == 0:
                break
            position += sent
            self.progress()
            await asyncio.sleep(0)
        return position - offset

    async def send_slowly(self, position: int, size: int) -> int:
        """Have another thread ask the kernel. It has descriptors of its own, for this task may be
        cancelled, and those of the connection and the file closed, while the disk is waited
        for."""
        out, source = os.dup(self.out), os.dup(self.source)
        sending = self.loop.run_in_executor(None, _send_and_close, out, source, position, size)
        sending.add_done_callback(_forget_error)
        # A call that is cancelled before its thread begins would not close them.
        return await asyncio.shield(sending)


def _forget_error(sending: "asyncio.Future[int]") -> None:
    """Take the error, which no task waits for after the one that did was cancelled."""
    if not sending.cancelled():
        sending.exception()


def _send_and_close(out: int, source: int, position: int, size: int) -> int:
    try:
        return os.sendfile(out, source, position, size)
    finally:
        os.close(out)
        os.close(source)


async def _until_writable(loop: asyncio.AbstractEventLoop, fd: int) -> None:
    """Wait until the socket takes more, or for a moment: no callback reports that its transport
    is closed."""
    writable = loop.create_future()
    look_again = loop.call_later(LOOK_AGAIN, _set, writable)
    loop.add_writer(fd, _set, writable)
    try:
        await writable
    finally:
        loop.remove_writer(fd)
        look_again.cancel()


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
    transport: asyncio.WriteTransport,
    read: Read,
    count: int | None,
    drain: DrainFunction,
    progress: Progress,
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
        progress()
        # A fast reader never makes drain() wait: let the other connections have their turn.
        await asyncio.sleep(0)
    return sent


def _read_file(loop: asyncio.AbstractEventLoop, fd: int, offset: int, end: int) -> Read:
    """Read a regular file piece by piece, on the loop's thread what is cached, in a thread what is
    not, and then more of it at once.

    A hop to a thread and back costs more than reading 64 KiB of cached file, and a disk may take
    longer than every other connection of this worker wants to wait.
    """
    position = offset

    async def read(wanted: int) -> bytes:
        nonlocal position
        piece = page_cache.read_cached(fd, wanted, position)
        if piece is None:
            size = min(WINDOW, end - position)
            piece = await loop.run_in_executor(None, os.pread, fd, size, position)
        position += len(piece)
        return piece

    return read


def _read_object(loop: asyncio.AbstractEventLoop, file: IO[bytes]) -> Read:
    """Read a file-like object, always in a thread: only it knows how long its read() takes."""

    async def read(wanted: int) -> bytes:
        return await loop.run_in_executor(None, file.read, wanted)

    return read
