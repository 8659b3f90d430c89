"""One function for each parser: it takes any bytes and raises when its docstring does not hold.

They have the signature that atheris and libFuzzer want; run.py drives them.
"""

import re
from collections.abc import Callable, Iterator

from bascule.errors import RequestRefused, ResponseError
from bascule.protocols.events import Request
from bascule.protocols.forwarded import ForwardedError, ForwardedReader
from bascule.protocols.headers import HostCache, NameCache, parse_length
from bascule.protocols.http1.chunked import ChunkedDecoder
from bascule.protocols.http1.engine import Http1Engine
from bascule.protocols.http1.head import HeadReader
from bascule.protocols.http1.response import ResponseWriter
from bascule.protocols.http2.engine import Http2Engine
from bascule.protocols.http2.hpack import Decoder, Encoder, HeaderListTooLong, HpackError
from bascule.protocols.limits import Http2Limits, RequestLimits, WebSocketLimits
from bascule.protocols.peers import TrustedPeers, parse_ip
from bascule.protocols.proxy import ProxyHeaderError, ProxyReader
from bascule.protocols.response_fields import ResponseDefaults
from bascule.protocols.websocket.deflate import Deflate
from bascule.protocols.websocket.engine import WebSocketEngine
from bascule.protocols.websocket.handshake import Offer, negotiate, read_offer, response_fields
from support.hpack_blocks import entries, list_size
from support.http2_frames import OPENING, frames_of
from support.http2_wire import feed_http2
from support.websocket_wire import feed_websocket
from support.wire import Outcome, feed, random_pieces, take_events

# Small, so that short inputs reach every limit.
LIMITS = RequestLimits(
    request_line=120, head=600, fields=12, body=400, chunk_line=40, trailer=120, discard=60
)
HTTP2_LIMITS = Http2Limits(streams=3, continuations=3, resets=4, frames=30, unsent=300)
REFUSALS = {400, 413, 414, 417, 426, 431, 501, 505}
WEBSOCKET_LIMITS = WebSocketLimits(message=100, frame=80, fragments=4)
MESSAGES = ("text", "binary", "ping", "pong")
LIST_SIZE = 600
LIST_FIELDS = 8
WEBSOCKET_ENDS = ("closed", "failed", "lost")
FORWARDED_NAMES = [
    b"x-forwarded-for",
    b"x-forwarded-proto",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"x-forwarded-prefix",
    b"forwarded",
]
CLEAN_HEAD = b"GET /clean HTTP/1.1\r\nHost: a.example\r\n\r\n"


def http1_engine(data: bytes) -> None:
    """Never raises; however the bytes are cut, the same requests come out, and the same end;
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


def http1_waiting(data: bytes) -> None:
    """No client waits for the rest of a head that is past a limit already."""
    engine = Http1Engine(LIMITS)
    engine.receive_data(data)
    outcome = Outcome()
    take_events(engine, outcome, early=False)
    if engine.in_head():
        lines = engine.take_rest().split(b"\r\n")
        assert len(lines[0].removesuffix(b"\r")) <= LIMITS.request_line
        # The request line is none, nor is what has not ended yet.
        assert len(lines) - 2 <= LIMITS.fields


def summary(outcome: Outcome) -> list[tuple[object, ...]]:
    """The requests; of an unfinished body only that it is there, for its cuts may show."""
    return [
        (one.method, one.target, one.fields, one.trailers, one.complete and one.body)
        for one in outcome.requests
    ]


def http1_head(data: bytes) -> None:
    """A head is a Request or a RequestRefused with one of the known statuses and one printable
    line of reason; of a Request the names are tokens in lower case, the values have no control
    byte, and nothing of it is left in the reader for the next head.
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
    """Raises nothing but RequestRefused; fed in two pieces, it decodes the same bytes and finds
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
            while decoder.cut_short:
                left = left[decoder.decode(left, 0) :]
    except RequestRefused as refused:
        return (refused.status in REFUSALS,)
    return decoder.take(), decoder.done, decoder.trailers, left


def http1_response(data: bytes) -> None:
    """Fields of an application raise ResponseError, or become exactly one head with exactly these
    fields, then the body.
    """
    reason, _, rest = data.partition(b"|")
    parts = rest.split(b"|")
    fields = list(zip(parts[::2], parts[1::2], strict=False))
    writer = ResponseWriter(ResponseDefaults())
    try:
        raw = writer.head(200, reason, fields, b"body", True)
    except ResponseError:
        assert not writer.started
        return
    head, _, body = raw.partition(b"\r\n\r\n")
    assert body == b"body"
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n|\0", head)
    lines = head.split(b"\r\n")
    assert len(lines) <= len(fields) + 3
    assert sum(line.lower().startswith(b"content-length:") for line in lines) == 1
    assert not any(line.lower().startswith(b"transfer-encoding:") for line in lines)


def header_policy(data: bytes) -> None:
    """A name is a token or a ValueError; an authority has no byte that ends one in a URL; a
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


