"""The helpers for TCP applications, with the client in memory and with a server."""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

import bascule
from bascule.streams import Frames, Lines, MemoryClient, accept, from_callback, from_protocol
from support.flag import DEADLINE
from support.tcp import read_all


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(DEADLINE):
            await test()

    asyncio.run(limited())


def reading(reader: Any, kept: list[Any]) -> Any:
    """Return an application that keeps what a reader yields, and the reader."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await accept(receive, send)
        pieces = reader(receive)
        kept.append(pieces)
        async for piece in pieces:
            kept.append(piece)
        await send({"type": "tcp.send", "bytes": b"read"})

    return app


def pieces_of(data: bytes) -> Iterator[list[bytes]]:
    """The bytes whole, and cut in two at each place, and one by one."""
    yield [data]
    for place in range(1, len(data)):
        yield [data[:place], data[place:]]
    yield [data[n : n + 1] for n in range(len(data))]


def test_lines_however_they_arrive() -> None:
    async def check() -> None:
        for parts in pieces_of(b"one\r\n\ntwo\nlast"):
            kept: list[Any] = []
            async with MemoryClient(reading(Lines, kept)) as client:
                for part in parts:
                    await client.send(part)
                await client.send(b"", more=False)
                assert await client.receive() == b"read"
            lines, *yielded = kept
            assert yielded == [b"one", b"", b"two", b"last"]
            assert (lines.reason, lines.rest) == ("end", b"")

    run(check)


def test_lines_end_where_the_server_stops() -> None:
    async def check() -> None:
        kept: list[Any] = []
        async with MemoryClient(reading(Lines, kept)) as client:
            await client.send(b"whole\nhal")
            client.stop()
            assert await client.receive() == b"read"
        lines, *yielded = kept
        assert yielded == [b"whole"]
        assert (lines.reason, lines.rest) == ("stopping", b"hal")

    run(check)


def test_lines_end_where_the_client_is_gone() -> None:
    async def check() -> None:
        kept: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            with pytest.raises(OSError, match="disconnected"):
                await reading(Lines, kept)(scope, receive, send)

        async with MemoryClient(app) as client:
            await client.send(b"whole\nhal")
            client.disconnect("reset")
        lines, *yielded = kept
        assert yielded == [b"whole"]
        assert (lines.reason, lines.rest) == ("reset", b"hal")

    run(check)


@pytest.mark.parametrize("data", [b"123456\n", b"123456"])
def test_a_line_that_is_too_long(data: bytes) -> None:
    async def check() -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await accept(receive, send)
            with pytest.raises(ValueError, match="a line is longer than 5 bytes"):
                async for _ in Lines(receive, limit=5):
                    pass

        async with MemoryClient(app) as client:
            await client.send(data)

    run(check)


def test_frames_however_they_arrive() -> None:
    async def check() -> None:
        def reader(receive: Any) -> Frames:
            return Frames(receive, size=2, byteorder="little")

        data = b"\3\0one\0\0\2\0ab\5\0cut"
        for parts in pieces_of(data):
            kept: list[Any] = []
            async with MemoryClient(reading(reader, kept)) as client:
                for part in parts:
                    await client.send(part)
                await client.send(b"", more=False)
                assert await client.receive() == b"read"
            frames, *yielded = kept
            assert yielded == [b"one", b"", b"ab"]
            assert frames.rest == b"\5\0cut"
            assert frames.pack(b"one") == b"\3\0one"

    run(check)


def test_a_frame_that_is_too_long_is_refused_by_its_length() -> None:
    async def check() -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await accept(receive, send)
            with pytest.raises(ValueError, match="a frame has 4294967295 bytes"):
                async for _ in Frames(receive):
                    pass

        async with MemoryClient(app) as client:
            await client.send(b"\xff\xff\xff\xff")

    run(check)


# The client in memory.


def test_the_client_in_memory_keeps_the_order() -> None:
    async def check() -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            assert scope["type"] == "tcp"
            assert scope["alpn"] == "mqtt"
            with pytest.raises(RuntimeError, match=r"'tcp\.send' is not expected now"):
                await send({"type": "tcp.send", "bytes": b"early"})
            await accept(receive, send)
            await send({"type": "tcp.send", "bytes": b"x", "more": False})
            with pytest.raises(RuntimeError, match=r"'tcp\.send' is not expected now"):
                await send({"type": "tcp.send", "bytes": b"late"})
            await send({"type": "tcp.close"})
            assert await receive() == {"type": "tcp.disconnect", "reason": "application"}

        async with MemoryClient(app, {"alpn": "mqtt"}) as client:
            assert await client.receive() == b"x"
            assert await client.receive() == b""
            assert client.ended

    run(check)


def test_the_client_in_memory_raises_what_the_application_raises() -> None:
    async def check() -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            raise LookupError("broken")

        with pytest.raises(LookupError, match="broken"):
            async with MemoryClient(app) as client:
                assert await client.receive() == b""

    run(check)


# Code written for asyncio.


async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer each line in capitals, as a server of asyncio.start_server would."""
    while line := await reader.readline():
        writer.write(line.upper())
        await writer.drain()
    writer.write(b"end\n")
    writer.close()
    await writer.wait_closed()


