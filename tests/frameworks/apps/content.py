"""The responses of all apps in this folder, so that the same checks apply to all of them."""

import hashlib
import json
from collections.abc import Iterator

PIECES = 256
PAGE = "The page that is sent with an ETag, and not sent again to who has it.\n"
ETAG = '"page-1"'
ENDLESS_PIECE = b"on and on\n" * 1000


def pieces() -> Iterator[bytes]:
    """2 MB in numbered pieces of 8 KB."""
    for number in range(PIECES):
        yield b"%07d\n" % number * 1024


def digest(data: bytes) -> dict[str, object]:
    """A summary of a body."""
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
