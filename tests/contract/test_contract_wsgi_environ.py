"""The environ (PEP 3333, "environ Variables")."""

import os
import sys
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import pytest

from support.client import Http1Client
from support.flag import DEADLINE
from support.http import RawClient
from support.inprocess import Served

Serve = Callable[..., Served]


class EnvironApp:
    """Answers 200 and keeps each environ as the application got it."""

    def __init__(self) -> None:
        self.environs: SimpleQueue[dict[str, Any]] = SimpleQueue()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        self.environs.put(environ)
        start_response("200 OK", [])
        return [b"ok"]

    def next(self) -> dict[str, Any]:
        return self.environs.get(timeout=DEADLINE)


def environ_of(
    serve_wsgi: Serve,
    method: str = "GET",
    target: str = "/",
    headers: Any = (),
    body: bytes | None = None,
    **options: Any,
) -> dict[str, Any]:
    app = EnvironApp()
    assert serve_wsgi(app, **options).request(method, target, headers, body).status == 200
    return app.next()


def test_what_must_be_there(serve_wsgi: Serve, threads: int, protocol: type[Http1Client]) -> None:
    app = EnvironApp()
    served = serve_wsgi(app)
    client = served.connect()
    client.request("GET", "/some/path?a=1&b=%20")
    environ = app.next()
    assert type(environ) is dict
    assert environ["REQUEST_METHOD"] == "GET"
    assert environ["SCRIPT_NAME"] == ""
    assert environ["PATH_INFO"] == "/some/path"
    assert environ["QUERY_STRING"] == "a=1&b=%20"
    assert environ["SERVER_NAME"] == "127.0.0.1"
    assert environ["SERVER_PORT"] == str(served.port)
    assert environ["SERVER_PROTOCOL"] == f"HTTP/{protocol.http_version}"
    assert environ["REMOTE_ADDR"] == client.address[0]
    assert environ["REMOTE_PORT"] == str(client.address[1])
    assert environ["wsgi.version"] == (1, 0)
    assert environ["wsgi.url_scheme"] == "http"
    assert environ["wsgi.multithread"] is (threads > 0)
    assert environ["wsgi.multiprocess"] is False
    assert environ["wsgi.run_once"] is False
    assert environ["wsgi.input_terminated"] is True
    for name in ("read", "readline", "readlines", "__iter__"):
        assert callable(getattr(environ["wsgi.input"], name))
    for name in ("write", "writelines", "flush"):
        assert callable(getattr(environ["wsgi.errors"], name))
    assert callable(environ["wsgi.file_wrapper"])
    assert callable(environ["wsgi.early_hints"])
    assert "CONTENT_LENGTH" not in environ
    assert environ.get("CONTENT_TYPE", "") == ""
    assert "HTTPS" not in environ


def test_cgi_variables_are_native_strings(serve_wsgi: Serve) -> None:
    headers = [("X-Latin", "caf\xe9"), ("Content-Type", "text/plain")]
    environ = environ_of(serve_wsgi, "POST", "/caf%C3%A9?q=%E9", headers, b"x")
    strings = {key: value for key, value in environ.items() if key.isupper()}
    assert {type(value) for value in strings.values()} == {str}
    for value in strings.values():
        value.encode("latin-1")


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS", "PATCH"])
def test_method(serve_wsgi: Serve, method: str) -> None:
    assert environ_of(serve_wsgi, method)["REQUEST_METHOD"] == method


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/", "/", ""),
        ("/a%20b", "/a b", ""),
        ("/caf%C3%A9", "/caf\xc3\xa9", ""),
        ("/caf%E9", "/caf\xe9", ""),
        ("/a%2Fb?x=%2F", "/a/b", "x=%2F"),
        ("/a%25b", "/a%b", ""),
        ("/100%zz", "/100%zz", ""),
        ("/a+b?c+d", "/a+b", "c+d"),
        ("//a//b", "//a//b", ""),
        ("/?", "/", ""),
        ("/a?b?c", "/a", "b?c"),
    ],
)
def test_path_is_decoded_to_latin_1(serve_wsgi: Serve, target: str, path: str, query: str) -> None:
    """PEP 3333, "Unicode Issues": each character is one byte."""
    environ = environ_of(serve_wsgi, "GET", target)
    assert (environ["PATH_INFO"], environ["QUERY_STRING"]) == (path, query)


def test_target_as_it_came(serve_wsgi: Serve) -> None:
    """Not in the PEP, but in every server, for what decoding loses."""
    environ = environ_of(serve_wsgi, "GET", "/a%2Fb?c=%20")
    assert environ["REQUEST_URI"] == environ["RAW_URI"] == "/a%2Fb?c=%20"


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/mounted/x", "/x"),
        ("/mounted/", "/"),
        ("/mounted", ""),
        ("/x", "/x"),
        ("/mountedx", "/mountedx"),
        ("/", "/"),
        ("/mounted/caf%C3%A9", "/caf\xc3\xa9"),
    ],
)
def test_root_path(serve_wsgi: Serve, target: str, path: str) -> None:
    """Whether the proxy in front has stripped the prefix or not."""
    environ = environ_of(serve_wsgi, "GET", target, root_path="/mounted")
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/mounted", path)


