"""protocols/http1/head.py: one complete head at a time, and nothing of it left for the next."""

import pytest

from bascule.errors import RequestRefused
from bascule.protocols.events import Request
from bascule.protocols.http1.head import HeadReader, judge_transfer_encoding
from bascule.protocols.limits import RequestLimits

HOST = b"Host: a.example\r\n"


def reader(header_map: str = "drop", **limits: int) -> HeadReader:
    return HeadReader(RequestLimits(**limits), header_map)


def head(*lines: bytes, line: bytes = b"GET / HTTP/1.1") -> bytes:
    return b"".join(each + b"\r\n" for each in (line, *lines)) + b"\r\n"


def read(*lines: bytes, line: bytes = b"GET / HTTP/1.1") -> Request:
    return reader().read(head(b"Host: a.example", *lines, line=line))


def refused(data: bytes, header_map: str = "drop", **limits: int) -> RequestRefused:
    with pytest.raises(RequestRefused) as caught:
        reader(header_map, **limits).read(data)
    return caught.value


def test_a_request_says_what_was_sent() -> None:
    request = read(b"Accept: */*", line=b"GET /a%20b?c=d HTTP/1.1")
    assert (request.method, request.target) == ("GET", b"/a%20b?c=d")
    assert (request.path, request.query) == (b"/a%20b", b"c=d")
    assert request.fields == [(b"host", b"a.example"), (b"accept", b"*/*")]
    assert (request.http_version, request.stream_id) == ("1.1", 0)
    assert (request.content_length, request.ended, request.expects_continue) == (-1, True, False)
    assert repr(request) == "<Request GET b'/a%20b?c=d' HTTP/1.1 fields=2>"


@pytest.mark.parametrize(
    ("line", "connection", "stays"),
    [
        (b"GET / HTTP/1.1", None, True),
        (b"GET / HTTP/1.1", b"close", False),
        (b"GET / HTTP/1.1", b"Close", False),
        (b"GET / HTTP/1.1", b"keep-alive", True),
        (b"GET / HTTP/1.1", b"keep-alive, close", False),
        (b"GET / HTTP/1.1", b"upgrade,close ", False),
        (b"GET / HTTP/1.1", b"enclose", True),
        (b"GET / HTTP/1.0", None, False),
        (b"GET / HTTP/1.0", b"keep-alive", True),
        (b"GET / HTTP/1.0", b"Keep-Alive", True),
        (b"GET / HTTP/1.0", b"x, keep-alive", True),
        (b"GET / HTTP/1.0", b"keep-alive, close", False),
        (b"GET / HTTP/1.0", b"keep-alives", False),
    ],
)
def test_persistence(line: bytes, connection: bytes | None, stays: bool) -> None:
    """RFC 9112 section 9.3."""
    lines = [] if connection is None else [b"Connection: " + connection]
    one = reader()
    one.read(head(b"Host: a.example", *lines, line=line))
    assert one.keep_alive is stays


def test_framing_is_told() -> None:
    one = reader()
    request = one.read(head(b"Host: a", b"Transfer-Encoding: chunked", line=b"POST / HTTP/1.1"))
    assert one.chunked
    assert (request.content_length, request.ended) == (-1, False)
    request = one.read(head(b"Host: a", b"Content-Length: 7", line=b"POST / HTTP/1.1"))
    assert not one.chunked
    assert (request.content_length, request.ended) == (7, False)
    request = one.read(head(b"Host: a", b"Content-Length: 0", line=b"POST / HTTP/1.1"))
    assert (request.content_length, request.ended) == (0, True)


def test_upgrade_is_told_but_not_obeyed() -> None:
    one = reader()
    request = one.read(head(b"Host: a", b"Connection: Upgrade", b"Upgrade: h2c"))
    assert one.upgrade == b"h2c"
    assert request.websocket is None
    assert request.ended
    one.read(head(b"Host: a"))
    assert one.upgrade is None


HANDSHAKE = [
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
]


def test_a_websocket_handshake_is_told() -> None:
    one = reader()
    request = one.read(
        head(
            b"Host: a",
            *HANDSHAKE,
            b"Sec-WebSocket-Protocol: chat, b",
            b"Sec-WebSocket-Extensions: x",
            b"Sec-WebSocket-Extensions: y",
            b"Content-Length: 0",
        )
    )
    offer = request.websocket
    assert offer is not None
    assert offer.key == b"AAAAAAAAAAAAAAAAAAAAAA=="
    assert offer.subprotocols == ["chat", "b"]
    assert offer.extensions == [b"x", b"y"]
    assert one.read(head(b"Host: a")).websocket is None


