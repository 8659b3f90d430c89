"""Request heads by the thousand, and what three parsers make of each: ours in its two forms,
llhttp by way of httptools, and h11.

The two forms (`HeadReader.walk` and `match`) have to agree in everything.
Where only one of ours and another parser takes a head, the bytes must show one of the differences
that are listed here with their reasons.
"""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import h11
import httptools

from bascule.errors import RequestRefused
from bascule.protocols.events import Request
from bascule.protocols.http1.head import HeadReader
from bascule.protocols.limits import RequestLimits
from support.http1_oracle import LOOSER, STRICTER, Sight, explain, without_host
from support.http1_requests import CONFUSING

LIMITS = RequestLimits()
END = b"\r\n\r\n"

Fields = list[tuple[bytes, bytes]]

# Heads are made of these. The first words of a list come more often than the others.
METHODS = (
    b"GET POST HEAD PUT OPTIONS DELETE PROPFIND M-SEARCH QUERY BREW get CONNECT PRI G@T".split()
)
TARGETS = (
    b"/ /a/b?c=d /%20;x,y|z /a?b?c * http://b.example/x https://b.example:1?y http://u@b/ "
    b"HTTP://[::1] b.example:443 /#x /a#?b ftp://b/ /\xc3\xa9 /\x7f ?x http:/x"
).split()
VERSIONS = (
    b"HTTP/1.1 HTTP/1.1 HTTP/1.0 HTTP/1.2 HTTP/1.9 HTTP/2.0 HTTP/0.9 http/1.1 HTTP/1.x".split()
)
HOSTS = b"a.example a.example:8000 127.0.0.1 [::1]:80 my_service a/b a@b [::z] a:b".split()
VALUES = [
    *(b"", b"x", b"a b", b"a\tb", b"\xe9\x80", b"a,b", b":", b"a" * 40, b"text/html,*/*;q=0.8"),
    *(
        b"gzip, deflate, br, zstd",
        b"Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101",
        b"\x0b",
        b"\0",
    ),
]
NAMES = [
    *(b"Accept", b"accept", b"User-Agent", b"X-A", b"x", b"TE", b"Referer", b"Cookie", b"X_A"),
    *(b"Keep-Alive", b"Proxy-Connection", b"Content-Type", b"X-Forwarded-For", b"Accept-Encoding"),
    *(b"Content-Length2", b"Transfer-Encodin", b"Hos", b"!#$%&'*+-.^_`|~0", b"Sec-Fetch-Site"),
]
MEANINGFUL: list[tuple[bytes, list[bytes]]] = [
    (b"Connection", [b"close", b"keep-alive", b"Upgrade", b"x, close", b"keep-alive, close", b""]),
    (b"Content-Length", [b"0", b"5", b"005", b"9" * 19, b"9" * 30, b"+5", b"5, 5", b"0x5", b""]),
    (b"Transfer-Encoding", [b"chunked", b"Chunked", b"gzip", b"gzip, chunked", b"identity", b""]),
    (b"Expect", [b"100-continue", b"100-Continue", b"more"]),
    (b"Upgrade", [b"h2c", b"websocket"]),
    (b"Host", HOSTS),
]
AROUND = [b" ", b" ", b" ", b"", b"\t", b" \t "]
BEHIND = [b"", b"", b"", b"", b" ", b"\t", b" \t "]


def heads(seed: int, count: int) -> Iterator[bytes]:
    """`count` complete heads, the same for the same seed. Half of them are as a client would write
    them; the others have had up to three accidents."""
    chance = random.Random(seed)
    for number in range(count):
        head = written(chance)
        if number % 2:
            for _ in range(chance.randint(1, 3)):
                head = accident(chance, head)
        yield (head + END).partition(END)[0] + END


def mostly_first(chance: random.Random, words: list[bytes]) -> bytes:
    return words[int(len(words) * chance.random() ** 8)]


def written(chance: random.Random) -> bytes:
    lines = [
        mostly_first(chance, METHODS)
        + b" "
        + mostly_first(chance, TARGETS)
        + b" "
        + mostly_first(chance, VERSIONS)
    ]
    if chance.random() < 0.95:
        lines.append(b"Host: " + mostly_first(chance, HOSTS))
    for _ in range(chance.choice((0, 1, 2, 4, 9))):
        name, value = chance.choice(NAMES), chance.choice(VALUES[:-2])
        if chance.random() < 0.2:
            name, values = chance.choice(MEANINGFUL)
            name = chance.choice((name, name.lower(), name.upper()))
            value = mostly_first(chance, values)
        lines.append(name + b":" + chance.choice(AROUND) + value + chance.choice(BEHIND))
    return b"\r\n".join(lines)


