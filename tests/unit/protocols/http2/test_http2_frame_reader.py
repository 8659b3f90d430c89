"""protocols/http2/frame_reader.py: frames out of bytes, header blocks out of frames."""

import pytest

from bascule.errors import FrameRefused
from bascule.protocols.http2.frame_reader import FrameReader, HeaderBlock
from support import http2_frames as h2


def ready() -> FrameReader:
    """A reader that has taken the preface."""
    reader = FrameReader()
    reader.receive_data(h2.PREFACE)
    assert not reader.next_frame()
    assert not reader.preface_due
    return reader


def frames(reader: FrameReader) -> list[tuple[int, int, int, bytes]]:
    """All whole frames: kind, flags, stream, payload."""
    found = []
    while reader.next_frame():
        found.append((reader.kind, reader.flags, reader.stream_id, reader.payload()))
    return found


SENT = [(0x0, 0x1, 7, b"hello"), (0x6, 0, 0, b"12345678"), (0x42, 0xFF, 2**31 - 1, b"")]
BYTES = b"".join(h2.raw_frame(*one) for one in SENT)


@pytest.mark.parametrize("size", [1, 2, 9, 13, len(BYTES)])
def test_frames_come_in_pieces_of_any_size(size: int) -> None:
    reader = ready()
    found = []
    for at in range(0, len(BYTES), size):
        reader.receive_data(BYTES[at : at + size])
        found += frames(reader)
    assert found == SENT
    assert reader.buffered() == 0


def test_the_reserved_bit_of_a_stream_is_ignored() -> None:
    """RFC 9113 section 4.1."""
    reader = ready()
    reader.receive_data(h2.raw_frame(0x0, 0, 2**31 + 5, b""))
    assert frames(reader) == [(0x0, 0, 5, b"")]


def test_a_frame_is_judged_by_its_header() -> None:
    reader = ready()
    reader.receive_data((16385).to_bytes(3, "big") + bytes(6))
    with pytest.raises(FrameRefused, match="frame of 16385 bytes, at most 16384") as refused:
        reader.next_frame()
    assert h2.ERRORS[refused.value.code] == "FRAME_SIZE_ERROR"


def test_another_preface_is_refused_at_its_first_wrong_byte() -> None:
    reader = FrameReader()
    reader.receive_data(b"PRI")
    assert not reader.next_frame()
    reader.receive_data(b"NT")
    with pytest.raises(FrameRefused, match="preface"):
        reader.next_frame()


def test_padding_and_priority_are_taken_off() -> None:
    reader = ready()
    reader.receive_data(h2.raw_frame(0x1, 0x28, 1, b"\x03" + b"prior" + b"block" + bytes(3)))
    assert reader.next_frame()
    reader.strip_padding()
    reader.strip_priority()
    assert reader.payload() == b"block"
    assert reader.number_at(1) == int.from_bytes(b"lock", "big")


@pytest.mark.parametrize(
    ("payload", "code"),
    [(b"", "FRAME_SIZE_ERROR"), (b"\x03ab", "PROTOCOL_ERROR"), (b"\x02ab", None)],
)
def test_padding_is_no_longer_than_its_frame(payload: bytes, code: str | None) -> None:
    reader = ready()
    reader.receive_data(h2.raw_frame(0x0, 0x8, 1, payload))
    assert reader.next_frame()
    if code is None:
        reader.strip_padding()
        assert reader.payload() == b""
        return
    with pytest.raises(FrameRefused) as refused:
        reader.strip_padding()
    assert h2.ERRORS[refused.value.code] == code


def test_nothing_is_kept_of_what_is_dropped() -> None:
    reader = ready()
    reader.receive_data(BYTES[:7])
    reader.receive_data(BYTES[7:])
    assert reader.buffered() == len(BYTES)
    reader.clear()
    assert (reader.buffered(), frames(reader)) == (0, [])


def test_a_block_is_put_together() -> None:
    block = HeaderBlock(10, 2)
    assert block.stream_id == 0
    block.begin(3, b"abc", True)
    assert (block.stream_id, block.ended) == (3, True)
    block.add(b"")
    block.add(b"defghij")
    assert block.finish() == b"abcdefghij"
    assert block.stream_id == 0
    # The limits are those of one block.
    block.begin(5, b"abc", False)
    block.add(b"defghij")
    assert block.finish() == b"abcdefghij"


def test_a_block_has_limits() -> None:
    block = HeaderBlock(10, 2)
    block.begin(3, b"abc", True)
    with pytest.raises(FrameRefused, match="header block longer than 10 bytes"):
        block.add(b"defghijk")
    block.begin(3, b"abc", True)
    block.add(b"d")
    block.add(b"e")
    with pytest.raises(FrameRefused, match="more than 2 CONTINUATION frames"):
        block.add(b"f")
