"""A breach of the protocol is answered once, the connection closed, and the log not misled."""

import pytest
from connection_rig import LINGERING, request, statuses

from bascule.connections.plan import Deadlines

BROKEN = b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"


def test_a_refusal_says_why_and_closes(rig):
    client = rig.connect()
    client.send(BROKEN)
    assert statuses(client) == [400]
    assert b"connection: close\r\n" in client.received
    assert b"content-type: text/plain" in client.received
    assert b"Host" in client.received.partition(b"\r\n\r\n")[2]
    assert client.finished
    assert [kind for kind, _ in rig.warnings] == ["refused"]
    assert "192.0.2.1:50000" in rig.warnings[0][1]


def test_a_refusal_says_in_its_head_what_would_do_instead(rig):
    """RFC 6455 section 4.4."""
    client = rig.connect()
    client.send(
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 7\r\n\r\n"
    )
    assert statuses(client) == [426]
    assert b"\r\nsec-websocket-version: 13\r\n" in client.received


def test_a_refusal_carries_the_fields_of_every_response(rig):
    rig.configure(extra_lines=b"x-frame-options: DENY\r\n")
    client = rig.connect()
    client.send(BROKEN)
    assert b"x-frame-options: DENY\r\n" in client.received
    assert b"date: " in client.received


def test_a_broken_body_is_refused_while_nothing_is_answered(rig):
    client = rig.connect()
    client.send(request("/", "Transfer-Encoding: chunked", method="POST") + b"5\r\nhello\r\n")
    call = rig.calls[0]
    assert call.receive().result()["body"] == b"hello"
    client.send(b"Z\r\n")
    assert statuses(client) == [400]
    assert call.receive().result() == {"type": "http.disconnect"}
    assert call.body(b"x").exception() is None
    rig.pass_time(5)
    assert isinstance(call.body(b"x").exception(), OSError)
    call.end()
    client.send_eof()
    rig.assert_nothing_left()


def test_a_broken_body_behind_an_answer_that_has_begun_aborts(rig):
    client = rig.connect()
    client.send(request("/", "Transfer-Encoding: chunked", method="POST") + b"5\r\nhello\r\n")
    call = rig.calls[0]
    call.start()
    call.body(b"part")
    client.send(b"Z\r\n")
    assert client.aborted
    assert statuses(client) == [200]
    assert call.receive().result() == {"type": "http.disconnect"}
    call.end()
    rig.assert_nothing_left()


def test_a_request_whose_broken_body_cut_its_answer_off_is_in_the_access_log(rig):
    client = rig.connect()
    client.send(request("/upload", "Transfer-Encoding: chunked", method="POST"))
    rig.calls[0].start()
    rig.calls[0].body(b"part")
    client.send(b"Z\r\n")
    rig.calls[0].end()
    assert rig.access_lines == [("POST", "/upload", 200)]


def test_a_refused_request_with_a_head_is_in_the_access_log(rig):
    client = rig.connect()
    client.send(request("/upload", "Transfer-Encoding: chunked", method="POST") + b"Z\r\n")
    assert rig.access_lines == [("POST", "/upload", 400)]


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"nonsense\r\n\r\n", ("-", "-", 400)),
        (b"GET /x HTTP/1.1\r\n\r\n", ("GET", "/x", 400)),
        (b"GET /\x1b[2J HTTP/1.1\r\nHost: a\r\n\r\n", ("GET", "/\x1b[2J", 400)),
        (b"GET / HTTP/7.7\r\nHost: a\r\n\r\n", ("GET", "/", 505)),
        (b"GET /" + b"a" * 9000, ("-", "-", 414)),
        (b"POST /u HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n", ("POST", "/u", 413)),
    ],
)
def test_a_request_that_is_refused_by_its_head_is_in_the_access_log(make_rig, data, line):
    rig = make_rig(body=50)
    client = rig.connect()
    client.send(data)
    assert rig.access_lines == [line]


