"""protocols/http1/engine.py: when it says what, and what it keeps meanwhile."""

import pytest

from bascule.errors import ResponseError
from bascule.protocols.events import BodyData, BodyEnd, Closed, Refused, Request
from bascule.protocols.http1.engine import Http1Engine, Http1Event
from bascule.protocols.limits import RequestLimits

GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
SECOND = b"GET /second HTTP/1.1\r\nHost: a.example\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n"
EXPECTING = (
    b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
)


def engine(data: bytes = b"", **limits: int) -> Http1Engine:
    one = Http1Engine(RequestLimits(**limits))
    if data:
        one.receive_data(data)
    return one


def request(one: Http1Engine) -> Request:
    event = one.next_event()
    assert isinstance(event, Request), event
    return event


def answer(one: Http1Engine) -> bytes:
    return one.send_head(200, [], b"", True)


def refusal(one: Http1Engine) -> Refused:
    event = one.next_event()
    assert isinstance(event, Refused), event
    return event


def events(one: Http1Engine) -> list[Http1Event]:
    found = []
    while (event := one.next_event()) is not None:
        found.append(event)
    return found


def test_a_fresh_engine_has_nothing_to_say() -> None:
    one = engine()
    assert one.next_event() is None
    assert (one.buffered(), one.in_head()) == (0, False)


def test_receiving_only_buffers() -> None:
    one = engine(GET)
    assert one.buffered() == len(GET)
    request(one)
    assert one.buffered() == 0


def test_a_head_that_is_not_complete() -> None:
    one = engine(GET[:20])
    assert one.next_event() is None
    assert one.in_head()
    one.receive_data(GET[20:])
    request(one)
    assert not one.in_head()


def test_the_next_request_waits_for_the_response() -> None:
    one = engine(GET + SECOND)
    request(one)
    assert one.next_event() is None
    assert one.buffered() == len(SECOND)
    one.send_head(200, [], b"part", False)
    assert one.next_event() is None
    one.send_data(b"rest", True)
    assert request(one).target == b"/second"


def test_the_next_request_waits_for_the_body() -> None:
    one = engine(POST + b"he")
    request(one)
    answer(one)
    assert one.response_complete()
    assert not one.body_ended()
    assert one.next_event() is None
    one.receive_data(b"llo" + SECOND)
    assert request(one).target == b"/second"


def test_garbage_behind_a_request_is_not_looked_at_before_its_turn() -> None:
    one = engine(GET + b"\0\0\0\n\n")
    request(one)
    assert one.next_event() is None
    answer(one)
    assert refusal(one).status == 400


def test_a_body_by_length() -> None:
    one = engine(POST + b"he")
    request(one)
    piece = one.next_event()
    assert isinstance(piece, BodyData)
    assert piece.data == b"he"
    assert one.next_event() is None
    one.receive_data(b"llo")
    piece = one.next_event()
    assert isinstance(piece, BodyData)
    assert piece.data == b"llo"
    end = one.next_event()
    assert isinstance(end, BodyEnd)
    assert list(end.trailers) == []
    assert one.body_ended()
    assert (repr(piece), repr(end)) == ("<BodyData 3 bytes>", "<BodyEnd trailers=0>")


def test_a_body_that_is_not_read_is_thrown_away() -> None:
    one = engine(POST)
    request(one)
    assert b"close" not in answer(one)
    one.receive_data(b"hello" + SECOND)
    assert request(one).target == b"/second"


def test_a_response_says_so_when_more_than_that_may_be_missing() -> None:
    """RFC 9112 section 9.6: the next request would meet a connection that closes."""
    one = engine(POST, discard=4)
    request(one)
    assert b"\r\nconnection: close\r\n" in answer(one)
    one.receive_data(b"hello" + SECOND)
    assert not one.keep_alive()
    assert [type(event) for event in events(one)] == [Closed]


def test_only_what_is_missing_counts() -> None:
    one = engine(POST + b"h", discard=4)
    request(one)
    assert isinstance(one.next_event(), BodyData)
    assert b"close" not in answer(one)


def test_of_a_chunked_body_nobody_knows_how_much_is_missing() -> None:
    one = engine(CHUNKED + b"5\r\nhello\r\n")
    request(one)
    assert isinstance(one.next_event(), BodyData)
    assert b"\r\nconnection: close\r\n" in answer(one)


