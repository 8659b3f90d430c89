"""protocols/websocket/engine.py: what it says when, what it keeps meanwhile, and what it writes.

Frames that any client can send are in tests/wire/websocket, with their events.
"""

import tracemalloc
from collections.abc import Iterator

import pytest

from bascule.errors import ResponseError
from bascule.protocols.events import Failed, Lost, PeerClosed, Ping
from bascule.protocols.limits import WebSocketLimits
from bascule.protocols.websocket.deflate import Deflate
from bascule.protocols.websocket.engine import WebSocketEngine
from support.websocket_frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    RSV1,
    TEXT,
    client_frame,
    events_of,
    plain,
    server_frames,
    take,
)

HELLO = client_frame(TEXT, b"hello")
BYE = client_frame(CLOSE, b"\x03\xe8bye")


def engine(data: bytes = b"", deflate: Deflate | None = None, **limits: int) -> WebSocketEngine:
    one = WebSocketEngine(WebSocketLimits(**limits), deflate)
    if data:
        one.receive_data(data)
    return one


def failure(one: WebSocketEngine) -> Failed:
    event = one.next_event()
    assert isinstance(event, Failed), event
    return event


# When it says what.


def test_a_fresh_engine_has_nothing_to_say() -> None:
    one = engine()
    assert one.next_event() is None
    assert (one.buffered, one.close_sent, one.close_received) == (0, False, False)


def test_receiving_only_buffers() -> None:
    one = engine(HELLO)
    one.receive_data(HELLO[:3])
    one.receive_data(HELLO[3:])
    one.receive_eof()
    assert one.buffered == 2 * len(HELLO)
    assert one.next_event() == "hello"
    assert one.buffered == len(HELLO)
    assert one.next_event() == "hello"
    assert one.buffered == 0


def test_empty_messages_are_messages() -> None:
    one = engine(client_frame(TEXT) + client_frame(BINARY))
    text, binary = one.next_event(), one.next_event()
    assert (text, binary) == ("", b"")
    assert (type(text), type(binary)) == (str, bytes)
    assert one.next_event() is None


def test_messages_and_control_frames_come_in_their_order() -> None:
    raw = (
        client_frame(PING, b"1")
        + client_frame(TEXT, b"a", fin=False)
        + client_frame(PING, b"2")
        + client_frame(CONTINUATION, b"", fin=False)
        + client_frame(PONG, b"3")
        + client_frame(CONTINUATION, b"b")
        + client_frame(BINARY, b"c")
        + BYE
    )
    assert list(map(plain, events_of(engine(), [raw]))) == [
        ("ping", b"1"),
        ("ping", b"2"),
        ("pong", b"3"),
        ("text", "ab"),
        ("binary", b"c"),
        ("closed", 1000, "bye"),
    ]


def test_a_fragmented_binary_message_is_bytes() -> None:
    raw = client_frame(BINARY, b"\xff", fin=False) + client_frame(CONTINUATION, b"\xfe")
    (message,) = events_of(engine(), [raw])
    assert (message, type(message)) == (b"\xff\xfe", bytes)


def test_control_frames_wait_until_they_are_whole() -> None:
    raw = client_frame(PING, b"x" * 125)
    one = engine(raw[:-1])
    assert one.next_event() is None
    assert one.buffered == len(raw) - 1
    one.receive_data(raw[-1:] + HELLO)
    ping = one.next_event()
    assert isinstance(ping, Ping)
    assert ping.payload == b"x" * 125
    assert one.next_event() == "hello"


def test_payload_does_not_wait_in_the_buffer() -> None:
    raw = client_frame(BINARY, b"x" * 1000)
    one = engine(raw[:500])
    assert one.next_event() is None
    assert one.buffered == 0
    one.receive_data(raw[500:])
    assert one.next_event() == b"x" * 1000


@pytest.mark.parametrize("last", [BYE, client_frame(3), client_frame(TEXT, b"\xff")])
def test_nothing_is_looked_at_after_the_end(last: bytes) -> None:
    one = engine(HELLO + last + HELLO)
    assert one.next_event() == "hello"
    assert isinstance(one.next_event(), PeerClosed | Failed)
    assert (one.next_event(), one.buffered) == (None, 0)
    one.receive_data(HELLO)
    one.receive_eof()
    assert (one.next_event(), one.buffered) == (None, 0)


