"""protocols/http2/outbox.py: what is written now, what waits, and in which order it leaves."""

import pytest

from bascule.errors import FrameRefused, StreamRefused
from bascule.protocols.http2.budget import PeerBudget
from bascule.protocols.http2.flow import ReceiveWindow
from bascule.protocols.http2.outbox import Outbox
from bascule.protocols.http2.stream import Stream
from bascule.protocols.limits import Http2Limits
from support import http2_frames as h2

PLENTY = 2**31 - 1


def outbox() -> Outbox:
    return Outbox(PeerBudget(Http2Limits()), 4096)


def stream(number: int = 1, window: int = 65535) -> Stream:
    return Stream(number, window, ReceiveWindow(0, 0))


def written(box: Outbox, most: int = PLENTY) -> list[tuple[int, int, bool]]:
    """The DATA frames that leave: stream, size, end."""
    while box.write_next(most) is not None:
        pass
    return [(one.stream, len(one.payload), one.end) for one in h2.frames_of(bytes(box.take()))]


def test_what_the_windows_let_through_is_written_at_once() -> None:
    box, one = outbox(), stream()
    box.put(one, b"hello", False)
    assert (box.sent, box.unsent, box.send_window) == (5, 0, 65530)
    box.put(one, b"", True)
    assert one.local_ended
    assert written(box) == [(1, 5, False), (1, 0, True)]
    assert len(box.take()) == 0


def test_what_is_taken_is_the_callers() -> None:
    box = outbox()
    box.put(stream(), b"hello", True)
    taken = box.take()
    box.put(stream(3), b"more", True)
    assert len(h2.frames_of(bytes(taken))) == 1


def test_the_window_of_a_stream_holds_back_its_body() -> None:
    box, one = outbox(), stream(window=3)
    box.put(one, b"hello", True)
    assert (box.unsent, written(box), one.local_ended) == (5, [(1, 3, False)], False)
    assert not box.held_shut()
    box.widen_stream(one, 10)
    assert (written(box), one.local_ended, box.unsent) == ([(1, 2, True)], True, 0)


def test_the_window_of_the_connection_holds_back_all() -> None:
    box = outbox()
    box.put(stream(1, PLENTY), b"x" * 65535, False)
    box.put(stream(3), b"y", True)
    assert sum(size for _, size, _ in written(box)) == 65535
    assert box.held_shut()
    box.widen(1)
    assert written(box) == [(3, 1, True)]
    assert not box.held_shut()


def test_no_more_leaves_than_is_asked_for() -> None:
    box = outbox()
    box.put(stream(), b"x" * 50000, True)
    assert written(box, 20000) == [(1, 16384, False), (1, 16384, False)]
    assert written(box, 1) == [(1, 16384, False)]
    assert written(box, 1) == [(1, 848, True)]


def test_the_most_urgent_stream_is_first() -> None:
    box = outbox()
    calm, urgent = stream(1), stream(3)
    urgent.urgency = 1
    box.put(calm, b"x" * 20000, True)
    box.put(urgent, b"y" * 20000, True)
    assert [number for number, _, _ in written(box)] == [3, 3, 1, 1]


def test_trailers_end_the_stream() -> None:
    box, one = outbox(), stream(window=0)
    box.put(one, b"abc", False)
    one.trailers = [(b"x-sum", b"1")]
    box.put(one, b"", True)
    assert not one.local_ended
    box.move_window(one, 3)
    while box.write_next(PLENTY) is not None:
        pass
    frames = h2.frames_of(bytes(box.take()))
    assert [(frame.kind, frame.end) for frame in frames] == [("data", False), ("headers", True)]
    assert one.local_ended


def test_a_writer_is_relieved_when_little_waits() -> None:
    box, one = outbox(), stream(window=0)
    box.put(one, b"x" * 65536, False)
    assert one.congested
    box.widen_stream(one, 16384)
    written(box)
    box.relieve(one)
    assert (one.congested, box.take_relieved()) == (True, [])
    box.widen_stream(one, 65535 - 16384)
    written(box)
    box.relieve(one)
    assert (one.congested, box.take_relieved()) == (False, [one])
    assert box.take_relieved() == []


def test_settings_move_a_window_below_zero() -> None:
    box, one = outbox(), stream(window=10)
    box.put(one, b"x" * 100, True)
    box.move_window(one, -60)
    assert (one.send_window, written(box)) == (-50, [])
    box.move_window(one, 60)
    assert written(box) == [(1, 10, False)]


def test_windows_have_a_largest_size() -> None:
    box, one = outbox(), stream()
    with pytest.raises(StreamRefused, match="window of a stream"):
        box.widen_stream(one, PLENTY - 65534)
    assert one.send_window == 65535
    with pytest.raises(FrameRefused, match="window of a stream"):
        box.move_window(one, PLENTY)
    with pytest.raises(FrameRefused, match="window of the connection"):
        box.widen(PLENTY)


def test_nothing_is_left_of_a_stream_that_is_closed() -> None:
    box, one = outbox(), stream(window=3)
    box.put(one, b"x" * 70000, True)
    box.drop(one)
    assert (box.unsent, one.queued, one.congested, written(box)) == (0, 0, False, [])