def test_a_chunked_body_that_is_here_keeps_the_connection() -> None:
    one = engine(CHUNKED + b"5\r\nhello\r\n0\r\n\r\n" + SECOND)
    assert [type(event) for event in events(one)] == [Request, BodyData, BodyEnd]
    assert b"close" not in answer(one)
    assert request(one).target == b"/second"


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_only_so_much_is_thrown_away(framing: str) -> None:
    body = b"x" * 60
    if framing == "length":
        head = POST.replace(b"5", b"60")
    else:
        head, body = CHUNKED, b"3c\r\n" + body + b"\r\n0\r\n\r\n"
    one = engine(head, discard=50)
    request(one)
    answer(one)
    one.receive_data(body + SECOND)
    event = one.next_event()
    assert isinstance(event, Closed)
    assert not event.clean
    assert one.next_event() is None


def test_what_is_thrown_away_is_counted_for_each_request() -> None:
    one = engine(discard=50)
    for _ in range(5):
        one.receive_data(POST.replace(b"5", b"40"))
        request(one)
        answer(one)
        one.receive_data(b"x" * 40)
        assert one.next_event() is None


def test_a_body_may_be_refused_after_the_answer() -> None:
    """A body that is dropped is still parsed: the next request begins exactly behind it."""
    one = engine(CHUNKED)
    request(one)
    answer(one)
    one.receive_data(b"nonsense\r\n" + SECOND)
    assert refusal(one).status == 400
    assert events(one) == []


# 100 (Continue), RFC 9110 section 10.1.1.


def test_continue_is_sent_once() -> None:
    one = engine(EXPECTING)
    assert request(one).expects_continue
    assert one.send_continue() == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert one.send_continue() == b""


def test_continue_is_not_sent_when_nobody_waits() -> None:
    one = engine(POST)
    request(one)
    assert one.send_continue() == b""


def test_continue_is_not_sent_when_the_body_is_coming() -> None:
    one = engine(EXPECTING + b"he")
    request(one)
    assert isinstance(one.next_event(), BodyData)
    assert one.send_continue() == b""


def test_continue_is_not_sent_after_the_response_began() -> None:
    one = engine(EXPECTING)
    request(one)
    one.send_head(200, [], b"", False)
    assert one.send_continue() == b""


def test_an_answer_instead_of_continue_ends_the_connection() -> None:
    """The client may or may not send its body now: where the next request begins is unknown."""
    one = engine(EXPECTING)
    request(one)
    assert b"connection: close\r\n" in one.send_head(413, [], b"", True)
    assert not one.keep_alive()
    one.receive_data(b"hello" + SECOND)
    assert events(one) == []


def test_an_answer_after_continue_keeps_the_connection() -> None:
    one = engine(EXPECTING)
    request(one)
    one.send_continue()
    assert b"close" not in answer(one)
    one.receive_data(b"hello" + SECOND)
    assert request(one).target == b"/second"


def test_an_expectation_is_not_carried_over() -> None:
    one = engine(EXPECTING + b"hello" + SECOND)
    request(one)
    events(one)
    answer(one)
    request(one)
    assert one.send_continue() == b""
    assert b"close" not in answer(one)


# The end of the connection, from the client.


def test_end_at_once() -> None:
    one = engine()
    one.receive_eof()
    event = one.next_event()
    assert isinstance(event, Closed)
    assert event.clean
    assert repr(event) == "<Closed clean=True>"
    assert one.next_event() is None


def test_end_waits_for_the_response() -> None:
    """RFC 9112 section 9.6: a client may close its sending side and still read."""
    one = engine(GET)
    request(one)
    one.receive_eof()
    assert one.next_event() is None
    assert answer(one).startswith(b"HTTP/1.1 200")
    assert isinstance(one.next_event(), Closed)


def test_end_behind_pipelined_requests() -> None:
    one = engine(GET + SECOND)
    one.receive_eof()
    request(one)
    answer(one)
    request(one)
    answer(one)
    event = one.next_event()
    assert isinstance(event, Closed)
    assert event.clean


@pytest.mark.parametrize("head", [POST, CHUNKED])
def test_end_inside_a_body(head: bytes) -> None:
    one = engine(head)
    request(one)
    one.receive_eof()
    event = one.next_event()
    assert isinstance(event, Closed)
    assert not event.clean
    assert one.next_event() is None


# The end of the connection, from this side.


def test_close_asked_for_by_the_client() -> None:
    one = engine(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + SECOND)
    request(one)
    assert b"connection: close\r\n" in answer(one)
    assert not one.keep_alive()
    assert events(one) == []


def test_close_asked_for_by_the_server() -> None:
    one = engine(GET + SECOND)
    request(one)
    one.stop_keep_alive()
    assert b"connection: close\r\n" in answer(one)
    assert events(one) == []


