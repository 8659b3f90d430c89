"""protocols/http2/requests.py: HEADERS, CONTINUATION and DATA become events."""

from typing import Any

import pytest

from bascule.errors import FrameRefused, RequestRefused, StreamRefused
from bascule.protocols.events import BodyData, Request
from bascule.protocols.http2.budget import PeerBudget
from bascule.protocols.http2.frame_reader import FrameReader
from bascule.protocols.http2.outbox import Outbox
from bascule.protocols.http2.request_head import RequestReader
from bascule.protocols.http2.requests import RequestReceiver
from bascule.protocols.http2.streams import StreamTable
from bascule.protocols.limits import Http2Limits, RequestLimits
from support import http2_frames as h2


class Side:
    """A receiver with the parts that it works on."""

    def __init__(self, **limits: int) -> None:
        request_limits, own = RequestLimits(**limits), Http2Limits()
        budget = PeerBudget(own)
        self.frames = FrameReader()
        self.outbox = Outbox(budget, 4096)
        self.streams = StreamTable(request_limits, own, self.outbox, budget)
        self.requests = RequestReceiver(
            request_limits,
            own,
            RequestReader(request_limits, "drop", True),
            self.frames,
            self.streams,
            budget,
        )
        self.frames.receive_data(h2.PREFACE)
        self.frames.next_frame()

    def take(self, frame: bytes) -> Any:
        """The event of one frame."""
        self.frames.receive_data(frame)
        assert self.frames.next_frame()
        kind = h2.KINDS[self.frames.kind]
        return {
            "headers": self.requests.take_headers,
            "continuation": self.requests.take_continuation,
            "data": self.requests.take_data,
        }[kind]()


def test_a_request_opens_a_stream() -> None:
    side = Side()
    request = side.take(h2.headers(1))
    assert isinstance(request, Request)
    assert (request.stream_id, request.method, request.ended) == (1, "GET", True)
    assert side.streams.open[1].remote_ended


def test_a_block_in_several_frames_is_one_request() -> None:
    side = Side()
    block = h2.block(h2.GET)
    assert side.take(h2.raw_frame(0x1, h2.END_STREAM, 1, block[:3])) is None
    assert side.requests.block.stream_id == 1
    assert side.take(h2.continuation(1, block[3:5], last=False)) is None
    request = side.take(h2.continuation(1, block[5:]))
    assert (request.path, request.ended) == (b"/", True)
    assert side.requests.block.stream_id == 0


def test_a_body_fills_the_windows_until_it_is_consumed() -> None:
    side = Side()
    side.take(h2.headers(1, h2.POST, end=False))
    stream = side.streams.open[1]
    event = side.take(h2.raw_frame(0x0, h2.PADDED | h2.END_STREAM, 1, b"\x04hello" + bytes(4)))
    assert isinstance(event, BodyData)
    assert event.data == b"hello"
    assert side.requests.following is not None
    assert side.requests.following.stream_id == 1
    # The padding is given back at once.
    assert (stream.received, stream.unconsumed) == (5, 5)
    assert side.streams.window.owed == 5


def test_a_body_is_as_long_as_it_said() -> None:
    side = Side()
    fields = [*h2.POST, (b"content-length", b"3")]
    for number, pieces in ((1, [b"abcd"]), (3, [b"ab", b""])):
        side.take(h2.headers(number, fields, end=False))
        for piece in pieces[:-1]:
            side.take(h2.data(number, piece))
        with pytest.raises(StreamRefused, match="Content-Length"):
            side.take(h2.data(number, pieces[-1], end=True))


def test_a_body_that_is_refused_has_no_reader() -> None:
    side = Side(body=3)
    side.take(h2.headers(1, h2.POST, end=False))
    with pytest.raises(RequestRefused, match="longer than 3 bytes") as refused:
        side.take(h2.data(1, b"abcd"))
    event = side.requests.refuse(refused.value)
    assert (event.stream_id, event.status) == (1, 413)
    assert side.take(h2.data(1, b"more", end=True)) is None
    assert side.streams.open[1].remote_ended


def test_trailers_end_a_body() -> None:
    side = Side()
    side.take(h2.headers(1, h2.POST, end=False))
    end = side.take(h2.headers(1, [(b"x-sum", b"1")]))
    assert (end.stream_id, end.trailers) == (1, [(b"x-sum", b"1")])
    with pytest.raises(StreamRefused, match="that the client has ended"):
        side.take(h2.headers(1, [(b"x-sum", b"2")]))


def test_the_table_goes_on_with_a_block_that_is_ignored() -> None:
    """RFC 9113 section 4.3: the next block may use what this one has put into the table."""
    side = Side()
    side.streams.seen_id = 3
    side.streams.reset(1, 0)
    # A literal with incremental indexing, name and value new (RFC 7541 section 6.2.1).
    assert (
        side.take(h2.raw_frame(0x1, 5, 1, b"\x40" + h2.string(b"x-a") + h2.string(b"b"))) is None
    )
    request = side.take(h2.raw_frame(0x1, 5, 5, h2.block(h2.GET) + b"\xbe"))
    assert request.fields[-1] == (b"x-a", b"b")


def test_frames_on_streams_that_cannot_be_are_refused() -> None:
    side = Side()
    for frame in (h2.headers(2), h2.continuation(1, b""), h2.data(0, b""), h2.data(1, b"x")):
        with pytest.raises(FrameRefused) as refused:
            side.take(frame)
        assert h2.ERRORS[refused.value.code] == "PROTOCOL_ERROR"


def test_nothing_is_kept_when_the_connection_fails() -> None:
    side = Side()
    side.take(h2.headers(1, h2.POST, end=False))
    side.take(h2.data(1, b"abc", end=True))
    side.take(h2.raw_frame(0x1, 0, 3, b"\x82"))
    side.requests.clear()
    assert (side.requests.following, side.requests.block.stream_id) == (None, 0)
