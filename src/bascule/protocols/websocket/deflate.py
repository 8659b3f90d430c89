"""permessage-deflate of one connection (RFC 7692 section 7), both directions.

    feed(data, end), then inflate(room) until it returns nothing    input
    compress(data)                                                  output

Both sides of zlib are made when they are first needed, because most connections of a server that
offers compression are idle, and where a context is not taken over they are let go after each
message.

`inflate` gives out a bounded piece at a time, so that a few bytes that stand for gigabytes never
occupy more than the engine has allowed (CWE-409).
"""

import zlib

from bascule.errors import MessageRefused

# RFC 7692 section 7.2.1: the end of a flushed block. The sender removes it, the receiver adds it.
TAIL = b"\x00\x00\xff\xff"

# RFC 7692 section 7.1.2: how a connection without parameters works.
LARGEST_WINDOW_BITS = 15

# Level 6 is zlib's own balance. Memory level 5 and a window of 4 KiB make 32 KiB for each
# connection that compresses, an eighth of zlib's default. JSON from 100 bytes to 10 KiB becomes 8
# per cent longer by that, and is compressed faster; level 1 would make it 45 per cent longer.
LEVEL = 6
MEMORY_LEVEL = 5

# Most bytes that `inflate` returns at once.
PIECE = 65536

# A deflate stream that ends (BFINAL) is followed by another one; each costs a new decompressor.
# Senders that end streams at all do so once a message.
MOST_STREAMS = 64

BROKEN = "compressed data is broken"


class Deflate:
    """Compresses and decompresses the messages of one connection, as was negotiated."""

    __slots__ = (
        "client_max_window_bits",
        "client_no_context_takeover",
        "compressor",
        "decompressor",
        "end",
        "full",
        "server_max_window_bits",
        "server_no_context_takeover",
        "streams",
        "unended",
        "unread",
    )

    def __init__(
        self,
        server_no_context_takeover: bool = False,
        client_no_context_takeover: bool = False,
        server_max_window_bits: int = LARGEST_WINDOW_BITS,
        client_max_window_bits: int = LARGEST_WINDOW_BITS,
    ) -> None:
        self.server_no_context_takeover = server_no_context_takeover
        self.client_no_context_takeover = client_no_context_takeover
        self.server_max_window_bits = server_max_window_bits
        self.client_max_window_bits = client_max_window_bits
        self.compressor: zlib._Compress | None = None
        self.decompressor: zlib._Decompress | None = None
        self.unread = b""
        self.full = False
        self.unended = False
        self.end = False
        self.streams = 0

    def compress(self, data: bytes) -> bytes:
        """The payload of a message that is not empty (RFC 7692 section 7.2.1)."""
        compressor = self.compressor
        if compressor is None:
            compressor = self.compressor = zlib.compressobj(
                LEVEL, zlib.DEFLATED, -self.server_max_window_bits, MEMORY_LEVEL
            )
        payload = compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)
        if self.server_no_context_takeover:
            self.compressor = None
        return payload[: -len(TAIL)]

    def feed(self, data: bytes, end: bool) -> None:
        """Bytes of a compressed message; `end` says that they are the last. The bytes fed before
        have been inflated."""
        if data:
            self.unended = True
        # A sender that leaves an empty message empty, instead of the one byte of RFC 7692 section
        # 7.2.3.6, has begun no block that the tail could end.
        self.unread = data + TAIL if end and self.unended else data
        self.end = end

    def inflate(self, room: int) -> bytes:
        """The next piece of the message, at most `room` bytes; empty when all that was fed is
        used up. Raises MessageRefused."""
        while self.unread or self.full:
            piece = self.inflate_unread(room if room < PIECE else PIECE)
            if piece:
                return piece
        if self.end:
            self.end_message()
        return b""

    def inflate_unread(self, room: int) -> bytes:
        decompressor = self.decompressor
        if decompressor is None:
            self.streams += 1
            if self.streams > MOST_STREAMS:
                raise MessageRefused(
                    1009, f"more than {MOST_STREAMS} deflate streams in a message"
                )
            decompressor = self.decompressor = zlib.decompressobj(-self.client_max_window_bits)
        try:
            piece = decompressor.decompress(self.unread, room)
        except zlib.error:
            # RFC 7692 names no code. 1007 is for "data within a message that was not consistent
            # with the type of the message", which is what undecodable data is (RFC 6455 section
            # 7.4.1).
            raise MessageRefused(1007, BROKEN) from None
        if decompressor.eof:
            self.end_stream(decompressor.unused_data)
        else:
            self.unread = decompressor.unconsumed_tail
            # A full piece may have more behind it inside zlib, even where all input is consumed.
            self.full = len(piece) == room
        return piece

    def end_stream(self, rest: bytes) -> None:
        """A block with BFINAL ends a deflate stream, not the message (RFC 7692 section 7.2.3.4).
        The rest is a stream of its own, which cannot refer back to this one.
        """
        self.decompressor = None
        self.full = False
        # RFC 7692 has the sender begin an empty block without BFINAL, which the tail ends. Senders
        # that finish a zlib stream and send its output leave that block out.
        self.unread = b"" if self.end and rest == TAIL else rest
        self.unended = bool(rest)

    def end_message(self) -> None:
        self.end = self.unended = False
        self.streams = 0
        if self.client_no_context_takeover:
            self.decompressor = None
