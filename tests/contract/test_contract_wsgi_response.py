"""The response: start_response, write() and the iterable (PEP 3333)."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.client import Http1Client
from support.flag import Flag
from support.http import RawClient
from support.inprocess import Served
from support.wsgi import Closing, answering

Serve = Callable[..., Served]


@pytest.mark.parametrize(
    ("result", "body"),
    [
        ([b"hello"], b"hello"),
        ((b"hello",), b"hello"),
        ([], b""),
        ([b""], b""),
        ([b"", b""], b""),
        ([b"a", b"bc", b"", b"d"], b"abcd"),
        ((b"a", b"bc"), b"abc"),
        (lambda: iter([b"a", b"b"]), b"ab"),
        (lambda: (piece for piece in (b"a", b"", b"b")), b"ab"),
        (lambda: iter([]), b""),
        (lambda: map(bytes, [b"x", b"y"]), b"xy"),
        ({b"key": 1}, b"key"),
        ([bytes(3_000_000)], bytes(3_000_000)),
        ([bytes(100_000)] * 30, bytes(3_000_000)),
        (lambda: iter([bytes(100_000)] * 30), bytes(3_000_000)),
    ],
    ids=lambda value: repr(value)[:20] if not callable(value) else "iterator",
)
def test_results(serve_wsgi: Serve, result: Any, body: bytes) -> None:
    client = serve_wsgi(answering(result)).connect()
    for _ in range(2):
        response = client.request("GET")
        assert (response.status, response.body) == (200, body)


@pytest.mark.parametrize("result", [[b"hello"], (b"hello",), [b"he", b"llo"], [], [b""]], ids=repr)
def test_length_is_declared_where_it_is_known(serve_wsgi: Serve, result: Any) -> None:
    response = serve_wsgi(answering(result)).request("GET")
    assert response.header("content-length") == str(len(b"".join(result)))


def test_length_of_the_application_is_kept(serve_wsgi: Serve) -> None:
    headers = [("Content-Length", "6")]
    client = serve_wsgi(answering(lambda: iter([b"abc", b"def"]), headers=headers)).connect()
    for _ in range(2):
        response = client.request("GET")
        assert (response.body, response.header("content-length")) == (b"abcdef", "6")


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        ("200 OK", 200, "OK"),
        ("404 Not Found", 404, "Not Found"),
        ("404 Nothing Here", 404, "Nothing Here"),
        ("299 Mostly Fine", 299, "Mostly Fine"),
        ("599 Odd", 599, "Odd"),
        ("200 caf\xe9", 200, "caf\xe9"),
    ],
)
def test_status(
    serve_wsgi: Serve, status: str, code: int, reason: str, protocol: type[Http1Client]
) -> None:
    response = serve_wsgi(answering([b"x"], status)).request("GET")
    assert (response.status, response.body) == (code, b"x")
    if protocol.http_version == "1.1":
        assert response.reason == reason


def test_headers_keep_order_case_of_values_and_duplicates(serve_wsgi: Serve) -> None:
    headers = [
        ("Content-Type", "text/plain; charset=UTF-8"),
        ("Set-Cookie", "a=1"),
        ("X-Latin", "caf\xe9"),
        ("Set-Cookie", "b=2"),
        ("X-Empty", ""),
    ]
    response = serve_wsgi(answering([b"x"], headers=headers)).request("GET")
    names = {name.lower() for name, _ in headers}
    assert [pair for pair in response.headers if pair[0] in names] == [
        (name.lower(), value) for name, value in headers
    ]


def test_the_applications_headers_are_left_alone(serve_wsgi: Serve) -> None:
    """A list that an application passes with every response must not grow."""
    headers = [("X-A", "1")]

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", headers)
        return environ["wsgi.file_wrapper"](Path(__file__).open("rb"))

    client = serve_wsgi(app).connect()
    client.request("GET")
    assert client.request("GET").status == 200
    assert headers == [("X-A", "1")]


def test_date_and_server_of_the_application_win(serve_wsgi: Serve) -> None:
    headers = [("Date", "Thu, 01 Jan 1970 00:00:00 GMT"), ("Server", "mine")]
    response = serve_wsgi(answering([b"x"], headers=headers)).request("GET")
    assert response.header("date") == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert response.header("server") == "mine"


@pytest.mark.parametrize("piece_count", [1, 2])
@pytest.mark.parametrize("declared", [True, False])
def test_head_has_no_body(serve_wsgi: Serve, piece_count: int, declared: bool) -> None:
    size = 3 * piece_count
    headers = [("Content-Length", str(size))] if declared else []
    client = serve_wsgi(answering(lambda: iter([b"abc"] * piece_count), headers=headers)).connect()
    for _ in range(2):
        response = client.request("HEAD")
        assert (response.status, response.body) == (200, b"")
        if declared:
            assert response.header("content-length") == str(size)


def test_head_may_be_answered_without_a_body(serve_wsgi: Serve) -> None:
    """The length is that of the body a GET would bring."""
    client = serve_wsgi(answering([], headers=[("Content-Length", "1000")])).connect()
    for _ in range(2):
        response = client.request("HEAD")
        assert (response.body, response.header("content-length")) == (b"", "1000")


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
@pytest.mark.parametrize("result", [[], [b""], lambda: iter([])], ids=["[]", "[b'']", "iterator"])
def test_status_without_body(serve_wsgi: Serve, status: str, result: Any) -> None:
    client = serve_wsgi(answering(result, status)).connect()
    for _ in range(2):
        response = client.request("GET")
        assert (response.status, response.body) == (int(status[:3]), b"")
        assert response.header("content-length") is None
        assert response.header("transfer-encoding") is None


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_body_of_a_status_without_body_is_dropped_and_logged(
    serve_wsgi: Serve, status: str
) -> None:
    served = serve_wsgi(answering(lambda: iter([b"must not ", b"be seen"]), status))
    client = served.connect()
    for _ in range(2):
        assert client.request("GET").status == int(status[:3])
    assert status[:3] in served.taken_log()


def test_transfer_encoding_of_the_application_does_not_break_the_framing(
    serve_wsgi: Serve,
) -> None:
    """PEP 3333 forbids hop-by-hop headers to applications; some send them all the same."""
    headers = [("Transfer-Encoding", "chunked"), ("Keep-Alive", "timeout=1")]
    client = serve_wsgi(answering([b"plain"], headers=headers)).connect()
    for _ in range(2):
        response = client.request("GET")
        assert (response.body, response.header("keep-alive")) == (b"plain", None)


def test_http_1_0(serve_wsgi: Serve) -> None:
    """Without a length, the end of the connection is the end of the body."""
    with RawClient(serve_wsgi(answering(lambda: iter([b"a", b"b"]))).port) as client:
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        head, body = client.read_to_end().split(b"\r\n\r\n")
    assert body == b"ab"
    assert b"chunked" not in head


# The iterable.


@pytest.mark.parametrize("threads", [1], indirect=True)
def test_a_piece_leaves_before_the_next_is_made(serve_wsgi: Serve) -> None:
    """PEP 3333, "Buffering and Streaming": no piece is held back."""
    go_on = [Flag(), Flag()]

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        yield b"one"
        go_on[0].wait()
        yield b"two"
        go_on[1].wait()

    stream = serve_wsgi(app).connect().open("GET")
    assert stream.read() == b"one"
    go_on[0].set()
    assert stream.read() == b"two"
    go_on[1].set()
    assert stream.read() == b""


def test_start_response_may_be_called_while_iterating(serve_wsgi: Serve) -> None:
    """Before the first piece that is not empty; that is how generator applications work."""

    def app(environ: Any, start_response: Any) -> Any:
        yield b""
        start_response("201 Created", [("X-A", "1")])
        yield b""
        yield b"made"

    response = serve_wsgi(app).request("GET")
    assert (response.status, response.body, response.header("x-a")) == (201, b"made", "1")


def test_head_does_not_leave_with_an_empty_piece(serve_wsgi: Serve) -> None:
    """Until there is something to send, the application may still change its mind."""

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("X-First", "1")])
        yield b""
        try:
            raise ValueError("changed")
        except ValueError:
            start_response("503 Service Unavailable", [("X-Second", "2")], sys.exc_info())
        yield b"sorry"

    response = serve_wsgi(app).request("GET")
    assert (response.status, response.body) == (503, b"sorry")
    assert (response.header("x-first"), response.header("x-second")) == (None, "2")


def test_result_is_iterated_once(serve_wsgi: Serve) -> None:
    iterated = []

    class Once:
        def __iter__(self) -> Any:
            iterated.append(1)
            return iter([b"a", b"b"])

    assert serve_wsgi(answering(Once)).request("GET").body == b"ab"
    assert iterated == [1]


def test_old_iteration_protocol(serve_wsgi: Serve) -> None:
    """__getitem__ alone makes an iterable too."""

    class Old:
        def __getitem__(self, index: int) -> bytes:
            return [b"a", b"b", b"c"][index]

    assert serve_wsgi(answering(Old)).request("GET").body == b"abc"


# close().


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("pieces", [(), (b"",), (b"a",), (b"a", b"b", b"c")])
@pytest.mark.parametrize("declared", [True, False])
def test_close_is_called_after_the_last_piece(
    serve_wsgi: Serve, method: str, pieces: tuple[bytes, ...], declared: bool
) -> None:
    result = Closing(*pieces)
    headers = [("Content-Length", str(len(b"".join(pieces))))] if declared else []
    served = serve_wsgi(answering(result, headers=headers))
    response = served.request(method, body=b"x" if method == "POST" else None)
    assert response.body == (b"" if method == "HEAD" else b"".join(pieces))
    # The response to HEAD is complete with its head.
    assert result.closed.wait() == (0 if method == "HEAD" else len(pieces))


def test_close_of_a_list(serve_wsgi: Serve) -> None:
    """Also where the result needs no iterating to be sent."""
    closed = Flag()

    class ClosingList(list[bytes]):
        def close(self) -> None:
            closed.set()

    assert serve_wsgi(answering(lambda: ClosingList([b"a", b"b"]))).request("GET").body == b"ab"
    closed.wait()


def test_close_after_an_exception_in_the_iteration(serve_wsgi: Serve) -> None:
    result = Closing(b"a", ValueError("in the iteration"))
    served = serve_wsgi(answering(result))
    served.connect().open("GET").read_broken()
    assert result.closed.wait() == 1
    assert "in the iteration" in served.taken_log()


def test_close_after_an_exception_before_the_first_piece(serve_wsgi: Serve) -> None:
    result = Closing(ValueError("in the iteration"))
    served = serve_wsgi(answering(result))
    assert served.request("GET").status == 500
    assert result.closed.wait() == 0
    assert "in the iteration" in served.taken_log()


def test_close_when_iterating_cannot_begin(serve_wsgi: Serve) -> None:
    closed = Flag()

    class Broken:
        def __iter__(self) -> Any:
            raise ValueError("cannot begin")

        def close(self) -> None:
            closed.set()

    served = serve_wsgi(answering(Broken))
    assert served.request("GET").status == 500
    closed.wait()
    assert "cannot begin" in served.taken_log()


def test_close_of_a_generator_runs_its_finally(serve_wsgi: Serve) -> None:
    finished = Flag()

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", "1")])
        try:
            yield b"a"
            yield b""
        finally:
            finished.set()

    assert serve_wsgi(app).request("GET").body == b"a"
    finished.wait()


def test_exception_in_close_is_logged_and_harms_nobody(serve_wsgi: Serve) -> None:
    class Broken:
        def __iter__(self) -> Any:
            return iter([b"whole"])

        def close(self) -> None:
            raise ValueError("in close")

    served = serve_wsgi(answering(Broken))
    client = served.connect()
    for _ in range(2):
        assert client.request("GET").body == b"whole"
        served.wait_until_idle()
        assert "ValueError: in close" in served.taken_log()


@pytest.mark.parametrize("threads", [1], indirect=True)
def test_slow_close_does_not_hold_the_response(serve_wsgi: Serve) -> None:
    """Work of an application after its last piece does not concern the client."""
    go_on, closed = Flag(), Flag()

    class Slow:
        def __iter__(self) -> Any:
            return iter([b"a", b"b"])

        def close(self) -> None:
            go_on.wait()
            closed.set()

    client = serve_wsgi(answering(Slow)).connect()
    assert client.request("GET").body == b"ab"
    assert not closed.is_set
    go_on.set()
    closed.wait()


# start_response and write().


def test_start_response_returns_write(serve_wsgi: Serve) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [])
        write(b"one ")
        write(b"")
        write(b"two ")
        return [b"three ", b"four"]

    client = serve_wsgi(app).connect()
    for _ in range(2):
        assert client.request("GET").body == b"one two three four"


@pytest.mark.parametrize("result", [[], lambda: iter([]), [b""]], ids=["[]", "iter", "[b'']"])
def test_everything_through_write(serve_wsgi: Serve, result: Any) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])(b"all of it")
        return result() if callable(result) else result

    client = serve_wsgi(app).connect()
    for _ in range(2):
        assert client.request("GET").body == b"all of it"


def test_write_with_the_length_of_the_application(serve_wsgi: Serve) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [("Content-Length", "6")])
        write(b"abc")
        write(b"def")
        return []

    client = serve_wsgi(app).connect()
    for _ in range(2):
        response = client.request("GET")
        assert (response.body, response.header("content-length")) == (b"abcdef", "6")


@pytest.mark.parametrize("threads", [1], indirect=True)
def test_write_leaves_at_once(serve_wsgi: Serve) -> None:
    go_on = Flag()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])(b"one")
        go_on.wait()
        return [b"two"]

    stream = serve_wsgi(app).connect().open("GET")
    assert stream.read() == b"one"
    go_on.set()
    assert stream.response().body == b"two"


def test_write_on_head(serve_wsgi: Serve) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])(b"not sent")
        return [b"nor this"]

    client = serve_wsgi(app).connect()
    for _ in range(2):
        assert client.request("HEAD").body == b""


def test_start_response_twice_is_an_error(serve_wsgi: Serve) -> None:
    """PEP 3333: fatal without exc_info."""
    raised = Flag()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        try:
            start_response("201 Created", [])
        except Exception as error:
            raised.set(error)
            raise
        return [b"x"]

    served = serve_wsgi(app)
    assert served.request("GET").status == 500
    assert isinstance(raised.wait(), Exception)
    assert "start_response" in served.taken_log()


def test_exc_info_replaces_a_head_that_has_not_left(serve_wsgi: Serve) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("X-First", "1"), ("Content-Length", "1000")])
        try:
            raise ValueError("half way")
        except ValueError:
            start_response("500 Oops", [("X-Second", "2")], sys.exc_info())
        return [b"error page"]

    client = serve_wsgi(app).connect()
    for _ in range(2):
        response = client.request("GET")
        assert (response.status, response.body) == (500, b"error page")
        assert (response.header("x-first"), response.header("x-second")) == (None, "2")
        assert response.header("content-length") == "10"


def test_exc_info_the_first_time(serve_wsgi: Serve) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        try:
            raise ValueError("before anything")
        except ValueError:
            start_response("500 Oops", [], sys.exc_info())
        return [b"error page"]

    assert serve_wsgi(app).request("GET").body == b"error page"


def test_exc_info_none_is_none(serve_wsgi: Serve) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [], None)
        return [b"fine"]

    assert serve_wsgi(app).request("GET").body == b"fine"


@pytest.mark.parametrize("how", ["write", "yield"])
def test_exc_info_after_the_head_raises_it_again(serve_wsgi: Serve, how: str) -> None:
    """With its traceback, so that the application is stopped by its own exception."""
    raised = Flag()

    def fail(start_response: Any) -> None:
        try:
            raise ValueError("half way")
        except ValueError as error:
            try:
                start_response("500 Oops", [("X-Second", "2")], sys.exc_info())
            except BaseException as again:
                raised.set(again is error)
                raise

    def with_write(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])(b"begun")
        fail(start_response)
        return [b"not reached"]

    def with_yield(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        yield b"begun"
        fail(start_response)

    served = serve_wsgi(with_write if how == "write" else with_yield)
    assert b"begun".startswith(served.connect().open("GET").read_broken())
    assert raised.wait() is True
    assert "ValueError: half way" in served.taken_log()


# wsgi.early_hints.

STYLE = "</style.css>; rel=preload; as=style"


def test_early_hints(serve_wsgi: Serve) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        environ["wsgi.early_hints"]([("Link", STYLE), ("Link", "</b>; rel=preload")])
        start_response("200 OK", [])
        environ["wsgi.early_hints"]([("Link", "</c>; rel=preload")])
        return [b"page"]

    client = serve_wsgi(app).connect()
    for _ in range(2):
        response = client.request("GET")
        assert [(one.status, one.headers) for one in response.interim] == [
            (103, [("link", STYLE), ("link", "</b>; rel=preload")]),
            (103, [("link", "</c>; rel=preload")]),
        ]
        assert (response.status, response.body) == (200, b"page")


@pytest.mark.parametrize("threads", [1], indirect=True)
def test_early_hints_leave_at_once(serve_wsgi: Serve) -> None:
    go_on = Flag()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        environ["wsgi.early_hints"]([("Link", STYLE)])
        go_on.wait()
        start_response("200 OK", [])
        return [b"page"]

    stream = serve_wsgi(app).connect().open("GET")
    assert stream.interim().headers == [("link", STYLE)]
    go_on.set()
    assert stream.response().body == b"page"


def test_early_hints_to_an_http_1_0_client_are_left_out(serve_wsgi: Serve) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        environ["wsgi.early_hints"]([("Link", STYLE)])
        start_response("200 OK", [])
        return [b"page"]

    with RawClient(serve_wsgi(app).port) as client:
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        assert b"style" not in client.read_to_end()
