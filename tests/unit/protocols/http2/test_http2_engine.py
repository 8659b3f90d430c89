"""The HTTP/2 connection: its end, its budgets, its memory (RFC 9113 sections 5.4, 6.8, 10.5)."""

import pytest

from bascule.protocols.http2.engine import Http2Engine
from bascule.protocols.limits import Http2Limits, RequestLimits
from support import http2_frames as h2
from support.http2_client import Http2Client
from support.http2_wire import plain, take


def test_the_opening_says_what_is_allowed() -> None:
    client = Http2Client(RequestLimits(head=5000), Http2Limits(streams=7))
    payload = client.opening[0].payload
    said = {
        int.from_bytes(payload[at : at + 2], "big"): int.from_bytes(
            payload[at + 2 : at + 6], "big"
        )
        for at in range(0, len(payload), 6)
    }
    names = {name: said[number] for name, number in h2.SETTINGS.items() if number in said}
    assert names == {
        "MAX_CONCURRENT_STREAMS": 7,
        "INITIAL_WINDOW_SIZE": 131072,
        "MAX_HEADER_LIST_SIZE": 5000,
        "NO_RFC7540_PRIORITIES": 1,
        "ENABLE_CONNECT_PROTOCOL": 1,
    }


def test_a_drain_lets_in_what_was_on_its_way() -> None:
    client = Http2Client()
    first = client.request(1)
    client.engine.drain()
    client.engine.drain()
    assert client.answers() == [f"goaway {2**31 - 1} NO_ERROR", "ping bascule\0"]
    second = client.request(3)
    client.send(h2.ping(b"bascule\0", ack=True))
    assert client.answers() == ["goaway 3 NO_ERROR"]
    late = [h2.headers(5, end=False), h2.data(5, b"late"), h2.window_update(5, 9)]
    assert client.send(b"".join((*late, h2.rst_stream(5)))) == []
    client.engine.finish_drain()
    client.engine.send_head(first, 200, [], b"", True)
    assert not client.engine.finished
    client.engine.send_head(second, 200, [], b"", True)
    assert client.engine.finished
    assert client.answers() == ["headers 1", "headers 3"]


def test_a_drain_does_not_wait_for_ever() -> None:
    client = Http2Client()
    client.engine.drain()
    assert not client.engine.finished
    client.engine.finish_drain()
    assert client.engine.finished
    assert client.answers()[-1] == "goaway 0 NO_ERROR"


def test_a_client_that_leaves_is_finished_when_it_is_answered() -> None:
    client = Http2Client()
    stream = client.request()
    client.send(h2.goaway())
    assert not client.engine.finished
    client.engine.send_head(stream, 200, [], b"", True)
    assert client.engine.finished


@pytest.mark.parametrize(
    ("data", "clean"),
    [
        (b"", True),
        (h2.headers(1), True),
        (h2.headers(1, end=False), False),
        (h2.headers(1, flags=0), False),
        (h2.ping()[:-1], False),
    ],
)
def test_the_end_of_the_bytes(data: bytes, clean: bool) -> None:
    client = Http2Client()
    client.send(data)
    client.engine.receive_eof()
    assert client.send(b"") == [("closed", clean)]
    assert client.send(h2.ping()) == []
    assert client.engine.buffered == 0


def test_a_client_that_closed_its_side_still_gets_its_response() -> None:
    client = Http2Client()
    stream = client.request()
    client.engine.receive_eof()
    client.send(b"")
    client.engine.send_head(stream, 200, [], b"hello", True)
    assert client.body(1) == b"hello"
    assert client.engine.finished


