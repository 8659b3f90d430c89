"""The fields of responses, the same for every HTTP version: those of the server itself, and checks
of those of applications.

A response never carries a byte that could end a field early (CVE-2020-7695, CVE-2018-1000164),
nor two lengths that contradict each other. A field that breaks a rule raises ResponseError.
"""

from bascule.errors import ResponseError
from bascule.protocols.headers import NO_LENGTH, NameCache, parse_length

FORBIDDEN_BYTES = bytes({*range(32), 127} - {9})
RESPONSE_NAMES = NameCache()


class ResponseDefaults:
    """Field lines of the server itself, ready to be written. One for each worker; its tick renews
    `date`.

    date, server: the lines of these fields, or empty.
    extra: other lines, which the operator has asked for.
    """

    __slots__ = ("date", "extra", "server")

    def __init__(self) -> None:
        self.date = b""
        self.server = b""
        self.extra = b""


def kind_of(name: bytes, value: bytes) -> int:
    """The kind of a field's name (see headers), which is checked; of the value only the type is.
    Raises ResponseError."""
    return known_name(name, value)[1]


def known_name(name: bytes, value: bytes) -> tuple[bytes, int]:
    """(name in lower case, kind) of a field. Raises ResponseError."""
    entry = RESPONSE_NAMES.known.get(name)
    if entry is None:
        if not isinstance(name, bytes):
            raise ResponseError(f"field name {name!r} is {type(name).__name__}, not bytes")
        try:
            entry = RESPONSE_NAMES.learn(name)
        except ValueError as error:
            raise ResponseError(str(error)) from None
    if not isinstance(value, bytes):
        raise ResponseError(f"value of field {name!r} is {type(value).__name__}, not bytes")
    return entry


def check_values(fields: list[tuple[bytes, bytes]]) -> None:
    """No value has a line break or another control byte but the tab (RFC 9110 section 5.5).
    Raises ResponseError."""
    for name, value in fields:
        if len(value.translate(None, FORBIDDEN_BYTES)) != len(value):
            raise ResponseError(
                f"value of field {name!r} has a line break or a control character: {value!r}"
            )


def check_field(name: bytes, value: bytes) -> None:
    """Check both parts of a field line. Raises ResponseError."""
    kind_of(name, value)
    check_values([(name, value)])


def check_reason(reason: bytes) -> None:
    """A reason phrase is one line (RFC 9112 section 4), also where it is not sent: HTTP/2 has none
    (RFC 9113 section 8.3.2). Raises ResponseError."""
    if b"\n" in reason or b"\r" in reason or b"\0" in reason:
        raise ResponseError(f"reason phrase {reason!r} has a line break or a NUL")


def declared_length(value: bytes, before: int) -> int:
    """A Content-Length of the application's; `before` is the value of an earlier one. Raises
    ResponseError."""
    length = parse_length(value)
    if length == NO_LENGTH:
        length = parse_length(value.strip(b" \t"))
    if length == NO_LENGTH:
        raise ResponseError(f"Content-Length {value!r} is not a number of bytes")
    if before != NO_LENGTH and before != length:
        raise ResponseError("two Content-Length fields that contradict each other")
    return length
