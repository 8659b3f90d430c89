"""HPACK (RFC 7541): field blocks to fields and back.

    field on the wire (section 6)      first byte    what it does to the table
    indexed                            1 index        nothing
    literal, indexed from now on       01 index       one entry is added
    size update                        001 size       entries may be dropped; only in front
    literal, never to be indexed       0001 index     nothing
    literal, not indexed               0000 index     nothing

Both ends change a dynamic table in step, block by block, so a decoder that has lost a block has
lost the connection: HpackError. A list that is only too long is decoded to its end all the same,
for what it does to the table, and nothing of it is kept: HeaderListTooLong.

A block that leaves the table as it is means the same until the table changes, and a list that
does is encoded the same. Both directions keep the last few of those; browsers and applications
send the same again and again, and then a block costs one look-up in a dictionary.
"""

from collections.abc import Sequence

from bascule.protocols.http2 import buffers, hpack_table, huffman
from bascule.protocols.http2.hpack_table import DynamicTable, Field, SearchableTable

# The number of blocks kept of each direction, and their longest size and most fields. A peer that
# fills all of it with blocks that come only once takes 70 KiB.
BLOCKS_REMEMBERED = 16
LONGEST_BLOCK_REMEMBERED = 256
MOST_REMEMBERED_FIELDS = 32
# The number of fields sent as literals that are recognized when they come again.
CANDIDATES = 64

# RFC 7541 section 5.1 lets a decoder limit integers. No index, length or size is larger, so there
# are at most five bytes behind the prefix.
LARGEST_INTEGER = 2**32 - 1
INTEGER_SPACE = 6
# Two size updates at the beginning of a block.
UPDATE_SPACE = 2 * INTEGER_SPACE
# RFC 7541 section 4.2: the smallest size since the last block, and the last.
MOST_UPDATES = 2

# A buffer for decoded strings is kept with the decoder when it is no larger.
SCRATCH = 256
LARGEST_SCRATCH = 2048

# How the encoder treats fields, by name.
INDEX = 0
# Each has another value, or one that is old after a second: it would only push others out.
PASSING = 1
# RFC 7541 section 7.1.3: never indexed, also by intermediaries.
SECRET = 2
# The same for a short value, which could be guessed byte by byte from the length of blocks.
COOKIE = 3
SHORT_COOKIE = 20

PASSING_NAMES = (
    b":path age content-length content-range date etag expires if-match if-modified-since "
    b"if-none-match if-range if-unmodified-since last-modified location range retry-after"
).split()
SECRET_NAMES = [b"authorization", b"proxy-authorization", b"set-cookie"]


def name_rules() -> dict[bytes, int]:
    """By name: index in the static table << 2 | how it is treated."""
    rules: dict[bytes, int] = {}
    for index in range(hpack_table.STATIC_LAST, 0, -1):
        name = hpack_table.STATIC[index][0]
        rule = INDEX
        if name in PASSING_NAMES:
            rule = PASSING
        elif name in SECRET_NAMES:
            rule = SECRET
        elif name == b"cookie":
            rule = COOKIE
        rules[name] = index << 2 | rule
    return rules


NAME_RULES = name_rules()
STATIC_PLACES = {
    hpack_table.STATIC[index]: index for index in range(hpack_table.STATIC_LAST, 0, -1)
}


class HpackError(ValueError):
    """A field block is malformed: COMPRESSION_ERROR, and the connection must end (RFC 9113
    section 4.3)."""


class HeaderListTooLong(ValueError):
    """A field block is in order, but its list is longer than is allowed. The table is in step:
    only the stream is to be refused (RFC 9113 section 10.5.1)."""


