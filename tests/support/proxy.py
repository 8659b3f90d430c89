"""PROXY headers, which a load balancer sends before the client's bytes, well formed or not."""

import struct
from ipaddress import ip_address

from bascule.protocols.proxy import SIGNATURE, crc32c


def line(client: str = "198.51.100.7", port: int = 50000) -> bytes:
    """A header of version 1, from `client` to 192.0.2.1 port 443."""
    return f"PROXY TCP4 {client} 192.0.2.1 {port} 443\r\n".encode()


def binary(command: int, family: int, rest: bytes) -> bytes:
    """A header of version 2 with any content."""
    return SIGNATURE + struct.pack("!BBH", command, family, len(rest)) + rest


def binary_line(client: str = "198.51.100.7", port: int = 50000, tlvs: bytes = b"") -> bytes:
    """A header of version 2 that says what `line` does."""
    addresses = ip_address(client).packed + ip_address("192.0.2.1").packed
    return binary(0x21, 0x11, addresses + struct.pack("!HH", port, 443) + tlvs)


def tlv(kind: int, value: bytes) -> bytes:
    return struct.pack("!BH", kind, len(value)) + value


def checked(command: int, family: int, rest: bytes) -> bytes:
    """A header of version 2 with its checksum at the end."""
    header = binary(command, family, rest + tlv(0x03, bytes(4)))
    return header[:-4] + struct.pack("!I", crc32c(header))
