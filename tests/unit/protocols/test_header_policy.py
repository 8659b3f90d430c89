"""protocols/headers.py: which names mean something, which authorities and lengths are valid."""

import pytest

from bascule.protocols import headers
from bascule.protocols.headers import (
    CONNECTION,
    CONTENT_LENGTH,
    EXPECT,
    FIELD_VALUE,
    FORBIDDEN_TRAILERS,
    FORWARDING,
    FORWARDING_NAMES,
    HOP_BY_HOP,
    HOST,
    LONGEST_NAME_REMEMBERED,
    NAMES_REMEMBERED,
    PLAIN,
    TOKEN,
    TRANSFER_ENCODING,
    UNDERSCORE,
    UPGRADE,
    HostCache,
    NameCache,
    is_forwarding,
    parse_length,
)

# RFC 9110 section 5.6.2, written out.
TCHAR = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


def test_a_name_is_a_token() -> None:
    allowed = {byte for byte in range(256) if TOKEN.fullmatch(b"x%cy" % byte)}
    assert allowed == TCHAR


def test_a_value_has_no_control_byte_but_tab() -> None:
    allowed = {byte for byte in range(256) if FIELD_VALUE.fullmatch(b"x%cy" % byte)}
    assert allowed == {9, *range(32, 127), *range(128, 256)}


@pytest.mark.parametrize(
    ("name", "lower", "kind"),
    [
        (b"X-Thing", b"x-thing", PLAIN),
        (b"CONTENT-LENGTH", b"content-length", CONTENT_LENGTH),
        (b"transfer-Encoding", b"transfer-encoding", TRANSFER_ENCODING),
        (b"Connection", b"connection", CONNECTION),
        (b"Host", b"host", HOST),
        (b"Expect", b"expect", EXPECT),
        (b"Upgrade", b"upgrade", UPGRADE),
        (b"Keep-Alive", b"keep-alive", HOP_BY_HOP),
        (b"Proxy-Connection", b"proxy-connection", HOP_BY_HOP),
        (b"Content_Length", b"content_length", UNDERSCORE),
        (b"HTTP_HOST", b"http_host", UNDERSCORE),
        (b"_", b"_", UNDERSCORE),
    ],
)
def test_names_are_classified_by_their_lower_case(name: bytes, lower: bytes, kind: int) -> None:
    assert NameCache().learn(name) == (lower, kind)


@pytest.mark.parametrize("name", [b"", b" ", b"a b", b"a:", b"caf\xe9", b"a\r\nb", b"a\n", b"\0"])
def test_what_is_no_token_is_no_name(name: bytes) -> None:
    cache = NameCache()
    with pytest.raises(ValueError, match="not a field name"):
        cache.learn(name)
    assert not cache.known


def test_a_name_is_remembered_as_it_was_written() -> None:
    cache = NameCache()
    entry = cache.learn(b"X-Thing")
    assert cache.known == {b"X-Thing": entry}


def test_a_peer_cannot_fill_memory_with_names() -> None:
    cache = NameCache()
    for number in range(2 * NAMES_REMEMBERED):
        assert cache.learn(b"x-%d" % number) == (b"x-%d" % number, PLAIN)
    cache.known.clear()
    long_name = b"x" * (LONGEST_NAME_REMEMBERED + 1)
    assert cache.learn(long_name) == (long_name, PLAIN)
    assert not cache.known


def test_known_names_stay_bounded() -> None:
    cache = NameCache()
    for number in range(2 * NAMES_REMEMBERED):
        cache.learn(b"x-%d" % number)
    assert len(cache.known) == NAMES_REMEMBERED


@pytest.mark.parametrize(
    "host",
    [
        b"a.example",
        b"a.example:8000",
        b"a.example:",
        b"127.0.0.1",
        b"127.0.0.1:80",
        b"[::1]",
        b"[::1]:8000",
        b"[2001:db8::ff00:42:8329]",
        b"[::ffff:192.0.2.1]:80",
        b"my_service",
        b"A.EXAMPLE.",
        b"a%2db",
        b"xn--bcher-kva.example",
    ],
)
def test_valid_authorities(host: bytes) -> None:
    cache = HostCache()
    assert cache.learn(host)
    assert cache.known == {host}


