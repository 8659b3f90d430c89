"""Accepting connections, on both loops, with both kinds of transports, plain, UNIX and TLS."""

import asyncio
import errno
import logging
import os
import resource
import socket
import ssl
import tempfile
from functools import partial

import pytest
import trustme

from bascule.loop import acceptor as module
from bascule.loop import listen, resume_reading


class Echo(asyncio.Protocol):
    """Sends back what it gets, in capitals, and says what happened to it."""

    def __init__(self, made, lost):
        self.made, self.lost = made, lost

    def connection_made(self, transport):
        self.transport = transport
        secured = transport.get_extra_info("ssl_object")
        self.certificate = secured and secured.getpeercert()
        self.made.put_nowait(self)

    def data_received(self, data):
        self.transport.write(data.upper())

    def connection_lost(self, exc):
        self.lost.put_nowait(self)


class Service:
    """An acceptor under test with its socket, and what its protocols report."""

    def __init__(self, sock):
        sock.setblocking(False)
        self.sock = sock
        self.made = asyncio.Queue()
        self.lost = asyncio.Queue()

    async def start(self, **options):
        loop = asyncio.get_running_loop()
        self.acceptor = await listen(
            loop, lambda: Echo(self.made, self.lost), self.sock, backlog=64, **options
        )
        return self

    @property
    def name(self):
        return self.sock.getsockname()

    async def stop(self):
        self.acceptor.abort()
        self.sock.close()


def tcp_service():
    return Service(socket.create_server(("127.0.0.1", 0)))


def run(loop, main):
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(asyncio.wait_for(main, 20))
    finally:
        asyncio.set_event_loop(None)


async def talk(name, **options):
    await exchange(*await asyncio.open_connection(*name, **options))


async def talk_unix(name, **options):
    await exchange(*await asyncio.open_unix_connection(name, **options))


async def exchange(reader, writer):
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"HELLO"
    writer.close()
    await writer.wait_closed()


async def until(condition):
    """Let the loop turn until the condition holds; the test's deadline ends a wait in vain."""
    while not condition():
        await asyncio.sleep(0)


def test_tcp(loop, transports):
    async def main():
        service = await tcp_service().start()
        await talk(service.name)
        protocol = await service.lost.get()
        assert service.made.get_nowait() is protocol
        assert service.acceptor.pending == 0
        assert not type(protocol.transport).__module__.startswith("aiofastnet")
        await service.stop()

    run(loop, main())


def test_tls(loop, transports, tls):
    async def main():
        service = await tcp_service().start(ssl=tls[0])
        await talk(service.name, ssl=tls[1])
        protocol = await service.lost.get()
        assert protocol.transport.get_extra_info("sslcontext") is tls[0]
        await service.stop()

    run(loop, main())


def test_context_that_is_renewed(loop, transports, tls):
    """New connections get it; those that are there, and their context, stay as they are."""
    authority = trustme.CA()
    later = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(later)
    client = ssl.create_default_context()
    authority.configure_trust(client)

    async def main():
        service = await tcp_service().start(ssl=tls[0])
        first = await asyncio.open_connection(*service.name, ssl=tls[1])
        await service.made.get()
        service.acceptor.renew(later)
        await talk(service.name, ssl=client)
        protocol = await service.made.get()
        assert protocol.transport.get_extra_info("sslcontext") is later
        with pytest.raises(ssl.SSLCertVerificationError):
            await talk(service.name, ssl=tls[1])
        await exchange(*first)
        service.acceptor.renew(tls[0])
        await talk(service.name, ssl=tls[1])
        await service.stop()

    run(loop, main())


class Hesitant(asyncio.Protocol):
    """Pauses whenever something has come, as a connection does whose application is slow."""

    def __init__(self, expected, arrived, lost):
        self.missing, self.arrived, self.lost = expected, arrived, lost

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, exc):
        self.lost.set_result(None)

    def data_received(self, data):
        self.missing -= len(data)
        if not self.missing:
            self.arrived.set_result(None)
        self.transport.pause_reading()
        loop = asyncio.get_running_loop()
        loop.call_later(0.005, resume_reading, loop, self.transport)