def test_content_variables(serve_wsgi: Serve) -> None:
    headers = [("Content-Type", "text/plain; charset=utf-8")]
    environ = environ_of(serve_wsgi, "POST", "/", headers, b"12345")
    assert environ["CONTENT_TYPE"] == "text/plain; charset=utf-8"
    assert environ["CONTENT_LENGTH"] == "5"
    assert "HTTP_CONTENT_TYPE" not in environ
    assert "HTTP_CONTENT_LENGTH" not in environ


def test_a_body_without_length_has_one_when_it_is_here(serve_wsgi: Serve) -> None:
    """And is not chunked any more; wsgi.input_terminated says that its end can be read."""
    app = EnvironApp()
    stream = serve_wsgi(app).connect().open("POST", more=True)
    stream.send(b"12345", end=True)
    assert stream.response().status == 200
    environ = app.next()
    assert environ["CONTENT_LENGTH"] == "5"
    assert "HTTP_TRANSFER_ENCODING" not in environ
    assert environ["wsgi.input_terminated"] is True


def test_header_fields(serve_wsgi: Serve) -> None:
    headers = [
        ("Host", "example.org:81"),
        ("X-One", "1"),
        ("x-CASE-mixed", "Kept As Is"),
        ("X-Empty", ""),
        ("X-Latin", "caf\xe9"),
        ("Authorization", "Basic eA=="),
    ]
    environ = environ_of(serve_wsgi, "GET", "/", headers)
    assert environ["HTTP_HOST"] == "example.org:81"
    assert environ["HTTP_X_ONE"] == "1"
    assert environ["HTTP_X_CASE_MIXED"] == "Kept As Is"
    assert environ["HTTP_X_EMPTY"] == ""
    assert environ["HTTP_X_LATIN"] == "caf\xe9"
    assert environ["HTTP_AUTHORIZATION"] == "Basic eA=="


def test_repeated_fields_are_joined(serve_wsgi: Serve) -> None:
    """RFC 9110 section 5.3; cookies have a delimiter of their own, RFC 6265 section 5.4."""
    headers = [
        ("Accept", "text/html"),
        ("Cookie", "a=1"),
        ("Accept", "*/*"),
        ("Cookie", "b=2; c=3"),
        ("X-Forwarded-For", "1.1.1.1"),
        ("X-Forwarded-For", "2.2.2.2"),
    ]
    environ = environ_of(serve_wsgi, "GET", "/", headers)
    assert environ["HTTP_COOKIE"] == "a=1; b=2; c=3"
    for key, values in (
        ("HTTP_ACCEPT", ["text/html", "*/*"]),
        ("HTTP_X_FORWARDED_FOR", ["1.1.1.1", "2.2.2.2"]),
    ):
        assert [value.strip() for value in environ[key].split(",")] == values


def test_field_with_an_underscore_does_not_pass_for_one_with_a_hyphen(serve_wsgi: Serve) -> None:
    """CVE-2015-0219: they would be the same variable."""
    headers = [("X-User", "proxy"), ("X_User", "client"), ("X_Only", "client")]
    environ = environ_of(serve_wsgi, "GET", "/", headers)
    assert environ["HTTP_X_USER"] == "proxy"
    assert "HTTP_X_ONLY" not in environ


def test_proxy_field_does_not_become_the_proxy_variable_of_the_process(serve_wsgi: Serve) -> None:
    """CVE-2016-5385 (httpoxy): it stays in environ, and out of os.environ."""
    environ_of(serve_wsgi, "GET", "/", [("Proxy", "http://evil.example")])
    assert "HTTP_PROXY" not in os.environ or "evil" not in os.environ["HTTP_PROXY"]


def test_requests_share_nothing(serve_wsgi: Serve) -> None:
    """Applications and middleware write into environ."""
    app = EnvironApp()
    client = serve_wsgi(app).connect()
    client.request("GET", "/1", [("X-First", "1")])
    first = app.next()
    first["mine"] = True
    first["wsgi.url_scheme"] = "gopher"
    client.request("GET", "/2")
    second = app.next()
    assert first is not second
    assert "mine" not in second
    assert "HTTP_X_FIRST" not in second
    assert second["wsgi.url_scheme"] == "http"


def test_http_1_0_without_host(serve_wsgi: Serve) -> None:
    app = EnvironApp()
    served = serve_wsgi(app)
    with RawClient(served.port) as client:
        client.send(b"GET /old HTTP/1.0\r\n\r\n")
        assert client.read_response().status == 200
    environ = app.next()
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.0"
    assert "HTTP_HOST" not in environ
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("127.0.0.1", str(served.port))


def test_an_empty_host(serve_wsgi: Serve) -> None:
    app = EnvironApp()
    served = serve_wsgi(app)
    with RawClient(served.port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost:\r\n\r\n")
        assert client.read_response().status == 200
    environ = app.next()
    assert environ["HTTP_HOST"] == ""
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("127.0.0.1", str(served.port))


def test_errors_reach_the_servers_stderr(
    serve_wsgi: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        environ["wsgi.errors"].write("write: caf\xe9\n")
        environ["wsgi.errors"].writelines(["lines\n", "more\n"])
        environ["wsgi.errors"].flush()
        start_response("200 OK", [])
        return []

    assert sys.stderr is not None
    assert serve_wsgi(app).request("GET").status == 200
    assert "write: caf\xe9\nlines\nmore\n" in capsys.readouterr().err
