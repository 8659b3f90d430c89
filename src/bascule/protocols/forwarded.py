"""Statements of proxies about a request: X-Forwarded-* and Forwarded (RFC 7239).

    ForwardedReader.read    fields -> Forwarded, or ForwardedError

The fields are those of a request that came from a trusted peer; `connections` decides which peers
these are, and drops the fields of all others.

Each proxy adds the address of its own client to the right end of a list. So the list is read from
the right: an entry that is itself a trusted proxy's is skipped, and the first other entry is the
client. Entries to the left of it came from that client, and are ignored. Where all are trusted the
leftmost is the client.

    X-Forwarded-For: 6.6.6.6, 198.51.100.7, 10.0.0.2      with 10.0.0.0/8 trusted: 198.51.100.7

Scheme, host, port and prefix are mostly set once, by the outermost proxy. Where they are lists as
long as X-Forwarded-For, the entry beside the client's counts; several different values that stand
beside nothing are contradictory. So are Forwarded and X-Forwarded-* that disagree, because one of
the two was not written by a proxy. Of what is contradictory or malformed nothing is used.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bascule.protocols.headers import Fields, HostCache
from bascule.protocols.peers import TrustedPeers, parse_ip

X_FORWARDED_FOR = b"x-forwarded-for"
X_FORWARDED_PROTO = b"x-forwarded-proto"
X_FORWARDED_HOST = b"x-forwarded-host"
X_FORWARDED_PORT = b"x-forwarded-port"
X_FORWARDED_PREFIX = b"x-forwarded-prefix"
FORWARDED = b"forwarded"

# The scheme of a WebSocket is that of its handshake, which is a request.
FORWARDED_SCHEMES = {b"http": "http", b"https": "https", b"ws": "http", b"wss": "https"}
# RFC 3986 section 3.3, with nothing that could be read in two ways: percent-encoding, "//".
PREFIX = re.compile(rb"(?:/[A-Za-z0-9._~!$&'()*+;=:@\-]+)*/?")
PORT = re.compile(rb"[1-9][0-9]{0,4}")
# RFC 7239 section 6: unknown, or an obfuscated name.
NAMELESS = re.compile(rb"(?:unknown|_[A-Za-z0-9._\-]+)(?::[A-Za-z0-9._\-]+)?", re.IGNORECASE)
BRACKETED = re.compile(rb"\[([0-9A-Fa-f:.]+)\](?::([0-9]{1,5}))?")
WITH_PORT = re.compile(rb"([0-9.]+):([0-9]{1,5})")
# The name that nginx gives to a client on a UNIX socket.
UNIX_CLIENT = b"unix:"
# RFC 7239 section 4. Values that are not quoted may have colons and brackets, as many proxies
# write them; no separator is among those.
PAIR = re.compile(
    rb"[ \t]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)="
    rb"(?:\"((?:[^\"\\\x00-\x08\x0a-\x1f\x7f]|\\[\t\x20-\x7e\x80-\xff])*)\""
    rb"|([!#$%&'*+\-.^_`|~0-9A-Za-z:\[\]]+))[ \t]*"
)
ESCAPE = re.compile(rb"\\(.)", re.DOTALL)

HIGHEST_PORT = 65535
# Bytes of a wrong value that are shown.
MOST_QUOTED = 60
# How many answers are remembered, to values of how many bytes together: 300 KiB at most.
ANSWERS_REMEMBERED = 1024
LONGEST_ANSWER_REMEMBERED = 256

Client = tuple[str, int] | None


class ForwardedError(Exception):
    """Fields of trusted peers are malformed or contradictory; the message says how, in printable
    characters."""


@dataclass(frozen=True, slots=True)
class Forwarded:
    """The content of the fields; attributes are empty where the fields are silent.

    names_client: whether a client is named.
    client: its address and port, 0 where the port is not named; None where it has no address.
    scheme: "http" or "https".
    host: an authority (RFC 9110 section 7.2), as clients know it.
    port: of the server, as clients know it.
    prefix: the path that was taken off the target, without a slash at its end.
    """

    names_client: bool = False
    client: Client = None
    scheme: str = ""
    host: bytes = b""
    port: int = 0
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """One entry: its address and port, and whether it is a trusted proxy's."""

    client: Client
    trusted: bool