def test_nothing_is_forgotten_of_what_came_before_a_pause(loop, transports, tls):
    """In the records of an upload, the first of which is as short as the head of a request."""
    pieces = [b"x" * 61, b"x" * 16 * 16384] * 12
    size = sum(map(len, pieces))

    def upload(name):
        plain = socket.create_connection(name)
        client = tls[1].wrap_socket(plain, server_hostname="127.0.0.1")
        for piece in pieces:
            client.sendall(piece)
        return client

    async def main():
        for _ in range(10):
            arrived, lost = loop.create_future(), loop.create_future()
            protocol = partial(Hesitant, size, arrived, lost)
            sock = socket.create_server(("127.0.0.1", 0))
            sock.setblocking(False)
            acceptor = await listen(loop, protocol, sock, backlog=1, ssl=tls[0])
            client = await asyncio.to_thread(upload, sock.getsockname())
            async with asyncio.timeout(5):
                await arrived
            client.close()
            await lost
            acceptor.abort()
            sock.close()

    run(loop, main())


def test_small_writes_do_not_wait_for_each_other(loop, transports):
    async def main():
        service = await tcp_service().start()
        assert service.sock.proto == 0  # not what transports look for before they set it
        client = socket.create_connection(service.name)
        protocol = await service.made.get()
        conn = protocol.transport.get_extra_info("socket")
        assert conn.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        client.close()
        await service.lost.get()
        await service.stop()

    run(loop, main())


def test_certificates_of_clients(loop, transports, tls, monkeypatch):
    """Decoded in memory: no file is written for a connection."""
    written = []
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", lambda **options: written.append(options))
    mutual, client = mutual_contexts()

    async def main():
        service = await tcp_service().start(ssl=mutual)
        await talk(service.name, ssl=client)
        protocol = await service.lost.get()
        assert protocol.certificate["subject"][-1] == (("commonName", "Ann"),)
        await service.stop()

    run(loop, main())
    assert written == []


def mutual_contexts():
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.issue_cert("ann@example.test", common_name="Ann").configure_cert(client)
    for context in (server, client):
        authority.configure_trust(context)
    server.verify_mode = ssl.CERT_REQUIRED
    return server, client


def test_unix(loop, transports, tmp_path):
    async def main():
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(str(tmp_path / "app.sock"))
        service = await Service(sock).start()
        await talk_unix(service.name)
        await service.lost.get()
        await service.stop()

    run(loop, main())


def test_tls_over_unix(loop, transports, tls, tmp_path):
    async def main():
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(str(tmp_path / "app.sock"))
        service = await Service(sock).start(ssl=tls[0])
        await talk_unix(service.name, ssl=tls[1], server_hostname="127.0.0.1")
        await service.lost.get()
        await service.stop()

    run(loop, main())


def test_in_a_loop_that_somebody_else_owns(transports):
    async def main():
        service = await tcp_service().start()
        await talk(service.name)
        await service.lost.get()
        await service.stop()

    asyncio.run(asyncio.wait_for(main(), 20))


def test_more_connections_than_one_turn_accepts(loop, transports):
    async def main():
        service = tcp_service()
        count = module.ACCEPTS_PER_TURN + 10
        clients = [socket.create_connection(service.name) for _ in range(count)]
        await service.start()
        for _ in clients:
            await service.made.get()
        for client in clients:
            client.close()
        for _ in clients:
            await service.lost.get()
        await service.stop()

    run(loop, main())