def http2_engine(data: bytes) -> None:
    """Never raises; however the bytes are cut, the same events come out, and the same frames are
    written; nothing comes after the end; no more waits than a frame, and no more streams are open
    than may be. The bytes follow the client's opening.
    """
    raw = OPENING + data
    one = Http2Engine(LIMITS, HTTP2_LIMITS)
    whole, written, _ = feed_http2(Http2Engine(LIMITS, HTTP2_LIMITS), [raw])
    pieces, other, most = feed_http2(one, random_pieces(raw, str(len(data))))
    assert (pieces, other) == (whole, written)
    assert most <= 9 + 16384
    assert "failed" not in [event[0] for event in whole[:-1]]
    assert len(one.streams.open) <= HTTP2_LIMITS.streams
    assert one.streams.window.left + one.streams.window.owed <= one.streams.window.size
    frames_of(written)
    for event in whole:
        assert event[0] != "refused" or event[2] in REFUSALS


def websocket_engine(data: bytes) -> None:
    """Never raises; however the bytes are cut, the same messages come out, and the same end;
    nothing comes after the end, nothing is longer than the limits, and no more waits than a
    control frame. The first byte says whether compression was negotiated.
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
    """A handshake with any fields is refused with 400 or 426, or it can be answered with a
    subprotocol of it and with an extension that has only bytes of tokens.
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


def hpack_blocks(data: bytes) -> None:
    """Blocks raise nothing but the two errors; a list that is too long changes nothing but what is
    handed out; a list that is not comes back from the encoder as it was, and lists and tables are
    within their limits.
    """
    decoder, patient = Decoder(300, LIST_SIZE, LIST_FIELDS), Decoder(300, 2**31, 2**31)
    encoder, back = Encoder(200), Decoder(200)
    for block in field_blocks(data):
        try:
            everything = patient.decode(block)
        except HpackError:
            assert decode_or_refuse(decoder, block) is HpackError
            return
        too_long = list_size(everything) > LIST_SIZE or len(everything) > LIST_FIELDS
        fields = decode_or_refuse(decoder, block)
        assert fields == (HeaderListTooLong if too_long else everything)
        assert entries(decoder) == entries(patient)
        assert decoder.table.size == list_size(entries(decoder)) <= decoder.table.limit <= 300
        if not too_long:
            assert back.decode(encoder.encode(everything)) == everything
            assert entries(back) == entries(encoder)


def field_blocks(data: bytes) -> list[bytes]:
    """Each block stands behind a byte with its length."""
    blocks = []
    while data:
        blocks.append(data[1 : 1 + data[0]])
        data = data[1 + data[0] :]
    return blocks


def decode_or_refuse(decoder: Decoder, block: bytes) -> object:
    try:
        return decoder.decode(block)
    except (HpackError, HeaderListTooLong) as error:
        return type(error)


def forwarded(data: bytes) -> None:
    """Any fields of proxies are refused with one printable line, or name an address, a host and a
    path.
    """
    fields = [*zip(FORWARDED_NAMES, data.split(b"\r\n"), strict=False)]
    for words in (("10.0.0.0/8", "unix"), ("*",)):
        reader = ForwardedReader(FORWARDED_NAMES, TrustedPeers(words))
        refused: ForwardedError | None = None
        values = None
        try:
            values = reader.read(fields)
        except ForwardedError as error:
            refused = error
        assert refused is None or str(refused).isprintable()
        if values is not None:
            assert values.client is None or parse_ip(values.client[0]) is not None
            assert re.fullmatch(r"(/[!-~]+)?", values.prefix)
            assert not values.host or HostCache().learn(values.host)


def proxy_header(data: bytes) -> None:
    """A PROXY header is found or refused, the same in every cut; no more is taken than it is."""
    assert read_proxy(iter([data])) == read_proxy(random_pieces(data, str(len(data))))


def read_proxy(pieces: Iterator[bytes]) -> object:
    reader = ProxyReader()
    taken = 0
    try:
        for piece in pieces:
            while piece and not reader.done:
                count = reader.feed(piece)
                assert 0 < count <= len(piece)
                taken += count
                piece = piece[count:]
    except ProxyHeaderError as error:
        return str(error)
    return reader.done, reader.ends, taken


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        http1_engine,
        http1_waiting,
        http1_head,
        http1_chunked,
        http1_response,
        header_policy,
        http2_engine,
        hpack_blocks,
        websocket_engine,
        websocket_offer,
        forwarded,
        proxy_header,
    )
}
