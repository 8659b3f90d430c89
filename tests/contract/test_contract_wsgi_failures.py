"""Applications that raise, or send what HTTP or PEP 3333 does not allow."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from support.flag import DEADLINE, Flag
from support.http import ConnectionEnded
from support.inprocess import Served
from support.wsgi import Closing, answering

Serve = Callable[..., Served]

ERROR_PAGE = (500, b"Internal Server Error")


class Mistake(Exception):
    pass


def raises_at_once(environ: Any, start_response: Any) -> Any:
    raise Mistake("in the application")


def raises_after_start_response(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [("X-Mine", "1"), ("Content-Length", "3")])
    raise Mistake("in the application")


def raises_before_the_first_piece(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [("X-Mine", "1")])
    yield b""
    raise Mistake("in the application")


@pytest.mark.parametrize(
    "app", [raises_at_once, raises_after_start_response, raises_before_the_first_piece]
)
def test_exception_before_the_head_becomes_500(serve_wsgi: Serve, app: Any) -> None:
    served = serve_wsgi(app)
    client = served.connect()
    for _ in range(2):
        response = client.request("GET", "/where")
        assert (response.status, response.body) == ERROR_PAGE
        assert response.header("x-mine") is None
        assert response.header("content-type") == "text/plain; charset=utf-8"
    log = served.taken_log()
    assert log.count("ERROR WSGI application raised: GET /where") == 2
    assert "Mistake: in the application" in log


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("how", ["yield", "write"])
def test_exception_after_the_head_breaks_the_response_off(
    serve_wsgi: Serve, declared: bool, how: str
) -> None:
    headers = [("Content-Length", "100")] if declared else []

    def yields(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", headers)
        yield b"half"
        raise Mistake("half way")

    def writes(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", headers)(b"half")
        raise Mistake("half way")

    served = serve_wsgi(yields if how == "yield" else writes)
    assert b"half".startswith(served.connect().open("GET").read_broken())
    served.wait_until_idle()
    assert "Mistake: half way" in served.taken_log()


def test_exception_after_the_last_byte_leaves_the_response_whole(serve_wsgi: Serve) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", "5")])
        yield b"whole"
        raise Mistake("too late to matter")

    served = serve_wsgi(app)
    client = served.connect()
    for _ in range(2):
        assert client.request("GET").body == b"whole"
    served.wait_until_idle()
    assert "too late to matter" in served.taken_log()


def test_exception_with_an_unread_body(serve_wsgi: Serve) -> None:
    served = serve_wsgi(raises_at_once)
    client = served.connect()
    for _ in range(2):
        assert client.request("POST", body=bytes(10_000)).status == 500
    served.taken_log()


def test_exit_inside_the_application_becomes_500_and_no_exit(serve_wsgi: Serve) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        raise SystemExit(3)

    served = serve_wsgi(app)
    for _ in range(2):
        assert served.request("GET").status == 500
        assert "SystemExit" in served.taken_log()


def test_oserror_of_the_application_is_an_error(serve_wsgi: Serve) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        raise BrokenPipeError("the database went away")

    served = serve_wsgi(app)
    assert served.request("GET").status == 500
    assert "the database went away" in served.taken_log()


def forgets_start_response(environ: Any, start_response: Any) -> Any:
    return [b"x"]


def yields_without_start_response(environ: Any, start_response: Any) -> Any:
    yield b"x"


def nothing_at_all(environ: Any, start_response: Any) -> Any:
    return []


@pytest.mark.parametrize(
    "app", [forgets_start_response, yields_without_start_response, nothing_at_all]
)
def test_no_start_response_becomes_500(serve_wsgi: Serve, app: Any) -> None:
    served = serve_wsgi(app)
    client = served.connect()
    for _ in range(2):
        response = client.request("GET")
        assert (response.status, response.body) == ERROR_PAGE
    assert "start_response" in served.taken_log()


@pytest.mark.parametrize(
    "result",
    ["text", ["text"], [b"a", "text"], [None], [1], 5, None, (b"a", 1), b"bytes"],
    ids=repr,
)
def test_result_that_is_no_iterable_of_bytes_becomes_500(serve_wsgi: Serve, result: Any) -> None:
    served = serve_wsgi(answering(result))
    client = served.connect()
    for _ in range(2):
        response = client.request("GET")
        assert (response.status, response.body) == ERROR_PAGE
    assert "ERROR WSGI application" in served.taken_log()


@pytest.mark.parametrize("piece", ["text", 1, ["a"]], ids=repr)
def test_first_piece_that_is_no_bytes_becomes_500(serve_wsgi: Serve, piece: Any) -> None:
    result = Closing(b"", piece)
    served = serve_wsgi(answering(result))
    assert served.request("GET").status == 500
    result.closed.wait()
    served.taken_log()


@pytest.mark.parametrize("piece", ["text", 1, ["a"]], ids=repr)
def test_later_piece_that_is_no_bytes_breaks_the_response_off(
    serve_wsgi: Serve, piece: Any
) -> None:
    result = Closing(b"good", piece)
    served = serve_wsgi(answering(result))
    assert b"good".startswith(served.connect().open("GET").read_broken())
    result.closed.wait()
    assert type(piece).__name__ in served.taken_log()


@pytest.mark.parametrize("data", ["text", None, 1], ids=repr)
def test_write_of_what_is_no_bytes_raises(serve_wsgi: Serve, data: Any) -> None:
    raised = Flag()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [])
        try:
            write(data)
        except Exception as error:
            raised.set(error)
        return [b"went on"]

    assert serve_wsgi(app).request("GET").body == b"went on"
    assert isinstance(raised.wait(), Exception)


MALFORMED_STATUS: list[Any] = ["", "OK", "20 OK", "2000 OK", "abc No", "-20 OK", "099 Low"]
MALFORMED_STATUS += [
    b"200 OK",
    200,
    None,
    "200 a\r\nX-Split: 1",
    "200 a\nb",
    "200 \0",
    "200 \u20ac",
]


@pytest.mark.parametrize("status", MALFORMED_STATUS, ids=repr)
def test_malformed_status_becomes_500(serve_wsgi: Serve, status: Any) -> None:
    served = serve_wsgi(answering([b"x"], status))
    client = served.connect()
    for _ in range(2):
        response = client.request("GET")
        assert (response.status, response.body) == ERROR_PAGE
        assert response.header("x-split") is None
    assert "ERROR WSGI application" in served.taken_log()


MALFORMED_HEADERS = [
    [("X-A", "1\r\nSet-Cookie: stolen=1")],
    [("X-A", "1\nX-B: 2")],
    [("X-A", "1\rX-B: 2")],
    [("X-A", "1\0")],
    [("X-A\r\nX-B", "1")],
    [("X-A: b\nX-C", "1")],
    [("", "1")],
    [("X A", "1")],
    [("X:A", "1")],
    [("X-\u20ac", "1")],
    [("X-A", "\u20ac")],
    [(b"X-A", b"1")],
    [("X-A", b"1")],
    [("X-A", 1)],
    [("X-A", None)],
    [("X-A",)],
    [("X-A", "1", "2")],
    ["X-A: 1"],
    [None],
    [("Content-Length", "one")],
    [("Content-Length", "-1")],
    [("Content-Length", "1"), ("Content-Length", "2")],
]


@pytest.mark.parametrize("headers", MALFORMED_HEADERS, ids=repr)
@pytest.mark.parametrize("streamed", [False, True])
def test_malformed_headers_become_500(serve_wsgi: Serve, headers: Any, streamed: bool) -> None:
    """Nothing of such a head leaves the server."""
    result: Any = (lambda: iter([b"x"])) if streamed else [b"x"]
    served = serve_wsgi(answering(result, headers=[("X-First", "1"), *headers]))
    client = served.connect()
    for _ in range(2):
        response = client.request("GET")
        assert (response.status, response.body) == ERROR_PAGE
        assert not {"x-first", "x-a", "x-b", "set-cookie"} & {name for name, _ in response.headers}
    served.wait_until_idle()
    assert "ERROR WSGI application" in served.taken_log()


def test_forbidden_bytes_raise_in_the_application_which_can_recover(serve_wsgi: Serve) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        try:
            start_response("200 OK", [("X-A", "1\r\nX-B: 2")])
        except Exception:
            start_response("503 Service Unavailable", [("X-C", "3")])
        return [b"sorry"]

    client = serve_wsgi(app).connect()
    for _ in range(2):
        response = client.request("GET")
        assert (response.status, response.body) == (503, b"sorry")
        assert (response.header("x-b"), response.header("x-c")) == (None, "3")


@pytest.mark.parametrize("pieces", [[b"ab"], [b"a", b"b"], []], ids=repr)
@pytest.mark.parametrize("streamed", [False, True])
def test_body_too_short_never_looks_whole(
    serve_wsgi: Serve, pieces: list[bytes], streamed: bool
) -> None:
    """Aborted, or a 500 if nothing had been sent; never a message that waits forever."""
    result: Any = (lambda: iter(pieces)) if streamed else pieces
    served = serve_wsgi(answering(result, headers=[("Content-Length", "5")]))
    stream = served.connect().open("GET")
    try:
        assert stream.response().status == 500
    except ConnectionEnded:
        pass
    served.wait_until_idle()
    assert "Content-Length" in served.taken_log()


@pytest.mark.parametrize("pieces", [[b"abcdef"], [b"ab", b"cdef"], [b"abcd", b"e"]], ids=repr)
@pytest.mark.parametrize("streamed", [False, True])
def test_body_too_long_never_sends_the_rest(
    serve_wsgi: Serve, pieces: list[bytes], streamed: bool
) -> None:
    """A client takes bytes past the declared length for the next response."""
    result: Any = (lambda: iter(pieces)) if streamed else pieces
    served = serve_wsgi(answering(result, headers=[("Content-Length", "4")]))
    try:
        response = served.request("GET")
    except ConnectionEnded:
        pass
    else:
        assert response.status == 500 or response.body == b"abcd"
    served.wait_until_idle()
    assert "Content-Length" in served.taken_log()


def test_body_too_long_through_write_raises(serve_wsgi: Serve) -> None:
    raised = Flag()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [("Content-Length", "4")])
        write(b"abcd")
        try:
            write(b"e")
        except Exception as error:
            raised.set(error)
        return []

    served = serve_wsgi(app)
    client = served.connect()
    assert client.request("GET").body == b"abcd"
    assert "Content-Length" in str(raised.wait())
    served.wait_until_idle()
    served.taken_log()


class Ending:
    """A result that raises `error` in one of its methods."""

    def __init__(self, where: str, error: BaseException) -> None:
        self.where = where
        self.error = error
        self.pieces = iter([b"whole"])

    def __iter__(self) -> Any:
        self.stumble("iter")
        return self

    def __next__(self) -> bytes:
        self.stumble("next")
        return next(self.pieces)

    def close(self) -> None:
        self.stumble("close")

    def read(self, size: int = -1) -> bytes:
        self.stumble("next")
        return next(self.pieces, b"")

    def stumble(self, where: str) -> None:
        if where == self.where:
            raise self.error


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
@pytest.mark.parametrize("where", ["call", "iter", "next", "close", "wrapper", "wrapped"])
def test_no_exception_costs_a_thread(
    served: Serve, threads: int, where: str, error: BaseException
) -> None:
    """Nor, with `--threads 0`, the loop."""

    def app(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/fine":
            start_response("200 OK", [])
            return [b"fine"]
        if where == "call":
            raise error
        start_response("200 OK", [])
        if where in ("wrapper", "wrapped"):
            place = "close" if where == "wrapper" else "next"
            return environ["wsgi.file_wrapper"](Ending(place, error))
        return Ending(where, error)

    one = served(app, interface="wsgi", threads=min(threads, 1)).start()
    client = one.connect()
    stumbles = client.request("GET")
    whole = where in ("close", "wrapper")
    assert stumbles.status == (200 if whole else 500)
    assert client.request("GET", "/fine").body == b"fine"
    one.wait_until_idle()
    assert type(error).__name__ in one.taken_log()


class BrokenLog:
    """An access log that fails at one path, when the response is complete."""

    def record(self, client: str, method: str, target: bytes, *rest: Any) -> None:
        if target == b"/broken":
            raise LookupError("the log is broken")

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


def test_what_cannot_be_carried_out_holds_up_nobody(loop_kind: str) -> None:
    """Answers that come back to the loop together with one that something below fails at."""
    asked, release = threading.Barrier(4), threading.Event()

    def app(environ: Any, start_response: Any) -> Any:
        asked.wait(DEADLINE)
        assert release.wait(DEADLINE)
        start_response("200 OK", [])
        yield b"some"
        yield b"thing"

    with Served(app, loop_kind, access=BrokenLog(), interface="wsgi", threads=3) as served:
        broken = served.connect()
        broken.open("GET", "/broken")
        streams = [served.connect().open("GET", "/fine") for _ in range(2)]
        asked.wait(DEADLINE)
        release.set()
        assert [stream.response().body for stream in streams] == [b"something"] * 2
        while broken.read():
            pass
        served.wait_until_idle()
        log = served.taken_log()
        assert log.count("ERROR WSGI application could not be answered: GET /broken") == 1
        assert "the log is broken" in log