def test_close_asked_for_by_the_application() -> None:
    one = engine(GET + SECOND)
    request(one)
    assert b"connection: close\r\n" in one.send_head(200, [(b"connection", b"Close")], b"", True)
    assert events(one) == []


def test_nothing_is_kept_behind_the_end() -> None:
    """Bytes behind the last request have no reader: they must not fill memory either."""
    one = engine(b"GET / HTTP/1.1\r\n\r\n")
    assert refusal(one).status == 400
    for _ in range(100):
        one.receive_data(b"x" * 1000)
        assert one.next_event() is None
    assert one.buffered() < 2000


# Refusals.


def test_a_refusal_says_why() -> None:
    one = engine(b"GET / HTTP/1.1\r\n\r\n" + SECOND)
    refused = refusal(one)
    assert (refused.status, refused.reason, refused.stream_id) == (400, "no Host field", 0)
    assert repr(refused) == "<Refused 400 no Host field>"
    one.receive_data(SECOND)
    one.receive_eof()
    assert events(one) == []


def test_a_refusal_is_answered_and_the_connection_closed() -> None:
    one = engine(b"GET / HTTP/1.1\r\n\r\n")
    refusal(one)
    one.begin_refusal()
    data = one.send_head(400, [(b"content-type", b"text/plain")], b"no Host field\n", True)
    assert data.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"connection: close\r\n" in data
    assert data.endswith(b"\r\n\r\nno Host field\n")
    assert not one.keep_alive()
    assert one.response_complete()


def test_a_refusal_behind_a_response_is_answered_too() -> None:
    one = engine(GET + b"\0\r\n\r\n")
    request(one)
    answer(one)
    refusal(one)
    one.begin_refusal()
    assert b"400 Bad Request" in one.send_head(400, [], b"", True)


def test_a_refusal_is_not_framed_as_the_request_before_was() -> None:
    one = engine(b"HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + b"\0\r\n\r\n")
    request(one)
    answer(one)
    refusal(one)
    one.begin_refusal()
    assert one.send_head(400, [], b"why", True).endswith(b"\r\n\r\nwhy")


@pytest.mark.parametrize(
    "data", [b"\n", b"GET / HTTP/1.1\n", b"GET / HTTP/1.1\r\nHost: a\n", b"\r\n\n"]
)
def test_a_bare_lf_is_refused_before_the_head_is_complete(data: bytes) -> None:
    one = engine()
    for byte in data:
        assert one.next_event() is None
        one.receive_data(bytes([byte]))
    assert "LF" in refusal(one).reason


def test_tls_is_recognised_by_two_bytes() -> None:
    one = engine(b"\x16")
    assert one.next_event() is None
    one.receive_data(b"\x03")
    assert "TLS" in refusal(one).reason


def test_a_blank_line_is_no_head() -> None:
    one = engine(b"\r\n")
    assert one.next_event() is None
    assert not one.in_head()
    one.receive_data(b"\r\n" + GET)
    request(one)


@pytest.mark.parametrize("size", [30, 31])
def test_the_limit_of_the_head(size: int) -> None:
    """The same with and without its end in sight."""
    data = b"GET / HTTP/1.0\r\nA: " + b"b" * (size - 23) + b"\r\n\r\n"
    one = engine(data, head=30)
    if size == 30:
        request(one)
    else:
        assert refusal(one).status == 431
        cut = engine(data[:-1] + b"x", head=30)
        assert refusal(cut).status == 431


def test_the_limits_of_a_request_line_without_end() -> None:
    one = engine(b"GET /" + b"a" * 23 + b"\r", request_line=28)
    assert one.next_event() is None
    one = engine(b"GET /" + b"a" * 23, request_line=28)
    assert one.next_event() is None
    one.receive_data(b"a")
    assert refusal(one).status == 414


def test_a_request_line_that_has_ended_is_measured_before_the_head_has() -> None:
    line = b"GET /" + b"a" * 14 + b" HTTP/1.1"
    one = engine(line + b"\r\nHost: a\r\n", request_line=28)
    assert one.next_event() is None
    one = engine(line + b"\r\nHost: a\r\n", request_line=27)
    assert refusal(one).status == 414


def test_field_lines_are_counted_before_the_head_has_ended() -> None:
    head = b"GET / HTTP/1.1\r\nHost: a\r\n" + b"A:b\r\n" * 9
    one = engine(head + b"A:", fields=10)
    assert one.next_event() is None
    one.receive_data(b"b\r\n")
    assert refusal(one).status == 431


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"GET /x?y HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", ("GET", b"/x?y", "1.1")),
        (b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", ("GET", b"/\xff", "1.1")),
        (b"G@T / HTTP/1.1\r\nHost: a\r\n\r\n", ("-", b"/", "1.1")),
        (b"GET / HTTP/3.7\r\nHost: a\r\n\r\n", ("GET", b"/", "3.7")),
        (b"GET / FTP/1.1\r\nHost: a\r\n\r\n", ("GET", b"/", "-")),
        (b"GET  HTTP/1.1\r\nHost: a\r\n\r\n", ("GET", b"-", "1.1")),
        (b"GET /\r\n\r\n", ("-", b"-", "-")),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n", ("-", b"-", "-")),
        (b"\x16\x03\x01", ("-", b"-", "-")),
    ],
)
def test_what_is_known_of_a_request_that_is_refused(
    head: bytes, words: tuple[str, bytes, str]
) -> None:
    one = engine(head)
    refusal(one)
    assert one.request_line() == words


