"""`wsgi.input` (PEP 3333, "Input and Error Streams")."""

from collections.abc import Callable
from typing import Any

import pytest

from support.flag import Flag
from support.inprocess import Served

Serve = Callable[..., Served]

LINES = b"first\nsecond\r\n\nno end"
LARGE = b"".join(b"line %d of a large body\n" % number for number in range(50_000))


def read_all(stream: Any) -> bytes:
    return bytes(stream.read())


def read_minus_one(stream: Any) -> bytes:
    return bytes(stream.read(-1))


def read_pieces(size: int) -> Callable[[Any], bytes]:
    def read(stream: Any) -> bytes:
        pieces = list(iter(lambda: stream.read(size), b""))
        assert all(len(piece) <= size for piece in pieces)
        # Read in full except at the end: applications parse by fixed sizes.
        assert all(len(piece) == size for piece in pieces[:-1])
        return b"".join(pieces)

    return read


def read_lines(stream: Any) -> bytes:
    lines = list(iter(stream.readline, b""))
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines[:-1])
    return b"".join(lines)


def read_bounded_lines(stream: Any) -> bytes:
    lines = list(iter(lambda: stream.readline(7), b""))
    assert all(len(line) <= 7 for line in lines)
    return b"".join(lines)


def read_list_of_lines(stream: Any) -> bytes:
    lines = stream.readlines()
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines[:-1])
    return b"".join(lines)


def read_hinted_lines(stream: Any) -> bytes:
    return b"".join(stream.readlines(10)) + b"".join(stream.readlines())


def iterate(stream: Any) -> bytes:
    return b"".join(stream)


def mixed(stream: Any) -> bytes:
    """One way after the other, with nothing lost between them."""
    parts = [stream.read(3), stream.readline(), stream.read(0), next(iter(stream), b"")]
    return b"".join([*parts, stream.read(5), stream.readline(2), stream.read()])


WAYS = [
    read_all,
    read_minus_one,
    read_pieces(1000),
    read_pieces(65536),
    read_pieces(65537),
    read_lines,
    read_list_of_lines,
    read_hinted_lines,
    iterate,
    mixed,
]
NAMES = [
    "read",
    "read(-1)",
    "read(1000)",
    "read(65536)",
    "read(65537)",
    "readline",
    "readlines",
    "readlines(hint)",
    "iteration",
    "mixed",
]


def echo(way: Callable[[Any], bytes]) -> Any:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        data = way(environ["wsgi.input"])
        start_response("200 OK", [])
        return [data]

    return app


@pytest.mark.parametrize("way", WAYS, ids=NAMES)
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("data", [LINES, LARGE], ids=["small", "large"])
def test_ways_of_reading(
    serve_wsgi: Serve, way: Callable[[Any], bytes], chunked: bool, data: bytes
) -> None:
    """Twice on one connection, so that what was not read would show."""
    client = serve_wsgi(echo(way)).connect()
    for _ in range(2):
        if chunked:
            stream = client.open("POST", more=True)
            for offset in range(0, len(data), 300_000):
                stream.send(data[offset : offset + 300_000])
            stream.send(b"", end=True)
            response = stream.response()
        else:
            response = client.request("POST", body=data)
        assert response.body == data


def test_short_lines_of_bounded_length(serve_wsgi: Serve) -> None:
    assert serve_wsgi(echo(read_bounded_lines)).request("POST", body=LINES).body == LINES


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("data", [None, b""])
@pytest.mark.parametrize("way", WAYS, ids=NAMES)
def test_no_body(serve_wsgi: Serve, method: str, data: bytes | None, way: Any) -> None:
    """The end is there at once: nothing waits for bytes that will not come."""
    client = serve_wsgi(echo(way)).connect()
    for _ in range(2):
        assert client.request(method, body=data).body == b""


def test_the_end_stays_the_end(serve_wsgi: Serve) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        stream = environ["wsgi.input"]
        stream.read()
        start_response("200 OK", [])
        return [repr([stream.read(), stream.read(1), stream.readline(), [*stream]]).encode()]

    for data in (b"abc", LARGE):
        response = serve_wsgi(app).request("POST", body=data)
        assert response.body == b"[b'', b'', b'', []]"


def test_pieces_are_bytes(serve_wsgi: Serve) -> None:
    types = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        stream = environ["wsgi.input"]
        types.extend(map(type, [stream.read(1), stream.readline(), stream.read(), stream.read()]))
        start_response("200 OK", [])
        return []

    for data in (LINES, LARGE):
        assert serve_wsgi(app).request("POST", body=data).status == 200
    assert set(types) == {bytes}


