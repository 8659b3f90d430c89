"""The response of a WSGI application as messages of ASGI."""

import os
from collections.abc import Iterable
from typing import Any

from bascule.pep3333 import encode_field

# Their responses have no body, and a Content-Length would be that of another response (RFC 9110
# section 8.6).
FORBIDS_LENGTH = (204, 304)


def links_of(headers: Iterable[tuple[str, str]]) -> list[bytes]:
    """Return the values of the Link fields. Raises ResponseError."""
    fields = [encode_field(name, value) for name, value in headers]
    return [value for name, value in fields if name.lower() == b"link"]


def path_of(file: Any) -> str | None:
    """Return the absolute path under which this very file can be opened again, or None."""
    name = getattr(file, "name", None)
    if not isinstance(name, str):
        return None
    path = os.path.abspath(name)
    try:
        is_same = os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    except OSError:
        return None
    return path if is_same else None
