"""Reads one complete request head (RFC 9112 sections 2 to 5).

The request line is taken apart here, because it must have exactly three parts; llhttp, the parser
of Node.js, checks every byte of the field lines. Meaning remains: framing, Host, Expect,
Connection, the form of the target. The first fault is kept in `refusal` rather than raised through
llhttp's callbacks.

A head is only given to `read` when it is complete, so a parser is never left in the middle of one.
"""

import re

from httptools import (
    HttpParserError,
    HttpParserInvalidURLError,
    HttpParserUpgrade,
    HttpRequestParser,
)

from bascule.errors import RequestRefused
from bascule.protocols.events import Request
from bascule.protocols.headers import (
    CONNECTION,
    CONTENT_LENGTH,
    EXPECT,
    FORWARDING,
    HOP_BY_HOP,
    HOST,
    HOSTS,
    NO_LENGTH,
    PLAIN,
    PROXY,
    SPACE,
    TOKEN,
    TRANSFER_ENCODING,
    UNDERSCORE,
    UPGRADE,
    NameCache,
    parse_length,
)
from bascule.protocols.limits import RequestLimits
from bascule.protocols.methods import METHODS

HTTP_VERSION = re.compile(rb"HTTP/[0-9]\.[0-9]")
LATER_MINOR = re.compile(rb"HTTP/1\.[2-9]")
# White space at the end of a field line. A line that is nothing else stays what it is, malformed:
# without its white space it would end the head.
TRAILING_SPACE = re.compile(rb"(?<![ \t\n])[ \t]++\r\n")
REQUEST_NAMES = NameCache()
LINE_FEED = 0x0A
TAB = 0x09
FRAGMENT = 0x23  # numbers: looking for b"#" in bytes is slower


