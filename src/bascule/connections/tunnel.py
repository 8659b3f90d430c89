"""A tunnel: the bytes of an upgraded connection, handed to a socket that the application reads.

Some applications bring their own WebSocket engine and want the client's socket (simple-websocket,
on which flask-sock stands). They get one end of a socket pair; this connection holds the other,
and copies. TLS ends here, a client that reads slowly holds the application up, not the loop, and
the drain works: an application that speaks only through its socket receives a Close frame, as if
from the client, with the code for the client; engines answer a Close frame with its own code, so
the client gets it.

    the client closes         the application reads the end; its answer to the handshake does not
                              fail before it has come so far
    the application closes    what it wrote is flushed to the client, then our sending side is
                              closed, and what still comes is thrown away for a moment
    the application's call    the client has the closing deadline to end, then the connection is
    returns                   cut
"""

import asyncio
import socket
from typing import Any

from bascule.connections.transport import CLOSING, ManagedTransport
from bascule.interfaces.exchange import Exchange
from bascule.interfaces.session import SERVICE_RESTART
from bascule.protocols.websocket.frames import read_header

LEFT_BEHIND = 65536
# A Close frame as a client sends it: masked, with a key of zeros.
CLOSE_FRAME = b"\x88\x82\x00\x00\x00\x00" + SERVICE_RESTART.to_bytes(2, "big")


class Tunnel:
    """The asyncio protocol of the client's side; `Inner` is that of the application's."""

    def __init__(self, transport: ManagedTransport, exchange: Exchange) -> None:
        self.hub = transport.hub
        self.transport = transport
        transport.counts = False
        self.exchange = exchange
        self.inner = Inner(self)
        self.early: list[bytes] = []
        self.frames = FrameScanner()
        self.reading = True
        self.stopping = False
        self.gone = False
        self.finished = False
        self.opening: asyncio.Task[Any] | None = None

    def begin(self, sock: socket.socket, rest: bytes, eof: bool) -> None:
        """Take over; `rest` is what the client sent behind its handshake, and with `eof` it has
        gone after that."""
        self.hub.websockets += 1
        self.inner.sock = sock
        if rest:
            self.data_received(rest)
        if eof:
            self.eof_received()
            self.transport.close()
        loop = self.hub.loop
        self.opening = loop.create_task(loop.connect_accepted_socket(lambda: self.inner, sock))
        if self.hub.draining:
            loop.call_soon(self.drain)

    def connected(self) -> None:
        """The application's side can be written to."""
        early, self.early = self.early, []
        for data in early:
            self.inner.write(data)
        self.say_stop()

    # Callbacks of the client's transport.

    def data_received(self, data: bytes) -> None:
        if self.transport.phase >= CLOSING:
            self.transport.receive_late()
            return
        if not self.reading:
            return
        self.frames.feed(data)
        if self.inner.transport is None:
            self.early.append(data)
        else:
            self.inner.write(data)
        if self.stopping:
            self.say_stop()

    def eof_received(self) -> bool:
        self.inner.close()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.transport.lose()
        self.hub.websockets -= 1
        self.hub.closed(self)
        self.gone = True
        self.inner.close()
        self.exchange.disconnect()

    def pause_writing(self) -> None:
        self.inner.hold(True)

    def resume_writing(self) -> None:
        self.inner.hold(False)

    # The worker.

    def finish(self) -> None:
        """The application has finished: the client has a deadline from now on."""
        self.finished = True
        if self.gone:
            self.inner.close()
        self.begin_deadline()

    def begin_deadline(self) -> None:
        if not self.transport.deadline:
            self.transport.deadline = self.hub.now + self.hub.deadlines.websocket_closing

    def drain(self) -> None:
        """The worker stops."""
        self.stopping = True
        self.say_stop()

    def linger(self) -> None:
        """The application has closed. Closing on bytes of the client's would reset the
        connection, and what the application wrote last with it (RFC 9112 section 9.6)."""
        self.transport.linger(False)

    def say_stop(self) -> None:
        """Between two frames of the client's, tell the application that the client closes; bytes
        that the client sends after that are dropped."""
        if self.stopping and self.frames.between and self.inner.transport is not None:
            self.stopping = self.reading = False
            self.inner.write(CLOSE_FRAME)
            self.begin_deadline()

    def tick(self, now: float) -> None:
        """Check the deadlines."""
        transport = self.transport
        if transport.phase >= CLOSING:
            transport.tick(now)
        elif transport.is_write_stalled(now, self.hub.deadlines.write):
            transport.give_up()
        elif transport.deadline and now >= transport.deadline:
            transport.abort()

    def abort(self) -> None:
        """Close now."""
        self.transport.abort()


class Inner(asyncio.Protocol):
    """The end of the socket pair that is the server's."""

    def __init__(self, tunnel: Tunnel) -> None:
        self.tunnel = tunnel
        self.sock: socket.socket | None = None
        self.transport: Any = None
        self.closing = False
        self.held = False
        self.heard = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.tunnel.connected()
        if self.held:
            self.hold(True)
        if self.closing:
            self.close()

    def data_received(self, data: bytes) -> None:
        self.heard = True
        if not self.tunnel.transport.is_closing():
            self.tunnel.transport.write(data)
        if self.closing:
            self.close()

    def eof_received(self) -> bool:
        self.tunnel.linger()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None:
            self.take_left_behind()
        self.tunnel.linger()

    def take_left_behind(self) -> None:
        """An application that closes while the client is sending is found out by writing to it,
        and the transport gives up then; but its last words may be there to be read."""
        assert self.sock is not None
        try:
            while data := self.sock.recv(LEFT_BEHIND):
                self.data_received(data)
        except OSError:
            # There is no more, or it cannot be had.
            return

    def pause_writing(self) -> None:
        """The application does not read."""
        self.regulate_reading(True)

    def resume_writing(self) -> None:
        self.regulate_reading(False)

    def regulate_reading(self, hold: bool) -> None:
        """A transport that is closing may refuse to."""
        if not self.tunnel.transport.is_closing():
            self.tunnel.transport.regulate_reading(hold)

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def hold(self, held: bool) -> None:
        """The client does not read: then the application's writes are to wait."""
        self.held = held
        if self.transport is None or self.transport.is_closing():
            return
        if held:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def close(self) -> None:
        """Let the application read the end, behind what is still to be read. Until its answer to
        the handshake has come it can write, too: an engine that fails to is an error in the log,
        one that reads the end is not."""
        self.closing = True
        if self.transport is None or self.transport.is_closing():
            return
        if self.heard or self.tunnel.finished:
            self.transport.close()
        else:
            self.transport.write_eof()


class FrameScanner:
    """Follows the client's frames without reading their payloads."""

    def __init__(self) -> None:
        self.head = b""
        self.skip = 0

    @property
    def between(self) -> bool:
        """A frame has ended, and the next has not begun."""
        return not self.head and not self.skip

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the client."""
        data = self.head + data
        self.head = b""
        position = min(self.skip, len(data))
        self.skip -= position
        while position < len(data):
            header = read_header(data, position)
            if header is None:
                self.head = data[position:]
                return
            step = header[4] + header[5]
            self.skip = max(position + step - len(data), 0)
            position += step
