"""protocols/http2/streams.py: which streams are open, and how they end."""

import pytest

from bascule.errors import FrameRefused, StreamRefused
from bascule.protocols.http2.budget import PeerBudget
from bascule.protocols.http2.outbox import Outbox
from bascule.protocols.http2.stream import Stream
from bascule.protocols.http2.streams import StreamTable
from bascule.protocols.limits import Http2Limits, RequestLimits
from support import http2_frames as h2
from support.http2_wire import describe

NO_ERROR, CANCEL = h2.ERRORS.index("NO_ERROR"), h2.ERRORS.index("CANCEL")


class Side:
    """A table and the outbox it writes to."""

    def __init__(self, discard: int = 262144, **own: int) -> None:
        limits = Http2Limits(**own)
        budget = PeerBudget(limits)
        self.outbox = Outbox(budget, 4096)
        self.table = StreamTable(RequestLimits(discard=discard), limits, self.outbox, budget)

    def wrote(self) -> list[str]:
        return [describe(frame) for frame in h2.frames_of(bytes(self.outbox.take()))]


def end_local(side: Side, stream: Stream) -> None:
    stream.local_ended = True
    side.table.end_local(stream)


def test_as_many_streams_are_open_as_are_allowed() -> None:
    side = Side(streams=2)
    first = side.table.open_stream(1, True)
    side.table.open_stream(3, False)
    with pytest.raises(StreamRefused, match="more than 2 requests at once") as refused:
        side.table.open_stream(5, True)
    assert h2.ERRORS[refused.value.code] == "REFUSED_STREAM"
    side.table.close(first)
    assert side.table.open_stream(5, True).id == 5
    assert (sorted(side.table.open), side.table.last_id) == ([3, 5], 5)


def test_a_stream_closes_when_both_sides_have_ended() -> None:
    side = Side()
    stream = side.table.open_stream(1, False)
    end_local(side, stream)
    assert (stream.closed, list(side.table.answered)) == (False, [1])
    side.table.end_remote(stream)
    assert (stream.closed, side.table.open, side.table.answered) == (True, {}, {})
    assert side.wrote() == []


def test_the_rest_of_an_answered_request_is_awaited_for_a_time() -> None:
    side = Side()
    stream = side.table.open_stream(1, False)
    end_local(side, stream)
    side.table.replenish(1.0)
    assert not stream.closed
    side.table.discard(stream, 0)
    side.table.replenish(1.5)
    assert not stream.closed
    side.table.replenish(0.5)
    assert (stream.closed, side.wrote()) == (True, ["rst_stream 1 NO_ERROR"])


def test_a_body_without_a_reader_is_given_back_up_to_a_limit() -> None:
    side = Side(discard=100, stream_window=100)
    stream = side.table.open_stream(1, False)
    for _ in range(2):
        assert stream.window.take(60)
        stream.unconsumed += 60
        side.table.discard(stream, 60)
    assert stream.unconsumed == 0
    assert side.wrote() == ["window_update 1 60"]


def test_what_a_closed_stream_kept_goes_back_to_the_connection() -> None:
    side = Side(connection_window=100)
    stream = side.table.open_stream(1, False)
    assert side.table.window.take(60)
    stream.unconsumed = 60
    side.table.reset(1, CANCEL)
    assert side.wrote() == ["rst_stream 1 CANCEL", "window_update 0 60"]
    # Not twice.
    side.table.consume(stream, 60)
    assert side.wrote() == []


def test_frames_of_a_stream_that_was_reset_are_ignored_for_a_while() -> None:
    side = Side(streams=400)
    for number in range(1, 515, 2):
        side.table.open_stream(number, True)
        side.table.reset(number, CANCEL)
    side.table.check_closed(513)
    with pytest.raises(FrameRefused, match="stream 1 is closed"):
        side.table.check_closed(1)


def test_a_reset_by_the_client_costs_while_the_stream_is_new() -> None:
    side = Side(resets=1)
    side.table.seen_id = 5
    side.table.open_stream(1, True)
    side.table.replenish(0.1)
    side.table.open_stream(3, True)
    side.table.replenish(1.0)
    left = side.table.take_reset(1, CANCEL)
    assert left is not None
    assert (left.stream_id, left.code, left.by_peer) == (1, CANCEL, True)
    side.table.open_stream(5, True)
    side.table.take_reset(5, CANCEL)
    side.table.open_stream(7, True)
    side.table.seen_id = 7
    with pytest.raises(FrameRefused, match="too many streams"):
        side.table.take_reset(7, CANCEL)
    with pytest.raises(FrameRefused, match="which is idle"):
        side.table.take_reset(9, CANCEL)


def test_the_initial_window_moves_open_streams() -> None:
    side = Side()
    stream = side.table.open_stream(1, True)
    stream.send_window -= 100
    side.table.change_initial_window(10)
    assert (stream.send_window, side.table.open_stream(3, True).send_window) == (-90, 10)


def test_a_window_update_is_for_a_stream_that_is_or_was_open() -> None:
    side = Side()
    side.table.seen_id = 3
    stream = side.table.open_stream(3, True)
    side.table.take_window_update(3, 5)
    side.table.take_window_update(0, 7)
    side.table.take_window_update(1, 9)
    assert (stream.send_window, side.outbox.send_window) == (65540, 65542)
    for number in (2, 5):
        with pytest.raises(FrameRefused, match="which is idle"):
            side.table.take_window_update(number, 1)
    with pytest.raises(FrameRefused, match="by nothing"):
        side.table.take_window_update(0, 0)
    with pytest.raises(StreamRefused, match="by nothing"):
        side.table.take_window_update(3, 0)


def test_a_priority_may_come_before_its_request() -> None:
    side = Side(streams=1)
    side.table.update_priority(1, b"u=1, i")
    stream = side.table.open_stream(1, True)
    side.table.set_priority(stream, b"u=5")
    assert (stream.urgency, stream.incremental) == (1, True)
    side.table.update_priority(1, b"u=7")
    assert (stream.urgency, stream.incremental) == (7, False)
    side.table.update_priority(3, b"u=1")
    with pytest.raises(FrameRefused, match="more streams than there can be"):
        side.table.update_priority(5, b"u=1")


def test_a_drain_says_first_that_and_then_where_it_ends() -> None:
    side = Side()
    side.table.drain()
    side.table.drain()
    assert side.wrote() == [f"goaway {2**31 - 1} NO_ERROR", "ping bascule\0"]
    side.table.open_stream(1, True)
    side.table.finish_drain()
    side.table.finish_drain()
    assert side.wrote() == ["goaway 1 NO_ERROR"]
    side.table.check_closed(3)


def test_nothing_is_written_for_streams_that_fail_with_their_connection() -> None:
    side = Side(connection_window=100)
    stream = side.table.open_stream(1, False)
    stream.unconsumed = 60
    side.table.fail()
    side.table.drain()
    side.table.finish_drain()
    side.table.consume(stream, 60)
    assert (stream.closed, side.table.open, side.wrote()) == (True, {}, [])
