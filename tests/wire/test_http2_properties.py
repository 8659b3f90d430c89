"""Properties of every sequence of bytes and frames that an HTTP/2 client may send, however it is
cut."""

import re

from hypothesis import given
from hypothesis import strategies as st

from bascule.protocols.http2.engine import Http2Engine
from bascule.protocols.limits import Http2Limits, RequestLimits
from support import http2_frames as h2
from support.http1_requests import EXAMPLES, cut
from support.http2_wire import Plain, feed_http2

# Small, so that a few frames reach every one of them.
LIMITS = RequestLimits(request_line=60, head=400, fields=6, body=60)
OWN = Http2Limits(
    streams=3,
    block=600,
    continuations=3,
    resets=4,
    frames=12,
    unsent=400,
    stream_window=50,
    widest_stream=100,
    connection_window=65535,
    widest_connection=65535,
)
MOST_KEPT = 9 + 16384

numbers = st.sampled_from((0, 1, 1, 1, 3, 3, 5, 7, 2, 9, 11))
values = st.sampled_from((0, 1, 2, 30, 60, 65535, 2**31 - 1, 2**31, 2**32 - 1))
names = st.sampled_from(
    b"x-a x-b X-A x_a cookie te connection content-length host :path :method expect priority "
    b"proxy sec-websocket-version :protocol".split()
)
texts = st.sampled_from(
    (
        b"",
        b"1",
        b"5",
        b"60",
        b"/",
        b"trailers",
        b"a.example",
        b"a b",
        b" a",
        b"a\n",
        b"\xff",
        b"u=1, i",
        b"websocket",
        b"13",
        b"100-continue",
        b"x" * 120,
    )
)
extra = st.lists(st.tuples(names, texts), max_size=3)
heads = st.one_of(
    extra,
    extra.map(lambda fields: h2.GET + fields),
    extra.map(lambda fields: h2.GET + fields),
    extra.map(lambda fields: h2.POST + fields),
    extra.map(lambda fields: [(b":method", b"CONNECT"), *h2.GET[1:], *fields]),
)
payloads = st.binary(max_size=40)
flags = st.one_of(st.sampled_from((0x4, 0x5, 0x1, 0x0)), st.integers(0, 255))

frames = st.one_of(
    st.builds(
        lambda number, fields, end, bits: h2.headers(number, fields, end=end, flags=bits),
        numbers,
        heads,
        st.booleans(),
        st.sampled_from((4, 4, 4, 0)),
    ),
    st.builds(
        lambda number, raw, end: h2.data(number, raw, end=end),
        numbers,
        payloads,
        st.booleans(),
    ),
    st.builds(
        lambda kind, bits, number, raw: h2.raw_frame(kind, bits, number, raw),
        st.integers(0, 0x11),
        flags,
        numbers,
        payloads,
    ),
    st.builds(
        lambda number, value: h2.raw_frame(8, 0, number, value.to_bytes(4, "big")), numbers, values
    ),
    st.builds(h2.rst_stream, numbers, st.sampled_from(h2.ERRORS)),
    st.builds(
        lambda name, value: h2.settings(**{name: value}),
        st.sampled_from(list(h2.SETTINGS)),
        values,
    ),
    st.builds(h2.priority_update, numbers, texts),
    st.builds(
        lambda number, raw, last: h2.continuation(number, raw, last=last),
        numbers,
        payloads,
        st.booleans(),
    ),
    st.just(h2.ping()),
)
sequences = st.lists(frames, max_size=25).map(b"".join)
streams = st.one_of(
    st.binary(max_size=80),
    st.binary(max_size=80).map(lambda raw: h2.OPENING + raw),
    sequences.map(lambda raw: h2.OPENING + raw),
    sequences.map(lambda raw: h2.OPENING + raw),
)


def engine() -> Http2Engine:
    return Http2Engine(LIMITS, OWN)


@EXAMPLES
@given(streams, st.data())
def test_no_bytes_raise_or_fill_memory(raw: bytes, data: st.DataObject) -> None:
    one = engine()
    events, written, most_buffered = feed_http2(one, data.draw(cut(raw)))
    assert most_buffered <= MOST_KEPT
    assert len(one.streams.open) <= OWN.streams
    assert len(one.streams.early_priorities) <= OWN.streams
    assert one.streams.window.left + one.streams.window.owed <= one.streams.window.size
    h2.frames_of(written)
    check_events(events)


def check_events(events: list[Plain]) -> None:
    """Bodies only of requests, nothing of a stream behind its end, nothing behind a failure."""
    open_streams: set[int] = set()
    for place, event in enumerate(events):
        kind, stream = event[0], event[1]
        if kind == "request":
            open_streams.add(stream)
            check_fields(event[4])
        elif kind in ("data", "end"):
            assert stream in open_streams
            if kind == "end":
                open_streams.discard(stream)
        elif kind == "failed":
            assert place == len(events) - 1
            assert re.fullmatch(r"[ -~]{1,200}", event[2])
        else:
            open_streams.discard(stream)
            assert kind in ("refused", "reset", "left")


def check_fields(fields: h2.Fields) -> None:
    assert fields[0][0] == b"host"
    assert len(fields) <= LIMITS.fields
    for name, value in fields:
        assert re.fullmatch(rb"[!#$%&'*+.^`|~0-9a-z-]+", name), name
        assert re.fullmatch(rb"[\t -~\x80-\xff]*", value), value
        assert value == value.strip(b" \t")


@EXAMPLES
@given(streams, st.data())
def test_cuts_change_nothing(raw: bytes, data: st.DataObject) -> None:
    whole, answers, _ = feed_http2(engine(), [raw])
    pieces, other, _ = feed_http2(engine(), data.draw(cut(raw)) or [b""])
    assert (pieces, other) == (whole, answers)


@EXAMPLES
@given(sequences, st.data())
def test_an_application_that_answers_breaks_nothing(raw: bytes, data: st.DataObject) -> None:
    """Responses between the frames, in any order and any pieces; what is written stays within the
    windows of the client."""
    one = engine()
    one.receive_data(h2.OPENING)
    pending = []
    written = b""
    for piece in data.draw(cut(raw)):
        one.receive_data(piece)
        while (event := one.next_event()) is not None:
            stream = one.streams.open.get(getattr(event, "stream_id", 0))
            if stream is not None and not stream.started:
                pending.append(stream)
        for stream in [one for one in pending if data.draw(st.booleans())]:
            answer(one, stream, data)
            if stream.complete:
                pending.remove(stream)
        written += one.take_outgoing(65536)
    sent = sum(len(frame.payload) for frame in h2.frames_of(written) if frame.kind == "data")
    assert sent <= 65535 + sum(
        frame.number & 2**31 - 1
        for frame in h2.frames_of(raw)
        if (frame.kind, frame.stream) == ("window_update", 0)
    )
    assert one.streams.window.left + one.streams.window.owed <= one.streams.window.size


def answer(one: Http2Engine, stream: object, data: st.DataObject) -> None:
    body = data.draw(st.binary(max_size=30)) * data.draw(st.sampled_from((1, 1, 3000)))
    end = data.draw(st.booleans())
    if not stream.started:
        one.send_head(stream, data.draw(st.sampled_from((200, 204, 404))), [], body, end)
    else:
        one.send_data(stream, body, end)
    if stream.unconsumed and data.draw(st.booleans()):
        one.consume(stream, stream.unconsumed)
