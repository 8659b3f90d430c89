"""The one header policy: which field names mean something to a server, and which are not let
through.

Both directions use it, and every HTTP version. A name is classified once: the result is kept in a
dictionary that only grows to `NAMES_REMEMBERED`, so a peer that invents names cannot fill memory.

    kind of a name      what it is for
    PLAIN               nothing: passed on
    the framing names   RFC 9112 section 6: they say where a message ends; single and exact
    HOST                RFC 9112 section 3.2
    HOP_BY_HOP          RFC 9110 section 7.6.1: about this connection, not the application's
    UNDERSCORE          `X_Forwarded_For` has the same environ key as `X-Forwarded-For`
                        (CVE-2015-0219, CVE-2026-3902): dropped unless the operator says
                        otherwise
    PROXY               in an environ it is HTTP_PROXY, which many clients of HTTP take for the
                        proxy to use (CVE-2016-5385): dropped unless the operator says otherwise
    FORWARDING          statements of proxies about the client (CVE-2022-2255)
"""

import re

# Fields as they are passed on: (name, value), in their order.
Fields = list[tuple[bytes, bytes]]

PLAIN = 0
CONTENT_LENGTH = 1
TRANSFER_ENCODING = 2
CONNECTION = 3
HOST = 4
EXPECT = 5
UPGRADE = 6
HOP_BY_HOP = 7
DATE = 8
SERVER = 9
TRAILER = 10
UNDERSCORE = 11
PROXY = 12
FORWARDING = 13

KINDS = {
    b"content-length": CONTENT_LENGTH,
    b"transfer-encoding": TRANSFER_ENCODING,
    b"connection": CONNECTION,
    b"host": HOST,
    b"expect": EXPECT,
    b"upgrade": UPGRADE,
    b"keep-alive": HOP_BY_HOP,
    b"proxy-connection": HOP_BY_HOP,
    b"te": HOP_BY_HOP,
    b"date": DATE,
    b"server": SERVER,
    b"trailer": TRAILER,
    b"proxy": PROXY,
}

# Fields by which proxies name the client and describe its request. An application or a middleware
# that relies on one of them must not get it from a client.
FORWARDING_NAMES = frozenset(
    # RFC 7239 and RFC 9440, the standards.
    b"forwarded client-cert client-cert-chain "
    # The client's address, as nginx, Apache and load balancers name it. Django's, Rack's and
    # Express' middleware look through several of them.
    b"x-real-ip x-client-ip client-ip true-client-ip x-cluster-client-ip x-remote-ip "
    b"x-remote-addr x-original-forwarded-for x-proxyuser-ip "
    # The same of content delivery networks and clouds.
    b"cf-connecting-ip cf-connecting-ipv6 fastly-client-ip fly-client-ip x-appengine-user-ip "
    b"x-azure-clientip x-azure-socketip x-envoy-external-address "
    # Scheme, host and prefix; mod_wsgi strips these.
    b"x-scheme x-https x-url-scheme front-end-https x-host x-original-host x-original-proto "
    b"x-script-name "
    # Another path than the one that was asked for (CVE-2018-14773).
    b"x-original-url x-rewrite-url".split()
)
# X-Forwarded-For, -Proto, -Host, -Port, -Prefix; and what else is written so: -Scheme, -Ssl,
# -Protocol, -Server, -By, -Path; -User, -Email and -Groups of proxies that authenticate.
FORWARDING_PREFIX = b"x-forwarded"

# RFC 9110 section 6.5.1: fields that frame, route, authenticate or modify a request, or say how
# the content is to be decoded, may not come as trailers: a recipient that merges trailers into the
# fields before the content would understand the message differently. Fields that only describe the
# content, such as Vary or Content-Type, are harmless, because trailers are kept apart here.
FORBIDDEN_TRAILERS = frozenset(
    b"authorization connection content-encoding content-length content-range cookie expect host "
    b"if-match if-modified-since if-none-match if-range if-unmodified-since keep-alive "
    b"max-forwards proxy-authenticate proxy-authorization proxy-connection range set-cookie te "
    b"trailer transfer-encoding upgrade www-authenticate".split()
)

