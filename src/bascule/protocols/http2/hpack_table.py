"""The two tables of header compression: the static one of RFC 7541 appendix A, and the dynamic one
of section 2.3.2, which both ends of a connection change in step.

A field is a tuple (name, value), and stays the same object from the table to the list of fields
that was decoded: what is indexed is never copied.
"""

Field = tuple[bytes, bytes]

STATIC: list[Field] = [
    (b"", b""),  # Index 0 is not used.
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    (b":status", b"200"),
    (b":status", b"204"),
    (b":status", b"206"),
    (b":status", b"304"),
    (b":status", b"400"),
    (b":status", b"404"),
    (b":status", b"500"),
    (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    (b"accept-language", b""),
    (b"accept-ranges", b""),
    (b"accept", b""),
    (b"access-control-allow-origin", b""),
    (b"age", b""),
    (b"allow", b""),
    (b"authorization", b""),
    (b"cache-control", b""),
    (b"content-disposition", b""),
    (b"content-encoding", b""),
    (b"content-language", b""),
    (b"content-length", b""),
    (b"content-location", b""),
    (b"content-range", b""),
    (b"content-type", b""),
    (b"cookie", b""),
    (b"date", b""),
    (b"etag", b""),
    (b"expect", b""),
    (b"expires", b""),
    (b"from", b""),
    (b"host", b""),
    (b"if-match", b""),
    (b"if-modified-since", b""),
    (b"if-none-match", b""),
    (b"if-range", b""),
    (b"if-unmodified-since", b""),
    (b"last-modified", b""),
    (b"link", b""),
    (b"location", b""),
    (b"max-forwards", b""),
    (b"proxy-authenticate", b""),
    (b"proxy-authorization", b""),
    (b"range", b""),
    (b"referer", b""),
    (b"refresh", b""),
    (b"retry-after", b""),
    (b"server", b""),
    (b"set-cookie", b""),
    (b"strict-transport-security", b""),
    (b"transfer-encoding", b""),
    (b"user-agent", b""),
    (b"vary", b""),
    (b"via", b""),
    (b"www-authenticate", b""),
]
STATIC_LAST = 61
# The size of both tables until SETTINGS change it (RFC 9113 section 6.5.2).
DEFAULT_SIZE = 4096
# RFC 7541 section 4.1: the size of an entry beside its bytes.
ENTRY_OVERHEAD = 32
FIRST_ROOM = 16


class DynamicTable:
    """The dynamic table as a ring: any entry is found, added or dropped in constant time.

    limit: the largest size, in the measure of RFC 7541 section 4.1.
    size: the size now, never larger.
    count: the number of entries.
    added: how many there have been in all.
    """

    __slots__ = ("added", "count", "limit", "ring", "room", "size")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0
        self.count = 0
        self.added = 0
        # A power of two, so that positions wrap with an AND.
        self.room = FIRST_ROOM
        self.ring: list[Field | None] = [None] * FIRST_ROOM

    def entry(self, index: int) -> Field | None:
        """The entry that RFC 7541 gives `index` + 62: 0 is the newest. None when there is none."""
        if index >= self.count:
            return None
        return self.ring[(self.added - 1 - index) & (self.room - 1)]

    def add(self, field: Field, size: int) -> None:
        """Add an entry of `size`, its overhead included, dropping old ones to make room (RFC 7541
        section 4.4); one that is larger than the table leaves it empty."""
        self.shrink(self.limit - size)
        if size > self.limit:
            return
        if self.count == self.room:
            self.widen()
        self.ring[self.added & (self.room - 1)] = field
        self.added += 1
        self.count += 1
        self.size += size

    def resize(self, limit: int) -> None:
        """Change the largest size, dropping what is too much (RFC 7541 section 4.3)."""
        self.limit = limit
        self.shrink(limit)

    def shrink(self, size: int) -> None:
        """Drop the oldest entries until the rest has no more than `size`."""
        while self.count > 0 and self.size > size:
            number = self.added - self.count
            place = number & (self.room - 1)
            field = self.ring[place]
            assert field is not None
            self.ring[place] = None
            self.count -= 1
            self.size -= len(field[0]) + len(field[1]) + ENTRY_OVERHEAD
            self.dropped(field, number)

    def widen(self) -> None:
        """Twice the room; each entry stays where its number says."""
        wider: list[Field | None] = [None] * (2 * self.room)
        for number in range(self.added - self.count, self.added):
            wider[number & (2 * self.room - 1)] = self.ring[number & (self.room - 1)]
        self.ring = wider
        self.room *= 2

    def dropped(self, field: Field, number: int) -> None:
        """For subclasses: the entry that was added as the `number`th, from 0, is gone."""


class SearchableTable(DynamicTable):
    """A dynamic table in which an encoder finds what it can refer to."""

    __slots__ = ("names", "places")

    def __init__(self, limit: int) -> None:
        DynamicTable.__init__(self, limit)
        # By field and by name: the number of the entry; of several with a name, the newest.
        self.places: dict[Field, int] = {}
        self.names: dict[bytes, int] = {}

    def insert(self, field: Field, size: int) -> None:
        """Add an entry that is not in the table and not larger than it."""
        self.places[field] = self.added
        self.names[field[0]] = self.added
        self.add(field, size)

    def index_of_field(self, field: Field) -> int:
        """Its index as it goes on the wire; 0 when it is not in the table."""
        number = self.places.get(field)
        return 0 if number is None else STATIC_LAST + self.added - number

    def index_of_name(self, name: bytes) -> int:
        """The index of a field with the name; 0 when there is none."""
        number = self.names.get(name)
        return 0 if number is None else STATIC_LAST + self.added - number

    def dropped(self, field: Field, number: int) -> None:
        del self.places[field]
        if self.names.get(field[0]) == number:
            del self.names[field[0]]
