"""What all the apps of this folder answer with, so that one checklist fits them all."""

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
    """What a body was, in little."""
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
