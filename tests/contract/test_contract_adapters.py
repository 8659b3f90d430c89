"""The adapters over sockets: under Bascule, Uvicorn and wsgiref, and one inside the other."""

import asyncio
import io
import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.validate import validator

import pytest
import uvicorn
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from bascule.adapters import ASGIToWSGI, WSGIToASGI
from support.adapters import PIECE, AsgiCalled, WsgiCalled, environ_of, http_scope
from support.asgi import body, start
from support.client import Http1Client
from support.flag import DEADLINE, Flag
from support.inprocess import Served

BODY = bytes(range(256)) * 4096
TEXT = ("Content-Type", "text/plain")

Start = Callable[[Any], int]


# The servers, and the same two applications under each.


def wsgi_echo(environ: Any, start_response: Any) -> Any:
    """Echoes the body in pieces; what follows /error fails."""
    if environ["PATH_INFO"] == "/error":
        raise LookupError("broken on purpose")
    if environ["PATH_INFO"] == "/break":
        start_response("200 OK", [TEXT])
        return breaking()
    start_response("200 OK", [TEXT, ("X-Path", environ["PATH_INFO"])])
    return iter(lambda: environ["wsgi.input"].read(PIECE), b"")


def breaking() -> Iterator[bytes]:
    yield b"begun"
    raise LookupError("broken on purpose")


async def asgi_echo(scope: Any, receive: Any, send: Any) -> None:
    """The same by ASGI."""
    if scope["type"] != "http":
        raise LookupError(scope["type"])
    if scope["path"] == "/error":
        raise LookupError("broken on purpose")
    path = scope["path"].encode("latin-1")
    await start(send, headers=[(b"content-type", b"text/plain"), (b"x-path", path)])
    if scope["path"] == "/break":
        await body(send, b"begun", more=True)
        raise LookupError("broken on purpose")
    while True:
        message = await receive()
        await body(send, message["body"], more=True)
        if not message["more_body"]:
            break
    await body(send)


def check(port: int) -> None:
    """A client's view of one of the two."""
    client = Http1Client(port)
    try:
        response = client.request("POST", "/a%20b", body=BODY)
        assert (response.status, dict(response.headers)["x-path"]) == (200, "/a b")
        assert response.body == BODY
    finally:
        client.close()
    client = Http1Client(port)
    try:
        assert client.request("GET", "/error").status == 500
    finally:
        client.close()


def check_broken(port: int) -> None:
    client = Http1Client(port)
    try:
        assert client.open("GET", "/break").read_broken() == b"begun"
    finally:
        client.close()


