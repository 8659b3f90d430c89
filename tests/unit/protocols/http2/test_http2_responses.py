"""Responses of the HTTP/2 engine: their fields, their bodies, and what an application may not say
(RFC 9113 section 8)."""

import pytest

from bascule.errors import ResponseError
from bascule.protocols.limits import Http2Limits, RequestLimits
from bascule.protocols.response_fields import ResponseDefaults
from support import http2_frames as h2
from support.http2_client import Http2Client

OK = [(b":status", b"200")]
HEAD = [(b":method", b"HEAD"), *h2.GET[1:]]


def shape(frames: list[h2.Frame]) -> list[tuple[str, bool, int]]:
    return [(frame.kind, frame.end, len(frame.payload)) for frame in frames]


def test_a_small_response_is_two_frames() -> None:
    client = Http2Client()
    stream = client.request()
    client.engine.send_head(stream, 200, [(b"Content-Type", b"text/plain")], b"hello", True)
    head, body = client.read()
    assert client.fields == [[*OK, (b"content-type", b"text/plain"), (b"content-length", b"5")]]
    assert (head.kind, head.end) == ("headers", False)
    assert (body.kind, body.end, body.payload) == ("data", True, b"hello")
    assert stream.closed
    assert client.engine.streams.open == {}


def test_all_responses_of_a_turn_leave_together() -> None:
    client = Http2Client()
    streams = [client.request(number) for number in (1, 3, 5)]
    for stream in streams:
        client.engine.send_head(stream, 200, [], b"x", True)
    assert client.answers() == [
        *("headers 1", "data 1", "headers 3", "data 3", "headers 5", "data 5")
    ]


def test_an_empty_response_is_one_frame() -> None:
    client = Http2Client()
    client.engine.send_head(client.request(), 200, [], b"", True)
    assert shape(client.read())[0][:2] == ("headers", True)
    assert client.fields == [[*OK, (b"content-length", b"0")]]


def test_a_body_of_unknown_length() -> None:
    client = Http2Client()
    stream = client.request()
    client.engine.send_head(stream, 200, [], b"", False)
    client.engine.send_data(stream, b"abc", False)
    client.engine.send_data(stream, b"", False)
    client.engine.send_data(stream, b"", True)
    assert [frame[:2] for frame in shape(client.read())] == [
        *(("headers", False), ("data", False), ("data", True))
    ]
    assert client.fields == [OK]


SPACED = [(b"X-Css", b" a: b; "), (b"x-tab", b"\tc d\t"), (b"x-nothing", b" \t "), (b"x-f", b"")]
TRIMMED = [(b"x-css", b"a: b;"), (b"x-tab", b"c d"), (b"x-nothing", b""), (b"x-f", b"")]


def test_white_space_around_values_is_no_part_of_them() -> None:
    """RFC 9113 section 8.2.1. nghttp refuses a response that has it, Node gets none."""
    client = Http2Client()
    stream = client.request(1, [*h2.GET, (b"te", b"trailers")])
    engine = client.engine
    engine.send_informational(stream, 103, SPACED)
    engine.send_head(stream, 200, [*SPACED, (b"content-length", b" 1\t")], b"a", False)
    engine.send_trailers(stream, SPACED)
    client.read()
    assert client.fields == [
        [(b":status", b"103"), *TRIMMED],
        [*OK, *TRIMMED, (b"content-length", b"1")],
        TRIMMED,
    ]


def test_white_space_does_not_hide_a_line_break() -> None:
    client = Http2Client()
    stream = client.request()
    with pytest.raises(ResponseError, match="line break"):
        client.engine.send_head(stream, 200, [(b"x-css", b"a\r\n ")], b"", True)


def test_a_304_has_no_length_but_the_applications() -> None:
    """RFC 9110 section 8.6: it is that of the 200, which a dropped body says nothing about."""
    client = Http2Client()
    engine = client.engine
    engine.send_head(client.request(1), 304, [], b"dropped", True)
    engine.send_head(client.request(3), 304, [(b"content-length", b"9")], b"", True)
    engine.send_head(client.request(5, HEAD), 304, [], b"dropped", True)
    engine.send_head(client.request(7, HEAD), 200, [], b"what GET has", True)
    client.read()
    not_modified = (b":status", b"304")
    assert client.fields == [
        [not_modified],
        [not_modified, (b"content-length", b"9")],
        [not_modified],
        [*OK, (b"content-length", b"12")],
    ]


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_a_body(status: int) -> None:
    client = Http2Client()
    stream = client.request()
    client.engine.send_head(stream, status, [], b"body", True)
    assert [frame[:2] for frame in shape(client.read())] == [("headers", True)]
    assert stream.dropped_body


