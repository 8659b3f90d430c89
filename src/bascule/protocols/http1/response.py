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
from bascule.protocols.http1 import writing
from bascule.protocols.response_fields import ResponseDefaults, check_reason, declared_length

# By status code; empty for a code without a reason phrase of its own.
STATUS_LINES = [b""] * 1000
for known in HTTPStatus:
    STATUS_LINES[known] = f"HTTP/1.1 {known.value} {known.phrase}\r\n".encode()
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
        buffer = writing.blank()
        at = writing.put(buffer, 0, status_line(status, b""))
        for name, value in fields:
            kind = writing.field_kind(name, value)
            if kind in (CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, HOP_BY_HOP):
                continue
            at = writing.put_field(buffer, at, name, value)
        return b"" if self.http_1_0 else writing.finish(buffer, at, b"\r\n", b"")

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
        length = NO_LENGTH
        keep_alive = self.keep_alive
        defaults = self.defaults
        date = defaults.date
        server = defaults.server
        buffer = writing.blank()
        at = writing.put(buffer, 0, status_line(status, reason))
        for name, value in fields:
            kind = writing.field_kind(name, value)
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
            at = writing.put_field(buffer, at, name, value)
        size = len(body)
        length = self.announced_length(status, length, size, end)
        framing = self.choose_framing(status, length)
        if length != NO_LENGTH:
            at = writing.put(buffer, at, b"content-length: ")
            at = writing.put_decimal(buffer, at, length)
            at = writing.put(buffer, at, b"\r\n")
        elif framing == CHUNKED:
            at = writing.put(buffer, at, b"transfer-encoding: chunked\r\n")
        elif framing == UNTIL_CLOSE:
            keep_alive = False
        at = writing.put(buffer, at, date)
        at = writing.put(buffer, at, server)
        at = writing.put(buffer, at, defaults.extra)
        if not keep_alive:
            at = writing.put(buffer, at, b"connection: close\r\n")
        elif self.http_1_0:
            at = writing.put(buffer, at, b"connection: keep-alive\r\n")
        at = writing.put(buffer, at, b"\r\n")
        self.started = True
        self.framing = framing
        self.remaining = length if framing == LENGTH else 0
        self.keep_alive = keep_alive
        first = self.data(body, end)
        if len(first) > COPIED_BODY:
            self.unsent = first
            first = b""
        return writing.finish(buffer, at, first, b"")

    def switching(self, fields: list[tuple[bytes, bytes]]) -> bytes:
        """101 with the fields that make the switch, `Upgrade` and `Connection` among them (RFC
        9110 section 7.8). Raises ResponseError."""
        if self.started:
            raise ResponseError("the protocol cannot be switched after the response has begun")
        defaults = self.defaults
        date = defaults.date
        server = defaults.server
        buffer = writing.blank()
        at = writing.put(buffer, 0, STATUS_LINES[101])
        for name, value in fields:
            kind = writing.field_kind(name, value)
            if kind == DATE:
                date = b""
            elif kind == SERVER:
                server = b""
            at = writing.put_field(buffer, at, name, value)
        at = writing.put(buffer, at, date)
        at = writing.put(buffer, at, server)
        at = writing.put(buffer, at, defaults.extra)
        self.started = self.complete = True
        self.keep_alive = False
        return writing.finish(buffer, at, b"\r\n", b"")

    def announced_length(self, status: int, length: int, size: int, end: bool) -> int:
        """Return the length that the head announces, or NO_LENGTH. Raises ResponseError where the
        first piece of the body does not fit it.

        length: what the application has declared, or NO_LENGTH.
        size: the bytes of the first piece of the body.
        """
        if status == 204:
            # RFC 9110 section 8.6: no Content-Length in a 204.
            return NO_LENGTH
        if self.head_only or status == 304:
            # A whole body that HEAD leaves out has the length of the one for GET. A body that a
            # 304 cannot have has none: it is not that of a 200 (RFC 9110 section 8.6).
            return size if length == NO_LENGTH and end and size and status != 304 else length
        if length == NO_LENGTH:
            return size if end else NO_LENGTH
        if size > length:
            raise ResponseError(f"body is longer than its Content-Length of {length}")
        if end and size < length:
            raise ResponseError(f"body ended after {size} bytes of a Content-Length of {length}")
        return length

    def choose_framing(self, status: int, length: int) -> int:
        """RFC 9112 section 6.3, seen from the sender."""
        if self.head_only or status == 204 or status == 304:
            return NOTHING
        if length != NO_LENGTH:
            return LENGTH
        return UNTIL_CLOSE if self.http_1_0 else CHUNKED

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
        buffer = writing.blank()
        at = writing.put(buffer, 0, b"0\r\n")
        for name, value in fields:
            writing.field_kind(name, value)
            if name.lower() in FORBIDDEN_TRAILERS:
                raise ResponseError(f"{name!r} may not be a trailer field")
            at = writing.put_field(buffer, at, name, value)
        if self.framing != CHUNKED or not wanted:
            return self.data(b"", True)
        self.complete = True
        return writing.finish(buffer, at, b"\r\n", b"")

    def has_body(self) -> bool:
        """Return whether the response has a body on the wire: not to HEAD, not 204 or 304."""
        return self.framing != NOTHING

    def ends_with_connection(self) -> bool:
        """Return whether the end of the connection is the end of the response."""
        return self.framing == UNTIL_CLOSE


def status_line(status: int, reason: bytes) -> bytes:
    """RFC 9112 section 4. A reason phrase of the application's own is kept if it is clean."""
    if not reason:
        line = STATUS_LINES[status]
        return line if line else b"HTTP/1.1 %d \r\n" % status
    check_reason(reason)
    return b"HTTP/1.1 %d %b\r\n" % (status, reason)


def chunk(data: bytes, end: bool) -> bytes:
    """RFC 9112 section 7.1. An empty piece is no chunk: an empty chunk would end the body."""
    if not data:
        return b"0\r\n\r\n" if end else b""
    buffer = writing.blank()
    at = writing.put_hexadecimal(buffer, 0, len(data))
    at = writing.put(buffer, at, b"\r\n")
    return writing.finish(buffer, at, data, b"\r\n0\r\n\r\n" if end else b"\r\n")
