"""`--websocket-threads`: WebSockets never hold up requests, there are so many and no more, and
each comes back, whatever its client or the server does."""

import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import pytest
from websockets.sync.client import connect as connect_websocket

import bascule
from bascule.errors import UsageError
from support.flag import DEADLINE, Flag
from support.http import RawClient
from support.http2_websocket import raw_websocket
from support.inprocess import Served
from support.server import running
from support.wsgi_websocket import RawWebSocket, binary, close, frame, handshake, text

Serve = Callable[..., Served]
Environ = dict[str, Any]


def connect(served: Served, *args: Any, **options: Any) -> RawWebSocket:
    client = raw_websocket(served, *args, **options)
    served.clients.append(client)  # type: ignore[arg-type]  # it is closed at the end
    return client


def echo(environ: Environ, start_response: Any) -> list[bytes]:
    """Over a WebSocket where there is one."""
    if "wsgi.websocket" not in environ:
        start_response("200 OK", [("Content-Length", "5")])
        return [b"plain"]
    ws = environ["wsgi.websocket"]
    for message in ws:
        ws.send(message)
    return []


# The limit.


def test_requests_are_served_while_every_websocket_thread_is_taken(
    serve_wsgi_sockets: Serve,
) -> None:
    served = serve_wsgi_sockets(echo, websocket_threads=3)
    clients = [connect(served) for _ in range(3)]
    for client in clients:
        client.accepted()
    for _ in range(5):
        assert served.request("GET").body == b"plain"
    with RawClient(served.port) as further:
        for _ in range(2):
            further.send(handshake())
            response = further.read_response()
            assert response.status == 503
            assert response.header("retry-after") == "1"
        # It was refused as a request is, and the connection is kept.
        further.request("GET", "/")
        assert further.read_response().body == b"plain"
    assert served.taken_log().count("--websocket-threads") == 1
    clients[1].write(close(1000))
    assert clients[1].closing() == (1000, "")
    served.wait_until(lambda: served.hub.interface.sockets == 2)
    following = connect(served)
    following.accepted()
    following.write(text("served"))
    assert following.message() == "served"


def test_requests_that_hang_hold_up_no_websocket(serve_wsgi_sockets: Serve) -> None:
    go_on = threading.Event()

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        if "wsgi.websocket" not in environ:
            go_on.wait(DEADLINE)
        return echo(environ, start_response)

    served = serve_wsgi_sockets(app, threads=2)
    waiting = [served.connect().open("GET", "/") for _ in range(4)]
    client = connect(served)
    client.accepted()
    client.write(text("served"))
    assert client.message() == "served"
    go_on.set()
    assert [stream.response().body for stream in waiting] == [b"plain"] * 4


def test_no_thread_for_websockets(serve_wsgi_sockets: Serve) -> None:
    served = serve_wsgi_sockets(echo, websocket_threads=0)
    assert connect(served).response().status == 503
    assert served.request("GET").body == b"plain"
    assert "--websocket-threads" in served.taken_log()


@pytest.mark.parametrize("options", [{"threads": 0}, {"ws": "none"}], ids=["threads-0", "ws-none"])
def test_where_there_are_no_websockets_a_handshake_is_a_request(
    serve_wsgi_sockets: Serve, options: dict[str, Any]
) -> None:
    """And gets an error with its name."""
    said = Flag()

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        assert "wsgi.websocket" not in environ
        assert "werkzeug.socket" not in environ
        with pytest.raises(UsageError, match="--threads 0 or --ws none") as caught:
            bascule.websocket(environ)
        said.set(str(caught.value))
        start_response("200 OK", [])
        return [environ["HTTP_UPGRADE"].encode()]

    served = serve_wsgi_sockets(app, **options)
    assert connect(served).response().body == b"websocket"
    said.wait()
    assert served.hub.interface.websockets is None


# The drain.


@pytest.mark.parametrize("code", [None, 1001])
def test_a_stop_closes_and_brings_the_thread_back(
    serve_wsgi_sockets: Serve, code: int | None
) -> None:
    heard = Flag()

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        ws = environ["wsgi.websocket"]
        if code is not None:
            ws.stop_code = code
        ws.send("ready")
        heard.set((ws.receive(), ws.close_code))
        return []

    served = serve_wsgi_sockets(app)
    client = connect(served)
    client.accepted()
    assert client.message() == "ready"
    served.begin_stop()
    assert client.finish() == (code or 1012, "")
    assert heard.wait() == (None, code or 1012)
    served.wait_until_ended()


def test_a_stop_behind_what_was_sent(serve_wsgi_sockets: Serve) -> None:
    """Sent messages leave first, and it is no error that no more can be sent."""

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        ws = environ["wsgi.websocket"]
        for message in ws:
            for number in range(50):
                ws.send(f"{message} {number}")
        return []

    served = serve_wsgi_sockets(app)
    client = connect(served)
    client.accepted()
    client.write(text("a"))
    assert [client.message() for _ in range(50)] == [f"a {number}" for number in range(50)]
    served.begin_stop()
    assert client.finish() == (1012, "")
    served.wait_until_ended()


