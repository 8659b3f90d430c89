"""websocket.connect, accept, close before accept, and the extension websocket.http.response."""

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import pytest
from websocket_apps import DISCONNECT, Counted, accept, close, deny, echo_all, say, websocket

from bascule.errors import ResponseError
from support.flag import DEADLINE, Flag
from support.http import request_bytes
from support.inprocess import Served
from support.websocket_client import close as close_frame
from support.websocket_client import text

Serve = Callable[..., Served]
OFFER = [("Sec-WebSocket-Protocol", "chat, superchat")]


def test_accept_and_nothing_else(serve_sockets: Serve) -> None:
    @websocket
    async def application(receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await echo_all(receive, send)

    client = serve_sockets(application).connect()
    answer = client.shake_hands("/", OFFER)
    assert answer.header("sec-websocket-protocol") is None
    assert answer.header("sec-websocket-extensions") is None
    client.send(text("hello"))
    assert client.read_text() == "hello"


def test_accept_with_a_subprotocol_and_headers(serve_sockets: Serve) -> None:
    @websocket
    async def application(receive: Any, send: Any) -> None:
        headers: list[Any] = [[b"x-one", b"1"], (b"set-cookie", b"a=b"), (b"x-one", b"2")]
        await accept(send, subprotocol="superchat", headers=iter(headers))
        await echo_all(receive, send)

    answer = serve_sockets(application).connect().shake_hands("/", OFFER)
    assert answer.header("sec-websocket-protocol") == "superchat"
    assert answer.values("x-one") == ["1", "2"]
    assert answer.header("set-cookie") == "a=b"


@pytest.mark.parametrize(
    "wrong",
    [
        {"subprotocol": "other"},
        {"subprotocol": ""},
        {"subprotocol": b"chat"},
        {"headers": [(b"sec-websocket-accept", b"x")]},
        {"headers": [(b"Sec-WebSocket-Protocol", b"chat")]},
        {"headers": [(b"x-a", b"1\r\nx-b: 2")]},
        {"headers": [(b"x a", b"1")]},
        {"headers": [("x-a", b"1")]},
        {"headers": [(b"x-a", "1")]},
        {"bascule.stop_code": "1001"},
    ],
    ids=str,
)
def test_an_accept_that_is_refused_leaves_the_choice(
    serve_sockets: Serve, wrong: dict[str, Any]
) -> None:
    @websocket
    async def application(receive: Any, send: Any) -> None:
        with pytest.raises(ResponseError):
            await accept(send, **wrong)
        await deny(send, 418, [(b"x-why", b"wrong")], b"no")

    client = serve_sockets(application).connect()
    client.ask("/", OFFER)
    response = client.read_response()
    assert (response.status, response.header("x-why"), response.body) == (418, "wrong", b"no")


def test_an_accept_that_is_refused_may_be_said_better(serve_sockets: Serve) -> None:
    @websocket
    async def application(receive: Any, send: Any) -> None:
        with pytest.raises(ResponseError):
            await accept(send, subprotocol="other")
        await accept(send, subprotocol="chat")
        await say(send, "well")

    client = serve_sockets(application).connect()
    assert client.shake_hands("/", OFFER).header("sec-websocket-protocol") == "chat"
    assert client.read_text() == "well"


def test_fields_of_the_connection_are_the_servers(serve_sockets: Serve) -> None:
    @websocket
    async def application(receive: Any, send: Any) -> None:
        fields = [(b"Connection", b"close"), (b"upgrade", b"h2c"), (b"content-length", b"5")]
        await accept(send, headers=[*fields, (b"transfer-encoding", b"chunked"), (b"x-a", b"1")])
        await say(send, "well")

    client = serve_sockets(application).connect()
    answer = client.shake_hands()
    assert answer.header("content-length") is None
    assert answer.header("transfer-encoding") is None
    assert answer.header("x-a") == "1"
    assert client.read_text() == "well"


def test_a_close_instead_of_accept(serve_sockets: Serve) -> None:
    heard: SimpleQueue[Any] = SimpleQueue()

    @websocket
    async def application(receive: Any, send: Any) -> None:
        await close(send, code=4000, reason="no")
        heard.put(await receive())
        with pytest.raises(RuntimeError, match="after the WebSocket was closed"):
            await accept(send)

    client = serve_sockets(application).connect()
    for _ in range(2):
        client.ask()
        response = client.read_response()
        assert (response.status, response.header("connection")) == (403, None)
        message = heard.get(timeout=DEADLINE)
        assert message == {"type": DISCONNECT, "code": 1006, "reason": ""}


@pytest.mark.parametrize("pieces", [(), (b"all",), (b"pie", b"", b"ces"), (b"pie", b"ces", b"")])
@pytest.mark.parametrize("status", [200, 302, 401, 500])
def test_a_denial(serve_sockets: Serve, pieces: tuple[bytes, ...], status: int) -> None:
    @websocket
    async def application(receive: Any, send: Any) -> None:
        await deny(send, status, iter([[b"location", b"/login"], (b"x-a", b"1")]), *pieces)

    client = serve_sockets(application).connect()
    for _ in range(2):
        client.ask()
        response = client.read_response()
        assert (response.status, response.body) == (status, b"".join(pieces))
        assert response.header("location") == "/login"
        assert response.header("upgrade") is None


def test_the_head_of_a_denial_waits_for_its_body(serve_sockets: Serve) -> None:
    """It was not sent yet, so what does not make a response may be replaced."""

    @websocket
    async def application(receive: Any, send: Any) -> None:
        with pytest.raises(ResponseError):
            await deny(send, 404, [(b"bad name", b"1")], b"no")
        with pytest.raises(ResponseError):
            await deny(send, 101, [], b"no")
        await deny(send, 404, [], b"yes")

    client = serve_sockets(application).connect()
    client.ask()
    assert client.read_response().body == b"yes"


@pytest.mark.parametrize(
    ("order", "wrong"),
    [
        ("", "websocket.send"),
        ("", "websocket.http.response.body"),
        ("", "http.response.start"),
        ("", "websocket.unknown"),
        ("s", "websocket.accept"),
        ("s", "websocket.close"),
        ("s", "websocket.http.response.start"),
        ("sb", "websocket.accept"),
        ("sb", "websocket.send"),
        ("sb", "websocket.http.response.start"),
        ("a", "websocket.accept"),
        ("a", "websocket.http.response.start"),
        ("a", "websocket.http.response.body"),
        ("ac", "websocket.send"),
        ("ac", "websocket.close"),
        ("ac", "websocket.accept"),
        ("c", "websocket.close"),
        ("c", "websocket.http.response.start"),
        ("sbe", "websocket.http.response.body"),
        ("sbe", "websocket.close"),
    ],
)
def test_what_is_not_in_order(serve_sockets: Serve, order: str, wrong: str) -> None:
    """RuntimeError, and everything continues as if it had not been sent."""
    messages = {
        "a": {"type": "websocket.accept"},
        "c": {"type": "websocket.close"},
        "s": {"type": "websocket.http.response.start", "status": 404, "headers": []},
        "b": {"type": "websocket.http.response.body", "body": b"body", "more_body": True},
        "e": {"type": "websocket.http.response.body"},
    }
    rest = {"": "c", "s": "e", "sb": "e", "a": "c"}.get(order, "")

    @websocket
    async def application(receive: Any, send: Any) -> None:
        for letter in order:
            await send(messages[letter])
        with pytest.raises(RuntimeError, match="is not expected"):
            await send({"type": wrong, "status": 500, "text": "a", "headers": []})
        for letter in rest:
            await send(messages[letter])

    client = serve_sockets(application).connect()
    client.ask()
    if order.startswith("a"):
        client.read_answer()
        assert client.read_close() == (1000, "")
        client.send(close_frame())
        assert client.read_to_end() == b""
    else:
        said = order + rest
        assert client.read_response().status == (404 if "s" in said else 403)


def test_a_request_behind_a_refused_handshake_is_served_in_order(serve_sockets: Serve) -> None:
    go_on = Flag()

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await go_on.reached()
            await close(send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"plain"})

    client = serve_sockets(application).connect()
    client.ask(behind=request_bytes("GET", "/next"))
    go_on.set()
    assert client.read_response().status == 403
    assert client.read_response().body == b"plain"


def test_a_large_denial_waits_for_its_reader(serve_sockets: Serve) -> None:
    stuck = Flag()

    @websocket
    async def application(receive: Any, send: Any) -> None:
        denying = asyncio.ensure_future(deny(counted, 404, [], *[bytes(65536)] * 200))
        counted.send = send
        stuck.set(await counted.until_stuck())
        await denying

    counted = Counted()
    client = serve_sockets(application).connect(receive_buffer=4096)
    client.ask()
    assert stuck.wait() < 200
    assert len(client.read_response().body) == 200 * 65536
