"""Reads one complete request head (RFC 9112 sections 2 to 5).

A head is walked once, from its method to its empty line (`walk`). Its bytes are checked by tables,
or eight at once, and objects are made only of what the application gets. Field lines that clients
repeat are known whole (`LINES`): such a line is compared with the one that was read before, whose
objects are used again.

Not compiled, a walk in Python would be slow. There `match` takes the head apart with regular
expressions for its lines, and the walk is only for saying what is wrong with a head that does not
match. Behind both, the same methods judge what the parts mean.

The reader is only given complete heads, so it is never left in the middle of one.
"""

import re

from bascule.errors import RequestRefused
from bascule.protocols import scanning
from bascule.protocols.events import Request
from bascule.protocols.headers import (
    CONNECTION,
    CONTENT_LENGTH,
    EXPECT,
    FORWARDING,
    HOST,
    HOSTS,
    LONGEST_NAME_REMEMBERED,
    NO_LENGTH,
    PLAIN,
    PROXY,
    TOKEN,
    TRANSFER_ENCODING,
    UNDERSCORE,
    UPGRADE,
    NameCache,
    parse_length,
)
from bascule.protocols.limits import RequestLimits
from bascule.protocols.methods import METHODS

COMPILED = not __file__.endswith(".py")

HTTP_VERSION = re.compile(rb"HTTP/[0-9]\.[0-9]")
REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]++) ([!-~]++) HTTP/1\.([0-9])\r\n")
# RFC 9110 section 5.5.
FIELD_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]++):[ \t]*+([\t\x20-\x7e\x80-\xff]*+)")
CONNECT = b"CONNECT"
# Methods that no request to a server has, each with the reason.
REFUSED_METHODS = {
    CONNECT: "CONNECT is not supported: this is not a proxy",
    b"PRI": "method PRI belongs to the preface of HTTP/2",  # RFC 9113 section 11.6
}
REQUEST_NAMES = NameCache()

TAB = 0x09
LINE_FEED = 0x0A
CARRIAGE_RETURN = 0x0D
SPACE = 0x20
COLON = 0x3A
SLASH = 0x2F

# Sorts of bytes in a target. It ends with the first byte that is none of the three: RFC 3986 lets
# it have visible ASCII alone.
VISIBLE = 1
QUESTION = 2
FRAGMENT = 3
TARGET_BYTES = bytes(
    QUESTION
    if byte == 0x3F
    else FRAGMENT
    if byte == 0x23
    else VISIBLE
    if 0x20 < byte < 0x7F
    else 0
    for byte in range(256)
)
TOKEN_BYTES = bytes(TOKEN.fullmatch(bytes([byte])) is not None for byte in range(256))

# Options of Connection.
CLOSE = 1
KEEP_ALIVE = 2

# Fields of which many requests have the same value. None of them is secret, or names a client.
REPEATED = frozenset(
    b"accept accept-charset accept-encoding accept-language cache-control connection content-type "
    b"dnt expect host origin pragma priority purpose save-data sec-ch-ua sec-ch-ua-mobile "
    b"sec-ch-ua-platform sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-user sec-gpc te "
    b"transfer-encoding upgrade upgrade-insecure-requests user-agent via x-forwarded-host "
    b"x-forwarded-port x-forwarded-proto x-requested-with".split()
)
LONGEST_LINE_REMEMBERED = 256
LINES_REMEMBERED = 256
# Those of `match`.
MATCHED_LINES: dict[bytes, tuple[tuple[bytes, bytes], int]] = {}


class FieldName:
    """A field name that was read before.

    text: the name as it was written.
    repeated: lines with this name are remembered.
    """

    __slots__ = ("kind", "lower", "repeated", "size", "text")

    def __init__(self, text: bytes, lower: bytes, kind: int) -> None:
        self.text = text
        self.size = len(text)
        self.lower = lower
        self.kind = kind
        self.repeated = lower in REPEATED


class FieldLine:
    """A field line that was read before.

    text: the line as it was written, without its end.
    options: those of a Connection field.
    """

    __slots__ = ("field", "kind", "options", "size", "text")

    def __init__(self, text: bytes, field: tuple[bytes, bytes], kind: int) -> None:
        self.text = text
        self.size = len(text)
        self.field = field
        self.kind = kind
        self.options = connection_options(field[1]) if kind == CONNECTION else 0


