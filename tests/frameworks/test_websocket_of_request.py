"""`bascule.websocket(request)`: in synchronous views of Django and Flask, and of an environ."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, request
from framework_sites import APPS

import bascule
from bascule.errors import UsageError
from support.http import exchange
from support.inprocess import Served
from support.server import Server, running
from support.wsgi_websocket import RawWebSocket, binary, close, text

DJANGO = "websocket_django:wsgi"


@pytest.fixture(scope="module")
def django() -> Iterator[Server]:
    with running(DJANGO, "--interface", "wsgi", cwd=APPS) as server:
        yield server
    assert "Traceback" not in server.output()


def converse(client: RawWebSocket) -> None:
    client.accepted()
    client.write(text("é") + binary(b"\xff"))
    assert client.message() == "é"
    assert client.message() == b"\xff"
    client.write(close(4000))
    assert client.closing() == (4000, "")


def test_a_view_of_django(django: Server) -> None:
    """Its answer besides goes nowhere."""
    for _ in range(3):
        with RawWebSocket(django.port, "/echo") as client:
            converse(client)


def test_a_view_of_django_refuses(django: Server) -> None:
    with RawWebSocket(django.port, "/refuse") as client:
        response = client.response()
    assert (response.status, response.body) == (403, b"members only")


def test_a_view_of_django_is_asked_for_without_a_handshake(django: Server) -> None:
    response = exchange(django.port, "GET", "/explain")
    assert b"needs a WebSocket handshake" in response.body


@pytest.mark.parametrize("kind", ["uvloop", "asyncio"])
def test_a_view_of_flask(kind: str) -> None:
    app = Flask(__name__)

    @app.route("/echo", websocket=True)
    def echo() -> str:
        ws = bascule.websocket(request)
        for message in ws:
            ws.send(message)
        return "not sent"

    with (
        Served(app, kind, interface="wsgi", threads=2) as served,
        RawWebSocket(served.port, "/echo") as client,
    ):
        converse(client)


def test_a_request_of_asgi_has_none() -> None:
    """Django's ASGI side calls synchronous views, too."""
    with running("websocket_django:asgi", cwd=APPS) as server:
        response = exchange(server.port, "GET", "/explain")
    assert b"ASGIRequest has no WSGI environ" in response.body


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "NoneType has no WSGI environ"),
        (object(), "object has no WSGI environ"),
        ({"PATH_INFO": "/a"}, "/a was asked for without Upgrade: websocket"),
        ({"HTTP_UPGRADE": "h2c", "PATH_INFO": "/a"}, "without Upgrade: websocket"),
        ({"HTTP_UPGRADE": "WebSocket"}, "another server"),
        ({"HTTP_UPGRADE": "websocket", "wsgi.websocket": object()}, "another server"),
    ],
)
def test_elsewhere_there_is_none(given: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        bascule.websocket(given)
