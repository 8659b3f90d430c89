"""Masking (RFC 6455 section 5.3): every byte of a client's payload is XORed with one of the four
bytes of a key.

The one thing that Python cannot say in a form that compiles well: bytes have to be written into a
new `bytes` eight at a time. So the function is there twice. The one below runs when the package is
not compiled; masking.pxd has its twin, an inline function that the compiled engine uses instead of
importing this. This module itself is never compiled, so both are always there to be compared.

16 KiB take the twin half a microsecond and the form below 30; a loop over the bytes, which would
be one function for both, takes 1,000 where it is not compiled.
"""


def unmask(data: bytes, start: int, size: int, key: int) -> bytes:
    """`size` bytes of `data` from `start` on, unmasked. The first is XORed with the highest byte
    of `key`, a number of 32 bits; masking and unmasking are the same."""
    # One XOR of two large numbers: the loop over their digits is in C.
    pattern = key.to_bytes(4, "big") * (size // 4 + 1)
    masked = int.from_bytes(data[start : start + size], "big")
    return (masked ^ int.from_bytes(pattern[:size], "big")).to_bytes(size, "big")


def turn(key: int, size: int) -> int:
    """The key for what follows `size` bytes: the byte that is next comes to the front."""
    shift = size % 4 * 8
    return (key << shift | key >> (32 - shift)) & 0xFFFFFFFF
