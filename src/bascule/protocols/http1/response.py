"""Frames one response (RFC 9112 section 6) and checks what the application says about it.

The client never gets a corrupt message: where the application breaks HTTP, the call that did it
raises ResponseError before a byte of that call is written.

    body                how it is framed
    NOTHING             HEAD, 204 and 304 have none, whatever the application sends
    LENGTH              Content-Length, counted down; the application's, or that of a whole body
    CHUNKED             no length known, HTTP/1.1
    UNTIL_CLOSE         no length known, HTTP/1.0
"""

from http import HTTPStatus

from bascule.errors import ResponseError
from bascule.protocols.headers import (
    CONNECTION,
    CONTENT_LENGTH,
    DATE,
    FORBIDDEN_TRAILERS,
    HOP_BY_HOP,
    NO_LENGTH,
    PLAIN,
    SERVER,
    TRANSFER_ENCODING,
    UPGRADE,
)
from bascule.protocols.response_fields import (
    FORBIDDEN_BYTES,
    ResponseDefaults,
    check_reason,
    check_values,
    declared_length,
    kind_of,
)

CONTROLS = bytes({*FORBIDDEN_BYTES} - {10, 13})
LENGTH_LINES = [b"content-length: %d\r\n" % length for length in range(1024)]
STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
CONTINUE = STATUS_LINES[100] + b"\r\n"

NOTHING = 0
LENGTH = 1
CHUNKED = 2
UNTIL_CLOSE = 3

# A body above this is written beside the head instead of being copied behind it.
COPIED_BODY = 16384


