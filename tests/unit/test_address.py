"""Addresses: what operators type, and what they are told when it is wrong."""

import pytest

from bascule.address import Address, FDAddress, TCPAddress, UnixAddress, parse_address, parse_port


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8000", TCPAddress("127.0.0.1", 8000)),
        ("localhost", TCPAddress("localhost", 8000)),
        ("localhost:", TCPAddress("localhost", 8000)),
        (":9000", TCPAddress("0.0.0.0", 9000)),
        ("example.org:0", TCPAddress("example.org", 0)),
        ("[::1]:80", TCPAddress("::1", 80)),
        ("[::]", TCPAddress("::", 8000)),
        ("unix:/run/a.sock", UnixAddress("/run/a.sock")),
        ("unix:a.sock", UnixAddress("a.sock")),
        ("unix:///run/a.sock", UnixAddress("/run/a.sock")),
        ("unix:@name", UnixAddress("@name")),
        ("fd://3", FDAddress(3)),
    ],
)
def test_address_is_read(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("unix:", "'unix:' has no path after 'unix:'"),
        ("unix:@", "'unix:@' has no path after 'unix:'"),
        ("fd://", "'fd://' needs a number after 'fd://', such as fd://3"),
        ("fd://x", "'fd://x' needs a number after 'fd://', such as fd://3"),
        ("fd://²", "'fd://²' needs a number after 'fd://', such as fd://3"),
        ("http://a", "'http://a' is a URL; give HOST:PORT, unix:PATH or fd://N"),
        ("[::1", "'[::1' is not [IPV6]:PORT"),
        ("[::1]80", "'[::1]80' is not [IPV6]:PORT"),
        ("[]:80", "'[]:80' has no host"),
        ("::1", "'::1' has several colons; write an IPv6 address as [::1]:PORT"),
        ("a:b", "'b' is not a port; a port is a number from 0 to 65535"),
        ("a:-1", "'-1' is not a port; a port is a number from 0 to 65535"),
        ("a:65536", "'65536' is not a port; a port is a number from 0 to 65535"),
        ("a:٣", "'٣' is not a port; a port is a number from 0 to 65535"),
    ],
)
def test_address_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the whole message is compared
        parse_address(text)
    assert str(caught.value) == sentence


def test_port() -> None:
    assert parse_port("0") == 0
    assert parse_port("65535") == 65535
