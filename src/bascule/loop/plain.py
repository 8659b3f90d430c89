"""The transport of TCP and UNIX connections without TLS, on a poller of our own.

It keeps the contract in `transport.py` on every loop. Bytes are sent at once. Those that the
kernel does not take are kept as they were given, without a copy, and leave in as few system calls
as possible when the client has read.

The kernel watches for input as long as it is read, and for room only while something is unsent.
`pause_reading` makes no system call: only if more arrives meanwhile is the descriptor taken out of
the set. An idle connection has no buffer and no socket object.
"""

import os
import socket
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any

from bascule.loop import syscalls
from bascule.loop.poller import Poller, Watched

# EPOLLIN and EPOLLOUT, which are the same numbers everywhere. Errors and the end of both sides
# (EPOLLERR, EPOLLHUP) are always reported; reading or writing then tells which it is.
INPUT = 1
ROOM = 4

# Bytes at which `pause_writing` is called, as in asyncio; `resume_writing` at a quarter of it.
HIGH_WATER = 65536

# The options that say so; see `common_address`.
TRANSPARENT = {
    socket.AF_INET: (socket.IPPROTO_IP, 19),  # IP_TRANSPARENT
    socket.AF_INET6: (socket.IPPROTO_IPV6, 75),  # IPV6_TRANSPARENT
}

# Pieces that leave in one system call; the kernel takes 1,024 (IOV_MAX).
PIECES = 64


class PlainTransport(Watched):
    """The server's end of a connection.

    family: of the socket.
    peer, own: the addresses of both ends, as the socket module writes them; `own` may be None
        until it is asked for.
    sock: an object for the socket, once it was asked for.
    reading: input is passed on.
    input_ended: the client has closed its sending side.
    output_ended: `write_eof` was called.
    closing: `close` or `abort` was called, or the connection broke.
    ended: it is closed, or will be in a moment, whatever is unsent.
    error: why it broke.
    unsent: pieces that the kernel has not taken, None when there are none.
    unsent_size: their bytes.
    paused: `pause_writing` was called, and `resume_writing` not yet.
    """

    __slots__ = (
        "closing",
        "ended",
        "error",
        "family",
        "high",
        "input_ended",
        "low",
        "output_ended",
        "own",
        "paused",
        "peer",
        "poller",
        "protocol",
        "reading",
        "sock",
        "unsent",
        "unsent_size",
    )

    def __init__(
        self, poller: Poller, protocol: Any, fd: int, family: int, peer: Any, own: Any
    ) -> None:
        self.fd = fd
        self.events = 0
        self.poller = poller
        self.protocol = protocol
        self.family = family
        self.peer = peer
        self.own = own
        self.sock: socket.socket | None = None
        self.reading = True
        self.input_ended = False
        self.output_ended = False
        self.closing = False
        self.ended = False
        self.error: BaseException | None = None
        self.unsent: deque[bytes | bytearray | memoryview] | None = None
        self.unsent_size = 0
        self.paused = False
        self.high = HIGH_WATER
        self.low = HIGH_WATER // 4

    def begin(self) -> None:
        """Tell the protocol, and read. Raises OSError when the system has no room for one more
        connection; it is closed then."""
        try:
            self.poller.add(self, INPUT)
        except OSError:
            os.close(self.fd)
            raise
        try:
            self.protocol.connection_made(self)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.fail("connection_made", error)

    # Called by the poller.

    def ready(self, events: int) -> None:
        """Write what is unsent, and read once."""
        if self.unsent is not None and events & ~INPUT:
            self.flush()
        if self.reading:
            if events & ~ROOM:
                self.read()
        elif not self.ended:
            self.watch()

    def end(self) -> None:
        """Tell the protocol that the connection is gone, and close the descriptor."""
        protocol = self.protocol
        self.protocol = None
        try:
            protocol.connection_lost(self.error)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.report("connection_lost", error, protocol)
        finally:
            if self.sock is not None:
                self.sock.close()
                self.sock = None
            else:
                os.close(self.fd)
            self.fd = -1
            self.error = None

    # Reading.

    def read(self) -> None:
        try:
            data = syscalls.receive(self.fd)
        except OSError as error:
            self.finish(error)
            return
        if data is None:
            return
        try:
            if data:
                self.protocol.data_received(data)
                return
            self.reading = False
            self.input_ended = True
            keep_open = self.protocol.eof_received()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.fail("data_received" if data else "eof_received", error)
            return
        if keep_open:
            self.watch()
        else:
            self.close()

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        if not self.closing and not self.input_ended:
            self.reading = True
            if not self.events & INPUT:
                self.watch()

    def watch(self) -> None:
        """Have the kernel watch for what is wanted now."""
        if not self.ended:
            wanted = INPUT if self.reading else 0
            if self.unsent is not None:
                wanted |= ROOM
            try:
                self.poller.change(self, wanted)
            except OSError as error:
                self.finish(error)

    # Writing.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.closing or self.output_ended:
            return
        if isinstance(data, memoryview):
            data = data.cast("B")
        size = len(data)
        if self.unsent is not None:
            self.unsent.append(data)
            self.unsent_size += size
        else:
            try:
                sent = syscalls.send(self.fd, data)
            except OSError as error:
                self.finish(error)
                return
            if sent == size:
                return
            self.unsent = deque((memoryview(data)[sent:],))
            self.unsent_size = size - sent
            self.watch()
        if self.unsent_size > self.high:
            self.pause_writing()

    def flush(self) -> None:
        """Send what is unsent, as much as the kernel takes."""
        unsent = self.unsent
        if unsent is None:
            return
        try:
            sent = os.writev(self.fd, list(islice(unsent, PIECES)))
        except BlockingIOError:
            return
        except OSError as error:
            self.finish(error)
            return
        self.unsent_size -= sent
        while unsent and sent >= len(unsent[0]):
            sent -= len(unsent.popleft())
        if unsent:
            unsent[0] = memoryview(unsent[0])[sent:]
        else:
            self.unsent = None
            if self.output_ended:
                try:
                    self.shut_down()
                except OSError as error:
                    self.finish(error)
        if self.paused and self.unsent_size <= self.low:
            self.resume_writing()
        if self.closing and self.unsent is None:
            self.finish(None)
        else:
            self.watch()

    def pause_writing(self) -> None:
        """Tell the protocol that more is written than the client reads, once."""
        if not self.paused and not self.ended:
            self.paused = True
            self.tell("pause_writing", self.protocol.pause_writing)

    def resume_writing(self) -> None:
        """Tell the protocol that the client has caught up."""
        if not self.ended:
            self.paused = False
            self.tell("resume_writing", self.protocol.resume_writing)

    def tell(self, name: str, callback: Callable[[], object]) -> None:
        try:
            callback()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.report(name, error, self.protocol)

    def get_write_buffer_size(self) -> int:
        return self.unsent_size

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None:
            high = HIGH_WATER if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high}) must be >= low ({low}) must be >= 0")
        self.high = high
        self.low = low
        if self.unsent_size > high:
            self.pause_writing()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if self.closing or self.output_ended:
            return
        self.output_ended = True
        if self.unsent is None:
            self.shut_down()

    def shut_down(self) -> None:
        """Close the sending side."""
        self.socket_object().shutdown(socket.SHUT_WR)

    # The end.

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            self.reading = False
            if self.unsent is None:
                self.finish(None)
            else:
                self.watch()

    def abort(self) -> None:
        self.finish(None)

    def finish(self, error: BaseException | None) -> None:
        """Close now."""
        if not self.ended:
            self.closing = self.ended = True
            self.reading = False
            self.error = error
            self.unsent = None
            self.unsent_size = 0
            self.poller.end_soon(self)

    def fail(self, name: str, error: BaseException) -> None:
        """Close now, because a callback has failed."""
        self.report(name, error, self.protocol)
        self.finish(error)

    def report(self, name: str, error: BaseException, protocol: Any) -> None:
        """Tell the loop's exception handler of a callback that has failed."""
        self.poller.loop.call_exception_handler(
            {
                "message": f"{name}() of a connection has failed",
                "exception": error,
                "transport": self,
                "protocol": protocol,
            }
        )

    # The facts about the connection.

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_protocol(self) -> Any:
        return self.protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "peername":
            return self.peer
        if self.fd < 0:
            return default
        if name == "sockname":
            if self.own is None:
                self.own = syscalls.own_address(self.family, self.fd)
            return self.own
        if name == "socket":
            return self.socket_object()
        return default

    def socket_object(self) -> socket.socket:
        """Return an object for the socket, which is closed together with the transport."""
        if self.sock is None:
            # Every argument is given, so that the kernel is not asked.
            self.sock = socket.socket(self.family, socket.SOCK_STREAM, 0, self.fd)
        return self.sock


