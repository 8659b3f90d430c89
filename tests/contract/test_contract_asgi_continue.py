"""Expect: 100-continue (RFC 9110 section 10.1.1), answered when the application first reads."""

from collections.abc import Callable
from typing import Any

from support.asgi import app, read_body, read_messages, respond
from support.flag import Flag
from support.inprocess import Served

Serve = Callable[..., Served]

EXPECT = [("Expect", "100-continue"), ("Content-Length", "5")]


def test_continue_is_sent_when_the_application_first_reads(serve: Serve) -> None:
    called, read = Flag(), Flag()

    @app
    async def upload(receive: Any, send: Any) -> None:
        called.set()
        await read.reached()
        await respond(send, await read_body(receive))

    client = serve(upload).connect()
    stream = client.open("POST", "/", EXPECT, more=True)
    called.wait()
    assert client.is_silent()
    read.set()
    assert stream.interim().status == 100
    stream.send(b"hello", end=True)
    response = stream.response()
    assert (response.body, [one.status for one in response.interim]) == (b"hello", [100])


def test_continue_is_sent_once(serve: Serve) -> None:
    @app
    async def upload(receive: Any, send: Any) -> None:
        messages = await read_messages(receive)
        await respond(send, b"".join(message["body"] for message in messages))

    client = serve(upload).connect()
    for _ in range(2):
        stream = client.open("POST", "/", EXPECT, more=True)
        assert stream.interim().status == 100
        stream.send(b"hel")
        stream.send(b"lo", end=True)
        response = stream.response()
        assert (response.body, len(response.interim)) == (b"hello", 1)


def test_no_continue_when_the_application_answers_without_reading(serve: Serve) -> None:
    """The client then never sends the body: that is what Expect is for."""

    @app
    async def refuse(receive: Any, send: Any) -> None:
        await respond(send, b"no", 413)

    client = serve(refuse).connect()
    stream = client.open("POST", "/", EXPECT, more=True)
    response = stream.response()
    assert (response.status, response.body, response.interim) == (413, b"no", [])


def test_connection_does_not_guess_whether_the_body_comes_after_all(serve: Serve) -> None:
    """RFC 9110 section 10.1.1: close, or read the body; a body is never taken for a request."""
    paths = []

    async def refuse(scope: Any, receive: Any, send: Any) -> None:
        paths.append(scope["path"])
        await respond(send, b"no", 413)

    client = serve(refuse).connect()
    stream = client.open(
        "POST", "/", [("Expect", "100-continue"), ("Content-Length", "33")], more=True
    )
    assert stream.response().status == 413
    try:
        client.write(b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"[:33])
    except OSError:
        pass
    assert client.is_closed_by_server()
    assert paths == ["/"]


def test_no_continue_for_a_body_that_is_there(serve: Serve) -> None:
    """RFC 9110: the server may leave it out when it has received some of the body."""
    called, read = Flag(), Flag()

    @app
    async def upload(receive: Any, send: Any) -> None:
        called.set()
        await read.reached()
        await respond(send, await read_body(receive))

    client = serve(upload).connect()
    stream = client.open("POST", "/", EXPECT, body=b"hello")
    called.wait()
    read.set()
    assert stream.response().body == b"hello"


def test_no_continue_without_a_body(serve: Serve) -> None:
    @app
    async def upload(receive: Any, send: Any) -> None:
        await respond(send, await read_body(receive))

    client = serve(upload).connect()
    for _ in range(2):
        response = client.request(
            "POST", "/", [("Expect", "100-continue"), ("Content-Length", "0")]
        )
        assert (response.status, response.interim) == (200, [])
