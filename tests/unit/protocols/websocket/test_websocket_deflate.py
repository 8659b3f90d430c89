"""protocols/websocket/deflate.py: RFC 7692 section 7.2, in both directions."""

import random
import zlib
from collections.abc import Iterable

import pytest

from bascule.errors import MessageRefused
from bascule.protocols.websocket.deflate import MOST_STREAMS, PIECE, TAIL, Deflate

ROOM = 1 << 24
# A reference to what is before the beginning.
FAR = bytes((0xF2, 0x00, 0x11, 0x00, 0x00))
HELLO = bytes((0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00))


def inflate(one: Deflate, pieces: Iterable[bytes], room: int = ROOM) -> bytes:
    """One message; the last piece is its end."""
    *first, last = pieces
    out = b""
    for piece in first:
        one.feed(piece, False)
        out += drain(one, room)
    one.feed(last, True)
    return out + drain(one, room)


def drain(one: Deflate, room: int = ROOM) -> bytes:
    out = b""
    while piece := one.inflate(room):
        assert len(piece) <= min(room, PIECE)
        out += piece
    return out


def cut(data: bytes, at: int) -> list[bytes]:
    return [data[:at], data[at:]]


def refused(one: Deflate, pieces: Iterable[bytes]) -> tuple[int, str]:
    with pytest.raises(MessageRefused) as caught:
        inflate(one, pieces)
    return caught.value.code, caught.value.reason


# RFC 7692 section 7.2.3, the examples.


@pytest.mark.parametrize(
    "message",
    [
        HELLO,
        # No compression.
        b"\x00\x05\x00\xfa\xffHello\x00",
        # A block with BFINAL.
        bytes((0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00)),
        # Two blocks.
        bytes((0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00)),
        # A block with BFINAL, and nothing behind it: what zlib makes when it has to finish.
        bytes((0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00)),
    ],
    ids=["deflated", "stored", "final", "two blocks", "finished"],
)
def test_the_examples_of_the_rfc(message: bytes) -> None:
    """Twice, because the first may leave nothing behind; and in pieces of any size."""
    one = Deflate()
    assert inflate(one, [message]) == b"Hello"
    assert inflate(one, [message]) == b"Hello"
    for at in range(len(message) + 1):
        assert inflate(one, cut(message, at)) == b"Hello"
    assert inflate(one, [bytes((byte,)) for byte in message]) == b"Hello"


def test_a_context_that_is_taken_over() -> None:
    """RFC 7692 section 7.2.3.2: the second Hello is a reference to the first."""
    one = Deflate()
    assert inflate(one, [HELLO]) == b"Hello"
    assert inflate(one, [FAR]) == b"Hello"


def test_a_context_that_is_not_taken_over() -> None:
    one = Deflate(client_no_context_takeover=True)
    assert inflate(one, [HELLO]) == b"Hello"
    assert refused(one, [FAR])[0] == 1007


@pytest.mark.parametrize("empty", [b"\x00", b"", b"\x02\x00"])
def test_an_empty_message(empty: bytes) -> None:
    """RFC 7692 section 7.2.3.6; and the one that has no byte at all."""
    one = Deflate()
    for pieces in ([empty], [b"", empty], [empty, b""]):
        assert inflate(one, pieces) == b""
        assert inflate(one, [HELLO]) == b"Hello"


def test_the_tail_may_follow_on_its_own() -> None:
    one = Deflate()
    assert inflate(one, [HELLO, b""]) == b"Hello"
    assert inflate(one, [HELLO]) == b"Hello"


def raw(data: bytes, flush: int) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush(flush)


def test_several_streams_in_a_message() -> None:
    """RFC 7692 section 7.2.3.4."""
    one = Deflate()
    message = raw(b"one ", zlib.Z_FINISH) + raw(b"two ", zlib.Z_FINISH)
    message += raw(b"three", zlib.Z_SYNC_FLUSH)[:-4]
    for at in range(len(message) + 1):
        assert inflate(one, cut(message, at)) == b"one two three"


