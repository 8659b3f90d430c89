"""A WSGI app inside wsgiref's validator, which checks server and application against PEP 3333."""

import sys
import warnings
from collections.abc import Iterable
from typing import Any
from wsgiref.validate import WSGIWarning, validator

from content import as_json, digest, pieces

warnings.simplefilter("error", WSGIWarning)


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    return PAGES[environ["PATH_INFO"]](environ, start_response)


def hello(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "6")])
    return [b"hello\n"]


def body(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Reads by every way that wsgi.input has, then says what it read."""
    stream = environ["wsgi.input"]
    read = [stream.readline(), stream.read(10), *stream.readlines(20), *next_lines(stream)]
    while data := stream.read(1000):
        read.append(data)
    start_response("200 OK", [("Content-Type", "application/json")])
    return [as_json(digest(b"".join(read))).encode()]


def next_lines(stream: Iterable[bytes]) -> Iterable[bytes]:
    for _, line in zip(range(3), stream, strict=False):
        yield line


def stream(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return pieces()


def written(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"written, ")
    return [b"then returned\n"]


def nothing(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("204 No Content", [])
    return []


def recovered(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Changes its mind after an exception, as PEP 3333 lets it before anything is sent."""
    try:
        start_response("200 OK", [("Content-Type", "text/plain")])
        raise RuntimeError("broken on purpose")
    except RuntimeError:
        start_response("503 Busy", [("Content-Type", "text/plain")], sys.exc_info())
    return [b"later\n"]


def logged(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    environ["wsgi.errors"].write("written to wsgi.errors\n")
    environ["wsgi.errors"].flush()
    return hello(environ, start_response)


def wrong(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """A body without Content-Type, which the validator does not let pass."""
    start_response("200 OK", [])
    return [b"never sent"]


PAGES = {
    "/hello": hello,
    "/body": body,
    "/stream": stream,
    "/written": written,
    "/nothing": nothing,
    "/recovered": recovered,
    "/logged": logged,
    "/wrong": wrong,
}

application = validator(app)
