"""The fields of a response, and how its body is bounded (RFC 9113 section 8.1 and 8.3.2).

The rules are HTTP/1.1's, with the same errors at the same calls: an application need not know
which version it answers. Fields that HTTP/2 has no place for (`Connection`, `Transfer-Encoding`
and their like, section 8.2.2) are left out, as HTTP/1.1 leaves them to the server.

    body            when                            what is checked
    NOTHING         HEAD, 204, 304                  it is dropped
    LENGTH          a Content-Length is known       it is that long
    OPEN_ENDED      it is not                       nothing
"""

from bascule.errors import ResponseError
from bascule.protocols import scanning
from bascule.protocols.headers import (
    CONNECTION,
    CONTENT_LENGTH,
    DATE,
    FORBIDDEN_TRAILERS,
    HOP_BY_HOP,
    NO_LENGTH,
    PLAIN,
    SERVER,
    SPACE,
    TRANSFER_ENCODING,
    UPGRADE,
    Fields,
)
from bascule.protocols.http2.stream import LENGTH, NOTHING, OPEN_ENDED, Stream
from bascule.protocols.response_fields import (
    ResponseDefaults,
    check_values,
    declared_length,
    known_name,
)

STATUS_FIELDS = [(b":status", b"%d" % status) for status in range(1000)]
LENGTH_FIELDS = [(b"content-length", b"%d" % length) for length in range(1024)]
# Written by the server alone, or not at all.
DROPPED_KINDS = frozenset((CONNECTION, TRANSFER_ENCODING, HOP_BY_HOP, UPGRADE))


class ResponseFields:
    """Makes the field lists of a connection's responses.

    defaults: the server's own field lines, as HTTP/1.1 writes them; kept as pairs until they
    change.
    """

    __slots__ = ("date", "date_line", "defaults", "extra", "extra_lines", "server", "server_line")

    def __init__(self, defaults: ResponseDefaults) -> None:
        self.defaults = defaults
        self.date_line = b""
        self.date: Fields = []
        self.server_line = b""
        self.server: Fields = []
        self.extra_lines = b""
        self.extra: Fields = []

    def head(self, stream: Stream, status: int, given: Fields, size: int, end: bool) -> Fields:
        """The fields of a response head whose first piece of body has `size` bytes, all of it
        where `end` is. Raises ResponseError and leaves the stream as it was."""
        if stream.started:
            raise ResponseError("a second response head")
        if not 200 <= status <= 999:
            raise ResponseError(f"{status} is not a final status code")
        length = NO_LENGTH
        dated = served = False
        fields: Fields = [STATUS_FIELDS[status]]
        for field in given:
            name, value = field
            entry = known_name(name, value)
            kind = entry[1]
            if kind != PLAIN:
                if kind == CONTENT_LENGTH:
                    length = declared_length(value, length)
                    continue
                if kind in DROPPED_KINDS:
                    continue
                if kind == DATE:
                    dated = True
                elif kind == SERVER:
                    served = True
            fields.append((entry[0], value))
        check_all(fields, given)
        framing = self.choose_framing(stream, status, length, size, end)
        if framing != NOTHING or status != 204:
            if length == NO_LENGTH and end and (framing != NOTHING or (size and status != 304)):
                # Not that of a body that a 304 cannot have (RFC 9110 section 8.6): only the
                # application knows what a 200 would have had.
                length = size
            if length >= 0:
                fields.append(
                    LENGTH_FIELDS[length] if length < 1024 else (b"content-length", b"%d" % length)
                )
        self.add_defaults(fields, dated, served)
        stream.framing = framing
        stream.remaining = length
        stream.started = True
        return fields

    def choose_framing(
        self, stream: Stream, status: int, length: int, size: int, end: bool
    ) -> int:
        if stream.head_only or status == 204 or status == 304:
            return NOTHING
        if length == NO_LENGTH:
            return LENGTH if end else OPEN_ENDED
        if size > length:
            raise ResponseError(f"body is longer than its Content-Length of {length}")
        if end and size < length:
            raise ResponseError(f"body ended after {size} bytes of a Content-Length of {length}")
        return LENGTH

    def add_defaults(self, fields: Fields, dated: bool, served: bool) -> None:
        """The server's own fields, which give way to the application's."""
        defaults = self.defaults
        if defaults.date is not self.date_line:
            self.date_line = defaults.date
            self.date = pairs_of(defaults.date)
        if defaults.server is not self.server_line:
            self.server_line = defaults.server
            self.server = pairs_of(defaults.server)
        if defaults.extra is not self.extra_lines:
            self.extra_lines = defaults.extra
            self.extra = pairs_of(defaults.extra)
        if not dated:
            fields += self.date
        if not served:
            fields += self.server
        fields += self.extra

    def accepted(self, stream: Stream, given: Fields) -> Fields:
        """The fields of the 200 that accepts an extended CONNECT (RFC 8441 section 5): it has
        neither Upgrade nor a length. Raises ResponseError."""
        if stream.started:
            raise ResponseError("a WebSocket cannot be accepted after the response has begun")
        fields: Fields = [STATUS_FIELDS[200]]
        dated = served = False
        for name, value in given:
            lower, kind = known_name(name, value)
            if kind in DROPPED_KINDS or kind == CONTENT_LENGTH:
                continue
            dated = dated or kind == DATE
            served = served or kind == SERVER
            fields.append((lower, value))
        check_all(fields, given)
        self.add_defaults(fields, dated, served)
        return fields

    def informational(self, stream: Stream, status: int, given: Fields) -> Fields:
        """The fields of an interim response (RFC 9110 section 15.2). Raises ResponseError."""
        if not 100 <= status <= 199 or status == 101:
            raise ResponseError(f"{status} is not an interim status that an application can send")
        if stream.started:
            raise ResponseError("an interim response after the response has begun")
        fields: Fields = [STATUS_FIELDS[status]]
        for name, value in given:
            lower, kind = known_name(name, value)
            if kind not in DROPPED_KINDS and kind != CONTENT_LENGTH:
                fields.append((lower, value))
        check_all(fields, given)
        return fields

    def trailers(self, stream: Stream, given: Fields) -> Fields:
        """Trailer fields (RFC 9110 section 6.5.1). Raises ResponseError."""
        if stream.complete or not stream.started:
            raise ResponseError("trailers outside a response")
        fields: Fields = []
        for name, value in given:
            lower = known_name(name, value)[0]
            if lower in FORBIDDEN_TRAILERS:
                raise ResponseError(f"{name!r} may not be a trailer field")
            fields.append((lower, value))
        check_all(fields, given)
        return fields


