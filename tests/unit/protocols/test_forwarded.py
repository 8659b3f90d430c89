"""Statements of proxies: X-Forwarded-*, Forwarded (RFC 7239), and both."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.protocols.forwarded import (
    ANSWERS_REMEMBERED,
    Forwarded,
    ForwardedError,
    ForwardedReader,
    parse_elements,
)
from bascule.protocols.peers import TrustedPeers

PROXIES = ("10.0.0.0/8", "fd00::/8")
ALL = (
    b"x-forwarded-for",
    b"x-forwarded-proto",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"x-forwarded-prefix",
    b"forwarded",
)


def read(
    *fields: tuple[str, str], trusted: tuple[str, ...] = PROXIES, names: tuple[bytes, ...] = ALL
) -> Forwarded | None:
    reader = ForwardedReader(names, TrustedPeers(trusted))
    data = [(name.encode(), value.encode("latin-1")) for name, value in fields]
    first = reader.read(data)
    assert reader.read(data) == first, "the second time it is remembered"
    return first


def client_of(*values: str, trusted: tuple[str, ...] = PROXIES) -> object:
    answer = read(*(("x-forwarded-for", value) for value in values), trusted=trusted)
    assert answer is not None
    return answer.client if answer.names_client else "nobody"


def refusal(*fields: tuple[str, str], trusted: tuple[str, ...] = PROXIES) -> str:
    with pytest.raises(ForwardedError) as caught:
        read(*fields, trusted=trusted)
    return str(caught.value)


# X-Forwarded-For.


@pytest.mark.parametrize(
    ("values", "client"),
    [
        (["198.51.100.7"], ("198.51.100.7", 0)),
        (["198.51.100.7:4321"], ("198.51.100.7", 4321)),
        (["2001:db8::7"], ("2001:db8::7", 0)),
        (["2001:DB8:0::7"], ("2001:db8::7", 0)),
        (["[2001:db8::7]"], ("2001:db8::7", 0)),
        (["[2001:db8::7]:4321"], ("2001:db8::7", 4321)),
        (["::ffff:198.51.100.7"], ("198.51.100.7", 0)),
        # The walk from the right.
        (["6.6.6.6, 198.51.100.7"], ("198.51.100.7", 0)),
        (["6.6.6.6, 198.51.100.7, 10.0.0.2"], ("198.51.100.7", 0)),
        (["6.6.6.6, 198.51.100.7:1, 10.0.0.2:80, fd00::1"], ("198.51.100.7", 1)),
        (["6.6.6.6,198.51.100.7 ,\t::ffff:10.0.0.2"], ("198.51.100.7", 0)),
        (["10.0.0.9, 198.51.100.7, 10.0.0.2"], ("198.51.100.7", 0)),
        # All trusted: the leftmost.
        (["10.0.0.4"], ("10.0.0.4", 0)),
        (["10.0.0.5, 10.0.0.4"], ("10.0.0.5", 0)),
        # Several lines are one list.
        (["6.6.6.6", "198.51.100.7", "10.0.0.2"], ("198.51.100.7", 0)),
        (["198.51.100.7", "10.0.0.2"], ("198.51.100.7", 0)),
        # Entries that the client made up are ignored, so they may be anything.
        (["<script>, 198.51.100.7"], ("198.51.100.7", 0)),
        (["\x80, 1.2.3.4.5, 198.51.100.7, 10.0.0.2"], ("198.51.100.7", 0)),
        # Empty members of a list do not count.
        ([", 198.51.100.7,, 10.0.0.2 ,"], ("198.51.100.7", 0)),
        # A client that the proxy does not name.
        (["unknown"], None),
        (["198.51.100.7, unknown, 10.0.0.2"], None),
        (["198.51.100.7, UNKNOWN"], None),
        (["198.51.100.7, _hidden"], None),
        (["198.51.100.7, unix:"], None),
        # Nothing is said.
        ([""], "nobody"),
        ([" , "], "nobody"),
    ],
)
def test_client(values: list[str], client: object) -> None:
    assert client_of(*values) == client


def test_nginx_behind_nginx_on_a_unix_socket() -> None:
    assert client_of("198.51.100.7, unix:", trusted=("unix",)) == ("198.51.100.7", 0)


def test_everybody_is_trusted_so_the_leftmost_is_the_client() -> None:
    assert client_of("6.6.6.6, 198.51.100.7, 10.0.0.2", trusted=("*",)) == ("6.6.6.6", 0)


@pytest.mark.parametrize(
    "value",
    [
        "localhost",
        "198.51.100",
        "198.51.100.07",
        "198.51.100.7:",
        "198.51.100.7:65536",
        "198.51.100.7:x",
        "[198.51.100.7",
        "[198.51.100.7]x",
        "[2001:db8::7]:",
        "2001:db8::7]",
        "2001:db8::7%eth0",
        "[2001:db8::7%<script>]",
        "198.51.100.7 10.0.0.2",
        '"198.51.100.7"',
        "<script>",
        "\xe9",
        "198.51.100.7, x, 10.0.0.2",
    ],
)
def test_malformed_client(value: str) -> None:
    assert refusal(("x-forwarded-for", value)).endswith("is no address")


# Scheme, host, port, prefix.


@pytest.mark.parametrize(
    ("value", "scheme"),
    [
        ("http", "http"),
        ("https", "https"),
        ("ws", "http"),
        ("wss", "https"),
        ("HTTPS", "https"),
        ("", ""),
        ("https, https", "https"),
    ],
)
def test_scheme(value: str, scheme: str) -> None:
    answer = read(("x-forwarded-proto", value))
    assert answer is not None
    assert answer.scheme == scheme


@pytest.mark.parametrize("value", ["ftp", "https:", "https://", "on", "https;", "\xe9"])
def test_malformed_scheme(value: str) -> None:
    assert refusal(("x-forwarded-proto", value)).endswith("is neither http nor https")


def test_list_of_schemes_is_read_beside_the_client() -> None:
    chain = ("x-forwarded-for", "6.6.6.6, 198.51.100.7, 10.0.0.2")
    for schemes, scheme in [("http, https, http", "https"), ("https, http, https", "http")]:
        answer = read(chain, ("x-forwarded-proto", schemes))
        assert answer is not None
        assert answer.scheme == scheme


def test_several_schemes_beside_nothing_are_contradictory() -> None:
    assert refusal(("x-forwarded-proto", "https, http")) == (
        "x-forwarded-proto has 2 different values"
    )
    chain = ("x-forwarded-for", "6.6.6.6, 198.51.100.7, 10.0.0.2")
    assert "2 different" in refusal(
        chain, ("x-forwarded-proto", "https"), ("x-forwarded-proto", "http")
    )


@pytest.mark.parametrize(
    "host", ["example.com", "example.com:8443", "192.0.2.1", "[2001:db8::1]:80", "a_b.example"]
)
def test_host(host: str) -> None:
    answer = read(("x-forwarded-host", host))
    assert answer is not None
    assert answer.host == host.encode()


@pytest.mark.parametrize(
    "host", ["a b", "a/b", "evil@example.com", "a:b", "[::1", "[zz]", "a:123456", "\xe9", 'a"b']
)
def test_malformed_host(host: str) -> None:
    assert refusal(("x-forwarded-host", host)).endswith("is not a host with an optional port")


@pytest.mark.parametrize(("value", "port"), [("443", 443), ("65535", 65535), ("1", 1), ("", 0)])
def test_port(value: str, port: int) -> None:
    answer = read(("x-forwarded-port", value))
    assert answer is not None
    assert answer.port == port


@pytest.mark.parametrize("value", ["0", "65536", "080", "+80", "8_0", "x", "80 81"])
def test_malformed_port(value: str) -> None:
    assert refusal(("x-forwarded-port", value)).endswith("is not a port")


@pytest.mark.parametrize(
    ("value", "prefix"),
    [("/shop", "/shop"), ("/shop/", "/shop"), ("/a/b.c~d", "/a/b.c~d"), ("/", ""), ("", "")],
)
def test_prefix(value: str, prefix: str) -> None:
    answer = read(("x-forwarded-prefix", value))
    assert answer is not None
    assert answer.prefix == prefix


@pytest.mark.parametrize(
    "value",
    ["shop", "//evil.example", "/a//b", "/a?b", "/a#b", "/%2f", "/a b", "/\xe9", "/a\\b", "/a//"],
)
def test_malformed_prefix(value: str) -> None:
    assert refusal(("x-forwarded-prefix", value)).endswith("is not a path such as /shop")


# Forwarded.


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        ("for=198.51.100.7", Forwarded(True, ("198.51.100.7", 0))),
        ("For=198.51.100.7", Forwarded(True, ("198.51.100.7", 0))),
        ('for="198.51.100.7:4321"', Forwarded(True, ("198.51.100.7", 4321))),
        ("for=198.51.100.7:4321", Forwarded(True, ("198.51.100.7", 4321))),
        ('for="[2001:db8::7]:4321"', Forwarded(True, ("2001:db8::7", 4321))),
        (r'for="198\.51.100.7"', Forwarded(True, ("198.51.100.7", 0))),
        ('for="_hidden:_port"', Forwarded(True, None)),
        ("for=unknown;proto=https", Forwarded(True, None, "https")),
        (
            "for=198.51.100.7;proto=https;host=example.com;by=10.0.0.1;x=y",
            Forwarded(True, ("198.51.100.7", 0), "https", b"example.com"),
        ),
        (
            ' for=198.51.100.7 ; host="a.example:81" ',
            Forwarded(True, ("198.51.100.7", 0), "", b"a.example:81"),
        ),
        ("proto=https", Forwarded(False, None, "https")),
        # The element that names the client says the rest, too.
        (
            "for=6.6.6.6;host=evil.example, for=198.51.100.7;proto=https, for=10.0.0.2;proto=http",
            Forwarded(True, ("198.51.100.7", 0), "https"),
        ),
        (
            "for=10.0.0.3;proto=https, for=10.0.0.2",
            Forwarded(True, ("10.0.0.3", 0), "https"),
        ),
        # A trusted proxy that does not name its client: entries to the left of it are not used.
        (
            "for=6.6.6.6;host=evil.example, proto=https, for=10.0.0.2",
            Forwarded(True, None, "https"),
        ),
        ("", Forwarded()),
        (" , ;", Forwarded()),
    ],
)
def test_forwarded(value: str, answer: Forwarded) -> None:
    assert read(("forwarded", value)) == answer


def test_several_lines_of_forwarded_are_one_list() -> None:
    answer = read(("forwarded", "for=198.51.100.7"), ("forwarded", "for=10.0.0.2"))
    assert answer == Forwarded(True, ("198.51.100.7", 0))


def test_forwarded_with_everybody_trusted() -> None:
    answer = read(("forwarded", "for=6.6.6.6;proto=https, for=10.0.0.2"), trusted=("*",))
    assert answer == Forwarded(True, ("6.6.6.6", 0), "https")


@pytest.mark.parametrize(
    "value",
    [
        "for",
        "for=",
        "=1",
        'for="198.51.100.7',
        "for=a b",
        'for="a"b',
        "for=198.51.100.7/proto=https",
        'for="\x7f"',
        "for=198.51.100.7;for=6.6.6.6",
        "for=198.51.100.7;FOR=6.6.6.6",
        "for=localhost",
        "proto=ftp",
        "host=a/b",
        'host="a b"',
    ],
)
def test_malformed_forwarded(value: str) -> None:
    assert refusal(("forwarded", value))


# Both.


def test_both_that_agree() -> None:
    answer = read(
        ("forwarded", 'for="198.51.100.7:4321";proto=https'),
        ("x-forwarded-for", "198.51.100.7"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "example.com"),
        ("x-forwarded-port", "443"),
        ("x-forwarded-prefix", "/shop"),
    )
    assert answer == Forwarded(True, ("198.51.100.7", 4321), "https", b"example.com", 443, "/shop")


@pytest.mark.parametrize(
    ("standard", "name", "value"),
    [
        ("for=6.6.6.6", "x-forwarded-for", "198.51.100.7"),
        ("for=198.51.100.7", "x-forwarded-for", "6.6.6.6"),
        ("for=unknown", "x-forwarded-for", "6.6.6.6"),
        ("proto=https", "x-forwarded-proto", "http"),
        ("host=a.example", "x-forwarded-host", "b.example"),
    ],
)
def test_both_that_contradict_each_other(standard: str, name: str, value: str) -> None:
    assert "name different" in refusal(("forwarded", standard), (name, value))


# In general.


def test_only_the_names_that_are_to_be_believed_are_read() -> None:
    names = (b"x-forwarded-for",)
    assert read(("x-forwarded-host", "a b"), ("forwarded", "x"), names=names) is None
    answer = read(("x-forwarded-proto", "x"), ("x-forwarded-for", "1.2.3.4"), names=names)
    assert answer == Forwarded(True, ("1.2.3.4", 0))


def test_nothing_said() -> None:
    assert read(("host", "example.com"), ("x-real-ip", "1.2.3.4")) is None


def test_what_is_remembered_is_bounded() -> None:
    reader = ForwardedReader(ALL, TrustedPeers(PROXIES))
    for number in range(2 * ANSWERS_REMEMBERED + 5):
        reader.read([(b"x-forwarded-for", b"198.51.%d.%d" % divmod(number, 256))])
        assert len(reader.known) <= ANSWERS_REMEMBERED
    known = len(reader.known)
    assert reader.read([(b"x-forwarded-for", b"x, " * 100 + b"198.51.100.7")]) is not None
    assert len(reader.known) == known, "what is long is not remembered"


NAMES = st.sampled_from([*ALL, b"host", b"x-real-ip"])
WORDS = st.sampled_from(
    [b"198.51.100.7", b"10.0.0.2", b"[::1]:80", b"unknown", b"for=", b"proto=", b"host=", b"https",
     b'"', b"\\", b",", b";", b" ", b"=", b":", b"/a", b"443", b"unix:", b"*"]
)  # fmt: skip
VALUES = st.one_of(st.binary(max_size=40), st.lists(WORDS, max_size=8).map(b"".join))


def attempt(reader: ForwardedReader, fields: list[tuple[bytes, bytes]]) -> Forwarded | str | None:
    try:
        return reader.read(fields)
    except ForwardedError as error:
        return str(error)


@given(
    st.lists(st.tuples(NAMES, VALUES), max_size=6),
    st.sampled_from([PROXIES, ("*",), ("unix",), ()]),
)
def test_any_bytes_are_read_or_refused(
    fields: list[tuple[bytes, bytes]], trusted: tuple[str, ...]
) -> None:
    """Never raises anything else, remembers nothing that changes the answer, and what it tells is
    an address, a host, a path."""
    reader = ForwardedReader(ALL, TrustedPeers(trusted))
    answer = attempt(reader, fields)
    assert attempt(reader, fields) == answer
    if isinstance(answer, str):
        assert answer.isprintable()
    if isinstance(answer, Forwarded):
        assert answer.scheme in ("", "http", "https")
        assert re.fullmatch(r"(?:/[!-~]+)?", answer.prefix)
        assert 0 <= answer.port <= 65535
        if answer.client is not None:
            assert answer.names_client
            assert re.fullmatch(r"[0-9a-f.:]+", answer.client[0])
            assert 0 <= answer.client[1] <= 65535


@given(st.lists(st.ip_addresses(v=4).map(str), min_size=1, max_size=6))
def test_nothing_left_of_the_client_changes_who_it_is(chain: list[str]) -> None:
    assert client_of(", ".join(["6.6.6.6", *chain, "198.51.100.7", "10.0.0.2"])) == (
        "198.51.100.7",
        0,
    )


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from([b"for", b"proto", b"host", b"by", b"x"]),
            st.text(alphabet=[chr(code) for code in (9, *range(32, 127))], max_size=10).map(
                str.encode
            ),
            min_size=1,
        ),
        max_size=4,
    )
)
def test_elements_are_read_as_they_were_written(elements: list[dict[bytes, bytes]]) -> None:
    def quoted(value: bytes) -> bytes:
        return b'"' + re.sub(rb'(["\\])', rb"\\\1", value) + b'"'

    text = b", ".join(
        b"; ".join(name + b"=" + quoted(value) for name, value in element.items())
        for element in elements
    )
    assert parse_elements(text) == elements
