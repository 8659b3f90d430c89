"""Helpers for ASGI applications that serve TCP connections (docs/reference/asgi-streams.md).

    accept          answers tcp.connect
    Lines           async for line in Lines(receive)
    Frames          async for frame in Frames(receive): each has its length in front
    from_callback   the application for code written for asyncio.start_server
    from_protocol   the application for an asyncio.Protocol
    MemoryClient    a client for tests, without sockets

They need only `receive` and `send`, and so work with every server that implements the
specification.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, Literal, Self

from bascule.types import ASGI3App, Message, Receive, Scope, Send

# asyncio's own limit of a line.
LONGEST_LINE = 65536
LONGEST_FRAME = 1024 * 1024
# asyncio's own bounds of what waits to be written.
HIGH_WATER = 65536
LOW_WATER = HIGH_WATER // 4

Callback = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


async def accept(receive: Receive, send: Send) -> None:
    """Receive tcp.connect, and take the connection."""
    await receive()
    await send({"type": "tcp.accept"})


class Pieces:
    """The base of readers: takes messages, and keeps the bytes that are not used yet.

    rest: the bytes of a piece that is not complete.
    reason: why there is nothing more: "end" of the client's side, "stopping" of the server, or the
        reason of tcp.disconnect; "" before.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.rest = b""
        self.reason = ""

    async def _read(self) -> bool:
        """Add the next bytes to `rest`; False when there are none."""
        while not self.reason:
            message = await self._receive()
            kind = message["type"]
            if kind == "tcp.receive":
                if not message.get("more", True):
                    self.reason = "end"
                self.rest += message.get("bytes", b"")
                return True
            if kind == "tcp.stopping":
                self.reason = "stopping"
            elif kind == "tcp.disconnect":
                self.reason = message.get("reason", "closed")
        return False


class Lines(Pieces):
    """The lines of an accepted connection, without their line ends (LF or CRLF).

    Ends when the client has ended its side, when the server stops, and when the connection is
    gone. A last line without a line end counts only in the first case; otherwise it is in `rest`.
    Raises ValueError for a line that is longer than `limit`.
    """

    def __init__(self, receive: Receive, limit: int = LONGEST_LINE) -> None:
        super().__init__(receive)
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the lines."""
        while await self._read():
            *lines, self.rest = self.rest.split(b"\n")
            for line in lines:
                yield self._checked(line).removesuffix(b"\r")
            self._checked(self.rest)
        if self.reason == "end" and self.rest:
            line, self.rest = self.rest, b""
            yield line

    def _checked(self, line: bytes) -> bytes:
        if len(line) > self._limit:
            raise ValueError(f"a line is longer than {self._limit} bytes")
        return line


class Frames(Pieces):
    """The frames of an accepted connection: each is its length, in `size` bytes, then as many
    bytes.

    Ends as `Lines` does; a frame that is not complete is in `rest`. Raises ValueError for a frame
    that is longer than `limit`, by its length.
    """

    def __init__(
        self,
        receive: Receive,
        size: int = 4,
        byteorder: Literal["big", "little"] = "big",
        limit: int = LONGEST_FRAME,
    ) -> None:
        super().__init__(receive)
        self._size = size
        self._byteorder = byteorder
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the frames, without their lengths."""
        while await self._read():
            while (frame := self._take()) is not None:
                yield frame

    def _take(self) -> bytes | None:
        size = self._size
        if len(self.rest) < size:
            return None
        length = int.from_bytes(self.rest[:size], self._byteorder)
        if length > self._limit:
            raise ValueError(f"a frame has {length} bytes; the limit is {self._limit}")
        if len(self.rest) < size + length:
            return None
        frame, self.rest = self.rest[size : size + length], self.rest[size + length :]
        return frame

    def pack(self, frame: bytes) -> bytes:
        """Return a frame with its length in front, to send it. Raises OverflowError."""
        return len(frame).to_bytes(self._size, self._byteorder) + frame


