"""The frame of RFC 9113 section 4.1: its numbers, and how frames are written.

    +-----------------------------------------------+
    |                 Length (24)                   |
    +---------------+---------------+---------------+
    |   Type (8)    |   Flags (8)   |
    +-+-------------+---------------+-------------------------------+
    |R|                 Stream Identifier (31)                      |
    +=+=============================================================+
    |                   Frame Payload (0...)                      ...
    +---------------------------------------------------------------+

FrameReader reads frames, in place. No rule about frames is checked here.
"""

from collections.abc import Sequence
from struct import Struct

# RFC 9113 section 3.4: what a client sends before its first frame.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

HEADER_SIZE = 9
# RFC 9113 section 4.2: the longest payload that every endpoint takes. This one takes no longer
# ones, and sends none: they would only make streams wait for each other.
LONGEST_PAYLOAD = 16384
LARGEST_PAYLOAD = 16777215
# RFC 9113 section 6.9.1.
LARGEST_WINDOW = 2147483647
# RFC 9113 section 6.9.2: of the connection, and of streams until a SETTINGS says otherwise.
FIRST_WINDOW = 65535
LARGEST_ID = 2147483647
# RFC 9113 section 6.5.2: of the header table, both ways. A larger one of the peer's is not used:
# it would cost memory here.
HEADER_TABLE = 4096

# RFC 9113 section 6; PRIORITY_UPDATE is of RFC 9218 section 7.1.
DATA = 0x0
HEADERS = 0x1
PRIORITY = 0x2
RST_STREAM = 0x3
SETTINGS = 0x4
PUSH_PROMISE = 0x5
PING = 0x6
GOAWAY = 0x7
WINDOW_UPDATE = 0x8
CONTINUATION = 0x9
PRIORITY_UPDATE = 0x10

ACK = 0x1
END_STREAM = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITY_FLAG = 0x20

# RFC 9113 section 6.5.2; then RFC 8441 section 3 and RFC 9218 section 2.1.
HEADER_TABLE_SIZE = 0x1
ENABLE_PUSH = 0x2
MAX_CONCURRENT_STREAMS = 0x3
INITIAL_WINDOW_SIZE = 0x4
MAX_FRAME_SIZE = 0x5
MAX_HEADER_LIST_SIZE = 0x6
ENABLE_CONNECT_PROTOCOL = 0x8
NO_RFC7540_PRIORITIES = 0x9

# RFC 9113 section 7.
NO_ERROR = 0x0
PROTOCOL_ERROR = 0x1
INTERNAL_ERROR = 0x2
FLOW_CONTROL_ERROR = 0x3
SETTINGS_TIMEOUT = 0x4
STREAM_CLOSED = 0x5
FRAME_SIZE_ERROR = 0x6
REFUSED_STREAM = 0x7
CANCEL = 0x8
COMPRESSION_ERROR = 0x9
CONNECT_ERROR = 0xA
ENHANCE_YOUR_CALM = 0xB
INADEQUATE_SECURITY = 0xC
HTTP_1_1_REQUIRED = 0xD

ERROR_NAMES = (
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
)

TWO_NUMBERS = Struct("!II")
SETTING = Struct("!HI")


def error_name(code: int) -> str:
    """The name of an error code; an unknown one as its number (RFC 9113 section 7)."""
    return ERROR_NAMES[code] if code < len(ERROR_NAMES) else f"error {code:#x}"


def add_header(out: bytearray, length: int, kind: int, flags: int, stream_id: int) -> None:
    """Append a frame header to `out`; its payload of `length` bytes is to follow."""
    out.append(length >> 16)
    out.append(length >> 8 & 0xFF)
    out.append(length & 0xFF)
    out.append(kind)
    out.append(flags)
    out.append(stream_id >> 24)
    out.append(stream_id >> 16 & 0xFF)
    out.append(stream_id >> 8 & 0xFF)
    out.append(stream_id & 0xFF)


def add_number(out: bytearray, number: int) -> None:
    """Append 32 bits."""
    out.append(number >> 24)
    out.append(number >> 16 & 0xFF)
    out.append(number >> 8 & 0xFF)
    out.append(number & 0xFF)


def add_block(out: bytearray, block: bytes, flags: int, stream_id: int) -> None:
    """Append a header block: a HEADERS frame and the CONTINUATION frames it needs (RFC 9113
    section 4.3)."""
    size = len(block)
    if size <= LONGEST_PAYLOAD:
        add_header(out, size, HEADERS, flags | END_HEADERS, stream_id)
        out += block
        return
    add_header(out, LONGEST_PAYLOAD, HEADERS, flags, stream_id)
    out += block[:LONGEST_PAYLOAD]
    at = LONGEST_PAYLOAD
    while at < size:
        piece = block[at : at + LONGEST_PAYLOAD]
        at += LONGEST_PAYLOAD
        add_header(out, len(piece), CONTINUATION, END_HEADERS if at >= size else 0, stream_id)
        out += piece


def add_window_update(out: bytearray, stream_id: int, increment: int) -> None:
    """Append a WINDOW_UPDATE (RFC 9113 section 6.9)."""
    add_header(out, 4, WINDOW_UPDATE, 0, stream_id)
    add_number(out, increment)


def add_rst_stream(out: bytearray, stream_id: int, code: int) -> None:
    """Append a RST_STREAM (RFC 9113 section 6.4)."""
    add_header(out, 4, RST_STREAM, 0, stream_id)
    add_number(out, code)


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """One whole frame."""
    out = bytearray()
    add_header(out, len(payload), kind, flags, stream_id)
    return bytes(out) + payload


def settings_frame(settings: Sequence[tuple[int, int]]) -> bytes:
    """A SETTINGS frame (RFC 9113 section 6.5)."""
    return frame(SETTINGS, 0, 0, b"".join([SETTING.pack(*one) for one in settings]))


def goaway_frame(last_id: int, code: int, words: bytes) -> bytes:
    """A GOAWAY frame with words for debugging (RFC 9113 section 6.8)."""
    return frame(GOAWAY, 0, 0, TWO_NUMBERS.pack(last_id, code) + words)
