"""WebSockets through the adapters, driven as a server drives them."""

import asyncio
import queue
import threading
from typing import Any

import pytest

from bascule import websocket
from bascule.adapters import ASGIToWSGI, WSGIToASGI
from bascule.errors import ResponseError, WebSocketClosed
from support.adapters import AsgiCalled, WsgiCalled, environ_of, http_scope
from support.flag import DEADLINE, Flag


def run(coroutine: Any) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(DEADLINE):
            return await coroutine

    return asyncio.run(bounded())


# A WSGI application under ASGI.


def socket_scope(**more: Any) -> dict[str, Any]:
    scope = http_scope(
        headers=[(b"host", b"testserver"), (b"upgrade", b"websocket")],
        **{
            "scheme": "ws",
            "subprotocols": ["chat", "other"],
            "extensions": {"websocket.http.response": {}},
            **more,
        },
    )
    del scope["method"]
    return {**scope, "type": "websocket"}


def connected(app: Any, scope: dict[str, Any] | None = None, **options: Any) -> AsgiCalled:
    called = AsgiCalled(WSGIToASGI(app, **options), scope or socket_scope())
    called.incoming.put_nowait({"type": "websocket.connect"})
    return called


def receive_text(called: AsgiCalled, text: str) -> None:
    called.incoming.put_nowait({"type": "websocket.receive", "text": text})


def disconnect(called: AsgiCalled, code: int = 1001) -> None:
    called.incoming.put_nowait({"type": "websocket.disconnect", "code": code, "reason": "bye"})


def echo(environ: Any, start_response: Any) -> Any:
    for message in environ["wsgi.websocket"]:
        environ["wsgi.websocket"].send(message)
    return []


def test_a_wsgi_application_echoes() -> None:
    async def scenario() -> None:
        called = connected(echo)
        receive_text(called, "one")
        called.incoming.put_nowait({"type": "websocket.receive", "bytes": b"two"})
        await called.until(lambda: len(called.sent) == 3)
        disconnect(called)
        await called.task
        assert called.sent == [
            {"type": "websocket.accept", "subprotocol": None, "headers": []},
            {"type": "websocket.send", "text": "one"},
            {"type": "websocket.send", "bytes": b"two"},
        ]

    run(scenario())


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_a_handshake_has_no_length_of_a_body(version: str) -> None:
    """An HTTP/2 request may have a body without saying so; a WebSocket handshake has none."""
    told = Flag()

    def app(environ: Any, start_response: Any) -> Any:
        assert "CONTENT_LENGTH" not in environ
        told.set()
        return echo(environ, start_response)

    async def scenario() -> None:
        called = connected(app, socket_scope(http_version=version))
        await told.reached()
        disconnect(called)
        await called.task

    run(scenario())


def test_what_the_wsgi_application_is_told() -> None:
    told = Flag()

    def app(environ: Any, start_response: Any) -> Any:
        ws = websocket(environ)
        assert environ["wsgi.url_scheme"] == "http"
        assert ws.subprotocols == ["chat", "other"]
        ws.accept("chat", [("X-One", "1")])
        assert (ws.subprotocol, ws.closed, ws.close_code) == ("chat", False, None)
        with pytest.raises(TimeoutError):
            ws.receive(timeout=0)
        with pytest.raises(ResponseError):
            ws.accept()
        ws.ping()
        asking.set()
        assert ws.receive() is None
        assert (ws.closed, ws.close_code, ws.close_reason) == (True, 1001, "bye")
        with pytest.raises(WebSocketClosed):
            ws.receive()
        with pytest.raises(WebSocketClosed):
            ws.send("late")
        told.set()
        return []

    asking = Flag()

    async def scenario() -> None:
        called = connected(app)
        await asking.reached()
        disconnect(called)
        await called.task
        assert called.sent == [
            {"type": "websocket.accept", "subprotocol": "chat", "headers": [(b"x-one", b"1")]}
        ]

    run(scenario())
    assert told.is_set


def test_a_wsgi_application_closes() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        ws = environ["wsgi.websocket"]
        ws.send("bye")
        ws.close(4000, "enough")
        ws.close()
        assert ws.close_code == 4000
        return []

    async def scenario() -> None:
        called = connected(app)
        await called.task
        assert called.sent[1:] == [
            {"type": "websocket.send", "text": "bye"},
            {"type": "websocket.close", "code": 4000, "reason": "enough"},
        ]

    run(scenario())


