"""Reads the fields of a request (RFC 9113 section 8) into a Request.

Two kinds of fault end here. A request that is malformed (RFC 9113 section 8.1.1) raises
StreamRefused: the stream is reset with PROTOCOL_ERROR, because the client does not speak HTTP/2,
or tries to make two parties read two requests. A request that is well-formed but not wanted here
raises RequestRefused and is answered, with the status that HTTP/1.1 gives it.

Applications see the same as over HTTP/1.1: `:authority` is the Host field, crumbs of a cookie are
one field (section 8.2.3), and the policy about names is that of protocols.headers.
"""

import re

from bascule.errors import RequestRefused, StreamRefused
from bascule.protocols import scanning
from bascule.protocols.events import Request
from bascule.protocols.headers import (
    CONNECTION,
    CONTENT_LENGTH,
    EXPECT,
    FORBIDDEN_TRAILERS,
    FORWARDING,
    HOP_BY_HOP,
    HOST,
    HOSTS,
    LONGEST_NAME_REMEMBERED,
    NAMES_REMEMBERED,
    NO_LENGTH,
    PLAIN,
    PROXY,
    SPACE,
    TRANSFER_ENCODING,
    UNDERSCORE,
    UPGRADE,
    NameCache,
    parse_length,
)
from bascule.protocols.http2.frames import PROTOCOL_ERROR
from bascule.protocols.limits import RequestLimits
from bascule.protocols.methods import METHODS

# Names that mean something in HTTP/2 alone, beside the kinds of protocols.headers.
COOKIE_FIELD = 101
PRIORITY_FIELD = 102
OWN_KINDS = {b"cookie": COOKIE_FIELD, b"priority": PRIORITY_FIELD}

COLON = 0x3A

# RFC 9113 section 8.3.1: what HTTP/1.1 takes in a request line, without a fragment.
PATH = re.compile(rb"[!\"$-~]+")
SCHEMES = frozenset((b"http", b"https"))

# Fields that describe a connection, which a stream is not (RFC 9113 section 8.2.2).
CONNECTION_SPECIFIC = frozenset((CONNECTION, TRANSFER_ENCODING, UPGRADE, HOP_BY_HOP))

TOKENS = NameCache()
# Kinds of names found valid, for names that are in lower case as they must be.
KNOWN_KINDS: dict[bytes, int] = {}
# Targets found valid as (path, query), because clients ask for the same ones again.
TARGETS: dict[bytes, tuple[bytes, bytes]] = {}


def malformed(reason: str) -> StreamRefused:
    return StreamRefused(PROTOCOL_ERROR, reason)


def learn_kind(name: bytes) -> int:
    """Classify a name that is not in KNOWN_KINDS yet. Raises StreamRefused when HTTP/2 does not
    allow it (RFC 9113 section 8.2.1)."""
    lower = name.lower()
    if lower != name:
        raise malformed("field name with an upper case letter")
    try:
        kind = TOKENS.learn(name)[1]
    except ValueError:
        raise malformed("field name is not a token") from None
    kind = OWN_KINDS.get(name, kind)
    if len(KNOWN_KINDS) < NAMES_REMEMBERED and len(name) <= LONGEST_NAME_REMEMBERED:
        KNOWN_KINDS[name] = kind
    return kind


def check_value(value: bytes) -> None:
    """No control byte, and no white space around (RFC 9113 section 8.2.1). Raises
    StreamRefused."""
    size = len(value)
    if not scanning.is_text(value, 0, size):
        raise malformed("control character in a field value")
    if size and (value[0] <= SPACE or value[size - 1] <= SPACE):
        raise malformed("white space around a field value")