@pytest.mark.parametrize("size", [10, 60_000, 200_000])
def test_body_that_is_never_read(serve_wsgi: Serve, size: int) -> None:
    """It does not become the next request."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["PATH_INFO"].encode()]

    client = serve_wsgi(app).connect()
    for number in range(3):
        body = (b"GET /smuggled HTTP/1.1\r\n\r\n" * (size // 20))[:size]
        assert client.request("POST", f"/{number}", body=body).body == b"/%d" % number


@pytest.mark.parametrize("size", [10, 60_000, 200_000])
def test_body_that_is_partly_read(serve_wsgi: Serve, size: int) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["wsgi.input"].read(5)]

    client = serve_wsgi(app).connect()
    for _ in range(3):
        assert client.request("POST", body=b"12345" + bytes(size)).body == b"12345"


@pytest.mark.parametrize("threads", [1], indirect=True)
def test_large_body_streams(serve_wsgi: Serve) -> None:
    """The application reads the beginning before the client has sent the end."""
    got = Flag()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        stream = environ["wsgi.input"]
        got.set(stream.read(100_000))
        start_response("200 OK", [])
        return [b"%d" % len(stream.read())]

    stream = serve_wsgi(app).connect().open("POST", more=True)
    stream.send(bytes(100_000))
    assert got.wait() == bytes(100_000)
    stream.send(bytes(50_000))
    stream.send(b"", end=True)
    assert stream.response().body == b"50000"


@pytest.mark.parametrize("threads", [1], indirect=True)
def test_small_body_that_comes_slowly_streams_too(serve_wsgi: Serve) -> None:
    """A client may want to see a response before it continues."""
    got = Flag()

    def app(environ: Any, start_response: Any) -> Any:
        stream = environ["wsgi.input"]
        got.set(stream.read(3))
        start_response("200 OK", [])
        yield b"so far: abc, "
        yield b"then: " + stream.read()

    stream = serve_wsgi(app).connect().open("POST", more=True)
    stream.send(b"abc")
    assert got.wait() == b"abc"
    assert stream.read() == b"so far: abc, "
    stream.send(b"def", end=True)
    assert stream.response().body == b"then: def"


@pytest.mark.parametrize("threads", [1], indirect=True)
def test_slow_uploads_occupy_no_thread(serve_wsgi: Serve) -> None:
    """One thread, many clients that have sent half of a small body within a tick."""
    client_count = 20
    served = serve_wsgi(echo(read_all))
    streams = [served.connect().open("POST", more=True) for _ in range(client_count)]
    assert served.request("GET").status == 200
    for stream in streams:
        stream.send(b"abc", end=True)
    assert [stream.response().body for stream in streams] == [b"abc"] * client_count


@pytest.mark.parametrize("threads", [1], indirect=True)
def test_reading_stops_while_the_application_does_not_read(serve_wsgi: Serve) -> None:
    """The data in memory is bounded, however large the upload."""
    go_on, called = Flag(), Flag()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        called.set()
        go_on.wait()
        start_response("200 OK", [])
        return [b"%d" % sum(map(len, iter(lambda: environ["wsgi.input"].read(65536), b"")))]

    total = 48 << 20
    client = serve_wsgi(app).connect()
    stream = client.open("POST", "/", [("Content-Length", str(total))], more=True)
    stream.send(bytes(100_000))
    called.wait()
    sent = 100_000 + stream.fill(bytes(total - 100_000))
    assert sent < total / 2
    go_on.set()
    stream.rest(bytes(total - sent))
    assert stream.response().body == b"%d" % total


EXPECT = [("Expect", "100-continue"), ("Content-Length", "5")]


def test_continue_and_read(serve_wsgi: Serve) -> None:
    client = serve_wsgi(echo(read_all)).connect()
    for _ in range(2):
        stream = client.open("POST", "/", EXPECT, more=True)
        assert stream.interim().status == 100
        stream.send(b"hello", end=True)
        response = stream.response()
        assert (response.body, len(response.interim)) == (b"hello", 1)


@pytest.mark.parametrize("threads", [1], indirect=True)
def test_no_continue_until_the_application_reads(serve_wsgi: Serve) -> None:
    called, go_on = Flag(), Flag()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        called.set()
        go_on.wait()
        data = environ["wsgi.input"].read()
        start_response("200 OK", [])
        return [data]

    client = serve_wsgi(app).connect()
    stream = client.open("POST", "/", EXPECT, more=True)
    called.wait()
    assert client.is_silent()
    go_on.set()
    assert stream.interim().status == 100
    stream.send(b"hello", end=True)
    assert stream.response().body == b"hello"


@pytest.mark.parametrize("threads", [1], indirect=True)
def test_no_continue_when_the_application_never_reads(serve_wsgi: Serve) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("413 Content Too Large", [])
        return [b"no"]

    stream = serve_wsgi(app).connect().open("POST", "/", EXPECT, more=True)
    response = stream.response()
    assert (response.status, response.body, response.interim) == (413, b"no", [])


@pytest.mark.parametrize("threads", [0], indirect=True)
def test_body_too_large_to_hold_is_refused(serve_wsgi: Serve) -> None:
    """Without threads a body is held in memory whole before the call, so there is a limit."""
    called = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        called.append(environ["PATH_INFO"])
        start_response("200 OK", [])
        return [b"called"]

    served = serve_wsgi(app)
    stream = served.connect().open("POST", "/large", more=True)
    try:
        for _ in range(17):
            stream.send(bytes(1 << 20))
        stream.send(b"", end=True)
    except OSError:
        pass  # it may refuse to take the rest
    assert stream.response().status == 413
    assert served.request("GET", "/next").body == b"called"
    assert called == ["/next"]