def connection_options(value: bytes) -> int:
    """CLOSE and KEEP_ALIVE, of which a Connection field may have both."""
    options = 0
    for option in value.lower().split(b","):
        option = option.strip(b" \t")
        if option == b"close":
            options |= CLOSE
        elif option == b"keep-alive":
            options |= KEEP_ALIVE
    return options


# Each name and each line has one place, by its tag, and a later one takes it over: what a client
# invents costs little, and drives out little.
NAMES = [FieldName(b"", b"", PLAIN)] * 256
LINES = [FieldLine(b"", (b"", b""), PLAIN)] * LINES_REMEMBERED


class HeadReader:
    """Turns the bytes of a head into a `Request`; one for each connection, used again for every
    request on it.

    After `read`:

    end: the position behind the head.
    chunked: whether the body is framed in chunks.
    keep_alive: whether the client wants the connection to stay.
    upgrade: the protocol that the client would like to switch to.
    """

    __slots__ = (
        "chunked",
        "content_length",
        "end",
        "expects_continue",
        "fields",
        "forwarding",
        "header_map",
        "host",
        "keep_alive",
        "limits",
        "longest_line",
        "most_fields",
        "options",
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
        self.end = 0
        self.keep_alive = True
        self.forget()

    def forget(self) -> None:
        """Back to an empty head."""
        self.fields: list[tuple[bytes, bytes]] = []
        self.forwarding = False
        self.host: bytes | None = None
        self.content_length = NO_LENGTH
        self.chunked = False
        self.expects_continue = False
        self.options = 0
        self.upgrade: bytes | None = None
        self.version_1_1 = True

    def read(self, head: bytes, start: int = 0) -> Request:
        """Read the head that begins at `start`; its empty line must be there. Raises
        RequestRefused."""
        self.forget()
        if COMPILED:
            return self.walk(head, start)
        request = self.match(head, start)
        if request is None:
            self.forget()
            request = self.walk(head, start)
        return request

    def walk(self, head: bytes, start: int) -> Request:
        """Read a head byte by byte. Raises RequestRefused."""
        data = head
        at = start
        while TOKEN_BYTES[data[at]]:
            at += 1
        method_end = at
        if at == start or data[at] != SPACE:
            raise self.line_fault(head, start)
        at += 1
        target_start = at
        question = 0
        has_fragment = False
        while True:
            sort = TARGET_BYTES[data[at]]
            if sort != VISIBLE:
                if sort == QUESTION:
                    if question == 0:
                        question = at
                elif sort == FRAGMENT:
                    has_fragment = True
                else:
                    break
            at += 1
        target_end = at
        # Behind the version there is its CRLF, and that of the empty line.
        if (
            at == target_start
            or len(head) - at < 13
            or not scanning.same(data, at, b" HTTP/1.", 8)
        ):
            raise self.line_fault(head, start)
        minor = data[at + 8]
        if not 0x30 <= minor <= 0x39 or not scanning.same(data, at + 9, b"\r\n", 2):
            raise self.line_fault(head, start)
        # A later minor version is served as 1.1 (RFC 9110 section 2.5).
        self.version_1_1 = minor != 0x30
        at += 9
        if at - start > self.longest_line:
            raise self.line_fault(head, start)
        if method_end - start == 3 and scanning.same(data, start, b"GET", 3):
            method = "GET"
        else:
            method = self.read_method(data[start:method_end])
        count = self.walk_fields(head, at + 2)
        target = data[target_start:target_end]
        if question == 0:
            return self.finish(method, target, target, b"", has_fragment, count)
        path = data[target_start:question]
        query = data[question + 1 : target_end]
        return self.finish(method, target, path, query, has_fragment, count)

    def walk_fields(self, head: bytes, start: int) -> int:
        """Read the field lines from `start` on; returns their number."""
        data = head
        at = start
        size = len(head)
        fields = self.fields
        count = 0
        while True:
            stop = scanning.find(data, CARRIAGE_RETURN, at, size)
            if stop < 0 or data[stop + 1] != LINE_FEED:
                raise field_fault(head, at, at == start)
            if stop == at:
                self.end = at + 2
                return count
            count += 1
            length = stop - at
            line = LINES[scanning.tag(data, at, stop)]
            if line.size == length and scanning.same(data, at, line.text, length):
                kind = line.kind
                if kind == CONNECTION:
                    self.options |= line.options
                elif kind != PLAIN:
                    self.note(kind, line.field[1])
                fields.append(line.field)
            else:
                self.walk_field(head, at, stop, at == start)
            at = stop + 2

    def walk_field(self, head: bytes, start: int, stop: int, first: bool) -> None:
        """Read a field line that ends at `stop`."""
        data = head
        colon = scanning.find(data, COLON, start, stop)
        if colon <= start:
            raise field_fault(head, start, first)
        size = colon - start
        name = NAMES[scanning.tag(data, start, colon)]
        if name.size != size or not scanning.same(data, start, name.text, size):
            try:
                name = learn_name(data[start:colon])
            except ValueError:
                raise field_fault(head, start, first) from None
        at = colon + 1
        while data[at] == SPACE or data[at] == TAB:
            at += 1
        end = stop
        while end > at and (data[end - 1] == SPACE or data[end - 1] == TAB):
            end -= 1
        if not scanning.is_text(data, at, end):
            raise field_fault(head, start, first)
        value = data[at:end]
        field = (name.lower, value)
        kind = name.kind
        if kind != PLAIN and not self.note(kind, value):
            return
        self.fields.append(field)
        if name.repeated and stop - start <= LONGEST_LINE_REMEMBERED:
            LINES[scanning.tag(data, start, stop)] = FieldLine(data[start:stop], field, kind)

    def match(self, head: bytes, start: int) -> Request | None:
        """Read a head line by line; None when something is wrong with its syntax. Raises
        RequestRefused for what is wrong otherwise."""
        found = REQUEST_LINE.match(head, start)
        if found is None or found.end() - 2 - start > self.longest_line:
            return None
        raw_method, target, minor = found.groups()
        self.version_1_1 = minor != b"0"
        method = METHODS.get(raw_method) or self.read_method(raw_method)
        begin = found.end()
        end = head.find(b"\r\n\r\n", begin - 2)
        self.end = end + 4
        lines = head[begin:end].split(b"\r\n") if end > begin else []
        fields = self.fields
        for line in lines:
            entry = MATCHED_LINES.get(line) or match_line(line)
            if entry is None:
                return None
            field, kind = entry
            if kind == PLAIN or self.note(kind, field[1]):
                fields.append(field)
        path, _, query = target.partition(b"?")
        return self.finish(method, target, path, query, b"#" in target, len(lines))

    def read_method(self, method: bytes) -> str:
        """A token as text (RFC 9110 section 9.1)."""
        known = METHODS.get(method)
        if known is not None:
            return known
        if method in REFUSED_METHODS:
            raise RequestRefused(501, REFUSED_METHODS[method])
        return method.decode("ascii")

    def note(self, kind: int, value: bytes) -> bool:
        """Note a name that means something to the server; returns whether the application sees
        the field."""
        if kind == HOST:
            if self.host is not None:
                raise RequestRefused(400, "more than one Host field")
            self.host = value
        elif kind == CONNECTION:
            self.options |= connection_options(value)
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
                raise RequestRefused(417, "the only expectation met here is 100-continue")
            self.expects_continue = True
        elif kind == UPGRADE:
            self.upgrade = value
        return True

    def note_length(self, value: bytes) -> None:
        """RFC 9112 section 6.3: more than one length, even the same, is where smuggling starts."""
        if self.content_length != NO_LENGTH:
            raise RequestRefused(400, "more than one Content-Length")
        self.content_length = parse_length(value)
        if self.content_length == NO_LENGTH:
            raise RequestRefused(400, "Content-Length is not a number of bytes")

    def note_transfer_encoding(self, value: bytes) -> None:
        """RFC 9112 section 6.1: exactly one `chunked` and nothing else."""
        if self.chunked:
            raise RequestRefused(400, "more than one Transfer-Encoding")
        if value.lower() != b"chunked":
            raise judge_transfer_encoding(value)
        self.chunked = True

    def note_underscore(self) -> bool:
        if self.header_map == "refuse":
            raise RequestRefused(400, "field name with an underscore")
        if self.header_map != "dangerous":
            return False
        # It may be another spelling of a name of FORWARDING.
        self.forwarding = True
        return True

    def finish(
        self, method: str, target: bytes, path: bytes, query: bytes, has_fragment: bool, count: int
    ) -> Request:
        """Judge the rules that need all fields."""
        if count > self.most_fields:
            raise RequestRefused(431, f"more than {self.limits.fields} field lines")
        if self.chunked:
            if self.content_length != NO_LENGTH:
                raise RequestRefused(400, "both Transfer-Encoding and Content-Length")
            if not self.version_1_1:
                raise RequestRefused(400, "Transfer-Encoding in an HTTP/1.0 request")
        if target[0] != SLASH:
            target = self.read_other_form(method, target)
            path, _, query = target.partition(b"?")
        if has_fragment:
            raise RequestRefused(400, "request target has a fragment")
        self.check_host()
        # RFC 9112 section 9.3: close wins over keep-alive.
        options = self.options
        self.keep_alive = not options & CLOSE and (self.version_1_1 or options & KEEP_ALIVE != 0)
        ended = not self.chunked and self.content_length <= 0
        if not ended:
            self.check_body_size()
        request = Request.__new__(Request)
        request.fill(
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

    def line_fault(self, head: bytes, start: int) -> RequestRefused:
        """Why a request line is refused. RFC 9112 section 2.3: the name of the version is
        case-sensitive, each number is one digit."""
        line = head[start : head.find(b"\r\n", start)]
        if len(line) > self.longest_line:
            return RequestRefused(
                414, f"request line longer than {self.limits.request_line} bytes"
            )
        parts = line.split(b" ")
        if len(parts) != 3 or LINE_FEED in line:
            return RequestRefused(400, "request line is not METHOD SP TARGET SP VERSION")
        method, _, version = parts
        if TOKEN.fullmatch(method) is None:
            return RequestRefused(400, "method is not a token")
        if method == CONNECT:
            return RequestRefused(501, REFUSED_METHODS[method])
        if HTTP_VERSION.fullmatch(version) is None:
            return RequestRefused(400, "request line does not end with an HTTP version")
        if not version.startswith(b"HTTP/1."):
            return RequestRefused(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
        return RequestRefused(400, "malformed request target")


def learn_name(text: bytes) -> FieldName:
    """Classify a name and put it into its place. Raises ValueError when it is not a token."""
    entry = REQUEST_NAMES.known.get(text) or REQUEST_NAMES.learn(text)
    name = FieldName(text, entry[0], entry[1])
    if len(text) <= LONGEST_NAME_REMEMBERED:
        # Behind three bytes, as in a head.
        NAMES[scanning.tag(b"\0\r\n" + text, 3, len(text) + 3)] = name
    return name


def match_line(line: bytes) -> tuple[tuple[bytes, bytes], int] | None:
    """A field line as the field and its kind, or None when it is malformed."""
    found = FIELD_LINE.fullmatch(line)
    if found is None:
        return None
    name, value = found.groups()
    lower, kind = REQUEST_NAMES.known.get(name) or REQUEST_NAMES.learn(name)
    entry = ((lower, value.rstrip(b" \t")), kind)
    if lower in REPEATED and len(line) <= LONGEST_LINE_REMEMBERED:
        if len(MATCHED_LINES) >= LINES_REMEMBERED:
            MATCHED_LINES.clear()
        MATCHED_LINES[line] = entry
    return entry


def field_fault(head: bytes, start: int, first: bool) -> RequestRefused:
    """Why a field line is refused (RFC 9112 section 5)."""
    if head[start] in b" \t":
        if first:
            return RequestRefused(400, "unexpected space after start line")
        return RequestRefused(400, "unexpected whitespace after header value")
    at = start
    while TOKEN_BYTES[head[at]]:
        at += 1
    if at == start and head[at] == CARRIAGE_RETURN:
        return RequestRefused(400, "expected LF after headers")
    if at == start or head[at] != COLON:
        return RequestRefused(400, "invalid header token")
    at += 1
    while scanning.is_text(head, at, at + 1):
        at += 1
    if head[at] == LINE_FEED:
        return RequestRefused(400, "missing expected CR after header value")
    if head[at] == CARRIAGE_RETURN:
        return RequestRefused(400, "missing expected LF after header value")
    return RequestRefused(400, "invalid header value char")


def judge_transfer_encoding(value: bytes) -> RequestRefused:
    """RFC 9112 section 6.1: 501 for a coding that is not known, 400 for one that is malformed or
    misplaced."""
    codings = [coding.strip(b" \t").lower() for coding in value.split(b",")]
    if any(TOKEN.fullmatch(coding) is None for coding in codings):
        return RequestRefused(400, "malformed Transfer-Encoding")
    if b"chunked" in codings[:-1] or b"identity" in codings:
        return RequestRefused(400, "chunked must be the last transfer coding, once")
    return RequestRefused(501, "the only transfer coding known here is chunked")
