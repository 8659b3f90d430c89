"""The poller and its transports, beyond the contract of transports."""

import asyncio
import contextlib
import gc
import os
import select
import socket
import struct
import weakref

import pytest

from bascule.loop import listen
from bascule.loop.poller import AT_ONCE, HAS_EPOLL

pytestmark = pytest.mark.skipif(not HAS_EPOLL, reason="without epoll there is no poller")

READ = 65536


class Peer:
    """A protocol that keeps its data, and calls a function of the test inside its callbacks."""

    def __init__(self, service):
        self.service = service
        self.data = []
        self.lost = False
        self.error = None
        self.at_data = lambda peer: None

    def connection_made(self, transport):
        self.transport = transport
        self.service.peers.append(self)
        self.service.at_made(self)

    def data_received(self, data):
        self.data.append(data)
        self.service.order.append(self)
        self.at_data(self)

    def eof_received(self):
        return self.service.keep_open

    def pause_writing(self):
        self.service.calls.append("pause_writing")
        self.service.at_pause()

    def resume_writing(self):
        self.service.calls.append("resume_writing")

    def connection_lost(self, error):
        self.lost = True
        self.error = error
        self.service.lost.append(self)
        self.service.at_lost(self)


class Service:
    """A listening socket whose connections are on the poller, and their clients.

    order: the peers, each as often as it has received data.
    reported: the calls of the loop's exception handler.
    """

    def __init__(self, loop, sock):
        self.loop = loop
        self.sock = sock
        self.peers = []
        self.lost = []
        self.order = []
        self.calls = []
        self.reported = []
        self.clients = []
        self.keep_open = True
        self.at_made = lambda peer: None
        self.at_pause = lambda: None
        self.at_lost = lambda peer: None
        loop.set_exception_handler(lambda _, context: self.reported.append(context))
        self.acceptor = loop.run_until_complete(
            listen(loop, lambda: Peer(self), sock, backlog=200)
        )

    @property
    def poller(self):
        return self.acceptor._plain.poller

    def turn(self):
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()

    def until(self, condition):
        for _ in range(20_000):
            if condition():
                return
            self.turn()
        raise AssertionError("nothing made the condition true")

    def settle(self):
        for _ in range(30):
            self.turn()

    def connect(self):
        """Return a client, and the peer of it."""
        client = socket.socket(self.sock.family)
        client.connect(self.sock.getsockname())
        client.setblocking(False)
        self.clients.append(client)
        count = len(self.peers)
        self.until(lambda: len(self.peers) > count)
        return client, self.peers[-1]

    def stop(self):
        self.acceptor.abort()
        for peer in self.peers:
            if not peer.lost:
                peer.transport.abort()
        self.until(lambda: all(peer.lost for peer in self.peers))
        for client in self.clients:
            client.close()
        self.sock.close()
        self.settle()


@pytest.fixture
def make(loop):
    made = []

    def make(sock=None):
        made.append(Service(loop, sock or socket.create_server(("127.0.0.1", 0))))
        return made[-1]

    yield make
    for service in made:
        service.stop()
        assert service.poller.fd == -1, "the poller was left open"


@pytest.fixture
def service(make):
    made = make()
    yield made
    assert made.reported == []


class Failure(Exception):
    """Raised by callbacks."""


def received(client):
    """All that a client can read now."""
    data = bytearray()
    with contextlib.suppress(BlockingIOError):
        while piece := client.recv(READ):
            data += piece
    return bytes(data)


def fill(service, client, peer, size=4_000_000):
    """Write more than the kernel takes."""
    peer.transport.write(bytes(size))
    service.settle()
    assert peer.transport.get_write_buffer_size() > 0


# Fairness.


def test_a_connection_reads_a_bounded_piece_a_turn(service):
    first, one = service.connect()
    second, other = service.connect()
    while True:
        try:
            first.send(bytes(READ))
        except BlockingIOError:
            break
    second.send(b"hello")
    service.until(lambda: other.data)
    assert max(len(piece) for piece in one.data) <= READ
    assert sum(map(len, one.data)) <= 3 * READ


def test_timers_and_callbacks_run_between_batches(service):
    pairs = [service.connect() for _ in range(AT_ONCE + 10)]
    turns = []
    for client, _ in pairs:
        client.send(b"hello")
    while len(service.order) < len(pairs):
        before = len(service.order)
        service.turn()
        turns.append(len(service.order) - before)
        assert turns[-1] <= 2 * AT_ONCE
    assert max(turns) >= AT_ONCE
    assert len(set(map(id, service.order))) == len(pairs)


