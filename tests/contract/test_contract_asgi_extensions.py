"""The extensions http.response.trailers and http.response.early_hint."""

from collections.abc import Callable
from typing import Any

import pytest

from support.asgi import app, body, respond, start
from support.flag import Flag
from support.http import RawClient
from support.inprocess import Served

Serve = Callable[..., Served]

TE = [("TE", "trailers")]


async def trailers(send: Any, headers: Any, more: bool = False) -> None:
    await send({"type": "http.response.trailers", "headers": headers, "more_trailers": more})


@app
async def checksum(receive: Any, send: Any) -> None:
    await start(send, 200, [(b"trailer", b"x-sum, x-note")], trailers=True)
    await body(send, b"da", more=True)
    await body(send, b"ta")
    await trailers(send, [(b"x-sum", b"1234"), (b"x-note", b"caf\xe9")])


def test_trailers(serve: Serve) -> None:
    client = serve(checksum).connect()
    for _ in range(2):
        response = client.request("GET", "/", TE)
        assert response.body == b"data"
        assert response.trailers == [("x-sum", "1234"), ("x-note", "café")]
        assert response.header("trailer") == "x-sum, x-note"


def test_trailers_only_go_to_who_asked_for_them(serve: Serve) -> None:
    """The specification's rule, and RFC 9110 section 6.5.1's."""
    client = serve(checksum).connect()
    for _ in range(2):
        response = client.request("GET")
        assert (response.body, response.trailers) == (b"data", [])


def test_trailers_do_not_go_to_who_asked_for_something_else(serve: Serve) -> None:
    client = serve(checksum).connect()
    for _ in range(2):
        response = client.request("GET", "/", [("TE", "gzip")])
        assert (response.body, response.trailers) == (b"data", [])


def test_trailers_after_a_whole_body(serve: Serve) -> None:
    """The body message that ends the body does not end the response."""

    @app
    async def answer(receive: Any, send: Any) -> None:
        await start(send, 200, [], trailers=True)
        await body(send, b"data")
        await trailers(send, [(b"x-sum", b"1")])

    client = serve(answer).connect()
    for _ in range(2):
        response = client.request("GET", "/", TE)
        assert (response.body, response.trailers) == (b"data", [("x-sum", "1")])


def test_trailers_in_several_messages(serve: Serve) -> None:
    @app
    async def answer(receive: Any, send: Any) -> None:
        await start(send, 200, [], trailers=True)
        await body(send, b"data")
        await trailers(send, iter([[b"x-a", b"1"]]), more=True)
        await trailers(send, [(b"x-b", b"2"), (b"x-a", b"3")])

    response = serve(answer).request("GET", "/", TE)
    assert response.trailers == [("x-a", "1"), ("x-b", "2"), ("x-a", "3")]


def test_no_trailers_after_all(serve: Serve) -> None:
    @app
    async def answer(receive: Any, send: Any) -> None:
        await start(send, 200, [], trailers=True)
        await body(send, b"data")
        await send({"type": "http.response.trailers"})

    client = serve(answer).connect()
    for _ in range(2):
        response = client.request("GET", "/", TE)
        assert (response.body, response.trailers) == (b"data", [])


def test_response_waits_for_announced_trailers(serve: Serve) -> None:
    go_on = Flag()

    @app
    async def answer(receive: Any, send: Any) -> None:
        await start(send, 200, [], trailers=True)
        await body(send, b"data")
        await go_on.reached()
        await trailers(send, [(b"x-a", b"1")])

    stream = serve(answer).connect().open("GET", "/", TE)
    assert stream.read() == b"data"
    go_on.set()
    assert stream.response().trailers == [("x-a", "1")]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("headers", [[(b"content-length", b"4")], []])
def test_trailers_where_there_can_be_none(serve: Serve, method: str, headers: Any) -> None:
    """A declared length, or no body at all: the response is whole without them."""

    @app
    async def answer(receive: Any, send: Any) -> None:
        await start(send, 200, headers, trailers=True)
        await body(send, b"data")
        await trailers(send, [(b"x-a", b"1")])

    client = serve(answer).connect()
    for _ in range(2):
        response = client.request(method, "/", TE)
        assert response.body == (b"data" if method == "GET" else b"")


def test_trailers_to_an_http_1_0_client(serve: Serve) -> None:
    with RawClient(serve(checksum).port) as client:
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        assert client.read_to_end().endswith(b"\r\n\r\ndata")


