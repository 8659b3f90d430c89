"""The connection scope (ASGI HTTP specification 2.5, "HTTP Connection Scope")."""

import socket
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import pytest

from support.asgi import body, mutable_parts, respond, start
from support.client import Http1Client
from support.flag import DEADLINE, Flag
from support.http import RawClient
from support.inprocess import Served

Serve = Callable[..., Served]


class ScopeApp:
    """Answers 200 and keeps each scope as the application got it."""

    def __init__(self) -> None:
        self.scopes: SimpleQueue[dict[str, Any]] = SimpleQueue()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self.scopes.put(scope)
        await respond(send)

    def next(self) -> dict[str, Any]:
        return self.scopes.get(timeout=DEADLINE)


def scope_of(
    serve: Serve, method: str, target: str, headers: Any = (), **options: Any
) -> dict[str, Any]:
    app = ScopeApp()
    assert serve(app, **options).request(method, target, headers).status == 200
    return app.next()


def test_has_these_keys_and_types(serve: Serve, protocol: type[Http1Client]) -> None:
    app = ScopeApp()
    served = serve(app)
    client = served.connect()
    client.request("GET", "/some/path?a=1&b=%20")
    scope = app.next()
    assert scope["type"] == "http"
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.3"}
    assert scope["http_version"] == protocol.http_version
    assert scope["method"] == "GET"
    assert scope["scheme"] == "http"
    assert scope["path"] == "/some/path"
    assert scope["raw_path"] == b"/some/path"
    assert scope["query_string"] == b"a=1&b=%20"
    assert scope["root_path"] == ""
    assert tuple(scope["client"]) == client.address
    assert tuple(scope["server"]) == ("127.0.0.1", served.port)
    assert "state" not in scope
    assert {
        key: type(value)
        for key, value in scope.items()
        if key not in ("client", "server", "headers")
    } == {
        "type": str,
        "asgi": dict,
        "http_version": str,
        "method": str,
        "scheme": str,
        "path": str,
        "raw_path": bytes,
        "query_string": bytes,
        "root_path": str,
        "extensions": dict,
    }


def test_is_a_plain_dict_that_applications_may_change(serve: Serve) -> None:
    """Frameworks add keys, middleware copies it with dict()."""
    scope = scope_of(serve, "GET", "/")
    assert type(scope) is dict
    assert dict(scope, path="/other")["path"] == "/other"


def test_announces_the_extensions(serve: Serve) -> None:
    """Not those that leave files to the server, for middleware that compresses would not see
    them."""
    extensions = scope_of(serve, "GET", "/")["extensions"]
    assert set(extensions.pop("bascule.stopping")) == {"is_set", "wait", "event"}
    assert extensions == {"http.response.trailers": {}, "http.response.early_hint": {}}


@pytest.mark.parametrize(
    ("said", "announced"),
    [
        ("all", {"trailers", "early_hint", "pathsend", "zerocopysend", "bascule.stopping"}),
        ("none", set()),
        ("http.response.pathsend", {"pathsend"}),
        ("+http.response.pathsend", {"trailers", "early_hint", "pathsend", "bascule.stopping"}),
        ("-bascule.stopping,-http.response.trailers", {"early_hint"}),
    ],
)
def test_announces_what_it_is_told_to(serve: Serve, said: str, announced: set[str]) -> None:
    extensions = scope_of(serve, "GET", "/", asgi_extensions=said)["extensions"]
    assert {name.removeprefix("http.response.") for name in extensions} == announced


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS", "PATCH", "QUERY"])
def test_method(serve: Serve, method: str) -> None:
    assert scope_of(serve, method, "/")["method"] == method


@pytest.mark.parametrize(
    ("target", "path", "raw_path", "query"),
    [
        ("/", "/", b"/", b""),
        ("/a%20b", "/a b", b"/a%20b", b""),
        ("/caf%C3%A9", "/café", b"/caf%C3%A9", b""),
        ("/%E2%82%AC?x=%E2%82%AC", "/€", b"/%E2%82%AC", b"x=%E2%82%AC"),
        ("/a%2Fb", "/a/b", b"/a%2Fb", b""),
        ("/a%3Fb?c?d", "/a?b", b"/a%3Fb", b"c?d"),
        ("/a%25b", "/a%b", b"/a%25b", b""),
        ("/100%25%zz%4", "/100%%zz%4", b"/100%25%zz%4", b""),
        ("/a+b", "/a+b", b"/a+b", b""),
        ("//a//b/./../c", "//a//b/./../c", b"//a//b/./../c", b""),
        ("/?", "/", b"/", b""),
        ("/p;v=1?", "/p;v=1", b"/p;v=1", b""),
    ],
)
def test_path_is_decoded_and_raw_path_is_not(
    serve: Serve, target: str, path: str, raw_path: bytes, query: bytes
) -> None:
    scope = scope_of(serve, "GET", target)
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (path, raw_path, query)


def test_path_that_is_not_utf8_is_still_text(serve: Serve) -> None:
    """Its decoded form is open; the application must be called, and raw_path has the bytes."""
    scope = scope_of(serve, "GET", "/caf%E9/%FF")
    assert type(scope["path"]) is str
    assert scope["path"].startswith("/caf")
    assert scope["path"].encode()
    assert scope["raw_path"] == b"/caf%E9/%FF"