def test_busy_connections_do_not_delay_the_others(service):
    """The kernel reports them in turn."""
    busy = [service.connect() for _ in range(2 * AT_ONCE)]
    quiet_client, quiet = service.connect()
    for _, peer in busy:
        peer.at_data = lambda peer: None
    for client, _ in busy:
        with contextlib.suppress(BlockingIOError):
            while client.send(bytes(READ)):
                pass
    quiet_client.send(b"hello")
    service.until(lambda: quiet.data)
    counts = [service.order.count(peer) for _, peer in busy]
    assert max(counts) <= 3


# Descriptors.


def test_a_closed_connection_receives_nothing_of_its_batch(service):
    """Also where its descriptor's number is another's by then."""
    pairs = [service.connect() for _ in range(8)]

    def abort_the_others(peer):
        for _, other in pairs:
            if other is not peer:
                other.transport.abort()

    for client, peer in pairs:
        peer.at_data = abort_the_others
        client.send(b"hello")
    service.until(lambda: len(service.lost) == 7)
    assert [len(peer.data) for _, peer in pairs].count(1) == 1
    assert sum(len(peer.data) for _, peer in pairs) == 1


def test_a_descriptor_is_open_until_the_protocol_has_lost_its_connection(service):
    _, peer = service.connect()
    numbers = []
    service.at_lost = lambda peer: numbers.append(os.fstat(fd).st_ino)
    sock = peer.transport.get_extra_info("socket")
    fd = sock.fileno()
    peer.transport.abort()
    service.until(lambda: peer.lost)
    assert numbers
    assert sock.fileno() == -1
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_a_new_connection_with_the_same_number_is_another(service):
    client, peer = service.connect()
    number = peer.transport.get_extra_info("socket").fileno()
    client.send(b"old")
    peer.transport.abort()
    service.until(lambda: peer.lost)
    client.close()
    new_client, new = service.connect()
    service.until(lambda: True)
    new_client.send(b"new")
    service.until(lambda: new.data)
    assert new.data == [b"new"]
    assert peer.data == []
    assert number > 0


def test_a_duplicate_of_the_descriptor_causes_no_events(service):
    """sendfile() waits on a duplicate, which keeps the connection open for the kernel."""
    client, peer = service.connect()
    duplicate = os.dup(peer.transport.get_extra_info("socket").fileno())
    peer.transport.abort()
    service.until(lambda: peer.lost)
    client.send(b"late")
    service.settle()
    poll = select.poll()
    poll.register(service.poller.fd, select.POLLIN)
    assert poll.poll(0) == []
    os.close(duplicate)
    assert peer.data == []


def test_a_set_is_kept_while_connections_are_open(service):
    client, peer = service.connect()
    service.acceptor.close()
    client.send(b"hello")
    service.until(lambda: peer.data)
    peer.transport.close()
    service.until(lambda: peer.lost)
    assert service.poller.fd == -1


def test_idle_connections_make_no_socket_objects(service, monkeypatch):
    made = []
    real = socket.socket.__init__

    def note(self, *arguments, **options):
        made.append(arguments)
        real(self, *arguments, **options)

    client = socket.socket()
    client.connect(service.sock.getsockname())
    service.clients.append(client)
    monkeypatch.setattr(socket.socket, "__init__", note)
    service.until(lambda: service.peers)
    transport = service.peers[0].transport
    assert transport.get_extra_info("peername") == client.getsockname()
    monkeypatch.undo()
    one = transport.get_extra_info("socket")
    assert one is transport.get_extra_info("socket")


# Reading.


def test_a_pause_that_is_over_before_anything_comes_costs_nothing(service):
    client, peer = service.connect()
    watched = peer.transport.events
    peer.transport.pause_reading()
    assert peer.transport.events == watched
    peer.transport.resume_reading()
    client.send(b"hello")
    service.until(lambda: peer.data)


def test_a_paused_connection_does_not_keep_the_loop_busy(service):
    client, peer = service.connect()
    peer.transport.pause_reading()
    client.send(b"hello")
    service.until(lambda: peer.transport.events == 0)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    service.settle()
    poll = select.poll()
    poll.register(service.poller.fd, select.POLLIN)
    assert poll.poll(0) == []
    assert not peer.lost
    peer.transport.resume_reading()
    service.until(lambda: peer.lost)