def test_streams_are_counted() -> None:
    """An empty stream has two bytes and costs a decompressor."""
    empty = raw(b"", zlib.Z_FINISH)
    assert len(empty) == 2
    one = Deflate()
    for _ in range(3):
        assert inflate(one, [empty * (MOST_STREAMS - 1) + b"\x00"]) == b""
    assert refused(one, [empty * 100_000])[0] == 1009


@pytest.mark.parametrize("message", [b"\xff", b"\x07", b"\x00\x05\x00\x00\x00Hello", FAR])
def test_broken_data(message: bytes) -> None:
    for pieces in ([message, b""], [message], [bytes((byte,)) for byte in message]):
        assert refused(Deflate(), pieces) == (1007, "compressed data is broken")


@pytest.mark.parametrize("room", [1, 2, 255, 256, 257, 258, 259, 65535, 65536, 65537])
@pytest.mark.parametrize("size", [0, 1, 257, 258, 259, 516, 65535, 65536, 65537, 200_000])
def test_no_piece_is_larger_than_the_room(size: int, room: int) -> None:
    """A match of deflate has up to 258 bytes, of which zlib may hold some back when the input is
    used up already."""
    if size // room > 2000:
        size = room * 2000 + size % 7
    message = raw(bytes(size), zlib.Z_SYNC_FLUSH)[:-4]
    one = Deflate()
    assert inflate(one, [message], room) == bytes(size)
    assert inflate(one, cut(message, len(message) // 2), room) == bytes(size)


# Output.


def texts(seed: int) -> list[bytes]:
    chance = random.Random(seed)
    sizes = (1, 5, 128, 1000, 5000, 70_000)
    return [bytes(chance.choices(b"abcde ", k=chance.choice(sizes))) for _ in range(12)]


@pytest.mark.parametrize("takeover", [True, False])
@pytest.mark.parametrize("bits", range(9, 16))
def test_what_is_compressed_is_inflated(bits: int, takeover: bool) -> None:
    ours = Deflate(server_no_context_takeover=not takeover, server_max_window_bits=bits)
    theirs = zlib.decompressobj(-bits)
    for data in texts(bits):
        if not takeover:
            theirs = zlib.decompressobj(-bits)
        payload = ours.compress(data)
        assert not payload.endswith(TAIL)
        assert theirs.decompress(payload + TAIL) == data


@pytest.mark.parametrize("takeover", [True, False])
@pytest.mark.parametrize("bits", range(8, 16))
def test_what_others_compress_is_inflated(bits: int, takeover: bool) -> None:
    ours = Deflate(client_no_context_takeover=not takeover, client_max_window_bits=bits)
    theirs = zlib.compressobj(wbits=-max(bits, 9))
    for data in texts(bits):
        # zlib makes no raw window of 256 bytes, and with 512 refers to the last 250.
        if not takeover:
            theirs = zlib.compressobj(wbits=-max(bits, 9))
        payload = theirs.compress(data) + theirs.flush(zlib.Z_SYNC_FLUSH)
        assert inflate(ours, [payload[:-4]]) == data


def test_a_context_makes_the_second_message_shorter() -> None:
    data = random.Random(1).randbytes(500)
    kept, dropped = Deflate(), Deflate(server_no_context_takeover=True)
    assert len(kept.compress(data)) == len(dropped.compress(data))
    assert len(kept.compress(data)) < 20
    assert len(dropped.compress(data)) > 500


def test_an_idle_connection_has_neither_side() -> None:
    one = Deflate(server_no_context_takeover=True, client_no_context_takeover=True)
    assert (one.compressor, one.decompressor) == (None, None)
    one.compress(b"x" * 200)
    inflate(one, [HELLO])
    assert (one.compressor, one.decompressor) == (None, None)
