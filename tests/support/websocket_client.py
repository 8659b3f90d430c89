"""A WebSocket client for tests, which choose every byte of its frames.

    client = WebSocketClient(port)
    client.shake_hands("/chat", [("Sec-WebSocket-Protocol", "a, b")])    # fails unless it is 101
    client.send(text("hello") + close(1000))                             # in one segment
    client.read_frame()                                                  # Frame(TEXT, b"hello")
    client.read_closed()                                                 # (1000, "")

Nothing is answered by itself, neither Ping nor Close. A frame that a server may never send
(masked, or with a reserved bit that was not negotiated) fails the test.
"""

import base64
import hashlib
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass

from support.client import fill
from support.http import RawClient, Response, request_bytes

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MASK = b"\x37\xfa\x21\x3d"

Headers = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Frame:
    """A frame from the server. compressed: RSV1 is set."""

    opcode: int
    payload: bytes
    fin: bool = True
    compressed: bool = False


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, mask: bytes = MASK
) -> bytes:
    """A frame as a client sends it; without a mask where `mask` is empty. rsv: 0 to 7."""
    size = len(payload)
    masked = 0x80 if mask else 0
    head = bytes([fin << 7 | rsv << 4 | opcode])
    if size < 126:
        head += bytes([masked | size])
    elif size < 65536:
        head += bytes([masked | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([masked | 127]) + size.to_bytes(8, "big")
    return head + mask + (apply_mask(payload, mask) if mask else payload)


def apply_mask(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    pattern = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(pattern, "big")).to_bytes(size, "big")


def text(message: str) -> bytes:
    return frame(TEXT, message.encode())


def binary(message: bytes) -> bytes:
    return frame(BINARY, message)


def close(code: int | None = 1000, reason: str = "") -> bytes:
    """A Close frame; an empty one for None."""
    return frame(CLOSE, b"" if code is None else code.to_bytes(2, "big") + reason.encode())


def handshake(target: str = "/", headers: Headers = ()) -> bytes:
    """The request that asks for a WebSocket."""
    own = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", KEY),
    ]
    return request_bytes("GET", target, [*own, *headers])


def take_frame(data: bytes) -> tuple[Frame | None, bytes]:
    """The frame that `data` begins with, or None where it is not whole, and what is behind it."""
    if len(data) < 2:
        return None, data
    first, size = data[0], data[1]
    assert size < 0x80, "the server masks"
    assert first & 0x30 == 0, "the server sets a reserved bit"
    start = 2
    if size >= 126:
        start = 4 if size == 126 else 10
        if len(data) < start:
            return None, data
        size = int.from_bytes(data[2:start], "big")
    if len(data) < start + size:
        return None, data
    payload = data[start : start + size]
    found = Frame(first & 0xF, payload, first >= 0x80, bool(first & 0x40))
    return found, data[start + size :]


def take_frames(data: bytes) -> list[Frame]:
    """All frames of `data`, which must be whole."""
    frames = []
    while data:
        found, data = take_frame(data)
        assert found is not None, f"half a frame at the end: {data[:100]!r}"
        frames.append(found)
    return frames


def close_content(found: Frame) -> tuple[int | None, str]:
    """Code and reason of a Close frame; None for an empty one."""
    assert found.opcode == CLOSE, found
    if not found.payload:
        return None, ""
    return int.from_bytes(found.payload[:2], "big"), found.payload[2:].decode()


class WebSocketClient(RawClient):
    """One connection to 127.0.0.1.

    tls: a client's context, for wss. receive_buffer: bytes that the kernel takes before the test
    reads them; a small one makes a slow reader.
    """

    http_version = "1.1"

    def __init__(
        self, port: int, tls: ssl.SSLContext | None = None, *, receive_buffer: int | None = None
    ) -> None:
        sock = socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.connect(("127.0.0.1", port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.address = sock.getsockname()
        if tls is not None:
            sock = tls.wrap_socket(sock, server_hostname="127.0.0.1")
        super().__init__(sock=sock)

    def ask(self, target: str = "/", headers: Headers = (), behind: bytes = b"") -> None:
        """Send the handshake, and `behind` in the same segment."""
        self.send(handshake(target, headers) + behind)

    def read_answer(self) -> Response:
        """The head of the 101. Anything else fails the test."""
        head = self.read_until(b"\r\n\r\n").decode("latin-1")
        line, *fields = head[:-4].split("\r\n")
        assert line.startswith("HTTP/1.1 101 "), head + repr(self.unread)
        pairs = [field.split(": ", 1) for field in fields]
        answer = Response(101, line[13:], "1.1", [(name.lower(), value) for name, value in pairs])
        digest = hashlib.sha1((KEY + GUID).encode()).digest()
        assert answer.header("sec-websocket-accept") == base64.b64encode(digest).decode()
        assert answer.header("upgrade") == "websocket"
        assert answer.header("connection") == "Upgrade"
        return answer

    def shake_hands(
        self, target: str = "/", headers: Headers = (), behind: bytes = b""
    ) -> Response:
        """Handshake and 101."""
        self.ask(target, headers, behind)
        return self.read_answer()

    def fill(self, data: bytes) -> int:
        """Send until nothing more is taken for a while; return the number of bytes."""
        return fill(self.sock, data)

    def read_frame(self) -> Frame:
        """The next frame. Raises ConnectionEnded."""
        data = self.unread
        self.unread = b""
        while True:
            found, rest = take_frame(data)
            if found is not None:
                self.unread = rest
                return found
            data = self._read_more(data)

    def read_text(self) -> str:
        found = self.read_frame()
        assert found.opcode == TEXT, found
        return found.payload.decode()

    def read_close(self) -> tuple[int | None, str]:
        """Code and reason of the Close frame that comes next."""
        return close_content(self.read_frame())

    def read_closed(self) -> tuple[int | None, str]:
        """The same, and behind it the end of the connection."""
        content = self.read_close()
        assert self.read_to_end() == b""
        return content
