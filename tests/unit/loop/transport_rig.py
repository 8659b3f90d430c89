"""Every kind of transport with a client at its other end, driven turn by turn.

The client's side is a raw socket, or TLS by hand, that never blocks: all of it happens between two
turns of the loop under test. `Double` drives the transport that tests of connections use.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

from bascule.loop import new_event_loop
from bascule.loop.plain import PlainFactory
from bascule.loop.poller import Poller
from support.transport import FakeLoop, FakeTransport

DEADLINE = 20.0
# A kernel that takes little makes writing stall early.
KERNEL_BUFFER = 8192
# Turns after which what was to come has come, on loops that are not busy.
A_WHILE = 50


class Recorder:
    """A protocol that keeps what it is called with.

    calls: names of the callbacks, in order; data that comes in several pieces is one entry.
    inside: the method of the transport that is running now, as the test says.
    keep_open: what `eof_received` returns.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.pieces: list[bytes] = []
        self.error: Exception | None = None
        self.transport: Any = None
        self.inside = ""
        self.called_inside: list[tuple[str, str]] = []
        self.keep_open = True
        self.at_data: Callable[[bytes], object] = lambda data: None
        self.at_made: Callable[[], object] = lambda: None
        self.closing_at_end: bool | None = None

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def lost(self) -> bool:
        return "connection_lost" in self.calls

    def note(self, name: str) -> None:
        if self.inside:
            self.called_inside.append((self.inside, name))
        if name != "data_received" or self.calls[-1:] != [name]:
            self.calls.append(name)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.note("connection_made")
        self.at_made()

    def data_received(self, data: bytes) -> None:
        self.pieces.append(data)
        self.note("data_received")
        self.at_data(data)

    def eof_received(self) -> bool:
        self.note("eof_received")
        return self.keep_open

    def pause_writing(self) -> None:
        self.note("pause_writing")

    def resume_writing(self) -> None:
        self.note("resume_writing")

    def connection_lost(self, error: Exception | None) -> None:
        self.error = error
        self.closing_at_end = self.transport.is_closing()
        self.note("connection_lost")


class Rig:
    """A transport with a recorder on it, and the client. name: of the kind of transport."""

    def __init__(self, name: str, loop: Any, protocol: Recorder) -> None:
        self.name = name
        self.loop = loop
        self.protocol = protocol

    @property
    def transport(self) -> Any:
        return self.protocol.transport

    @property
    def is_tls(self) -> bool:
        return self.name.endswith("TLS")

    def turn(self) -> None:
        """One turn of the loop, and of the client's."""
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()

    def until(self, condition: Callable[[], object]) -> None:
        ends_at = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < ends_at, "nothing made the condition true"
            self.turn()

    def settle(self) -> None:
        for _ in range(A_WHILE):
            self.turn()

    def has_received(self, data: bytes) -> bool:
        """Whether the client has read exactly this.

        In an assertion of its own, pytest would explain all differences of megabytes when it
        fails, which takes longer than a test may.
        """
        return bool(self.received == data)

    def call(self, name: str, *args: object) -> Any:
        """Call a method of the transport from inside the loop, and note what it calls."""
        outcome: list[Any] = []

        def run() -> None:
            self.protocol.inside = name
            try:
                outcome.append(getattr(self.transport, name)(*args))
            except Exception as error:
                outcome.append(error)
            finally:
                self.protocol.inside = ""

        self.loop.call_soon(run)
        self.until(lambda: outcome)
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0]


