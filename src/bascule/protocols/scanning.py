"""Bytes looked for, compared and checked where they lie, without an object for any part of them.

The reader of heads needs them, and Python cannot say them in a form that compiles well: a slice is
a new object. So each function is there twice, as in protocols/websocket/masking.py: scanning.pxd
has the inline twins that compiled modules use. This module itself is never compiled.

In the twins `data` is a pointer and nothing is checked: the caller has seen to it that the bytes
from `at` to `end` are there.
"""

import re

# RFC 9110 section 5.5: visible bytes, obs-text, and white space inside.
TEXT = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")


def same(data: bytes, at: int, piece: bytes, size: int) -> bool:
    """Whether `size` bytes at `at` are those that `piece` begins with."""
    return data[at : at + size] == piece[:size]


def find(data: bytes, byte: int, at: int, end: int) -> int:
    """The first place of a byte from `at` on and before `end`, or -1."""
    return data.find(byte, at, end)


def is_text(data: bytes, at: int, end: int) -> bool:
    """Whether a field value could be these bytes: no control byte but a tab is among them."""
    return TEXT.fullmatch(data, at, end) is not None


def tag(data: bytes, at: int, end: int) -> int:
    """A number below 256 that tells most strings apart which tell heads apart; at least one byte,
    with three before it. The twin makes it of the length and nine of the bytes."""
    return hash(data[at:end]) & 0xFF