def test_only_a_close_frame_is_a_close() -> None:
    one = engine(BYE)
    assert not one.close_received
    one.next_event()
    assert one.close_received
    bad = engine(client_frame(CLOSE, b"\x03"))
    assert failure(bad).code == 1002
    assert not bad.close_received


@pytest.mark.parametrize(
    "before", [b"", HELLO[:1], HELLO[:5], HELLO[:-1], client_frame(1, fin=False)]
)
def test_a_peer_that_stops_is_lost(before: bytes) -> None:
    one = engine(before)
    assert one.next_event() is None
    one.receive_eof()
    assert isinstance(one.next_event(), Lost)
    assert one.next_event() is None


def test_a_peer_that_stops_after_its_messages() -> None:
    one = engine(HELLO + BYE)
    one.receive_eof()
    assert [plain(event) for event in take(one)] == [("text", "hello"), ("closed", 1000, "bye")]


def test_a_close_frame_that_carries_no_code() -> None:
    assert plain(engine(client_frame(CLOSE)).next_event()) == ("closed", 1005, "")


def test_closing_does_not_stop_what_comes() -> None:
    """RFC 6455 section 5.5.1: the peer may send until it has seen our Close frame."""
    one = engine(HELLO)
    one.send_close(1000)
    assert one.next_event() == "hello"
    assert one.close_sent
    assert not one.close_received


def test_events_say_what_they_are() -> None:
    raw = client_frame(PING, b"a") + client_frame(PONG, b"b") + BYE
    assert list(map(repr, events_of(engine(), [raw]))) == [
        "<Ping b'a'>",
        "<Pong b'b'>",
        "<PeerClosed 1000 'bye'>",
    ]
    assert (
        repr(failure(engine(client_frame(3)))) == "<Failed 1002 frame with the unknown opcode 3>"
    )
    one = engine()
    one.receive_eof()
    assert repr(one.next_event()) == "<Lost>"


# Breaches of the protocol.

FIRST = client_frame(TEXT, b"a", fin=False)


