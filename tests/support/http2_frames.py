"""HTTP/2 frames as a client writes them, right and wrong, and frames as it reads them. Written
without the code under test."""

from collections.abc import Iterable
from dataclasses import dataclass

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
TYPES = {
    "data": 0x0,
    "headers": 0x1,
    "priority": 0x2,
    "rst_stream": 0x3,
    "settings": 0x4,
    "push_promise": 0x5,
    "ping": 0x6,
    "goaway": 0x7,
    "window_update": 0x8,
    "continuation": 0x9,
    "priority_update": 0x10,
}
KINDS = {number: name for name, number in TYPES.items()}
SETTINGS = {
    "HEADER_TABLE_SIZE": 0x1,
    "ENABLE_PUSH": 0x2,
    "MAX_CONCURRENT_STREAMS": 0x3,
    "INITIAL_WINDOW_SIZE": 0x4,
    "MAX_FRAME_SIZE": 0x5,
    "MAX_HEADER_LIST_SIZE": 0x6,
    "ENABLE_CONNECT_PROTOCOL": 0x8,
    "NO_RFC7540_PRIORITIES": 0x9,
}
ERRORS = [
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
]

END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20

Fields = list[tuple[bytes, bytes]]

GET: Fields = [
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":authority", b"a.example"),
    (b":path", b"/"),
]
POST: Fields = [(b":method", b"POST"), *GET[1:]]


def raw_frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Any frame (RFC 9113 section 4.1)."""
    return (
        len(payload).to_bytes(3, "big")
        + bytes((kind, flags))
        + stream.to_bytes(4, "big")
        + payload
    )


def block(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Fields as literals that touch no table and have no code (RFC 7541 section 6.2.2)."""
    return b"".join(b"\0" + string(name) + string(value) for name, value in fields)


def string(data: bytes) -> bytes:
    size = len(data)
    if size < 127:
        return bytes((size,)) + data
    size -= 127
    length = b"\x7f"
    while size >= 128:
        length += bytes((size & 127 | 128,))
        size >>= 7
    return length + bytes((size,)) + data


def headers(
    stream: int, fields: Fields | bytes = GET, *, end: bool = True, flags: int = END_HEADERS
) -> bytes:
    data = fields if isinstance(fields, bytes) else block(fields)
    return raw_frame(TYPES["headers"], flags | (END_STREAM if end else 0), stream, data)


def continuation(stream: int, data: bytes, *, last: bool = True) -> bytes:
    return raw_frame(TYPES["continuation"], END_HEADERS if last else 0, stream, data)


def long_headers(stream: int, fields: Fields) -> bytes:
    """A request head in as many frames as it needs."""
    data = block(fields)
    pieces = [data[at : at + 16384] for at in range(0, len(data), 16384)]
    rest = [continuation(stream, piece, last=piece is pieces[-1]) for piece in pieces[1:]]
    return headers(stream, pieces[0], flags=0 if rest else END_HEADERS) + b"".join(rest)


def data(stream: int, data: bytes, *, end: bool = False) -> bytes:
    return raw_frame(TYPES["data"], END_STREAM if end else 0, stream, data)


def settings(*, ack: bool = False, **values: int) -> bytes:
    payload = b"".join(
        SETTINGS[name].to_bytes(2, "big") + value.to_bytes(4, "big")
        for name, value in values.items()
    )
    return raw_frame(TYPES["settings"], ACK if ack else 0, 0, payload)


def window_update(stream: int, increment: int) -> bytes:
    return raw_frame(TYPES["window_update"], 0, stream, increment.to_bytes(4, "big"))


def rst_stream(stream: int, code: str = "CANCEL") -> bytes:
    return raw_frame(TYPES["rst_stream"], 0, stream, ERRORS.index(code).to_bytes(4, "big"))


def ping(payload: bytes = b"12345678", *, ack: bool = False) -> bytes:
    return raw_frame(TYPES["ping"], ACK if ack else 0, 0, payload)


def goaway(last: int = 0, code: str = "NO_ERROR", words: bytes = b"") -> bytes:
    payload = last.to_bytes(4, "big") + ERRORS.index(code).to_bytes(4, "big") + words
    return raw_frame(TYPES["goaway"], 0, 0, payload)


def priority_update(stream: int, value: bytes) -> bytes:
    return raw_frame(TYPES["priority_update"], 0, 0, stream.to_bytes(4, "big") + value)


OPENING = PREFACE + settings()


@dataclass(frozen=True)
class Frame:
    """A frame as it was read. `kind` is its name in RFC 9113."""

    kind: str
    flags: int
    stream: int
    payload: bytes

    @property
    def end(self) -> bool:
        return self.kind in ("data", "headers") and bool(self.flags & END_STREAM)

    @property
    def number(self) -> int:
        return int.from_bytes(self.payload[:4], "big")


def frames_of(data: bytes) -> list[Frame]:
    """The bytes of a peer: whole frames, no longer than every peer takes by default."""
    frames = []
    while data:
        length = int.from_bytes(data[:3], "big")
        assert length <= 16384
        assert len(data) >= 9 + length
        stream = int.from_bytes(data[5:9], "big")
        assert stream < 2**31
        frames.append(Frame(KINDS.get(data[3], "unknown"), data[4], stream, data[9 : 9 + length]))
        data = data[9 + length :]
    return frames