def check_size(stream: Stream, size: int, end: bool) -> None:
    """Raise ResponseError when a piece of `size` bytes does not fit the declared length."""
    if stream.complete or not stream.started:
        raise ResponseError("body outside a response")
    if stream.framing == LENGTH:
        if size > stream.remaining:
            raise ResponseError(
                f"body is {size - stream.remaining} bytes longer than its Content-Length"
            )
        if end and size < stream.remaining:
            raise ResponseError(
                f"body ended {stream.remaining - size} bytes short of its Content-Length"
            )


def count(stream: Stream, size: int, end: bool) -> bool:
    """Account for a piece of the body; returns whether it goes on the wire. Raises
    ResponseError."""
    check_size(stream, size, end)
    if stream.framing == NOTHING:
        if size and not stream.head_only:
            stream.dropped_body = True
        return False
    stream.remaining -= size
    return True


def check_all(fields: Fields, given: Fields) -> None:
    """Check all values; the error is about the first that is wrong in `given`. Also take off white
    space at their ends (RFC 9113 section 8.2.1): nghttp2 refuses a response that has any, which in
    HTTP/1.1 is no part of the value."""
    for index, field in enumerate(fields):
        value = field[1]
        size = len(value)
        if not scanning.is_text(value, 0, size):
            check_values(given)
        if size and (value[0] <= SPACE or value[size - 1] <= SPACE):
            fields[index] = (field[0], value.strip(b" \t"))


def pairs_of(lines: bytes) -> Fields:
    """Field lines of HTTP/1.1 as pairs."""
    pairs = [line.partition(b":") for line in lines.split(b"\r\n") if line]
    return [(name.lower(), value.strip(b" \t")) for name, _, value in pairs]