class Shout(asyncio.Protocol):
    """The same, as an asyncio protocol."""

    def __init__(self) -> None:
        self.lost: list[Exception | None] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data.upper())

    def eof_received(self) -> bool:
        self.transport.write(b"end\n")
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.append(error)


@pytest.mark.parametrize("app", [from_callback(shout), from_protocol(Shout)])
def test_asyncio_code_in_memory(app: Any) -> None:
    async def check() -> None:
        async with MemoryClient(app) as client:
            await client.send(b"one\n")
            assert await client.receive() == b"ONE\n"
            await client.send(b"two\n", more=False)
            received = b""
            while data := await client.receive():
                received += data
            assert received == b"TWO\nend\n"

    run(check)


def test_a_protocol_hears_of_the_end() -> None:
    async def check() -> None:
        made: list[Shout] = []

        def factory() -> Shout:
            made.append(Shout())
            return made[-1]

        async with MemoryClient(from_protocol(factory)) as client:
            await client.send(b"one\n")
            assert await client.receive() == b"ONE\n"
            client.disconnect("reset")
        (protocol,) = made
        (error,) = protocol.lost
        assert isinstance(error, ConnectionResetError)
        assert protocol.transport.is_closing()

    run(check)


def test_other_scopes_are_refused() -> None:
    async def check() -> None:
        with pytest.raises(ValueError, match="no http scopes"):
            async with MemoryClient(from_callback(shout), {"type": "http"}):
                pass

    run(check)


MUCH = 4 * 1024 * 1024


async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read much, then write much; both sides have to wait for each other."""
    size = len(await reader.read(1))
    while data := await reader.read(65536):
        size += len(data)
    for _ in range(size // 65536):
        writer.write(bytes(65536))
        await writer.drain()
    writer.close()


def test_asyncio_code_on_a_server() -> None:
    """Backpressure both ways, and a half-close."""

    def talk(port: int) -> int:
        with socket.create_connection(("127.0.0.1", port), DEADLINE) as client:
            client.sendall(bytes(MUCH))
            client.shutdown(socket.SHUT_WR)
            return len(read_all(client))

    async def check() -> None:
        options: Any = {"port": 0, "lifespan": "off", "listen": "tcp://127.0.0.1:0"}
        async with bascule.Server(from_callback(flood), **options) as server:
            port = int(server.addresses[-1].rpartition(":")[2])
            assert await asyncio.to_thread(talk, port) == MUCH

    run(check)


def test_a_protocol_that_raises_fails_the_call() -> None:
    async def check() -> None:
        class Broken(Shout):
            def data_received(self, data: bytes) -> None:
                raise LookupError("broken")

        async def talk() -> None:
            async with MemoryClient(from_protocol(Broken)) as client:
                await client.send(b"x")
                assert await client.receive() == b""

        with pytest.raises(LookupError, match="broken"):
            await talk()

    run(check)
