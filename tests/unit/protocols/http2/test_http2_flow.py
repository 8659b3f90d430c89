"""Flow control both ways, and whose turn it is (RFC 9113 section 5.2, RFC 9218)."""

import pytest

from bascule.protocols.http2.flow import ReceiveWindow
from bascule.protocols.http2.priority import parse_priority
from bascule.protocols.limits import Http2Limits, RequestLimits
from support import http2_frames as h2
from support.http2_client import Http2Client

FIRST = 65535
WIDE = 2**30


def opened(client: Http2Client) -> dict[int, int]:
    """By how much the engine opens windows, by stream."""
    sums: dict[int, int] = {}
    for frame in client.read():
        if frame.kind == "window_update":
            sums[frame.stream] = sums.get(frame.stream, 0) + frame.number
    return sums


# Receiving.


def test_the_opening_gives_the_windows() -> None:
    client = Http2Client(own=Http2Limits(stream_window=70000, connection_window=100000))
    settings, window, acknowledgement = client.opening
    assert (4).to_bytes(2, "big") + (70000).to_bytes(4, "big") in settings.payload
    assert (window.stream, window.number) == (0, 100000 - FIRST)
    assert acknowledgement.flags == h2.ACK


def test_a_window_opens_only_as_the_application_reads() -> None:
    client = Http2Client(own=Http2Limits(stream_window=100, connection_window=FIRST))
    stream = client.request(1, h2.POST, end=False)
    client.send(h2.data(1, b"x" * 100))
    assert opened(client) == {}
    client.engine.consume(stream, 49)
    assert opened(client) == {}
    client.engine.consume(stream, 1)
    assert opened(client) == {1: 50}
    client.engine.consume(stream, 1000)
    # All of a window was read, so it doubles.
    assert opened(client) == {1: 50 + 100}


def test_windows_grow_with_what_is_read_up_to_their_cap() -> None:
    window = ReceiveWindow(100, 350)
    sizes = []
    for _ in range(5):
        assert window.take(window.left)
        window.consume(window.size)
        sizes.append(window.size)
    assert sizes == [200, 350, 350, 350, 350]
    assert window.left == 350


def test_what_nobody_reads_does_not_close_the_connection() -> None:
    """Bytes of streams that are gone, refused, or answered, and padding."""
    client = Http2Client(
        RequestLimits(body=5), Http2Limits(stream_window=40000, connection_window=FIRST)
    )
    engine = client.engine
    client.request(1, h2.POST, end=False)
    client.send(h2.data(1, b"x" * 9) + h2.data(1, b"x" * 16384) + h2.data(1, b"x" * 16384))
    assert engine.streams.window.left + engine.streams.window.owed > 0
    assert engine.streams.window.left + engine.streams.window.owed == engine.streams.window.size
    client.request(3, h2.POST, end=False)
    client.send(h2.data(3, b"abc"))
    assert (
        engine.streams.window.left + engine.streams.window.owed == engine.streams.window.size - 3
    )
    client.send(h2.rst_stream(3))
    assert engine.streams.window.left + engine.streams.window.owed == engine.streams.window.size
    stream = client.request(5, h2.POST, end=False)
    engine.send_head(stream, 200, [], b"", True)
    client.send(h2.data(5, b"x" * 1000))
    client.request(7, h2.POST, end=False)
    client.send(h2.raw_frame(0, h2.PADDED, 7, b"\xff" + bytes(255)))
    assert engine.streams.window.left + engine.streams.window.owed == engine.streams.window.size


# Sending.


def test_a_body_waits_for_its_window() -> None:
    client = Http2Client(INITIAL_WINDOW_SIZE=10)
    stream = client.request()
    client.engine.send_head(stream, 200, [], b"0123456789abcdef", True)
    assert client.body(1) == b"0123456789"
    assert (stream.queued, stream.complete, stream.closed) == (6, True, False)
    client.send(h2.window_update(1, 2))
    assert client.body(1) == b"ab"
    client.send(h2.settings(INITIAL_WINDOW_SIZE=13))
    assert client.body(1) == b"cde"
    client.send(h2.settings(INITIAL_WINDOW_SIZE=0) + h2.window_update(1, 13))
    assert client.body(1) == b""
    client.send(h2.window_update(1, 1))
    frames = client.read()
    assert [(frame.payload, frame.end) for frame in frames] == [(b"f", True)]
    assert stream.closed


def test_a_closed_connection_window_stops_all() -> None:
    client = Http2Client(INITIAL_WINDOW_SIZE=WIDE)
    first = client.request(1)
    client.engine.send_head(first, 200, [], b"x" * (FIRST + 1), True)
    assert len(client.body(1)) == FIRST
    second = client.request(3)
    client.engine.send_head(second, 200, [], b"y", True)
    assert client.answers() == ["headers 3"]
    assert client.read() == []
    # Frames that need no window are sent.
    client.engine.send_head(client.request(5), 204, [], b"", True)
    assert client.answers() == ["headers 5"]
    client.send(h2.window_update(0, 100))
    assert client.answers() == ["data 1", "data 3"]


