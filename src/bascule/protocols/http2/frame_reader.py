"""Reads frames (RFC 9113 section 4.1) out of the bytes of a connection, in place.

    receive_data(data)    only buffers
    next_frame()          True when a whole frame is at hand, described by the attributes
    payload()             its payload, padding and priority already taken off

A frame waits until it is whole; it has at most 16 KiB. The first bytes are the client's preface
(section 3.4), which is checked here. A header block may be split over several frames; HeaderBlock
puts it together. No frame is interpreted here: only its length, its padding and the order of
frames inside a header block are judged.

Rejected: an object for each frame. A connection has one frame at hand at a time, and a frame of a
request is read once, so its numbers are attributes of the reader.
"""

from bascule.errors import FrameRefused
from bascule.protocols.http2.frames import (
    ENHANCE_YOUR_CALM,
    FRAME_SIZE_ERROR,
    HEADER_SIZE,
    LONGEST_PAYLOAD,
    PREFACE,
    PROTOCOL_ERROR,
)


class FrameReader:
    """The bytes that were received, and the frame at hand.

    buffer, position: bytes under inspection, and where the next frame begins.
    pending: bytes that came behind them in small pieces.
    needed: length of `pending` below which no frame can be whole.
    preface_due: the client's preface has not been received in full yet.
    kind, flags, stream_id: the header of the frame at hand.
    start, end: where its payload is in `buffer`, without what was stripped off.
    """

    __slots__ = (
        "buffer",
        "end",
        "flags",
        "kind",
        "needed",
        "pending",
        "position",
        "preface_due",
        "start",
        "stream_id",
    )

    def __init__(self) -> None:
        self.buffer = b""
        self.position = 0
        self.pending = bytearray()
        self.needed = 0
        self.preface_due = True
        self.kind = 0
        self.flags = 0
        self.stream_id = 0
        self.start = 0
        self.end = 0

    def receive_data(self, data: bytes) -> None:
        """Keep bytes until `next_frame` is called."""
        if self.position >= len(self.buffer) and not self.pending:
            self.buffer = data
            self.position = 0
            return
        left = len(self.buffer) - self.position
        if 0 < left <= len(data):
            # The beginning of a frame, as every read of a long body leaves one. Smaller pieces are
            # gathered below, where no byte is copied again for each of them.
            self.buffer = self.buffer[self.position :] + data
            self.position = 0
            self.needed = 0
            return
        if left > 0:
            self.pending += self.buffer[self.position :]
            self.buffer = b""
            self.position = 0
        self.pending += data

    def buffered(self) -> int:
        """The number of bytes that were received and are not part of a frame taken yet."""
        return len(self.buffer) - self.position + len(self.pending)

    def clear(self) -> None:
        """Drop all that was received."""
        self.buffer = b""
        self.position = 0
        self.pending = bytearray()

    def next_frame(self) -> bool:
        """Read the header of the next frame; False when the frame is not whole yet. Raises
        FrameRefused."""
        if self.position >= len(self.buffer):
            # An idle connection keeps nothing of its last read.
            self.buffer = b""
            self.position = 0
            if not self.pending or len(self.pending) < self.needed:
                return False
            self.buffer = bytes(self.pending)
            self.needed = 0
            self.pending = bytearray()
        if self.preface_due and not self.take_preface():
            return False
        data = self.buffer
        at = self.position
        there = len(self.buffer) - at
        if there < HEADER_SIZE:
            self.needed = HEADER_SIZE
            return False
        length = data[at] << 16 | data[at + 1] << 8 | data[at + 2]
        if length > LONGEST_PAYLOAD:
            raise FrameRefused(
                FRAME_SIZE_ERROR, f"frame of {length} bytes, at most {LONGEST_PAYLOAD} are taken"
            )
        if there < HEADER_SIZE + length:
            self.needed = HEADER_SIZE + length
            return False
        self.kind = data[at + 3]
        self.flags = data[at + 4]
        self.stream_id = (
            (data[at + 5] & 0x7F) << 24 | data[at + 6] << 16 | data[at + 7] << 8 | data[at + 8]
        )
        self.start = at + HEADER_SIZE
        self.end = self.position = at + HEADER_SIZE + length
        return True

    def take_preface(self) -> bool:
        """RFC 9113 section 3.4. Bytes that do not begin like the preface are refused at once, not
        only when there are as many."""
        there = self.buffer[self.position : self.position + len(PREFACE)]
        if there != PREFACE[: len(there)]:
            raise FrameRefused(PROTOCOL_ERROR, "the client does not begin with the HTTP/2 preface")
        if len(there) < len(PREFACE):
            self.needed = 0
            return False
        self.position += len(PREFACE)
        self.preface_due = False
        return True

    def payload(self) -> bytes:
        """The payload of the frame at hand."""
        return self.buffer[self.start : self.end]

    def number_at(self, offset: int) -> int:
        """32 bits of the payload; the caller has checked that they are there."""
        data = self.buffer
        at = self.start + offset
        return data[at] << 24 | data[at + 1] << 16 | data[at + 2] << 8 | data[at + 3]

    def strip_padding(self) -> None:
        """Take off the padding (RFC 9113 section 6.1): the first byte is its length, and it is at
        the end."""
        if self.start == self.end:
            raise FrameRefused(FRAME_SIZE_ERROR, "padded frame without a length of padding")
        data = self.buffer
        padding = data[self.start]
        self.start += 1
        if padding > self.end - self.start:
            raise FrameRefused(PROTOCOL_ERROR, "more padding than there is of the frame")
        self.end -= padding

    def strip_priority(self) -> None:
        """Take off the priority of RFC 7540, which is not used."""
        self.start += 5
        if self.start > self.end:
            raise FrameRefused(FRAME_SIZE_ERROR, "HEADERS too short for its priority")


class HeaderBlock:
    """A header block in several frames (RFC 9113 section 4.3): HEADERS, then CONTINUATION frames
    until one has END_HEADERS. Blocks in one frame never come here.

    stream_id: the stream that the block belongs to, or 0 when none is incomplete.
    ended: END_STREAM was set on its HEADERS.
    longest, most_frames: limits of its bytes and of its CONTINUATION frames.
    """

    __slots__ = ("ended", "frames", "longest", "most_frames", "pieces", "size", "stream_id")

    def __init__(self, longest: int, most_frames: int) -> None:
        self.longest = longest
        self.most_frames = most_frames
        self.stream_id = 0
        self.ended = False
        self.pieces: list[bytes] = []
        self.size = 0
        self.frames = 0

    def begin(self, stream_id: int, piece: bytes, ended: bool) -> None:
        """Keep the part of a block that a HEADERS frame has brought."""
        self.stream_id = stream_id
        self.ended = ended
        self.pieces = [piece]
        self.size = len(piece)
        self.frames = 0

    def add(self, piece: bytes) -> None:
        """Keep the part of a CONTINUATION frame. Raises FrameRefused."""
        self.frames += 1
        self.size += len(piece)
        if self.size > self.longest:
            raise FrameRefused(ENHANCE_YOUR_CALM, f"header block longer than {self.longest} bytes")
        if self.frames > self.most_frames:
            raise FrameRefused(
                ENHANCE_YOUR_CALM, f"more than {self.most_frames} CONTINUATION frames"
            )
        self.pieces.append(piece)

    def finish(self) -> bytes:
        """The whole block; the next one can begin."""
        block = b"".join(self.pieces)
        self.stream_id = 0
        self.pieces = []
        return block
