"""The PROXY protocol: both versions, in every cut, and nothing taken that is not the header's."""

import struct
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.protocols.proxy import (
    LONGEST_LINE,
    LONGEST_REST,
    SIGNATURE,
    UNKNOWN_ENDS,
    ProxiedEnds,
    ProxyHeaderError,
    ProxyReader,
    crc32c,
    looks_proxied,
)
from support.proxy import binary, checked, tlv

REST = b"\x16\x03\x01what comes after it"


def read(data: bytes, size: int = 65536) -> tuple[ProxyReader, bytes]:
    """Show a reader what a socket would, and take from it what it takes; returns what is left."""
    reader = ProxyReader()
    while not reader.done:
        shown = data[:size]
        if not shown:
            break
        taken = reader.feed(shown)
        assert 0 < taken <= len(shown)
        data = data[taken:]
    return reader, data


def ends_of(header: bytes) -> ProxiedEnds | None:
    """The content of a header, the same in every cut, with nothing behind it touched."""
    found = []
    for size in (1, 2, 7, 16, 65536):
        reader, left = read(header + REST, size)
        assert reader.done
        assert left == REST
        found.append(reader.ends)
    assert all(one == found[0] for one in found)
    return found[0]


def refusal(data: bytes) -> str:
    with pytest.raises(ProxyHeaderError) as caught:
        read(data)
    return str(caught.value)


# Version 1.


@pytest.mark.parametrize(
    ("line", "ends"),
    [
        (
            b"PROXY TCP4 198.51.100.7 192.0.2.1 50000 443",
            ProxiedEnds(("198.51.100.7", 50000), ("192.0.2.1", 443)),
        ),
        (
            b"PROXY TCP6 2001:DB8::7 2001:db8:0::1 1 65535",
            ProxiedEnds(("2001:db8::7", 1), ("2001:db8::1", 65535)),
        ),
        (
            b"PROXY TCP6 ::ffff:198.51.100.7 ::ffff:192.0.2.1 0 80",
            ProxiedEnds(("198.51.100.7", 0), ("192.0.2.1", 80)),
        ),
        (b"PROXY UNKNOWN", UNKNOWN_ENDS),
        (b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535", UNKNOWN_ENDS),
        # The longest there is, section 2.1.
        (
            b"PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
            b"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535",
            UNKNOWN_ENDS,
        ),
    ],
)
def test_line(line: bytes, ends: ProxiedEnds) -> None:
    assert ends_of(line + b"\r\n") == ends


@pytest.mark.parametrize(
    "line",
    [
        b"PROXY ",
        b"PROXY TCP4",
        b"PROXY TCP5 198.51.100.7 192.0.2.1 1 2",
        b"PROXY tcp4 198.51.100.7 192.0.2.1 1 2",
        b"PROXY TCP4 198.51.100.7 192.0.2.1 1",
        b"PROXY TCP4 198.51.100.7 192.0.2.1 1 2 3",
        b"PROXY TCP4  198.51.100.7 192.0.2.1 1 2",
        b"PROXY TCP4 198.51.100.7 192.0.2.1 1 65536",
        b"PROXY TCP4 198.51.100.7 192.0.2.1 1 -2",
        b"PROXY TCP4 198.51.100.7 192.0.2.1 01 2",
        b"PROXY TCP4 198.51.100.7 192.0.2.1 \xb2 2",
        b"PROXY TCP4 198.51.100.07 192.0.2.1 1 2",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 1 2",
        b"PROXY TCP6 198.51.100.7 192.0.2.1 1 2",
        b"PROXY TCP6 fe80::1%x fe80::2 1 2",
        b"PROXY TCP4 198.51.100.7 192.0.2.1 1 2\n",
        b"PROXY UNKNOWNX",
    ],
)
def test_malformed_line(line: bytes) -> None:
    assert refusal(line + b"\r\n").startswith("sends a")


def test_line_that_is_too_long() -> None:
    assert "does not end" in refusal(b"PROXY UNKNOWN " + b"x" * LONGEST_LINE + b"\r\n")
    most = b"PROXY UNKNOWN ".ljust(LONGEST_LINE - 2, b"x")
    assert ends_of(most + b"\r\n") == UNKNOWN_ENDS
    assert "does not end" in refusal(most + b"x\r\n")


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\n",
        b"PROPFIND / HTTP/1.1\r\n",
        b"proxy TCP4",
        b"\x16\x03\x01",
        b"\r\n\r\nGET",
        b"\0",
    ],
)
def test_something_else(data: bytes) -> None:
    assert refusal(data) == "sends no PROXY header"
    assert not looks_proxied(data)


# Version 2.

V4 = (IPv4Address("198.51.100.7").packed, IPv4Address("192.0.2.1").packed)
V6 = (IPv6Address("2001:db8::7").packed, IPv6Address("2001:db8::1").packed)
TCP4 = b"".join(V4) + struct.pack("!HH", 50000, 443)
TCP6 = b"".join(V6) + struct.pack("!HH", 50000, 443)
ENDS = ProxiedEnds(("198.51.100.7", 50000), ("192.0.2.1", 443))
ENDS6 = ProxiedEnds(("2001:db8::7", 50000), ("2001:db8::1", 443))