def test_a_handshake_that_is_accepted_while_it_stops_is_closed(serve_wsgi_sockets: Serve) -> None:
    called, go_on = Flag(), Flag()

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        called.set()
        go_on.wait()
        environ["wsgi.websocket"].accept()
        assert environ["wsgi.websocket"].receive() is None
        return []

    served = serve_wsgi_sockets(app)
    client = connect(served)
    called.wait()
    served.begin_stop()
    served.wait_until(lambda: served.hub.draining)
    go_on.set()
    client.accepted()
    assert client.finish() == (1012, "")
    served.wait_until_ended()


def test_an_application_that_ignores_the_stop_is_left_behind(serve_wsgi_sockets: Serve) -> None:
    go_on, returned = threading.Event(), Flag()

    def app(environ: Environ, start_response: Any) -> list[bytes]:
        environ["wsgi.websocket"].send("ready")
        go_on.wait(DEADLINE)
        returned.set()
        return []

    served = serve_wsgi_sockets(app, timeout_graceful_shutdown=0.3)
    client = connect(served)
    client.accepted()
    assert client.message() == "ready"
    served.begin_stop()
    assert client.finish() == (1012, "")
    served.wait_until(lambda: not served.hub.connections)
    assert served.hub.interface.sockets == 1
    served.wait_until(lambda: served.logged("still running"))
    go_on.set()
    returned.wait()
    served.wait_until_ended()
    assert "1 requests were still running" in served.taken_log()


# Actions of clients.


def test_500_clients_that_drop_at_any_moment_leave_nothing(serve_wsgi_sockets: Serve) -> None:
    random = Random(20)
    served = serve_wsgi_sockets(echo, websocket_threads=16, ws_max_queue=2)
    whole = handshake() + text("a") + frame(9, b"b") + binary(bytes(3000)) + close(1000)

    def come_and_go(random: Random, count: int) -> None:
        for _ in range(count):
            with RawClient(served.port) as client:
                data = whole[: random.randrange(len(whole) + 1)]
                cut = random.randrange(len(data) + 1)
                client.send(data[:cut])
                client.send(data[cut:])
                if random.random() < 0.5 and len(data) > len(handshake()):
                    client.receive()
                if random.random() < 0.5:
                    client.reset()

    threads = [
        threading.Thread(target=come_and_go, args=(Random(random.random()), 50)) for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Accepted behind them.
    served.request("GET")
    served.wait_until_quiet()
    interface = served.hub.interface
    assert (served.hub.websockets, interface.running, interface.sockets) == (0, 0, 0)
    assert served.hub.connections == set()
    pool = interface.socket_pool
    served.wait_until(lambda: len(pool.idle) == len(pool.threads))
    assert len(pool.threads) <= 16
    # Where all were taken some got 503, and are why this may not be empty.
    assert served.taken_log().count("\n") <= 1


def test_as_many_at_once_as_there_are_threads(serve_wsgi_sockets: Serve) -> None:
    """By a client that others wrote."""
    served = serve_wsgi_sockets(echo, websocket_threads=40)
    url = f"ws://127.0.0.1:{served.port}"
    with ExitStack() as stack:
        clients = [stack.enter_context(connect_websocket(url)) for _ in range(40)]
        for number, client in enumerate(clients):
            client.send(f"{number}" * 1000)
        for number, client in enumerate(clients):
            assert client.recv(DEADLINE) == f"{number}" * 1000
    served.wait_until_quiet()
    assert served.hub.interface.sockets == 0


# A process.

APPS = Path(__file__).parents[1] / "frameworks" / "apps"


def test_sigterm_closes_with_1012_and_exits_with_0() -> None:
    with running("websocket_apps:echo", "--interface", "wsgi", cwd=APPS) as server:
        clients = [RawWebSocket(server.port) for _ in range(5)]
        for client in clients:
            client.accepted()
            client.write(text("hello"))
            assert client.message() == "hello"
        server.signal(signal.SIGTERM)
        for client in clients:
            assert client.finish() == (1012, "")
            client.close()
        assert server.wait() == 0
        assert "Traceback" not in server.output()
        assert "left behind" not in server.output()


def test_sigterm_while_an_application_ignores_it() -> None:
    with running(
        "websocket_apps:stubborn",
        "--interface",
        "wsgi",
        "--timeout-graceful-shutdown",
        "1",
        cwd=APPS,
    ) as server:
        with RawWebSocket(server.port) as client:
            client.accepted()
            assert client.message() == "ready"
            server.signal(signal.SIGTERM)
            assert client.finish() == (1012, "")
        assert server.wait() == 0
        assert "left behind, still busy: bascule-websocket-1" in server.output()


def test_the_validator_of_the_standard_library_finds_nothing_wrong() -> None:
    """wsgiref.validate wants start_response called and the result iterated, which a WebSocket
    does not keep from."""
    with running("websocket_apps:validated", "--interface", "wsgi", cwd=APPS) as server:
        with RawWebSocket(server.port) as client:
            client.accepted()
            client.write(text("hello") + close(1000))
            assert client.message() == "hello"
            assert client.closing() == (1000, "")
        with RawWebSocket(server.port, "/refused") as client:
            assert client.response().status == 404
        assert server.stop() == 0
        for complaint in ("AssertionError", "WSGIWarning", "Traceback"):
            assert complaint not in server.output()
