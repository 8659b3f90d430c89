"""flask-sock, whose engine (simple-websocket) reads and writes the client's socket itself: it is
given one end of a socket pair, and must not notice."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from flask import Flask, request
from flask_sock import Sock
from simple_websocket import ConnectionClosed
from websockets.exceptions import ConnectionClosed as ClientClosed
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as connect_websocket

from support.certificates import Certificates, make_certificates
from support.flag import DEADLINE, Flag
from support.inprocess import Served
from support.wsgi_websocket import (
    BINARY,
    CLOSE,
    PING,
    TEXT,
    RawWebSocket,
    binary,
    close,
    frame,
    text,
)

Serve = Callable[..., Served]


class Site:
    """A Flask application with one WebSocket at each path. `ended` is set with what the engine
    knew at its end: code and reason."""

    def __init__(self, **options: Any) -> None:
        self.app = Flask(__name__)
        self.app.config["SOCK_SERVER_OPTIONS"] = options
        self.ended = Flag()
        self.sending = Flag()
        sock = Sock(self.app)
        sock.route("/echo")(self.echo)
        sock.route("/patient")(self.patient)
        sock.route("/leave")(self.leave)
        sock.route("/flood")(self.flood)
        self.app.route("/")(lambda: "plain")

    def echo(self, ws: Any) -> None:
        try:
            while True:
                ws.send(ws.receive())
        except ConnectionClosed as closed:
            if not self.ended.is_set:
                self.ended.set((closed.reason, closed.message))
            raise

    def patient(self, ws: Any) -> None:
        """Wakes up by itself: the engine wakes a thread that waits without a timeout a moment
        before it is in the state that goes with a refusal."""
        while True:
            message = ws.receive(timeout=0.05)
            if message is not None:
                ws.send(message)

    def leave(self, ws: Any) -> None:
        ws.close(4002, "enough")

    def flood(self, ws: Any) -> None:
        try:
            for _ in range(64):
                ws.send(bytes(262144))
        finally:
            self.sending.set()


@pytest.fixture(params=["uvloop", "asyncio"])
def loop_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def serve(loop_kind: str) -> Iterator[Serve]:
    made: list[Served] = []

    def start(site: Site, **options: Any) -> Served:
        made.append(Served(site.app, loop_kind, interface="wsgi", threads=2, **options))
        return made[-1].start()

    yield start
    for served in made:
        served.close()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def connect(served: Served, target: str, **options: Any) -> ClientConnection:
    return connect_websocket(f"ws://127.0.0.1:{served.port}{target}", **options)


def open_sockets() -> int:
    """Not every descriptor: uvloop keeps one in reserve once it has accepted."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            count += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
        except FileNotFoundError:
            # Closed meanwhile.
            continue
    return count


def wait_until_closed(served: Served, sockets: int) -> None:
    """All clients have disconnected, and every socket is closed."""
    served.wait_until_quiet()
    join_engines()
    served.wait_until(lambda: open_sockets() <= sockets)


def join_engines() -> None:
    """Each has a thread, which ends a moment after the application's call."""
    for thread in threading.enumerate():
        if "simple_websocket" in thread.name:
            thread.join(DEADLINE)
            assert not thread.is_alive()


MESSAGES = ["", "text", "é" * 1000, b"", b"octets", bytes(range(256)) * 4000, "x" * 1_000_000]


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_echo(serve: Serve, compression: str | None) -> None:
    site = Site()
    served = serve(site)
    sockets = open_sockets()
    with connect(served, "/echo", compression=compression, max_size=None) as client:
        for message in MESSAGES:
            client.send(message)
            assert client.recv(DEADLINE) == message
        client.close(4001, "done")
        assert client.close_code == 4001
    assert site.ended.wait() == (4001, "done")
    assert served.request("GET", "/").body == b"plain"
    wait_until_closed(served, sockets)
    assert (served.hub.websockets, served.hub.interface.sockets) == (0, 0)