def test_response_errors_reach_the_application() -> None:
    one = engine(GET)
    request(one)
    with pytest.raises(ResponseError):
        one.send_head(200, [(b"x", b"a\r\nb: c")], b"", True)
    assert not one.response_started()
    assert answer(one)
    with pytest.raises(ResponseError):
        answer(one)


def test_too_many_blank_lines() -> None:
    assert "empty lines" in refusal(engine(b"\r\n\r\n\r\n")).reason


def test_a_long_request_line_in_a_long_head() -> None:
    assert refusal(engine(b"GET /" + b"a" * 50, head=30, request_line=20)).status == 414
    line_fits = b"GET / HTTP/1.1\r\nA: " + b"a" * 50
    assert refusal(engine(line_fits, head=30, request_line=20)).status == 431


def test_the_writer_is_reached() -> None:
    """The promises of response.py hold through the engine."""
    one = engine(b"GET / HTTP/1.1\r\nHost: a\r\nTE: deflate, trailers\r\n\r\n")
    request(one)
    assert b"103" in one.send_informational(103, [])
    one.send_head(200, [], b"", False)
    assert one.send_file_prefix(1, False) == b"1\r\n"
    assert one.send_file_suffix(1, False) == b"\r\n"
    assert one.send_trailers([(b"x", b"y")]) == b"0\r\nx: y\r\n\r\n"
    assert not one.dropped_body()


def test_trailers_are_for_clients_that_asked() -> None:
    """RFC 9110 section 6.5.1."""
    one = engine(GET)
    request(one)
    one.send_head(200, [], b"", False)
    assert one.send_trailers([(b"x", b"y")]) == b"0\r\n\r\n"


HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: %b\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def test_switching_hands_over_what_is_behind_the_head() -> None:
    one = engine(HANDSHAKE % b"13" + GET[:5])
    assert request(one).websocket is not None
    assert one.next_event() is None
    one.receive_data(GET[5:])
    assert one.next_event() is None
    head = one.send_switching([(b"upgrade", b"websocket"), (b"connection", b"Upgrade")])
    assert head == (
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n"
    )
    assert one.response_started()
    assert one.response_complete()
    assert not one.keep_alive()
    assert one.next_event() is None
    assert one.take_rest() == GET
    assert one.take_rest() == b""
    one.receive_data(GET)
    assert (one.next_event(), one.buffered()) == (None, 0)


def test_a_switch_that_cannot_be_leaves_the_response_open() -> None:
    one = engine(HANDSHAKE % b"13" + GET)
    request(one)
    with pytest.raises(ResponseError, match="line break"):
        one.send_switching([(b"x", b"a\r\nb")])
    assert answer(one).startswith(b"HTTP/1.1 200 OK")
    with pytest.raises(ResponseError, match="after the response has begun"):
        one.send_switching([])
    assert request(one).websocket is None


def test_a_refusal_says_what_belongs_into_its_head() -> None:
    refused = refusal(engine(HANDSHAKE % b"8"))
    assert refused.status == 426
    assert refused.fields == ((b"sec-websocket-version", b"13"),)
    assert refusal(engine(b"GET\r\n\r\n")).fields == ()


def test_a_large_body_is_not_copied() -> None:
    one = engine(GET)
    request(one)
    body = b"x" * 100_000
    head = one.send_head(200, [], body, True)
    assert head.endswith(b"\r\n\r\n")
    assert one.take_unsent() is body
    assert one.take_unsent() is None
