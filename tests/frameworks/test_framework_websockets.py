"""WebSockets of Starlette and FastAPI, with everything that their users write."""

import json
from collections.abc import Iterator

import pytest
from framework_sites import APPS, FRAMEWORKS, Site

from support.server import running
from support.websocket_client import WebSocketClient, binary, text
from support.websocket_client import close as close_frame

WITH_WEBSOCKETS = [one for one in FRAMEWORKS if one.name in ("starlette", "fastapi")]


@pytest.fixture(scope="module", params=WITH_WEBSOCKETS, ids=lambda framework: framework.name)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with running(request.param.target, cwd=APPS) as server:
        yield Site(request.param, server)
        assert server.stop() == 0
    assert "Traceback" not in server.output()


@pytest.fixture
def client(site: Site) -> Iterator[WebSocketClient]:
    with WebSocketClient(site.server.port) as one:
        yield one


def test_text(client: WebSocketClient) -> None:
    client.shake_hands("/ws/echo")
    for message in ("hello", "", "🧀" * 50_000):
        client.send(text(message))
        assert client.read_text() == message
    client.send(close_frame(1000))
    assert client.read_closed() == (1000, "")


def test_json(client: WebSocketClient, site: Site) -> None:
    client.shake_hands("/ws/json")
    value = {"text": "naïve 🧀", "list": [1, 2.5, None]}
    for _ in range(2):
        client.send(text(json.dumps(value)))
        assert json.loads(client.read_text()) == {"got": value}


def test_bytes_and_a_close(client: WebSocketClient) -> None:
    client.shake_hands("/ws/bytes")
    client.send(binary(bytes(range(256))))
    assert client.read_frame().payload == bytes(range(256))
    assert client.read_close() == (4000, "enough")
    client.send(close_frame(4000))
    assert client.read_to_end() == b""


def test_a_subprotocol_headers_and_the_url(client: WebSocketClient, site: Site) -> None:
    answer = client.shake_hands("/ws/subprotocol/room?c=d", [("Sec-WebSocket-Protocol", "x, y")])
    assert answer.header("sec-websocket-protocol") == "y"
    assert answer.header("x-seen") == "yes"
    assert client.read_text() == "ws://127.0.0.1/ws/subprotocol/room?c=d room"
    assert client.read_close() == (1000, "")


def test_an_exception_before_accept(client: WebSocketClient) -> None:
    client.ask("/ws/exception")
    assert client.read_response().status == 403


def test_an_exception_after_accept(client: WebSocketClient) -> None:
    client.shake_hands("/ws/exception?accept=1")
    assert client.read_close() == (1008, "policy")


def test_an_http_exception(client: WebSocketClient) -> None:
    client.ask("/ws/http-exception")
    response = client.read_response()
    assert response.status == 401
    assert response.header("www-authenticate") == "Basic"
    assert b"who are you?" in response.body


def test_a_denial_in_pieces(client: WebSocketClient, site: Site) -> None:
    client.ask("/ws/denial")
    response = client.read_response()
    assert (response.status, response.body) == (418, site.get("/stream").body)


def test_no_route(client: WebSocketClient) -> None:
    client.ask("/ws/nowhere")
    assert client.read_response().status == 403


@pytest.mark.parametrize(("code", "heard"), [(1000, 1000), (None, 1005), (4321, 4321)])
def test_a_client_that_closes(
    client: WebSocketClient, site: Site, code: int | None, heard: int
) -> None:
    key = f"closes-{heard}"
    client.shake_hands(f"/ws/disconnect/{key}")
    client.send(close_frame(code))
    assert client.read_closed() == (code, "")
    assert site.get(f"/wait/{key}").status == 200
    count = site.post(f"/count/disconnected-{heard}", b"")
    assert json.loads(count.body) == 2


@pytest.mark.parametrize("path", ["disconnect", "push"])
def test_a_client_that_vanishes(client: WebSocketClient, site: Site, path: str) -> None:
    """A sender learns of it by WebSocketDisconnect, which it may let pass."""
    client.shake_hands(f"/ws/{path}/vanishes-{path}")
    client.reset()
    assert site.get(f"/wait/vanishes-{path}").status == 200
    count = site.post(f"/count/{path}ed-1006", b"")
    assert json.loads(count.body) == 2
