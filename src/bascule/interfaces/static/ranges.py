"""Range requests (RFC 9110 section 14): which parts of a file a request asks for, and the body
that holds several.

A Range field that is malformed, or that asks for more work than the whole file, is ignored, as
section 14.2 allows: the response is then 200 with everything. A video player that seeks asks for
one range, a download manager for a few, and only attacks ask for hundreds (CVE-2011-3192).
"""

import re
from dataclasses import dataclass
from itertools import pairwise

# More ranges than this in one request are not answered one by one.
MOST_RANGES = 16
# Section 14.1.1: `1*DIGIT`. Longer numbers are past the end of every file.
RANGE = re.compile(rb"(?P<first>[0-9]{1,19})?-(?P<last>[0-9]{1,19})?")
UNIT = b"bytes"


class Part:
    """Bytes of a file, from `start` on.

    start: the position of the first byte.
    size: how many there are, never 0.
    """

    __slots__ = ("size", "start")

    def __init__(self, start: int, size: int) -> None:
        self.start = start
        self.size = size

    def __repr__(self) -> str:
        return f"Part({self.start}, {self.size})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Part) and (self.start, self.size) == (other.start, other.size)

    def __hash__(self) -> int:
        return hash((self.start, self.size))

    @property
    def end(self) -> int:
        return self.start + self.size

    def content_range(self, complete: int) -> bytes:
        """Content-Range (section 14.4) of a file of `complete` bytes."""
        return b"bytes %d-%d/%d" % (self.start, self.end - 1, complete)


def parse_range(value: bytes, size: int) -> list[Part] | None:
    """Read a Range field for a file of `size` bytes.

    Returns the parts in the order in which they were asked for; an empty list where none can be
    had, which is answered by 416; None where the field is to be ignored.
    """
    unit, equals, text = value.partition(b"=")
    # Range units are case-insensitive (section 14.1).
    if not equals or unit.strip(b" \t").lower() != UNIT:
        return None
    parts: list[Part] = []
    asked = 0
    for element in text.split(b","):
        element = element.strip(b" \t")
        if not element:
            continue
        asked += 1
        match = RANGE.fullmatch(element)
        if match is None or asked > MOST_RANGES:
            return None
        first, last = match["first"], match["last"]
        if first is None:
            if last is None:
                return None
            length = min(int(last), size)
            start = size - length
        else:
            start = int(first)
            if last is not None and int(last) < start:
                # Invalid, and with it the whole field (section 14.1.2).
                return None
            length = max(0, (size if last is None else min(int(last) + 1, size)) - start)
        if length:
            parts.append(Part(start, length))
    if not asked:
        return None
    if not size and not parts:
        # A suffix of an empty file is all of it; there are no bytes to number in a 206.
        return None if has_suffix(text) else []
    return None if len(parts) > 1 and is_wasteful(parts, size) else parts


def has_suffix(text: bytes) -> bool:
    """Whether one of the ranges is the last so many bytes, and not none of them."""
    elements = [element.strip(b" \t") for element in text.split(b",")]
    return any(one.startswith(b"-") and one[1:].strip(b"0") for one in elements)


def is_wasteful(parts: list[Part], size: int) -> bool:
    """Whether several parts overlap, or are together as much as the whole."""
    if sum(part.size for part in parts) >= size:
        return True
    ordered = sorted(parts, key=lambda part: part.start)
    return any(one.end > other.start for one, other in pairwise(ordered))


@dataclass(frozen=True, slots=True)
class Multipart:
    """A multipart/byteranges body (section 14.6).

    content_type: of the whole.
    headings: what stands before each part, in order.
    parts: the parts of the file.
    closing: what stands behind the last.
    """

    content_type: bytes
    headings: list[bytes]
    parts: list[Part]
    closing: bytes

    @property
    def size(self) -> int:
        """Content-Length."""
        return sum(map(len, self.headings)) + sum(p.size for p in self.parts) + len(self.closing)


def multipart(parts: list[Part], complete: int, media_type: bytes, boundary: bytes) -> Multipart:
    """Frame several parts of a file of `complete` bytes.

    boundary: must not occur in the file; a random one of 128 bits does not.
    """
    headings = [
        b"\r\n--%b\r\ncontent-type: %b\r\ncontent-range: %b\r\n\r\n"
        % (boundary, media_type, part.content_range(complete))
        for part in parts
    ]
    return Multipart(
        b"multipart/byteranges; boundary=" + boundary,
        headings,
        parts,
        b"\r\n--%b--\r\n" % boundary,
    )
