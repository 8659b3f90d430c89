"""The opening handshake over HTTP/1.1 (RFC 6455 section 4.2) and over HTTP/2 (RFC 8441 section 5),
and the negotiation of permessage-deflate (RFC 7692 section 5.1).

    is_websocket_upgrade -> read_offer     when the request is read: the offer of the client
    negotiate, response_fields             when the application has accepted: the answer

A request that does not ask for a WebSocket is an ordinary request, because a server may ignore
Upgrade (RFC 9110 section 7.8). A handshake that is wrong is refused. A wrong extension is never a
reason to refuse: it is declined, and nothing is compressed.
"""

import base64
import hashlib
import re

from bascule.errors import RequestRefused, ResponseError
from bascule.protocols.headers import TOKEN
from bascule.protocols.websocket.deflate import LARGEST_WINDOW_BITS, Deflate

WEBSOCKET_VERSION = b"13"
# RFC 6455 section 4.2.2.
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
# RFC 6455 section 4.2.1: sixteen bytes in base64.
KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")

# RFC 6455 section 9.1: the name of an extension or a parameter, which may have a value. A quoted
# value must be a token behind its quotes and backslashes, so no "," or ";" can be inside one.
TOKEN_CHARACTER = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
EXTENSION_PART = re.compile(
    rb"[ \t]*(%b+)(?:[ \t]*=[ \t]*(%b+|\"(?:\\?%b)+\"))?[ \t]*"
    % (TOKEN_CHARACTER, TOKEN_CHARACTER, TOKEN_CHARACTER)
)

DEFLATE = b"permessage-deflate"
SERVER_NO_CONTEXT = b"server_no_context_takeover"
CLIENT_NO_CONTEXT = b"client_no_context_takeover"
SERVER_WINDOW = b"server_max_window_bits"
CLIENT_WINDOW = b"client_max_window_bits"

# RFC 7692 section 7.1.2.1. zlib makes no window of 256 bytes, so an offer of one is declined
# for sending; zlib reads one.
SMALLEST_WINDOW = 8
SMALLEST_OWN_WINDOW = 9
# Chosen for both sides where the client leaves a choice: 4 KiB where zlib would take 32.
# The windows are most of the memory of a connection that compresses, and messages are small.
WINDOW = 12
WINDOW_BITS: dict[bytes | None, int] = {
    b"%d" % bits: bits for bits in range(SMALLEST_WINDOW, LARGEST_WINDOW_BITS + 1)
}

# Fields of a connection that switches, which are the server's to write.
DROPPED_NAMES = frozenset((b"connection", b"upgrade", b"transfer-encoding", b"content-length"))

Parameters = list[tuple[bytes, bytes | None]]


class Offer:
    """The offer of a client in its handshake.

    key: to be answered with a hash of it.
    subprotocols: in the order in which the client prefers them.
    extensions: the values of Sec-WebSocket-Extensions, one for each line.
    """

    __slots__ = ("extensions", "key", "subprotocols")

    def __init__(self, key: bytes, subprotocols: list[str], extensions: list[bytes]) -> None:
        self.key = key
        self.subprotocols = subprotocols
        self.extensions = extensions

    def __repr__(self) -> str:
        return f"<Offer subprotocols={self.subprotocols} extensions={self.extensions}>"