def test_path_of_options_asterisk(serve: Serve) -> None:
    scope = scope_of(serve, "OPTIONS", "*")
    assert (scope["method"], scope["path"], scope["raw_path"]) == ("OPTIONS", "*", b"*")


def test_root_path_is_before_the_path(serve: Serve) -> None:
    """`path` includes the root, which is what Starlette and Django take off again."""
    scope = scope_of(serve, "GET", "/caf%C3%A9?a=1", root_path="/mounted")
    assert scope["root_path"] == "/mounted"
    assert scope["path"] == "/mounted/café"


def test_raw_path_is_what_was_received_also_with_a_root_path(serve: Serve) -> None:
    scope = scope_of(serve, "GET", "/caf%C3%A9?a=1", root_path="/mounted")
    assert scope["raw_path"] == b"/caf%C3%A9"


def test_headers_are_pairs_of_bytes_in_lower_case_and_in_order(serve: Serve) -> None:
    sent = [
        ("Host", "example.org:81"),
        ("X-Second", "b"),
        ("X-FIRST", "a"),
        ("Accept", "text/html"),
        ("x-second", "B"),
        ("Cookie", "a=1; b=2"),
        ("X-Latin", "caf\xe9"),
        ("X-Empty", ""),
        ("Accept", "*/*"),
    ]
    headers = [tuple(pair) for pair in scope_of(serve, "GET", "/", sent)["headers"]]
    assert headers == [(name.lower().encode(), value.encode("latin-1")) for name, value in sent]
    assert {type(part) for pair in headers for part in pair} == {bytes}


def test_headers_can_be_walked_twice(serve: Serve) -> None:
    headers = scope_of(serve, "GET", "/", [("X-A", "1")])["headers"]
    assert list(headers) == list(headers)
    assert (b"x-a", b"1") in [tuple(pair) for pair in headers]


def test_http_1_0(serve: Serve) -> None:
    app = ScopeApp()
    with RawClient(serve(app).port) as client:
        client.send(b"GET /old HTTP/1.0\r\n\r\n")
        assert client.read_response().status == 200
    scope = app.next()
    assert (scope["http_version"], scope["path"], list(scope["headers"])) == ("1.0", "/old", [])


def test_an_empty_host(serve: Serve) -> None:
    app = ScopeApp()
    served = serve(app)
    with RawClient(served.port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost:\r\n\r\n")
        assert client.read_response().status == 200
    scope = app.next()
    assert list(map(tuple, scope["headers"])) == [(b"host", b"")]
    assert tuple(scope["server"]) == ("127.0.0.1", served.port)


def test_absolute_target(serve: Serve) -> None:
    """RFC 9112 section 3.2.2: its authority replaces the Host field."""
    app = ScopeApp()
    with RawClient(serve(app).port) as client:
        client.send(b"GET http://example.org/a?b HTTP/1.1\r\nHost: other\r\n\r\n")
        assert client.read_response().status == 200
    scope = app.next()
    assert (scope["path"], scope["query_string"]) == ("/a", b"b")
    assert (b"host", b"example.org") in [tuple(pair) for pair in scope["headers"]]
    assert scope["scheme"] == "http"


def test_unix_socket(served: Serve, tmp_path: Any) -> None:
    """`server` is (path, None); there is no `client`."""
    path = str(tmp_path / "s")
    app = ScopeApp()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        one = served(app, interface="asgi3", lifespan="off", listener=listener).start()
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(DEADLINE)
            sock.connect(path)
            with RawClient(sock=sock) as client:
                client.request("GET", "/")
                assert client.read_response().status == 200
        scope = app.next()
        one.close()
    assert tuple(scope["server"]) == (path, None)
    assert scope["client"] is None


def test_requests_share_nothing_mutable(serve: Serve) -> None:
    app = ScopeApp()
    served = serve(app)
    client = served.connect()
    client.request("GET", "/")
    client.request("GET", "/")
    served.request("GET", "/")
    first, second, third = app.next(), app.next(), app.next()
    assert not mutable_parts(first).keys() & mutable_parts(second).keys()
    assert not (mutable_parts(first) | mutable_parts(second)).keys() & mutable_parts(third).keys()


def test_concurrent_requests_have_scopes_of_their_own(serve: Serve) -> None:
    """A request does not see the changes of another one to its scope."""
    both_here, seen = Flag(), SimpleQueue[tuple[str, Any]]()
    waiting: list[str] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        scope["extensions"]["mark"] = scope["path"]
        scope["mark"] = scope["path"]
        waiting.append(scope["path"])
        if len(waiting) == 2:
            both_here.set()
        await both_here.reached()
        seen.put((scope["mark"], scope["extensions"]["mark"]))
        await respond(send, scope["path"].encode())

    served = serve(app)
    first, second = served.connect().open("GET", "/1"), served.connect().open("GET", "/2")
    assert [first.response().body, second.response().body] == [b"/1", b"/2"]
    assert sorted([seen.get(timeout=DEADLINE), seen.get(timeout=DEADLINE)]) == [
        ("/1", "/1"),
        ("/2", "/2"),
    ]


def test_scope_outlives_the_connection(serve: Serve) -> None:
    """Applications log from it after the client has gone."""
    gone, done = Flag(), Flag()

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await start(send)
        await body(send)
        await gone.reached()
        done.set((scope["path"], next(iter(scope["headers"]))[0], scope["client"][0]))

    served = serve(app)
    served.request("GET", "/x")
    gone.set()
    assert done.wait() == ("/x", b"host", "127.0.0.1")