def test_a_204_has_no_length() -> None:
    client = Http2Client()
    client.engine.send_head(client.request(), 204, [(b"content-length", b"3")], b"", True)
    client.read()
    assert client.fields == [[(b":status", b"204")]]


def test_head_has_the_length_of_what_it_leaves_out() -> None:
    client = Http2Client()
    stream = client.request(1, HEAD)
    client.engine.send_head(stream, 200, [], b"hello", True)
    assert [frame[:2] for frame in shape(client.read())] == [("headers", True)]
    assert client.fields == [[*OK, (b"content-length", b"5")]]
    assert not stream.dropped_body
    assert not stream.has_body


def test_head_of_a_body_in_pieces_ends_with_it() -> None:
    client = Http2Client()
    stream = client.request(1, HEAD)
    client.engine.send_head(stream, 200, [(b"content-length", b"6")], b"abc", False)
    client.engine.send_data(stream, b"def", True)
    assert shape(client.read())[1:] == [("data", True, 0)]


def test_what_http2_has_no_place_for_is_left_out() -> None:
    client = Http2Client()
    dropped = [
        *((b"Connection", b"close"), (b"Keep-Alive", b"timeout=5"), (b"Upgrade", b"h2c")),
        *((b"Transfer-Encoding", b"chunked"), (b"Proxy-Connection", b"close"), (b"TE", b"x")),
    ]
    client.engine.send_head(client.request(), 200, [*dropped, (b"x-a", b"1")], b"", True)
    client.read()
    assert client.fields == [[*OK, (b"x-a", b"1"), (b"content-length", b"0")]]


def test_the_servers_own_fields_give_way() -> None:
    defaults = ResponseDefaults()
    defaults.date = b"date: now\r\n"
    defaults.server = b"Server: bascule\r\n"
    defaults.extra = b"X-Frame-Options: DENY\r\nx-b: c:d\r\n"
    client = Http2Client(defaults=defaults)
    client.engine.send_head(client.request(), 200, [(b"Date", b"then")], b"", True)
    defaults.date = b"date: later\r\n"
    client.engine.send_head(client.request(3), 200, [(b"server", b"mine")], b"", True)
    client.read()
    extra = [(b"x-frame-options", b"DENY"), (b"x-b", b"c:d")]
    empty = (b"content-length", b"0")
    assert client.fields == [
        [*OK, (b"date", b"then"), empty, (b"server", b"bascule"), *extra],
        [*OK, (b"server", b"mine"), empty, (b"date", b"later"), *extra],
    ]


@pytest.mark.parametrize(
    ("status", "fields", "body", "words"),
    [
        (99, [], b"", "not a final status"),
        (101, [], b"", "not a final status"),
        (1000, [], b"", "not a final status"),
        (200, [(b"x a", b"")], b"", "not a field name"),
        (200, [(b":status", b"204")], b"", "not a field name"),
        (200, [(b"x-a", b"1\r\nx-b: 2")], b"", "line break"),
        (200, [(b"x-a", b"1\0")], b"", "control character"),
        (200, [("x-a", b"1")], b"", "str, not bytes"),
        (200, [(b"x-a", "1")], b"", "str, not bytes"),
        (200, [(b"content-length", b"+1")], b"1", "not a number"),
        (200, [(b"content-length", b"1"), (b"content-length", b"2")], b"1", "contradict"),
        (200, [(b"content-length", b"3")], b"1234", "longer than"),
        (200, [(b"content-length", b"3")], b"12", "ended after 2"),
    ],
)
def test_mistakes_in_a_head_send_nothing(
    status: int, fields: h2.Fields, body: bytes, words: str
) -> None:
    client = Http2Client()
    stream = client.request()
    with pytest.raises(ResponseError, match=words):
        client.engine.send_head(stream, status, fields, body, True)
    assert client.read() == []
    client.engine.send_head(stream, 500, [], b"", True)
    assert client.answers() == ["headers 1"]