def test_over_tls(serve: Serve, certificates: Certificates) -> None:
    site = Site()
    served = serve(site, tls=certificates.context(), **certificates.settings)
    sockets = open_sockets()
    # Not the client of websockets: its threads share an SSL object, which older Pythons do not
    # guard.
    with RawWebSocket(served.port, "/echo", tls=served.tls) as client:
        client.accepted()
        for message in MESSAGES:
            client.write(text(message) if isinstance(message, str) else binary(message))
            assert client.message() == message
    with RawWebSocket(served.port, "/leave", tls=served.tls) as client:
        client.accepted()
        assert client.frame() == (8, (4002).to_bytes(2, "big") + b"enough")
    wait_until_closed(served, sockets)


def test_the_application_closes(serve: Serve) -> None:
    served = serve(Site())
    sockets = open_sockets()
    with connect(served, "/leave") as client, pytest.raises(ClientClosed):
        client.recv(DEADLINE)
    assert (client.close_code, client.close_reason) == (4002, "enough")
    wait_until_closed(served, sockets)


def test_frames_behind_the_handshake(serve: Serve) -> None:
    """They wait until the application's end is there."""
    served = serve(Site())
    with RawWebSocket(served.port, "/echo", behind=text("one") + text("two")) as client:
        client.accepted()
        assert [client.message(), client.message()] == ["one", "two"]


def test_the_engine_pings(serve: Serve) -> None:
    served = serve(Site(ping_interval=0.05))
    with RawWebSocket(served.port, "/echo") as client:
        client.accepted()
        for _ in range(2):
            assert client.frame() == (PING, b"")
            client.write(frame(10))
        assert client.frame() == (PING, b"")
        opcode, payload = client.frame()
        assert (opcode, payload[:2]) == (CLOSE, (1008).to_bytes(2, "big"))
        assert client.is_ended()


def test_a_message_that_is_too_long_for_the_engine(serve: Serve) -> None:
    """It closes while the client is still sending, and the client hears why."""
    served = serve(Site(max_message_size=1000))
    sockets = open_sockets()
    for size in (1001, 100_000, 3_000_000):
        with RawWebSocket(served.port, "/patient") as client:
            client.accepted()
            writer = threading.Thread(target=write_all, args=(client, text("x" * size)))
            writer.start()
            assert client.closing() == (1009, "Message is too big")
            writer.join()
    wait_until_closed(served, sockets)


def write_all(client: RawWebSocket, data: bytes) -> None:
    try:
        client.write(data)
    except OSError:
        # The server need not take all of it.
        return


@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize("after", ["handshake", "answer", "message"])
def test_a_client_that_vanishes(serve: Serve, how: str, after: str) -> None:
    site = Site()
    served = serve(site)
    sockets = open_sockets()
    for _ in range(10):
        client = RawWebSocket(served.port, "/echo")
        if after != "handshake":
            client.accepted()
        if after == "message":
            client.write(text("x" * 100_000) + text("y"))
        getattr(client, how)()
    # Accepted behind them.
    served.request("GET", "/")
    wait_until_closed(served, sockets)
    assert (served.hub.websockets, served.hub.interface.sockets) == (0, 0)


def test_a_client_that_is_gone_when_its_socket_is_taken(serve: Serve) -> None:
    """The client has closed its side behind the handshake. The connection before the tunnel has
    received this end, and it is not reported again."""
    site = Site()
    called, go_on = Flag(), Flag()

    @site.app.before_request
    def hold() -> None:
        if request.path == "/echo":
            called.set()
            go_on.wait()

    served = serve(site)
    sockets = open_sockets()
    client = RawWebSocket(served.port, "/echo")
    called.wait()
    client.close()
    # Sent, and so read, behind that.
    served.request("GET", "/")
    go_on.set()
    site.ended.wait()
    wait_until_closed(served, sockets)