@pytest.mark.parametrize(
    ("header", "ends"),
    [
        (binary(0x21, 0x11, TCP4), ENDS),
        (binary(0x21, 0x21, TCP6), ENDS6),
        (binary(0x21, 0x11, TCP4 + tlv(0x04, bytes(40)) + tlv(0xEA, b"\x01vpce")), ENDS),
        (binary(0x21, 0x31, bytes(216)), UNKNOWN_ENDS),
        (binary(0x21, 0x31, bytes(216) + tlv(0x02, b"example.com")), UNKNOWN_ENDS),
        (binary(0x21, 0x00, b""), UNKNOWN_ENDS),
        (binary(0x21, 0x00, b"anything"), UNKNOWN_ENDS),
        (binary(0x20, 0x00, b""), None),
        (binary(0x20, 0x11, TCP4), None),
        (binary(0x20, 0x77, b"anything"), None),
        (
            binary(0x21, 0x11, TCP4 + tlv(0x20, b"\x01" + bytes(4))),
            ProxiedEnds(ENDS.client, ENDS.server, True),
        ),
        (binary(0x21, 0x11, TCP4 + tlv(0x20, b"\x00" + bytes(4))), ENDS),
        (binary(0x21, 0x11, TCP4 + tlv(0x20, b"")), ENDS),
        (binary(0x21, 0x11, TCP4 + tlv(0x04, bytes(LONGEST_REST - 15))), ENDS),
    ],
)
def test_binary(header: bytes, ends: ProxiedEnds | None) -> None:
    assert ends_of(header) == ends


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (binary(0x11, 0x11, TCP4), "another version or command"),
        (binary(0x31, 0x11, TCP4), "another version or command"),
        (binary(0x22, 0x11, TCP4), "another version or command"),
        (binary(0x21, 0x12, TCP4), "of family 0x12"),
        (binary(0x21, 0x41, TCP4), "of family 0x41"),
        (binary(0x21, 0x11, TCP4[:-1]), "too short"),
        (binary(0x21, 0x21, TCP4), "too short"),
        (binary(0x21, 0x31, bytes(215)), "too short"),
        (binary(0x21, 0x11, TCP4 + b"\x04"), "cut off"),
        (binary(0x21, 0x11, TCP4 + b"\x04\0\x02x"), "cut off"),
        (binary(0x21, 0x11, bytes(LONGEST_REST + 1)), f"of {LONGEST_REST + 1} bytes"),
    ],
)
def test_malformed_binary(header: bytes, reason: str) -> None:
    assert reason in refusal(header)


def test_too_long_a_header_is_refused_by_its_length() -> None:
    """No connection waits for it."""
    assert "of 65535 bytes" in refusal(SIGNATURE + b"\x21\x11\xff\xff")


def test_checksum() -> None:
    # RFC 3720 appendix B.4.
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    header = checked(0x21, 0x11, TCP4 + tlv(0x04, b"\x03\0\x04" + bytes(4)))
    assert ends_of(header) == ENDS
    for at in (16, 20, len(header) - 1):
        wrong = header[:at] + bytes([header[at] ^ 1]) + header[at + 1 :]
        assert "wrong checksum" in refusal(wrong)
    assert "wrong checksum" in refusal(binary(0x21, 0x11, TCP4 + tlv(0x03, bytes(3))))


def test_incomplete_is_neither_done_nor_wrong() -> None:
    for header in (b"PROXY TCP4 198.51.100.7 192.0.2.1 1 2\r", binary(0x21, 0x11, TCP4)[:-1]):
        for length in range(1, len(header) + 1):
            reader, left = read(header[:length])
            assert not reader.done
            assert reader.begun
            assert left == b""


STARTS = st.sampled_from(
    [b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11\0\x0c"]
)


@given(STARTS, st.binary(max_size=300), st.integers(1, 40))
def test_any_bytes_are_read_or_refused(start: bytes, data: bytes, size: int) -> None:
    """The same in every cut, with nothing taken beyond the header."""
    whole = outcome(start + data, 65536)
    assert outcome(start + data, size) == whole
    if isinstance(whole, str):
        assert whole.isprintable()


def outcome(data: bytes, size: int) -> object:
    try:
        reader, left = read(data, size)
    except ProxyHeaderError as error:
        return str(error)
    return reader.done, reader.ends, left if reader.done else b""


@given(st.ip_addresses(v=4), st.ip_addresses(v=4), st.integers(0, 65535), st.integers(0, 65535))
def test_both_versions_say_the_same(
    client: IPv4Address, server: IPv4Address, ours: int, theirs: int
) -> None:
    line = f"PROXY TCP4 {client} {server} {ours} {theirs}\r\n".encode()
    packed = client.packed + server.packed + struct.pack("!HH", ours, theirs)
    expected = ProxiedEnds((str(client), ours), (str(server), theirs))
    assert ends_of(line) == expected
    assert ends_of(binary(0x21, 0x11, packed)) == expected
