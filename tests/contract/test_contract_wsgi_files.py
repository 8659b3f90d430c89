"""`wsgi.file_wrapper` (PEP 3333, "Optional Platform-Specific File Handling")."""

import gzip
import io
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.flag import Flag
from support.http import ConnectionEnded
from support.inprocess import Served

Serve = Callable[..., Served]

SIZES = [0, 1, 1000, 65536, 65537, 5_000_000]


def content(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


@pytest.fixture
def make_file(tmp_path: Path) -> Callable[[int], Path]:
    def make(size: int) -> Path:
        path = tmp_path / f"file-{size}"
        path.write_bytes(content(size))
        return path

    return make


MakeFile = Callable[[int], Path]


def wrapping(make: Callable[[], Any], headers: Any = (), *block: int) -> Any:
    """An application that returns what `make` opens, wrapped."""

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", list(headers))
        return environ["wsgi.file_wrapper"](make(), *block)

    return app


@pytest.mark.parametrize("size", SIZES)
def test_file(serve_wsgi: Serve, make_file: MakeFile, size: int) -> None:
    path = make_file(size)
    client = serve_wsgi(wrapping(lambda: path.open("rb"))).connect()
    for _ in range(2):
        response = client.request("GET")
        assert response.body == content(size)
        assert response.header("content-length") == str(size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("block", [(), (1000,)])
def test_what_only_looks_like_a_file(serve_wsgi: Serve, size: int, block: Any) -> None:
    client = serve_wsgi(wrapping(lambda: io.BytesIO(content(size)), (), *block)).connect()
    for _ in range(2):
        assert client.request("GET").body == content(size)


def test_only_read_is_needed(serve_wsgi: Serve) -> None:
    class Readable:
        def __init__(self) -> None:
            self.pieces = [b"", b"b", b"a"]

        def read(self, size: int) -> bytes:
            return self.pieces.pop()

    assert serve_wsgi(wrapping(Readable)).request("GET").body == b"ab"


@pytest.mark.parametrize("size", [1000, 500_000])
@pytest.mark.parametrize("kind", ["buffered", "raw", "bytes"])
def test_begins_where_the_file_stands(
    serve_wsgi: Serve, make_file: MakeFile, size: int, kind: str
) -> None:
    """Also where Python has read ahead of that."""
    path = make_file(size)

    def opened() -> Any:
        file: Any = io.BytesIO(content(size)) if kind == "bytes" else None
        if file is None:
            file = path.open("rb", buffering=0 if kind == "raw" else -1)
        file.read(100)
        return file

    client = serve_wsgi(wrapping(opened)).connect()
    for _ in range(2):
        assert client.request("GET").body == content(size)[100:]


@pytest.mark.parametrize("size", [1000, 500_000])
@pytest.mark.parametrize("kind", ["file", "bytes"])
def test_declared_length_that_is_right(
    serve_wsgi: Serve, make_file: MakeFile, size: int, kind: str
) -> None:
    path = make_file(size)
    headers = [("Content-Length", str(size))]
    app = wrapping(
        lambda: path.open("rb") if kind == "file" else io.BytesIO(content(size)), headers
    )
    client = serve_wsgi(app).connect()
    for _ in range(2):
        response = client.request("GET")
        assert (response.body, response.header("content-length")) == (content(size), str(size))


@pytest.mark.parametrize("size", [1000, 500_000])
def test_declared_length_is_where_to_stop(
    serve_wsgi: Serve, make_file: MakeFile, size: int
) -> None:
    """PEP 3333 on transmission: no further than Content-Length, so ranges can be served."""
    path = make_file(size)

    def at_ten() -> Any:
        file = path.open("rb")
        file.seek(10)
        return file

    client = serve_wsgi(wrapping(at_ten, [("Content-Length", "100")])).connect()
    for _ in range(2):
        assert client.request("GET").body == content(size)[10:110]


@pytest.mark.parametrize("size", [1000, 500_000])
@pytest.mark.parametrize("kind", ["file", "bytes"])
def test_declared_length_that_is_too_long_never_looks_whole(
    serve_wsgi: Serve, make_file: MakeFile, size: int, kind: str
) -> None:
    path = make_file(size)
    headers = [("Content-Length", str(size + 10))]
    served = serve_wsgi(
        wrapping(lambda: path.open("rb") if kind == "file" else io.BytesIO(content(size)), headers)
    )
    stream = served.connect().open("GET")
    try:
        assert stream.response().status == 500
    except ConnectionEnded:
        pass
    served.wait_until_idle()
    assert "Content-Length" in served.taken_log()


@pytest.mark.parametrize("size", [0, 1000, 500_000])
def test_head(serve_wsgi: Serve, make_file: MakeFile, size: int) -> None:
    path = make_file(size)
    client = serve_wsgi(wrapping(lambda: path.open("rb"))).connect()
    for _ in range(2):
        response = client.request("HEAD")
        assert response.body == b""
        assert response.header("content-length") in (str(size), None)


@pytest.mark.parametrize("size", [1000, 500_000])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("kind", ["file", "bytes"])
def test_file_is_closed(
    serve_wsgi: Serve, make_file: MakeFile, size: int, method: str, kind: str
) -> None:
    opened = []
    path = make_file(size)

    def opening() -> Any:
        opened.append(path.open("rb") if kind == "file" else io.BytesIO(content(size)))
        return opened[-1]

    served = serve_wsgi(wrapping(opening))
    assert len(served.request(method).body) == (size if method == "GET" else 0)
    served.wait_until_idle()
    assert [file.closed for file in opened] == [True]


def test_no_descriptor_is_left_open(serve_wsgi: Serve, make_file: MakeFile) -> None:
    for size in (10, 1_000_000):
        path = make_file(size)
        served = serve_wsgi(wrapping(lambda path=path: path.open("rb")))
        client = served.connect()
        client.request("GET")
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            client.request("GET")
        served.wait_until_idle()
        assert len(os.listdir("/proc/self/fd")) <= before


def test_gzip_file_is_sent_as_it_reads(serve_wsgi: Serve, tmp_path: Path) -> None:
    """It has the fileno() of what it unpacks. PEP 3333: the same as iterating over read()."""
    path = tmp_path / "packed.gz"
    path.write_bytes(gzip.compress(content(300_000)))
    client = serve_wsgi(wrapping(lambda: gzip.GzipFile(path))).connect()
    for _ in range(2):
        assert client.request("GET").body == content(300_000)


def test_spooled_file(serve_wsgi: Serve) -> None:
    """In memory until its descriptor is requested."""

    def spooled() -> Any:
        file = tempfile.SpooledTemporaryFile(max_size=1_000_000)  # noqa: SIM115  the server's  # noqa: SIM115
        file.write(content(1000))
        file.seek(10)
        return file

    client = serve_wsgi(wrapping(spooled)).connect()
    for _ in range(2):
        assert client.request("GET").body == content(1000)[10:]


def test_pipe(serve_wsgi: Serve) -> None:
    """A descriptor that has no size and no position, as the output of a subprocess has."""

    def piped() -> Any:
        reading, writing = os.pipe()
        os.write(writing, content(10_000))
        os.close(writing)
        return os.fdopen(reading, "rb")

    client = serve_wsgi(wrapping(piped)).connect()
    for _ in range(2):
        assert client.request("GET").body == content(10_000)


def test_wrapper_may_be_iterated_by_middleware(serve_wsgi: Serve, make_file: MakeFile) -> None:
    path = make_file(200_000)

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        wrapper = environ["wsgi.file_wrapper"](path.open("rb"), 50_000)
        assert iter(wrapper) is not None
        pieces = list(wrapper)
        wrapper.close()
        assert {len(piece) for piece in pieces} == {50_000}
        return [b"%d pieces " % len(pieces), *pieces]

    assert serve_wsgi(app).request("GET").body == b"4 pieces " + content(200_000)


def test_wrapper_that_is_not_returned_is_nobodys_business(serve_wsgi: Serve) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        environ["wsgi.file_wrapper"](io.BytesIO(b"not sent"))
        start_response("200 OK", [])
        return [b"sent"]

    assert serve_wsgi(app).request("GET").body == b"sent"


def test_after_write(serve_wsgi: Serve, make_file: MakeFile) -> None:
    path = make_file(200_000)

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])(b"first ")
        return environ["wsgi.file_wrapper"](path.open("rb"))

    client = serve_wsgi(app).connect()
    for _ in range(2):
        assert client.request("GET").body == b"first " + content(200_000)


