"""protocols/websocket/frames.py: headers as RFC 6455 section 5.2 draws them, and whole frames."""

import pytest

from bascule.protocols.websocket.frames import FrameHeader, frame, read_header
from support.websocket_frames import KEY, client_frame, server_frames

SIZES = [0, 1, 125, 126, 127, 255, 256, 65535, 65536, 70000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("key", [KEY, None])
def test_a_header_is_read_anywhere(size: int, key: bytes | None) -> None:
    data = client_frame(2, bytes(size), key=key)
    head = (2, True, 0, key is not None, len(data) - size, size)
    assert read_header(data, 0) == head
    assert read_header(b"before" + data, 6) == head


@pytest.mark.parametrize("size", SIZES)
def test_a_header_that_is_not_complete(size: int) -> None:
    data = client_frame(1, bytes(size))
    for end in range(len(data) - size):
        assert read_header(data[:end], 0) is None
        assert read_header(b"x" + data[:end], 1) is None


@pytest.mark.parametrize(
    ("data", "head"),
    [
        (b"\x01\x00", (1, False, 0, False, 2, 0)),
        (b"\xff\x00", (15, True, 0x70, False, 2, 0)),
        (b"\x40\x00", (0, False, 0x40, False, 2, 0)),
        (b"\x20\x00", (0, False, 0x20, False, 2, 0)),
        (b"\x1a\x00", (10, False, 0x10, False, 2, 0)),
        (b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", (2, True, 0, False, 10, 2**64 - 1)),
        (b"\x82\xff\x80\0\0\0\0\0\0\0abcd", (2, True, 0, True, 14, 2**63)),
    ],
)
def test_a_header_is_told_whatever_it_says(data: bytes, head: tuple[object, ...]) -> None:
    assert read_header(data, 0) == head


def test_the_key_is_a_number() -> None:
    header = FrameHeader()
    assert header.read(client_frame(1, b"x", key=b"\xff\x01\x02\x03"), 0)
    assert header.key == 0xFF010203
    assert header.read(b"\x81\x00", 0)
    assert header.key == 0


@pytest.mark.parametrize(
    ("form", "size", "minimal"),
    [
        *((0, size, True) for size in SIZES),
        (126, 0, False),
        (126, 125, False),
        (127, 0, False),
        (127, 126, False),
        (127, 65535, False),
    ],
)
def test_longer_forms_than_needed_are_told(form: int, size: int, minimal: bool) -> None:
    header = FrameHeader()
    assert header.read(client_frame(1, bytes(size), form=form), 0)
    assert (header.length, header.minimal) == (size, minimal)


def test_nothing_of_a_header_is_left_for_the_next() -> None:
    header = FrameHeader()
    assert header.read(client_frame(2, bytes(5), form=127, rsv=0x70, fin=False), 0)
    assert header.read(b"\x81\x02hi", 0)
    assert (header.opcode, header.fin, header.rsv, header.masked) == (1, True, 0, False)
    assert (header.size, header.length, header.minimal, header.key) == (2, 2, True, 0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("bits", [1, 2, 0x41, 0x42, 8, 9, 10])
def test_frames_are_written_in_the_shortest_form(bits: int, size: int) -> None:
    assert server_frames(frame(bits, b"x" * size)) == [(bits & 15, bits & 0x70, b"x" * size)]


def test_the_examples_of_the_rfc() -> None:
    """RFC 6455 section 5.7."""
    assert frame(1, b"Hello") == b"\x81\x05Hello"
    assert frame(2, bytes(256))[:4] == b"\x82\x7e\x01\x00"
    assert frame(2, bytes(65536))[:10] == b"\x82\x7f\0\0\0\0\0\x01\0\0"
    assert read_header(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 0) == (
        1,
        True,
        0,
        True,
        6,
        5,
    )
