"""`send`: the response (ASGI HTTP specification 2.5, "Response Start" and "Response Body")."""

import asyncio
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import pytest

from support.asgi import app, body, read_body, respond, start
from support.client import Http1Client
from support.flag import DEADLINE, Flag
from support.inprocess import Served

Serve = Callable[..., Served]


def test_start_and_body(serve: Serve) -> None:
    @app
    async def answer(receive: Any, send: Any) -> None:
        await start(send, 201, [(b"x-a", b"1")])
        await body(send, b"made")

    response = serve(answer).request("GET")
    assert (response.status, response.body, response.header("x-a")) == (201, b"made", "1")
    assert response.header("content-length") == "4"


def test_bodies_add_up(serve: Serve) -> None:
    @app
    async def answer(receive: Any, send: Any) -> None:
        await start(send)
        for piece in (b"a", b"", b"bc", b""):
            await body(send, piece, more=True)
        await body(send, b"d")

    client = serve(answer).connect()
    for _ in range(2):
        assert client.request("GET").body == b"abcd"


@pytest.mark.parametrize(
    "pieces", [[b""], [b"", b""], [b"a", b""], [b"", b"a"], [b"", b"", b"a", b""]]
)
def test_empty_bodies(serve: Serve, pieces: list[bytes]) -> None:
    @app
    async def answer(receive: Any, send: Any) -> None:
        await start(send)
        for piece in pieces[:-1]:
            await body(send, piece, more=True)
        await body(send, pieces[-1])

    client = serve(answer).connect()
    for _ in range(2):
        assert client.request("GET").body == b"".join(pieces)


def test_what_is_optional_may_be_missing(serve: Serve) -> None:
    @app
    async def answer(receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    response = serve(answer).request("GET")
    assert (response.status, response.body) == (200, b"")


def test_unknown_keys_are_ignored(serve: Serve) -> None:
    @app
    async def answer(receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "x.extra": 1})
        await send({"type": "http.response.body", "body": b"a", "x.extra": 1})

    assert serve(answer).request("GET").body == b"a"


def test_a_piece_leaves_before_the_next_is_made(serve: Serve) -> None:
    """Server-sent events: nothing is held back once it is sent."""
    go_on = [Flag(), Flag()]

    @app
    async def answer(receive: Any, send: Any) -> None:
        await start(send, 200, [(b"content-type", b"text/event-stream")])
        await body(send, b"one", more=True)
        await go_on[0].reached()
        await body(send, b"two", more=True)
        await go_on[1].reached()
        await body(send)

    stream = serve(answer).connect().open("GET")
    assert stream.read() == b"one"
    go_on[0].set()
    assert stream.read() == b"two"
    go_on[1].set()
    assert stream.read() == b""


def test_head_leaves_with_an_empty_first_body(serve: Serve) -> None:
    """An application that has nothing to say yet can make the client see the status."""
    go_on = Flag()

    @app
    async def answer(receive: Any, send: Any) -> None:
        await start(send, 202)
        await body(send, b"", more=True)
        await go_on.reached()
        await body(send, b"done")

    stream = serve(answer).connect().open("GET")
    assert stream.head().status == 202
    go_on.set()
    assert stream.response().body == b"done"


def lists(pairs: list[tuple[bytes, bytes]]) -> Any:
    return [list(pair) for pair in pairs]