class HeadReader:
    """Turns the bytes of a head into a `Request`; one for each connection, used again for every
    request on it.

    After `read`:

    chunked: whether the body is framed in chunks.
    keep_alive: whether the client wants the connection to stay.
    upgrade: the protocol that the client would like to switch to.
    """

    __slots__ = (
        "chunked",
        "closing",
        "content_length",
        "expects_continue",
        "fields",
        "forwarding",
        "header_map",
        "host",
        "keep_alive",
        "limits",
        "longest_line",
        "most_fields",
        "parser",
        "parser_spent",
        "persistent",
        "refusal",
        "seen_fields",
        "upgrade",
        "version_1_1",
        "websockets",
    )

    def __init__(self, limits: RequestLimits, header_map: str, websockets: bool = True) -> None:
        self.limits = limits
        self.longest_line = limits.request_line
        self.most_fields = limits.fields
        self.header_map = header_map
        self.websockets = websockets
        self.parser: HttpRequestParser | None = None
        self.forget()

    def forget(self) -> None:
        """Back to an empty head."""
        self.fields: list[tuple[bytes, bytes]] = []
        self.seen_fields = 0
        self.forwarding = False
        self.refusal: RequestRefused | None = None
        self.host: bytes | None = None
        self.content_length = NO_LENGTH
        self.chunked = False
        self.expects_continue = False
        self.closing = False
        self.persistent = False
        self.parser_spent = False
        self.keep_alive = True
        self.upgrade: bytes | None = None
        self.version_1_1 = True

    def read(self, head: bytes) -> Request:
        """Read a head that ends with an empty line. Raises RequestRefused."""
        self.forget()
        line_end = head.find(b"\r\n")
        if line_end > self.longest_line:
            raise RequestRefused(414, f"request line longer than {self.limits.request_line} bytes")
        line = head[:line_end]
        parts = line.split(b" ")
        # llhttp would take a bare LF in the target for the end of an HTTP/0.9 request line.
        if len(parts) != 3 or LINE_FEED in line:
            raise RequestRefused(400, "request line is not METHOD SP TARGET SP VERSION")
        method = self.read_method(parts[0])
        if self.read_version(parts[2]):
            head = b"%b %b HTTP/1.1%b" % (parts[0], parts[1], head[line_end:])
        if TAB in head:
            # llhttp takes a tab behind some values for a part of them (RFC 9110 section 5.6.3).
            head = TRAILING_SPACE.sub(b"\r\n", head)
        self.read_fields(head)
        return self.finish(method, parts[1])

    def read_method(self, method: bytes) -> str:
        """The method as text (RFC 9110 section 9). CONNECT is for proxies."""
        known = METHODS.get(method)
        if known is not None:
            return known
        if TOKEN.fullmatch(method) is None:
            raise RequestRefused(400, "method is not a token")
        if method == b"CONNECT":
            raise RequestRefused(501, "CONNECT is not supported: this is not a proxy")
        return method.decode("ascii")

    def read_version(self, version: bytes) -> bool:
        """RFC 9112 section 2.3: the name is case-sensitive, each number is one digit. Returns
        whether it is a later minor version, which is served as 1.1 (RFC 9110 section 2.5)."""
        if version == b"HTTP/1.1":
            return False
        if version == b"HTTP/1.0":
            self.version_1_1 = False
            return False
        if LATER_MINOR.fullmatch(version) is not None:
            return True
        if HTTP_VERSION.fullmatch(version) is not None:
            raise RequestRefused(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
        raise RequestRefused(400, "request line does not end with an HTTP version")

    def read_fields(self, head: bytes) -> None:
        """Give the head to llhttp, which calls `on_header` for each field line."""
        parser = self.parser
        if parser is None:
            parser = self.parser = HttpRequestParser(self)
        try:
            parser.feed_data(head)
        except HttpParserUpgrade:
            # An Upgrade field stops llhttp at the end of the head, which is all there is of it;
            # whether to switch is decided by `finish` and by the application.
            self.parser = None
        except HttpParserError as error:
            self.parser = None
            raise self.explain(error, head) from None
        if self.refusal is not None:
            self.parser = None
            raise self.refusal

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field line, from llhttp: the name is a token, the value has no control byte."""
        self.seen_fields += 1
        entry = REQUEST_NAMES.known.get(name)
        if entry is None:
            entry = REQUEST_NAMES.learn(name)
        if value and value[-1] <= SPACE:
            value = value.rstrip(b" \t")
        if entry[1] != PLAIN and not self.note(entry[1], value):
            return
        self.fields.append((entry[0], value))

    def note(self, kind: int, value: bytes) -> bool:
        """Note a name that means something to the server; returns whether the application sees
        the field."""
        if kind == HOST:
            if self.host is not None:
                self.refuse(400, "more than one Host field")
            self.host = value
        elif kind == CONNECTION:
            self.note_connection(value.lower())
        elif kind == CONTENT_LENGTH:
            self.note_length(value)
        elif kind == TRANSFER_ENCODING:
            self.note_transfer_encoding(value)
        elif kind == FORWARDING:
            self.forwarding = True
        elif kind == UNDERSCORE:
            return self.note_underscore()
        elif kind == PROXY:
            return self.header_map == "dangerous"
        elif kind == EXPECT:
            if value.lower() != b"100-continue":
                self.refuse(417, "the only expectation met here is 100-continue")
            self.expects_continue = True
        elif kind == UPGRADE:
            self.upgrade = value
        elif kind == HOP_BY_HOP:
            # llhttp takes Proxy-Connection for Connection and may accept nothing after this head.
            self.parser_spent = True
        return True

    def note_connection(self, value: bytes) -> None:
        """RFC 9112 section 9.3: close wins over keep-alive."""
        if value == b"keep-alive":
            options = [value]
        else:
            options = [option.strip(b" \t") for option in value.split(b",")]
        if b"close" in options:
            self.closing = True
        elif b"keep-alive" in options:
            self.persistent = True

    def note_length(self, value: bytes) -> None:
        """RFC 9112 section 6.3: more than one length, even the same, is where smuggling starts."""
        if self.content_length != NO_LENGTH:
            self.refuse(400, "more than one Content-Length")
        self.content_length = parse_length(value)
        if self.content_length == NO_LENGTH:
            self.refuse(400, "Content-Length is not a number of bytes")

    def note_transfer_encoding(self, value: bytes) -> None:
        """RFC 9112 section 6.1: exactly one `chunked` and nothing else."""
        if self.chunked:
            self.refuse(400, "more than one Transfer-Encoding")
        elif value.lower() == b"chunked":
            self.chunked = True
        else:
            refused = judge_transfer_encoding(value)
            self.refuse(refused.status, refused.reason)

    def note_underscore(self) -> bool:
        if self.header_map == "refuse":
            self.refuse(400, "field name with an underscore")
        if self.header_map != "dangerous":
            return False
        # It may be another spelling of a name of FORWARDING.
        self.forwarding = True
        return True

    def refuse(self, status: int, reason: str) -> None:
        """Keep the first reason."""
        if self.refusal is None:
            self.refusal = RequestRefused(status, reason)

    def finish(self, method: str, target: bytes) -> Request:
        """Judge the rules that need all fields."""
        if self.seen_fields > self.most_fields:
            raise RequestRefused(431, f"more than {self.limits.fields} field lines")
        if self.chunked:
            if self.content_length != NO_LENGTH:
                raise RequestRefused(400, "both Transfer-Encoding and Content-Length")
            if not self.version_1_1:
                raise RequestRefused(400, "Transfer-Encoding in an HTTP/1.0 request")
        if not target.startswith(b"/"):
            target = self.read_other_form(method, target)
        if FRAGMENT in target:
            raise RequestRefused(400, "request target has a fragment")
        self.check_host()
        self.keep_alive = not self.closing and (self.version_1_1 or self.persistent)
        ended = not self.chunked and self.content_length <= 0
        if not ended:
            self.check_body_size()
            # llhttp now waits for this body; it is framed by the engine, so the next head gets a
            # new parser.
            self.parser = None
        elif self.parser_spent or not self.keep_alive:
            self.parser = None
        path, _, query = target.partition(b"?")
        request = Request(
            method,
            target,
            path,
            query,
            "1.1" if self.version_1_1 else "1.0",
            self.fields,
            self.content_length,
            ended,
            self.expects_continue and self.version_1_1 and not ended,
        )
        request.forwarding = self.forwarding
        if self.upgrade is not None and self.websockets:
            self.read_upgrade(request)
        return request

    def read_upgrade(self, request: Request) -> None:
        """The one protocol that can be switched to; every other Upgrade is ignored (RFC 9110
        section 7.8)."""
        # Imported lazily: most workers never see a WebSocket, and hashlib alone takes a megabyte.
        from bascule.protocols.websocket.handshake import is_websocket_upgrade, read_offer

        if not is_websocket_upgrade(request.method, request.http_version, request.fields):
            return
        if not request.ended:
            # The frames would begin behind it, and the client would have to send it first.
            raise RequestRefused(400, "a WebSocket handshake with a body")
        request.websocket = read_offer(request.fields)

    def check_host(self) -> None:
        """RFC 9112 section 3.2: one valid Host in HTTP/1.1. It may be empty, as of a target
        without an authority; then an application has the server's own name."""
        host = self.host
        if host is None:
            if self.version_1_1:
                raise RequestRefused(400, "no Host field")
        elif host and host not in HOSTS.known and not HOSTS.learn(host):
            raise RequestRefused(400, "Host is not a host with an optional port")

    def check_body_size(self) -> None:
        limit = self.limits.body
        if limit is not None and self.content_length > limit:
            raise RequestRefused(413, f"request body longer than {limit} bytes")

    def read_other_form(self, method: str, target: bytes) -> bytes:
        """Asterisk form and absolute form (RFC 9112 section 3.2); returns the origin form."""
        if target == b"*":
            if method != "OPTIONS":
                raise RequestRefused(400, "request target * is for OPTIONS")
            return target
        scheme, separator, rest = target.partition(b"://")
        if not separator or scheme.lower() not in (b"http", b"https"):
            raise RequestRefused(400, "request target is neither a path nor an http URI")
        end = min((at for at in (rest.find(b"/"), rest.find(b"?")) if at >= 0), default=len(rest))
        self.replace_host(rest[:end])
        path = rest[end:]
        return path if path.startswith(b"/") else b"/" + path

    def replace_host(self, authority: bytes) -> None:
        """RFC 9112 section 3.2.2: the authority of an absolute-form target wins over Host."""
        if b"@" in authority:
            raise RequestRefused(400, "request target has user information")
        if authority not in HOSTS.known and not HOSTS.learn(authority):
            raise RequestRefused(400, "request target has no valid host")
        self.check_host()
        self.host = authority
        self.fields = [
            (b"host", authority),
            *(field for field in self.fields if field[0] != b"host"),
        ]

    def explain(self, error: HttpParserError, head: bytes) -> RequestRefused:
        """Why llhttp refused, as a status and a sentence."""
        if self.refusal is not None:
            return self.refusal
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"transfer-encoding" and value.strip(b" \t").lower() != b"chunked":
                return judge_transfer_encoding(value.strip(b" \t"))
        if isinstance(error, HttpParserInvalidURLError):
            return RequestRefused(400, "malformed request target")
        text = str(error)
        if "method" in text:
            return RequestRefused(501, "method is not known here")
        return RequestRefused(400, text[:1].lower() + text[1:])


def judge_transfer_encoding(value: bytes) -> RequestRefused:
    """RFC 9112 section 6.1: 501 for a coding that is not known, 400 for one that is malformed or
    misplaced."""
    codings = [coding.strip(b" \t").lower() for coding in value.split(b",")]
    if any(TOKEN.fullmatch(coding) is None for coding in codings):
        return RequestRefused(400, "malformed Transfer-Encoding")
    if b"chunked" in codings[:-1] or b"identity" in codings:
        return RequestRefused(400, "chunked must be the last transfer coding, once")
    return RequestRefused(501, "the only transfer coding known here is chunked")