class ForwardedReader:
    """Reads the fields; one for a worker.

    names: of the fields that are used.
    trusted: the proxies.
    """

    def __init__(self, names: Iterable[bytes], trusted: TrustedPeers) -> None:
        self.names = frozenset(names)
        self.trusted = trusted
        self.hosts = HostCache()
        # Clients come back, with the same fields.
        self.known: dict[tuple[tuple[bytes, bytes], ...], Forwarded] = {}

    def read(self, fields: Fields) -> Forwarded | None:
        """The content of the fields; None where there is none of them. Raises only
        ForwardedError."""
        names = self.names
        said = tuple([field for field in fields if field[0] in names])
        if not said:
            return None
        values = self.known.get(said)
        if values is None:
            values = self.understand(said)
            if sum(len(value) for _, value in said) <= LONGEST_ANSWER_REMEMBERED:
                if len(self.known) >= ANSWERS_REMEMBERED:
                    self.known.clear()
                self.known[said] = values
        return values

    def understand(self, said: Iterable[tuple[bytes, bytes]]) -> Forwarded:
        """The same, of fields that are not remembered."""
        found: dict[bytes, list[bytes]] = {}
        for name, value in said:
            found.setdefault(name, []).append(value)
        standard = found.pop(FORWARDED, None)
        if standard is None:
            return self.read_usual(found)
        values = self.read_standard(b",".join(standard))
        return reconcile(values, self.read_usual(found)) if found else values

    # X-Forwarded-*.

    def read_usual(self, found: dict[bytes, list[bytes]]) -> Forwarded:
        lists = {name: members(values) for name, values in found.items()}
        chain = lists.get(X_FORWARDED_FOR, [])
        client, index = self.walk(chain)

        def beside(name: bytes) -> bytes:
            return entry_beside(name, lists.get(name, []), len(chain), index)

        return Forwarded(
            bool(chain),
            client,
            read_scheme(beside(X_FORWARDED_PROTO)),
            self.read_host(beside(X_FORWARDED_HOST)),
            read_port(beside(X_FORWARDED_PORT)),
            read_prefix(beside(X_FORWARDED_PREFIX)),
        )

    def walk(self, chain: list[bytes]) -> tuple[Client, int]:
        """The client, and its place in the list."""
        client: Client = None
        first = 0 if self.trusted.trusts_all else len(chain) - 1
        for index in range(min(first, len(chain) - 1), -1, -1):
            node = self.read_node(chain[index])
            client = node.client
            if not node.trusted:
                return client, index
        return client, 0

    def read_node(self, text: bytes) -> Node:
        """RFC 7239 section 6, and what X-Forwarded-For has: IPv6 without brackets. Raises
        ForwardedError."""
        if text == UNIX_CLIENT:
            return Node(None, self.trusted.unix)
        if NAMELESS.fullmatch(text) is not None:
            return Node(None, False)
        match = BRACKETED.fullmatch(text) or WITH_PORT.fullmatch(text)
        host, port = (match[1], int(match[2] or 0)) if match is not None else (text, 0)
        # A zone ("%eth0") may be any text, and means nothing outside of its own machine.
        address = parse_ip(host.decode("latin-1")) if b"%" not in host else None
        if address is None or port > HIGHEST_PORT:
            raise ForwardedError(f"{quoted(text)} is no address")
        plain = str(address)
        return Node((plain, port), self.trusted.includes(plain))

    def read_host(self, host: bytes) -> bytes:
        if host and (
            (host not in self.hosts.known and not self.hosts.learn(host))
            or split_host(host)[1] > HIGHEST_PORT
        ):
            raise ForwardedError(f"{quoted(host)} is not a host with an optional port")
        return host

    # Forwarded.

    def read_standard(self, value: bytes) -> Forwarded:
        """RFC 7239 section 4: the content of the element that describes the client."""
        elements = parse_elements(value)
        if not elements:
            return Forwarded()
        first = 0 if self.trusted.trusts_all else len(elements) - 1
        client: Client = None
        index = first
        while True:
            element = elements[index]
            if b"for" not in element:
                # The proxy that wrote this does not name its client, so entries to the left of it
                # may have been made up by a client.
                client = None
                break
            node = self.read_node(element[b"for"])
            client = node.client
            if not node.trusted or index == 0:
                break
            index -= 1
        return Forwarded(
            b"for" in element or index < len(elements) - 1,
            client,
            read_scheme(element.get(b"proto", b"")),
            self.read_host(element.get(b"host", b"")),
        )


