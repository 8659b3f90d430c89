"""Range (RFC 9110 section 14): which parts of a file are sent."""

import pytest

from bascule.interfaces.static.ranges import MOST_RANGES, Part, multipart, parse_range

WHOLE = None
NONE: list[tuple[int, int]] = []

CASES = [
    # Of a file of 1,000 bytes.
    (b"bytes=0-0", [(0, 1)]),
    (b"bytes=0-499", [(0, 500)]),
    (b"bytes=500-", [(500, 500)]),
    (b"bytes=-500", [(500, 500)]),
    (b"bytes=0-", [(0, 1000)]),
    (b"bytes=999-", [(999, 1)]),
    (b"bytes=990-5000", [(990, 10)]),
    (b"bytes=-5000", [(0, 1000)]),
    (b"Bytes = 0-0".replace(b" ", b""), [(0, 1)]),
    (b"bytes= 0-0 , -1 ", [(0, 1), (999, 1)]),
    (b"bytes=,0-0,,5-5,", [(0, 1), (5, 1)]),
    (b"bytes=500-600,0-10", [(500, 101), (0, 11)]),
    (b"bytes=0-0,5000-", [(0, 1)]),
    (b"bytes=0-99999999999999999999", WHOLE),
    (b"bytes=00000000000-00000001", [(0, 2)]),
    # Unsatisfiable
    (b"bytes=1000-", NONE),
    (b"bytes=1000-2000", NONE),
    (b"bytes=-0", NONE),
    (b"bytes=5000-,6000-", NONE),
    # Ignored
    (b"", WHOLE),
    (b"bytes", WHOLE),
    (b"bytes=", WHOLE),
    (b"bytes=,", WHOLE),
    (b"bytes=-", WHOLE),
    (b"bytes=a-b", WHOLE),
    (b"bytes=5-1", WHOLE),
    (b"bytes=0-0,5-1", WHOLE),
    (b"bytes=0 - 0", WHOLE),
    (b"bytes=+1-2", WHOLE),
    (b"bytes=0x1-2", WHOLE),
    (b"bytes=1-2-3", WHOLE),
    (b"lines=0-1", WHOLE),
    (b"bytes:0-1", WHOLE),
    # More work than the whole
    (b"bytes=0-500,400-600", WHOLE),
    (b"bytes=0-,0-,0-", WHOLE),
    (b"bytes=0-499,500-999", WHOLE),
    (b"bytes=" + b",".join(b"%d-%d" % (n * 2, n * 2) for n in range(MOST_RANGES + 1)), WHOLE),
]


@pytest.mark.parametrize(("value", "expected"), CASES)
def test_ranges_of_a_thousand_bytes(value: bytes, expected: list[tuple[int, int]] | None) -> None:
    parts = parse_range(value, 1000)
    assert (None if parts is None else [(part.start, part.size) for part in parts]) == expected


def test_as_many_ranges_as_are_answered() -> None:
    value = b"bytes=" + b",".join(b"%d-%d" % (n * 2, n * 2) for n in range(MOST_RANGES))
    parts = parse_range(value, 1000)
    assert parts is not None
    assert len(parts) == MOST_RANGES


@pytest.mark.parametrize(
    ("value", "expected"), [(b"bytes=0-", []), (b"bytes=-1", None), (b"bytes=-0", [])]
)
def test_ranges_of_an_empty_file(value: bytes, expected: list[Part] | None) -> None:
    assert parse_range(value, 0) == expected


def test_content_range() -> None:
    assert Part(500, 500).content_range(1000) == b"bytes 500-999/1000"


def test_a_multipart_body_is_as_long_as_it_says() -> None:
    framed = multipart([Part(0, 5), Part(90, 10)], 100, b"text/plain", b"XX")
    body = b"".join(
        heading + b"x" * part.size
        for heading, part in zip(framed.headings, framed.parts, strict=True)
    )
    body += framed.closing
    assert len(body) == framed.size
    assert body == (
        b"\r\n--XX\r\ncontent-type: text/plain\r\ncontent-range: bytes 0-4/100\r\n\r\nxxxxx"
        b"\r\n--XX\r\ncontent-type: text/plain\r\ncontent-range: bytes 90-99/100\r\n\r\nxxxxxxxxxx"
        b"\r\n--XX--\r\n"
    )
    assert framed.content_type == b"multipart/byteranges; boundary=XX"
