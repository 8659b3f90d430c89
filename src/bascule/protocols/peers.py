"""Trusted peers: a list of addresses and networks, and whether an address is in it.

    192.0.2.7, 2001:db8::7    one address
    10.0.0.0/8, fd00::/8      a network
    unix                      all peers on a UNIX socket, whose permissions limit who connects
    *                         all peers

IPv4 and IPv4 mapped into IPv6 (::ffff:192.0.2.7, RFC 4291 section 2.5.5.2) are the same address
here, since a socket that listens on both families shows clients as the latter.
"""

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

ALL_PEERS = "*"
UNIX = "unix"
# The number of addresses that are remembered with the answer; most clients come more than once.
ADDRESSES_REMEMBERED = 1024
# 0.0.0.0 to 255.255.255.255 mapped into IPv6, as a network.
MAPPED_BITS = 96

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network


class TrustedPeers:
    """The list, read.

    trusts_all: `*` is in it.
    unix: all peers on a UNIX socket are in it.
    """

    __slots__ = ("known", "networks", "trusts_all", "unix")

    def __init__(self, words: Iterable[str]) -> None:
        """words: as above. Raises ValueError with the end of a sentence."""
        self.trusts_all = False
        self.unix = False
        self.networks: list[IPNetwork] = []
        self.known: dict[str, bool] = {}
        for word in words:
            if word == ALL_PEERS:
                self.trusts_all = self.unix = True
            elif word == UNIX:
                self.unix = True
            else:
                self.networks.append(parse_network(word))

    def includes(self, address: str) -> bool:
        """Whether an address, as text, is in the list. Any other text is in it only with `*`."""
        answer = self.known.get(address)
        if answer is None:
            answer = self.trusts_all or self.find(address)
            if len(self.known) >= ADDRESSES_REMEMBERED:
                self.known.clear()
            self.known[address] = answer
        return answer

    def find(self, text: str) -> bool:
        address = parse_ip(text)
        return address is not None and any(address in network for network in self.networks)


def parse_ip(text: str) -> IPAddress | None:
    """An address; a mapped one as the IPv4 address that it is. None for anything else."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def parse_network(text: str) -> IPNetwork:
    """A network, or an address as a network of one. Raises ValueError with the end of a
    sentence."""
    try:
        network = ip_network(text)
    except ValueError:
        try:
            meant = ip_network(text, strict=False)
        except ValueError:
            raise ValueError(
                "is neither an address nor a network; give 192.0.2.7, 10.0.0.0/8, unix or *"
            ) from None
        raise ValueError(f"has bits behind its prefix; the network is {meant}") from None
    if isinstance(network, IPv6Network) and network.prefixlen >= MAPPED_BITS:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, network.prefixlen - MAPPED_BITS))
    return network