class PlainFactory:
    """Makes the transports of connections that come to one listening socket.

    own: the address of this end of the connections, if it is the same for all.
    """

    __slots__ = ("family", "fd", "own", "poller", "sock")

    def __init__(self, poller: Poller, sock: socket.socket) -> None:
        self.poller = poller
        self.sock = sock
        self.fd = sock.fileno()
        self.family = int(sock.family)
        self.own = common_address(sock)

    def accept(self, protocol_factory: Callable[[], Any]) -> bool:
        """Accept a connection, and give it a transport; False when there is none. Raises
        OSError."""
        accepted = syscalls.accept(self.sock, self.fd)
        if accepted is None:
            return False
        fd, peer = accepted
        self.make(protocol_factory, fd, peer)
        return True

    def make(self, protocol_factory: Callable[[], Any], fd: int, peer: Any) -> PlainTransport:
        """Give a connection a transport, which owns its descriptor from now on. Raises OSError
        when the system has no room for one more."""
        try:
            transport = PlainTransport(
                self.poller, protocol_factory(), fd, self.family, peer, self.own
            )
        except BaseException:
            os.close(fd)
            raise
        transport.begin()
        return transport

    async def adopt(
        self, protocol_factory: Callable[[], Any], conn: socket.socket
    ) -> tuple[Any, Any]:
        """Give an accepted socket a transport, as `connect_accepted_socket` of a loop does."""
        peer = conn.getpeername()
        transport = self.make(protocol_factory, conn.detach(), peer)
        return transport, transport.protocol


def common_address(sock: socket.socket) -> Any:
    """Return the address at which all connections of a listening socket arrive; None where each
    may have come to another: with a wildcard, or where a firewall hands over what was sent to
    other hosts (IP_TRANSPARENT)."""
    own = sock.getsockname()
    if sock.family in TRANSPARENT:
        wildcard = own[0] in ("0.0.0.0", "::")
        if wildcard or sock.getsockopt(*TRANSPARENT[sock.family]):
            return None
    return own