class RequestReader:
    """Reads one head after another; its attributes describe the last one.

    priority: the value of its Priority field (RFC 9218 section 5), or None.
    """

    __slots__ = (
        "authority",
        "content_length",
        "cookies",
        "expects_continue",
        "fields",
        "forwarding",
        "header_map",
        "host",
        "limits",
        "method",
        "most_fields",
        "path",
        "priority",
        "protocol",
        "scheme",
        "wants_trailers",
        "websockets",
    )

    def __init__(self, limits: RequestLimits, header_map: str, websockets: bool) -> None:
        self.limits = limits
        self.most_fields = limits.fields
        self.header_map = header_map
        self.websockets = websockets
        self.forget()

    def forget(self) -> None:
        self.fields: list[tuple[bytes, bytes]] = []
        self.method: bytes | None = None
        self.scheme: bytes | None = None
        self.authority: bytes | None = None
        self.path: bytes | None = None
        self.protocol: bytes | None = None
        self.host: bytes | None = None
        self.cookies: list[bytes] | None = None
        self.priority: bytes | None = None
        self.content_length = NO_LENGTH
        self.expects_continue = False
        self.forwarding = False
        self.wants_trailers = False

    def read(self, fields: list[tuple[bytes, bytes]], ended: bool) -> Request:
        """The request that these fields are; `ended` says that no body follows. Raises
        StreamRefused, RequestRefused."""
        self.forget()
        kept = self.fields
        regular = False
        for field in fields:
            name = field[0]
            value = field[1]
            check_value(value)
            kind = KNOWN_KINDS.get(name, -1)
            if kind < 0:
                if name and name[0] == COLON:
                    if regular:
                        raise malformed("pseudo-header field behind other fields")
                    self.note_pseudo(name, value)
                    continue
                kind = learn_kind(name)
            regular = True
            if kind == PLAIN or self.note(kind, name, value):
                kept.append(field)
        return self.finish(ended)

    def note_pseudo(self, name: bytes, value: bytes) -> None:
        """RFC 9113 section 8.3: known, and once. `:protocol` is of RFC 8441 section 4."""
        if name == b":method":
            before, self.method = self.method, value
        elif name == b":path":
            before, self.path = self.path, value
        elif name == b":scheme":
            before, self.scheme = self.scheme, value
        elif name == b":authority":
            before, self.authority = self.authority, value
        elif name == b":protocol" and self.websockets:
            before, self.protocol = self.protocol, value
        else:
            raise malformed("pseudo-header field that a request does not have")
        if before is not None:
            raise malformed(f"more than one {name.decode('ascii')}")

    def note(self, kind: int, name: bytes, value: bytes) -> bool:
        """Note a name that means something to the server; returns whether the application sees
        the field where it stands."""
        if kind == COOKIE_FIELD:
            if self.cookies is None:
                self.cookies = [value]
                # Stands for all of them, until `finish` knows them.
                return True
            self.cookies.append(value)
            return False
        if kind == HOST:
            if self.host is not None:
                raise malformed("more than one Host field")
            self.host = value
            return False
        if kind == CONTENT_LENGTH:
            if self.content_length != NO_LENGTH:
                raise malformed("more than one Content-Length")
            self.content_length = parse_length(value)
            if self.content_length == NO_LENGTH:
                raise malformed("Content-Length is not a number of bytes")
        elif kind == FORWARDING:
            self.forwarding = True
        elif kind in CONNECTION_SPECIFIC:
            if name != b"te":
                raise malformed("connection-specific field")
            if value.lower() != b"trailers":
                raise malformed("TE with more than trailers")
            self.wants_trailers = True
        elif kind == UNDERSCORE:
            if self.header_map == "refuse":
                raise RequestRefused(400, "field name with an underscore")
            if self.header_map != "dangerous":
                return False
            # It may be another spelling of a name of FORWARDING.
            self.forwarding = True
        elif kind == PROXY:
            return self.header_map == "dangerous"
        elif kind == EXPECT:
            if value.lower() != b"100-continue":
                raise RequestRefused(417, "the only expectation met here is 100-continue")
            self.expects_continue = True
        elif kind == PRIORITY_FIELD:
            # RFC 9218 section 5: several lines are one list.
            self.priority = value if self.priority is None else self.priority + b"," + value
        return True

    def finish(self, ended: bool) -> Request:
        """Judge the rules that need all fields, and make the request."""
        raw_method = self.method
        if raw_method is None:
            raise malformed("no :method")
        method = METHODS.get(raw_method)
        if method is None:
            method = self.other_method(raw_method)
        target = self.path
        if self.scheme not in SCHEMES:
            raise malformed("no :scheme" if self.scheme is None else ":scheme is not http")
        if target is None:
            raise malformed("no :path")
        self.join_authority()
        self.join_cookies()
        split = TARGETS.get(target)
        if split is None:
            split = self.split_target(target, method)
        self.check_lengths(ended)
        request = Request(
            method,
            target,
            split[0],
            split[1],
            "2",
            self.fields,
            self.content_length,
            ended,
            self.expects_continue and not ended,
        )
        request.forwarding = self.forwarding
        if self.protocol is not None:
            self.read_protocol(request, raw_method)
        return request

    def other_method(self, method: bytes) -> str:
        """CONNECT, and methods that are seldom seen."""
        if method != b"CONNECT":
            try:
                TOKENS.learn(method)
            except ValueError:
                raise malformed(":method is not a token") from None
            return method.decode("ascii")
        if self.protocol is None:
            # RFC 9113 section 8.5.
            if self.scheme is not None or self.path is not None or self.authority is None:
                raise malformed("CONNECT with other pseudo-header fields than :authority")
            raise RequestRefused(501, "CONNECT is not supported: this is not a proxy")
        return "CONNECT"

    def join_authority(self) -> None:
        """RFC 9113 section 8.3.1: `:authority` and Host name the same host, and one is there."""
        authority, host = self.authority, self.host
        if authority is None:
            authority = host
            if authority is None:
                raise malformed("neither :authority nor Host")
        elif host is not None and host != authority and host.lower() != authority.lower():
            raise malformed(":authority and Host name different hosts")
        if authority not in HOSTS.known and not HOSTS.learn(authority):
            raise malformed(":authority is not a host with an optional port")
        self.fields.insert(0, (b"host", authority))

    def join_cookies(self) -> None:
        """RFC 9113 section 8.2.3, then the limit for fields, which crumbs do not count against."""
        cookies = self.cookies
        fields = self.fields
        if cookies is not None and len(cookies) > 1:
            for index, field in enumerate(fields):
                if field[0] == b"cookie":
                    fields[index] = (b"cookie", b"; ".join(cookies))
                    break
        if len(fields) > self.most_fields:
            raise RequestRefused(431, f"more than {self.limits.fields} field lines")

    def split_target(self, target: bytes, method: str) -> tuple[bytes, bytes]:
        """(path, query) of a `:path` in origin form or asterisk form (RFC 9113 section 8.3.1)."""
        if len(target) > self.limits.request_line:
            raise RequestRefused(
                414, f"request target longer than {self.limits.request_line} bytes"
            )
        if target == b"*" and method == "OPTIONS":
            return target, b""
        if not target.startswith(b"/"):
            raise malformed(":path is not a path")
        if PATH.fullmatch(target) is None:
            raise malformed("forbidden byte in :path")
        path, _, query = target.partition(b"?")
        split = (path, query)
        if len(TARGETS) < NAMES_REMEMBERED and len(target) <= LONGEST_NAME_REMEMBERED:
            TARGETS[target] = split
        return split

    def check_lengths(self, ended: bool) -> None:
        if self.content_length <= 0:
            return
        if ended:
            raise malformed("Content-Length of a request without a body")
        limit = self.limits.body
        if limit is not None and self.content_length > limit:
            raise RequestRefused(413, f"request body longer than {limit} bytes")

    def read_protocol(self, request: Request, method: bytes) -> None:
        """Extended CONNECT (RFC 8441 section 4). Applications see the GET that it stands for
        (section 5): that is what they route by, over HTTP/1.1 too."""
        if method != b"CONNECT":
            raise malformed(":protocol without CONNECT")
        if self.protocol != b"websocket":
            raise RequestRefused(501, "the only protocol to connect to here is websocket")
        if request.ended:
            raise RequestRefused(400, "a WebSocket handshake on a stream that has ended")
        if self.content_length != NO_LENGTH:
            raise RequestRefused(400, "a WebSocket handshake with a body")
        # Imported lazily: most workers never see a WebSocket, and hashlib alone takes a megabyte.
        from bascule.protocols.websocket.handshake import read_stream_offer

        request.websocket = read_stream_offer(request.fields)
        request.method = "GET"
        # The bytes that come on the stream are no body of the handshake.
        request.ended = True

    def read_trailers(self, fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Trailer fields (RFC 9113 section 8.1): no pseudo-header fields, nothing that frames,
        routes or authenticates. Raises StreamRefused, RequestRefused."""
        kept = []
        for name, value in fields:
            check_value(value)
            if name[:1] == b":":
                raise malformed("pseudo-header field among trailers")
            kind = KNOWN_KINDS.get(name, -1)
            if kind < 0:
                kind = learn_kind(name)
            if kind in CONNECTION_SPECIFIC:
                raise malformed("connection-specific field among trailers")
            if name in FORBIDDEN_TRAILERS:
                raise RequestRefused(400, f"{name.decode('ascii')} may not be a trailer field")
            if kind == UNDERSCORE and self.header_map != "dangerous":
                if self.header_map == "refuse":
                    raise RequestRefused(400, "trailer field name with an underscore")
                continue
            kept.append((name, value))
        return kept