class Decoder:
    """Decodes the field blocks of one direction of a connection, each whole, in their order.

    allowed: bytes of the dynamic table, in the measure of RFC 7541 section 4.1, that our
        SETTINGS_HEADER_TABLE_SIZE allows the peer. The table begins with no more than 4,096.
    max_list_size: the longest list in the measure of RFC 9113 section 6.5.2: bytes of names and
        values and 32 for each field.
    max_fields: most fields of a list.

    A decoder keeps the table, a few short blocks, and while it decodes the list and a buffer for
    one string.
    """

    __slots__ = (
        "allowed",
        "at",
        "max_fields",
        "max_list_size",
        "remembered",
        "scratch",
        "table",
    )

    def __init__(
        self,
        max_table_size: int = hpack_table.DEFAULT_SIZE,
        max_list_size: int = 65536,
        max_fields: int = 128,
    ) -> None:
        self.max_list_size = max_list_size
        self.max_fields = max_fields
        self.table = DynamicTable(min(max_table_size, hpack_table.DEFAULT_SIZE))
        self.allowed = max_table_size
        self.at = 0
        self.scratch = bytearray()
        self.remembered: dict[bytes, list[Field]] = {}

    def decode(self, block: bytes) -> list[Field]:
        """The fields of a block, pseudo-fields included, in their order and as they came; the list
        is the caller's.

        Raises HpackError when the block is malformed and HeaderListTooLong when the list is too
        long. Both in time linear in the size of the block.
        """
        known = self.remembered.get(block)
        if known is not None:
            return known[:]
        data = block
        end = len(block)
        size = 0
        count = 0
        settled = True
        kept = True
        fields: list[Field] = []
        at = 0
        if end > 0 and data[0] & 0xE0 == 0x20:
            settled = False
            at = self.update_sizes(data, end)
        while at < end:
            first = data[at]
            at += 1
            if first >= 0x80:
                index = first & 0x7F
                if index == 0x7F:
                    index = self.read_integer(data, at, end, 0x7F)
                    at = self.at
                field = self.field_at(index)
                name, value = field
            else:
                if first >= 0x40:
                    prefix = 0x3F
                elif first >= 0x20:
                    raise HpackError("a size update stands behind a field")
                else:
                    prefix = 0x0F
                index = first & prefix
                self.at = at
                if index == prefix:
                    index = self.read_integer(data, at, end, prefix)
                if index:
                    name = self.field_at(index)[0]
                else:
                    name = self.read_string(data, end)
                value = self.read_string(data, end)
                at = self.at
                field = (name, value)
                if prefix == 0x3F:
                    settled = False
                    self.table.add(field, len(name) + len(value) + hpack_table.ENTRY_OVERHEAD)
                    self.remembered.clear()
            size += len(name) + len(value) + hpack_table.ENTRY_OVERHEAD
            count += 1
            if kept:
                if size > self.max_list_size or count > self.max_fields:
                    kept = False
                    fields.clear()
                else:
                    fields.append(field)
        if not kept:
            raise HeaderListTooLong(
                f"{count} fields of {size} bytes, where {self.max_fields} of "
                f"{self.max_list_size} are allowed"
            )
        if settled and end <= LONGEST_BLOCK_REMEMBERED and count <= MOST_REMEMBERED_FIELDS:
            if len(self.remembered) >= BLOCKS_REMEMBERED:
                self.remembered.clear()
            self.remembered[block] = fields[:]
        return fields

    def update_sizes(self, data: bytes, end: int) -> int:
        """Read the size updates that a block begins with (RFC 7541 sections 4.2 and 6.3); the
        position behind them."""
        count = 0
        at = 0
        self.remembered.clear()
        while at < end and data[at] & 0xE0 == 0x20:
            size = data[at] & 0x1F
            at += 1
            if size == 0x1F:
                size = self.read_integer(data, at, end, 0x1F)
                at = self.at
            count += 1
            if count > MOST_UPDATES:
                raise HpackError("a third size update stands before the fields")
            if size > self.allowed:
                raise HpackError(f"a table of {size} bytes, where {self.allowed} are allowed")
            self.table.resize(size)
        return at

    def field_at(self, index: int) -> Field:
        """The field that an index refers to (RFC 7541 section 2.3.3)."""
        if index > hpack_table.STATIC_LAST:
            field = self.table.entry(index - hpack_table.STATIC_LAST - 1)
            if field is None:
                raise HpackError(f"index {index} is in neither table")
            return field
        if index == 0:
            raise HpackError("index 0 is in neither table")
        return hpack_table.STATIC[index]

    def read_integer(self, data: bytes, at: int, end: int, prefix: int) -> int:
        """The integer whose prefix was full, the rest of which is at `at` (RFC 7541 section 5.1).
        `self.at` is behind it afterwards."""
        value = 0
        shift = 0
        while True:
            if at >= end:
                raise HpackError("the block ends within an integer")
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            if shift > 28:
                raise HpackError("an integer has more bytes than any has use for")
        if byte == 0 and shift > 0:
            raise HpackError("an integer is longer than it has to be")
        value += prefix
        if value > LARGEST_INTEGER:
            raise HpackError("an integer is larger than any has use for")
        self.at = at
        return value

    def read_string(self, data: bytes, end: int) -> bytes:
        """The string at `self.at` (RFC 7541 section 5.2), which is behind it afterwards."""
        at = self.at
        if at >= end:
            raise HpackError("the block ends where a string should begin")
        first = data[at]
        at += 1
        size = first & 0x7F
        if size == 0x7F:
            size = self.read_integer(data, at, end, 0x7F)
            at = self.at
        if size > end - at:
            raise HpackError("the block ends within a string")
        self.at = at + size
        if first < 0x80:
            return data[at : at + size]
        # The shortest codes have five bits.
        room = size * 8 // 5
        buffer = self.scratch
        if len(buffer) < room:
            buffer = bytearray(max(room, SCRATCH))
            if room <= LARGEST_SCRATCH:
                self.scratch = buffer
        target = buffer
        written = huffman.decode(target, data, at, at + size)
        if written < 0:
            raise HpackError("a string ends within a Huffman code, or has EOS in it")
        return buffers.taken(target, written)


