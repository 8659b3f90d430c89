"""Sending files: both loops, both kinds of transports, plain and TLS, against a real reader."""

import asyncio
import errno
import io
import os
import socket
import threading
from pathlib import Path

import pytest

from bascule.errors import ClientDisconnected
from bascule.loop import files as module
from bascule.loop import listen, sendfile
from support.files import (
    drop_from_cache,
    is_open,
    only_cached_sent,
    slow_disk,
    untold_directory,
)

LARGE = 8 * 1024 * 1024  # more than the kernel's buffers on a loopback connection hold


class Sender(asyncio.Protocol):
    """A protocol that can wait until its transport takes more."""

    def __init__(self, made):
        self.made = made
        self.writable = asyncio.Event()
        self.writable.set()
        self.lost = asyncio.Event()

    def connection_made(self, transport):
        self.transport = transport
        self.made.put_nowait(self)

    def pause_writing(self):
        self.writable.clear()

    def resume_writing(self):
        self.writable.set()

    def connection_lost(self, exc):
        self.lost.set()
        self.writable.set()

    async def drain(self):
        await self.writable.wait()
        if self.lost.is_set():
            raise ClientDisconnected("gone")

    async def send(self, file, offset=0, count=None):
        loop = asyncio.get_running_loop()
        return await sendfile(loop, self.transport, file, offset, count, drain=self.drain)


class Pair:
    """A connection under test: the sending protocol, and the reader at the other end."""

    @classmethod
    async def open(cls, tls):
        self = cls()
        loop = asyncio.get_running_loop()
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.sock.setblocking(False)
        made = asyncio.Queue()
        self.acceptor = await listen(
            loop, lambda: Sender(made), self.sock, backlog=5, ssl=tls and tls[0]
        )
        self.reader, self.writer = await asyncio.open_connection(
            *self.sock.getsockname(), ssl=tls and tls[1]
        )
        self.sender = await made.get()
        return self

    async def received(self):
        """All that arrives until the sender closes."""
        self.sender.transport.close()
        return await self.reader.read()

    async def close(self):
        self.writer.close()
        if not self.sender.lost.is_set():
            self.sender.transport.abort()
            await self.sender.lost.wait()
        self.acceptor.abort()
        self.sock.close()


@pytest.fixture(params=["plain", "tls"])
def security(request, tls):
    return tls if request.param == "tls" else None


@pytest.fixture
def run(loop, transports, security):
    """Run a test's coroutine with an open connection."""

    async def main(test):
        pair = await Pair.open(security)
        try:
            await test(pair)
        finally:
            await pair.close()

    def run_it(test):
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(asyncio.wait_for(main(test), 30))
        finally:
            asyncio.set_event_loop(None)

    return run_it


@pytest.fixture
def file(tmp_path):
    """A file of 200,000 bytes, no two pieces of it alike."""
    (tmp_path / "file").write_bytes(CONTENT)
    with open(tmp_path / "file", "rb") as opened:
        yield opened


CONTENT = b"".join(b"%07d\n" % number for number in range(25_000))


@pytest.mark.parametrize(
    ("offset", "count", "expected"),
    [
        (0, None, CONTENT),
        (0, len(CONTENT), CONTENT),
        (70_001, None, CONTENT[70_001:]),
        (1, 65_536, CONTENT[1:65_537]),
        (0, 1, CONTENT[:1]),
        (100_000, 10**9, CONTENT[100_000:]),
        (0, 0, b""),
        (len(CONTENT), None, b""),
        (len(CONTENT) + 5, 10, b""),
    ],
)
def test_a_part_of_a_file(run, file, offset, count, expected):
    async def test(pair):
        assert await pair.sender.send(file, offset, count) == len(expected)
        assert await pair.received() == expected

    run(test)


def test_order_with_what_is_written_before_and_after(run, file):
    async def test(pair):
        before = b"b" * 1_000_000
        pair.sender.transport.write(before)
        sending = asyncio.ensure_future(pair.sender.send(file, 0, 100))
        assert await pair.reader.readexactly(len(before) + 100) == before + CONTENT[:100]
        assert await sending == 100
        pair.sender.transport.write(b"after")
        assert await pair.received() == b"after"

    run(test)


