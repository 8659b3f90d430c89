"""Flask-SocketIO in its threading mode, with the client that its authors have made."""

import logging
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import socketio
from flask import Flask
from flask_socketio import SocketIO

from support.flag import DEADLINE, Flag
from support.inprocess import Served


@pytest.fixture
def site() -> Iterator[tuple[Served, Flag]]:
    """A server of an echo, and a flag that is set when its client has left."""
    app = Flask(__name__)
    sockets = SocketIO(app, async_mode="threading")
    left = Flag()
    sockets.on("shout")(lambda word: word.upper())
    sockets.on("disconnect")(lambda reason: left.set(reason))
    with Served(app, interface="wsgi", threads=4) as served:
        yield served, left


@pytest.fixture
def client() -> Iterator[Any]:
    # Its log lines about connections that end are not the server's.
    quiet = logging.getLogger("client of the tests")
    quiet.setLevel(logging.CRITICAL)
    one = socketio.Client(reconnection=False, logger=quiet, engineio_logger=quiet)
    yield one
    one.disconnect()


@pytest.mark.parametrize("transports", [["websocket"], ["polling", "websocket"]])
@pytest.mark.parametrize("how", ["goodbye", "closed", "cut"])
def test_an_end_is_no_error(
    site: tuple[Served, Flag], client: Any, transports: list[str], how: str
) -> None:
    """Either side may end it, in any way; `site` checks that nothing was logged."""
    served, left = site
    client.connect(f"http://127.0.0.1:{served.port}", transports=transports)
    assert client.call("shout", "hello", timeout=DEADLINE) == "HELLO"
    ends: dict[str, Callable[[], None]] = {
        "goodbye": client.disconnect,
        "closed": lambda: client.eio.ws.close(),
        "cut": lambda: client.eio.ws.sock.shutdown(socket.SHUT_RDWR),
    }
    ends[how]()
    left.wait()
    served.wait_until_idle()


def test_an_error_of_the_system_is_one() -> None:
    """An error of the application is logged, also in a WebSocket whose socket it took."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        environ["werkzeug.socket"].sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        raise ConnectionRefusedError(111, "the database is away")

    with Served(app, interface="wsgi", threads=1) as served:
        client = served.connect()
        client.write(
            b"GET / HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        assert client.read().startswith(b"HTTP/1.1 101 ")
        served.wait_until_idle()
        client.close()
        assert "the database is away" in served.taken_log()
