"""A WebSocket client of frames, for what a well-behaved one cannot do.

with RawWebSocket(port) as client:        # sends the handshake
    client.accepted()                     # reads the answer, which must be 101
    client.write(text("one") + text("two") + close(1000))
    client.message()                      # the next text or binary message
    client.closing()                      # the Close frame, as (code, reason)
    client.is_ended()                     # the server closes, and sends nothing more
"""

import socket
import ssl
import struct
from collections.abc import Iterable
from typing import Self

from support.flag import DEADLINE
from support.http import RawClient, Response

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIELDS = [
    ("Host", "127.0.0.1"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
]
# The answer to that key (RFC 6455 section 1.3).
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
# Of the protocol: a frame without a mask.
BAD_FRAME = b"\x81\x02no"


def frame(opcode: int, payload: bytes = b"", *, final: bool = True) -> bytes:
    """A frame as a client sends it, masked with a key of zeros."""
    size = len(payload)
    first = (0x80 if final else 0) | opcode
    if size < 126:
        head = struct.pack("!BB", first, 0x80 | size)
    elif size < 65536:
        head = struct.pack("!BBH", first, 0xFE, size)
    else:
        head = struct.pack("!BBQ", first, 0xFF, size)
    return head + bytes(4) + payload


def text(message: str) -> bytes:
    return frame(TEXT, message.encode())


def binary(message: bytes) -> bytes:
    return frame(BINARY, message)


def close(code: int, reason: str = "") -> bytes:
    return frame(CLOSE, code.to_bytes(2, "big") + reason.encode())


def handshake(target: str = "/", fields: Iterable[tuple[str, str]] = ()) -> bytes:
    """The request of the opening handshake."""
    lines = [f"GET {target} HTTP/1.1", *(f"{n}: {v}" for n, v in [*FIELDS, *fields]), "", ""]
    return "\r\n".join(lines).encode("latin-1")


class RawWebSocket:
    """One connection to 127.0.0.1 on which a handshake has been sent.

    behind: data that is sent in one piece with the handshake.
    receive_buffer: bytes that the kernel takes before the test reads them; a small one makes a
    slow reader.
    """

    def __init__(
        self,
        port: int,
        target: str = "/",
        fields: Iterable[tuple[str, str]] = (),
        *,
        behind: bytes = b"",
        tls: ssl.SSLContext | None = None,
        receive_buffer: int | None = None,
    ) -> None:
        sock = socket.socket()
        sock.settimeout(DEADLINE)
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.connect(("127.0.0.1", port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock if tls is None else tls.wrap_socket(sock, server_hostname="127.0.0.1")
        self.received = b""
        self.sock.sendall(handshake(target, fields) + behind)

    def write(self, data: bytes) -> None:
        self.sock.sendall(data)

    def response(self) -> Response:
        """The answer to the handshake where it was refused; the connection is kept alive."""
        http = RawClient(sock=self.sock)
        return http.read_response()

    def accepted(self) -> dict[str, str]:
        """The fields of the answer, which must accept."""
        while b"\r\n\r\n" not in self.received:
            self._receive()
        head, _, self.received = self.received.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        assert status.startswith("HTTP/1.1 101 "), head
        pairs = (line.partition(": ") for line in lines)
        fields = {name.lower(): value for name, _, value in pairs}
        assert fields["sec-websocket-accept"] == ACCEPT
        return fields

    def frame(self) -> tuple[int, bytes]:
        """The next frame: its opcode and payload."""
        first, second = self._take(2)
        assert second < 0x80, "a server masks nothing"
        if second == 126:
            (size,) = struct.unpack("!H", self._take(2))
        elif second == 127:
            (size,) = struct.unpack("!Q", self._take(8))
        else:
            size = second
        return first & 0x0F, self._take(size)

    def message(self) -> str | bytes:
        """The next message, which must come next and in one frame."""
        opcode, payload = self.frame()
        assert opcode in (TEXT, BINARY), (opcode, payload)
        return payload.decode() if opcode == TEXT else payload

    def closing(self) -> tuple[int, str]:
        """The Close frame, which must come next."""
        opcode, payload = self.frame()
        assert opcode == CLOSE, (opcode, payload)
        return int.from_bytes(payload[:2], "big"), payload[2:].decode()

    def finish(self) -> tuple[int, str]:
        """Answer the server's Close frame, and wait for the end."""
        code, reason = self.closing()
        self.write(close(code))
        assert self.is_ended()
        return code, reason

    def is_ended(self) -> bool:
        """Wait for the server to close. False where it sends something instead."""
        if self.received:
            return False
        try:
            return self.sock.recv(1) == b""
        except ConnectionResetError:
            return True

    def is_silent(self) -> bool:
        """Whether nothing has come that was not read."""
        self.sock.setblocking(False)
        try:
            self.sock.recv(1)
        except BlockingIOError:
            return not self.received
        finally:
            self.sock.settimeout(DEADLINE)
        return False

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Go away without a word."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _receive(self) -> None:
        data = self.sock.recv(65536)
        assert data, f"the server has closed behind {self.received[-200:]!r}"
        self.received += data

    def _take(self, size: int) -> bytes:
        while len(self.received) < size:
            self._receive()
        data, self.received = self.received[:size], self.received[size:]
        return data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
