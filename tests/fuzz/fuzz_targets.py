"""One function for each parser: it takes any octets and raises when its docstring does not hold.

They have the signature that atheris and libFuzzer want; run.py drives them.
"""

import re
from collections.abc import Callable

from bascule.errors import RequestRefused, ResponseError
from bascule.protocols.events import Request
from bascule.protocols.headers import HostCache, NameCache, parse_length
from bascule.protocols.http1.chunked import ChunkedDecoder
from bascule.protocols.http1.engine import Http1Engine
from bascule.protocols.http1.head import HeadReader
from bascule.protocols.http1.response import ResponseDefaults, ResponseWriter
from bascule.protocols.limits import RequestLimits, WebSocketLimits
from bascule.protocols.websocket.deflate import Deflate
from bascule.protocols.websocket.engine import WebSocketEngine
from bascule.protocols.websocket.handshake import Offer, negotiate, read_offer, response_fields
from support.websocket_wire import feed_websocket
from support.wire import Outcome, feed, random_pieces

# Small, so that short inputs reach every limit.
LIMITS = RequestLimits(
    request_line=120, head=600, fields=12, body=400, chunk_line=40, trailer=120, discard=60
)
REFUSALS = {400, 413, 414, 417, 426, 431, 501, 505}
WEBSOCKET_LIMITS = WebSocketLimits(message=100, frame=80, fragments=4)
MESSAGES = ("text", "binary", "ping", "pong")
WEBSOCKET_ENDS = ("closed", "failed", "lost")
CLEAN_HEAD = b"GET /clean HTTP/1.1\r\nHost: a.example\r\n\r\n"


def http1_engine(data: bytes) -> None:
    """Never raises; however the octets are cut, the same requests come out, and the same end;
    nothing comes after the end; no more is kept than the longest head.
    """
    whole = feed(Http1Engine(LIMITS), iter([data]))
    pieces = feed(Http1Engine(LIMITS), random_pieces(data, str(len(data))))
    for outcome in (whole, pieces):
        assert outcome.events_after_the_end == []
        assert outcome.closed is None or outcome.most_buffered <= LIMITS.head
        assert outcome.refused is None or outcome.refused.status in REFUSALS
    assert (whole.refused is None) == (pieces.refused is None)
    assert repr(whole.closed) == repr(pieces.closed)
    assert summary(whole) == summary(pieces)


def summary(outcome: Outcome) -> list[tuple[object, ...]]:
    """The requests; of an unfinished body only that it is there, for its cuts may show."""
    return [
        (one.method, one.target, one.fields, one.trailers, one.complete and one.body)
        for one in outcome.requests
    ]


def http1_head(data: bytes) -> None:
    """A head is a Request or a RequestRefused with one of the known statuses and one printable
    line of reason; of a Request the names are tokens in lower case, the values have no control
    octet, and nothing of it is left in the reader for the next head.
    """
    head = data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    reader = HeadReader(LIMITS, "drop")
    request = read_or_refuse(reader, head)
    if request is None:
        return
    check_fields(request)
    clean = reader.read(CLEAN_HEAD)
    assert (clean.target, clean.fields) == (b"/clean", [(b"host", b"a.example")])
    assert reader.keep_alive
    assert not reader.chunked


def read_or_refuse(reader: HeadReader, head: bytes) -> Request | None:
    refused: RequestRefused | None = None
    try:
        return reader.read(head)
    except RequestRefused as error:
        refused = error
    assert refused.status in REFUSALS
    assert refused.reason.isprintable()
    return None


def check_fields(request: Request) -> None:
    assert re.fullmatch(rb"\*|/[!-~]*", request.target), request.target
    for name, value in request.fields:
        assert re.fullmatch(rb"[!#$%&'*+.^`|~0-9a-z-]+", name), name
        assert re.fullmatch(rb"[\t -~\x80-\xff]*", value), value
        assert value == value.strip(b" \t")


def http1_chunked(data: bytes) -> None:
    """Raises nothing but RequestRefused; fed in two pieces, it decodes the same octets and finds
    the same end as fed whole.
    """
    half = len(data) // 2
    assert decode_chunks([data]) == decode_chunks([data[:half], data[half:]])


def decode_chunks(pieces: list[bytes]) -> tuple[object, ...]:
    decoder = ChunkedDecoder(LIMITS, "drop")
    left = b""
    try:
        for piece in pieces:
            left += piece
            left = left[decoder.decode(left, 0) :]
    except RequestRefused as refused:
        return (refused.status in REFUSALS,)
    return decoder.take(), decoder.done, decoder.trailers, left