FORBIDDEN_TRAILERS = [
    (b"x-a", b"1\r\nx-b: 2"),
    (b"x a", b"1"),
    (b"content-length", b"3"),
    (b"transfer-encoding", b"chunked"),
    (b"connection", b"close"),
]


@pytest.mark.parametrize("field", FORBIDDEN_TRAILERS, ids=repr)
def test_forbidden_trailers_raise_and_can_be_corrected(
    serve: Serve, field: tuple[bytes, bytes]
) -> None:
    """RFC 9110 section 6.5.1: no framing, no routing; and no splitting."""

    @app
    async def answer(receive: Any, send: Any) -> None:
        await start(send, 200, [], trailers=True)
        await body(send, b"data")
        with pytest.raises(RuntimeError):
            await trailers(send, [field])
        await trailers(send, [(b"x-a", b"1")])

    client = serve(answer).connect()
    for _ in range(2):
        response = client.request("GET", "/", TE)
        assert (response.body, response.trailers) == (b"data", [("x-a", "1")])


def test_what_describes_may_be_a_trailer(serve: Serve) -> None:
    fields = [(b"vary", b"accept"), (b"content-type", b"text/plain"), (b"cache-control", b"no")]

    @app
    async def answer(receive: Any, send: Any) -> None:
        await start(send, 200, [], trailers=True)
        await body(send, b"data")
        await trailers(send, fields)

    response = serve(answer).request("GET", "/", TE)
    assert response.trailers == [(name.decode(), value.decode()) for name, value in fields]


async def hint(send: Any, *links: bytes) -> None:
    await send({"type": "http.response.early_hint", "links": iter(links)})


STYLE = b"</style.css>; rel=preload; as=style"
SCRIPT = b"</script.js>; rel=preload; as=script"


def test_early_hint_leaves_before_the_response(serve: Serve) -> None:
    go_on = Flag()

    @app
    async def answer(receive: Any, send: Any) -> None:
        await hint(send, STYLE, SCRIPT)
        await go_on.reached()
        await respond(send, b"page")

    client = serve(answer).connect()
    stream = client.open("GET")
    interim = stream.interim()
    assert interim.status == 103
    assert interim.headers == [("link", STYLE.decode()), ("link", SCRIPT.decode())]
    go_on.set()
    response = stream.response()
    assert (response.status, response.body) == (200, b"page")
    assert response.header("link") is None


def test_several_early_hints(serve: Serve) -> None:
    @app
    async def answer(receive: Any, send: Any) -> None:
        await hint(send, STYLE)
        await hint(send, SCRIPT)
        await respond(send, b"page")

    client = serve(answer).connect()
    for _ in range(2):
        response = client.request("GET")
        assert [one.headers for one in response.interim] == [
            [("link", STYLE.decode())],
            [("link", SCRIPT.decode())],
        ]
        assert response.body == b"page"


def test_early_hint_after_the_start_message(serve: Serve) -> None:
    """Where the specification puts it; on the wire it still precedes the response."""

    @app
    async def answer(receive: Any, send: Any) -> None:
        await start(send, 200, [(b"x-a", b"1")])
        await hint(send, STYLE)
        await body(send, b"page")

    client = serve(answer).connect()
    for _ in range(2):
        response = client.request("GET")
        assert [one.status for one in response.interim] == [103]
        assert (response.status, response.body, response.header("x-a")) == (200, b"page", "1")


def test_early_hint_to_an_http_1_0_client_is_left_out(serve: Serve) -> None:
    """RFC 9110 section 15.2: HTTP/1.0 knows no interim responses."""

    @app
    async def answer(receive: Any, send: Any) -> None:
        await hint(send, STYLE)
        await respond(send, b"page")

    with RawClient(serve(answer).port) as client:
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        data = client.read_to_end()
    assert b"103" not in data.split(b"\r\n", 1)[0]
    assert data.endswith(b"\r\n\r\npage")
    assert b"style" not in data


@pytest.mark.parametrize("link", [b"</a>\r\nx-b: 1", b"</a>\nx: 1", b"\0", "</a>"], ids=repr)
def test_forbidden_hint_raises_and_the_response_goes_on(serve: Serve, link: Any) -> None:
    @app
    async def answer(receive: Any, send: Any) -> None:
        with pytest.raises(RuntimeError):
            await hint(send, link)
        await respond(send, b"page")

    response = serve(answer).request("GET")
    assert (response.status, response.body, response.interim) == (200, b"page", [])
