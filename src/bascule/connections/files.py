"""Sending a file as the body of a response.

HTTP/1.1 sends a small file in one piece with its head, and has the kernel copy a larger one
(`FileCopy`). A stream of HTTP/2 reads pieces as its windows have room (`FilePieces`). Neither
makes the loop wait for a disk: what is not in the page cache is read in a thread.

An open file that becomes shorter, or cannot be read, is an error of the application's side after
the head has announced its size: it is logged, and the client sees an incomplete message.
"""

import logging
import os
from asyncio import AbstractEventLoop, Future, Task
from collections.abc import Callable
from functools import partial
from typing import Any

from bascule.connections.transport import ManagedTransport
from bascule.errors import ClientDisconnected
from bascule.loop import page_cache, sendfile

logger = logging.getLogger("bascule.http")

# A file up to this size is read and written with its head; beyond it the kernel copies it
# (sendfile).
SMALL_FILE = 65536
# How much of a file is read at a time for HTTP/2, when there is room for it.
READ_PIECE = 65536
# The same where a thread reads it, which costs two switches between threads.
FETCHED_PIECE = 262144

UNREADABLE = b""


class FilePieces:
    """A file that is read from front to back. Closes it at the end.

    fetching: a thread reads the next piece. closed: no further piece is wanted.
    """

    __slots__ = ("closed", "fetching", "file", "missing", "offset")

    def __init__(self, file: Any, offset: int, count: int) -> None:
        self.file = file
        self.offset = offset
        self.missing = count
        self.fetching = False
        self.closed = False

    def read(self) -> bytes | None:
        """The next piece; None where it is not in the page cache, and `fetch` has to get it;
        UNREADABLE where it cannot be had, which is logged."""
        data = page_cache.read_cached(
            self.file.fileno(), min(self.missing, READ_PIECE), self.offset
        )
        return None if data is None else self.take(data)

    def fetch(self, loop: AbstractEventLoop, then: Callable[[bytes], None]) -> None:
        """Have a thread read the next piece, and pass it on, unless the file is closed by then."""
        self.fetching = True
        size = min(self.missing, FETCHED_PIECE)
        reading = loop.run_in_executor(None, os.pread, self.file.fileno(), size, self.offset)
        reading.add_done_callback(partial(self.fetched, then))

    def fetched(self, then: Callable[[bytes], None], reading: "Future[bytes]") -> None:
        """The thread has read it, or could not."""
        self.fetching = False
        if self.closed or reading.cancelled():
            self.file.close()
            return
        error = reading.exception()
        if error is None:
            then(self.take(reading.result()))
        else:
            log_unreadable(error)
            then(UNREADABLE)

    def take(self, data: bytes) -> bytes:
        """Count a piece."""
        if not data:
            log_shortened(self.missing, "the stream is reset")
            return UNREADABLE
        self.offset += len(data)
        self.missing -= len(data)
        if self.missing == 0:
            self.close()
        return data

    def close(self) -> None:
        self.closed = True
        if not self.fetching:
            self.file.close()


class FileCopy:
    """A large file on its way to a client of HTTP/1.1.

    connection: an `Http1Connection`, whose `file_sent` is called when the whole file has been
        written, and whose `abort` when that cannot be.
    """

    __slots__ = (
        "connection",
        "count",
        "drained",
        "end",
        "file",
        "offset",
        "task",
        "transport",
    )

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
        """Have the kernel send the file; something must leave within each write deadline."""
        transport = self.transport
        try:
            sent = await sendfile(
                transport.hub.loop,
                transport.raw,
                self.file,
                self.offset,
                self.count,
                drain=self.drain,
                progress=transport.watch_writes,
            )
        except ClientDisconnected:
            # Learned from the kernel, which the transport has not asked.
            self.connection.abort()
        except OSError as error:
            log_unreadable(error)
            self.connection.abort()
        else:
            if sent == self.count:
                self.finish()
            else:
                log_shortened(self.count - sent, "the connection is closed")
                self.connection.abort()

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
    """The whole of a small file, which is closed then; None where it is not in the page cache,
    and UNREADABLE where it has become shorter, which is logged."""
    data = page_cache.read_cached(file.fileno(), count, offset)
    if data is None:
        return None
    file.close()
    if len(data) != count:
        log_shortened(count - len(data), "the connection is closed")
        return UNREADABLE
    return data


def log_unreadable(error: BaseException) -> None:
    logger.error("a file could not be read while it was sent: %s", error)


def log_shortened(missing: int, consequence: str) -> None:
    logger.error("a file became %d bytes shorter while it was sent; %s", missing, consequence)


def close_file(file: Any, task: Task[None]) -> None:
    file.close()