def test_the_end_of_a_wsgi_application_closes() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        environ["wsgi.websocket"].send("only")
        return []

    async def scenario() -> None:
        called = connected(app)
        await called.task
        assert called.sent[-1] == {"type": "websocket.close", "code": 1000, "reason": ""}

    run(scenario())


def test_a_code_that_may_not_be_sent() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        environ["wsgi.websocket"].close(1006)
        return []

    async def scenario() -> None:
        with pytest.raises(ResponseError):
            await connected(app).task

    run(scenario())


def test_an_error_in_an_open_websocket_reaches_the_server() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        environ["wsgi.websocket"].accept()
        raise LookupError("broken")

    async def scenario() -> None:
        with pytest.raises(LookupError, match="broken"):
            await connected(app).task

    run(scenario())


def refusing(environ: Any, start_response: Any) -> Any:
    start_response("404 Not Found", [("Content-Type", "text/plain")])
    return [b"none here"]


def test_an_application_that_answers_has_refused() -> None:
    async def scenario() -> None:
        called = connected(refusing)
        await called.task
        assert called.sent == [
            {
                "type": "websocket.http.response.start",
                "status": 404,
                "headers": [(b"content-type", b"text/plain"), (b"content-length", b"9")],
            },
            {"type": "websocket.http.response.body", "body": b"none here", "more_body": False},
        ]

    run(scenario())


def test_refusing_where_the_server_has_no_denial_response() -> None:
    async def scenario() -> None:
        called = connected(refusing, socket_scope(extensions={}))
        await called.task
        assert called.sent == [{"type": "websocket.close"}]

    run(scenario())


def test_a_denial_may_be_long() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("404 Not Found", [])
        return iter([b"x" * 65536] * 10)

    async def scenario() -> None:
        called = connected(app)
        await called.task
        assert sum(len(message.get("body", b"")) for message in called.sent) == 655360

    run(scenario())


def test_messages_are_not_received_without_end() -> None:
    accepted, release = Flag(), threading.Event()

    def app(environ: Any, start_response: Any) -> Any:
        ws = environ["wsgi.websocket"]
        ws.accept()
        accepted.set()
        assert release.wait(DEADLINE)
        return echo(environ, start_response)

    async def scenario() -> None:
        called = connected(app)
        for number in range(100):
            receive_text(called, str(number))
        disconnect(called)
        await accepted.reached()
        await called.until(lambda: called.asked >= 17)
        assert called.incoming.qsize() >= 84
        release.set()
        await called.task

    run(scenario())


def test_another_thread_of_the_wsgi_application_sends() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        ws = environ["wsgi.websocket"]
        ws.accept()

        def send_all() -> None:
            for number in range(200):
                ws.send(str(number) * 4096)

        sender = threading.Thread(target=send_all)
        sender.start()
        received = list(ws)
        sender.join(DEADLINE)
        assert received == [str(number) for number in range(200)]
        return []

    async def scenario() -> None:
        called = connected(app)
        for number in range(200):
            receive_text(called, str(number))
        await called.until(lambda: len(called.sent) == 201)
        disconnect(called)
        await called.task

    run(scenario())


def test_more_websockets_than_threads_are_refused() -> None:
    async def scenario() -> None:
        adapter = WSGIToASGI(echo, websocket_threads=1)
        first = AsgiCalled(adapter, socket_scope())
        first.incoming.put_nowait({"type": "websocket.connect"})
        receive_text(first, "here")
        await first.until(lambda: len(first.sent) == 2)
        second = AsgiCalled(adapter, socket_scope())
        second.incoming.put_nowait({"type": "websocket.connect"})
        await second.task
        assert second.status == 503
        disconnect(first)
        await first.task

    run(scenario())


# An ASGI application under WSGI.


