"""WebSockets over HTTP/2 (RFC 8441) beside WebSockets over HTTP/1.1.

    python -m studies.websocket_http2 [--seconds S] [--rounds N] [--sockets N]

The same WebSockets echo 64 bytes of text, each with one message under way: as streams of one
HTTP/2 connection, and each on a connection of its own. The client is the same for both and checks
every answer: messages differ between sockets and from one to the next. It knows of HTTP/2 only
what this needs, since a general library for it in Python would be measured in the server's place.
How busy it was is shown: far below 100 %, the rates are the server's. Hypercorn, which has this
too, is measured beside Bascule.
"""

import argparse
import asyncio
import os
import statistics
import sys
import time

import uvloop
from hpack import Decoder, Encoder

from harness.measure import MeasurementFailed
from harness.scenarios import SCENARIOS
from harness.serving import running
from peers.servers import SERVERS, Server

SERVER_CORE, CLIENT_CORE = 0, 1
SIZE = 64
PATIENCE = 15.0  # seconds until what is under way must have come
WARM_UP = 0.5

FRAME_HEADER = 9
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
ACK, END_HEADERS, PADDED = 1, 4, 8
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
INITIAL_WINDOW_SIZE, ENABLE_CONNECT_PROTOCOL = 4, 8
LARGEST_WINDOW = 2**31 - 1
# More than a run transfers, so windows are never opened again. The server's for us are: a message
# is sent when the last has come back, which is less than half of any window.
WIDE = INITIAL_WINDOW_SIZE.to_bytes(2, "big") + LARGEST_WINDOW.to_bytes(4, "big")
WIDER = (LARGEST_WINDOW - 65535).to_bytes(4, "big")

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY + b"\r\n\r\n"
)
CONNECT = [
    (b":method", b"CONNECT"),
    (b":protocol", b"websocket"),
    (b":scheme", b"http"),
    (b":path", b"/"),
    (b":authority", b"127.0.0.1"),
    (b"sec-websocket-version", b"13"),
]
# A final frame of text, masked; with a key of zeros the payload travels as it is.
MASKED = bytes((0x81, 0x80 | SIZE)) + bytes(4)
ANSWER = bytes((0x81, SIZE))


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One frame of HTTP/2 (RFC 9113 section 4.1)."""
    return b"%b%c%c%b%b" % (
        len(payload).to_bytes(3, "big"), kind, flags, stream.to_bytes(4, "big"), payload,
    )  # fmt: skip


class Run:
    """The state that the sockets of a measurement share."""

    def __init__(self, sockets: int) -> None:
        loop = asyncio.get_running_loop()
        self.opened, self.settled = loop.create_future(), loop.create_future()
        self.unopened = self.unsettled = sockets
        self.is_over = False
        self.done = 0

    def open_one(self) -> None:
        self.unopened -= 1
        if self.unopened == 0:
            self.opened.set_result(None)

    def settle_one(self) -> None:
        self.unsettled -= 1
        if self.unsettled == 0 and not self.settled.done():
            self.settled.set_result(None)

    def fail(self, reason: str) -> None:
        """The first reason counts; once all is settled, nothing does."""
        for future in (self.opened, self.settled):
            if not future.done():
                future.set_exception(MeasurementFailed(reason))


class Socket:
    """One WebSocket: what it says next, and what has to come back."""

    def __init__(self, run: Run, number: int) -> None:
        self.run = run
        self.number = number
        self.count = 0
        self.awaited = b""
        self.came = b""

    def message(self) -> bytes:
        """The next one, as a frame."""
        self.count += 1
        text = b"%d:%d:" % (self.number, self.count)
        text += b"m" * (SIZE - len(text))
        self.awaited = ANSWER + text
        return MASKED + text

    def receive(self, data: bytes) -> bytes:
        """Take data of the WebSocket; return the data to send now."""
        if self.came:
            data = self.came + data
        if data != self.awaited:
            if self.awaited.startswith(data):
                self.came = data
            else:
                self.run.fail(f"wrong message: {data[:80]!r} instead of {self.awaited!r}")
            return b""
        self.came = b""
        self.run.done += 1
        if self.run.is_over:
            self.awaited = b""
            self.run.settle_one()
            return b""
        return self.message()


class Http1(asyncio.Protocol):
    """A connection with one WebSocket."""

    def __init__(self, run: Run, number: int) -> None:
        self.run = run
        self.socket = Socket(run, number)
        self.head = b""
        self.is_open = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        transport.write(UPGRADE)

    def begin(self) -> None:
        self.transport.write(self.socket.message())

    def data_received(self, data: bytes) -> None:
        if self.is_open:
            if answer := self.socket.receive(data):
                self.transport.write(answer)
            return
        self.head += data
        if self.head.endswith(b"\r\n\r\n"):
            if not self.head.startswith(b"HTTP/1.1 101 "):
                self.run.fail(f"the handshake was answered with {self.head[:60]!r}")
                return
            self.is_open = True
            self.run.open_one()

    def connection_lost(self, error: Exception | None) -> None:
        self.run.fail(f"the connection was lost: {error!r}")


class Http2(asyncio.Protocol):
    """A connection with all WebSockets, on the streams 1, 3, 5 ..."""

    def __init__(self, run: Run, sockets: int) -> None:
        self.run = run
        self.sockets = {1 + 2 * number: Socket(run, number) for number in range(sockets)}
        self.unread = b""
        self.decoder = Decoder()
        self.has_connected = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        windows = frame(SETTINGS, 0, 0, WIDE) + frame(WINDOW_UPDATE, 0, 0, WIDER)
        transport.write(PREFACE + windows)

    def begin(self) -> None:
        self.transport.write(
            b"".join(
                frame(DATA, 0, stream, socket.message()) for stream, socket in self.sockets.items()
            )
        )

    def data_received(self, data: bytes) -> None:
        data = self.unread + data
        at, answers = 0, []
        while len(data) - at >= FRAME_HEADER:
            start = at + FRAME_HEADER
            end = start + int.from_bytes(data[at : at + 3], "big")
            if end > len(data):
                break
            kind, flags = data[at + 3], data[at + 4]
            stream = int.from_bytes(data[at + 5 : start], "big")
            if kind == DATA and not flags & PADDED and stream in self.sockets:
                if answer := self.sockets[stream].receive(data[start:end]):
                    answers.append(frame(DATA, 0, stream, answer))
            else:
                answers.append(self.take_other(kind, flags, stream, data[start:end]))
            at = end
        self.unread = data[at:]
        if output := b"".join(answers):
            self.transport.write(output)

    def take_other(self, kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        """A frame that is no DATA; returns what to answer."""
        if kind == SETTINGS and not flags & ACK:
            return frame(SETTINGS, ACK, 0, b"") + self.connect(payload)
        if kind == PING and not flags & ACK:
            return frame(PING, ACK, 0, payload)
        if kind == HEADERS:
            self.take_head(stream, flags, payload)
        elif kind in (RST_STREAM, GOAWAY, DATA):
            self.run.fail(f"frame of type {kind} on stream {stream}: {payload[:60]!r}")
        return b""

    def connect(self, settings: bytes) -> bytes:
        """The handshakes, when the server has said that it takes them."""
        if self.has_connected:
            return b""
        offered = {settings[at : at + 6] for at in range(0, len(settings), 6)}
        wanted = ENABLE_CONNECT_PROTOCOL.to_bytes(2, "big") + (1).to_bytes(4, "big")
        if wanted not in offered:
            self.run.fail("the server offers no WebSockets over HTTP/2")
            return b""
        self.has_connected = True
        encoder = Encoder()
        return b"".join(
            frame(HEADERS, END_HEADERS, stream, encoder.encode(CONNECT)) for stream in self.sockets
        )

    def take_head(self, stream: int, flags: int, block: bytes) -> None:
        fields = self.decoder.decode(block, raw=True)
        if flags != END_HEADERS or (b":status", b"200") not in fields:
            self.run.fail(f"the handshake on stream {stream} was answered with {fields}")
            return
        self.run.open_one()

    def connection_lost(self, error: Exception | None) -> None:
        self.run.fail(f"the connection was lost: {error!r}")


async def measured(port: int, over_http2: bool, sockets: int, seconds: float) -> tuple:
    """Messages in a second, and the share of its time that this process needed."""
    loop, run = asyncio.get_running_loop(), Run(sockets)
    makers = [lambda number=number: Http1(run, number) for number in range(sockets)]
    if over_http2:
        makers = [lambda: Http2(run, sockets)]
    connections = [(await loop.create_connection(make, "127.0.0.1", port))[1] for make in makers]
    try:
        await asyncio.wait_for(run.opened, PATIENCE)
        began, began_busy = time.perf_counter(), time.process_time()
        for connection in connections:
            connection.begin()
        loop.call_later(seconds, setattr, run, "is_over", True)
        await asyncio.wait_for(run.settled, seconds + PATIENCE)
        took = time.perf_counter() - began
        return run.done / took, (time.process_time() - began_busy) / took
    finally:
        for future in (run.opened, run.settled):
            if future.done() and not future.cancelled():
                # The future that was awaited has raised this; the other's exception is not needed.
                future.exception()
        for connection in connections:
            connection.transport.abort()


def compare(server: Server, options: argparse.Namespace) -> None:
    rates: dict[bool, list[float]] = {False: [], True: []}
    busy = 0.0
    with running(server, SCENARIOS["ws-echo-64"], SERVER_CORE) as started:
        for over_http2 in (False, True):
            uvloop.run(measured(started.port, over_http2, options.sockets, WARM_UP))
        for _ in range(options.rounds):
            for over_http2, found in rates.items():
                rate, share = uvloop.run(
                    measured(started.port, over_http2, options.sockets, options.seconds)
                )
                found.append(rate)
                busy = max(busy, share)
    ratio = statistics.median(
        second / first for first, second in zip(rates[False], rates[True], strict=True)
    )
    print(
        f"{server.label:12} {statistics.median(rates[False]):13,.0f} "
        f"{statistics.median(rates[True]):13,.0f} {ratio:7.2f} {busy:13.0%}"
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sockets", type=int, default=16)
    options = parser.parse_args(arguments)
    os.sched_setaffinity(0, {CLIENT_CORE})
    print(f"WebSocket echo of {SIZE} bytes, {options.sockets} sockets, messages/s")
    print(f"{'':12} {'over HTTP/1.1':>13} {'over HTTP/2':>13} {'ratio':>7} {'client busy':>13}")
    failed = False
    for name in ("bascule-ws", "hypercorn"):
        try:
            compare(SERVERS[name], options)
        except (MeasurementFailed, TimeoutError) as error:
            failed = True
            print(f"{SERVERS[name].label:12} failed: {error or 'something did not come'}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
