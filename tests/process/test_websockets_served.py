"""Signals while WebSockets are open; flags that are about WebSockets."""

import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.http import exchange
from support.server import running
from support.websocket_client import PING, Frame, WebSocketClient, binary, close, text

APPS = Path(__file__).parent / "apps"
ASGI = "process_asgi:app"


def serve(*args):
    return running(ASGI, *args, cwd=APPS)


def opened(server, path="/"):
    """An open WebSocket that has answered once, where it answers at all."""
    client = WebSocketClient(server.port)
    client.shake_hands(path)
    return client


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_open_websockets_are_told_that_the_server_stops(number):
    with ExitStack() as stack:
        server = stack.enter_context(serve())
        clients = [stack.enter_context(opened(server)) for _ in range(20)]
        away = stack.enter_context(opened(server, "/going-away"))
        for client in clients:
            client.send(text("hello"))
            assert client.read_text() == "hello"
        server.signal(number)
        for client in clients:
            assert client.read_close() == (1012, "")
            client.send(close(1012))
            assert client.read_to_end() == b""
        assert away.read_close() == (1001, "")
        away.send(close(1001))
        assert away.read_to_end() == b""
        assert server.wait() == 0
        output = server.output()
    assert output.count("closed with 1012") == 20
    assert output.count('"GET / HTTP/1.1" 101') == 20
    assert "Traceback" not in output
    assert "lifespan.shutdown seen" in output


def test_the_deadline_holds_against_clients_and_applications():
    with serve("--timeout-graceful-shutdown", "0.3") as server, opened(server, "/deaf") as client:
        server.signal(signal.SIGTERM)
        assert client.read_close() == (1012, "")
        assert client.read_to_end() == b""
        assert server.wait() == 0
        assert "1 requests were still running after 0.3 s" in server.output()


def test_a_second_signal_ends_them_at_once():
    with serve("--timeout-graceful-shutdown", "30") as server, opened(server, "/deaf") as client:
        server.signal(signal.SIGTERM)
        assert client.read_close() == (1012, "")
        server.signal(signal.SIGTERM)
        assert client.read_to_end() == b""
        server.wait()
        assert "Traceback" not in server.output()


def test_pings_by_flag():
    flags = ("--ws-ping-interval", "0.05", "--ws-ping-timeout", "0.05")
    with serve(*flags) as server, opened(server) as client:
        assert client.read_frame() == Frame(PING, b"bascule")
        assert client.read_to_end() == b""
        server.wait_for_output("closed with 1006")
        assert server.stop() == 0
        assert "no answer to a ping within 0.05 s" in server.output()


def test_sizes_by_flag():
    with serve("--ws-max-size", "100") as server, opened(server) as client:
        client.send(binary(bytes(100)) + binary(bytes(101)))
        assert client.read_frame().payload == bytes(100)
        assert client.read_closed() == (1009, "frame longer than 100 bytes")


def test_no_websockets_by_flag():
    with serve("--ws", "none") as server, WebSocketClient(server.port) as client:
        client.ask()
        assert client.read_response().body == b"hello from asgi"


def test_the_limit_of_concurrency_is_for_requests():
    with serve("--limit-concurrency", "1") as server, opened(server), opened(server) as second:
        assert exchange(server.port, "GET", "/").status == 200
        second.send(text("hello"))
        assert second.read_text() == "hello"
