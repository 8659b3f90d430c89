"""Sending a file as the body of a response.

HTTP/1.1 sends a small file in one piece with its head, and has the kernel copy a larger one
(`FileCopy`). A stream of HTTP/2 reads pieces as its windows have room (`FilePieces`).

An open file that becomes shorter, or cannot be read, is an error of the application's side after
the head has announced its size: it is logged, and the client sees an incomplete message.
"""

import logging
import os
from asyncio import Future, Task
from functools import partial
from typing import Any

from bascule.connections.transport import ManagedTransport
from bascule.errors import ClientDisconnected
from bascule.loop import sendfile

logger = logging.getLogger("bascule.http")

# A file up to this size is read and written with its head; beyond it the kernel copies it
# (sendfile).
SMALL_FILE = 65536
# How much the kernel is asked to send at a time: each piece has the whole write deadline.
COPIED_PIECE = 262144
# How much of a file is read at a time for HTTP/2, when there is room for it.
READ_PIECE = 65536


class FilePieces:
    """A file that is read from front to back, on the loop's thread. Closes it at the end."""

    __slots__ = ("file", "missing", "offset")

    def __init__(self, file: Any, offset: int, count: int) -> None:
        self.file = file
        self.offset = offset
        self.missing = count

    def read(self) -> bytes | None:
        """The next piece; None where it cannot be had, which is logged."""
        size = min(self.missing, READ_PIECE)
        try:
            data = os.pread(self.file.fileno(), size, self.offset)
        except OSError as error:
            log_unreadable(error)
            return None
        if not data:
            log_shortened(self.missing, "the stream is reset")
            return None
        self.offset += len(data)
        self.missing -= len(data)
        if self.missing == 0:
            self.close()
        return data

    def close(self) -> None:
        self.file.close()


class FileCopy:
    """A large file on its way to a client of HTTP/1.1.

    connection: an `Http1Connection`, whose `file_sent` is called when the whole file has been
        written, and whose `abort` when that cannot be.
    """

    def __init__(
        self,
        connection: Any,
        transport: ManagedTransport,
        file: Any,
        offset: int,
        count: int,
        end: bool,
    ) -> None:
        self.connection = connection
        self.transport = transport
        self.file = file
        self.offset = offset
        self.count = count
        self.end = end
        self.drained: Future[None] | None = None
        transport.watch_writes()
        self.task: Task[None] = transport.hub.loop.create_task(self.copy())
        # Not in the task: one that is cancelled before its first step never sees its file.
        self.task.add_done_callback(partial(close_file, file))

    async def copy(self) -> None:
        """Have the kernel send the file; each piece must be gone within the write deadline."""
        transport = self.transport
        loop, raw, offset, missing = transport.hub.loop, transport.raw, self.offset, self.count
        try:
            while missing:
                transport.watch_writes()
                size = min(missing, COPIED_PIECE)
                sent = await sendfile(loop, raw, self.file, offset, size, drain=self.drain)
                if sent == 0:
                    log_shortened(missing, "the connection is closed")
                    self.connection.abort()
                    return
                offset += sent
                missing -= sent
        except ClientDisconnected:
            # Learned from the kernel, which the transport has not asked.
            self.connection.abort()
        except OSError as error:
            log_unreadable(error)
            self.connection.abort()
        else:
            self.finish()

    def finish(self) -> None:
        """The whole file is written: have the connection continue, or abort it where something
        below the application raises. No other code learns of an exception in this task."""
        try:
            self.connection.file_sent(self.count, self.end)
        except Exception:
            logger.exception("a response could not be completed behind a file")
            self.connection.abort()

    async def drain(self) -> None:
        """Wait until the transport takes more."""
        if self.transport.writing_paused:
            self.drained = self.transport.hub.loop.create_future()
            await self.drained

    def resume(self) -> None:
        """The transport takes more."""
        if self.drained is not None and not self.drained.done():
            self.drained.set_result(None)

    def cancel(self) -> None:
        self.task.cancel()


def read_small(file: Any, offset: int, count: int) -> bytes | None:
    """The whole of a small file, which is closed; None where it cannot be had, which is logged."""
    try:
        with file:
            data = os.pread(file.fileno(), count, offset)
    except OSError as error:
        log_unreadable(error)
        return None
    if len(data) != count:
        log_shortened(count - len(data), "the connection is closed")
        return None
    return data


def log_unreadable(error: OSError) -> None:
    logger.error("a file could not be read while it was sent: %s", error)


def log_shortened(missing: int, consequence: str) -> None:
    logger.error("a file became %d bytes shorter while it was sent; %s", missing, consequence)


def close_file(file: Any, task: Task[None]) -> None:
    file.close()