def http1_response(data: bytes) -> None:
    """Whatever an application sends is either a ResponseError or exactly one head with exactly
    the fields it gave, then the body.
    """
    reason, _, rest = data.partition(b"|")
    parts = rest.split(b"|")
    fields = list(zip(parts[::2], parts[1::2], strict=False))
    writer = ResponseWriter(ResponseDefaults())
    try:
        octets = writer.head(200, reason, fields, b"body", True)
    except ResponseError:
        assert not writer.started
        return
    head, _, body = octets.partition(b"\r\n\r\n")
    assert body == b"body"
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n|\0", head)
    lines = head.split(b"\r\n")
    assert len(lines) <= len(fields) + 3
    assert sum(line.lower().startswith(b"content-length:") for line in lines) == 1
    assert not any(line.lower().startswith(b"transfer-encoding:") for line in lines)


def header_policy(data: bytes) -> None:
    """A name is a token or a ValueError; an authority has no octet that ends one in a URL; a
    length is what ASCII digits say or -1.
    """
    try:
        assert NameCache().learn(data)[0] == data.lower()
    except ValueError:
        assert not re.fullmatch(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+", data)
    if HostCache().learn(data):
        assert data
        assert not re.search(rb"[\x00-\x20/?#@\\<>\"\x7f-\xff]", data)
    length = parse_length(data)
    assert length == (int(data) if re.fullmatch(rb"[0-9]{1,19}", data) else -1) or length == -1
    assert length < 2**63


def websocket_engine(data: bytes) -> None:
    """Never raises; however the octets are cut, the same messages come out, and the same end;
    nothing comes after the end, nothing is longer than the limits, and no more waits than a
    control frame. The first octet says whether compression was negotiated.
    """
    deflated = data[:1] > b"\x7f"
    whole, _ = feed_websocket(websocket(deflated), iter([data[1:]]))
    pieces, most = feed_websocket(websocket(deflated), random_pieces(data[1:], str(len(data))))
    assert most <= 8 + 125
    for events in (whole, pieces):
        assert [event[0] for event in events if event[0] in WEBSOCKET_ENDS] == [events[-1][0]]
    assert whole[:-1] == pieces[:-1]
    # The words may differ where compressed data is wrong in two ways.
    assert whole[-1][:1] == pieces[-1][:1]
    assert deflated or whole[-1] == pieces[-1]
    for kind, content in ((event[0], event[-1]) for event in whole if event[0] in MESSAGES):
        size = len(content.encode() if isinstance(content, str) else bytes(content))
        assert size <= (125 if kind in ("ping", "pong") else WEBSOCKET_LIMITS.message)


def websocket(deflated: bool) -> WebSocketEngine:
    return WebSocketEngine(WEBSOCKET_LIMITS, Deflate() if deflated else None)


def websocket_offer(data: bytes) -> None:
    """Whatever the fields of a handshake say, it is refused with 400 or 426, or it can be answered
    with a subprotocol of it and with an extension that has no octet but those of tokens.
    """
    lines = data.split(b"\r\n")
    names = [b"sec-websocket-" + name for name in (b"protocol", b"extensions", b"key", b"version")]
    fields = [*zip(names, lines, strict=False)]
    known = [(names[2], b"AAAAAAAAAAAAAAAAAAAAAA=="), (names[3], b"13")]
    for given in (fields, fields[:2] + known):
        offer = offer_or_refuse(given)
        if offer is None:
            continue
        deflate, extension = negotiate(offer, True)
        assert (deflate is None) == (extension is None)
        assert extension is None or re.fullmatch(rb"permessage-deflate[a-z_;= 0-9]*", extension)
        chosen = offer.subprotocols[0] if offer.subprotocols else None
        answer = dict(response_fields(offer, chosen, extension, []))
        assert answer.get(names[0], b"").decode() == (chosen or "")


def offer_or_refuse(fields: list[tuple[bytes, bytes]]) -> Offer | None:
    refused: RequestRefused | None = None
    try:
        return read_offer(fields)
    except RequestRefused as error:
        refused = error
    assert refused.status in (400, 426)
    return None


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        http1_engine,
        http1_head,
        http1_chunked,
        http1_response,
        header_policy,
        websocket_engine,
        websocket_offer,
    )
}