class ResponseWriter:
    """The bytes of one response after another on one connection.

    complete: the response is finished.
    keep_alive: the connection can carry another one.
    unsent: a body too large to copy, to be written behind the bytes that the last call returned;
        the caller takes it.
    dropped_body: the application sent a body where there can be none.
    """

    __slots__ = (
        "complete",
        "defaults",
        "dropped_body",
        "framing",
        "head_only",
        "http_1_0",
        "keep_alive",
        "remaining",
        "started",
        "unsent",
    )

    def __init__(self, defaults: ResponseDefaults) -> None:
        self.defaults = defaults
        self.begin(False, False, True)

    def begin(self, head_only: bool, http_1_0: bool, keep_alive: bool) -> None:
        """A response to a new request."""
        self.head_only = head_only
        self.http_1_0 = http_1_0
        self.keep_alive = keep_alive
        self.started = False
        self.complete = False
        self.dropped_body = False
        self.framing = NOTHING
        self.remaining = 0
        self.unsent: bytes | None = None

    def informational(self, status: int, fields: list[tuple[bytes, bytes]]) -> bytes:
        """An interim response (RFC 9110 section 15.2). HTTP/1.0 clients get none. Raises
        ResponseError."""
        if not 100 <= status <= 199 or status == 101:
            raise ResponseError(f"{status} is not an interim status that an application can send")
        if self.started:
            raise ResponseError("an interim response after the response has begun")
        lines: list[bytes] = []
        for name, value in fields:
            kind = kind_of(name, value)
            if kind in (CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, HOP_BY_HOP):
                continue
            lines += (name, b": ", value, b"\r\n")
        block = b"".join(lines)
        check_block(block, len(lines) // 4, fields)
        if self.http_1_0:
            return b""
        return b"".join((status_line(status, b""), block, b"\r\n"))

    def head(
        self, status: int, reason: bytes, fields: list[tuple[bytes, bytes]], body: bytes, end: bool
    ) -> bytes:
        """The head with the first piece of the body. `end` says that this is the whole body.

        Raises ResponseError and leaves everything as it was.
        """
        if self.started:
            raise ResponseError("a second response head")
        if not 200 <= status <= 999:
            raise ResponseError(f"{status} is not a final status code")
        lines: list[bytes] = []
        length = NO_LENGTH
        count = 0
        keep_alive = self.keep_alive
        date = self.defaults.date
        server = self.defaults.server
        for name, value in fields:
            kind = kind_of(name, value)
            if kind != PLAIN:
                if kind == CONTENT_LENGTH:
                    length = declared_length(value, length)
                    continue
                if kind == CONNECTION:
                    keep_alive = keep_alive and b"close" not in value.lower()
                    continue
                if kind in (TRANSFER_ENCODING, HOP_BY_HOP, UPGRADE):
                    # Framing and the connection are the server's; ASGI asks servers to ignore
                    # these.
                    continue
                if kind == DATE:
                    date = b""
                elif kind == SERVER:
                    server = b""
            lines.append(name)
            lines.append(b": ")
            lines.append(value)
            lines.append(b"\r\n")
            count += 1
        block = b"".join(lines)
        check_block(block, count, fields)
        return self.frame_head(
            status_line(status, reason),
            block,
            date + server,
            length,
            keep_alive,
            status,
            body,
            end,
        )

    def switching(self, fields: list[tuple[bytes, bytes]]) -> bytes:
        """101 with the fields that make the switch, `Upgrade` and `Connection` among them (RFC
        9110 section 7.8). Raises ResponseError."""
        if self.started:
            raise ResponseError("the protocol cannot be switched after the response has begun")
        lines: list[bytes] = []
        date = self.defaults.date
        server = self.defaults.server
        for name, value in fields:
            kind = kind_of(name, value)
            if kind == DATE:
                date = b""
            elif kind == SERVER:
                server = b""
            lines += (name, b": ", value, b"\r\n")
        block = b"".join(lines)
        check_block(block, len(fields), fields)
        self.started = self.complete = True
        self.keep_alive = False
        return b"".join((STATUS_LINES[101], block, date, server, self.defaults.extra, b"\r\n"))

    def frame_head(
        self,
        line: bytes,
        block: bytes,
        own: bytes,
        length: int,
        keep_alive: bool,
        status: int,
        body: bytes,
        end: bool,
    ) -> bytes:
        framing, length_line, remaining = self.choose_framing(status, length, len(body), end)
        if framing == UNTIL_CLOSE:
            keep_alive = False
        if not keep_alive:
            connection = b"connection: close\r\n"
        elif self.http_1_0:
            connection = b"connection: keep-alive\r\n"
        else:
            connection = b""
        self.started = True
        self.framing = framing
        self.remaining = remaining
        self.keep_alive = keep_alive
        head = (line, block, length_line, own, self.defaults.extra, connection, b"\r\n")
        if framing == NOTHING:
            self.dropped_body = bool(body) and not self.head_only
            self.complete = end
            return b"".join(head)
        first = self.data(body, end)
        if len(first) > COPIED_BODY:
            self.unsent = first
            return b"".join(head)
        return b"".join((*head, first))

    def choose_framing(
        self, status: int, length: int, size: int, end: bool
    ) -> tuple[int, bytes, int]:
        """RFC 9112 section 6.3, seen from the sender: (framing, field line for it, bytes to
        come)."""
        if status == 204:
            # RFC 9110 section 8.6: no Content-Length in a 204.
            return NOTHING, b"", 0
        if self.head_only or status == 304:
            # A whole body that HEAD leaves out has the length of the one for GET. A body that a
            # 304 cannot have has none: it is not that of a 200 (RFC 9110 section 8.6).
            if length == NO_LENGTH and end and size and status != 304:
                length = size
            return NOTHING, length_line(length) if length >= 0 else b"", 0
        if length == NO_LENGTH and end:
            length = size
        if length >= 0:
            if size > length:
                raise ResponseError(f"body is longer than its Content-Length of {length}")
            if end and size < length:
                raise ResponseError(
                    f"body ended after {size} bytes of a Content-Length of {length}"
                )
            return LENGTH, length_line(length), length
        if self.http_1_0:
            return UNTIL_CLOSE, b"", 0
        return CHUNKED, b"transfer-encoding: chunked\r\n", 0

    def data(self, data: bytes, end: bool) -> bytes:
        """A piece of the body, framed. Raises ResponseError when it does not fit the declared
        length."""
        framing = self.framing
        if self.complete or not self.started:
            raise ResponseError("body outside a response")
        if framing == NOTHING:
            self.dropped_body = self.dropped_body or (bool(data) and not self.head_only)
            data = b""
        elif framing == LENGTH:
            self.count(len(data), end)
        elif framing == CHUNKED:
            data = chunk(data, end)
        self.complete = end
        return data

    def count(self, size: int, end: bool) -> None:
        """Take `size` bytes off the declared length; also for bytes that the kernel sends
        (sendfile)."""
        if size > self.remaining:
            raise ResponseError(
                f"body is {size - self.remaining} bytes longer than its Content-Length"
            )
        if end and size < self.remaining:
            raise ResponseError(
                f"body ended {self.remaining - size} bytes short of its Content-Length"
            )
        self.remaining -= size

    def file_prefix(self, size: int, end: bool) -> bytes | None:
        """The bytes before `size` bytes that the kernel will send; None when there is no body to
        send at all."""
        if self.complete or not self.started:
            raise ResponseError("body outside a response")
        if self.framing == NOTHING:
            return None
        if self.framing == LENGTH:
            self.count(size, end)
        return b"%x\r\n" % size if self.framing == CHUNKED and size else b""

    def file_suffix(self, size: int, end: bool) -> bytes:
        """The bytes behind them."""
        self.complete = end
        if self.framing != CHUNKED:
            return b""
        return (b"\r\n" if size else b"") + (b"0\r\n\r\n" if end else b"")

    def trailers(self, fields: list[tuple[bytes, bytes]], wanted: bool = True) -> bytes:
        """The end of a chunked body with its trailer section (RFC 9112 section 7.1.2), which is
        left out, but checked, for clients that do not want one.
        """
        if self.complete or not self.started:
            raise ResponseError("trailers outside a response")
        lines: list[bytes] = []
        for name, value in fields:
            kind_of(name, value)
            if name.lower() in FORBIDDEN_TRAILERS:
                raise ResponseError(f"{name!r} may not be a trailer field")
            lines += (name, b": ", value, b"\r\n")
        block = b"".join(lines)
        check_block(block, len(fields), fields)
        if self.framing != CHUNKED or not wanted:
            return self.data(b"", True)
        self.complete = True
        return b"".join((b"0\r\n", block, b"\r\n"))


def status_line(status: int, reason: bytes) -> bytes:
    """RFC 9112 section 4. A reason phrase of the application's own is kept if it is clean."""
    if not reason:
        line = STATUS_LINES.get(status)
        return line if line is not None else b"HTTP/1.1 %d \r\n" % status
    check_reason(reason)
    return b"HTTP/1.1 %d %b\r\n" % (status, reason)


def length_line(length: int) -> bytes:
    return LENGTH_LINES[length] if length < 1024 else b"content-length: %d\r\n" % length


def chunk(data: bytes, end: bool) -> bytes:
    """RFC 9112 section 7.1. An empty piece is no chunk: an empty chunk would end the body."""
    if not data:
        return b"0\r\n\r\n" if end else b""
    return b"%x\r\n%b\r\n%b" % (len(data), data, b"0\r\n\r\n" if end else b"")


def check_block(block: bytes, lines: int, fields: list[tuple[bytes, bytes]]) -> None:
    """Names were tokens already; look for line breaks and control bytes in all values at once
    (CVE-2020-7695; RFC 9110 section 5.5).
    """
    if (
        block.count(b"\n") == lines
        and block.count(b"\r") == lines
        and len(block.translate(None, CONTROLS)) == len(block)
    ):
        return
    check_values(fields)
