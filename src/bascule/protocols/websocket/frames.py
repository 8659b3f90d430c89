"""The frame of RFC 6455 section 5.2: its header is read here, and whole frames are written.

      0                   1                   2                   3
      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
     F R R R  opcode  M   length     then, for a length of 126, 2 bytes of length, and for 127
     I S S S          A              8 bytes; then, with MASK, 4 bytes of key; then the payload
     N V V V          S
       1 2 3          K

No rule is checked here: the engine does that, which knows the frames before.
"""

from struct import Struct

CONTINUATION = 0
TEXT = 1
BINARY = 2
CLOSE = 8
PING = 9
PONG = 10

FIN = 0x80
RSV1 = 0x40
RSV = 0x70
OPCODE = 0x0F
MASK = 0x80
LENGTH_MASK = 0x7F

LONGEST_SHORT = 125
LENGTH_16 = 126
LENGTH_64 = 127
LONGEST_16 = 65535
# RFC 6455 section 5.5: control frames have no longer payload.
LONGEST_CONTROL = 125

HEADER_16 = Struct("!BBH")
HEADER_64 = Struct("!BBQ")
# Headers of short payloads by their first byte, made when they are first needed. At most one list
# for each first byte that a server writes: two kinds of message, compressed or not, and three
# kinds of control frame.
SHORT_HEADERS: dict[int, list[bytes]] = {}


class FrameHeader:
    """A frame header as it stands on the wire. One is used for every frame of a connection.

    rsv: the three reserved bits where they stand, so RSV1 is 0x40.
    size: bytes of the header itself.
    length: bytes of the payload, below 2**64.
    minimal: the length is written in the shortest form.
    key: the masking key as a number, 0 without MASK.
    """

    __slots__ = ("fin", "key", "length", "masked", "minimal", "opcode", "rsv", "size")

    def __init__(self) -> None:
        self.fin = False
        self.rsv = 0
        self.opcode = 0
        self.masked = False
        self.size = 0
        self.length = 0
        self.minimal = True
        self.key = 0

    def read(self, buffer: bytes, position: int) -> bool:
        """Read the header at `position`; False when it is not complete, and then nothing else here
        means anything."""
        there = len(buffer) - position
        if there < 2:
            return False
        data = buffer
        first = data[position]
        second = data[position + 1]
        length = second & LENGTH_MASK
        self.masked = second >= MASK
        self.size = 6 if self.masked else 2
        if length >= LENGTH_16:
            self.size += 2 if length == LENGTH_16 else 8
            if there < self.size:
                return False
            length = self.read_length(buffer, position + 2, length)
        elif there < self.size:
            return False
        else:
            self.minimal = True
        self.length = length
        self.fin = first >= FIN
        self.rsv = first & RSV
        self.opcode = first & OPCODE
        self.key = 0
        if self.masked:
            at = position + self.size - 4
            self.key = data[at] << 24 | data[at + 1] << 16 | data[at + 2] << 8 | data[at + 3]
        return True

    def read_length(self, buffer: bytes, at: int, form: int) -> int:
        """The length of 16 or 64 bits, which are there."""
        length = 0
        data = buffer
        end = at + (2 if form == LENGTH_16 else 8)
        while at < end:
            length = length << 8 | data[at]
            at += 1
        self.minimal = length > (LONGEST_SHORT if form == LENGTH_16 else LONGEST_16)
        return length


def read_header(buffer: bytes, position: int) -> tuple[int, bool, int, bool, int, int] | None:
    """(opcode, fin, rsv, masked, bytes of the header, bytes of the payload) of the frame at
    `position`, or None when its header is not complete."""
    header = FrameHeader()
    if not header.read(buffer, position):
        return None
    return (
        header.opcode,
        header.fin,
        header.rsv,
        header.masked,
        header.size,
        header.length,
    )


def frame(bits: int, payload: bytes) -> bytes:
    """A message or control frame in one piece. `bits` is its opcode, with RSV1 where the payload
    is compressed. It is not masked, as it comes from a server (RFC 6455 section 5.1)."""
    first = FIN | bits
    size = len(payload)
    if size <= LONGEST_SHORT:
        headers = SHORT_HEADERS.get(first)
        if headers is None:
            headers = SHORT_HEADERS[first] = [bytes((first, n)) for n in range(LENGTH_16)]
        return headers[size] + payload
    if size <= LONGEST_16:
        return HEADER_16.pack(first, LENGTH_16, size) + payload
    return HEADER_64.pack(first, LENGTH_64, size) + payload
