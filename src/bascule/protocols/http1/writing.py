"""Writes heads and chunks: pieces, field lines and numbers, one behind the other, into one buffer.

    buffer = blank()
    at = put(buffer, 0, ...)        each part goes to the place where the one before has ended
    at = put_field(buffer, at, name, value)
    finish(buffer, at, body, tail)  all of it, then the body and its end, as bytes

writing.pxd has the same functions in C types, for compiled modules: there a field is checked byte
by byte while it is copied, into a buffer that the next head uses again. In Python a loop over
bytes would cost more than all of the rest, so here methods of `bytes` check and join. This module
itself is never compiled.
"""

from bascule.protocols.response_fields import FORBIDDEN_BYTES, check_field, kind_of


def blank() -> bytearray:
    """Return a buffer to write into from its beginning."""
    return bytearray()


def put(buffer: bytearray, at: int, piece: bytes) -> int:
    """Put a piece as it is. This function and the other `put_` functions return the place behind
    what they have put."""
    buffer += piece
    return at + len(piece)


def put_decimal(buffer: bytearray, at: int, number: int) -> int:
    return put(buffer, at, b"%d" % number)


def put_hexadecimal(buffer: bytearray, at: int, number: int) -> int:
    return put(buffer, at, b"%x" % number)


def field_kind(name: bytes, value: bytes) -> int:
    """Return the kind of a field's name. Raises ResponseError where the name or the value is not
    `bytes`."""
    return kind_of(name, value)


def put_field(buffer: bytearray, at: int, name: bytes, value: bytes) -> int:
    """Put a field line (RFC 9112 section 5). `field_kind` comes before. Raises ResponseError for a
    name that is not a token, and for a value that could end the line early."""
    if len(value.translate(None, FORBIDDEN_BYTES)) != len(value):
        check_field(name, value)
    return put(buffer, at, b"%b: %b\r\n" % (name, value))


def finish(buffer: bytearray, at: int, body: bytes, tail: bytes) -> bytes:
    """Return the `at` bytes that were put, `body` and `tail`."""
    return b"".join((buffer, body, tail))