EVERYTHING = [
    b"Host: a.example",
    b"Connection: close, keep-alive",
    b"Content-Length: 5",
    b"Expect: 100-continue",
    b"Upgrade: x",
    b"X-A: 1",
]


@pytest.mark.parametrize(
    "first",
    [
        head(*EVERYTHING, line=b"POST /first HTTP/1.1"),
        head(*EVERYTHING, line=b"POST /first HTTP/1.0"),
        head(b"Host: a", b"Transfer-Encoding: chunked", line=b"POST /first HTTP/1.1"),
        head(b"Host: a", b"Proxy-Connection: close"),
        head(b"Host: a", b"Connection: Upgrade", b"Upgrade: h2c"),
        head(b"Host: a", *HANDSHAKE),
        head(b"Connection: keep-alive", line=b"GET / HTTP/1.0"),
    ],
)
def test_nothing_is_left_for_the_next_head(first: bytes) -> None:
    one = reader()
    one.read(first)
    request = one.read(head(b"Host: b.example", line=b"GET /second HTTP/1.1"))
    assert (request.method, request.target, request.http_version) == ("GET", b"/second", "1.1")
    assert request.fields == [(b"host", b"b.example")]
    assert (request.content_length, request.ended, request.expects_continue) == (-1, True, False)
    assert request.websocket is None
    assert (one.keep_alive, one.chunked, one.upgrade) == (True, False, None)


def test_underscores_follow_the_header_map() -> None:
    """CVE-2015-0219, CVE-2026-3902."""
    data = head(b"Host: a", b"X_Real_IP: 1")
    assert reader("drop").read(data).fields == [(b"host", b"a")]
    assert reader("dangerous").read(data).fields == [(b"host", b"a"), (b"x_real_ip", b"1")]
    assert "underscore" in str(refused(data, "refuse"))


@pytest.mark.parametrize(
    ("line", "status", "words"),
    [
        (b"GET /  HTTP/1.1", 400, "METHOD SP TARGET SP VERSION"),
        (b"G\xc9T / HTTP/1.1", 400, "token"),
        (b"PRI / HTTP/1.1", 501, "PRI"),
        (b"PRI * HTTP/2.0", 505, "HTTP/1.1"),
        (b"CONNECT a:1 HTTP/1.1", 501, "CONNECT"),
        (b"GET / HTTP/2.0", 505, "HTTP/1.1"),
        (b"GET / HTTP/1.x", 400, "version"),
        (b"GET / http/1.1", 400, "version"),
        (b"GET x HTTP/1.1", 400, "target"),
        (b"GET * HTTP/1.1", 400, "target"),
        (b"GET /#x HTTP/1.1", 400, "fragment"),
        (b"GET ftp://a/ HTTP/1.1", 400, "target"),
        (b"GET http://u@a/ HTTP/1.1", 400, "user information"),
        (b"GET http:///x HTTP/1.1", 400, "host"),
        (b"GET /\nX-A:b HTTP/1.1", 400, "target"),
        (b"GET /\rX-A:b HTTP/1.1", 400, ""),
    ],
)
def test_refused_request_lines(line: bytes, status: int, words: str) -> None:
    refusal = refused(head(b"Host: a.example", line=line))
    assert refusal.status == status
    assert words.lower() in str(refusal).lower()