@pytest.mark.parametrize(
    "host",
    [
        *(b"", b":80", b" ", b"a b", b"a/b", b"a?b", b"a#b", b"a@b", b"a\\b", b'a"b', b"<a>"),
        *(b"a\0b", b"a\r\n", b"a\n", b"caf\xe9", b"a:b", b"a:8a", b"a:-1", b"a:80:80"),
        *(b"::1", b"[::1", b"::1]", b"[]", b"[::1]x", b"[a.example]", b"[::1]]", b"[[::1]]"),
        *(b"a:123456", b"a%", b"a%2", b"a%zz", b"[1]", b"[:::1]", b"[1:2:3:4:5:6:7:8:9]"),
    ],
)
def test_invalid_authorities(host: bytes) -> None:
    cache = HostCache()
    assert not cache.learn(host)
    assert not cache.known


def test_a_peer_cannot_fill_memory_with_hosts() -> None:
    cache = HostCache()
    for number in range(2 * NAMES_REMEMBERED):
        assert cache.learn(b"h%d.example" % number)
    assert len(cache.known) <= NAMES_REMEMBERED
    cache.known.clear()
    # A host name has at most 253 bytes; what is longer may be valid, but is not worth keeping.
    cache.learn(b"a" * 60000)
    assert sum(len(host) for host in cache.known) < 1000


@pytest.mark.parametrize(
    ("value", "length"),
    [
        (b"0", 0),
        (b"5", 5),
        (b"0005", 5),
        (b"9223372036854775807", 2**63 - 1),
        (b"0000000000000000001", 1),
    ],
)
def test_lengths(value: bytes, length: int) -> None:
    assert parse_length(value) == length


@pytest.mark.parametrize(
    "value",
    [
        *(b"", b" ", b"+5", b"-5", b"-0", b"0x5", b"5_0", b"5 5", b" 5", b"5 ", b"5,5", b"5, 5"),
        *(b"5.0", b"1e1", b"a", b"5\0", b"5\n", b"\x0b5", b"\xb2", b"\xd9\xa5", b"5\x85"),
        *(b"9223372036854775808", b"18446744073709551616", b"9" * 5000, b"0" * 5000),
    ],
)
def test_what_is_no_length(value: bytes) -> None:
    assert parse_length(value) == -1


def test_framing_and_routing_may_not_come_as_trailers() -> None:
    never = {b"transfer-encoding", b"content-length", b"host", b"trailer", b"connection", b"te"}
    assert never <= FORBIDDEN_TRAILERS
    assert all(name == name.lower() for name in FORBIDDEN_TRAILERS)


def test_what_describes_may_come_as_a_trailer() -> None:
    may = {b"vary", b"content-type", b"date", b"cache-control", b"etag", b"server-timing"}
    assert not may & FORBIDDEN_TRAILERS


def test_every_name_with_a_meaning_is_lower_case() -> None:
    assert all(name == name.lower() and TOKEN.fullmatch(name) for name in headers.KINDS)


@pytest.mark.parametrize(
    "name", [*sorted(FORWARDING_NAMES), b"x-forwarded", b"x-forwarded-for", b"x-forwarded-any"]
)
def test_names_of_proxies_in_every_spelling(name: bytes) -> None:
    """The same key of an environ is the same name."""
    assert NameCache().learn(name.title()) == (name, FORWARDING)
    half = name.replace(b"-", b"_", 1)
    for spelled in (name, half, name.replace(b"-", b"_")):
        assert is_forwarding(spelled)
        if spelled != name:
            assert NameCache().learn(spelled)[1] == UNDERSCORE


@pytest.mark.parametrize(
    "name",
    [b"x-forward", b"x-real-ips", b"real-ip", b"via", b"host", b"x-requested-with", b"for", b"_"],
)
def test_names_that_are_no_proxys(name: bytes) -> None:
    assert not is_forwarding(name)
    assert NameCache().learn(name)[1] != FORWARDING
