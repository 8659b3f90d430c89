"""The PROXY protocol, versions 1 and 2: a header of a load balancer before the client's bytes.

    ProxyReader.feed    bytes of a connection -> how many of them are the header's

https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt is the specification. The header comes
before TLS, so not one byte more than it may be taken from the socket; that is why `feed` says how
many it wants of what it is shown.

    version 1    "PROXY TCP4 198.51.100.7 192.0.2.1 50000 443\\r\\n", or "PROXY UNKNOWN ...\\r\\n"
    version 2    twelve bytes of signature, version and command, family, length, addresses, TLVs
"""

import re
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv6Address

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
WORD = b"PROXY "
# Section 2.1: the longest line with its CRLF.
LONGEST_LINE = 107
FIXED_SIZE = 16
# Addresses of UNIX sockets are 216 bytes; the rest is TLVs, of which a client's certificate is
# the longest.
LONGEST_REST = 8192

COMMAND_LOCAL = 0x20
COMMAND_PROXY = 0x21
UNSPECIFIED = 0x00
TCP4 = 0x11
TCP6 = 0x21
UNIX_STREAM = 0x31
# Bytes of addresses and ports.
ADDRESS_LENGTHS = {TCP4: 12, TCP6: 36, UNIX_STREAM: 216}

# Section 2.2.
TLV_CRC32C = 0x03
TLV_SSL = 0x20
CLIENT_SSL = 0x01
PORT = re.compile(r"0|[1-9][0-9]{0,4}")
# CRC-32C (Castagnoli), bit-reversed.
POLYNOMIAL = 0x82F63B78


class ProxyHeaderError(Exception):
    """A peer sends no PROXY header, or a wrong one; the message says how, as the end of a
    sentence, in printable characters."""


@dataclass(frozen=True, slots=True)
class ProxiedEnds:
    """The two ends of the connection that a proxy passes on.

    client, server: (address, port); None where the proxy does not tell them (UNKNOWN, UNSPEC), or
    where they have none (UNIX sockets).
    secure: it spoke TLS with the proxy.
    """

    client: tuple[str, int] | None
    server: tuple[str, int] | None
    secure: bool = False


UNKNOWN_ENDS = ProxiedEnds(None, None)


class ProxyReader:
    """Reads one header, in whatever pieces it comes.

    done: it is complete.
    ends: its content; None where the connection is the proxy's own (LOCAL, a check of health).
    """

    __slots__ = ("done", "ends", "head")

    def __init__(self) -> None:
        self.done = False
        self.ends: ProxiedEnds | None = None
        self.head = b""

    @property
    def begun(self) -> bool:
        """Part of the header has come."""
        return bool(self.head)

    def feed(self, shown: bytes) -> int:
        """Read the bytes that come next, at least one. Returns how many of them are part of the
        header, from the first on. Raises ProxyHeaderError."""
        head = self.head + shown
        if begins_alike(head, SIGNATURE):
            end = self.read_binary(head)
        elif begins_alike(head, WORD):
            end = self.read_line(head)
        else:
            raise ProxyHeaderError("sends no PROXY header")
        taken = end - len(self.head)
        self.head = head[:end]
        return taken

    # Version 1.

    def read_line(self, head: bytes) -> int:
        end = head.find(b"\r\n", 0, LONGEST_LINE)
        if end < 0:
            if len(head) >= LONGEST_LINE:
                raise ProxyHeaderError("sends a PROXY line that does not end")
            return len(head)
        self.done = True
        self.ends = parse_line(head[:end])
        return end + 2

    # Version 2.

    def read_binary(self, head: bytes) -> int:
        if len(head) < FIXED_SIZE:
            return len(head)
        length = int.from_bytes(head[14:16], "big")
        if length > LONGEST_REST:
            raise ProxyHeaderError(f"sends a PROXY header of {length} bytes")
        end = FIXED_SIZE + length
        if len(head) < end:
            return len(head)
        self.done = True
        self.ends = parse_binary(head[:end])
        return end


def begins_alike(head: bytes, start: bytes) -> bool:
    """Whether `head`, which may be shorter, begins as `start` does."""
    return head[: len(start)] == start[: len(head)]


