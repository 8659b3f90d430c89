"""The HTTP/2 engine, server side: bytes in, events out; responses in, bytes out. It never raises
on what a peer sends.

    receive_data(data), receive_eof()     only buffer
    next_event()                          one event, or None: bytes are missing, the peer does not
                                          read what it is sent, or `cut_short` is set
    send_head, send_data, send_trailers   put a response into its stream; raise ResponseError for
                                          the application's mistakes
    consume(stream, size)                 the application has read so much: the window opens
    take_outgoing(most)                   everything that is to be written now

The work is done by its parts; the engine has the order of frames, the end of the connection, and
the calls that connections make:

    reader      FrameReader         bytes to frames, and header blocks in several frames
    requests    RequestReceiver     HEADERS, CONTINUATION and DATA to events
    streams     StreamTable         which streams are open, their windows, and how they end
    settings    SettingsExchange    SETTINGS both ways
    outbox      Outbox              what is to be written, windows and priorities of the peer
    budget      PeerBudget          what the peer may do without sending anything of use

    connections -> engine -> requests, settings -> streams -> outbox -> budget

All output, answers to pings as much as responses, is gathered and taken at once, after all that
one read has brought: one write for all of it.

    state         what is expected                          goes to
    SETTINGS_DUE  the preface, then SETTINGS (section 3.4)  FRAMES
    FRAMES        frames                                    ENDED, OVER
    ENDED         nothing: the client has closed its side; responses still go out
    OVER          nothing, ever: the connection has failed

A breach of the protocol ends one stream or the connection (RFC 9113 section 5.4): the part that
finds it raises StreamRefused or FrameRefused, and `next_event` makes RST_STREAM or GOAWAY of it,
and an event. RequestRefused is a request that is understood and answered.

Nothing that a peer sends is kept here but one incomplete frame, the parts of one header block, and
the numbers of Http2Limits.
"""

from bascule.errors import FrameRefused, RequestRefused, StreamRefused
from bascule.protocols.events import (
    BodyData,
    BodyEnd,
    Closed,
    ConnectionFailed,
    Refused,
    Request,
    StreamReset,
)
from bascule.protocols.headers import Fields
from bascule.protocols.http2.budget import PeerBudget
from bascule.protocols.http2.frame_reader import FrameReader
from bascule.protocols.http2.frames import (
    ACK,
    CANCEL,
    CONTINUATION,
    DATA,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEADER_TABLE,
    HEADERS,
    LARGEST_ID,
    LARGEST_WINDOW,
    PING,
    PRIORITY,
    PRIORITY_UPDATE,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    add_header,
    frame,
    goaway_frame,
)
from bascule.protocols.http2.outbox import Outbox
from bascule.protocols.http2.request_head import RequestReader
from bascule.protocols.http2.requests import RequestReceiver
from bascule.protocols.http2.response import ResponseFields, count
from bascule.protocols.http2.settings_exchange import SettingsExchange, opening_frames
from bascule.protocols.http2.stream import OPEN_ENDED, Stream
from bascule.protocols.http2.streams import DRAIN_PING, StreamTable
from bascule.protocols.limits import UNLIMITED_TURN, Http2Limits, RequestLimits
from bascule.protocols.response_fields import ResponseDefaults

Http2Event = Request | BodyData | BodyEnd | Refused | StreamReset | ConnectionFailed | Closed

SETTINGS_DUE = 0
FRAMES = 1
ENDED = 2
OVER = 3

# A ping that is sent only so that something is written.
PROBE_PING = b"bascule\x01"


