"""The Huffman code of RFC 7541 appendix B.

Only the lengths of the codes are written down here. The code is canonical: in the order of their
lengths, and of symbols within a length, each code is the one before plus one, with zeros behind
it where codes become longer. So the tables are made from the lengths.

Decoding takes 30 bits at a time, which is the longest code. Codes of up to eight bits, those
of nearly everything that fields are written in, are found by their first eight bits in ROOT; of
the longer ones there are so few that the length is searched for.
"""

EOS = 256
# By symbol; the last one is that of EOS.
CODE_LENGTHS_IN_WORDS = """
    13 23 28 28 28 28 28 28 28 24 30 28 28 30 28 28 28 28 28 28 28 28 30 28 28 28 28 28 28 28
    28 28 6 10 10 12 13 6 8 11 10 10 8 11 8 6 6 6 5 5 5 6 6 6 6 6 6 6 7 8 15 6 12 10 13 6 7 7 7
    7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 8 7 8 13 19 13 14 6 15 5 6 5 6 5 6 6 6 5 7 7 6 6 6 5
    6 7 6 5 5 6 7 7 7 7 7 15 11 14 13 28 20 22 20 20 22 22 22 23 22 23 23 23 23 23 24 23 24 24
    22 23 24 23 23 23 23 21 22 23 22 23 23 24 22 21 20 22 22 23 23 21 23 22 22 24 21 22 23 23
    21 21 22 21 23 22 23 23 20 22 22 22 23 22 22 23 26 26 20 19 22 23 22 25 26 26 26 27 27 26
    24 25 19 21 26 27 27 26 27 24 21 21 26 26 28 27 27 27 20 24 20 21 22 21 21 23 22 22 25 25
    24 24 26 23 26 27 26 26 27 27 27 27 27 28 27 27 27 27 27 26 30
"""
CODE_LENGTHS = bytes(map(int, CODE_LENGTHS_IN_WORDS.split()))
LONGEST = 30
LONGEST_IN_ROOT = 8
# Symbols in the order of their codes.
ORDER = sorted(range(257), key=CODE_LENGTHS.__getitem__)


def canonical_codes() -> list[int]:
    """The code of each symbol, by symbol."""
    codes = [0] * 257
    code = 0
    before = CODE_LENGTHS[ORDER[0]]
    for symbol in ORDER:
        code <<= CODE_LENGTHS[symbol] - before
        before = CODE_LENGTHS[symbol]
        codes[symbol] = code
        code += 1
    return codes


def root_entries() -> list[int]:
    """By the first eight bits: length << 9 | symbol, or 0 where the code is longer."""
    entries = [0] * 256
    for symbol in ORDER:
        spare = LONGEST_IN_ROOT - CODE_LENGTHS[symbol]
        if spare >= 0:
            first = CODES[symbol] << spare
            entries[first : first + (1 << spare)] = [CODE_LENGTHS[symbol] << 9 | symbol] * (
                1 << spare
            )
    return entries


def code_limits() -> list[int]:
    """By length: 30 bits from this number on begin with a longer code."""
    limits = [0] * (LONGEST + 1)
    for length in range(1, LONGEST + 1):
        ends = [CODES[symbol] + 1 for symbol in ORDER if CODE_LENGTHS[symbol] == length]
        limits[length] = ends[-1] << LONGEST - length if ends else limits[length - 1]
    return limits


def code_places() -> list[int]:
    """By length: what to add to a code of it to have its place in ORDER."""
    places = [0] * (LONGEST + 1)
    for place in range(256, -1, -1):
        symbol = ORDER[place]
        places[CODE_LENGTHS[symbol]] = place - CODES[symbol]
    return places


# In the compiled module these are arrays of C numbers. The sizes of codes are read both ways.
CODES = canonical_codes()
SIZES = list(CODE_LENGTHS)
SYMBOLS = ORDER
ROOT = root_entries()
LIMITS = code_limits()
PLACES = code_places()


def first_symbol(bits: int) -> int:
    """The symbol that 30 bits begin with, and its length: length << 9 | symbol."""
    entry = ROOT[bits >> 22]
    if entry:
        return entry
    length = LONGEST_IN_ROOT + 1
    while bits >= LIMITS[length]:
        length += 1
    return length << 9 | SYMBOLS[(bits >> (30 - length)) + PLACES[length]]


def decode(target: bytearray, data: bytes, at: int, end: int) -> int:
    """Decode `data` from `at` to `end` into `target`, which has room for 8/5 of their number.

    How many bytes were written; -1 where EOS is in the string, where the padding is longer than
    seven bits, or where it is not the beginning of EOS (RFC 7541 section 5.2).
    """
    # The lowest `left` bits of the window are not decoded yet; there are at most 61.
    window = 0
    left = 0
    written = 0
    while True:
        while left >= 30:
            entry = first_symbol((window >> (left - 30)) & 0x3FFFFFFF)
            symbol = entry & 0x1FF
            if symbol == EOS:
                return -1
            target[written] = symbol
            written += 1
            left -= entry >> 9
        if end - at < 4:
            break
        word = data[at]
        word = word << 8 | data[at + 1]
        word = word << 8 | data[at + 2]
        word = word << 8 | data[at + 3]
        window = (window & 0x3FFFFFFF) << 32 | word
        left += 32
        at += 4
    window &= 0x3FFFFFFF
    while at < end:
        window = window << 8 | data[at]
        left += 8
        at += 1
    while left > 0:
        if left < 8:
            ones = (1 << left) - 1
            if window & ones == ones:
                return written
        # Behind the end come ones, so what is no padding is found to reach past the end.
        if left >= 30:
            entry = first_symbol((window >> (left - 30)) & 0x3FFFFFFF)
        else:
            spare = 30 - left
            entry = first_symbol(((window << spare) & 0x3FFFFFFF) | ((1 << spare) - 1))
        symbol = entry & 0x1FF
        left -= entry >> 9
        if left < 0 or symbol == EOS:
            return -1
        target[written] = symbol
        written += 1
    return written


def encoded_size(data: bytes, size: int) -> int:
    """How many bytes the first `size` of `data` take when they are encoded."""
    bits = 0
    at = 0
    while at < size:
        bits += SIZES[data[at]]
        at += 1
    return (bits + 7) >> 3


def encode(target: bytearray, to: int, data: bytes, size: int) -> int:
    """Encode the first `size` of `data` into `target` at position `to`; the position behind."""
    # The lowest `bits` of the window are not written yet.
    window = 0
    bits = 0
    at = 0
    while at < size:
        symbol = data[at]
        at += 1
        window = (window & 0x7FFFFFFF) << SIZES[symbol] | CODES[symbol]
        bits += SIZES[symbol]
        if bits >= 32:
            bits -= 32
            target[to] = (window >> (bits + 24)) & 0xFF
            target[to + 1] = (window >> (bits + 16)) & 0xFF
            target[to + 2] = (window >> (bits + 8)) & 0xFF
            target[to + 3] = (window >> bits) & 0xFF
            to += 4
    while bits >= 8:
        bits -= 8
        target[to] = (window >> bits) & 0xFF
        to += 1
    if bits:
        # The padding is the first bits of EOS, which are ones.
        target[to] = ((window << (8 - bits)) & 0xFF) | ((1 << (8 - bits)) - 1)
        to += 1
    return to
