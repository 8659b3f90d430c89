"""What PEP 3333 says of a response, for WSGI applications that answer over ASGI."""

import os
from collections.abc import Iterable
from typing import Any

from bascule.errors import ResponseError

REMEMBERED = 1024

# Their responses have no body, and with a Content-Length would speak of that of another one
# (RFC 9110 section 8.6).
FORBIDS_LENGTH = (204, 304)

STATUSES: dict[str, int] = {}
NAMES: dict[str, bytes] = {}


def read_status(status: str) -> int:
    """The code of "200 OK"; for a reason phrase ASGI has no place. Raises ResponseError."""
    code = STATUSES.get(status)
    if code is None:
        if not isinstance(status, str):
            raise ResponseError(
                f"status is {type(status).__name__}, not a string such as '200 OK'"
            )
        digits = status.partition(" ")[0]
        if not (len(digits) == 3 and digits.isascii() and digits.isdigit()):
            raise ResponseError(f"status {status!r} does not begin with three digits")
        code = int(digits)
        if len(STATUSES) < REMEMBERED:
            STATUSES[status] = code
    return code


def encode_field(name: str, value: str) -> tuple[bytes, bytes]:
    """A header as ASGI wants it, with its name in lower case. Raises ResponseError."""
    encoded = NAMES.get(name)
    try:
        if encoded is None:
            encoded = name.lower().encode("latin-1")
            if len(NAMES) < REMEMBERED:
                NAMES[name] = encoded
        data = value.encode("latin-1")
    except (AttributeError, UnicodeEncodeError):
        raise ResponseError(f"header {name!r}: {value!r} is not latin-1 text") from None
    if 10 in data or 13 in data or 0 in data:
        raise ResponseError(f"value of header {name!r} has a line break or a NUL: {value!r}")
    return encoded, data


def links_of(headers: Iterable[tuple[str, str]]) -> list[bytes]:
    """The values of the Link fields. Raises ResponseError."""
    fields = [encode_field(name, value) for name, value in headers]
    return [value for name, value in fields if name == b"link"]


def join(pieces: Iterable[bytes]) -> bytes:
    """The pieces of a list as one. Raises ResponseError."""
    try:
        return b"".join(pieces)
    except TypeError as error:
        raise ResponseError(f"body pieces must be bytes: {error}") from None


def close(iterable: object) -> None:
    """PEP 3333: close() is called whatever happened."""
    closer = getattr(iterable, "close", None)
    if closer is not None:
        closer()


def path_of(file: Any) -> str | None:
    """The absolute path under which this very file can be opened again, or None."""
    name = getattr(file, "name", None)
    if not isinstance(name, str):
        return None
    path = os.path.abspath(name)
    try:
        is_same = os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    except OSError:
        return None
    return path if is_same else None
