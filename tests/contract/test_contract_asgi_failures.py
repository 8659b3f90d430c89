"""Applications that raise, stop in the middle, or send what HTTP does not allow."""

from collections.abc import Callable
from typing import Any

import pytest

from support.asgi import app, body, read_body, respond, start
from support.flag import Flag
from support.http import ConnectionEnded
from support.inprocess import Served

Serve = Callable[..., Served]

ERROR_PAGE = (500, b"Internal Server Error")


class Mistake(Exception):
    pass


def test_exception_before_the_response_becomes_500(serve: Serve) -> None:
    @app
    async def stumble(receive: Any, send: Any) -> None:
        raise Mistake("in the application")

    served = serve(stumble)
    client = served.connect()
    for _ in range(2):
        response = client.request("GET", "/where")
        assert (response.status, response.body) == ERROR_PAGE
        assert response.header("content-type") == "text/plain; charset=utf-8"
    log = served.taken_log()
    assert log.count("ERROR ASGI application raised: GET /where") == 2
    assert "Mistake: in the application" in log


def test_client_is_told_nothing_of_the_exception(serve: Serve) -> None:
    @app
    async def stumble(receive: Any, send: Any) -> None:
        raise Mistake("secret")

    served = serve(stumble)
    response = served.request("GET")
    assert b"secret" not in response.body
    assert b"Mistake" not in response.body
    assert "secret" in served.taken_log()


def test_exception_between_start_and_body_becomes_500(serve: Serve) -> None:
    """The head has not left yet: the application may still fail, with its own head forgotten."""

    @app
    async def stumble(receive: Any, send: Any) -> None:
        await start(send, 200, [(b"content-length", b"3"), (b"x-mine", b"1")])
        raise Mistake

    served = serve(stumble)
    response = served.request("GET")
    assert (response.status, response.body) == ERROR_PAGE
    assert response.header("x-mine") is None
    assert "Mistake" in served.taken_log()


@pytest.mark.parametrize("declared", [True, False])
def test_exception_after_the_head_breaks_the_response_off(serve: Serve, declared: bool) -> None:
    """The client must not take what it has for the whole."""

    @app
    async def stumble(receive: Any, send: Any) -> None:
        await start(send, 200, [(b"content-length", b"100")] if declared else [])
        await body(send, b"half", more=True)
        raise Mistake

    served = serve(stumble)
    assert served.connect().open("GET").read_broken() in (b"half", b"")
    assert "Mistake" in served.taken_log()


def test_exception_after_the_response_leaves_it_whole(serve: Serve) -> None:
    @app
    async def stumble(receive: Any, send: Any) -> None:
        await respond(send, b"whole")
        raise Mistake

    served = serve(stumble)
    client = served.connect()
    for _ in range(2):
        assert client.request("GET").body == b"whole"
    served.wait_until_idle()
    assert "Mistake" in served.taken_log()


def test_exception_with_an_unread_body(serve: Serve) -> None:
    @app
    async def stumble(receive: Any, send: Any) -> None:
        raise Mistake

    served = serve(stumble)
    client = served.connect()
    for _ in range(2):
        assert client.request("POST", body=bytes(10_000)).status == 500
    assert "Mistake" in served.taken_log()


def test_exception_on_head(serve: Serve) -> None:
    @app
    async def stumble(receive: Any, send: Any) -> None:
        raise Mistake

    served = serve(stumble)
    client = served.connect()
    for _ in range(2):
        response = client.request("HEAD")
        assert (response.status, response.body) == (500, b"")
    assert "Mistake" in served.taken_log()


def test_oserror_of_the_application_is_an_error(serve: Serve) -> None:
    """Only the server's own, about a client that left, is not."""

    @app
    async def stumble(receive: Any, send: Any) -> None:
        raise ConnectionResetError("the database went away")

    served = serve(stumble)
    assert served.request("GET").status == 500
    assert "the database went away" in served.taken_log()


def test_exception_group(serve: Serve) -> None:
    """The exceptions of task groups."""

    @app
    async def stumble(receive: Any, send: Any) -> None:
        raise ExceptionGroup("several", [Mistake("one"), ValueError("two")])

    served = serve(stumble)
    assert served.request("GET").status == 500
    log = served.taken_log()
    assert "Mistake: one" in log
    assert "ValueError: two" in log


async def nothing(receive: Any, send: Any) -> None:
    await read_body(receive)


async def only_start(receive: Any, send: Any) -> None:
    await start(send)


async def half(receive: Any, send: Any) -> None:
    await start(send)
    await body(send, b"half", more=True)


@pytest.mark.parametrize("kind", [nothing, only_start])
def test_return_without_a_response_becomes_500(serve: Serve, kind: Any) -> None:
    served = serve(app(kind))
    client = served.connect()
    for _ in range(2):
        response = client.request("GET")
        assert (response.status, response.body) == ERROR_PAGE
    assert "returned without completing its response" in served.taken_log()


def test_return_in_the_middle_breaks_the_response_off(serve: Serve) -> None:
    served = serve(app(half))
    assert served.connect().open("GET").read_broken() in (b"half", b"")
    assert "returned without completing its response" in served.taken_log()