class Sockets(Rig):
    """A transport of a real loop. received: what the client has read. finished: it has seen the
    end."""

    def __init__(
        self, name: str, loop: Any, protocol: Recorder, tls: Any = None, connect: Any = None
    ) -> None:
        super().__init__(name, loop, protocol)
        self.reads = True
        self.received = bytearray()
        self.finished = False
        self.outgoing = b""
        self.poller: Poller | None = None
        with socket.create_server(("127.0.0.1", 0)) as listener:
            if name.startswith("own"):
                self.poller = Poller(loop)
                connect = PlainFactory(self.poller, listener).adopt
            self.sock = socket.socket()
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BUFFER)
            self.sock.connect(listener.getsockname())
            conn, _ = listener.accept()
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER)
        conn.setblocking(False)
        self.sock.setblocking(False)
        self.secured: ssl.SSLObject | None = None
        options = {}
        if tls is not None:
            server, client = tls
            self.incoming, self.to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
            self.secured = client.wrap_bio(
                self.incoming, self.to_send, server_hostname="127.0.0.1"
            )
            options = {
                "ssl": server,
                "ssl_handshake_timeout": DEADLINE,
                "ssl_shutdown_timeout": 1.0,
            }
        connect = connect or loop.connect_accepted_socket
        self.task = loop.create_task(connect(lambda: protocol, conn, **options))
        if self.secured is not None:
            self.until(self.has_shaken_hands)
        self.until(self.task.done)
        self.task.result()

    def has_shaken_hands(self) -> bool:
        assert self.secured is not None
        try:
            self.secured.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            self.outgoing += self.to_send.read()
        return True

    def turn(self) -> None:
        self.pump()
        super().turn()

    def pump(self) -> None:
        """Send what the client has to send, and read what there is, if it reads."""
        try:
            while self.outgoing:
                self.outgoing = self.outgoing[self.sock.send(self.outgoing) :]
            while self.reads and not self.finished:
                self.take(self.sock.recv(65536))
        except (BlockingIOError, BrokenPipeError):
            pass
        except OSError:
            self.finished = True

    def take(self, data: bytes) -> None:
        if self.secured is None:
            self.received += data
            self.finished = not data
            return
        if data:
            self.incoming.write(data)
        else:
            self.incoming.write_eof()
        try:
            while piece := self.secured.read(65536):
                self.received += piece
            self.finished = True
        except ssl.SSLWantReadError:
            self.finished = not data
        except ssl.SSLError:
            self.finished = True
        self.outgoing += self.to_send.read()

    # The client.

    def send(self, data: bytes) -> None:
        if self.secured is not None:
            self.secured.write(data)
            data = self.to_send.read()
        self.outgoing += data
        self.pump()

    def send_eof(self) -> None:
        """Close the client's sending side: under TLS by a close_notify."""
        if self.secured is not None:
            try:
                self.secured.unwrap()
            except ssl.SSLWantReadError:
                pass
            self.outgoing += self.to_send.read()
        self.until(lambda: not self.outgoing)
        if self.secured is None:
            self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        linger = (1).to_bytes(4, "little") + bytes(4)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.sock.close()
        self.finished = True

    def end(self) -> None:
        if not self.protocol.lost:
            self.call("abort")
            self.until(lambda: self.protocol.lost)
        self.sock.close()
        self.settle()
        assert self.poller is None or self.poller.fd == -1
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()


class Double(Rig):
    """The double."""

    def __init__(self, name: str, protocol: Recorder) -> None:
        super().__init__(name, FakeLoop(), protocol)
        self.fake = FakeTransport(self.loop, can_eof=not self.is_tls)
        self.fake.connect(protocol)

    @property
    def reads(self) -> bool:
        return self.fake._reads

    @reads.setter
    def reads(self, reads: bool) -> None:
        if reads:
            self.fake.start_reading()
        else:
            self.fake.stop_reading()

    @property
    def received(self) -> bytearray:
        return self.fake.received

    @property
    def finished(self) -> bool:
        return self.fake.finished

    def send(self, data: bytes) -> None:
        self.fake.send_soon(data)

    def send_eof(self) -> None:
        self.fake.send_soon(b"")

    def reset(self) -> None:
        self.fake.reset()

    def end(self) -> None:
        self.loop.settle()
        assert self.loop.errors == []
        self.loop.close()


def make_rig(name: str, tls: Any, protocol: Recorder) -> Any:
    """The kind of transport that `name` says."""
    if name.startswith("double"):
        return Double(name, protocol)
    if name.startswith("own on "):
        return Sockets(name, new_event_loop(name.removeprefix("own on ")), protocol)
    kind, _, secured = name.partition(" ")
    loop: asyncio.AbstractEventLoop
    if kind == "aiofastnet":
        import aiofastnet

        from bascule.loop.handshake import Farewells, fast_connector

        loop = new_event_loop("uvloop")
        if secured:
            connect = fast_connector(loop, Farewells(loop))
        else:

            async def connect(factory: Any, conn: socket.socket) -> Any:
                return await aiofastnet.connect_accepted_socket(loop, factory, conn)

        return Sockets(name, loop, protocol, tls if secured else None, connect)
    return Sockets(name, new_event_loop(kind), protocol, tls if secured else None)