class Http2Engine:
    """One connection's worth of HTTP/2, server side.

    reader, requests, streams, settings, outbox, budget: the parts; see above.
    responses: makes the fields of responses.
    most_unsent: bytes to be written above which nothing more is read.
    turn: frames that may still be taken in this turn of the loop; the connection renews it.
    cut_short: `next_event` has returned None because `turn` was used up.
    eof: the peer has closed its sending side.
    peer_leaving: the peer has sent GOAWAY.
    """

    __slots__ = (
        "budget",
        "cut_short",
        "eof",
        "most_unsent",
        "outbox",
        "peer_leaving",
        "reader",
        "requests",
        "responses",
        "settings",
        "state",
        "streams",
        "turn",
    )

    def __init__(
        self,
        limits: RequestLimits,
        own: Http2Limits | None = None,
        header_map: str = "drop",
        defaults: ResponseDefaults | None = None,
        websockets: bool = True,
    ) -> None:
        """own: the limits of HTTP/2 itself. websockets: whether extended CONNECT is offered."""
        own = own if own is not None else Http2Limits()
        self.most_unsent = own.unsent
        self.budget = PeerBudget(own)
        self.outbox = Outbox(self.budget, HEADER_TABLE)
        self.streams = StreamTable(limits, own, self.outbox, self.budget)
        self.settings = SettingsExchange(self.streams, self.outbox, self.budget)
        self.reader = FrameReader()
        head_reader = RequestReader(limits, header_map, websockets)
        self.requests = RequestReceiver(
            limits, own, head_reader, self.reader, self.streams, self.budget
        )
        self.responses = ResponseFields(defaults if defaults is not None else ResponseDefaults())
        self.state = SETTINGS_DUE
        self.eof = False
        self.peer_leaving = False
        self.turn = UNLIMITED_TURN
        self.cut_short = False
        self.outbox.outgoing += opening_frames(own, limits.head, websockets)

    # Input.

    def receive_data(self, data: bytes) -> None:
        """Keep bytes until `next_event` is called; none behind the end."""
        if self.state < ENDED:
            self.reader.receive_data(data)

    def receive_eof(self) -> None:
        """The peer will send no more; it may still read (half-close)."""
        self.eof = True

    @property
    def buffered(self) -> int:
        """The number of bytes that were received and not taken yet."""
        return self.reader.buffered()

    @property
    def choked(self) -> bool:
        """Whether nothing more is taken until the peer has been sent what waits for it."""
        return len(self.outbox.outgoing) >= self.most_unsent

    @property
    def in_block(self) -> bool:
        """Whether part of a header block has been received, but not all of it."""
        return self.requests.block.stream_id != 0

    @property
    def opened(self) -> bool:
        """Whether the client's preface and its SETTINGS have come."""
        return self.state >= FRAMES

    @property
    def finished(self) -> bool:
        """Whether nothing is under way, and one of the sides wants nothing more."""
        if self.state == OVER:
            return True
        # At the end of the bytes, not before: requests may still be among them.
        ended = self.state == ENDED
        streams = self.streams
        return not streams.open and (streams.drain_acked or self.peer_leaving or ended)

    @property
    def held_shut(self) -> bool:
        """Whether streams could send, but the window of the connection does not let them."""
        return self.outbox.held_shut()

    def next_event(self) -> Http2Event | None:
        """The next event, or None when there is none yet."""
        requests = self.requests
        following = requests.following
        if following is not None:
            requests.following = None
            return following
        if self.state >= ENDED:
            return None
        try:
            while len(self.outbox.outgoing) < self.most_unsent:
                if self.turn <= 0:
                    self.cut_short = True
                    return None
                if not self.reader.next_frame():
                    return self.closed()
                self.turn -= 1
                event = self.take_frame()
                if event is not None:
                    return event
        except FrameRefused as refused:
            return self.fail(refused.code, refused.reason)
        return None

    def closed(self) -> Http2Event | None:
        """The end of the bytes. Streams are still answered, but no body will end any more."""
        if not self.eof:
            return None
        clean = self.reader.buffered() == 0 and self.requests.block.stream_id == 0
        for stream in self.streams.open.values():
            clean = clean and stream.remote_ended
        self.state = ENDED
        self.reader.clear()
        return Closed(clean)

    def take_frame(self) -> Http2Event | None:
        """Take one whole frame."""
        reader = self.reader
        kind = reader.kind
        in_block = self.requests.block.stream_id
        if in_block and (kind != CONTINUATION or reader.stream_id != in_block):
            raise FrameRefused(PROTOCOL_ERROR, "another frame inside a header block")
        if self.state == SETTINGS_DUE:
            if kind != SETTINGS or reader.flags & ACK:
                raise FrameRefused(PROTOCOL_ERROR, "the first frame is not SETTINGS")
            self.state = FRAMES
        try:
            if kind == HEADERS:
                return self.requests.take_headers()
            if kind == DATA:
                return self.requests.take_data()
            if kind == WINDOW_UPDATE:
                self.take_window_update()
            elif kind == RST_STREAM:
                return self.take_rst_stream()
            elif kind == CONTINUATION:
                return self.requests.take_continuation()
            else:
                self.take_other(kind)
        except StreamRefused as refused:
            return self.refuse_stream(refused.code, refused.reason)
        except RequestRefused as refused:
            return self.requests.refuse(refused)
        return None

    def take_other(self, kind: int) -> None:
        """The frames that are seldom."""
        if kind == SETTINGS:
            self.check_streamless("SETTINGS")
            self.settings.take(self.reader.flags, self.reader.payload())
        elif kind == PING:
            self.take_ping()
        elif kind == PRIORITY:
            self.take_priority()
        elif kind == PRIORITY_UPDATE:
            self.take_priority_update()
        elif kind == GOAWAY:
            self.take_goaway()
        elif kind == PUSH_PROMISE:
            # RFC 9113 section 8.4: a client cannot push.
            raise FrameRefused(PROTOCOL_ERROR, "PUSH_PROMISE from a client")
        else:
            # RFC 9113 section 5.5: ignored, as the flags are that have no meaning.
            self.budget.charge_frames(1)

    def check_streamless(self, name: str) -> None:
        """A frame that is about the connection names no stream (RFC 9113 section 6)."""
        if self.reader.stream_id != 0:
            raise FrameRefused(PROTOCOL_ERROR, f"{name} on a stream")

    def take_window_update(self) -> None:
        """RFC 9113 section 6.9."""
        reader = self.reader
        if reader.end - reader.start != 4:
            raise FrameRefused(FRAME_SIZE_ERROR, "WINDOW_UPDATE is not 4 bytes long")
        self.budget.charge_update()
        self.streams.take_window_update(reader.stream_id, reader.number_at(0) & LARGEST_WINDOW)

    def take_rst_stream(self) -> StreamReset | None:
        """RFC 9113 section 6.4."""
        reader = self.reader
        if reader.end - reader.start != 4:
            raise FrameRefused(FRAME_SIZE_ERROR, "RST_STREAM is not 4 bytes long")
        return self.streams.take_reset(reader.stream_id, reader.number_at(0))

    def take_ping(self) -> None:
        """RFC 9113 section 6.7."""
        self.check_streamless("PING")
        payload = self.reader.payload()
        if len(payload) != 8:
            raise FrameRefused(FRAME_SIZE_ERROR, "PING is not 8 bytes long")
        streams = self.streams
        if self.reader.flags & ACK:
            if payload == DRAIN_PING and streams.draining and not streams.drain_acked:
                streams.finish_drain()
            else:
                self.budget.charge_frames(1)
            return
        self.budget.charge_frames(1)
        add_header(self.outbox.outgoing, 8, PING, ACK, 0)
        self.outbox.outgoing += payload

    def take_goaway(self) -> None:
        """RFC 9113 section 6.8: the client goes when its requests are answered."""
        self.check_streamless("GOAWAY")
        if self.reader.end - self.reader.start < 8:
            raise FrameRefused(FRAME_SIZE_ERROR, "GOAWAY is shorter than 8 bytes")
        self.budget.charge_frames(1)
        self.peer_leaving = True

    def take_priority(self) -> None:
        """RFC 9113 section 6.3: deprecated, and checked for its form only."""
        reader = self.reader
        if reader.stream_id == 0:
            raise FrameRefused(PROTOCOL_ERROR, "PRIORITY on stream 0")
        self.budget.charge_frames(1)
        if reader.end - reader.start != 5:
            if reader.stream_id in self.streams.open:
                raise StreamRefused(FRAME_SIZE_ERROR, "PRIORITY is not 5 bytes long")
            # A stream that is not open cannot be reset.
            raise FrameRefused(FRAME_SIZE_ERROR, "PRIORITY is not 5 bytes long")

    def take_priority_update(self) -> None:
        """RFC 9218 section 7.1."""
        self.check_streamless("PRIORITY_UPDATE")
        payload = self.reader.payload()
        if len(payload) < 4:
            raise FrameRefused(FRAME_SIZE_ERROR, "PRIORITY_UPDATE is shorter than 4 bytes")
        self.budget.charge_frames(1)
        self.streams.update_priority(self.reader.number_at(0) & LARGEST_ID, payload[4:])

    def refuse_stream(self, code: int, reason: str) -> Http2Event:
        """End the stream of the frame at hand (RFC 9113 section 5.4.2)."""
        stream_id = self.reader.stream_id
        if not self.budget.resets.spend(1):
            return self.fail(ENHANCE_YOUR_CALM, f"too many streams that are reset; now: {reason}")
        self.streams.reset(stream_id, code)
        return StreamReset(stream_id, code, reason, False)

    def fail(self, code: int, reason: str) -> ConnectionFailed:
        """End the connection (RFC 9113 section 5.4.1): GOAWAY, and nothing behind it. Also for
        what only the connection knows: SETTINGS_TIMEOUT, INADEQUATE_SECURITY."""
        self.state = OVER
        self.requests.clear()
        self.streams.fail()
        words = reason.encode("ascii", "replace")
        self.outbox.outgoing += goaway_frame(self.streams.last_id, code, words)
        self.reader.clear()
        return ConnectionFailed(code, reason)

    # Requests of the connection.

    def replenish(self, seconds: float) -> None:
        """Let so much time pass: some of what the peer has spent is forgiven."""
        self.streams.replenish(seconds)

    def consume(self, stream: Stream, size: int) -> None:
        """Let the client send as many bytes more: `size` bytes of a request body are not kept any
        more."""
        self.streams.consume(stream, size)

    def drain(self) -> None:
        """Ask for no new requests; see `StreamTable`."""
        self.streams.drain()

    def finish_drain(self) -> None:
        """Take no new requests any more; see `StreamTable`."""
        self.streams.finish_drain()

    def probe(self) -> None:
        """Send a ping, only so that something is written."""
        if self.state != OVER:
            self.outbox.outgoing += frame(PING, 0, 0, PROBE_PING)

    def reset(self, stream: Stream, code: int = CANCEL) -> None:
        """End a stream early, so that the client sees that the response is incomplete."""
        if not stream.closed and self.state != OVER:
            self.streams.reset(stream.id, code)

    # Output.

    def take_outgoing(self, most: int) -> bytearray:
        """The bytes to write, which are the caller's from now on: all control frames and heads,
        and bodies as far as the windows and `most` bytes let them."""
        outbox = self.outbox
        if outbox.scheduler.ready:
            self.send_waiting(most)
        return outbox.take()

    def send_waiting(self, most: int) -> None:
        """Let the streams send what waits in them, by their priorities."""
        outbox = self.outbox
        while True:
            stream = outbox.write_next(most)
            if stream is None:
                return
            if stream.local_ended:
                self.streams.end_local(stream)
            outbox.relieve(stream)

    def take_relieved(self) -> list[Stream]:
        """The streams whose writers may continue."""
        return self.outbox.take_relieved()

    def send_continue(self, stream: Stream) -> None:
        """100 (Continue), when the client still waits for it (RFC 9110 section 10.1.1)."""
        if stream.waits_for_continue and not stream.started and not stream.closed:
            stream.waits_for_continue = False
            self.outbox.add_fields(stream, [(b":status", b"100")], 0)

    def send_informational(self, stream: Stream, status: int, fields: Fields) -> None:
        """An interim response. Raises ResponseError."""
        made = self.responses.informational(stream, status, fields)
        if not stream.closed:
            self.outbox.add_fields(stream, made, 0)

    def send_head(
        self, stream: Stream, status: int, fields: Fields, body: bytes, end: bool
    ) -> None:
        """The response head with the first piece of its body. Raises ResponseError."""
        made = self.responses.head(stream, status, fields, len(body), end)
        stream.waits_for_continue = False
        on_wire = count(stream, len(body), end)
        stream.complete = end
        if stream.closed:
            return
        if end and not (body and on_wire):
            self.outbox.add_fields(stream, made, END_STREAM)
            stream.local_ended = True
            self.streams.end_local(stream)
            return
        self.outbox.add_fields(stream, made, 0)
        if body and on_wire:
            self.put(stream, body, end)

    def send_accepted(self, stream: Stream, fields: Fields) -> None:
        """Accept an extended CONNECT (RFC 8441 section 5): from here on the stream carries the
        bytes of a WebSocket both ways. Raises ResponseError."""
        made = self.responses.accepted(stream, fields)
        stream.started = True
        stream.framing = OPEN_ENDED
        stream.tunnel = True
        if not stream.closed:
            self.outbox.add_fields(stream, made, 0)

    def send_data(self, stream: Stream, data: bytes, end: bool) -> None:
        """A further piece of the body. Raises ResponseError."""
        on_wire = count(stream, len(data), end)
        stream.complete = end
        if not stream.closed:
            self.put(stream, data if on_wire else b"", end)

    def send_trailers(self, stream: Stream, fields: Fields) -> None:
        """The end of the body with trailer fields, which are sent only to clients that asked for
        them (RFC 9110 section 6.5.1). Raises ResponseError."""
        made = self.responses.trailers(stream, fields)
        on_wire = count(stream, 0, True)
        stream.complete = True
        if stream.closed:
            return
        if made and on_wire and stream.wants_trailers:
            stream.trailers = made
        self.put(stream, b"", True)

    def put(self, stream: Stream, data: bytes, end: bool) -> None:
        """Send a piece of a body now, or let it wait."""
        self.outbox.put(stream, data, end)
        if stream.local_ended:
            self.streams.end_local(stream)