FORBIDDEN_HEADERS = [
    (b"x-a", b"1\r\nset-cookie: stolen=1"),
    (b"x-a", b"1\nx-b: 2"),
    (b"x-a", b"1\rx-b: 2"),
    (b"x-a", b"1\0"),
    (b"x-a\r\nx-b", b"1"),
    (b"x-a: b\nx-c", b"1"),
    (b"", b"1"),
    (b"x a", b"1"),
    (b"x:a", b"1"),
    (b"x\0a", b"1"),
    (b"caf\xe9", b"1"),
]


@pytest.mark.parametrize("header", FORBIDDEN_HEADERS, ids=repr)
def test_forbidden_bytes_raise_and_become_500(serve: Serve, header: tuple[bytes, bytes]) -> None:
    """Response splitting (CVE-2020-7695): nothing of such a head leaves the server."""
    raised = Flag()

    @app
    async def inject(receive: Any, send: Any) -> None:
        try:
            await respond(send, b"injected", headers=[(b"x-first", b"1"), header])
        except RuntimeError as error:
            raised.set(error)
            raise

    served = serve(inject)
    client = served.connect()
    response = client.request("GET")
    assert (response.status, response.body) == ERROR_PAGE
    assert not {"x-first", "x-a", "x-b", "set-cookie"} & {name for name, _ in response.headers}
    assert isinstance(raised.wait(), RuntimeError)
    assert "ERROR ASGI application raised: GET /" in served.taken_log()


@pytest.mark.parametrize("header", FORBIDDEN_HEADERS, ids=repr)
def test_application_can_recover_with_another_answer(
    serve: Serve, header: tuple[bytes, bytes]
) -> None:
    """Frameworks turn an exception into a page of their own."""

    @app
    async def recover(receive: Any, send: Any) -> None:
        try:
            await respond(send, b"injected", headers=[(b"x-first", b"1"), header])
        except RuntimeError:
            await respond(send, b"sorry", 503, [(b"x-second", b"2")])

    client = serve(recover).connect()
    for _ in range(2):
        response = client.request("GET")
        assert (response.status, response.body) == (503, b"sorry")
        assert (response.header("x-first"), response.header("x-second")) == (None, "2")


def lengths(declared: int, pieces: list[bytes]) -> Any:
    @app
    async def answer(receive: Any, send: Any) -> None:
        await start(send, 200, [(b"content-length", b"%d" % declared)])
        for piece in pieces[:-1]:
            await body(send, piece, more=True)
        await body(send, pieces[-1])

    return answer


@pytest.mark.parametrize("pieces", [[b"abc"], [b"a", b"bc"], [b"abc", b""], [b"", b"abc"]])
def test_right_length(serve: Serve, pieces: list[bytes]) -> None:
    client = serve(lengths(3, pieces)).connect()
    for _ in range(2):
        response = client.request("GET")
        assert (response.body, response.header("content-length")) == (b"abc", "3")


@pytest.mark.parametrize("declared", [2, 4])
def test_wrong_length_of_a_whole_body_becomes_500(serve: Serve, declared: int) -> None:
    """It is noticed before anything has left."""
    served = serve(lengths(declared, [b"abc"]))
    client = served.connect()
    for _ in range(2):
        response = client.request("GET")
        assert (response.status, response.body) == ERROR_PAGE
    assert "Content-Length" in served.taken_log()


def test_body_too_short_breaks_the_response_off(serve: Serve) -> None:
    served = serve(lengths(5, [b"ab", b"cd"]))
    assert b"abcd".startswith(served.connect().open("GET").read_broken())
    assert "Content-Length" in served.taken_log()


def test_body_too_long_raises_and_breaks_the_response_off(serve: Serve) -> None:
    """Not a byte past the declared length is sent: a client takes it for the next response."""
    served = serve(lengths(5, [b"ab", b"cdef"]))
    assert served.connect().open("GET").read_broken() in (b"ab", b"")
    assert "Content-Length" in served.taken_log()


def test_body_after_the_declared_length_does_not_reach_the_client(serve: Serve) -> None:
    served = serve(lengths(2, [b"ab", b"cd"]))
    stream = served.connect().open("GET")
    try:
        assert stream.response().body == b"ab"
    except ConnectionEnded:
        pass  # the application has failed, so the server need not hold on to what it sent
    served.wait_until_idle()
    assert "Content-Length" in served.taken_log()


def test_body_too_long_can_be_corrected(serve: Serve) -> None:
    """The call that was refused has sent nothing."""

    @app
    async def correct(receive: Any, send: Any) -> None:
        await start(send, 200, [(b"content-length", b"4")])
        await body(send, b"ab", more=True)
        with pytest.raises(RuntimeError):
            await body(send, b"cdef", more=True)
        await body(send, b"cd")

    client = serve(correct).connect()
    for _ in range(2):
        assert client.request("GET").body == b"abcd"


def test_body_too_short_can_be_completed(serve: Serve) -> None:
    @app
    async def correct(receive: Any, send: Any) -> None:
        await start(send, 200, [(b"content-length", b"4")])
        await body(send, b"ab", more=True)
        with pytest.raises(RuntimeError):
            await body(send, b"c")
        await body(send, b"cd")

    client = serve(correct).connect()
    for _ in range(2):
        assert client.request("GET").body == b"abcd"


def test_exit_inside_the_application_becomes_500_and_no_exit(serve: Serve) -> None:
    """sys.exit() in a view is a mistake, not a way to stop the server."""

    @app
    async def leave(receive: Any, send: Any) -> None:
        raise SystemExit(3)

    served = serve(leave)
    for _ in range(2):
        assert served.request("GET").status == 500
        assert "SystemExit" in served.taken_log()
