"""Addresses: their notations, and the errors for wrong ones."""

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
        ("unix://@name", UnixAddress("@name")),
        ("0:8000", TCPAddress("0", 8000)),
        ("*:8000", TCPAddress("*", 8000)),
        ("bücher.example:80", TCPAddress("bücher.example", 80)),
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
        (
            "9197",
            "'9197' has no host; give :9197 for all interfaces, or 127.0.0.1:9197 for "
            "this machine only",
        ),
        (
            "8080:80",
            "'8080:80' has no host; give :80 for all interfaces, or 127.0.0.1:80 for "
            "this machine only",
        ),
        ("8000:127.0.0.1", "'8000:127.0.0.1' has the port in front; give 127.0.0.1:8000"),
        (":", "':' has no host"),
        ("", "'' has no host"),
        ("http://a:9197/x", "'http://a:9197/x' is a URL; give a:9197"),
        ("http://localhost", "'http://localhost' is a URL; give localhost"),
        (
            "https://[::1]:8443",
            "'https://[::1]:8443' is a URL; give [::1]:8443; --ssl-certfile turns TLS on",
        ),
        ("http://", "'http://' is a URL; give HOST:PORT, unix:PATH or fd://N"),
        ("file:///a", "'file:///a' is a URL; give HOST:PORT, unix:PATH or fd://N"),
        ("fd:3", "'fd:3' is not fd://N; give fd://3"),
        ("/run/a.sock", "'/run/a.sock' has no host; for a UNIX socket give unix:/run/a.sock"),
        ("./a.sock", "'./a.sock' has no host; for a UNIX socket give unix:./a.sock"),
        ("@name", "'@name' has no host; for a UNIX socket give unix:@name"),
        ("run/a.sock", "'run/a.sock' is not a host: no name has '/' in it"),
        ("127.0.0.1,8000", "'127.0.0.1,8000' is not a host: no name has ',' in it"),
        ("a b:80", "'a b' is not a host: no name has ' ' in it"),
        ("[::1", "'[::1' is not [IPV6]:PORT"),
        ("[::1]80", "'[::1]80' is not [IPV6]:PORT"),
        ("[]:80", "'[]:80' has no host"),
        ("::1", "'::1' has several colons; write an IPv6 address as [::1]:8000"),
        ("::1:9197", "'::1:9197' has several colons; write an IPv6 address as [::1]:9197"),
        ("fe80::1", "'fe80::1' has several colons; write an IPv6 address as [fe80::1]:8000"),
        ("a:b:c", "'a:b:c' has several colons; write an IPv6 address as [IPV6]:PORT"),
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