def split_host(authority: bytes) -> tuple[bytes, int]:
    """The host as it is written, and the port, 0 where there is none (RFC 9110 section 7.2)."""
    host, colon, port = authority.rpartition(b":")
    if not colon or b"]" in port:
        return authority, 0
    return host, int(port or 0)


def quoted(value: bytes) -> str:
    """A value for the log, cut off where it is long."""
    return f"{value[:MOST_QUOTED]!r}{'...' if len(value) > MOST_QUOTED else ''}"


def members(values: list[bytes]) -> list[bytes]:
    """The members of a list over all its lines; empty ones do not count (RFC 9110 section
    5.6.1.2)."""
    stripped = (member.strip(b" \t") for member in b",".join(values).split(b","))
    return [member for member in stripped if member]


def entry_beside(name: bytes, entries: list[bytes], length: int, index: int) -> bytes:
    """The entry of a list that belongs to the client. Raises ForwardedError."""
    if not entries:
        return b""
    if len(entries) == length:
        return entries[index]
    if len(set(entries)) > 1:
        raise ForwardedError(f"{name.decode()} has {len(entries)} different values")
    return entries[0]


def read_scheme(value: bytes) -> str:
    if not value:
        return ""
    scheme = FORWARDED_SCHEMES.get(value.lower())
    if scheme is None:
        raise ForwardedError(f"{quoted(value)} is neither http nor https")
    return scheme


def read_port(value: bytes) -> int:
    if not value:
        return 0
    if PORT.fullmatch(value) is None or int(value) > HIGHEST_PORT:
        raise ForwardedError(f"{quoted(value)} is not a port")
    return int(value)


def read_prefix(value: bytes) -> str:
    if PREFIX.fullmatch(value) is None:
        raise ForwardedError(f"{quoted(value)} is not a path such as /shop")
    return value.decode("ascii").rstrip("/")


def parse_elements(value: bytes) -> list[dict[bytes, bytes]]:
    """RFC 7239 section 4: elements between commas, pairs between semicolons, each name once in
    an element. Raises ForwardedError."""
    elements: list[dict[bytes, bytes]] = []
    element: dict[bytes, bytes] = {}
    at = 0
    while at < len(value):
        match = PAIR.match(value, at)
        if match is not None:
            name = match[1].lower()
            if name in element:
                raise ForwardedError(f"Forwarded has {quoted(name)} twice in one element")
            element[name] = match[3] if match[2] is None else ESCAPE.sub(rb"\1", match[2])
            at = match.end()
        if at < len(value):
            separator = value[at : at + 1]
            if separator == b",":
                if element:
                    elements.append(element)
                element = {}
            elif separator not in b"; \t":
                raise ForwardedError("Forwarded is malformed")
            at += 1
    if element:
        elements.append(element)
    return elements


def reconcile(standard: Forwarded, usual: Forwarded) -> Forwarded:
    """Both, where they agree on what both say. Raises ForwardedError."""
    if standard.names_client and usual.names_client:
        addresses = [values.client and values.client[0] for values in (standard, usual)]
        if addresses[0] != addresses[1]:
            raise ForwardedError("Forwarded and X-Forwarded-For name different clients")
    if standard.scheme and usual.scheme and standard.scheme != usual.scheme:
        raise ForwardedError("Forwarded and X-Forwarded-Proto name different schemes")
    if standard.host and usual.host and standard.host.lower() != usual.host.lower():
        raise ForwardedError("Forwarded and X-Forwarded-Host name different hosts")
    # Of two that name the same client, the one that knows its port.
    with_port = standard.client is not None and standard.client[1] > 0
    return Forwarded(
        standard.names_client or usual.names_client,
        standard.client if with_port or not usual.names_client else usual.client,
        standard.scheme or usual.scheme,
        standard.host or usual.host,
        usual.port,
        usual.prefix,
    )
