"""Results of WSGI applications that have no end, and clients that do not wait for one."""

import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bascule.interfaces.wsgi import call
from support.flag import DEADLINE, Flag
from support.inprocess import Served
from support.wsgi import Environ

Serve = Callable[..., Served]


class Endless:
    """A result whose pieces are of one kind: `piece` forever, or nothing at all until the test
    is over."""

    def __init__(self, piece: bytes | None) -> None:
        self.piece = piece
        self.closed = Flag()
        self.over = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        if self.piece is None:
            self.over.wait(DEADLINE)
            return
        while not self.over.is_set():
            yield self.piece

    def close(self) -> None:
        self.over.set()
        self.closed.set()


class Site:
    """Answers with an endless result; under /fine at once, and under /late only the first piece
    calls start_response."""

    def __init__(self, status: str, result: Endless) -> None:
        self.status = status
        self.result = result

    def __call__(self, environ: Environ, start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/fine":
            start_response("200 OK", [])
            return [b"fine"]
        if environ["PATH_INFO"] == "/late":
            return self.late(start_response)
        start_response(self.status, [("X-Mine", "1")])
        return self.result

    def late(self, start_response: Any) -> Iterator[bytes]:
        yield b""
        start_response(self.status, [("X-Mine", "1")])
        try:
            yield from self.result
        finally:
            self.result.close()


BODILESS = [
    ("HEAD", "200 OK"),
    ("HEAD", "404 Not Found"),
    ("GET", "204 No Content"),
    ("GET", "304 Not Modified"),
]


@pytest.mark.parametrize(("method", "status"), BODILESS)
@pytest.mark.parametrize(
    ("piece", "path"), [(b"x", "/"), (b"", "/"), (None, "/"), (b"x", "/late"), (b"", "/late")]
)
def test_a_response_without_a_body_ends_with_its_head(
    served: Serve, threads: int, method: str, status: str, piece: bytes | None, path: str
) -> None:
    """With one thread, or on the loop: whatever holds it, the next request would tell."""
    result = Endless(piece)
    one = served(Site(status, result), interface="wsgi", threads=min(threads, 1)).start()
    client = one.connect()
    response = client.request(method, path)
    assert (response.status, response.body) == (int(status[:3]), b"")
    assert response.header("x-mine") == "1"
    result.closed.wait()
    assert client.request("GET", "/fine").body == b"fine"
    # Warnings about a body are logged when the body would have begun.
    assert "dropped" not in one.taken_log() or (path, piece) == ("/late", b"x")


def test_the_head_is_that_of_the_first_piece(serve_wsgi: Serve) -> None:
    """start_response may be called as late as that, and have a length to tell."""

    def app(environ: Environ, start_response: Any) -> Iterator[bytes]:
        yield b""
        start_response("203 Non-Authoritative Information", [("Content-Length", "5")])
        yield b"hello"

    client = serve_wsgi(app).connect()
    for _ in range(2):
        response = client.request("HEAD")
        assert (response.status, response.header("content-length")) == (203, "5")


def test_empty_pieces_behind_a_complete_body_have_an_end(served: Serve, threads: int) -> None:
    closed = Flag()

    def app(environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Length", "5")])
        try:
            yield b"whole"
            yield from itertools.repeat(b"")
        finally:
            if not closed.is_set:
                closed.set()

    client = served(app, interface="wsgi", threads=min(threads, 1)).start().connect()
    for _ in range(2):
        assert client.request("GET").body == b"whole"
    closed.wait()


@pytest.mark.parametrize("begun", [True, False])
def test_empty_pieces_end_when_the_client_is_reset(
    served: Serve, threads: int, begun: bool
) -> None:
    called, closed = Flag(), Flag()

    def app(environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        called.set()
        try:
            yield b"begun" if begun else b""
            yield from itertools.repeat(b"")
        finally:
            closed.set()

    one = served(app, interface="wsgi", threads=min(threads, 1)).start()
    client = one.connect()
    client.open("GET")
    called.wait()
    client.reset()
    closed.wait()


@pytest.mark.parametrize("begun", [True, False])
def test_empty_pieces_end_when_the_client_has_closed_and_nothing_is_written(
    served: Serve, threads: int, begun: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that has closed its side may be waiting still, but not forever."""
    monkeypatch.setattr(call, "FORSAKEN_AFTER", 0.05)
    called, closed = Flag(), Flag()

    def app(environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        called.set()
        try:
            yield b"begun" if begun else b""
            yield from itertools.repeat(b"")
        finally:
            closed.set()

    threads = min(threads, 1)
    one = served(app, interface="wsgi", threads=threads, deadlines={"half_close": 0.0}).start()
    client = one.connect()
    stream = client.open("GET")
    called.wait()
    if begun:
        stream.head()
        stream.read()
    client.close()
    closed.wait()


def test_a_client_that_has_closed_its_side_gets_what_comes_later(
    served: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as something does."""
    monkeypatch.setattr(call, "FORSAKEN_AFTER", DEADLINE)
    told = threading.Event()

    def app(environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        while not environ["bascule.client_disconnected"]():
            yield b""
        told.set()
        yield b"later"

    one = served(app, interface="wsgi", threads=1, deadlines={"half_close": 0.0}).start()
    client = one.connect()
    stream = client.open("GET")
    client.sock.shutdown(1)
    assert told.wait(DEADLINE)
    assert stream.response().body == b"later"