def test_close_leaves_the_socket_to_its_opener(loop, transports):
    async def main():
        service = await tcp_service().start()
        service.acceptor.close()
        service.acceptor.close()
        assert not service.acceptor.is_accepting
        service.acceptor.resume()
        assert not service.acceptor.is_accepting
        waiting = socket.create_connection(service.name)  # into the kernel's queue
        successor = Service(service.sock.dup())
        await successor.start()
        await successor.made.get()
        assert service.made.empty()
        waiting.close()
        await successor.lost.get()
        await successor.stop()
        await service.stop()

    run(loop, main())


def test_closing_works_after_the_socket_is_closed(loop):
    async def main():
        service = await tcp_service().start()
        service.sock.close()
        service.acceptor.close()

    run(loop, main())


def test_pause_and_resume(loop, transports):
    async def main():
        service = await tcp_service().start()
        service.acceptor.pause()
        service.acceptor.pause()
        assert not service.acceptor.is_accepting
        client = socket.create_connection(service.name)
        await until_quiet()
        assert service.made.empty()
        service.acceptor.resume()
        service.acceptor.resume()
        assert service.acceptor.is_accepting
        await service.made.get()
        client.close()
        await service.lost.get()
        await service.stop()

    run(loop, main())


def test_a_connection_is_left_to_others_for_a_moment_and_then_taken(loop, transports):
    """One moment for each of them, because each may find another worker free."""
    asked = []

    def another_should_accept(pending):
        asked.append(pending)
        return True

    async def main():
        service = await tcp_service().start()
        service.acceptor.another_should_accept = another_should_accept
        clients = [socket.create_connection(service.name) for _ in range(3)]
        for number in range(1, 4):
            await until(lambda number=number: len(asked) == number)
            assert not service.acceptor.is_accepting
            await service.made.get()
        assert len(asked) >= 3
        for client in clients:
            client.close()
            await service.lost.get()
        await service.stop()

    run(loop, main())


def test_what_another_takes_in_the_meantime_is_left_to_it(loop, transports):
    async def main():
        service = await tcp_service().start()
        service.acceptor.another_should_accept = lambda pending: True
        client = socket.create_connection(service.name)
        await until(lambda: not service.acceptor.is_accepting)
        taken, _ = service.sock.accept()
        await until(lambda: service.acceptor.is_accepting)
        await until_quiet()
        assert service.made.empty()
        taken.close()
        client.close()
        await service.stop()

    run(loop, main())


def test_a_worker_with_the_fewest_connections_accepts_all_at_once(loop, transports):
    async def main():
        service = await tcp_service().start()
        service.acceptor.pause()
        service.acceptor.another_should_accept = lambda pending: (
            pending + service.made.qsize() >= 2
        )
        clients = [socket.create_connection(service.name) for _ in range(3)]
        service.acceptor.resume()
        await until(lambda: service.acceptor.pending or not service.made.empty())
        assert service.acceptor.pending + service.made.qsize() == 2
        for client in clients:
            await service.made.get()
            client.close()
            await service.lost.get()
        await service.stop()

    run(loop, main())


def test_a_worker_that_leaves_accepts_what_waits(loop, transports):
    async def main():
        service = await tcp_service().start()
        service.acceptor.another_should_accept = lambda pending: True
        clients = [socket.create_connection(service.name) for _ in range(3)]
        service.acceptor.finish()
        for client in clients:
            await service.made.get()
            client.close()
            await service.lost.get()
        await service.stop()

    run(loop, main())


def test_a_pause_is_not_ended_by_an_older_wait(loop, transports):
    async def main():
        service = await tcp_service().start()
        service.acceptor.another_should_accept = lambda pending: True
        client = socket.create_connection(service.name)
        await until(lambda: not service.acceptor.is_accepting)
        service.acceptor.resume()
        service.acceptor.pause()
        await asyncio.sleep(10 * module.GIVE_WAY)
        assert not service.acceptor.is_accepting
        client.close()
        await service.stop()

    run(loop, main())


