"""Decodes the chunked transfer coding (RFC 9112 section 7.1).

Chunk extensions are bounded, and trailers are kept apart from fields. Strict where leniency has
meant smuggling: sizes are hexadecimal digits only, the line end is CRLF only, the two bytes behind
a chunk are CRLF and nothing else (CVE-2025-43859).
"""

import re

from bascule.errors import RequestRefused
from bascule.protocols.headers import FIELD_VALUE, FORBIDDEN_TRAILERS, MAX_LENGTH, TOKEN
from bascule.protocols.limits import RequestLimits

# chunk-size [ chunk-ext ], RFC 9112 sections 7.1 and 7.1.1. White space is only where there is an
# extension behind it. All parts are possessive, so a line is read once.
NAME = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
QUOTED_STRING = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
BWS = rb"[ \t]*+"
CHUNK_LINE = re.compile(
    rb"([0-9A-Fa-f]{1,16})"
    rb"(?:" + BWS + rb";" + BWS + NAME + rb"+"
    rb"(?:" + BWS + rb"=" + BWS + rb"(?:" + NAME + rb"+|" + QUOTED_STRING + rb"))?)*+"
)

# Chunks that one call of `decode` reads. Those of one byte take a microsecond or two each, and
# one read brings tens of thousands of them.
CHUNKS_AT_ONCE = 64

SIZE = 0
DATA = 1
AFTER_DATA = 2
TRAILER = 3
DONE = 4


class ChunkedDecoder:
    """Takes as much of the buffered bytes as it can.

    pieces: decoded bytes that were not collected yet.
    total: bytes decoded in all.
    done: the body is complete, `trailers` are known.
    cut_short: `decode` has read as many chunks as it may at once, and there may be more.
    """

    __slots__ = (
        "cut_short",
        "header_map",
        "limits",
        "phase",
        "pieces",
        "remaining",
        "total",
        "trailers",
    )

    def __init__(self, limits: RequestLimits, header_map: str) -> None:
        self.limits = limits
        self.header_map = header_map
        self.phase = SIZE
        self.remaining = 0
        self.total = 0
        self.cut_short = False
        self.pieces: list[bytes] = []
        self.trailers: list[tuple[bytes, bytes]] = []

    @property
    def done(self) -> bool:
        return self.phase == DONE

    def take(self) -> bytes:
        """The decoded bytes since the last call, in one piece."""
        pieces = self.pieces
        if len(pieces) == 1:
            data = pieces[0]
        else:
            data = b"".join(pieces)
        self.pieces = []
        return data

    def decode(self, data: bytes, at: int) -> int:
        """Decode `data` from `at` on, `CHUNKS_AT_ONCE` at most; returns where the next call must
        begin. Raises RequestRefused."""
        before = -1
        left = CHUNKS_AT_ONCE
        while left and at != before and self.phase != DONE:
            left -= 1
            before = at
            if self.phase == SIZE:
                at = self.read_size(data, at)
            # Not else: a size line is usually followed by its data in the same buffer.
            if self.phase == DATA:
                at = self.read_data(data, at)
            if self.phase == AFTER_DATA:
                at = self.read_terminator(data, at)
            if self.phase == TRAILER:
                at = self.read_trailer(data, at)
        self.cut_short = left == 0 and at < len(data) and self.phase != DONE
        return at

    def read_size(self, data: bytes, at: int) -> int:
        end = data.find(b"\r\n", at)
        longest = self.limits.chunk_line
        if end < 0:
            if data.find(b"\n", at) >= 0:
                raise RequestRefused(400, "bare LF after a chunk size")
            # The CR of the line end may be here already.
            if len(data) - at > longest + data.endswith(b"\r"):
                raise RequestRefused(400, f"chunk size line longer than {longest} bytes")
            return at
        if end - at > longest:
            raise RequestRefused(400, f"chunk size line longer than {longest} bytes")
        match = CHUNK_LINE.fullmatch(data, at, end)
        if match is None:
            raise RequestRefused(400, "malformed chunk size or extension")
        size = int(match.group(1), 16)
        if size > MAX_LENGTH:
            raise RequestRefused(400, "chunk size too large")
        self.count(size)
        self.remaining = size
        self.phase = DATA if size else TRAILER
        return end + 2

    def count(self, size: int) -> None:
        """Refuse as soon as the sizes announced go past the limit, before the bytes are here."""
        limit = self.limits.body
        if limit is not None and self.total + size > limit:
            raise RequestRefused(413, f"request body longer than {limit} bytes")

    def read_data(self, data: bytes, at: int) -> int:
        there = len(data) - at
        if there <= 0:
            return at
        size = self.remaining if self.remaining < there else there
        self.pieces.append(data[at : at + size])
        self.total += size
        self.remaining -= size
        if self.remaining == 0:
            self.phase = AFTER_DATA
        return at + size

    def read_terminator(self, data: bytes, at: int) -> int:
        end = data[at : at + 2]
        if end == b"\r\n":
            self.phase = SIZE
            return at + 2
        if end not in (b"", b"\r"):
            raise RequestRefused(400, "chunk is not followed by CRLF")
        return at

    def read_trailer(self, data: bytes, at: int) -> int:
        """RFC 9112 section 7.1.2: field lines up to an empty line."""
        if data.startswith(b"\r\n", at):
            self.phase = DONE
            return at + 2
        end = data.find(b"\r\n\r\n", at)
        if (end if end >= 0 else len(data) - partial_end(data)) - at > self.limits.trailer:
            raise RequestRefused(431, f"trailer section longer than {self.limits.trailer} bytes")
        if end < 0:
            if data.count(b"\n", at) != data.count(b"\r\n", at):
                raise RequestRefused(400, "bare LF in the trailer section")
            return at
        lines = data[at:end].split(b"\r\n")
        if len(lines) > self.limits.fields:
            raise RequestRefused(431, f"more than {self.limits.fields} trailer fields")
        for line in lines:
            self.read_trailer_field(line)
        self.phase = DONE
        return end + 4

    def read_trailer_field(self, line: bytes) -> None:
        name, colon, value = line.partition(b":")
        value = value.strip(b" \t")
        if not colon or TOKEN.fullmatch(name) is None or FIELD_VALUE.fullmatch(value) is None:
            raise RequestRefused(400, "malformed trailer field")
        name = name.lower()
        if name in FORBIDDEN_TRAILERS:
            raise RequestRefused(400, f"{name.decode('ascii')} may not be a trailer field")
        if b"_" in name and self.header_map != "dangerous":
            if self.header_map == "refuse":
                raise RequestRefused(400, "trailer field name with an underscore")
            return
        self.trailers.append((name, value))


def partial_end(data: bytes) -> int:
    """How many bytes at the end may belong to the CRLF CRLF that ends a section."""
    for end in (b"\r\n\r", b"\r\n", b"\r"):
        if data.endswith(end):
            return len(end)
    return 0