def test_a_large_file_to_a_slow_reader_is_not_read_into_memory(run, tmp_path):
    async def test(pair):
        with make_large(tmp_path) as file:
            sending = asyncio.ensure_future(pair.sender.send(file))
            transport = pair.sender.transport
            most = left = 0
            while left < LARGE:
                left += len(await pair.reader.readexactly(64 * 1024))
                if not hasattr(transport, "sendfile") or transport.get_extra_info("sslcontext"):
                    most = max(most, transport.get_write_buffer_size())
            assert await sending == LARGE
            assert most < 1_000_000
        assert await pair.received() == b""

    run(test)


def make_large(tmp_path):
    path = tmp_path / "large"
    with open(path, "wb") as file:
        file.truncate(LARGE)
    return open(path, "rb")


def test_what_is_no_regular_file_is_read_from_where_it_stands(run):
    async def test(pair):
        source = io.BytesIO(b"-" + CONTENT)
        source.read(1)
        assert await pair.sender.send(source) == len(CONTENT)
        assert await pair.received() == CONTENT

    run(test)


def test_what_is_no_regular_file_can_be_sent_in_part(run):
    async def test(pair):
        assert await pair.sender.send(io.BytesIO(CONTENT), 5, 100_000) == 100_000
        assert await pair.received() == CONTENT[5:100_005]

    run(test)


def test_a_pipe_is_sent_to_its_end(run):
    async def test(pair):
        reading, writing = os.pipe()
        filling = threading.Thread(target=fill, args=(writing,))
        filling.start()
        with os.fdopen(reading, "rb") as source:
            assert await pair.sender.send(source) == len(CONTENT)
        filling.join()
        assert await pair.received() == CONTENT

    run(test)


def fill(fd):
    with os.fdopen(fd, "wb") as pipe:
        pipe.write(CONTENT)


def test_a_connection_that_is_closed_takes_no_file(run, file):
    async def test(pair):
        pair.sender.transport.abort()
        with pytest.raises(ClientDisconnected):
            await pair.sender.send(file)
        assert await pair.sender.send(file, 0, 0) == 0

    run(test)


def test_a_connection_aborted_while_a_file_is_sent(run, tmp_path):
    async def test(pair):
        with make_large(tmp_path) as file:
            sending = asyncio.ensure_future(pair.sender.send(file))
            await pair.reader.readexactly(1)
            pair.sender.transport.abort()
            with pytest.raises(ClientDisconnected):
                await sending

    run(test)


def test_a_client_that_leaves_while_a_file_is_sent(run, tmp_path):
    async def test(pair):
        with make_large(tmp_path) as file:
            sending = asyncio.ensure_future(pair.sender.send(file))
            await pair.reader.readexactly(1)
            pair.writer.transport.abort()
            with pytest.raises(ClientDisconnected):
                await sending

    run(test)


def test_a_client_that_left_before_a_file_is_sent(run, file):
    async def test(pair):
        fd = os.dup(pair.sender.transport.get_extra_info("socket").fileno())
        with socket.socket(fileno=fd) as same:
            same.shutdown(socket.SHUT_WR)  # writing now fails as it does when the client left
        with pytest.raises(ClientDisconnected):
            await send_again_and_again(pair.sender, file)

    run(test)


async def send_again_and_again(sender, file):
    while True:
        await sender.send(file)


def test_cancelling_closes_the_connection(run, tmp_path):
    async def test(pair):
        with make_large(tmp_path) as file:
            sending = asyncio.ensure_future(pair.sender.send(file))
            await pair.reader.readexactly(1)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
        assert pair.sender.transport.is_closing()

    run(test)


def test_a_file_cut_short_while_it_is_sent(run, tmp_path):
    async def test(pair):
        with make_large(tmp_path) as file:
            sending = asyncio.ensure_future(pair.sender.send(file, 0, LARGE))
            await pair.reader.readexactly(1)
            os.truncate(file.name, 100)
            reading = asyncio.ensure_future(pair.reader.read())
            assert await sending < LARGE
            pair.sender.transport.close()
            assert len(await reading) + 1 < LARGE

    run(test)


