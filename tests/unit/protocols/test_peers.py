"""Trusted peers: addresses, networks, and the two words."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.protocols.peers import ADDRESSES_REMEMBERED, TrustedPeers


@pytest.mark.parametrize(
    ("words", "address", "included"),
    [
        (["127.0.0.1"], "127.0.0.1", True),
        (["127.0.0.1"], "127.0.0.2", False),
        (["127.0.0.1"], "::1", False),
        (["10.0.0.0/8"], "10.255.255.255", True),
        (["10.0.0.0/8"], "11.0.0.0", False),
        (["10.0.0.0/8"], "::ffff:10.1.2.3", True),
        (["10.0.0.0/8"], "::ffff:a01:203", True),
        (["::ffff:10.0.0.0/104"], "10.1.2.3", True),
        (["::ffff:10.1.2.3"], "10.1.2.3", True),
        (["::ffff:10.1.2.3"], "::ffff:10.1.2.3", True),
        (["::ffff:10.1.2.3"], "10.1.2.4", False),
        (["::/0"], "10.1.2.3", False),
        (["0.0.0.0/0"], "::ffff:10.1.2.3", True),
        (["0.0.0.0/0"], "2001:db8::1", False),
        (["2001:db8::/32"], "2001:db8:ffff::1", True),
        (["2001:db8::/32"], "2001:db9::1", False),
        (["fe80::/10"], "fe80::1%eth0", True),
        (["2001:DB8::7"], "2001:db8:0::7", True),
        (["unix"], "127.0.0.1", False),
        (["192.0.2.0/24", "10.0.0.1"], "10.0.0.1", True),
        (["*"], "203.0.113.9", True),
        (["*"], "2001:db8::1", True),
        ([], "127.0.0.1", False),
    ],
)
def test_includes(words: list[str], address: str, included: bool) -> None:
    peers = TrustedPeers(words)
    assert peers.includes(address) is included
    assert peers.includes(address) is included, "the second time it is remembered"


@pytest.mark.parametrize("text", ["", "unix", "localhost", "10.0.0", "010.0.0.1", "10.0.0.1/8"])
def test_what_is_no_address_is_in_no_network(text: str) -> None:
    assert not TrustedPeers(["0.0.0.0/0", "::/0", "unix"]).includes(text)
    assert TrustedPeers(["*"]).includes(text)


def test_unix_is_a_choice_of_its_own() -> None:
    assert not TrustedPeers(["0.0.0.0/0", "::/0"]).unix
    assert TrustedPeers(["unix"]).unix
    assert TrustedPeers(["*"]).unix


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("10.0.0.1/8", "has bits behind its prefix; the network is 10.0.0.0/8"),
        ("2001:db8::1/32", "has bits behind its prefix; the network is 2001:db8::/32"),
        ("localhost", "is neither an address nor a network; give"),
        ("10.0.0", "is neither an address nor a network; give"),
        ("10.0.0.0/33", "is neither an address nor a network; give"),
        ("", "is neither an address nor a network; give"),
        ("/run/a.sock", "is neither an address nor a network; give"),
    ],
)
def test_a_word_that_is_none(word: str, sentence: str) -> None:
    with pytest.raises(ValueError, match="^" + sentence):
        TrustedPeers([word])


@given(st.ip_addresses(), st.ip_addresses(), st.integers(0, 128))
def test_a_network_includes_what_ipaddress_says(
    base: ipaddress.IPv4Address | ipaddress.IPv6Address,
    asked: ipaddress.IPv4Address | ipaddress.IPv6Address,
    bits: int,
) -> None:
    network = ipaddress.ip_network(f"{base}/{min(bits, base.max_prefixlen)}", strict=False)
    mapped = [one for one in (base, asked) if getattr(one, "ipv4_mapped", None) is not None]
    peers = TrustedPeers([str(network)])
    if not mapped:
        assert peers.includes(str(asked)) is (asked in network)
    if network.prefixlen == base.max_prefixlen:
        assert peers.includes(str(base))


@given(st.text(max_size=60))
def test_any_text_may_be_asked_about(text: str) -> None:
    assert TrustedPeers(["10.0.0.0/8"]).includes(text) in (True, False)


def test_addresses_remembered_are_bounded() -> None:
    peers = TrustedPeers(["10.0.0.0/8"])
    for number in range(3 * ADDRESSES_REMEMBERED):
        assert peers.includes(str(ipaddress.IPv4Address(0x0A000000 + number)))
        assert len(peers.known) <= ADDRESSES_REMEMBERED