def test_pausing_from_the_protocol_factory_stops_at_once(loop, transports):
    async def main():
        service = tcp_service()
        clients = [socket.create_connection(service.name) for _ in range(3)]
        await service.start()
        if transports == "fast":
            real_factory = service.acceptor._protocol_factory

            def factory():
                service.acceptor.pause()
                return real_factory()

            service.acceptor._protocol_factory = factory
        else:
            real = service.acceptor._loop.create_task

            def create_task(coroutine):
                service.acceptor.pause()
                return real(coroutine)

            service.acceptor._loop = LoopWith(service.acceptor._loop, create_task)
        await service.made.get()
        await until_quiet()
        assert service.made.empty()
        for client in clients:
            client.close()
        await service.lost.get()
        await service.stop()

    run(loop, main())


class LoopWith:
    def __init__(self, loop, create_task):
        self._loop, self.create_task = loop, create_task

    def __getattr__(self, name):
        return getattr(self._loop, name)


@pytest.fixture
def descriptors():
    """Take away and give back the right to open any more file descriptors."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    class Descriptors:
        def refuse(self):
            lowest = os.dup(0)
            os.close(lowest)
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))

        def allow(self):
            resource.setrlimit(resource.RLIMIT_NOFILE, before)

    yield Descriptors()
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_out_of_descriptors_waits_and_goes_on(loop, transports, descriptors, caplog):
    async def main():
        service = await tcp_service().start()
        await talk(service.name)  # whatever a first connection opens is open now
        await service.lost.get()
        service.made.get_nowait()
        await until_quiet()
        client = socket.socket()
        descriptors.refuse()
        client.connect(service.name)  # into the kernel's queue, which needs no descriptor
        await until(lambda: not service.acceptor.is_accepting)
        await until(lambda: service.acceptor.is_accepting)  # tried again, once
        await until(lambda: not service.acceptor.is_accepting)
        assert [r.message.partition(":")[0] for r in caplog.records] == [
            "cannot accept connections"
        ]
        assert "LimitNOFILE=) or lower --limit-connections" in caplog.text
        descriptors.allow()
        await service.made.get()
        assert caplog.records[-1].message == "accepting connections again"
        client.close()
        await service.lost.get()
        await service.stop()

    with caplog.at_level(logging.WARNING, "bascule"):
        run(loop, main())


async def until_quiet():
    """Give the loop turns enough for whatever is due at once."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_closing_while_out_of_resources_stops_trying(loop, caplog, monkeypatch):
    monkeypatch.setattr(module, "RETRY_DELAY", 0)

    async def main():
        service = await tcp_service().start()
        refuse_accept(service, errno.ENOMEM)
        client = socket.create_connection(service.name)
        await until(lambda: not service.acceptor.is_accepting)
        service.acceptor.close()
        await until_quiet()
        assert not service.acceptor.is_accepting
        client.close()
        await service.stop()

    run(loop, main())
    assert "Cannot allocate memory" in caplog.text
    assert "LimitNOFILE" not in caplog.text


def test_a_connection_that_broke_in_the_queue_is_passed_over(loop, caplog):
    async def main():
        service = await tcp_service().start()
        refuse_accept(service, errno.ECONNABORTED, times=1)
        client = socket.create_connection(service.name)
        await service.made.get()
        client.close()
        await service.lost.get()
        await service.stop()

    run(loop, main())
    assert not caplog.records


def refuse_accept(service, number, times=10**9):
    """Make accepting fail: the errors that it reports here cannot be brought about at will."""

    class Refusing:
        def __init__(self, factory):
            self.factory, self.left = factory, times
            self.poller = factory.poller

        def accept(self, *arguments):
            self.left -= 1
            if self.left >= 0:
                raise OSError(number, os.strerror(number))
            return self.factory.accept(*arguments)

    service.acceptor._plain = Refusing(service.acceptor._plain)


def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()