@pytest.mark.parametrize(
    "code", ["INTERNAL_ERROR", "SETTINGS_TIMEOUT", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED"]
)
def test_what_the_connection_knows_ends_it(code: str) -> None:
    client = Http2Client()
    stream = client.request()
    failed = client.engine.fail(h2.ERRORS.index(code), "it is so")
    assert (h2.ERRORS[failed.code], failed.reason) == (code, "it is so")
    frames = client.read()
    assert frames[0].payload[8:] == b"it is so"
    assert stream.closed
    assert (client.send(h2.ping()), client.read()) == ([], [])


@pytest.mark.parametrize("code", ["CANCEL", "INTERNAL_ERROR", "CONNECT_ERROR"])
def test_what_the_application_breaks_off(code: str) -> None:
    client = Http2Client()
    stream = client.request(1, end=False)
    client.engine.send_head(stream, 200, [(b"content-length", b"9")], b"a", False)
    client.engine.reset(stream, h2.ERRORS.index(code))
    assert client.answers() == ["headers 1", "data 1", f"rst_stream 1 {code}"]
    assert client.send(h2.data(1, b"late") + h2.window_update(1, 9)) == []


def reset(numbers: range) -> bytes:
    return b"".join(h2.headers(number) + h2.rst_stream(number) for number in numbers)


def test_resets_are_forgiven_for_responses_and_with_time() -> None:
    client = Http2Client(own=Http2Limits(resets=4, resets_rate=2.0))
    client.send(reset(range(1, 8, 2)))
    client.engine.send_head(client.request(9), 200, [], b"", True)
    client.send(reset(range(11, 12, 2)))
    client.engine.replenish(1.0)
    assert client.send(reset(range(13, 16, 2)))[-1][0] == "left"
    client.engine.replenish(1000.0)
    events = client.send(reset(range(17, 100, 2)))
    # No more than there was at first comes back.
    assert [event[0] for event in events].count("left") == 4
    assert events[-1] == ("failed", "ENHANCE_YOUR_CALM", "too many streams that are reset")


def test_frames_are_forgiven_for_responses_and_with_time() -> None:
    client = Http2Client(own=Http2Limits(frames=11, frames_rate=10.0))
    client.send(h2.ping() * 10)
    client.engine.send_head(client.request(), 200, [], b"", True)
    assert client.send(h2.ping() * 8) == []
    client.engine.replenish(1.0)
    assert client.send(h2.ping() * 10) == []
    assert client.send(h2.ping())[0][:2] == ("failed", "ENHANCE_YOUR_CALM")


def test_a_download_given_back_in_small_pieces_is_no_flood() -> None:
    """Go's client opens the windows of the connection and of the stream for every 4 KiB that its
    user reads."""
    client = Http2Client()
    engine = client.engine
    stream = client.request()
    engine.send_head(stream, 200, [], b"", False)
    left = engine.budget.frames.left
    given = 0
    for _ in range(200):
        engine.send_data(stream, b"x" * 65536, False)
        sent = len(client.body(1))
        assert sent > 0
        for _ in range(sent // 4096):
            assert client.send(h2.window_update(0, 4096) + h2.window_update(1, 4096)) == []
            given += 2
    assert given > 3000
    assert engine.budget.frames.left >= left


def test_events_that_are_given_back_one_by_one_are_no_flood() -> None:
    """HAProxy opens the windows for each frame that it has passed on, however short."""
    client = Http2Client()
    stream = client.request()
    client.engine.send_head(stream, 200, [], b"", False)
    left = client.engine.budget.frames.left
    for _ in range(2000):
        client.engine.send_data(stream, b"data: 1\n\n", False)
        assert len(client.read()) > 0
        assert client.send(h2.window_update(0, 9) + h2.window_update(1, 9)) == []
    assert client.engine.budget.frames.left >= left


def test_window_updates_by_a_byte_are_a_flood() -> None:
    client = Http2Client()
    stream = client.request()
    client.engine.send_head(stream, 200, [], b"", False)
    client.engine.send_data(stream, b"x" * 60000, False)
    assert len(client.body(1)) == 60000
    events = client.send(h2.window_update(0, 1) * 2000)
    assert events == [("failed", "ENHANCE_YOUR_CALM", "too many frames that carry no request")]


def test_a_ping_for_each_frame_that_is_read_is_no_flood() -> None:
    """gRPC measures the width of the path so."""
    client = Http2Client()
    stream = client.request()
    client.engine.send_head(stream, 200, [], b"", False)
    for _ in range(3000):
        client.engine.send_data(stream, b"message", False)
        client.read()
        assert client.send(h2.ping() + h2.window_update(0, 7)) == []


def test_streams_that_have_lasted_are_ended_at_no_cost() -> None:
    """A proxy ends the streams of events that its clients have left."""
    client = Http2Client()
    left = client.engine.budget.resets.left
    for number in range(1, 2001, 2):
        client.request(number)
        client.engine.replenish(1.0)
        assert client.send(h2.rst_stream(number))[0][0] == "left"
    assert client.engine.budget.resets.left == left


def test_a_client_that_reads_nothing_is_not_looked_at() -> None:
    """Answers wait up to a limit; then the client's frames do, as bytes."""
    own = Http2Limits(unsent=100, frames=10**6)
    client = Http2Client(own=own)
    engine = client.engine
    assert client.send(h2.ping() * 1000) == []
    assert engine.choked
    assert len(engine.outbox.outgoing) < 100 + 17
    assert engine.buffered > 17 * 900
    answered = 0
    while engine.buffered:
        answered += len(client.read())
        client.send(b"")
    assert answered + len(client.read()) == 1000


def test_responses_of_a_client_that_reads_nothing_are_bounded() -> None:
    """Streams that are answered at once do not count as open; what was written for them does."""
    client = Http2Client(own=Http2Limits(unsent=500))
    engine = client.engine
    engine.receive_data(b"".join(h2.headers(number) for number in range(1, 2000, 2)))
    while (event := engine.next_event()) is not None:
        engine.send_head(engine.streams.open[event.stream_id], 204, [], b"", True)
    assert engine.choked
    assert len(engine.outbox.outgoing) < 1000
    assert engine.buffered > 10000


def test_what_is_remembered_of_resets_is_bounded() -> None:
    client = Http2Client(own=Http2Limits(resets=10000))
    for number in range(1, 2001, 2):
        client.send(h2.headers(number, [(b"BAD", b"")]))
    assert len(client.engine.streams.reset_here) == 256
    assert client.send(h2.data(1999, b"x")) == []
    assert client.send(h2.data(1, b"x"))[0][:2] == ("failed", "STREAM_CLOSED")


def test_priorities_ahead_of_streams_that_were_passed_over_are_forgotten() -> None:
    client = Http2Client()
    for number in (1, 3, 5, 7):
        client.send(h2.priority_update(number, b"u=1"))
    assert client.request(5).urgency == 1
    assert list(client.engine.streams.early_priorities) == [7]
    assert client.send(h2.priority_update(3, b"u=1")) == []
    assert list(client.engine.streams.early_priorities) == [7]


def test_our_settings_are_known_when_they_are_acknowledged() -> None:
    client = Http2Client()
    assert not client.engine.settings.acked
    client.send(h2.settings(ack=True))
    assert client.engine.settings.acked


def test_the_size_of_the_header_table_is_the_peers_to_say() -> None:
    client = Http2Client(HEADER_TABLE_SIZE=0)
    for number in (1, 3, 5):
        client.engine.send_head(client.request(number), 200, [(b"x-a", b"b")], b"", True)
    blocks = [frame.payload for frame in client.read()]
    # A size update of 0 first (RFC 7541 section 6.3), and no literal that is to be indexed.
    assert blocks[0][0] == 0x20
    assert blocks[1] == blocks[2]
    assert all(fields[1] == (b"x-a", b"b") for fields in client.fields)


def test_what_is_no_preface_is_refused_at_once() -> None:
    engine = Http2Engine(RequestLimits())
    told = []
    for byte in b"PRI * HTTP/1":
        engine.receive_data(bytes((byte,)))
        told += take(engine)
    assert [plain(event)[:2] for event in told] == [("failed", "PROTOCOL_ERROR")]


def test_a_frame_byte_by_byte_is_looked_at_when_it_is_whole() -> None:
    """Not at every byte: 16 KiB in pieces of one would be copied 16,000 times."""
    client = Http2Client()
    stream = client.request(1, h2.POST, end=False)
    told = [client.send(bytes((byte,))) for byte in h2.data(1, b"x" * 16384)]
    assert told[-1] == [("data", 1, b"x" * 16384)]
    assert not any(told[:-1])
    assert stream.received == 16384
    assert client.engine.buffered == 0


def test_reads_that_end_inside_frames_lose_nothing() -> None:
    """As those of a long body do: most begin with the rest of a frame and end with the beginning
    of another."""
    client = Http2Client()
    client.request(1, h2.POST, end=False)
    sent = [bytes([number]) * (number * 37 % 900) for number in range(1, 120)]
    data = b"".join(h2.data(1, piece) for piece in sent)
    came = []
    at = 0
    for size in (10, 700, 3, 3, 5000, 1, 40, 2000, 9, 100000):
        came += client.send(data[at : at + size])
        at += size
    assert at >= len(data)
    assert b"".join(event[2] for event in came) == b"".join(sent)
    assert client.engine.buffered == 0


def test_what_was_awaited_of_a_frame_does_not_keep_back_the_next_ones() -> None:
    """The rest of a long frame comes with short ones behind it, while no frame is taken."""
    client = Http2Client(own=Http2Limits(unsent=40, frames=10**6))
    client.request(1, h2.POST, end=False)
    long = h2.data(1, b"x" * 5000)
    assert client.send(long[:2000]) == []
    assert client.send(long[2000:] + h2.ping() * 10)[0] == ("data", 1, b"x" * 5000)
    assert client.engine.choked
    client.engine.receive_data(h2.ping())
    answered = 0
    while client.engine.choked:
        answered += client.answers().count("ping ack 12345678")
        client.send(b"")
    answered += client.answers().count("ping ack 12345678")
    assert answered == 11


@pytest.mark.parametrize(
    ("name", "header_map", "marked"),
    [
        (b"accept", "drop", False),
        (b"x-other", "drop", False),
        (b"x_forwarded_for", "drop", False),
        (b"x-forwarded-for", "drop", True),
        (b"forwarded", "drop", True),
        (b"x_forwarded_for", "dangerous", True),
    ],
)
def test_fields_of_proxies_are_announced(name: bytes, header_map: str, marked: bool) -> None:
    """Requests without them need not be looked through once more; those of most clients have
    none."""
    engine = Http2Engine(RequestLimits(), header_map=header_map)
    engine.receive_data(h2.PREFACE + h2.settings())
    for number in (1, 3):
        engine.receive_data(h2.headers(number, [*h2.GET, (name, b"192.0.2.1")]))
    engine.receive_data(h2.headers(5))
    assert [event.forwarding for event in take(engine)] == [marked, marked, False]