def test_the_writer_is_told_to_wait_and_to_go_on() -> None:
    client = Http2Client(INITIAL_WINDOW_SIZE=0)
    stream = client.request()
    client.engine.send_head(stream, 200, [], b"x" * 65535, False)
    assert not stream.congested
    client.engine.send_data(stream, b"x", False)
    assert stream.congested
    client.send(h2.window_update(0, WIDE) + h2.window_update(1, 49151))
    client.read()
    assert (stream.congested, client.engine.take_relieved()) == (True, [])
    client.send(h2.window_update(1, 1))
    client.read()
    assert (stream.congested, client.engine.take_relieved()) == (False, [stream])
    assert client.engine.take_relieved() == []


def test_no_more_is_taken_than_asked_for() -> None:
    client = Http2Client(INITIAL_WINDOW_SIZE=WIDE)
    client.send(h2.window_update(0, WIDE))
    stream = client.request()
    client.engine.send_head(stream, 200, [], b"x" * 200000, True)
    sizes = [len(client.body(1, 40000)) for _ in range(5)]
    assert sizes == [3 * 16384, 3 * 16384, 3 * 16384, 3 * 16384, 200000 - 12 * 16384]


def order(client: Http2Client, priorities: dict[int, bytes], size: int = 40000) -> list[int]:
    """The streams of the DATA frames, when all responses are there at once."""
    client.send(h2.window_update(0, WIDE))
    for number, priority in priorities.items():
        fields = [*h2.GET, (b"priority", priority)] if priority else h2.GET
        stream = client.request(number, fields)
        client.engine.send_head(stream, 200, [], b"x" * size, True)
    return [frame.stream for frame in client.read() if frame.kind == "data"]


@pytest.mark.parametrize(
    ("priorities", "wanted"),
    [
        ({1: b"", 3: b""}, [1, 1, 1, 3, 3, 3]),
        ({1: b"u=5", 3: b"u=1", 5: b""}, [3, 3, 3, 5, 5, 5, 1, 1, 1]),
        ({1: b"i", 3: b"i"}, [1, 3, 1, 3, 1, 3]),
        ({1: b"u=7, i", 3: b"u=7, i", 5: b"u=0"}, [5, 5, 5, 1, 3, 1, 3, 1, 3]),
    ],
)
def test_urgent_streams_go_first_and_incremental_ones_take_turns(
    priorities: dict[int, bytes], wanted: list[int]
) -> None:
    assert order(Http2Client(INITIAL_WINDOW_SIZE=WIDE), priorities) == wanted


def test_a_priority_can_change_on_the_way() -> None:
    client = Http2Client(INITIAL_WINDOW_SIZE=WIDE)
    client.send(h2.priority_update(3, b"u=2") + h2.window_update(0, WIDE))
    for number in (1, 3):
        fields = [*h2.GET, (b"priority", b"u=6")]
        stream = client.request(number, fields)
        client.engine.send_head(stream, 200, [], b"x" * 40000, True)
    assert [frame.stream for frame in client.read(1) if frame.kind == "data"] == []
    assert [frame.stream for frame in client.read(1)] == [3]
    client.send(h2.priority_update(1, b"u=0"))
    assert [frame.stream for frame in client.read()] == [1, 1, 1, 3, 3]


def test_a_stream_without_a_window_holds_nobody_up() -> None:
    client = Http2Client(INITIAL_WINDOW_SIZE=0)
    for number in (1, 3):
        client.engine.send_head(client.request(number), 200, [], b"x" * 10, True)
    client.read()
    client.send(h2.window_update(3, 10))
    assert client.answers() == ["data 3"]


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (b"", (3, False)),
        (b"u=0", (0, False)),
        (b"u=7, i", (7, True)),
        (b"i,u=1", (1, True)),
        (b"u=1, u=2", (2, False)),
        (b"i=?1", (3, True)),
        (b"i=?0", (3, False)),
        (b"i;a=1, u=4;b", (4, True)),
        (b"u=8", (3, False)),
        (b"u=-1", (3, False)),
        (b"u=1.5", (3, False)),
        (b"u", (3, False)),
        (b'x="a", u=2', (2, False)),
        (b"u=1, \xff", (3, False)),
        (b"U=1", (3, False)),
    ],
)
def test_priorities_as_they_are_written(value: bytes, wanted: tuple[int, bool]) -> None:
    assert parse_priority(value) == wanted


# Settings that change windows (RFC 9113 section 6.5.3).


def test_of_two_values_in_one_frame_the_last_counts() -> None:
    client = Http2Client()
    first, last = h2.settings(INITIAL_WINDOW_SIZE=100)[9:], h2.settings(INITIAL_WINDOW_SIZE=1)[9:]
    client.send(h2.raw_frame(h2.TYPES["settings"], 0, 0, first + last))
    client.engine.send_head(client.request(1), 200, [], b"abc", True)
    assert client.body(1) == b"a"