@pytest.mark.parametrize(
    ("lines", "status", "words"),
    [
        ([], 400, "Host"),
        ([b"Host: a", b"Host: a"], 400, "Host"),
        ([b"Host: a/b"], 400, "Host"),
        ([b"Host:", b"Host: a"], 400, "Host"),
        ([b"Host: a", b"Content-Length: 5", b"Content-Length: 5"], 400, "Content-Length"),
        ([b"Host: a", b"Content-Length: 5, 5"], 400, "Content-Length"),
        ([b"Host: a", b"Transfer-Encoding: chunked, chunked"], 400, "chunked"),
        ([b"Host: a", b"Transfer-Encoding: br, chunked"], 501, "transfer coding"),
        ([b"Host: a", b"Expect: more"], 417, "expectation"),
        ([b"Host: a", b"Transfer-Encoding: chunked", b"Content-Length: 5"], 400, "Length"),
        (
            [b"Host: a", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"],
            400,
            "Transfer-Encoding",
        ),
        ([b"Host: a", b"Host: b", b"Content-Length: x"], 400, "Host"),
    ],
)
def test_refused_fields(lines: list[bytes], status: int, words: str) -> None:
    refusal = refused(head(*lines))
    assert refusal.status == status
    assert words.lower() in str(refusal).lower()


@pytest.mark.parametrize("limits", [{"fields": 2}, {"fields": 3}])
def test_the_limit_of_fields(limits: dict[str, int]) -> None:
    data = head(b"Host: a", b"X-A: 1", b"X-B: 2")
    if limits["fields"] == 2:
        assert refused(data, **limits).status == 431
    else:
        assert len(reader(**limits).read(data).fields) == 3


def test_transfer_encoding_is_not_for_http_1_0() -> None:
    """RFC 9112 section 6.1."""
    refusal = refused(head(b"Transfer-Encoding: chunked", line=b"POST / HTTP/1.0"))
    assert "HTTP/1.0" in str(refusal)


@pytest.mark.parametrize(
    ("target", "expected", "host"),
    [
        (b"http://b.example/x?y", b"/x?y", b"b.example"),
        (b"HTTPS://b.example:1", b"/", b"b.example:1"),
        (b"http://[::1]?y", b"/?y", b"[::1]"),
    ],
)
@pytest.mark.parametrize("hosts", [[b"Host: a.example"], [b"X-A: 1", b"Host: a.example"]])
def test_absolute_form(target: bytes, expected: bytes, host: bytes, hosts: list[bytes]) -> None:
    """RFC 9112 section 3.2.2: the authority replaces Host."""
    request = reader().read(head(*hosts, line=b"GET " + target + b" HTTP/1.1"))
    assert request.target == expected
    assert request.fields == [(b"host", host), *([(b"x-a", b"1")] if len(hosts) > 1 else [])]


def test_absolute_form_excuses_no_bad_host() -> None:
    for lines in ([b"Host: a/b"], [b"Host: a", b"Host: b"], []):
        assert "Host" in str(refused(head(*lines, line=b"GET http://a/ HTTP/1.1")))


def test_absolute_form_brings_a_host_to_http_1_0() -> None:
    request = reader().read(head(line=b"GET http://b.example/ HTTP/1.0"))
    assert request.fields == [(b"host", b"b.example")]


@pytest.mark.parametrize("method", [b"get", b"BREW", b"DESCRIBE", b"GETX", b"!#$%&'*+-.^_`|~09"])
def test_a_method_is_any_token(method: bytes) -> None:
    """RFC 9110 section 9.1."""
    assert read(line=method + b" / HTTP/1.1").method == method.decode()


def test_a_head_is_read_where_it_stands() -> None:
    one = reader()
    first, second = head(b"Host: a", line=b"GET /1 HTTP/1.1"), head(b"Host: b", b"X: y")
    request = one.read(first + second + b"body\r\n\r\n", len(first))
    assert (request.target, request.fields) == (b"/", [(b"host", b"b"), (b"x", b"y")])
    assert one.end == len(first + second)


def test_lines_that_clients_repeat_are_the_same_objects() -> None:
    """Never those whose values are secret."""
    lines = [b"Host: a.example", b"Accept: text/html", b"Cookie: a=b", b"Authorization: Basic x"]
    first, second = (reader().walk(head(*lines), 0).fields for _ in range(2))
    assert first == second
    same = [one is other for one, other in zip(first, second, strict=True)]
    assert same == [True, True, False, False]


def test_long_lines_are_not_kept() -> None:
    line = b"Accept: " + b"x" * 256
    first, second = (reader().walk(head(b"Host: a", line), 0).fields for _ in range(2))
    assert first == second
    assert first[1] is not second[1]


def test_remembered_options_of_connection_hold() -> None:
    for line in (b"Connection: close", b"Connection: keep-alive, Close"):
        for _ in range(3):
            one = reader()
            one.walk(head(b"Host: a", line), 0)
            assert not one.keep_alive


def test_asterisk_form_is_for_options() -> None:
    """RFC 9112 section 3.2.4."""
    assert read(line=b"OPTIONS * HTTP/1.1").target == b"*"


def test_the_limit_of_the_body() -> None:
    data = head(b"Host: a", b"Content-Length: 5", line=b"POST / HTTP/1.1")
    assert refused(data, body=4).status == 413
    assert reader(body=5).read(data).content_length == 5


def test_the_limit_of_the_request_line() -> None:
    data = head(b"Host: a", line=b"GET /123 HTTP/1.1")
    assert refused(data, request_line=16).status == 414
    assert reader(request_line=17).read(data).target == b"/123"


@pytest.mark.parametrize(
    ("value", "status"),
    [
        (b"gzip, chunked", 501),
        (b"br", 501),
        (b"chunked, gzip", 400),
        (b"chunked, chunked", 400),
        (b"identity", 400),
        (b"", 400),
        (b"chunked;x=y", 400),
        (b"chunked,", 400),
        (b"\x0bchunked", 400),
    ],
)
def test_transfer_codings_are_judged(value: bytes, status: int) -> None:
    assert judge_transfer_encoding(value).status == status