@pytest.mark.parametrize(
    ("raw", "code", "reason"),
    [
        (client_frame(TEXT, b"a", key=None), 1002, "without a mask"),
        (client_frame(TEXT, b"a", form=126), 1002, "not the shortest"),
        (client_frame(TEXT, b"a", form=127), 1002, "not the shortest"),
        (client_frame(PING, b"a", form=126), 1002, "not the shortest"),
        (b"\x82\xff" + b"\xff" * 12, 1002, "not the shortest"),
        (b"\x82\xff\x80" + bytes(11), 1002, "not the shortest"),
        (b"\x82\xff\x7f" + b"\xff" * 11, 1009, "longer than"),
        *((client_frame(n), 1002, f"opcode {n}") for n in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
        *((client_frame(TEXT, rsv=rsv), 1002, "not negotiated") for rsv in (0x40, 0x20, 0x10)),
        *((client_frame(PING, rsv=rsv), 1002, "control frame") for rsv in (0x40, 0x20, 0x10)),
        (client_frame(PING, fin=False), 1002, "fragmented control frame"),
        (client_frame(PONG, bytes(126)), 1002, "longer than 125"),
        (client_frame(CONTINUATION), 1002, "continuation of no message"),
        (FIRST + client_frame(TEXT), 1002, "before the end"),
        (FIRST + client_frame(BINARY), 1002, "before the end"),
        (FIRST + client_frame(CONTINUATION, rsv=RSV1), 1002, "continuation with"),
        (client_frame(CLOSE, b"\x03"), 1002, "one byte"),
        (client_frame(CLOSE, b"\x03\xee"), 1002, "code 1006"),
        (client_frame(CLOSE, b"\x03\xe8\xff"), 1007, "reason in a Close frame"),
        (client_frame(CLOSE, b"\x03\xe8\xed\xa0\x80"), 1007, "reason in a Close frame"),
    ],
)
def test_what_breaks_the_protocol(raw: bytes, code: int, reason: str) -> None:
    one = engine(HELLO + raw + HELLO)
    assert one.next_event() == "hello"
    failed = failure(one)
    assert failed.code == code
    assert reason in failed.reason
    assert one.next_event() is None


@pytest.mark.parametrize("rsv", [0x20, 0x10, 0x60, 0x50, 0x30, 0x70])
def test_compression_takes_one_reserved_bit(rsv: int) -> None:
    one = engine(client_frame(TEXT, rsv=rsv), Deflate())
    assert failure(one).code == 1002


def test_only_the_first_frame_says_that_a_message_is_compressed() -> None:
    """RFC 7692 section 6.1."""
    first = client_frame(TEXT, b"", fin=False, rsv=RSV1)
    one = engine(first + client_frame(CONTINUATION, rsv=RSV1), Deflate())
    assert "continuation with a reserved bit" in failure(one).reason
    one = engine(client_frame(PING, rsv=RSV1), Deflate())
    assert "control frame with a reserved bit" in failure(one).reason


def test_broken_compression_is_1007() -> None:
    one = engine(client_frame(TEXT, b"\xff", rsv=RSV1), Deflate())
    assert plain(failure(one)) == ("failed", 1007, "compressed data is broken")


# UTF-8, byte by byte, against table 3-7 of the Unicode standard.

TAIL = (0x80, 0xBF)
WELL_FORMED = [
    [(0x00, 0x7F)],
    [(0xC2, 0xDF), TAIL],
    [(0xE0, 0xE0), (0xA0, 0xBF), TAIL],
    [(0xE1, 0xEC), TAIL, TAIL],
    [(0xED, 0xED), (0x80, 0x9F), TAIL],
    [(0xEE, 0xEF), TAIL, TAIL],
    [(0xF0, 0xF0), (0x90, 0xBF), TAIL, TAIL],
    [(0xF1, 0xF3), TAIL, TAIL, TAIL],
    [(0xF4, 0xF4), (0x80, 0x8F), TAIL, TAIL],
]


def allowed_after(raw: bytes) -> set[int]:
    """The bytes that can follow the beginning of a sequence."""
    allowed = set()
    for row in WELL_FORMED:
        if len(raw) < len(row) and all(
            low <= byte <= high for byte, (low, high) in zip(raw, row, strict=False)
        ):
            low, high = row[len(raw)]
            allowed |= set(range(low, high + 1))
    return allowed


def beginnings() -> Iterator[bytes]:
    yield b""
    for first in (0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4):
        yield bytes((first,))
        second = min(allowed_after(bytes((first,))))
        yield bytes((first, second))
        yield bytes((first, second, 0x80))


@pytest.mark.parametrize("deflated", [False, True])
@pytest.mark.parametrize("before", [b for b in beginnings() if allowed_after(b)], ids=repr)
def test_text_is_refused_at_its_first_bad_byte(before: bytes, deflated: bool) -> None:
    """RFC 6455 section 8.1; overlong forms, surrogates and what is past U+10FFFF among it."""
    allowed = allowed_after(before)
    for byte in range(256):
        payload = "é".encode() + before + bytes((byte,)) + b"\x80" * 20
        if deflated:
            # A stored block, so that each byte is inflated when it is here.
            size = len(payload)
            block = b"\0" + size.to_bytes(2, "little") + (65535 - size).to_bytes(2, "little")
            payload, rsv, header = block + payload, RSV1, 11
        else:
            rsv, header = 0, 6
        raw = client_frame(TEXT, payload, rsv=rsv)
        one = engine(raw[: header + 3 + len(before)], Deflate() if deflated else None)
        event = one.next_event()
        if byte in allowed:
            assert event is None
        else:
            assert plain(event) == ("failed", 1007, "text is not UTF-8")


@pytest.mark.parametrize("text", ["é", "€", "𝄞", "a€b𝄞c"])
def test_a_character_may_be_cut_anywhere(text: str) -> None:
    raw = text.encode()
    for cut in range(len(raw) + 1):
        first = client_frame(TEXT, raw[:cut], fin=False)
        last = client_frame(CONTINUATION, raw[cut:])
        assert events_of(engine(), [first, client_frame(PING), last])[1:] == [text]
        assert events_of(engine(), [first + last]) == [text]


@pytest.mark.parametrize("raw", [b"\xc3", b"a\xe2\x82", b"\xf0\x9d\x84"])
def test_text_may_not_end_inside_a_character(raw: bytes) -> None:
    whole = client_frame(TEXT, raw)
    fragments = client_frame(TEXT, raw, fin=False) + client_frame(CONTINUATION)
    for data in (whole, fragments, fragments + HELLO):
        assert failure(engine(data)).code == 1007


def test_a_bad_byte_in_an_earlier_text_does_not_show_in_the_next() -> None:
    one = engine(client_frame(TEXT, "€".encode()[:2], fin=False))
    assert one.next_event() is None
    one.receive_data(client_frame(CONTINUATION, "€".encode()[2:]) + HELLO)
    assert [one.next_event(), one.next_event()] == ["€", "hello"]


# Limits.


def test_a_frame_is_judged_by_its_header() -> None:
    raw = client_frame(BINARY, bytes(101))
    one = engine(raw[:5], frame=100)
    assert one.next_event() is None
    one.receive_data(raw[5:6])
    assert plain(failure(one)) == ("failed", 1009, "frame longer than 100 bytes")
    assert engine(client_frame(BINARY, bytes(100)), frame=100).next_event() == bytes(100)


def test_a_message_is_judged_by_the_headers_of_its_frames() -> None:
    first = client_frame(BINARY, bytes(60), fin=False)
    second = client_frame(CONTINUATION, bytes(41))
    one = engine(first + second[:6], message=100)
    assert plain(failure(one)) == ("failed", 1009, "message longer than 100 bytes")
    fits = first + client_frame(CONTINUATION, bytes(40))
    one = engine(fits + fits, message=100)
    assert [one.next_event(), one.next_event()] == [bytes(100)] * 2


def test_fragments_are_counted() -> None:
    frames = [client_frame(TEXT, fin=False), client_frame(CONTINUATION, fin=False)]
    last = client_frame(CONTINUATION)
    one = engine(frames[0] + frames[1] + last, fragments=3)
    assert one.next_event() == ""
    one.receive_data(frames[0] + frames[1] + client_frame(PING) + frames[1])
    assert one.next_event() is None or True
    one.receive_data(last)
    assert plain(take(one)[-1]) == ("failed", 1009, "message in more than 3 frames")


@pytest.mark.parametrize("name", ["message", "frame", "fragments"])
def test_limits_may_be_any_number(name: str) -> None:
    raw = client_frame(TEXT, b"a", fin=False) + client_frame(CONTINUATION, b"b")
    assert engine(raw, **{name: 2**62}).next_event() == "ab"
    assert failure(engine(raw * 2, **{name: 0})).code == 1009


def test_an_idle_engine_keeps_nothing() -> None:
    """10,000 connections that have each sent a megabyte once must not be 10 GB."""
    tracemalloc.start()
    try:
        one = engine(client_frame(BINARY, bytes(1 << 20)))
        one.next_event()
        assert one.next_event() is None
        assert tracemalloc.get_traced_memory()[0] < 10_000
    finally:
        tracemalloc.stop()


def peak(one: WebSocketEngine, pieces: Iterator[bytes]) -> int:
    """Most memory in use while the pieces are fed."""
    tracemalloc.start()
    try:
        for piece in pieces:
            one.receive_data(piece)
            one.next_event()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_bytes_that_trickle_take_no_more_than_they_are() -> None:
    size = 60_000
    raw = client_frame(TEXT, "é".encode() * (size // 2))
    assert peak(engine(), (raw[at : at + 1] for at in range(len(raw) - 1))) < size * 1.5


def test_bytes_that_wait_take_no_more_than_they_are() -> None:
    one = engine(HELLO)
    tracemalloc.start()
    try:
        for _ in range(100_000):
            one.receive_data(b"xy")
        assert tracemalloc.get_traced_memory()[1] < 300_000
    finally:
        tracemalloc.stop()


def test_no_byte_is_copied_for_each_read_that_follows() -> None:
    """16 MiB in 16,384 reads: a copy for each would be 128 GB, minutes at the speed of memory;
    the limit on tests is one."""
    raw = client_frame(BINARY, bytes(1 << 24))
    pieces = (raw[at : at + 1024] for at in range(0, len(raw), 1024))
    (message,) = events_of(engine(), pieces)
    assert message == bytes(1 << 24)


def test_many_small_frames_in_one_read() -> None:
    """A copy of the rest for each would be 90 GB."""
    count = 160_000
    raw = client_frame(BINARY, b"x") * count
    assert events_of(engine(), [raw]) == [b"x"] * count


def test_many_small_reads_before_the_first_look() -> None:
    """While the application decides on the handshake, for example. A copy for each read would be
    160 GB."""
    one = engine()
    raw = client_frame(BINARY, b"x") * 80_000
    for byte in raw:
        one.receive_data(byte.to_bytes(1, "big"))
    assert one.buffered == len(raw)
    assert take(one) == [b"x"] * 80_000


# Output.


def test_messages_are_written_as_frames() -> None:
    one = engine()
    assert one.send_text("hé") == b"\x81\x03h\xc3\xa9"
    assert one.send_text("") == b"\x81\x00"
    assert one.send_binary(b"\x00\xff") == b"\x82\x02\x00\xff"
    assert one.send_binary(b"") == b"\x82\x00"


@pytest.mark.parametrize("size", [125, 126, 65535, 65536])
def test_messages_of_any_length_are_one_frame(size: int) -> None:
    one = engine()
    assert server_frames(one.send_text("x" * size)) == [(TEXT, 0, b"x" * size)]
    assert server_frames(one.send_binary(b"x" * size)) == [(BINARY, 0, b"x" * size)]


def test_text_with_a_lone_surrogate_is_the_applications_mistake() -> None:
    one = engine()
    with pytest.raises(ResponseError, match=r"UTF-8.*\\ud800.*surrogates not allowed"):
        one.send_text("a\ud800")
    assert one.send_text("b") == b"\x81\x01b"


def test_pings_and_pongs() -> None:
    one = engine()
    assert one.send_ping() == b"\x89\x00"
    assert one.send_ping(b"x" * 125) == b"\x89\x7d" + b"x" * 125
    assert one.send_pong(b"y") == b"\x8a\x01y"
    for send in (one.send_ping, one.send_pong):
        with pytest.raises(ResponseError, match="at most 125 bytes, not 126"):
            send(b"x" * 126)


def test_a_close_frame() -> None:
    one = engine()
    assert one.send_close(1000, "bye") == b"\x88\x05\x03\xe8bye"
    assert one.close_sent
    assert one.send_close(1000, "bye") == b""
    assert one.send_close(1, "x" * 999) == b""


def test_a_close_frame_without_a_code() -> None:
    one = engine()
    with pytest.raises(ResponseError, match="with a reason but without a code"):
        one.send_close(1005, "x")
    assert not one.close_sent
    assert one.send_close(1005) == b"\x88\x00"


CODES = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}
SOME_CODES = [
    -1,
    0,
    999,
    *range(1000, 1020),
    1999,
    2000,
    2999,
    3000,
    3999,
    4000,
    4999,
    5000,
    65535,
]


@pytest.mark.parametrize("code", SOME_CODES)
def test_codes_that_may_be_sent(code: int) -> None:
    """RFC 6455 section 7.4; 1005 means a frame without one."""
    one = engine()
    if code in CODES:
        assert one.send_close(code) == b"\x88\x02" + code.to_bytes(2, "big")
    elif code != 1005:
        with pytest.raises(ResponseError, match=f"{code} is not a code"):
            one.send_close(code)
        assert not one.close_sent


def test_a_code_that_no_number_of_c_can_hold() -> None:
    with pytest.raises(ResponseError, match="is not a code"):
        engine().send_close(2**70)


def test_codes_that_may_come() -> None:
    for code in range(65536):
        event = engine(client_frame(CLOSE, code.to_bytes(2, "big"))).next_event()
        wanted = ("closed", code, "") if code in CODES else ("failed", 1002)
        assert plain(event)[: len(wanted)] == wanted


def test_a_reason_has_at_most_123_bytes_of_utf_8() -> None:
    assert (
        server_frames(engine().send_close(1000, "é" * 61 + "x"))[0][2][2:]
        == b"\xc3\xa9" * 61 + b"x"
    )
    with pytest.raises(ResponseError, match="at most 123 bytes of UTF-8, not 124"):
        engine().send_close(1000, "é" * 62)
    with pytest.raises(ResponseError, match=r"close reason is UTF-8.*\\udfff"):
        engine().send_close(1000, "\udfff")


def test_nothing_is_sent_after_the_close_frame() -> None:
    one = engine()
    one.send_close(1000)
    for call in (
        lambda: one.send_text("x"),
        lambda: one.send_binary(b"x"),
        lambda: one.send_ping(),
        lambda: one.send_pong(b""),
    ):
        with pytest.raises(ResponseError, match="after its Close frame"):
            call()


# Compression, as far as it is the engine's.


def test_short_messages_are_not_compressed() -> None:
    one = engine(deflate=Deflate())
    assert server_frames(one.send_text("x" * 127)) == [(TEXT, 0, b"x" * 127)]
    ((opcode, rsv, payload),) = server_frames(one.send_text("x" * 128))
    assert (opcode, rsv) == (TEXT, RSV1)
    assert len(payload) < 20
    ((opcode, rsv, _),) = server_frames(one.send_binary(b"x" * 128))
    assert (opcode, rsv) == (BINARY, RSV1)
    assert server_frames(one.send_ping(b"x" * 125))[0][1] == 0


def compressed(data: bytes) -> bytes:
    return Deflate().compress(data)


def test_compressed_and_other_messages_may_alternate() -> None:
    deflate = Deflate()
    raw = (
        client_frame(TEXT, deflate.compress(b"a" * 200), rsv=RSV1)
        + HELLO
        + client_frame(BINARY, deflate.compress(b"a" * 200), rsv=RSV1)
    )
    assert events_of(engine(deflate=Deflate()), [raw]) == ["a" * 200, "hello", b"a" * 200]


def test_the_limit_of_a_message_counts_inflated_bytes() -> None:
    fits, long = (client_frame(BINARY, compressed(bytes(n)), rsv=RSV1) for n in (1000, 1001))
    assert engine(fits, Deflate(), message=1000).next_event() == bytes(1000)
    event = failure(engine(long, Deflate(), message=1000))
    assert plain(event) == ("failed", 1009, "message longer than 1000 bytes")


@pytest.mark.parametrize("size", [65535, 65536, 65537, 131072, 200_000])
def test_a_message_that_inflates_in_several_pieces(size: int) -> None:
    data = b"ab" * (size // 2) + b"c" * (size % 2)
    for limit in (size, 1 << 24):
        one = engine(client_frame(TEXT, compressed(data), rsv=RSV1), Deflate(), message=limit)
        assert one.next_event() == data.decode()
    one = engine(client_frame(TEXT, compressed(data), rsv=RSV1), Deflate(), message=size - 1)
    assert failure(one).code == 1009


def test_a_bomb_occupies_no_more_than_the_limit() -> None:
    """64 MiB in 64 KiB."""
    raw = client_frame(BINARY, compressed(bytes(1 << 26)), rsv=RSV1)
    limit = 1 << 20
    assert len(raw) < 80_000
    one = engine(deflate=Deflate(), message=limit)
    assert peak(one, iter([raw])) < limit * 1.25 + 3 * 65536 + len(raw)
    assert one.next_event() is None


def test_a_large_compressed_frame_in_one_read() -> None:
    """More than is inflated at once."""
    from random import Random

    data = Random(1).randbytes(300_000)
    raw = client_frame(BINARY, compressed(data), rsv=RSV1)
    assert events_of(engine(deflate=Deflate()), [raw + HELLO]) == [data, "hello"]