def test_mistakes_after_the_head() -> None:
    client = Http2Client()
    stream = client.request()
    engine = client.engine
    with pytest.raises(ResponseError, match="outside a response"):
        engine.send_data(stream, b"x", False)
    with pytest.raises(ResponseError, match="outside a response"):
        engine.send_trailers(stream, [])
    engine.send_head(stream, 200, [(b"content-length", b"3")], b"a", False)
    with pytest.raises(ResponseError, match="second response head"):
        engine.send_head(stream, 200, [], b"", True)
    with pytest.raises(ResponseError, match="1 bytes longer"):
        engine.send_data(stream, b"bcd", False)
    with pytest.raises(ResponseError, match="1 bytes short"):
        engine.send_data(stream, b"b", True)
    with pytest.raises(ResponseError, match="interim response after"):
        engine.send_informational(stream, 103, [])
    with pytest.raises(ResponseError, match="after the response has begun"):
        engine.send_accepted(stream, [])
    engine.send_data(stream, b"bc", True)
    with pytest.raises(ResponseError, match="outside a response"):
        engine.send_data(stream, b"", True)
    assert client.answers() == ["headers 1", "data 1", "data 1"]


def test_interim_responses() -> None:
    client = Http2Client()
    stream = client.request()
    engine = client.engine
    link = (b"link", b"</a>; rel=preload")
    for status in (100, 101, 200):
        if status != 100:
            with pytest.raises(ResponseError, match="not an interim status"):
                engine.send_informational(stream, status, [])
    engine.send_informational(stream, 103, [link, (b"content-length", b"1")])
    engine.send_head(stream, 200, [], b"", True)
    assert [frame.end for frame in client.read()] == [False, True]
    assert client.fields[0] == [(b":status", b"103"), link]


def test_continue_is_said_once_and_only_when_it_is_waited_for() -> None:
    client = Http2Client()
    stream = client.request(1, [*h2.POST, (b"expect", b"100-continue")], end=False)
    assert stream.waits_for_continue
    client.engine.send_continue(stream)
    client.engine.send_continue(stream)
    assert client.answers() == ["headers 1"]
    assert client.fields == [[(b":status", b"100")]]
    impatient = client.request(3, [*h2.POST, (b"expect", b"100-continue")], end=False)
    client.send(h2.data(3, b"x"))
    client.engine.send_continue(impatient)
    client.engine.send_continue(client.request(5, end=False))
    assert client.read() == []


def test_trailers_for_those_who_take_them() -> None:
    client = Http2Client()
    engine = client.engine
    stream = client.request(1, [*h2.GET, (b"te", b"trailers")])
    engine.send_head(stream, 200, [], b"abc", False)
    engine.send_trailers(stream, [(b"X-Sum", b"6")])
    assert [frame[:2] for frame in shape(client.read())] == [
        *(("headers", False), ("data", False), ("headers", True))
    ]
    assert client.fields[1] == [(b"x-sum", b"6")]
    other = client.request(3)
    engine.send_head(other, 200, [], b"abc", False)
    engine.send_trailers(other, [(b"x-sum", b"6")])
    assert shape(client.read())[-1] == ("data", True, 0)


def test_trailers_wait_for_the_body() -> None:
    client = Http2Client(INITIAL_WINDOW_SIZE=3)
    stream = client.request(1, [*h2.GET, (b"te", b"trailers")])
    client.engine.send_head(stream, 200, [], b"", False)
    client.engine.send_data(stream, b"abcdef", False)
    client.engine.send_trailers(stream, [(b"x-sum", b"6")])
    assert client.answers() == ["headers 1", "data 1"]
    client.send(h2.window_update(1, 3))
    assert client.answers() == ["data 1", "headers 1"]
    assert stream.closed


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ([(b"content-length", b"3")], "may not be a trailer"),
        ([(b"x-a", b"1\n")], "line break"),
        ([(b"x a", b"1")], "not a field name"),
    ],
)
def test_mistakes_in_trailers(fields: h2.Fields, words: str) -> None:
    client = Http2Client()
    stream = client.request()
    client.engine.send_head(stream, 200, [], b"", False)
    with pytest.raises(ResponseError, match=words):
        client.engine.send_trailers(stream, fields)
    assert not stream.complete


