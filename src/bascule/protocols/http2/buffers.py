"""Bytes written into a buffer, and made of one.

The loops of header compression need them, and Python cannot say them in a form that compiles well.
So each function is there twice, as in protocols/websocket/masking.py: buffers.pxd has the inline
twins that compiled modules use. This module itself is never compiled.

Buffers are `bytearray`s here. In the twins they are pointers and nothing is checked: the caller
has seen to it that there is room.
"""


def put(buffer: bytearray, at: int, data: bytes) -> int:
    """Write `data` at position `at`; the position behind them."""
    end = at + len(data)
    buffer[at:end] = data
    return end


def taken(buffer: bytearray, size: int) -> bytes:
    """The first `size` bytes."""
    return bytes(buffer[:size])