@pytest.fixture
def uvicorn_port() -> Iterator[Start]:
    """Serve an ASGI application by Uvicorn."""
    stops = []

    def begin(app: Any) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(app, lifespan="on", log_config=None, loop="asyncio", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(
            target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True
        )
        thread.start()
        stops.append((server, thread, listener))
        return int(listener.getsockname()[1])

    yield begin
    for server, thread, listener in stops:
        server.should_exit = True
        thread.join(DEADLINE)
        assert not thread.is_alive()
        listener.close()


class QuietHandler(WSGIRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        pass

    def get_stderr(self) -> Any:
        return io.StringIO()


@pytest.fixture
def wsgiref_port() -> Iterator[Start]:
    """Serve a WSGI application by wsgiref."""
    servers = []

    def begin(app: Any) -> int:
        server = WSGIServer(("127.0.0.1", 0), QuietHandler)
        server.set_app(app)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        servers.append((server, thread))
        return int(server.server_port)

    yield begin
    for server, thread in servers:
        server.shutdown()
        thread.join(DEADLINE)
        server.server_close()


@pytest.fixture
def to_wsgi() -> Iterator[Callable[[Any], ASGIToWSGI]]:
    made = []

    def make(app: Any) -> ASGIToWSGI:
        made.append(ASGIToWSGI(app))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_wsgi_under_bascule(serve: Callable[..., Served]) -> None:
    served = serve(WSGIToASGI(wsgi_echo))
    check(served.port)
    check_broken(served.port)
    assert served.taken_log().count("\nLookupError: broken on purpose") == 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_wsgi_under_uvicorn(uvicorn_port: Start) -> None:
    port = uvicorn_port(WSGIToASGI(validator_of_lists(wsgi_echo)))
    check(port)
    check_broken(port)


def test_asgi_under_bascule(
    serve_wsgi: Callable[..., Served], to_wsgi: Callable[[Any], ASGIToWSGI]
) -> None:
    served = serve_wsgi(to_wsgi(asgi_echo))
    check(served.port)
    check_broken(served.port)
    assert served.taken_log().count("\nLookupError: broken on purpose") == 2


def test_asgi_under_wsgiref(wsgiref_port: Start, to_wsgi: Callable[[Any], ASGIToWSGI]) -> None:
    check(wsgiref_port(validator(to_wsgi(asgi_echo))))


def validator_of_lists(app: Any) -> Any:
    """wsgiref's checks of the environ and of start_response."""
    return validator(app)


def test_a_client_that_leaves_ends_the_wsgi_application(serve: Callable[..., Served]) -> None:
    closed = Flag()

    class Endless:
        def __iter__(self) -> Any:
            while True:
                yield b"x" * 1000

        def close(self) -> None:
            closed.set()

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [TEXT])
        return Endless()

    served = serve(WSGIToASGI(app))
    client = served.connect()
    stream = client.open("GET", "/")
    assert stream.read()
    client.close()
    closed.wait()


def test_a_client_that_leaves_is_a_disconnect_for_the_asgi_application(
    served: Callable[..., Served], to_wsgi: Callable[[Any], ASGIToWSGI]
) -> None:
    refused = Flag()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise LookupError
        await start(send)
        try:
            while True:
                await body(send, b"x" * 1000, more=True)
        except OSError:
            refused.set()

    one = served(to_wsgi(app), interface="wsgi", threads=2).start()
    client = one.connect()
    stream = client.open("GET", "/")
    assert stream.read()
    client.close()
    refused.wait()


# WebSockets.


def wsgi_chat(environ: Any, start_response: Any) -> Any:
    ws = environ.get("wsgi.websocket")
    if ws is None or environ["PATH_INFO"] != "/chat":
        start_response("404 Not Found", [TEXT])
        return [b"no chat here"]
    ws.accept(ws.subprotocols[0] if ws.subprotocols else None)
    for message in ws:
        if message == "end":
            ws.close(4000, "ended")
        else:
            ws.send(message)
    return []


async def asgi_chat(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        raise LookupError
    assert (await receive())["type"] == "websocket.connect"
    if scope["path"] != "/chat":
        await send({"type": "websocket.http.response.start", "status": 404, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"no chat here"})
        return
    subprotocol = scope["subprotocols"][0] if scope["subprotocols"] else None
    await send({"type": "websocket.accept", "subprotocol": subprotocol})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") == "end":
            await send({"type": "websocket.close", "code": 4000, "reason": "ended"})
        else:
            await send({**message, "type": "websocket.send"})


def check_chat(port: int) -> None:
    url = f"ws://127.0.0.1:{port}"
    with connect(f"{url}/chat", subprotocols=["a", "b"], proxy=None) as client:  # type: ignore[list-item]
        assert client.subprotocol == "a"
        for message in ("text", b"bytes", "x" * 100_000):
            client.send(message)
            assert client.recv(DEADLINE) == message
        client.send("end")
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(DEADLINE)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4000, "ended")
    with connect(f"{url}/chat", proxy=None) as client:
        client.send("still there")
        assert client.recv(DEADLINE) == "still there"
    with pytest.raises(InvalidStatus) as refused:
        connect(f"{url}/elsewhere", proxy=None)
    assert refused.value.response.status_code == 404
    assert refused.value.response.body == b"no chat here"


def test_websockets_of_wsgi_under_bascule(serve: Callable[..., Served]) -> None:
    check_chat(serve(WSGIToASGI(wsgi_chat)).port)


def test_websockets_of_asgi_under_bascule(
    served: Callable[..., Served], to_wsgi: Callable[[Any], ASGIToWSGI]
) -> None:
    check_chat(served(to_wsgi(asgi_chat), interface="wsgi", threads=2).start().port)


# Round trips.

PIECES = 800  # of 64 KiB: 50 MB
BOUND = 8 * 1024 * 1024


class Ahead:
    """Counts how far what went in is ahead of what came out."""

    def __init__(self) -> None:
        self.inside = 0
        self.most = 0

    def count(self, size: int) -> None:
        self.inside += size
        self.most = max(self.most, self.inside)


def test_50_mb_through_asgi_wsgi_asgi(to_wsgi: Callable[[Any], ASGIToWSGI]) -> None:
    """Nothing collects a body whose length is known: neither the request's nor the response's."""
    ahead = Ahead()
    left = PIECES

    class Client(AsgiCalled):
        async def receive(self) -> Any:
            nonlocal left
            if left == 0:
                # The client stays: nothing comes.
                return await self.incoming.get()
            left -= 1
            ahead.count(PIECE)
            return {"type": "http.request", "body": bytes(PIECE), "more_body": left > 0}

        async def send(self, message: Any) -> None:
            if message["type"] == "http.response.body":
                ahead.count(-len(message["body"]))
                self.sent = [message]

    async def scenario() -> None:
        app = WSGIToASGI(to_wsgi(asgi_echo))
        length = (b"content-length", b"%d" % (PIECES * PIECE))
        called = Client(app, http_scope("POST", headers=[length]))
        async with asyncio.timeout(DEADLINE * 3):
            await called.task
        assert called.is_complete

    tracemalloc.start()
    try:
        asyncio.run(scenario())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (left, ahead.inside) == (0, 0)
    assert ahead.most <= 16 * PIECE
    assert peak < BOUND


def test_10_mb_through_wsgi_asgi_wsgi(to_wsgi: Callable[[Any], ASGIToWSGI]) -> None:
    """The other way round, where the innermost application is called by a loop that was
    called."""
    data = bytes(PIECE) * 160
    app = to_wsgi(WSGIToASGI(wsgi_echo))
    called = WsgiCalled(app, environ_of("POST", body=data))
    assert called.rest() == data
