"""The standard library's validator finds nothing wrong with the WSGI side."""

import hashlib
import json
from collections.abc import Iterator
from random import Random

import pytest
from framework_sites import APPS

from support.http import RawClient
from support.server import Server, running

STREAM = b"".join(b"%07d\n" % number * 1024 for number in range(256))
TARGET = "validated_app:application"


@pytest.fixture(params=["8", "0"], ids=["threads", "no-threads"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with running(TARGET, "--interface", "wsgi", "--threads", request.param, cwd=APPS) as served:
        yield served


def assert_no_complaint(server: Server) -> None:
    """None until the end, either: an iterator that dies unclosed is complained of then."""
    assert server.stop() == 0
    assert "AssertionError" not in server.output()
    assert "WSGIWarning" not in server.output()
    assert "Traceback" not in server.output()


def test_each_kind_of_request_and_response_passes(server: Server) -> None:
    lines = b"".join(b"line %d\n" % number for number in range(3000))
    with RawClient(server.port) as client:
        client.request("GET", "/hello?a=1&b=%2F")
        assert client.read_response().body == b"hello\n"
        client.request("HEAD", "/hello")
        assert client.read_response("HEAD").header("content-length") == "6"
        client.request("POST", "/body", [("Content-Type", "text/plain")], lines)
        assert_digest(client.read_response().body, lines)
        client.request("GET", "/stream")
        assert client.read_response().body == STREAM
        client.request("HEAD", "/stream")
        assert client.read_response("HEAD").status == 200
        client.request("GET", "/written")
        assert client.read_response().body == b"written, then returned\n"
        client.request("GET", "/nothing")
        assert client.read_response().status == 204
        client.request("GET", "/recovered")
        assert client.read_response().status == 503
        client.request("GET", "/logged")
        assert client.read_response().status == 200
    assert_no_complaint(server)
    assert "written to wsgi.errors" in server.output()


def test_a_chunked_body_passes(server: Server) -> None:
    data = Random(8).randbytes(50_000)
    chunks = [data[start : start + 7_000] for start in range(0, len(data), 7_000)]
    with RawClient(server.port) as client:
        client.request_chunked("POST", "/body", chunks, [("Content-Type", "text/plain")])
        assert_digest(client.read_response().body, data)
    assert_no_complaint(server)


def test_a_client_that_leaves_passes(server: Server) -> None:
    with RawClient(server.port) as client:
        client.request("GET", "/stream")
        client.receive()
        client.reset()
    with RawClient(server.port) as client:
        client.request("GET", "/hello")
        assert client.read_response().status == 200
    assert_no_complaint(server)


def test_what_is_wrong_would_show() -> None:
    """The other tests rest on this: a complaint of the validator is seen in the output."""
    with running(TARGET, "--interface", "wsgi", cwd=APPS) as server:
        with RawClient(server.port) as client:
            client.request("GET", "/wrong")
            assert client.read_response().status == 500
        server.stop()
        assert "AssertionError" in server.output()


def assert_digest(body: bytes, data: bytes) -> None:
    seen = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    assert json.loads(body) == seen