def test_half_closed_connections_do_not_keep_the_loop_busy(service):
    client, peer = service.connect()
    client.shutdown(socket.SHUT_WR)
    service.until(lambda: peer.transport.events == 0)
    peer.transport.write_eof()
    service.settle()
    poll = select.poll()
    poll.register(service.poller.fd, select.POLLIN)
    assert poll.poll(0) == []
    assert not peer.lost


def test_a_client_that_leaves_while_reading_is_paused_and_much_is_unsent(service):
    client, peer = service.connect()
    peer.transport.pause_reading()
    fill(service, client, peer)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    service.until(lambda: peer.lost)
    assert isinstance(peer.error, ConnectionError)


# Writing.


def test_pieces_of_every_kind_leave_in_order(service):
    client, peer = service.connect()
    fill(service, client, peer, 4_000_000)
    pieces = [b"a" * 7, bytearray(b"b" * 70_000), memoryview(b"c" * 1000)[10:], b"", b"d"] * 50
    for piece in pieces:
        peer.transport.write(piece)
    expected = bytes(4_000_000) + b"".join(pieces)
    data = bytearray()

    def is_complete():
        data.extend(received(client))
        return len(data) >= len(expected)

    service.until(is_complete)
    in_order = bytes(data) == expected
    assert in_order
    service.until(lambda: peer.transport.get_write_buffer_size() == 0)


def test_elements_of_a_memoryview_may_be_wide(service):
    client, peer = service.connect()
    peer.transport.write(memoryview(b"abcdefgh").cast("I"))
    data = bytearray()

    def is_complete():
        data.extend(received(client))
        return len(data) == 8

    service.until(is_complete)
    assert data == b"abcdefgh"
    assert peer.transport.get_write_buffer_size() == 0


def test_an_abort_from_inside_a_pause(service):
    _, peer = service.connect()
    service.at_pause = lambda: peer.transport.abort()
    peer.transport.write(bytes(4_000_000))
    service.until(lambda: peer.lost)
    assert service.calls == ["pause_writing"]


def test_limits_are_checked(service):
    _, peer = service.connect()
    with pytest.raises(ValueError, match="must be >= low"):
        peer.transport.set_write_buffer_limits(10, 20)
    peer.transport.set_write_buffer_limits(low=100)
    peer.transport.set_write_buffer_limits()


def test_limits_count_for_what_is_unsent_already(service):
    client, peer = service.connect()
    peer.transport.set_write_buffer_limits(high=10**9)
    fill(service, client, peer)
    assert service.calls == []
    peer.transport.set_write_buffer_limits(high=0)
    assert service.calls == ["pause_writing"]


# Callbacks that fail.


@pytest.mark.parametrize("name", ["connection_made", "data_received", "eof_received"])
def test_a_callback_that_fails_ends_the_connection(make, name):
    service = make()

    class Failing(Peer):
        """Fails in one of its callbacks."""

    def fail(peer, *arguments):
        getattr(Peer, name)(peer, *arguments)
        raise Failure

    setattr(Failing, name, fail)
    service.acceptor._protocol_factory = lambda: Failing(service)
    client, peer = service.connect()
    if name != "connection_made":
        client.send(b"hello")
        client.shutdown(socket.SHUT_WR)
    service.until(lambda: peer.lost)
    assert isinstance(peer.error, Failure)
    assert [type(context["exception"]) for context in service.reported] == [Failure]
    assert service.reported[0]["message"].startswith(name)
    assert service.reported[0]["protocol"] is peer


def test_a_failing_end_is_reported_and_the_descriptor_closed(make):
    service = make()
    _, peer = service.connect()
    fd = peer.transport.get_extra_info("socket").fileno()

    def fail(peer):
        raise ValueError("at the end")

    service.at_lost = fail
    peer.transport.abort()
    service.until(lambda: service.reported)
    assert str(service.reported[0]["exception"]) == "at the end"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
    service.at_lost = lambda peer: None


def test_a_failing_pause_is_reported(make):
    service = make()
    _, peer = service.connect()

    def fail():
        raise ValueError("in a pause")

    service.at_pause = fail
    peer.transport.write(bytes(4_000_000))
    service.settle()
    assert [str(context["exception"]) for context in service.reported] == ["in a pause"]
    assert not peer.lost