def accident(chance: random.Random, head: bytes) -> bytes:
    """Something put in, taken away or exchanged."""
    at = chance.randint(0, len(head))
    gone = chance.choice((0, 0, 1, 2))
    piece = chance.choice((b"", bytes([chance.randrange(256)]), chance.choice(CONFUSING)))
    return head[:at] + piece + head[at + gone :]


@dataclass
class Seen:
    """The head as a parser understands it: "taken" or "refused", with the words of the refusal."""

    kind: str
    words: str = ""
    request: tuple[Any, ...] = ()
    keep_alive: bool = True


def read_by(read: Callable[[HeadReader], Request | None]) -> Seen | None:
    reader = HeadReader(LIMITS, "dangerous")
    try:
        request = read(reader)
    except RequestRefused as refused:
        return Seen("refused", f"{refused.status} {refused.reason}")
    if request is None:
        return None
    assert (request.path, request.query) == request.target.partition(b"?")[::2]
    told = (request.method, request.target, request.http_version, request.fields)
    framing = (request.content_length, request.ended, request.expects_continue, reader.chunked)
    rest = (request.forwarding, request.websocket is not None, reader.upgrade, reader.end)
    return Seen("taken", request=(told, framing, rest), keep_alive=reader.keep_alive)


def walk(head: bytes) -> Seen:
    walked = read_by(lambda reader: reader.walk(head, 0))
    assert walked is not None
    return walked


def read_in_both_forms(head: bytes) -> Seen:
    """Raises AssertionError when the two forms differ."""
    walked = walk(head)
    matched = read_by(lambda reader: reader.match(head, 0))
    if matched is None:
        assert walked.kind == "refused", walked
    else:
        assert matched == walked, (matched, walked)
    used = read_by(lambda reader: reader.read(head))
    assert used == walked, (used, walked)
    return walked


class LlhttpReader:
    """The callbacks that httptools wants."""

    def __init__(self) -> None:
        self.target = b""
        self.fields: Fields = []
        self.complete = False
        self.keep_alive = True
        self.parser = httptools.HttpRequestParser(self)

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        self.complete = True
        self.keep_alive = self.parser.should_keep_alive()


def ask_llhttp(head: bytes) -> Seen:
    seen = LlhttpReader()
    parser = seen.parser
    try:
        parser.feed_data(head)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as error:
        return Seen("refused", str(error))
    if not seen.complete:
        return Seen("refused", "not complete")
    told = (parser.get_method().decode(), seen.target, parser.get_http_version(), seen.fields)
    return Seen("taken", request=told, keep_alive=seen.keep_alive)


def ask_h11_for_head(head: bytes) -> Seen:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=LIMITS.head)
    connection.receive_data(head)
    try:
        event: Any = connection.next_event()
    except h11.RemoteProtocolError as error:
        return Seen("refused", str(error))
    if not isinstance(event, h11.Request):
        return Seen("refused", "not complete")
    fields = [(bytes(name).lower(), bytes(value)) for name, value in event.headers]
    told = (event.method.decode(), bytes(event.target), event.http_version.decode(), fields)
    return Seen("taken", request=told)


LLHTTP_METHODS = frozenset(
    b"GET HEAD POST PUT PATCH DELETE OPTIONS TRACE ACL BIND CHECKOUT COPY LINK LOCK M-SEARCH "
    b"MERGE MKACTIVITY MKCALENDAR MKCOL MOVE NOTIFY PROPFIND PROPPATCH PURGE QUERY REBIND REPORT "
    b"SEARCH SOURCE SUBSCRIBE UNBIND UNLINK UNLOCK UNSUBSCRIBE".split()
)