def test_without_start_response(serve_wsgi: Serve, make_file: MakeFile) -> None:
    path = make_file(1000)

    def app(environ: Any, start_response: Any) -> Any:
        return environ["wsgi.file_wrapper"](path.open("rb"))

    served = serve_wsgi(app)
    assert served.request("GET").status == 500
    assert "start_response" in served.taken_log()


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_status_without_body(serve_wsgi: Serve, make_file: MakeFile, status: str) -> None:
    path = make_file(1000)

    def app(environ: Any, start_response: Any) -> Any:
        start_response(status, [])
        return environ["wsgi.file_wrapper"](path.open("rb"))

    served = serve_wsgi(app)
    client = served.connect()
    for _ in range(2):
        response = client.request("GET")
        assert (response.status, response.body) == (int(status[:3]), b"")
        # RFC 9110 section 8.6: that of a 304 would be what a 200 had said.
        assert response.header("content-length") is None
    served.taken_log()


@pytest.mark.parametrize("threads", [1, 0], indirect=True)
def test_large_file_to_a_slow_reader_holds_nobody_up(
    serve_wsgi: Serve, make_file: MakeFile
) -> None:
    """It needs neither a thread nor the application: the loop sends it."""
    path = make_file(20_000_000)

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/other":
            return [b"other"]
        return environ["wsgi.file_wrapper"](path.open("rb"))

    served = serve_wsgi(app)
    stream = served.connect(receive_buffer=4096).open("GET")
    assert stream.head().status == 200
    assert served.request("GET", "/other").body == b"other"
    assert stream.response().body == path.read_bytes()


def test_client_that_leaves(serve_wsgi: Serve, make_file: MakeFile) -> None:
    path = make_file(20_000_000)
    closed = Flag()

    class Watched(io.FileIO):
        def close(self) -> None:
            super().close()
            if not closed.is_set:
                closed.set()

    served = serve_wsgi(wrapping(lambda: Watched(path)))
    client = served.connect(receive_buffer=4096)
    assert client.open("GET").head().status == 200
    client.reset()
    served.wait_until_quiet()
    closed.wait()