class FakeSocket:
    """`wsgi.websocket` of a server that the test plays."""

    def __init__(self) -> None:
        self.incoming: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.done: list[Any] = []
        self.changed = threading.Condition()
        self.close_code: int | None = None
        self.close_reason: str | None = None

    def note(self, *what: Any) -> None:
        with self.changed:
            self.done.append(what)
            self.changed.notify_all()

    def wait_for(self, count: int) -> list[Any]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.done) >= count, DEADLINE)
        return self.done

    def accept(self, subprotocol: Any = None, headers: Any = ()) -> None:
        self.note("accept", subprotocol, headers)

    def receive(self) -> Any:
        return self.incoming.get(timeout=DEADLINE)

    def send(self, message: Any) -> None:
        self.note("send", message)

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.close_code, self.close_reason = code, reason
        self.note("close", code, reason)
        self.incoming.put(None)

    def leave(self, code: int) -> None:
        self.close_code, self.close_reason = code, "bye"
        self.incoming.put(None)


def call_in_thread(app: Any, socket: FakeSocket) -> Any:
    """Call as a server does, and return the future of what came."""
    from concurrent.futures import ThreadPoolExecutor

    adapter = ASGIToWSGI(websocket_only(app))
    environ = environ_of(
        HTTP_UPGRADE="websocket",
        HTTP_SEC_WEBSOCKET_PROTOCOL="chat, other",
        **{"wsgi.websocket": socket},
    )
    pool = ThreadPoolExecutor(1)

    def call() -> WsgiCalled:
        try:
            return WsgiCalled(adapter, environ)
        finally:
            adapter.close()

    future = pool.submit(call)
    pool.shutdown(wait=False)
    return future


def websocket_only(function: Any) -> Any:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "websocket"
        assert await receive() == {"type": "websocket.connect"}
        await function(scope, receive, send)

    return application


def test_an_asgi_application_echoes() -> None:
    ended = Flag()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["subprotocols"] == ["chat", "other"]
        assert scope["scheme"] == "ws"
        await send({"type": "websocket.accept", "subprotocol": "chat", "headers": [(b"a", b"b")]})
        while (message := await receive())["type"] == "websocket.receive":
            await send({**message, "type": "websocket.send"})
        ended.set(message)

    socket = FakeSocket()
    socket.incoming.put("text")
    socket.incoming.put(b"octets")
    future = call_in_thread(app, socket)
    assert socket.wait_for(3) == [
        ("accept", "chat", [("a", "b")]),
        ("send", "text"),
        ("send", b"octets"),
    ]
    socket.leave(1001)
    assert future.result(DEADLINE).result == []
    assert ended.wait() == {"type": "websocket.disconnect", "code": 1001, "reason": "bye"}


def test_an_asgi_application_sends_while_it_receives() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        receiving = asyncio.create_task(receive())
        for number in range(3):
            await send({"type": "websocket.send", "text": str(number)})
        assert (await receiving)["text"] == "go"
        await send({"type": "websocket.close", "code": 4000, "reason": "enough"})
        assert (await receive())["code"] == 4000
        with pytest.raises(OSError, match="closed"):
            await send({"type": "websocket.send", "text": "late"})

    socket = FakeSocket()
    future = call_in_thread(app, socket)
    socket.wait_for(4)
    socket.incoming.put("go")
    assert future.result(DEADLINE).result == []
    assert socket.done[1:] == [
        ("send", "0"),
        ("send", "1"),
        ("send", "2"),
        ("close", 4000, "enough"),
    ]


def test_the_end_of_an_asgi_application_closes() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})

    socket = FakeSocket()
    assert call_in_thread(app, socket).result(DEADLINE).result == []
    assert socket.wait_for(2)[1] == ("close", 1000, "")


def test_an_error_of_an_asgi_application_closes_and_reaches_the_server() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        raise LookupError("broken")

    socket = FakeSocket()
    with pytest.raises(LookupError, match="broken"):
        call_in_thread(app, socket).result(DEADLINE)
    assert socket.wait_for(2)[1] == ("close", 1011, "")


def test_an_asgi_application_refuses() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.close"})

    called = call_in_thread(app, FakeSocket()).result(DEADLINE)
    assert (called.status, called.result) == ("403 Forbidden", [b"Forbidden\n"])


def test_an_asgi_application_denies_with_a_response() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert "websocket.http.response" in scope["extensions"]
        await send({"type": "websocket.http.response.start", "status": 401, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"who?"})

    called = call_in_thread(app, FakeSocket()).result(DEADLINE)
    assert (called.status, called.result) == ("401 Unauthorized", [b"who?"])


def test_an_asgi_application_that_says_nothing() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        pass

    with pytest.raises(ResponseError):
        call_in_thread(app, FakeSocket()).result(DEADLINE)
