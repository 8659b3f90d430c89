"""`environ["wsgi.websocket"]`: what the object does, in the order of its methods."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from bascule.errors import ClientDisconnected, ResponseError, WebSocketClosed
from support.flag import Flag
from support.http2_websocket import raw_websocket
from support.inprocess import Served
from support.wsgi_websocket import (
    BAD_FRAME,
    BINARY,
    PING,
    TEXT,
    RawWebSocket,
    binary,
    close,
    frame,
    text,
)

Serve = Callable[..., Served]
Environ = dict[str, Any]


class Handled:
    """An application that hands its WebSocket to `handle`. `result` is its result, or its
    exception, which is then raised to the server."""

    def __init__(self, handle: Callable[[Any], object]) -> None:
        self.handle = handle
        self.result = Flag()

    def __call__(self, environ: Environ, start_response: Any) -> list[bytes]:
        try:
            result = self.handle(environ["wsgi.websocket"])
        except BaseException as error:
            self.result.set(error)
            raise
        self.result.set(result)
        return []


def connect(served: Served, *args: Any, **options: Any) -> RawWebSocket:
    client = raw_websocket(served, *args, **options)
    served.clients.append(client)  # type: ignore[arg-type]  # it is closed at the end
    return client


def raised(call: Callable[..., object], *args: Any) -> str:
    """The text of ResponseError."""
    with pytest.raises(ResponseError) as caught:
        call(*args)
    return str(caught.value)


# Receiving.


def test_messages_come_in_order_and_with_their_types(serve_wsgi_sockets: Serve) -> None:
    app = Handled(lambda ws: [ws.receive() for _ in range(4)])
    client = connect(serve_wsgi_sockets(app))
    client.write(text("é") + binary(b"\xff") + text("") + binary(b""))
    assert app.result.wait() == ["é", b"\xff", "", b""]
    client.accepted()
    assert client.closing() == (1000, "")


def test_none_at_the_end_then_an_error(serve_wsgi_sockets: Serve) -> None:
    def handle(ws: Any) -> object:
        assert ws.receive() == "last"
        assert ws.receive() is None
        with pytest.raises(WebSocketClosed) as caught:
            ws.receive()
        with pytest.raises(WebSocketClosed):
            ws.send("too late")
        with pytest.raises(WebSocketClosed):
            ws.ping()
        ws.close()
        return caught.value.code, caught.value.reason, ws.closed, ws.close_code, ws.close_reason

    app = Handled(handle)
    client = connect(serve_wsgi_sockets(app))
    client.accepted()
    client.write(text("last") + close(4001, "enough"))
    assert client.closing() == (4001, "")
    assert app.result.wait() == (4001, "enough", True, 4001, "enough")
    assert isinstance(WebSocketClosed(1000), ClientDisconnected)


@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_client_that_vanishes_is_1006(serve_wsgi_sockets: Serve, how: str) -> None:
    """Earlier messages can be read."""
    opened = Flag()

    def handle(ws: Any) -> object:
        ws.accept()
        opened.wait()
        waiting = []
        while (message := ws.receive()) is not None:
            waiting.append(message)
        return waiting, ws.close_code

    app = Handled(handle)
    served = serve_wsgi_sockets(app)
    client = connect(served)
    client.accepted()
    client.write(text("one") + text("two") + frame(PING, b"seen"))
    assert client.frame() == (10, b"seen")
    getattr(client, how)()
    served.wait_until_unconnected()
    opened.set()
    assert app.result.wait() == (["one", "two"], 1006)


def test_timeout_loses_nothing(serve_wsgi_sockets: Serve) -> None:
    timed_out = Flag()

    def handle(ws: Any) -> object:
        ws.accept()
        for seconds in (0, 0.01, -1):
            with pytest.raises(TimeoutError):
                ws.receive(seconds)
        timed_out.set()
        return ws.receive(10), ws.receive(timeout=10), ws.receive(10)

    app = Handled(handle)
    client = connect(serve_wsgi_sockets(app))
    client.accepted()
    timed_out.wait()
    client.write(text("one") + text("two") + close(1000))
    assert app.result.wait() == ("one", "two", None)


def test_timeout_is_not_put_off_by_what_another_thread_sends(serve_wsgi_sockets: Serve) -> None:
    """Each message that goes out wakes the thread that waits for one to come in."""

    def handle(ws: Any) -> object:
        ws.accept()
        ended = threading.Event()

        def keep_sending() -> None:
            while not ended.wait(0.02):
                ws.send("tick")

        sender = threading.Thread(target=keep_sending)
        sender.start()
        try:
            with pytest.raises(TimeoutError):
                ws.receive(0.1)
        finally:
            ended.set()
            sender.join()
        return None

    app = Handled(handle)
    client = connect(serve_wsgi_sockets(app))
    client.accepted()
    assert app.result.wait(5) is None


def test_iteration_ends_with_the_websocket(serve_wsgi_sockets: Serve) -> None:
    app = Handled(lambda ws: (list(ws), list(ws)))
    client = connect(serve_wsgi_sockets(app))
    client.accepted()
    client.write(text("a") + binary(b"b"))
    client.write(close(1000))
    assert app.result.wait() == (["a", b"b"], [])


# Sending.


def test_each_type_is_sent_as_what_it_is_or_as_asked(serve_wsgi_sockets: Serve) -> None:
    def handle(ws: Any) -> None:
        ws.send("é")
        ws.send(b"1")
        ws.send(bytearray(b"2"))
        ws.send(memoryview(b"3456")[::2])
        ws.send("é", binary=True)
        ws.send("é".encode(), binary=False)
        ws.send(memoryview(b"text"), binary=False)
        ws.send("text", binary=False)
        ws.send(b"bytes", binary=True)

    client = connect(serve_wsgi_sockets(Handled(handle)))
    client.accepted()
    assert [client.frame() for _ in range(9)] == [
        (TEXT, "é".encode()),
        (BINARY, b"1"),
        (BINARY, b"2"),
        (BINARY, b"35"),
        (BINARY, "é".encode()),
        (TEXT, "é".encode()),
        (TEXT, b"text"),
        (TEXT, b"text"),
        (BINARY, b"bytes"),
    ]
    assert client.finish() == (1000, "")


def test_what_cannot_be_sent_is_refused_at_the_call(serve_wsgi_sockets: Serve) -> None:
    """And costs nothing else: the WebSocket stays open."""

    def handle(ws: Any) -> object:
        said = [
            raised(ws.send, None),
            raised(ws.send, 5),
            raised(ws.send, ["a"]),
            raised(ws.send, "\ud800"),
            raised(ws.send, "\ud800", True),
            raised(ws.send, b"\xff", False),
            raised(ws.ping, "text"),
            raised(ws.ping, None),
            raised(ws.ping, bytes(126)),
        ]
        ws.send("and on")
        assert ws.receive() == "and on"
        return said

    app = Handled(handle)
    client = connect(serve_wsgi_sockets(app))
    client.accepted()
    assert client.message() == "and on"
    client.write(text("and on"))
    for said, words in zip(
        app.result.wait(),
        ["NoneType", "int", "list", "UTF-8", "UTF-8", "UTF-8", "str", "NoneType", "125"],
        strict=True,
    ):
        assert words in said
    assert client.finish() == (1000, "")


def test_ping(serve_wsgi_sockets: Serve) -> None:
    def handle(ws: Any) -> object:
        ws.ping()
        ws.ping(b"payload")
        ws.ping(bytearray(125))
        return ws.receive()

    app = Handled(handle)
    client = connect(serve_wsgi_sockets(app))
    client.accepted()
    assert [client.frame() for _ in range(3)] == [(PING, b""), (PING, b"payload"), (9, bytes(125))]
    client.write(frame(10, b"payload") + text("behind the pong"))
    assert app.result.wait() == "behind the pong"


def test_another_thread_sends_while_this_one_receives(serve_wsgi_sockets: Serve) -> None:
    """Much more than is buffered, so both wait, and are woken, all the time."""
    count = 400
    piece = "x" * 5000

    def handle(ws: Any) -> object:
        ws.accept()

        def send() -> None:
            for number in range(count):
                ws.send(f"{number:05}{piece}")

        senders = [threading.Thread(target=send) for _ in range(2)]
        for sender in senders:
            sender.start()
        received = [ws.receive() for _ in range(count)]
        for sender in senders:
            sender.join()
        return received

    app = Handled(handle)
    client = connect(serve_wsgi_sockets(app), receive_buffer=8192)
    client.accepted()
    writer = threading.Thread(
        target=lambda: [client.write(text(f"{number}")) for number in range(count)]
    )
    writer.start()
    numbers = [int(client.message()[:5]) for _ in range(2 * count)]
    writer.join()
    assert sorted(numbers) == sorted([*range(count), *range(count)])
    assert app.result.wait() == [f"{number}" for number in range(count)]
    assert client.finish() == (1000, "")


# Closing.


@pytest.mark.parametrize(
    ("arguments", "wire"),
    [
        ((), (1000, "")),
        ((1001,), (1001, "")),
        ((4999, "why"), (4999, "why")),
        ((3000, "é".encode()), (3000, "é")),
        ((1008, None), (1008, "")),
        ((1000, "x" * 123), (1000, "x" * 123)),
    ],
)
def test_close(serve_wsgi_sockets: Serve, arguments: Any, wire: tuple[int, str]) -> None:
    def handle(ws: Any) -> object:
        ws.accept()
        assert (ws.closed, ws.close_code, ws.close_reason) == (False, None, None)
        ws.close(*arguments)
        state = ws.closed, ws.close_code, ws.close_reason
        ws.close(1011, "a second time is nothing")
        with pytest.raises(WebSocketClosed):
            ws.send("behind the Close frame")
        assert ws.receive() is None
        return state

    app = Handled(handle)
    client = connect(serve_wsgi_sockets(app))
    client.accepted()
    assert client.finish() == wire
    assert app.result.wait() == (True, *wire)


def test_what_may_not_be_in_a_close_frame_closes_nothing(serve_wsgi_sockets: Serve) -> None:
    def handle(ws: Any) -> object:
        ws.accept()
        for code in (0, 999, 1004, 1006, 1015, 2999, 5000, -1, 70000, "1000", None, 1000.0):
            assert "code" in raised(ws.close, code)
        assert "123" in raised(ws.close, 1000, "x" * 124)
        assert "123" in raised(ws.close, 1000, "é" * 62)
        assert "UTF-8" in raised(ws.close, 1000, "\ud800")
        assert "UTF-8" in raised(ws.close, 1000, b"\xff")
        assert "reason" in raised(ws.close, 1005, "a reason needs a code")
        assert "int" in raised(ws.close, 1000, 5)
        assert not ws.closed
        ws.send("still open")
        return ws.receive()

    app = Handled(handle)
    client = connect(serve_wsgi_sockets(app))
    client.accepted()
    assert client.message() == "still open"
    client.write(text("indeed"))
    assert app.result.wait() == "indeed"
    assert client.finish() == (1000, "")


def test_with_closes(serve_wsgi_sockets: Serve) -> None:
    def handle(ws: Any) -> object:
        with ws as entered:
            assert entered is ws
            ws.send("inside")
        return ws.close_code

    app = Handled(handle)
    client = connect(serve_wsgi_sockets(app))
    client.accepted()
    assert client.message() == "inside"
    assert client.finish() == (1000, "")
    assert app.result.wait() == 1000


def test_with_closes_with_1011_behind_an_error(serve_wsgi_sockets: Serve) -> None:
    def handle(ws: Any) -> None:
        with ws:
            raise ValueError("on purpose")

    served = serve_wsgi_sockets(Handled(handle))
    client = connect(served)
    client.accepted()
    assert client.finish() == (1011, "")
    served.wait_until_idle()
    assert "on purpose" in served.taken_log()


def test_a_broken_client_is_told_why(serve_wsgi_sockets: Serve) -> None:
    def handle(ws: Any) -> object:
        assert ws.receive() is None
        return ws.close_code, ws.close_reason

    app = Handled(handle)
    served = serve_wsgi_sockets(app)
    client = connect(served)
    client.accepted()
    client.write(BAD_FRAME)
    assert client.closing() == (1002, "frame without a mask")
    assert app.result.wait() == (1002, "frame without a mask")
    assert "frame without a mask" in served.taken_log()


def test_close_is_done_when_it_returns_in_any_thread(serve_wsgi_sockets: Serve) -> None:
    """The thread that receives hears of it."""

    def handle(ws: Any) -> object:
        ws.accept()
        threading.Timer(0, lambda: ws.close(4000)).start()
        return ws.receive(), ws.close_code

    app = Handled(handle)
    client = connect(serve_wsgi_sockets(app))
    client.accepted()
    assert client.finish() == (4000, "")
    assert app.result.wait() == (None, 4000)


# Accepting.


@pytest.mark.parametrize("use", ["receive", "send", "ping", "close", "with", "iterate"])
def test_the_first_use_accepts(serve_wsgi_sockets: Serve, use: str) -> None:
    def handle(ws: Any) -> None:
        if use == "with":
            with ws:
                pass
        elif use == "iterate":
            assert list(ws) == []
        else:
            getattr(ws, use)(*(["hello"] if use == "send" else []))

    client = connect(serve_wsgi_sockets(Handled(handle)))
    assert "sec-websocket-protocol" not in client.accepted()
    client.write(close(1000))


def test_accept_with_a_subprotocol_and_fields(serve_wsgi_sockets: Serve) -> None:
    def handle(ws: Any) -> object:
        offered = ws.subprotocols
        before = ws.subprotocol
        ws.accept(offered[1], [("X-Own", "yes"), ("Set-Cookie", "a=1")])
        return offered, before, ws.subprotocol

    app = Handled(handle)
    client = connect(serve_wsgi_sockets(app), "/", [("Sec-WebSocket-Protocol", "one, two")])
    fields = client.accepted()
    assert fields["sec-websocket-protocol"] == "two"
    assert fields["x-own"] == "yes"
    assert fields["set-cookie"] == "a=1"
    assert app.result.wait() == (["one", "two"], None, "two")
    assert client.finish() == (1000, "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("three",), "three"),
        ((None, [("X-Own", "a\r\nb")]), "line break"),
        ((None, [("X-Own", "\u20ac")]), "latin-1"),
        ((None, [("Sec-WebSocket-Protocol", "one")]), "subprotocol"),
        ((None, [("Bad Name", "value")]), "Bad Name"),
    ],
)
def test_an_acceptance_that_may_not_be_is_500(
    serve_wsgi_sockets: Serve, arguments: Any, words: str
) -> None:
    app = Handled(lambda ws: ws.accept(*arguments))
    served = serve_wsgi_sockets(app)
    client = connect(served, "/", [("Sec-WebSocket-Protocol", "one, two")])
    assert client.response().status == 500
    error = app.result.wait()
    assert isinstance(error, ResponseError)
    assert words in str(error)
    served.wait_until_idle()
    assert words in served.taken_log()


def test_a_second_acceptance_is_an_error(serve_wsgi_sockets: Serve) -> None:
    def handle(ws: Any) -> object:
        ws.accept()
        said = raised(ws.accept)
        ws.send("open all the same")
        return said

    app = Handled(handle)
    client = connect(serve_wsgi_sockets(app))
    client.accepted()
    assert client.message() == "open all the same"
    assert "before" in app.result.wait()


def test_stop_code_must_be_one_that_can_be_sent(serve_wsgi_sockets: Serve) -> None:
    def handle(ws: Any) -> object:
        before = ws.stop_code
        for code in (1006, 5000, "1001", None):
            assert "code" in raised(setattr, ws, "stop_code", code)
        ws.stop_code = 1001
        return before, ws.stop_code

    app = Handled(handle)
    served = serve_wsgi_sockets(app)
    client = connect(served)
    assert app.result.wait() == (1012, 1001)
    # It was never used, so it was refused, by an application that did not say with what.
    assert client.response().status == 500
    served.wait_until_idle()
    assert "start_response" in served.taken_log()


def test_the_names_of_gevent_websocket(serve_wsgi_sockets: Serve) -> None:
    def handle(ws: Any) -> object:
        assert ws.environ["wsgi.websocket"] is ws
        return ws.path, ws.origin, ws.protocol, ws.version

    fields = [("Origin", "http://a.example"), ("Sec-WebSocket-Protocol", "one, two")]
    app = Handled(lambda ws: (handle(ws), ws.accept())[0])
    client = connect(serve_wsgi_sockets(app), "/a%20b?c=d", fields)
    client.accepted()
    assert app.result.wait() == ("/a b", "http://a.example", "one, two", "13")