def values_of(fields: list[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    return [value for key, value in fields if key == name]


def members_of(fields: list[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """The members of a list, over all its field lines; empty ones do not count (RFC 9110 section
    5.6.1.2)."""
    members = b",".join(values_of(fields, name)).split(b",")
    return [member.strip(b" \t") for member in members if member.strip(b" \t")]


def is_websocket_upgrade(
    method: str, http_version: str, fields: list[tuple[bytes, bytes]]
) -> bool:
    """Whether a request is a WebSocket handshake (RFC 6455 section 4.2.1, points 1 to 4). The
    names of `fields` are in lower case."""
    return (
        method == "GET"
        and http_version == "1.1"
        and b"websocket" in [name.lower() for name in members_of(fields, b"upgrade")]
        and b"upgrade" in [option.lower() for option in members_of(fields, b"connection")]
    )


def read_offer(fields: list[tuple[bytes, bytes]]) -> Offer:
    """The client's side of the handshake (RFC 6455 section 4.2.1, points 5 to 9). Raises
    RequestRefused."""
    check_version(fields)
    keys = values_of(fields, b"sec-websocket-key")
    if len(keys) != 1:
        many = "more than one" if keys else "no"
        raise RequestRefused(400, f"WebSocket handshake with {many} Sec-WebSocket-Key")
    if KEY.fullmatch(keys[0]) is None:
        raise RequestRefused(400, "Sec-WebSocket-Key is not 16 bytes in base64")
    return Offer(
        keys[0], read_subprotocols(fields), values_of(fields, b"sec-websocket-extensions")
    )


def read_stream_offer(fields: list[tuple[bytes, bytes]]) -> Offer:
    """The client's side of a handshake by extended CONNECT, which has no key (RFC 8441 section
    5). Raises RequestRefused."""
    check_version(fields)
    return Offer(b"", read_subprotocols(fields), values_of(fields, b"sec-websocket-extensions"))


def check_version(fields: list[tuple[bytes, bytes]]) -> None:
    """Sec-WebSocket-Version is 13, once (RFC 6455 section 4.4). Raises RequestRefused."""
    versions = values_of(fields, b"sec-websocket-version")
    if len(versions) > 1:
        raise RequestRefused(400, "more than one Sec-WebSocket-Version")
    if versions != [WEBSOCKET_VERSION]:
        # RFC 6455 section 4.4: say which version is known.
        raise RequestRefused(
            426,
            "the only WebSocket version spoken here is 13",
            ((b"sec-websocket-version", WEBSOCKET_VERSION),),
        )


def read_subprotocols(fields: list[tuple[bytes, bytes]]) -> list[str]:
    """Tokens, each once (RFC 6455 section 4.1, point 10). Text with other bytes in it has crashed
    servers that decoded it (CVE-2026-42544)."""
    names = members_of(fields, b"sec-websocket-protocol")
    if any(TOKEN.fullmatch(name) is None for name in names):
        raise RequestRefused(400, "Sec-WebSocket-Protocol is not a list of tokens")
    if len(set(names)) != len(names):
        raise RequestRefused(400, "Sec-WebSocket-Protocol has a name twice")
    return [name.decode("ascii") for name in names]


def negotiate(offer: Offer, compress: bool) -> tuple[Deflate | None, bytes | None]:
    """The first offer of permessage-deflate that can be met, and the value of the
    Sec-WebSocket-Extensions field that says so (RFC 7692 section 5.1)."""
    if compress:
        for name, parameters in read_extensions(offer.extensions):
            agreed = accept_deflate(parameters) if name == DEFLATE else None
            if agreed is not None:
                return agreed
    return None, None


def read_extensions(values: list[bytes]) -> list[tuple[bytes, Parameters]]:
    """The extensions of the list with their parameters (RFC 6455 section 9.1); none at all when
    it is malformed."""
    extensions = []
    for element in b",".join(values).split(b","):
        if not element.strip(b" \t"):
            continue
        parts = read_parts(element)
        if parts is None or parts[0][1] is not None:
            return []
        extensions.append((parts[0][0], parts[1:]))
    return extensions


def read_parts(element: bytes) -> Parameters | None:
    parts: Parameters = []
    for part in element.split(b";"):
        match = EXTENSION_PART.fullmatch(part)
        if match is None:
            return None
        value = match[2]
        if value is not None:
            value = value.strip(b'"').replace(b"\\", b"")
        parts.append((match[1], value))
    return parts


def accept_deflate(parameters: Parameters) -> tuple[Deflate, bytes] | None:
    """The answer to one offer, or None to decline it: it has a parameter that is there twice or
    not known, or whose value is not valid or cannot be met (RFC 7692 sections 5.1 and 7.1).

    A parameter that was not offered is not answered with either. For those about the server RFC
    7692 would allow it; clients have been written that do not.
    """
    asked = dict(parameters)
    if len(asked) != len(parameters) or not all(map(can_meet, asked, asked.values())):
        return None
    answer = [DEFLATE]
    for name in (SERVER_NO_CONTEXT, CLIENT_NO_CONTEXT):
        if name in asked:
            answer.append(name)
    server_window = WINDOW
    if SERVER_WINDOW in asked:
        server_window = min(WINDOW, WINDOW_BITS[asked[SERVER_WINDOW]])
        answer.append(b"%b=%d" % (SERVER_WINDOW, server_window))
    client_window = LARGEST_WINDOW_BITS
    if CLIENT_WINDOW in asked:
        client_window = min(WINDOW, WINDOW_BITS.get(asked[CLIENT_WINDOW], WINDOW))
        answer.append(b"%b=%d" % (CLIENT_WINDOW, client_window))
    deflate = Deflate(
        SERVER_NO_CONTEXT in asked, CLIENT_NO_CONTEXT in asked, server_window, client_window
    )
    return deflate, b"; ".join(answer)


def can_meet(name: bytes, value: bytes | None) -> bool:
    """Whether this parameter is known, valid and possible (RFC 7692 sections 7.1.1 and 7.1.2)."""
    if name == SERVER_WINDOW:
        return WINDOW_BITS.get(value, 0) >= SMALLEST_OWN_WINDOW
    if name == CLIENT_WINDOW:
        # Without a value: the client lets the server choose.
        return value is None or value in WINDOW_BITS
    return name in (SERVER_NO_CONTEXT, CLIENT_NO_CONTEXT) and value is None


def response_fields(
    offer: Offer,
    subprotocol: str | None,
    extension: bytes | None,
    fields: list[tuple[bytes, bytes]],
) -> list[tuple[bytes, bytes]]:
    """The fields of the 101 (RFC 6455 section 4.2.2), then the application's own `fields`. Raises
    ResponseError."""
    own = [
        (b"upgrade", b"websocket"),
        (b"connection", b"Upgrade"),
        (b"sec-websocket-accept", accept_key(offer.key)),
    ]
    if subprotocol is not None:
        if subprotocol not in offer.subprotocols:
            raise ResponseError(
                f"the subprotocol {subprotocol!r} is not among those that the client offers: "
                f"{', '.join(offer.subprotocols) or 'none'}"
            )
        own.append((b"sec-websocket-protocol", subprotocol.encode("ascii")))
    if extension is not None:
        own.append((b"sec-websocket-extensions", extension))
    return own + [field for field in fields if may_say(field[0])]


def may_say(name: bytes) -> bool:
    """Whether a field of the application's goes into the 101: dropped as in every response, or
    refused because two answers would contradict each other. Raises ResponseError."""
    if not isinstance(name, bytes):
        raise ResponseError(f"field name {name!r} is {type(name).__name__}, not bytes")
    lower = name.lower()
    if lower.startswith(b"sec-websocket-"):
        raise ResponseError(
            f"{name!r} is the server's to say; give the subprotocol on its own, not as a field"
        )
    return lower not in DROPPED_NAMES


def accept_key(key: bytes) -> bytes:
    """Sec-WebSocket-Accept (RFC 6455 section 4.2.2, point 5.4)."""
    return base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())