# RFC 9110 section 5.6.2.
TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# RFC 9110 section 5.5: visible bytes, obs-text, and white space inside.
FIELD_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
# RFC 3986 section 3.2.2: reg-name or IP-literal, and a port.
AUTHORITY = re.compile(
    rb"(?:(?:[A-Za-z0-9._~!$&'()*+,;=\-]|%[0-9A-Fa-f]{2})+"
    rb"|\[([0-9A-Fa-f:.]+)(?:%[A-Za-z0-9._~\-]+)?\])(?::[0-9]{0,5})?"
)

NAMES_REMEMBERED = 1024
LONGEST_NAME_REMEMBERED = 64
# A host name has at most 253 bytes, and a port five.
LONGEST_HOST = 260

# RFC 9112 section 6.3 lets a length be any number; no body is longer than a signed 64-bit count.
MAX_LENGTH = 2**63 - 1
# A length that was not declared, or is none.
NO_LENGTH = -1
SPACE = 0x20


class NameCache:
    """Field names as they were written, with (name in lower case, kind) of each."""

    __slots__ = ("known",)

    def __init__(self) -> None:
        self.known: dict[bytes, tuple[bytes, int]] = {}

    def learn(self, name: bytes) -> tuple[bytes, int]:
        """Classify a name that is not in `known` yet. Raises ValueError when it is not a token."""
        if TOKEN.fullmatch(name) is None:
            raise ValueError(f"{name!r} is not a field name")
        lower = name.lower()
        kind = KINDS.get(lower, PLAIN)
        if kind == PLAIN:
            if b"_" in lower:
                kind = UNDERSCORE
            elif is_forwarding(lower):
                kind = FORWARDING
        entry = (lower, kind)
        if len(self.known) < NAMES_REMEMBERED and len(name) <= LONGEST_NAME_REMEMBERED:
            self.known[name] = entry
        return entry


def is_forwarding(name: bytes) -> bool:
    """Whether a name, in lower case, is one that only proxies should use; also spelled with
    underscores, which is the same key of an environ."""
    if b"_" in name:
        name = name.replace(b"_", b"-")
    return name in FORWARDING_NAMES or name.startswith(FORWARDING_PREFIX)


class HostCache:
    """Authorities that were found valid, so that the usual one is checked by a set lookup."""

    __slots__ = ("known",)

    def __init__(self) -> None:
        self.known: set[bytes] = set()

    def learn(self, authority: bytes) -> bool:
        """True when `authority` is a host with an optional port (RFC 9110 section 7.2)."""
        match = AUTHORITY.fullmatch(authority)
        if match is None or (match[1] is not None and not is_ipv6(match[1])):
            return False
        if len(self.known) < NAMES_REMEMBERED and len(authority) <= LONGEST_HOST:
            self.known.add(authority)
        return True


# Those of Host and `:authority`, of all connections.
HOSTS = HostCache()


def is_ipv6(literal: bytes) -> bool:
    """Whether the inside of an IP-literal is an address (RFC 3986 section 3.2.2)."""
    from ipaddress import AddressValueError, IPv6Address

    try:
        IPv6Address(literal.decode("ascii"))
    except AddressValueError:
        return False
    return True


def parse_length(value: bytes) -> int:
    """A Content-Length of digits only (RFC 9110 section 8.6): no sign, no underscore, no list.
    NO_LENGTH when it is anything else."""
    if not value or len(value) > 19:
        return NO_LENGTH
    length = 0
    for digit in value:
        if not 0x30 <= digit <= 0x39:
            return NO_LENGTH
        length = 10 * length + digit - 0x30
    if len(value) == 19 and length > MAX_LENGTH:
        return NO_LENGTH
    return length