def looks_proxied(shown: bytes) -> bool:
    """Whether the first bytes of a connection are those of a PROXY header."""
    return shown.startswith((WORD, SIGNATURE))


def parse_line(line: bytes) -> ProxiedEnds:
    """Section 2.1: exactly one space between parts, decimal ports. Raises ProxyHeaderError."""
    parts = line.decode("latin-1").split(" ")
    if parts[1] == "UNKNOWN":
        # The rest of the line is to be ignored.
        return UNKNOWN_ENDS
    if len(parts) != 6 or parts[1] not in ("TCP4", "TCP6"):
        raise ProxyHeaderError("sends a malformed PROXY line")
    kind = IPv4Address if parts[1] == "TCP4" else IPv6Address
    try:
        client, server = (plain(kind(part)) for part in parts[2:4] if "%" not in part)
    except ValueError:
        raise ProxyHeaderError("sends a PROXY line with a wrong address") from None
    return ProxiedEnds((client, parse_port(parts[4])), (server, parse_port(parts[5])))


def plain(address: IPv4Address | IPv6Address) -> str:
    """The address as text; of a mapped one the IPv4 address that it is."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(address if mapped is None else mapped)


def parse_port(text: str) -> int:
    if PORT.fullmatch(text) is None or int(text) > 65535:
        raise ProxyHeaderError("sends a PROXY line with a wrong port")
    return int(text)


def parse_binary(head: bytes) -> ProxiedEnds | None:
    """Section 2.2: a whole header. Raises ProxyHeaderError."""
    command, family = head[12], head[13]
    if command == COMMAND_LOCAL:
        return None
    if command != COMMAND_PROXY:
        raise ProxyHeaderError("sends a PROXY header of another version or command")
    if family == UNSPECIFIED:
        return UNKNOWN_ENDS
    length = ADDRESS_LENGTHS.get(family)
    if length is None:
        raise ProxyHeaderError(f"sends a PROXY header of family 0x{family:02x}")
    if len(head) < FIXED_SIZE + length:
        raise ProxyHeaderError("sends a PROXY header too short for its addresses")
    tlvs = find_tlvs(head, FIXED_SIZE + length)
    if TLV_CRC32C in tlvs:
        check_sum(head, tlvs[TLV_CRC32C])
    security = head[tlvs.get(TLV_SSL, slice(0))]
    secure = bool(security) and bool(security[0] & CLIENT_SSL)
    if family == UNIX_STREAM:
        return ProxiedEnds(None, None, secure)
    kind, size = (IPv4Address, 4) if family == TCP4 else (IPv6Address, 16)
    addresses = head[FIXED_SIZE : FIXED_SIZE + length]
    client, server = (plain(kind(addresses[at : at + size])) for at in (0, size))
    ports = [int.from_bytes(addresses[at : at + 2], "big") for at in (2 * size, 2 * size + 2)]
    return ProxiedEnds((client, ports[0]), (server, ports[1]), secure)


def find_tlvs(head: bytes, at: int) -> dict[int, slice]:
    """Section 2.2: type, length, value. Where the value of each type is; of several of a type the
    last. Raises ProxyHeaderError."""
    found: dict[int, slice] = {}
    while at < len(head):
        begin = at + 3
        end = begin + int.from_bytes(head[at + 1 : begin], "big")
        if end > len(head):
            raise ProxyHeaderError("sends a PROXY header with a TLV that is cut off")
        found[head[at]] = slice(begin, end)
        at = end
    return found


def check_sum(head: bytes, place: slice) -> None:
    """Section 2.2.3: over the header with the sum itself as zeros. Raises ProxyHeaderError."""
    value = head[place]
    summed = head[: place.start] + bytes(len(value)) + head[place.stop :]
    if len(value) != 4 or crc32c(summed) != int.from_bytes(value, "big"):
        raise ProxyHeaderError("sends a PROXY header with a wrong checksum")


def crc32c(data: bytes) -> int:
    """RFC 3720 appendix B.4."""
    table = crc_table()
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


@cache
def crc_table() -> list[int]:
    """The change of the sum by each byte."""
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return table
