"""PROXY headers read from sockets, on both loops, before plain connections and TLS."""

import asyncio
import socket

import pytest

from bascule.loop import listen
from bascule.loop import proxied as module
from bascule.loop.proxied import ProxyHeaders
from bascule.protocols.peers import TrustedPeers
from support import proxy

CLIENT = ("198.51.100.7", 50000)


class Echo(asyncio.Protocol):
    """Sends back what it gets; `proxied` is what its connection was begun with."""

    def __init__(self, made, proxied=None):
        self.made, self.proxied = made, proxied

    def connection_made(self, transport):
        self.transport = transport
        self.made.put_nowait(self)

    def data_received(self, data):
        self.transport.write(data)


class Service:
    """An acceptor under test, what its protocols say, and its complaints."""

    def __init__(self):
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.sock.setblocking(False)
        self.name = self.sock.getsockname()
        self.made = asyncio.Queue()
        self.complaints = []

    async def start(self, *words, seconds=10.0, **options):
        peers = TrustedPeers(words or ("127.0.0.1",))
        self.acceptor = await listen(
            asyncio.get_running_loop(),
            lambda *proxied: Echo(self.made, *proxied),
            self.sock,
            backlog=16,
            proxy_headers=ProxyHeaders(peers, seconds, self.complaints.append),
            **options,
        )
        return self

    async def stop(self):
        self.acceptor.abort()
        while self.acceptor.pending:
            await asyncio.sleep(0)
        self.sock.close()


def run(loop, main):
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(asyncio.wait_for(main, 20))
    finally:
        asyncio.set_event_loop(None)


async def echoed(reader, writer, data):
    writer.write(data)
    assert await reader.readexactly(len(data)) == data
    writer.close()
    await writer.wait_closed()


HEADERS = pytest.mark.parametrize("header", [proxy.line(), proxy.binary_line()], ids=["v1", "v2"])


@HEADERS
def test_bytes_behind_the_header_are_the_protocols(loop, transports, header):
    async def main():
        service = await Service().start()
        reader, writer = await asyncio.open_connection(*service.name)
        writer.write(header)
        await echoed(reader, writer, bytes(range(256)) * 100)
        assert (await service.made.get()).proxied.client == CLIENT
        assert service.complaints == []
        await service.stop()

    run(loop, main())


@HEADERS
def test_tls_behind_the_header(loop, transports, tls, header):
    async def main():
        service = await Service().start(ssl=tls[0])
        reader, writer = await asyncio.open_connection(*service.name)
        writer.write(header)
        await writer.start_tls(tls[1], server_hostname="127.0.0.1")
        await echoed(reader, writer, b"hello")
        protocol = await service.made.get()
        assert protocol.proxied.client == CLIENT
        assert protocol.transport.get_extra_info("ssl_object") is not None
        await service.stop()

    run(loop, main())


def test_peer_that_sends_none(loop, transports, tls):
    async def main():
        for options, client in (({}, None), ({"ssl": tls[0]}, tls[1])):
            service = await Service().start("192.0.2.0/24", **options)
            reader, writer = await asyncio.open_connection(*service.name, ssl=client)
            await echoed(reader, writer, b"hello")
            assert (await service.made.get()).proxied is None
            assert service.complaints == []
            await service.stop()

    run(loop, main())


def test_half_a_header_is_waited_for_without_turning(loop, monkeypatch):
    """Bytes that are left in the socket keep it readable, and a loop would ask again and again;
    so what is surely of the header is taken at once."""
    looks = []

    async def counted(conn, show=module.show):
        looks.append(conn)
        return await show(conn)

    async def main():
        service = await Service().start()
        reader, writer = await asyncio.open_connection(*service.name)
        header = proxy.line()
        writer.write(header[:9])
        # Once for what has come, and once that waits for more.
        while len(looks) < 2:
            await asyncio.sleep(0)
        for _ in range(200):
            await asyncio.sleep(0)
        assert len(looks) == 2
        assert service.acceptor.pending == 1
        writer.write(header[9:])
        await echoed(reader, writer, b"hello")
        assert (await service.made.get()).proxied.client == CLIENT
        await service.stop()

    monkeypatch.setattr(module, "show", counted)
    run(loop, main())


@pytest.mark.parametrize("data", [b"", b"PROXY TCP4"])
def test_deadline(loop, data):
    async def main():
        service = await Service().start(seconds=0.1)
        reader, writer = await asyncio.open_connection(*service.name)
        writer.write(data)
        assert await reader.read() == b""
        writer.close()
        assert len(service.complaints) == bool(data)
        assert service.acceptor.pending == 0
        await service.stop()

    run(loop, main())


def test_abort_lets_go_of_who_is_waited_for(loop):
    async def main():
        service = await Service().start()
        reader, writer = await asyncio.open_connection(*service.name)
        while not service.acceptor.pending:
            await asyncio.sleep(0)
        service.acceptor.abort()
        assert await reader.read() == b""
        writer.close()
        assert service.made.empty()
        await service.stop()

    run(loop, main())


def test_client_that_resets(loop):
    async def main():
        service = await Service().start()
        for _ in range(3):
            client = socket.create_connection(service.name)
            client.sendall(b"PROXY ")
            while not service.acceptor.pending:
                await asyncio.sleep(0)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            client.close()
            while service.acceptor.pending:
                await asyncio.sleep(0)
        assert service.made.empty()
        assert len(service.complaints) <= 3
        await service.stop()

    run(loop, main())