def generator(pairs: list[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    yield from pairs


@pytest.mark.parametrize(
    "shape", [list, tuple, lists, iter, generator, lambda pairs: dict(pairs).items()]
)
def test_headers_may_be_any_iterable_of_pairs(serve: Serve, shape: Callable[[Any], Any]) -> None:
    pairs = [(b"x-b", b"2"), (b"x-a", b"1"), (b"content-type", b"text/plain")]

    @app
    async def answer(receive: Any, send: Any) -> None:
        await respond(send, b"ok", headers=shape(pairs))

    response = serve(answer).request("GET")
    assert response.headers[:3] == [("x-b", "2"), ("x-a", "1"), ("content-type", "text/plain")]


def test_headers_keep_order_and_duplicates(serve: Serve) -> None:
    pairs = [
        (b"set-cookie", b"a=1"),
        (b"x-z", b"caf\xe9"),
        (b"set-cookie", b"b=2"),
        (b"x-empty", b""),
    ]

    @app
    async def answer(receive: Any, send: Any) -> None:
        await respond(send, headers=pairs)

    response = serve(answer).request("GET")
    named = [pair for pair in response.headers if pair[0] in ("set-cookie", "x-z", "x-empty")]
    assert named == [
        ("set-cookie", "a=1"),
        ("x-z", "café"),
        ("set-cookie", "b=2"),
        ("x-empty", ""),
    ]


def test_the_applications_headers_are_left_alone(serve: Serve) -> None:
    """A list that an application sends with every response must not grow."""
    pairs = [(b"x-a", b"1")]

    @app
    async def answer(receive: Any, send: Any) -> None:
        await respond(send, b"abc", headers=pairs)

    client = serve(answer).connect()
    client.request("GET")
    assert client.request("GET").header("content-length") == "3"
    assert pairs == [(b"x-a", b"1")]


def test_date_and_server_of_the_application_win(serve: Serve) -> None:
    @app
    async def answer(receive: Any, send: Any) -> None:
        await respond(
            send, headers=[(b"date", b"Thu, 01 Jan 1970 00:00:00 GMT"), (b"server", b"mine")]
        )

    response = serve(answer).request("GET")
    assert response.header("date") == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert response.header("server") == "mine"


def test_transfer_encoding_of_the_application_is_ignored(serve: Serve) -> None:
    """As the specification says."""

    @app
    async def answer(receive: Any, send: Any) -> None:
        await respond(send, b"plain", headers=[(b"transfer-encoding", b"chunked")])

    client = serve(answer).connect()
    for _ in range(2):
        response = client.request("GET")
        assert (response.body, response.header("transfer-encoding")) == (b"plain", None)


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("pieces", [1, 3])
def test_head_has_no_body(serve: Serve, declared: bool, pieces: int) -> None:
    """The application need not know: it answers as to a GET."""

    @app
    async def answer(receive: Any, send: Any) -> None:
        await start(send, 200, [(b"content-length", b"%d" % (3 * pieces))] if declared else [])
        for left in reversed(range(pieces)):
            await body(send, b"abc", more=left > 0)

    client = serve(answer).connect()
    for _ in range(2):
        response = client.request("HEAD")
        assert (response.status, response.body) == (200, b"")
        if declared or pieces == 1:
            assert response.header("content-length") == str(3 * pieces)


@pytest.mark.parametrize("status", [204, 304])
def test_status_without_body(serve: Serve, status: int) -> None:
    @app
    async def answer(receive: Any, send: Any) -> None:
        await respond(send, b"", status, [(b"etag", b'"a"')])

    client = serve(answer).connect()
    for _ in range(2):
        response = client.request("GET")
        assert (response.status, response.body, response.header("etag")) == (status, b"", '"a"')
        assert response.header("content-length") is None
        assert response.header("transfer-encoding") is None


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("more", [False, True])
def test_body_of_a_status_without_body_is_dropped_and_logged(
    serve: Serve, status: int, more: bool
) -> None:
    """It would be read as the beginning of the next response."""

    @app
    async def answer(receive: Any, send: Any) -> None:
        await start(send, status)
        if more:
            await body(send, b"must not ", more=True)
        await body(send, b"be seen")

    served = serve(answer)
    client = served.connect()
    for _ in range(2):
        assert client.request("GET").status == status
    assert str(status) in served.taken_log()


def test_304_may_say_how_long_the_body_would_be(serve: Serve) -> None:
    @app
    async def answer(receive: Any, send: Any) -> None:
        await respond(send, b"", 304, [(b"content-length", b"1000")])

    client = serve(answer).connect()
    for _ in range(2):
        assert client.request("GET").header("content-length") == "1000"


@pytest.mark.parametrize("status", [200, 299, 404, 418, 451, 499, 500, 599, HTTPStatus.ACCEPTED])
def test_status(serve: Serve, status: int) -> None:
    @app
    async def answer(receive: Any, send: Any) -> None:
        await respond(send, b"x", status)

    response = serve(answer).request("GET")
    assert (response.status, response.body) == (int(status), b"x")


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_body_may_be_another_byte_string(serve: Serve, kind: Any) -> None:
    data = bytearray(b"abc")

    @app
    async def answer(receive: Any, send: Any) -> None:
        await start(send)
        await body(send, kind(data), more=True)
        # Sent data does not change with the buffer.
        data[:] = b"xyz"
        await body(send)

    assert serve(answer).request("GET").body == b"abc"


def test_large_body_in_one_piece(serve: Serve) -> None:
    data = bytes(range(256)) * 40_000

    @app
    async def answer(receive: Any, send: Any) -> None:
        await respond(send, data)

    client = serve(answer).connect()
    for _ in range(2):
        assert client.request("GET").body == data


def test_close_asked_by_the_application(serve: Serve, protocol: type[Http1Client]) -> None:
    @app
    async def answer(receive: Any, send: Any) -> None:
        await respond(send, b"bye", headers=[(b"connection", b"close")])

    client = serve(answer).connect()
    response = client.request("GET")
    assert response.body == b"bye"
    if protocol.http_version == "1.1":
        assert response.header("connection") == "close"
        assert client.is_closed_by_server()


@pytest.mark.parametrize("way", ["create_task", "wait_for", "gather", "shield", "timeout"])
def test_send_is_given_to(serve: Serve, way: str) -> None:
    async def through(awaitable: Any) -> Any:
        if way == "create_task":
            return await asyncio.create_task(awaitable, name="mine")
        if way == "wait_for":
            return await asyncio.wait_for(awaitable, DEADLINE)
        if way == "gather":
            return (await asyncio.gather(awaitable))[0]
        if way == "shield":
            return await asyncio.shield(awaitable)
        async with asyncio.timeout(DEADLINE):
            return await awaitable

    @app
    async def answer(receive: Any, send: Any) -> None:
        assert await through(send({"type": "http.response.start", "status": 200})) is None
        for _ in range(3):
            awaitable = send({"type": "http.response.body", "body": b"a", "more_body": True})
            assert asyncio.iscoroutine(awaitable)
            assert await through(awaitable) is None
        assert await through(send({"type": "http.response.body", "body": b"b"})) is None

    assert serve(answer).request("GET").body == b"aaab"


def test_sends_of_several_tasks_stay_whole(serve: Serve) -> None:
    @app
    async def answer(receive: Any, send: Any) -> None:
        await start(send)
        await asyncio.gather(
            *(body(send, b"%d" % number * 1000, more=True) for number in range(10))
        )
        await body(send)

    data = serve(answer).request("GET").body
    assert sorted(data[offset : offset + 1000] for offset in range(0, 10_000, 1000)) == [
        b"%d" % number * 1000 for number in range(10)
    ]


def of(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": f"http.response.{kind}", **more}


START = of("start", status=200)
PIECE = of("body", body=b"a", more_body=True)
END = of("body", body=b"z")

# The messages sent, and the message that must then be refused.
WRONG_ORDER = [
    ([], PIECE),
    ([], END),
    ([], of("trailers", headers=[])),
    ([], of("pathsend", path="/etc/hostname")),
    ([START], START),
    ([START], of("trailers", headers=[])),
    ([START, PIECE], START),
    ([START, PIECE], of("trailers", headers=[])),
    ([START, PIECE], of("early_hint", links=[])),
    ([START, END], START),
    ([START, END], PIECE),
    ([START, END], END),
    ([START, END], of("early_hint", links=[])),
    ([], of("nonsense")),
    ([START], of("nonsense")),
    ([START, PIECE], {"type": "websocket.send", "text": "a"}),
    ([START], {"type": "lifespan.startup.complete"}),
]


@pytest.mark.parametrize(("before", "wrong"), WRONG_ORDER)
def test_message_out_of_order_raises(
    serve: Serve, before: list[Any], wrong: dict[str, Any]
) -> None:
    """RuntimeError at the call, and the application can continue as if it had not been made."""
    raised = Flag()

    @app
    async def answer(receive: Any, send: Any) -> None:
        for message in before:
            await send(message)
        try:
            await send(wrong)
        except RuntimeError as error:
            raised.set(str(error))
        else:
            raised.set("nothing")
        if START not in before:
            await send(START)
        if END not in before:
            await send(END)

    client = serve(answer).connect()
    response = client.request("GET")
    assert (response.status, response.body) == (200, b"az" if PIECE in before else b"z")
    assert wrong["type"] in raised.wait()


@pytest.mark.parametrize(
    "message",
    [{}, {"status": 200}, None, "http.response.start", {"type": None}],
    ids=repr,
)
def test_message_that_is_none_raises_and_can_be_corrected(serve: Serve, message: Any) -> None:
    @app
    async def answer(receive: Any, send: Any) -> None:
        with pytest.raises(Exception):  # noqa: B017, PT011  any exception
            await send(message)
        await respond(send, b"ok")

    assert serve(answer).request("GET").body == b"ok"


MALFORMED = [
    of("start"),
    of("start", status="200"),
    of("start", status=None),
    of("start", status=99),
    of("start", status=101),
    of("start", status=1000),
    of("start", status=-1),
    of("start", status=200, headers=3),
    of("start", status=200, headers=[3]),
    of("start", status=200, headers=[(b"a",)]),
    of("start", status=200, headers=[(b"a", b"b", b"c")]),
    of("start", status=200, headers=[("a", b"b")]),
    of("start", status=200, headers=[(b"a", "b")]),
    of("start", status=200, headers=[(b"a", 1)]),
    of("start", status=200, headers=[(b"a", None)]),
    of("start", status=200, headers={b"abc": b"d"}),
    of("start", status=200, headers=[(b"content-length", b"one")]),
    of("start", status=200, headers=[(b"content-length", b"-1")]),
    of("start", status=200, headers=[(b"content-length", b"1"), (b"content-length", b"2")]),
]


@pytest.mark.parametrize("message", MALFORMED, ids=repr)
def test_malformed_start_becomes_500(serve: Serve, message: dict[str, Any]) -> None:
    """For any mistake, the client gets a whole response, and the log has the reason."""

    @app
    async def answer(receive: Any, send: Any) -> None:
        await send(message)
        await body(send, b"a")

    served = serve(answer)
    response = served.request("GET")
    assert (response.status, response.body) == (500, b"Internal Server Error")
    assert "ERROR ASGI application raised: GET /" in served.taken_log()


@pytest.mark.parametrize("data", ["text", 1, None, ["a"]], ids=repr)
def test_malformed_body_becomes_500(serve: Serve, data: Any) -> None:
    @app
    async def answer(receive: Any, send: Any) -> None:
        await start(send)
        await send({"type": "http.response.body", "body": data})

    served = serve(answer)
    assert served.request("GET").status == 500
    assert type(data).__name__ in served.taken_log()


def test_malformed_later_body_breaks_the_response_off(serve: Serve) -> None:
    @app
    async def answer(receive: Any, send: Any) -> None:
        await start(send)
        await body(send, b"good", more=True)
        await send({"type": "http.response.body", "body": "text"})

    served = serve(answer)
    assert served.connect().open("GET").read_broken() in (b"good", b"")
    assert "str" in served.taken_log()


def test_early_response_leaves_a_small_body_unread(serve: Serve) -> None:
    """The rest of the request does not become the next one."""

    @app
    async def answer(receive: Any, send: Any) -> None:
        await respond(send, b"early")

    client = serve(answer).connect()
    for _ in range(3):
        assert (
            client.request("POST", body=b"GET /smuggled HTTP/1.1\r\n\r\n" * 100).body == b"early"
        )


def test_early_response_before_the_body_is_sent(serve: Serve) -> None:
    @app
    async def answer(receive: Any, send: Any) -> None:
        await respond(send, b"early")

    client = serve(answer).connect()
    for _ in range(2):
        # The length of a chunked body is not known, so the connection would not be kept.
        stream = client.open("POST", "/", [("Content-Length", "18")], more=True)
        assert stream.response().body == b"early"
        stream.send(b"late, but ")
        stream.send(b"harmless", end=True)


@pytest.mark.parametrize("size", [100_000, 1_000_000, 8_000_000])
def test_early_response_reaches_a_client_that_sends_everything_first(
    serve: Serve, size: int
) -> None:
    """Closing on unread bytes would reset the connection (RFC 9112 section 9.6)."""

    @app
    async def answer(receive: Any, send: Any) -> None:
        await respond(send, b"too large", 413)

    stream = serve(answer).connect().open("POST", "/", [("Content-Length", str(size))], more=True)
    try:
        for _ in range(0, size, 50_000):
            stream.send(bytes(50_000))
    except OSError:
        pass  # the server may have stopped listening; what it said must be there all the same
    response = stream.response()
    assert (response.status, response.body) == (413, b"too large")


def test_large_unread_body_is_taken_for_a_moment_and_not_reset(serve: Serve) -> None:
    """A client that sees a reset while it sends may never look for the response."""

    @app
    async def answer(receive: Any, send: Any) -> None:
        await respond(send, b"too large", 413)

    stream = serve(answer).connect().open("POST", "/", [("Content-Length", "2000000")], more=True)
    assert stream.head().status == 413
    for _ in range(0, 2_000_000, 50_000):
        stream.send(bytes(50_000))
    assert stream.response().body == b"too large"


def test_partly_read_body_is_followed_by_the_next_request(serve: Serve) -> None:
    @app
    async def answer(receive: Any, send: Any) -> None:
        first = await receive()
        await respond(send, first["body"][:5])

    client = serve(answer).connect()
    for _ in range(3):
        assert client.request("POST", body=b"12345" + bytes(60_000)).body == b"12345"


def test_response_to_a_pipelined_request_waits_for_its_turn(serve: Serve) -> None:
    """One connection, many requests, each answered with what it asked."""

    @app
    async def echo(receive: Any, send: Any) -> None:
        await respond(send, await read_body(receive))

    client = serve(echo).connect()
    for number in range(50):
        assert client.request("POST", body=b"%d" % number).body == b"%d" % number