class Encoder:
    """Encodes the lists of fields of one direction of a connection, in their order.

    max_table_size: bytes that our dynamic table may have, even where the peer allows more. Until
        its SETTINGS come, it allows 4,096.

    A field is indexed when it comes for the second time. A field that changes with every message,
    a length or a date, never is: it would push out others that stay the same. Authorization,
    Proxy-Authorization, Set-Cookie and short cookies are marked as never to be indexed, also by
    intermediaries.
    """

    __slots__ = (
        "announced",
        "candidates",
        "lowest",
        "max_table_size",
        "remembered",
        "settled",
        "table",
    )

    def __init__(self, max_table_size: int = hpack_table.DEFAULT_SIZE) -> None:
        self.max_table_size = max_table_size
        self.table = SearchableTable(hpack_table.DEFAULT_SIZE)
        # The size that the peer knows of, and the smallest since the last update.
        self.announced = hpack_table.DEFAULT_SIZE
        self.lowest = hpack_table.DEFAULT_SIZE
        # False when the same list would be encoded otherwise next time, or should not be kept.
        self.settled = True
        # Hashes only, so that nothing is kept that will not come again. Where two fields have the
        # same, one is indexed too early.
        self.candidates: set[int] = set()
        self.remembered: dict[tuple[Field, ...], bytes] = {}
        self.set_max_table_size(hpack_table.DEFAULT_SIZE)

    def set_max_table_size(self, size: int) -> None:
        """The peer's SETTINGS_HEADER_TABLE_SIZE is `size`. The next block announces the
        size that the table has by it."""
        size = min(size, self.max_table_size)
        self.lowest = min(self.lowest, size)
        self.table.resize(size)
        self.remembered.clear()

    def encode(self, fields: Sequence[Field]) -> bytes:
        """The block for a list of fields: tuples of two `bytes`, the name in lower case."""
        key = tuple(fields)
        known = self.remembered.get(key)
        if known is not None:
            return known
        room = UPDATE_SPACE
        for field in key:
            name, value = field
            room += len(name) + len(value) + 3 * INTEGER_SPACE
        buffer = bytearray(room)
        target = buffer
        at = 0
        self.settled = True
        if self.announced != self.table.limit or self.lowest < self.announced:
            at = self.write_size_updates(target)
        for field in key:
            at = self.write_field(target, at, field)
        block = buffers.taken(target, at)
        if self.settled and at <= LONGEST_BLOCK_REMEMBERED and len(key) <= MOST_REMEMBERED_FIELDS:
            if len(self.remembered) >= BLOCKS_REMEMBERED:
                self.remembered.clear()
            self.remembered[key] = block
        return block

    def write_size_updates(self, target: bytearray) -> int:
        """RFC 7541 section 4.2: the smallest size since the last block, then the one it is."""
        at = 0
        limit = self.table.limit
        if self.lowest < self.announced and self.lowest < limit:
            at = write_integer(target, at, 0x20, 0x1F, self.lowest)
        at = write_integer(target, at, 0x20, 0x1F, limit)
        self.announced = limit
        self.lowest = limit
        self.settled = False
        return at

    def write_field(self, target: bytearray, at: int, field: Field) -> int:
        """Write one field in the form that is right for it; the position behind it."""
        name, value = field
        found = NAME_RULES.get(name)
        rule = INDEX
        index = 0
        if found is not None:
            rule = found
            index = rule >> 2
            rule &= 3
        if rule == SECRET or (rule == COOKIE and len(value) < SHORT_COOKIE):
            self.settled = False
            return self.write_literal(target, at, 0x10, 0x0F, index, name, value)
        if index:
            found = STATIC_PLACES.get(field)
            if found is not None:
                return write_integer(target, at, 0x80, 0x7F, found)
        place = self.table.index_of_field(field)
        if place:
            return write_integer(target, at, 0x80, 0x7F, place)
        if rule != PASSING and self.is_worth_indexing(field, name, value):
            at = self.write_literal(target, at, 0x40, 0x3F, index, name, value)
            self.table.insert(field, len(name) + len(value) + hpack_table.ENTRY_OVERHEAD)
            self.remembered.clear()
            return at
        return self.write_literal(target, at, 0, 0x0F, index, name, value)

    def is_worth_indexing(self, field: Field, name: bytes, value: bytes) -> bool:
        """Whether a field has come before and leaves room for others."""
        if 2 * (len(name) + len(value) + hpack_table.ENTRY_OVERHEAD) > self.table.limit:
            return False
        self.settled = False
        candidate = hash(field)
        if candidate in self.candidates:
            self.candidates.remove(candidate)
            return True
        if len(self.candidates) >= CANDIDATES:
            self.candidates.clear()
        self.candidates.add(candidate)
        return False

    def write_literal(
        self,
        target: bytearray,
        at: int,
        form: int,
        prefix: int,
        index: int,
        name: bytes,
        value: bytes,
    ) -> int:
        """Write a literal (RFC 7541 section 6.2), its name as an index where there is one."""
        place = index
        if place == 0:
            place = self.table.index_of_name(name)
        at = write_integer(target, at, form, prefix, place)
        if place == 0:
            at = write_string(target, at, name)
        return write_string(target, at, value)


def write_integer(target: bytearray, at: int, form: int, prefix: int, value: int) -> int:
    """Write an integer (RFC 7541 section 5.1) behind the bits of `form`; the position behind."""
    if value < prefix:
        target[at] = form | value
        return at + 1
    target[at] = form | prefix
    at += 1
    value -= prefix
    while value >= 0x80:
        target[at] = 0x80 | (value & 0x7F)
        at += 1
        value >>= 7
    target[at] = value
    return at + 1


def write_string(target: bytearray, at: int, string: bytes) -> int:
    """Write a string (RFC 7541 section 5.2), in Huffman's code where that is shorter."""
    size = len(string)
    coded = huffman.encoded_size(string, size)
    if coded < size:
        at = write_integer(target, at, 0x80, 0x7F, coded)
        return huffman.encode(target, at, string, size)
    at = write_integer(target, at, 0, 0x7F, size)
    return buffers.put(target, at, string)