# The ends.


@pytest.mark.parametrize(
    ("family", "address"),
    [
        (socket.AF_INET, "127.0.0.1"),
        (socket.AF_INET, "0.0.0.0"),
        (socket.AF_INET6, "::1"),
        (socket.AF_INET6, "::"),
    ],
)
def test_addresses_are_those_that_the_socket_module_writes(make, family, address):
    if family == socket.AF_INET6 and not socket.has_ipv6:
        pytest.skip("no IPv6")
    service = make(socket.create_server((address, 0), family=family))
    client, peer = service.connect()
    sock = peer.transport.get_extra_info("socket")
    assert peer.transport.get_extra_info("peername") == client.getsockname() == sock.getpeername()
    assert peer.transport.get_extra_info("sockname") == client.getpeername() == sock.getsockname()
    assert sock.family == family
    assert not os.get_inheritable(sock.fileno())
    assert not os.get_blocking(sock.fileno())


@pytest.mark.parametrize("own", ["", "client", "\0abstract"])
def test_addresses_of_unix_sockets(make, tmp_path, own):
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(tmp_path / "é"))
    sock.listen()
    service = make(sock)
    client = socket.socket(socket.AF_UNIX)
    if own:
        client.bind(own if own[0] == "\0" else str(tmp_path / own))
    client.connect(sock.getsockname())
    service.clients.append(client)
    service.until(lambda: service.peers)
    transport = service.peers[0].transport
    assert transport.get_extra_info("peername") == client.getsockname()
    assert transport.get_extra_info("sockname") == sock.getsockname() == str(tmp_path / "é")


def test_nothing_is_known_of_a_connection_that_is_gone(service):
    client, peer = service.connect()
    transport = peer.transport
    transport.abort()
    service.until(lambda: peer.lost)
    assert transport.get_extra_info("socket", "none") == "none"
    assert transport.get_extra_info("peername") == client.getsockname()


# Memory.


def test_a_connection_that_is_gone_is_freed_without_the_collector(service):
    client, peer = service.connect()
    peer.kept = Kept()
    gone = weakref.ref(peer.kept)
    client.send(b"hello")
    service.until(lambda: service.order)
    gc.collect()
    gc.disable()
    try:
        peer.transport.close()
        del peer
        service.until(lambda: service.lost)
        for names in (service.peers, service.lost, service.order):
            names.clear()
        assert gone() is None
    finally:
        gc.enable()


class Kept:
    """An object that a protocol refers to."""


def test_the_loop_may_be_run_inside_a_callback(make):
    """Some tools make that possible. A batch that is under way must not end connections that came
    meanwhile."""
    service = make()
    clients = [service.connect() for _ in range(4)]
    newcomers = []

    def replace(peer):
        peer.at_data = lambda peer: None
        victims = [other for _, other in clients if other is not peer and not other.lost]
        for victim in victims:
            victim.transport.abort()
        service.poller.end()
        for _ in victims:
            client = socket.create_connection(service.sock.getsockname())
            service.clients.append(client)
            newcomers.append(client)
        service.acceptor._accept()

    for _, peer in clients:
        peer.at_data = replace
    for client, _ in clients:
        client.send(b"hello")
    service.until(lambda: newcomers)
    fresh = service.peers[4:]
    assert len(fresh) == 3
    service.settle()
    assert [peer.data for peer in fresh] == [[], [], []]
    assert not any(peer.lost for peer in fresh)
    for client in newcomers:
        client.send(b"new")
    service.until(lambda: all(peer.data == [b"new"] for peer in fresh))


def test_loops_are_told_when_the_system_has_no_room_for_a_connection(make, caplog, monkeypatch):
    """The number of watched descriptors is limited (/proc/sys/fs/epoll/max_user_watches)."""
    service = make()
    real = service.acceptor._plain
    errors = [OSError(28, "No space left on device")]

    class Full:
        poller = real.poller

        def accept(self, factory):
            if errors:
                raise errors.pop()
            return real.accept(factory)

    service.acceptor._plain = Full()
    client = socket.create_connection(service.sock.getsockname())
    service.clients.append(client)
    service.until(lambda: not service.acceptor.is_accepting)
    service.loop.run_until_complete(asyncio.wait_for(made(service), 5))
    assert "No space left on device" in caplog.text


async def made(service):
    while not service.peers:
        await asyncio.sleep(0)