# Heads that are refused here and that llhttp takes, each with the reason.
STRICTER_THAN_LLHTTP: dict[str, Callable[[Sight], object]] = {
    "a bare LF in the target ends an HTTP/0.9 request for llhttp": lambda s: (
        b"\n" in s.head.partition(b"\r\n")[0]
    ),
    "RFC 9112 section 3: one space between the parts of the request line": lambda s: (
        b"  " in s.head.partition(b"\r\n")[0]
    ),
    "RFC 9112 section 2.2: empty lines before a head are skipped by the engine": lambda s: (
        s.head.startswith(b"\r")
    ),
    "RFC 9110 section 9.3.6: CONNECT is for proxies": lambda s: s.words[0] == b"CONNECT",
    "RFC 9112 section 2.3: 1.0 and 1.1 are the versions": lambda s: (
        s.words[-1] not in (b"HTTP/1.0", b"HTTP/1.1")
    ),
    "RFC 9112 section 3.2: forms of targets are left to the user of llhttp": Sight.bad_target,
    "RFC 9112 section 3.2: one Host in HTTP/1.1": lambda s: len(s.values(b"host")) != 1,
    "RFC 9110 section 7.2: the syntax of Host is left to the user of llhttp": Sight.bad_host,
    "lengths past 63 bits are taken by llhttp": Sight.bad_length,
    "RFC 9112 section 6.1: Transfer-Encoding in HTTP/1.0": lambda s: s.words[-1] == b"HTTP/1.0",
    "RFC 9112 section 6.1: one chunked is the transfer coding known here": lambda s: (
        [value.lower() for value in s.values(b"transfer-encoding")] not in ([], [b"chunked"])
    ),
    "RFC 9110 section 10.1.1: expectations are left to the user of llhttp": lambda s: (
        {value.lower() for value in s.values(b"expect")} - {b"100-continue"}
    ),
    "RFC 6455 section 4.2.1: handshakes are left to the user of llhttp": lambda s: (
        b"websocket" in b",".join(s.values(b"upgrade")).lower()
    ),
}
# Heads that are taken here and that llhttp refuses.
LOOSER_THAN_LLHTTP: dict[str, Callable[[Sight], object]] = {
    "RFC 9110 section 9.1: a method is any token": lambda s: s.words[0] not in LLHTTP_METHODS,
    "RFC 9110 section 5.6.3: a tab is white space around a value": lambda s: re.search(
        rb"\t *\r\n", s.head
    ),
    "RFC 9110 section 2.5: a later minor version is served as 1.1": lambda s: re.fullmatch(
        rb"HTTP/1\.[2-9]", s.words[-1]
    ),
}
# Heads of which the two think differently whether the connection stays.
OTHER_PERSISTENCE: dict[str, Callable[[Sight], object]] = {
    "RFC 9110 appendix B.2: Proxy-Connection means nothing": lambda s: s.values(
        b"proxy-connection"
    ),
    "RFC 9112 section 9.3: close wins, in HTTP/1.0 as well": lambda s: s.words[-1] == b"HTTP/1.0",
}


def compare_with(
    other: Seen,
    ours: Seen,
    head: bytes,
    stricter: dict[str, Callable[[Sight], object]],
    looser: dict[str, Callable[[Sight], object]],
) -> None:
    if ours.kind != other.kind:
        table = stricter if ours.kind == "refused" else looser
        assert explain(table, head), (ours, other)
    elif ours.kind == "taken":
        agree_on_head(ours.request[0], other.request)


def agree_on_head(ours: tuple[Any, ...], theirs: tuple[Any, ...]) -> None:
    method, target, version, fields = ours
    # h11 hands on the name of the coding in lower case.
    fields = [(k, v.lower() if k == b"transfer-encoding" else v) for k, v in fields]
    other = [(k, v.lower() if k == b"transfer-encoding" else v) for k, v in theirs[3]]
    assert (method, version) == (theirs[0], min(theirs[2], "1.1"))
    if theirs[1][:1] in (b"/", b"*"):
        assert (target, fields) == (theirs[1], other)
    else:
        # An absolute-form target is reduced to its path, and its authority becomes Host.
        assert theirs[1].endswith(target.removeprefix(b"/"))
        assert without_host(fields) == without_host(other)


def compare_head(head: bytes, with_h11: bool = True) -> Seen:
    """Raises AssertionError when parsers differ in a way that is not listed."""
    ours = read_in_both_forms(head)
    llhttp = ask_llhttp(head)
    compare_with(llhttp, ours, head, STRICTER_THAN_LLHTTP, LOOSER_THAN_LLHTTP)
    if ours.kind == llhttp.kind == "taken" and ours.keep_alive != llhttp.keep_alive:
        assert explain(OTHER_PERSISTENCE, head), (ours, llhttp)
    if with_h11:
        compare_with(ask_h11_for_head(head), ours, head, STRICTER, LOOSER)
    return ours