def test_a_long_head_goes_on_in_continuations() -> None:
    client = Http2Client()
    fields = [(b"x-%d" % number, b"~" * 1000) for number in range(40)]
    client.engine.send_head(client.request(), 200, fields, b"", True)
    frames = client.read()
    assert [frame.kind for frame in frames] == ["headers", "continuation", "continuation"]
    assert [frame.flags & h2.END_HEADERS for frame in frames] == [0, 0, h2.END_HEADERS]
    assert frames[0].end
    assert client.fields[0][1:-1] == fields


def answered_early(**limits: int) -> Http2Client:
    """A client whose upload on stream 1 was answered before any of it came."""
    client = Http2Client(RequestLimits(**limits))
    stream = client.request(1, h2.POST, end=False)
    client.engine.send_head(stream, 403, [], b"no", True)
    assert client.answers() == ["headers 1", "data 1"]
    return client


def upload(client: Http2Client, size: int, *, end: bool = False) -> int:
    """Send so many bytes on stream 1, as far as its window lets them; returns what was sent."""
    sent = 0
    stream = client.engine.streams.open[1]
    while sent < size and stream.window.left and not stream.closed:
        piece = min(stream.window.left, 16384, size - sent)
        sent += piece
        assert client.send(h2.data(1, b"x" * piece, end=end and sent == size)) == []
    return sent


def test_a_request_may_end_behind_its_answer() -> None:
    """Clients that send all of it before they read the answer lose the answer of a stream that
    is reset before."""
    client = answered_early()
    assert upload(client, 300_000, end=True) == 300_000
    assert {frame.kind for frame in client.read()} == {"window_update"}
    assert client.engine.streams.open == client.engine.streams.answered == {}


def test_what_was_kept_for_the_application_is_thrown_away_behind_the_answer() -> None:
    """It fills the window, and has no reader any more."""
    client = Http2Client()
    stream = client.request(1, h2.POST, end=False)
    client.send(h2.data(1, b"x" * 16384) * 8)
    assert stream.window.left == 0
    client.engine.send_head(stream, 403, [], b"no", True)
    assert client.answers()[-1].startswith("window_update 1")
    assert upload(client, 300_000, end=True) == 300_000


def test_a_request_that_goes_on_behind_its_answer_is_reset_gently() -> None:
    """RFC 9113 section 8.1: NO_ERROR, and what was on its way is ignored. Before that as much is
    thrown away as HTTP/1.1 does, and what fits into the window behind it."""
    client = answered_early(discard=100_000)
    sent = upload(client, 10**7)
    assert 100_000 < sent < 500_000
    assert client.answers()[-1] == "rst_stream 1 NO_ERROR"
    assert client.send(h2.data(1, b"late") + h2.headers(3))[0][:2] == ("request", 3)


def test_a_request_that_does_not_go_on_behind_its_answer_is_reset_gently() -> None:
    client = answered_early()
    client.engine.replenish(1.75)
    upload(client, 1)
    client.engine.replenish(1.75)
    assert client.read() == []
    client.engine.replenish(0.25)
    assert client.answers() == ["rst_stream 1 NO_ERROR"]
    assert client.engine.streams.open == client.engine.streams.answered == {}


def test_a_request_that_trickles_behind_its_answer_is_reset_gently() -> None:
    client = answered_early()
    for _ in range(29):
        client.engine.replenish(1.0)
        upload(client, 1)
    assert client.read() == []
    client.engine.replenish(1.0)
    assert client.answers() == ["rst_stream 1 NO_ERROR"]


def test_a_request_that_trickles_behind_its_answer_does_not_hold_up_a_stop() -> None:
    client = answered_early()
    client.engine.drain()
    client.read()
    client.engine.replenish(1.0)
    upload(client, 1)
    client.engine.replenish(1.0)
    assert client.answers() == ["rst_stream 1 NO_ERROR"]


def test_a_client_may_reset_a_request_that_is_answered() -> None:
    """Browsers do; it is no rapid reset."""
    client = Http2Client(own=Http2Limits(resets=2))
    for number in range(1, 41, 2):
        stream = client.request(number, h2.POST, end=False)
        client.engine.send_head(stream, 403, [], b"no", True)
        assert client.send(h2.rst_stream(number))[0][0] == "left"
    assert client.engine.streams.answered == {}