def from_callback(callback: Callback, limit: int = LONGEST_LINE) -> ASGI3App:
    """Return the ASGI application for a function that `asyncio.start_server` would call with a
    reader and a writer for each connection.

    limit: as of `asyncio.start_server`.
    """

    def protocol() -> asyncio.StreamReaderProtocol:
        reader = asyncio.StreamReader(limit)
        return asyncio.StreamReaderProtocol(reader, callback)

    return from_protocol(protocol)


def from_protocol(factory: Callable[[], asyncio.Protocol]) -> ASGI3App:
    """Return the ASGI application for asyncio protocols, as `loop.create_server` takes them: each
    connection gets one, which `factory` returns.

    Such a protocol does not know that the server stops: its connection has the graceful deadline.
    """

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "tcp":
            raise ValueError(f"only TCP connections are served here, no {scope['type']} scopes")
        await accept(receive, send)
        await MessageTransport(scope, receive, send).serve(factory())

    return application


class MessageTransport(asyncio.Transport):
    """An asyncio transport over `receive` and `send`."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__({"peername": scope.get("client"), "sockname": scope.get("server")})
        self._receive = receive
        self._send = send
        self._half_close = bool(scope.get("half_close", False))
        self._protocol: Any = None
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._high, self._low = HIGH_WATER, LOW_WATER
        self._paused = False
        self._closing = self._aborted = self._ended = False
        # Something is to be written, or to be ended.
        self._due = asyncio.Event()
        self._reading = asyncio.Event()
        self._reading.set()

    async def serve(self, protocol: asyncio.Protocol) -> None:
        """Call the protocol until the connection is gone."""
        self._protocol = protocol
        protocol.connection_made(self)
        reading = asyncio.create_task(self._read())
        writing = asyncio.create_task(self._write())
        error: Exception | None = None
        try:
            await asyncio.wait((reading, writing), return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                error = reading.result()
            else:
                writing.result()
        finally:
            self._closing = True
            for task in (reading, writing):
                task.cancel()
            await asyncio.wait((reading, writing))
            self._protocol.connection_lost(error)

    async def _read(self) -> Exception | None:
        """Pass on messages until the connection is gone; return the error that it is gone by."""
        while True:
            await self._reading.wait()
            message = await self._receive()
            if message["type"] == "tcp.disconnect":
                reason = message.get("reason", "closed")
                return None if reason == "closed" else ConnectionResetError(reason)
            if message["type"] != "tcp.receive":
                continue
            if not self._closing and message.get("bytes"):
                self._protocol.data_received(message["bytes"])
            is_end = not message.get("more", True)
            if is_end and not self._closing and not self._protocol.eof_received():
                self.close()

    async def _write(self) -> None:
        """Send what is written, until the connection is closed."""
        while not (self._closing and not self._waiting) and not self._aborted:
            await self._due.wait()
            self._due.clear()
            while self._waiting and not self._aborted:
                data = b"".join(self._waiting)
                self._waiting.clear()
                try:
                    await self._send({"type": "tcp.send", "bytes": data})
                except OSError:
                    # The reading side receives tcp.disconnect, and why.
                    await asyncio.get_running_loop().create_future()
                self._size -= len(data)
                self._resume()
            if self._ended and not self._closing:
                await self._send({"type": "tcp.send", "more": False})
                self._ended = False
        await self._send({"type": "tcp.close", "abort": self._aborted})

    def _resume(self) -> None:
        if self._paused and self._size <= self._low:
            self._paused = False
            self._protocol.resume_writing()

    # The transport.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes behind those written before."""
        if self._closing or not data:
            return
        self._waiting.append(bytes(data))
        self._size += len(data)
        self._due.set()
        if self._size > self._high and not self._paused:
            self._paused = True
            self._protocol.pause_writing()

    def write_eof(self) -> None:
        """Close the sending side behind what is written."""
        self._ended = True
        self._due.set()

    def can_write_eof(self) -> bool:
        """Return whether one side can be closed alone."""
        return self._half_close

    def close(self) -> None:
        """Close behind what is written."""
        self._closing = True
        self._due.set()

    def abort(self) -> None:
        """Reset the connection."""
        self._closing = self._aborted = True
        self._due.set()

    def is_closing(self) -> bool:
        """Return whether the connection is closed, or will be."""
        return self._closing

    def pause_reading(self) -> None:
        """Stop receiving."""
        self._reading.clear()

    def resume_reading(self) -> None:
        """Continue to receive."""
        self._reading.set()

    def is_reading(self) -> bool:
        """Return whether bytes are received."""
        return self._reading.is_set() and not self._closing

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait here to be sent."""
        return self._size

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return at how many bytes the protocol is resumed and paused."""
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set at how many bytes the protocol is paused and resumed."""
        if high is None:
            high = HIGH_WATER if low is None else 4 * low
        self._high = high
        self._low = high // 4 if low is None else low

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Have further callbacks made to another protocol."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol."""
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol


class MemoryClient:
    """A client of an application for TCP, for tests; without sockets and without a server.

        async with MemoryClient(application) as client:
            await client.send(b"question\\n")
            assert await client.receive() == b"answer\\n"

    It raises what the application raises when the block ends. With `scope`, keys are added to that
    of the connection.
    """

    def __init__(self, application: ASGI3App, scope: Scope | None = None) -> None:
        self._application = application
        self.scope: Scope = {
            "type": "tcp",
            "asgi": {"version": "3.0", "spec_version": "1.0"},
            "client": ("192.0.2.1", 50000),
            "server": ("192.0.2.2", 5140),
            "half_close": True,
            "alpn": None,
            "server_name": None,
            "extensions": {},
            **(scope or {}),
        }
        self._to: asyncio.Queue[Message] = asyncio.Queue()
        self._answers: asyncio.Queue[Message] = asyncio.Queue()
        self._last: Message | None = None
        self._task: asyncio.Task[None] | None = None
        self._accepted = False
        # The application has ended its side, or the connection.
        self.ended = self.closed = False

    async def __aenter__(self) -> Self:
        """Connect."""
        self._to.put_nowait({"type": "tcp.connect"})
        self._task = asyncio.create_task(self._run())
        return self

    async def _run(self) -> None:
        try:
            await self._application(self.scope, self._give, self._take)
        finally:
            self._answers.put_nowait({"type": "tcp.close"})

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Disconnect, and wait for the application."""
        assert self._task is not None
        if kind is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
            return
        self.disconnect()
        await self._task

    # From the application.

    async def _give(self) -> Message:
        if self._last is not None:
            return self._last
        message = await self._to.get()
        if message["type"] == "tcp.disconnect":
            self._last = message
        return message

    async def _take(self, message: Message) -> None:
        kind = message["type"]
        in_order = {
            "tcp.accept": not self._accepted and not self.closed,
            "tcp.send": self._accepted and not self.ended and not self.closed,
            "tcp.close": not self.closed,
        }
        if self._last is not None and not self.closed:
            raise ConnectionResetError("the client has disconnected")
        if not in_order.get(kind, False):
            raise RuntimeError(f"{kind!r} is not expected now")
        self._accepted = self._accepted or kind == "tcp.accept"
        self.ended = self.ended or not message.get("more", True)
        self.closed = self.closed or kind == "tcp.close"
        if self.closed:
            self.disconnect("application")
        self._answers.put_nowait(message)

    # From the test.

    async def send(self, data: bytes, more: bool = True) -> None:
        """Send bytes; with `more=False` end the client's side."""
        self._to.put_nowait({"type": "tcp.receive", "bytes": data, "more": more})

    async def receive(self) -> bytes:
        """Return the bytes of the next tcp.send; b"" once there are none any more."""
        while True:
            message = await self._answers.get()
            if message["type"] == "tcp.close":
                self._answers.put_nowait(message)
                return b""
            if message.get("bytes"):
                data: bytes = message["bytes"]
                return data
            if not message.get("more", True):
                return b""

    def stop(self, seconds: float = 30.0) -> None:
        """Stop, as a server does."""
        self._to.put_nowait({"type": "tcp.stopping", "seconds": seconds})

    def disconnect(self, reason: str = "closed") -> None:
        """Be gone."""
        self._to.put_nowait({"type": "tcp.disconnect", "reason": reason})