def test_a_file_that_cannot_be_read(run, tmp_path):
    class Broken(io.RawIOBase):
        def readable(self):
            return True

        def read(self, size=-1):
            raise OSError(errno.EIO, "Input/output error")

    async def test(pair):
        with pytest.raises(OSError, match="Input/output error"):
            await pair.sender.send(Broken())

    run(test)


def test_others_have_their_turn_while_a_fast_reader_is_served(run, file):
    async def test(pair):
        turns = 0

        async def count_turns():
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        counting = asyncio.ensure_future(count_turns())
        reading = asyncio.ensure_future(pair.reader.readexactly(len(CONTENT) * 10))
        for _ in range(10):
            await pair.sender.send(file)
        await reading
        counting.cancel()
        assert turns >= 10

    run(test)


@pytest.fixture
def untold_file():
    """The same on a file system that cannot say what is in memory."""
    with untold_directory() as directory:
        (directory / "file").write_bytes(CONTENT)
        with open(directory / "file", "rb") as opened:
            yield opened


def test_others_have_their_turn_while_a_disk_is_waited_for(run, untold_file, monkeypatch):
    async def test(pair):
        sending = asyncio.ensure_future(pair.sender.send(untold_file, 3))
        while not disk.asked:
            await asyncio.sleep(0)
        # The loop turns. The disk answers only now.
        assert not sending.done()
        disk.answers.set()
        assert await sending == len(CONTENT) - 3
        assert threading.main_thread() not in disk.asked
        assert await pair.received() == CONTENT[3:]

    with slow_disk(monkeypatch) as disk:
        run(test)


def test_cancelling_while_a_disk_is_waited_for(run, untold_file, monkeypatch):
    """The thread that waits keeps the connection and the file open, so that their numbers are not
    given to others, and closes them."""

    async def test(pair):
        sending = asyncio.ensure_future(pair.sender.send(untold_file))
        while not disk.asked:
            await asyncio.sleep(0)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await pair.sender.lost.wait()
        path = Path(untold_file.name)
        if pair.sender.transport.get_extra_info("sslcontext") is None:
            untold_file.close()
            assert is_open(path)
        disk.answers.set()
        untold_file.close()
        while is_open(path):
            await asyncio.sleep(0)

    with slow_disk(monkeypatch) as disk:
        run(test)


def test_what_is_not_in_memory_is_left_to_a_thread(run, file, monkeypatch):
    """Of a file that has just been forgotten by the kernel, whose disk may be fast."""
    drop_from_cache(Path(file.name))

    async def test(pair):
        assert await pair.sender.send(file, 3) == len(CONTENT) - 3
        assert await pair.received() == CONTENT[3:]

    with only_cached_sent(monkeypatch, threading.main_thread()):
        run(test)


def test_the_kernel_sends_what_is_in_memory(run, file, monkeypatch):
    """On a plain connection. Under TLS it is encrypted first."""
    os.pread(file.fileno(), len(CONTENT), 0)

    async def test(pair):
        await pair.sender.send(file)
        is_plain = pair.sender.transport.get_extra_info("sslcontext") is None
        assert sum(taken) == (len(CONTENT) if is_plain else 0)
        assert await pair.received() == CONTENT

    with only_cached_sent(monkeypatch, threading.main_thread()) as taken:
        run(test)


def test_progress_is_reported_as_the_client_reads(run, tmp_path):
    (tmp_path / "large").write_bytes(bytes(LARGE))
    reports = []

    async def test(pair):
        with open(tmp_path / "large", "rb") as file:
            sending = asyncio.ensure_future(
                sendfile(
                    asyncio.get_running_loop(),
                    pair.sender.transport,
                    file,
                    0,
                    None,
                    drain=pair.sender.drain,
                    progress=lambda: reports.append(True),
                )
            )
            await pair.reader.readexactly(LARGE)
            assert await sending == LARGE
        assert len(reports) >= LARGE // module.WINDOW

    run(test)