@pytest.mark.parametrize("declared", [[(b"content-length", b"300000")], []])
def test_a_request_that_is_refused_may_end(declared: h2.Fields) -> None:
    client = Http2Client(RequestLimits(body=100))
    engine = client.engine
    events = client.send(h2.headers(1, [*h2.POST, *declared], end=False) + h2.data(1, b"x" * 200))
    assert [event[:3] for event in events if event[0] == "refused"] == [("refused", 1, 413)]
    engine.send_head(engine.streams.open[1], 413, [], b"no", True)
    assert upload(client, 299_800, end=True) == 299_800
    assert "rst_stream 1 NO_ERROR" not in client.answers()
    assert engine.streams.open == {}


def test_what_is_sent_to_a_client_that_has_reset_goes_nowhere() -> None:
    client = Http2Client()
    stream = client.request()
    client.send(h2.rst_stream(1))
    engine = client.engine
    engine.send_informational(stream, 103, [])
    engine.send_continue(stream)
    engine.send_head(stream, 200, [], b"a", False)
    engine.send_data(stream, b"b", False)
    engine.send_trailers(stream, [(b"x-sum", b"1")])
    engine.consume(stream, 10)
    engine.reset(stream)
    assert client.read() == []
    assert stream.complete


def test_a_websocket_is_accepted() -> None:
    client = Http2Client()
    handshake = [
        *((b":method", b"CONNECT"), (b":protocol", b"websocket"), *h2.GET[1:]),
        (b"sec-websocket-version", b"13"),
    ]
    stream = client.request(1, handshake, end=False)
    given = [(b"sec-websocket-protocol", b"chat"), (b"upgrade", b"websocket")]
    client.engine.send_accepted(stream, given)
    client.engine.send_data(stream, b"frame", False)
    assert client.answers() == ["headers 1", "data 1"]
    assert client.fields == [[*OK, (b"sec-websocket-protocol", b"chat")]]
    client.engine.send_data(stream, b"", True)
    assert client.answers() == ["data 1"]
    assert not stream.closed
    assert client.send(h2.data(1, b"close", end=True)) == []
    assert stream.closed
    assert client.read() == []


def test_a_refusal_of_head_has_no_body() -> None:
    client = Http2Client(RequestLimits(fields=2))
    many = [(b"x-%d" % number, b"1") for number in range(3)]
    assert client.send(h2.headers(1, HEAD + many))[0][:3] == ("refused", 1, 431)
    client.engine.send_head(client.engine.streams.open[1], 431, [], b"too many", True)
    assert client.answers() == ["headers 1"]
    too_long = [*h2.GET, (b"x-a", b"a" * 70000)]
    told = client.send(h2.long_headers(3, too_long))
    assert told[0][:3] == ("refused", 3, 431)
    client.engine.send_head(client.engine.streams.open[3], 431, [], b"too long", True)
    assert client.answers() == ["headers 3", "data 3"]


def test_small_frames_on_their_way_to_a_stream_that_was_answered_cost_nothing() -> None:
    client = Http2Client(own=Http2Limits(frames=20))
    stream = client.request(1, h2.POST, end=False)
    client.engine.send_head(stream, 413, [], b"", True)
    assert client.send(h2.data(1, b"x") * 100) == []
    assert (
        client.engine.streams.window.owed + client.engine.streams.window.left
        == client.engine.streams.window.size
    )


@pytest.mark.parametrize(
    ("late", "kind"),
    [
        (h2.data(1, b"x"), "STREAM_CLOSED"),
        (h2.headers(1), "STREAM_CLOSED"),
        (h2.continuation(1, b""), "PROTOCOL_ERROR"),
    ],
    ids=["data", "headers", "continuation"],
)
def test_what_comes_behind_both_ends_of_a_stream_is_an_error(late: bytes, kind: str) -> None:
    """RFC 9113 section 5.1: closed by END_STREAM on both sides, which the client knows."""
    client = Http2Client()
    client.engine.send_head(client.request(1), 200, [], b"", True)
    assert client.answers() == ["headers 1"]
    ((event, code, _),) = client.send(late)
    assert (event, code) == ("failed", kind)


@pytest.mark.parametrize(
    "late", [h2.window_update(1, 5), h2.rst_stream(1), h2.priority_update(1, b"u=1")]
)
def test_what_may_come_behind_both_ends_of_a_stream(late: bytes) -> None:
    """RFC 9113 section 5.1: it may have been on its way."""
    client = Http2Client()
    client.engine.send_head(client.request(1), 200, [], b"", True)
    client.read()
    assert client.send(late) == []
    assert client.answers() == []
