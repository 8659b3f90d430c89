"""asyncio's side of a connection, for tests: a loop whose clock stands still, a transport.

    loop = FakeLoop()
    client = FakeTransport(loop)
    client.connect(Negotiation(hub))
    client.send(b"GET / HTTP/1.1\\r\\nHost: t\\r\\n\\r\\n")
    client.received                       # what the server has written, and the client has taken

The protocol on top is a real one, and everything reaches it as a callback of a running loop, as it
does from a real transport. Nothing waits: each call of the client's side returns when the loop has
nothing left to do.
"""

import asyncio
import errno
import selectors
import time
from collections import deque
from collections.abc import Callable
from typing import Any

THREAD_DEADLINE = 10.0
ENDLESS = 100_000

# Sent by a client that closes its sending side.
END = b""


class FakeLoop(asyncio.SelectorEventLoop):
    """An asyncio loop with a clock that only the test moves.

    now: the value of `time()`.
    errors: the calls of the loop's exception handler; a test that ends with any has failed.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self.errors: list[dict[str, Any]] = []
        super().__init__(selectors.DefaultSelector())
        self.set_exception_handler(lambda _, context: self.errors.append(context))

    def time(self) -> float:
        return self.now

    def turn(self) -> None:
        """Run what is ready, once; what becomes ready by it waits for the next turn."""
        self.call_soon(self.stop)
        self.run_forever()

    @property
    def is_at_rest(self) -> bool:
        """Nothing is ready."""
        return not self._ready

    def settle(self) -> None:
        """Run what is ready, and what becomes ready by it, until nothing is."""
        for _ in range(ENDLESS):
            if self.is_at_rest:
                return
            self.turn()
        raise AssertionError("the loop never comes to rest")

    def run_soon(self, callback: Callable[..., object], *args: object) -> None:
        """Call from inside the loop, then settle."""
        self.call_soon(callback, *args)
        self.settle()

    def until(self, condition: Callable[[], object]) -> None:
        """Settle until `condition()` is true; what makes it true may come from other threads."""
        ends_at = time.monotonic() + THREAD_DEADLINE
        self.settle()
        while not condition():
            remaining = ends_at - time.monotonic()
            assert remaining > 0, "nothing made the condition true"
            self._process_events(self._selector.select(remaining))
            self.settle()


class FakeTransport:
    """A transport, and the client at its other end.

    received: bytes that the client has taken. finished: it has seen the end of them (FIN).
    aborted: the server called `abort`. lost: `connection_lost` has been called.
    is_gone: the client has reset the connection, which only the kernel knows yet.
    reading: whether the server reads. lost_writes: what was written when the connection was gone.
    """

    HIGH_WATER = 65536
    LOW_WATER = 16384

    def __init__(
        self,
        loop: FakeLoop,
        *,
        reads: bool = True,
        can_eof: bool = True,
        is_gone: bool = False,
        **extra: object,
    ) -> None:
        self.loop = loop
        self.extra = {"peername": ("192.0.2.1", 50000), "sockname": ("192.0.2.2", 80), **extra}
        self.received = bytearray()
        self.reading = True
        self.aborted = self.lost = self.closing = self.eof_written = False
        self.lost_writes: list[bytes] = []
        self.pauses = 0
        self.protocol: Any = None
        self._can_eof = can_eof
        self._is_gone = is_gone
        self._reads = reads
        self._congested = False
        self._high_water = self.HIGH_WATER
        self._unsent = bytearray()
        self._inbound: deque[bytes] = deque()

    # Called by a protocol.

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self.extra.get(name, default)

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return len(self._unsent)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high_water = self.HIGH_WATER if high is None else high

    def can_write_eof(self) -> bool:
        return self._can_eof

    def write(self, data: bytes) -> None:
        assert isinstance(data, bytes | bytearray | memoryview), type(data)
        if self.eof_written:
            raise RuntimeError("write() after write_eof()")
        if self.aborted or self.lost:
            self.lost_writes.append(bytes(data))
            return
        self._unsent += data
        if self._reads:
            self._take(len(self._unsent))
        if len(self._unsent) > self._high_water and not self._congested:
            self._congested = True
            self.protocol.pause_writing()

    def write_eof(self) -> None:
        assert self._can_eof, "write_eof() on a transport that cannot (TLS)"
        if self._is_gone:
            raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")
        self.eof_written = True

    def pause_reading(self) -> None:
        self.pauses += 1
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True
        self.loop.call_soon(self._deliver)

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            self._end_when_flushed()

    def abort(self) -> None:
        if not self.aborted:
            self.aborted = self.closing = True
            self._unsent.clear()
            self.loop.call_soon(self._lose, None)

    # Actions of the client.

    def connect(self, protocol: Any) -> None:
        self.protocol = protocol
        self.loop.run_soon(protocol.connection_made, self)

    def send(self, data: bytes) -> None:
        """Send data; it reaches the server at once, or when the server reads again."""
        self.send_soon(data)
        self.loop.settle()

    def send_soon(self, data: bytes) -> None:
        """The same as one more callback of the loop, behind those that are ready already."""
        self._inbound.append(data)
        self.loop.call_soon(self._deliver)

    def send_eof(self) -> None:
        """Close the sending side."""
        self.send(END)

    def read(self, count: int) -> None:
        """Take `count` bytes of the server's output."""
        self.loop.run_soon(self._take, count)

    def stop_reading(self) -> None:
        """Take nothing more until `read` or `start_reading`."""
        self._reads = False

    def start_reading(self) -> None:
        """Take everything there is and everything to come."""
        self._reads = True
        self.read(len(self._unsent))

    def reset(self) -> None:
        """Be gone, with RST."""
        self.closing = True
        self._unsent.clear()
        self.loop.run_soon(self._lose, ConnectionResetError("reset by the test"))

    @property
    def finished(self) -> bool:
        """The client has everything that will ever come."""
        return self.lost or (self.eof_written and not self._unsent)

    @property
    def undelivered(self) -> int:
        """The number of bytes that the client has sent and the server has not read."""
        return sum(map(len, self._inbound))

    # Between the two.

    def _deliver(self) -> None:
        while self._inbound and self.reading and not self.closing:
            data = self._inbound.popleft()
            if data:
                self.protocol.data_received(data)
            elif not self.protocol.eof_received() or not self._can_eof:
                # Under TLS a close_notify ends both sides, whatever the protocol says.
                self.close()

    def _take(self, count: int) -> None:
        self.received += self._unsent[:count]
        del self._unsent[:count]
        if self._congested and len(self._unsent) <= min(self.LOW_WATER, self._high_water):
            self._congested = False
            self.protocol.resume_writing()
        if self.closing:
            self._end_when_flushed()

    def _end_when_flushed(self) -> None:
        if not self._unsent:
            self.loop.call_soon(self._lose, None)

    def _lose(self, error: Exception | None) -> None:
        if not self.lost:
            self.lost = True
            self.protocol.connection_lost(error)