@pytest.mark.parametrize("manner", ["silent", "reset", "garbage"])
def test_a_failed_handshake_is_nobodys_error(loop, transports, tls, manner, caplog):
    async def main():
        service = await tcp_service().start(ssl=tls[0])
        await talk(service.name, ssl=tls[1])  # whatever a first connection opens is open now
        await service.lost.get()
        service.made.get_nowait()
        before = len(os.listdir("/proc/self/fd"))
        client = socket.create_connection(service.name)
        await until(lambda: service.acceptor.pending)
        if manner == "silent":
            client.close()
        elif manner == "reset":
            reset(client)
        else:
            client.sendall(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")
        await until(lambda: not service.acceptor.pending)
        client.close()
        await until(lambda: len(os.listdir("/proc/self/fd")) == before)
        assert service.made.empty()
        await talk(service.name, ssl=tls[1])
        await service.lost.get()
        await service.stop()

    with caplog.at_level(logging.INFO):
        run(loop, main())
    assert not caplog.records


def test_a_handshake_has_a_deadline(loop, transports, tls, caplog):
    async def main():
        service = await tcp_service().start(ssl=tls[0], ssl_handshake_timeout=0.05)
        client = socket.create_connection(service.name)
        await until(lambda: service.acceptor.pending)
        await until(lambda: not service.acceptor.pending)
        client.setblocking(False)
        await until(lambda: was_cut_off(client))
        client.close()
        assert service.made.empty()
        await service.stop()

    with caplog.at_level(logging.INFO):
        run(loop, main())
    assert not caplog.records


def was_cut_off(client):
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_close_lets_a_handshake_finish(loop, transports, tls):
    async def main():
        service = await tcp_service().start(ssl=tls[0])
        client = socket.create_connection(service.name)
        await until(lambda: service.acceptor.pending)
        service.acceptor.close()
        assert service.acceptor.pending == 1
        await talk((None, None), sock=client, ssl=tls[1], server_hostname="127.0.0.1")
        await service.lost.get()
        assert service.acceptor.pending == 0
        await service.stop()

    run(loop, main())


def test_abort_cuts_a_handshake_off(loop, transports, tls):
    async def main():
        service = await tcp_service().start(ssl=tls[0])
        client = socket.create_connection(service.name)
        client.setblocking(False)
        await until(lambda: service.acceptor.pending)
        service.acceptor.abort()
        await until(lambda: not service.acceptor.pending)
        await until(lambda: was_cut_off(client))
        client.close()
        assert service.made.empty()
        await service.stop()

    run(loop, main())


def test_a_protocol_factory_that_fails_costs_its_connection_only(loop, transports):
    async def main():
        service = tcp_service()
        attempts = []

        def factory():
            attempts.append(1)
            if len(attempts) == 1:
                raise ValueError("no")
            return Echo(service.made, service.lost)

        service.acceptor = await listen(
            asyncio.get_running_loop(), factory, service.sock, backlog=5
        )
        client = socket.create_connection(service.name)
        client.setblocking(False)
        await until(lambda: was_cut_off(client))
        client.close()
        await talk(service.name)
        await service.lost.get()
        await service.stop()

    run(loop, main())


def test_the_loops_exception_handler_still_gets_the_rest(loop, tls):
    seen = []

    async def main():
        running = asyncio.get_running_loop()
        running.set_exception_handler(lambda _, context: seen.append(context["message"]))
        first = await tcp_service().start(ssl=tls[0])
        second = await tcp_service().start(ssl=tls[0])
        running.call_exception_handler({"message": "one", "exception": ValueError()})
        running.call_exception_handler({"message": "noise", "exception": ConnectionResetError})
        await first.stop()
        await second.stop()

    run(loop, main())
    assert seen == ["one"]


def test_without_an_exception_handler_the_loop_logs_the_rest(loop, tls, caplog):
    async def main():
        service = await tcp_service().start(ssl=tls[0])
        asyncio.get_running_loop().call_exception_handler({"message": "a real error"})
        await service.stop()

    run(loop, main())
    assert "a real error" in caplog.text
