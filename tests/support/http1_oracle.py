"""h11 as a second opinion about requests: both must take the same ones, and read the same in them.

Where only one of the two takes a request, the bytes must show one of the differences that are
listed here with their reasons; what the engine says about it is not asked, so that a wrong refusal
cannot excuse itself.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import h11

from bascule.protocols.headers import FORBIDDEN_TRAILERS
from bascule.protocols.http1.engine import Http1Engine
from bascule.protocols.limits import RequestLimits
from support.wire import Exchanged, feed

LIMITS = RequestLimits()
VERSIONS = tuple(b"HTTP/1.%d" % minor for minor in range(10))
HOST = re.compile(rb"([\w.~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+(:\d{0,5})?")
TARGET = re.compile(rb"(https?://[^/?@]+([/?].*)?|/.*)", re.IGNORECASE)
CHUNK_LINE = re.compile(
    rb"[0-9A-Fa-f]{1,16}([ \t]*;[ \t]*[\w!#$%&'*+.^`|~-]+([ \t]*=[ \t]*[\w!#$%&'*+.^`|~-]+)?)*"
)

Fields = list[tuple[bytes, bytes]]


@dataclass
class Verdict:
    """The outcome of the first request for a parser: "taken", "refused" or "incomplete"."""

    kind: str
    words: str = ""
    request: Exchanged | None = None


def ask_engine(data: bytes) -> Verdict:
    outcome = feed(Http1Engine(LIMITS, "dangerous"), iter([data]))
    request = outcome.requests[0] if outcome.requests else None
    if request is not None and request.complete:
        return Verdict("taken", request=request)
    if outcome.refused is not None:
        return Verdict("refused", outcome.refused.reason)
    return Verdict("incomplete")


def ask_h11(data: bytes) -> Verdict:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=LIMITS.head)
    connection.receive_data(data)
    request = None
    try:
        while True:
            event: Any = connection.next_event()
            if isinstance(event, h11.Request):
                method, version = event.method.decode(), event.http_version.decode()
                request = Exchanged(method, bytes(event.target), version, lowered(event.headers))
            elif request is None or not isinstance(event, h11.Data | h11.EndOfMessage):
                return Verdict("incomplete")
            elif isinstance(event, h11.Data):
                request.body += bytes(event.data)
            else:
                request.trailers = lowered(event.headers)
                return Verdict("taken", request=request)
    except h11.RemoteProtocolError as error:
        return Verdict("refused", str(error))


def lowered(fields: Any) -> Fields:
    return [(bytes(name).lower(), bytes(value)) for name, value in fields]


def is_host(authority: bytes) -> bool:
    """RFC 3986 section 3.2.2, with the address between brackets read by the standard library; or
    nothing."""
    if not authority:
        return True
    literal = re.fullmatch(rb"\[([^\]]+)\](:\d{0,5})?", authority)
    if literal is None:
        return HOST.fullmatch(authority) is not None
    try:
        ipaddress.IPv6Address(literal.group(1).decode("ascii"))
    except ValueError:
        return False
    return True


class Sight:
    """The bytes as a lenient eye sees them, to find out what is wrong with them."""

    def __init__(self, data: bytes) -> None:
        blank_line = re.search(rb"\n\r?\n", data)
        end = blank_line.end() if blank_line is not None else len(data)
        self.head = data[:end]
        self.rest = data[end:]
        lines = [line.rstrip(b"\r") for line in self.head.rstrip(b"\r\n").split(b"\n")]
        self.words = lines[0].split(b" ")
        self.lines = [line.partition(b":") for line in lines[1:]]
        if b"chunked" in self.head.lower():
            # There the body has lines as well.
            self.text = data
        else:
            self.text = self.head

    def values(self, name: bytes) -> list[bytes]:
        """The values of a field, white space and lines folded into it taken away."""
        return [value.strip(b" \t") for key, _, value in self.lines if key.lower() == name]

    @cached_property
    def target(self) -> bytes:
        return self.words[1] if len(self.words) > 1 else b""

    @cached_property
    def lengths(self) -> list[bytes]:
        return self.values(b"content-length")

    def bad_target(self) -> bool:
        if self.target == b"*":
            return self.words[0] != b"OPTIONS"
        return TARGET.fullmatch(self.target) is None or b"#" in self.target

    def bad_host(self) -> bool:
        hosts = self.values(b"host")
        authority = re.match(rb"(?i)https?://([^/?]*)", self.target)
        if authority is not None:
            hosts.append(authority.group(1))
        return not all(map(is_host, hosts))

    def bad_length(self) -> bool:
        return any(not n.isdigit() or len(n) > 19 or int(n) >= 2**63 for n in self.lengths)

    def bad_chunk_line(self) -> bool:
        """A line of the body that begins as a size does, and continues as none does."""
        sizes = [line.rstrip(b"\r") for line in self.rest.split(b"\n")]
        sizes = [line for line in sizes if re.match(rb"[0-9A-Fa-f]+([ \t;]|$)", line)]
        too_large = any(int(re.split(rb"[ \t;]", line)[0], 16) >= 2**63 for line in sizes)
        return too_large or any(CHUNK_LINE.fullmatch(line) is None for line in sizes)

    def forbidden_trailer(self) -> bool:
        names = [line.partition(b":")[0].lower() for line in self.rest.split(b"\n")]
        return not FORBIDDEN_TRAILERS.isdisjoint(names)

    def past_a_limit(self) -> bool:
        return (
            len(self.head) > LIMITS.head
            or len(self.head.partition(b"\n")[0]) > LIMITS.request_line
            or len(self.lines) > LIMITS.fields
            or self.rest.count(b":") > LIMITS.fields
            or len(self.rest) > LIMITS.chunk_line
        )


# Requests that the engine refuses and h11 takes, each with the reason.
STRICTER: dict[str, Callable[[Sight], object]] = {
    "bare LF ends a line for h11 (CVE-2019-16785)": lambda s: re.search(rb"(?<!\r)\n", s.text),
    "CR before CRLF is a line end for h11": lambda s: re.search(rb"\r(?!\n)", s.text),
    "control bytes may stand in values for h11": lambda s: re.search(
        rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", s.text
    ),
    "folded lines are joined by h11, as RFC 9112 section 5.2 allows": lambda s: re.search(
        rb"\n[ \t]", s.text
    ),
    "CONNECT and PRI are left to the user of h11": lambda s: s.words[0] in (b"CONNECT", b"PRI"),
    "versions are left to the user of h11": lambda s: s.words[-1] not in VERSIONS,
    "a later minor version needs a Host as 1.1 does": lambda s: (
        not s.values(b"host") and re.fullmatch(rb"HTTP/1\.[2-9]", s.words[-1])
    ),
    "forms of targets are left to the user of h11": Sight.bad_target,
    "the syntax of Host is left to the user of h11": Sight.bad_host,
    "equal lengths are merged by h11": lambda s: len(s.lengths) > 1,
    "lengths past 63 bits are left to the user of h11": Sight.bad_length,
    "Content-Length is ignored by h11 beside Transfer-Encoding": lambda s: (
        s.lengths and s.values(b"transfer-encoding")
    ),
    "Transfer-Encoding in HTTP/1.0 is taken by h11": lambda s: s.words[-1] == b"HTTP/1.0",
    "WebSocket handshakes are left to the user of h11": lambda s: (
        b"websocket" in b",".join(s.values(b"upgrade")).lower()
    ),
    "expectations are left to the user of h11": lambda s: (
        {value.lower() for value in s.values(b"expect")} - {b"100-continue"}
    ),
    "chunk extensions are skipped by h11": Sight.bad_chunk_line,
    "names of trailers are left to the user of h11": Sight.forbidden_trailer,
    "limits are for each part here, for the whole in h11": Sight.past_a_limit,
}
# Requests that the engine takes and h11 refuses.
LOOSER: dict[str, Callable[[Sight], object]] = {
    "one or two blank lines before a request are ignored (RFC 9112 section 2.2)": lambda s: (
        s.head.startswith(b"\r\n")
    ),
    "white space before a chunk extension is grammar (RFC 9112 section 7.1.1)": lambda s: (
        re.search(rb"[0-9A-Fa-f][ \t]+;", s.rest)
    ),
    "an incomplete head is judged when it is complete, but for a bare LF": lambda s: (
        s.head[:1] < b"!" and not s.head.endswith(b"\r\n\r\n")
    ),
}


def explain(table: dict[str, Callable[[Sight], object]], data: bytes) -> list[str]:
    """The listed differences that `data` show."""
    sight = Sight(data)
    return [reason for reason, shows in table.items() if shows(sight)]


def compare(data: bytes) -> None:
    """Raises AssertionError when the two differ in a way that is not listed."""
    ours, theirs = ask_engine(data), ask_h11(data)
    if ours.request is not None and theirs.request is not None:
        agree(ours.request, theirs.request)
    elif ours.kind == "refused" and theirs.kind != "refused":
        assert explain(STRICTER, data), (ours, theirs)
    elif theirs.kind == "refused" and ours.kind != "refused":
        assert explain(LOOSER, data), (ours, theirs)
    else:
        assert ours.kind == theirs.kind, (ours, theirs)


def agree(ours: Exchanged, theirs: Exchanged) -> None:
    # A later minor version is served as 1.1, which h11 leaves to its user.
    assert (ours.method, ours.version) == (theirs.method, min(theirs.version, "1.1"))
    assert (ours.body, ours.trailers) == (theirs.body, theirs.trailers)
    # h11 hands on the name of the coding in lower case.
    fields = [(k, v.lower() if k == b"transfer-encoding" else v) for k, v in ours.fields]
    if theirs.target[:1] in (b"/", b"*"):
        assert (ours.target, fields) == (theirs.target, theirs.fields)
    else:
        # An absolute-form target is reduced to its path, and its authority becomes Host.
        assert theirs.target.endswith(ours.target.removeprefix(b"/"))
        assert without_host(fields) == without_host(theirs.fields)


def without_host(fields: Fields) -> Fields:
    return [item for item in fields if item[0] != b"host"]