def test_a_slow_reader_holds_up_its_thread_alone(serve: Serve) -> None:
    site = Site()
    served = serve(site)
    sockets = open_sockets()
    with RawWebSocket(served.port, "/flood", receive_buffer=8192) as slow:
        slow.accepted()
        with connect(served, "/echo") as client:
            for number in range(20):
                client.send(f"{number}")
                assert client.recv(DEADLINE) == f"{number}"
        assert served.request("GET", "/").body == b"plain"
        assert not site.sending.is_set
        for _ in range(64):
            assert slow.frame() == (BINARY, bytes(262144))
        site.sending.wait()
        assert slow.finish()[0] == 1000
    wait_until_closed(served, sockets)


def test_a_reader_that_stops_is_cut_at_the_write_deadline(serve: Serve) -> None:
    site = Site()
    served = serve(site, timeout_write=0.3)
    with RawWebSocket(served.port, "/flood", receive_buffer=8192) as client:
        client.accepted()
        site.sending.wait()
    served.wait_until_quiet()
    assert "reads nothing" in served.taken_log()


def test_a_stop_is_1012(serve: Serve) -> None:
    site = Site()
    served = serve(site)
    sockets = open_sockets()
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(served, "/echo")) for _ in range(5)]
        for client in clients:
            client.send("hello")
            assert client.recv(DEADLINE) == "hello"
        served.begin_stop()
        for client in clients:
            with pytest.raises(ClientClosed):
                client.recv(DEADLINE)
            assert client.close_code == 1012
    served.wait_until_ended()
    assert site.ended.wait()[0] == 1012
    join_engines()
    assert open_sockets() <= sockets


def test_a_stop_waits_for_the_end_of_a_frame(serve: Serve) -> None:
    """Frames are inserted between the client's frames, and never into one of them."""
    site = Site()
    served = serve(site)
    with RawWebSocket(served.port, "/echo") as client:
        client.accepted()
        client.write(text("hello"))
        assert client.message() == "hello"
        message = text("whole" * 30)
        client.write(message[:3])
        served.wait_until(lambda: any(not one.frames.between for one in served.hub.connections))
        served.begin_stop()
        served.wait_until(lambda: bool(served.hub.draining))
        client.write(message[3:])
        frames = [client.frame()]
        if frames == [(TEXT, b"whole" * 30)]:
            # The engine has both at once, and its thread may answer the one before the other.
            frames = [client.frame()]
        assert frames == [(CLOSE, (1012).to_bytes(2, "big"))]
        assert client.is_ended()
    served.wait_until_ended()
    assert site.ended.wait()[0] == 1012


def test_a_socket_that_is_taken_while_it_stops(serve: Serve) -> None:
    site = Site()
    called, go_on = Flag(), Flag()

    @site.app.before_request
    def hold() -> None:
        called.set()
        go_on.wait()

    served = serve(site)
    with RawWebSocket(served.port, "/echo") as client:
        called.wait()
        served.begin_stop()
        served.wait_until(lambda: bool(served.hub.draining))
        go_on.set()
        client.accepted()
        assert client.closing()[0] == 1012
        assert client.is_ended()
    served.wait_until_ended()


def test_many_at_once_leave_no_descriptor(serve: Serve) -> None:
    served = serve(Site())
    sockets = open_sockets()

    def converse(number: int) -> None:
        for turn in range(5):
            with RawWebSocket(served.port, "/echo") as client:
                client.accepted()
                message = f"{number} {turn} " * 500
                client.write(text(message))
                assert client.message() == message
                if turn % 2:
                    client.write(close(1000))
                    assert client.closing()[0] == 1000
        done.append(number)

    done: list[int] = []
    threads = [threading.Thread(target=converse, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 30
    wait_until_closed(served, sockets)


def test_a_route_that_refuses(serve: Serve) -> None:
    served = serve(Site())
    with RawWebSocket(served.port, "/nowhere") as client:
        assert client.response().status == 404


def test_messages_from_the_object_besides_the_socket_are_an_error(serve: Serve) -> None:
    site = Site()
    said = Flag()

    @Sock(site.app).route("/both")
    def both(ws: Any) -> None:
        try:
            ws.environ["wsgi.websocket"].receive()
        except RuntimeError as error:
            said.set(str(error))

    with connect(serve(site), "/both"):
        assert "socket is in use" in said.wait()