def test_a_head_that_took_too_long_is_in_the_access_log(rig):
    client = rig.connect()
    client.send(b"GET /slow HTTP/1.1\r\nHost")
    rig.pass_time(Deadlines().request_head)
    assert rig.access_lines == [("GET", "/slow", 408)]


@pytest.mark.parametrize("data", [BROKEN, b"GET / HTTP/1.1\nHost: a\r\n"])
def test_a_refused_head_is_not_logged_as_the_request_before_it(rig, data):
    client = rig.connect()
    client.send(request("/good"))
    rig.calls[0].respond()
    client.send(data)
    assert statuses(client) == [200, 400]
    lines = rig.access_lines
    assert lines.count(("GET", "/good", 200)) == 1
    assert ("GET", "/good", 400) not in lines


def test_a_head_that_took_too_long_is_not_logged_as_the_request_before_it(rig):
    client = rig.connect()
    client.send(request("/good"))
    rig.calls[0].respond()
    client.send(b"GET /slow")
    rig.pass_time(Deadlines().request_head)
    assert statuses(client) == [200, 408]
    assert [line[1] for line in rig.access_lines].count("/good") == 1


def test_a_body_that_is_too_slow_is_refused_before_wsgi_is_called(make_rig):
    called = []

    def application(environ, start_response):
        called.append(environ)
        start_response("200 OK", [])
        return [b""]

    rig = make_rig(application, threads=0)
    client = rig.connect()
    client.send(request("/", "Content-Length: 100", method="POST") + b"x")
    rig.pass_time(Deadlines().body_grace + 1)
    assert statuses(client) == [408]
    assert called == []
    client.send_eof()
    rig.assert_nothing_left()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request("/" + "x" * 9000), 414),
        (b"GET /" + b"x" * 9000, 414),
        (request("/", "X-Large: " + "x" * 70000), 431),
        (request("/", *(f"X-{number}: 1" for number in range(200))), 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ],
)
def test_what_is_refused_before_there_is_a_request(rig, data, status):
    client = rig.connect()
    client.send(data)
    assert statuses(client) == [status]
    assert client.protocol.transport.phase == LINGERING
    assert rig.calls == []


@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_over_the_limit_is_refused(make_rig, chunked):
    rig = make_rig(body=10)
    client = rig.connect()
    if chunked:
        client.send(request("/", "Transfer-Encoding: chunked", method="POST"))
        client.send(b"b\r\n01234567890\r\n")
    else:
        client.send(request("/", "Content-Length: 11", method="POST"))
    assert statuses(client) == [413]
    for call in rig.calls:
        assert call.receive().result() == {"type": "http.disconnect"}
        call.end()
    client.send_eof()
    rig.assert_nothing_left()


def test_a_refusal_under_tls_waits_for_the_client_to_close(rig):
    """It has no half that could be closed alone, and closing on what still comes may lose the
    refusal."""
    client = rig.connect(can_eof=False)
    client.send(BROKEN)
    assert statuses(client) == [400]
    assert b"connection: close" in client.received
    assert not client.closing
    client.send(b"x" * 100_000)
    assert client.reading
    client.send_eof()
    rig.assert_nothing_left()


def test_a_refusal_under_tls_closes_when_the_client_does_not(rig):
    client = rig.connect(can_eof=False)
    client.send(BROKEN)
    rig.pass_time(Deadlines().linger)
    assert client.lost
    assert not client.aborted
    rig.assert_nothing_left()


def test_a_response_that_ends_with_the_connection_ends_at_once_under_tls(rig):
    client = rig.connect(can_eof=False)
    client.send(b"POST / HTTP/1.0\r\nContent-Length: 1000000\r\n\r\n")
    rig.calls[0].start()
    rig.calls[0].body(b"all of it").result()
    assert not client.lost
    rig.calls[0].body(b"", more=False).result()
    rig.calls[0].end()
    assert client.lost
