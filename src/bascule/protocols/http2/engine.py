"""The HTTP/2 engine, server side: octets in, events out; responses in, octets out. It never raises
on what a peer sends.

    receive_data(octets), receive_eof()   only buffer
    next_event()                          one event, or None: bytes are missing, the peer does not
                                          read what it is sent, or `cut_short` is set
    send_head, send_data, send_trailers   put a response into its stream; raise ResponseError for
                                          the application's mistakes
    consume(stream, octets)               the application has read so much: the window opens
    take_outgoing(most)                   everything that is to be written now

Whatever is to be sent, answers to pings as much as responses, is gathered and taken at once, after
all that one read has brought: one write for all of it. Of response bodies no more is gathered than
`most`; the rest waits in the streams, so that a stream that becomes more urgent need not wait
behind it.

    state       what is looked for                          goes to
    PREFACE     the client's preface (section 3.4)          SETTINGS_DUE
    SETTINGS_DUE  its first frame, which is SETTINGS        FRAMES
    FRAMES      frames                                      ENDED, OVER
    ENDED       nothing: the client has closed its side; responses still go out
    OVER        nothing, for ever: the connection has failed

What breaks the protocol ends one stream or the connection, as RFC 9113 section 5.4 has it:
StreamRefused and FrameRefused are raised where it is seen, and made into RST_STREAM or GOAWAY, and
an event, in `next_event`. RequestRefused is a request that is understood and answered.

A frame waits until it is whole; it has at most 16 KiB. Nothing else that a peer sends is kept here
but the parts of one header block, and the numbers of Http2Limits.
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
from bascule.protocols.http1.response import ResponseDefaults
from bascule.protocols.http2.budget import Budget
from bascule.protocols.http2.flow import ReceiveWindow
from bascule.protocols.http2.frames import (
    ACK,
    CANCEL,
    COMPRESSION_ERROR,
    CONTINUATION,
    DATA,
    ENABLE_CONNECT_PROTOCOL,
    ENABLE_PUSH,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FIRST_WINDOW,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEADER_SIZE,
    HEADER_TABLE_SIZE,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    LARGEST_ID,
    LARGEST_PAYLOAD,
    LARGEST_WINDOW,
    LONGEST_PAYLOAD,
    MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE,
    MAX_HEADER_LIST_SIZE,
    NO_ERROR,
    NO_RFC7540_PRIORITIES,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PRIORITY_FLAG,
    PRIORITY_UPDATE,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    STREAM_CLOSED,
    WINDOW_UPDATE,
    add_block,
    add_header,
    add_rst_stream,
    add_window_update,
    error_name,
    frame,
    goaway_frame,
    settings_frame,
)
from bascule.protocols.http2.hpack import Decoder, Encoder, HeaderListTooLong, HpackError
from bascule.protocols.http2.priority import Scheduler, parse_priority
from bascule.protocols.http2.request_head import RequestReader
from bascule.protocols.http2.response import Fields, ResponseFields, count
from bascule.protocols.http2.streams import (
    OPEN_ENDED,
    SEND_HIGH_WATER,
    SEND_LOW_WATER,
    Stream,
)
from bascule.protocols.limits import Http2Limits, RequestLimits

Event = Request | BodyData | BodyEnd | Refused | StreamReset | ConnectionFailed | Closed

PREFACE_DUE = 0
SETTINGS_DUE = 1
FRAMES = 2
ENDED = 3
OVER = 4

# Chrome keeps at most 180 cookies for a site and may send each as a field of its own (RFC 9113
# section 8.2.3). They are one field in the end, and only that is counted against the limit.
CRUMBS = 200
# `:method`, `:scheme`, `:authority`, `:path`, `:protocol`, and one too many, to be told of it.
PSEUDO_FIELDS = 6
# RFC 9113 section 6.5.2. A larger table of the peer's is not used: it would cost memory here.
HEADER_TABLE = 4096
# Streams reset here whose frames may still be on their way (RFC 9113 section 5.1): twice as many
# as may be open by default.
RESET_REMEMBERED = 256
# Tells when a client has seen that no more requests are wanted (RFC 9113 section 6.8).
DRAIN_PING = b"bascule\x00"
PROBE_PING = b"bascule\x01"
# What a response is worth in the budget of frames, and a frame of it.
RESPONSE_EARNS = 8
FRAME_EARNS = 2
# WINDOW_UPDATE frames that are free, because they give back what was sent: so many for each DATA
# frame, and one for each so many bytes of it. A client gives back to the stream and to the
# connection, so the second number lets it do both each time it has read 1 KiB. No client does so
# more often: Go waits for 4 KiB, the Python library h2 for 1 KiB at least, others for a good part
# of their windows. Clients read smaller pieces only where the frames are small, such as those of
# events, which HAProxy acknowledges one by one; the first number has room for that.
UPDATES_A_FRAME = 4
BYTES_AN_UPDATE = 512
# The most that are remembered: enough for 128 streams that are read late, each with the 4 MiB of
# Go's window, given back to both windows in pieces of 4 KiB.
MOST_UPDATES = 262144
# Many clients enlarge the window of a stream as they open it; Firefox does.
REQUEST_UPDATES = 2
# Seconds after which a client may reset a stream at no cost. In that time no more than the allowed
# number of streams can become so old, so this is no flood. Proxies reset streams whose clients
# have left, and a stream of events ends in no other way.
SETTLED = 1.0
# Seconds that the rest of a request may take whose response is complete: from one piece of it to
# the next, as for a client that is to read a refusal over HTTP/1.1, and in all.
REST_PATIENCE = 2.0
REST_IN_ALL = 30.0
# The value of `turn` until a connection sets it: no limit.
NO_TURNS = 2**62


class Http2Engine:
    """One connection's worth of HTTP/2, server side.

    streams: those that are open, by their identifiers. outgoing: what is to be written. updates:
    WINDOW_UPDATE frames that will be free. age: seconds that `replenish` was told of. relieved:
    streams that were congested and are not any more; for the connection to take. last_id: the
    highest stream that was accepted. seen_id: the highest that was named. answered: streams whose
    responses are complete, and whose requests are not. sent: octets of bodies
    that have left; unsent: that wait in the streams. settings_acked: the peer has taken notice of
    our SETTINGS. peer_leaving: it has sent GOAWAY. draining: no new streams are wanted;
    drain_acked: and the peer knows.
    """

    __slots__ = (
        "age",
        "answered",
        "block",
        "block_ended",
        "block_frames",
        "block_size",
        "block_stream",
        "buffer",
        "cut_short",
        "decoder",
        "drain_acked",
        "draining",
        "early_priorities",
        "encoder",
        "eof",
        "flags",
        "following",
        "frame_end",
        "frame_start",
        "frame_stream",
        "frames",
        "header_map",
        "kind",
        "last_id",
        "limits",
        "most_streams",
        "most_unsent",
        "needed",
        "no_window",
        "outgoing",
        "own",
        "peer_initial_window",
        "peer_leaving",
        "peer_no_priorities",
        "pending",
        "position",
        "reader",
        "relieved",
        "reset_here",
        "resets",
        "responses",
        "scheduler",
        "seen_id",
        "send_window",
        "sent",
        "settings_acked",
        "state",
        "streams",
        "turn",
        "unsent",
        "updates",
        "window",
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
        self.limits = limits
        self.own = own if own is not None else Http2Limits()
        self.header_map = header_map
        self.reader = RequestReader(limits, header_map, websockets)
        self.responses = ResponseFields(defaults if defaults is not None else ResponseDefaults())
        self.decoder = Decoder(HEADER_TABLE, limits.head, limits.fields + CRUMBS + PSEUDO_FIELDS)
        self.encoder = Encoder(HEADER_TABLE)
        self.scheduler = Scheduler()
        self.streams: dict[int, Stream] = {}
        self.answered: dict[int, Stream] = {}
        self.relieved: list[Stream] = []
        self.reset_here: dict[int, None] = {}
        self.early_priorities: dict[int, tuple[int, bool]] = {}
        self.resets = Budget(self.own.resets, self.own.resets_rate)
        self.frames = Budget(self.own.frames, self.own.frames_rate)
        self.most_unsent = self.own.unsent
        self.most_streams = self.own.streams
        # Of the streams whose requests have no body; one for all, since nothing opens it.
        self.no_window = ReceiveWindow(0, 0)
        self.buffer = b""
        self.position = 0
        self.pending = bytearray()
        self.needed = 0
        self.eof = False
        self.following: Event | None = None
        self.state = PREFACE_DUE
        # The frame that is being looked at.
        self.kind = 0
        self.flags = 0
        self.frame_stream = 0
        self.frame_start = 0
        self.frame_end = 0
        # The header block that is being gathered; 0 for none (RFC 9113 section 4.3).
        self.block_stream = 0
        self.block: list[bytes] = []
        self.block_size = 0
        self.block_frames = 0
        self.block_ended = False
        self.last_id = 0
        self.seen_id = 0
        self.draining = False
        self.drain_acked = False
        self.peer_leaving = False
        self.peer_no_priorities = -1
        self.settings_acked = False
        self.peer_initial_window = FIRST_WINDOW
        self.send_window = FIRST_WINDOW
        self.sent = self.unsent = 0
        self.updates = 0
        self.turn = NO_TURNS
        self.cut_short = False
        self.age = 0.0
        self.window = ReceiveWindow(self.own.connection_window, self.own.widest_connection)
        self.outgoing = bytearray(self.preface(websockets))

    def preface(self, websockets: bool) -> bytes:
        """The server's preface (RFC 9113 section 3.4): what it allows the client."""
        settings = [
            (MAX_CONCURRENT_STREAMS, self.own.streams),
            (INITIAL_WINDOW_SIZE, self.own.stream_window),
            (MAX_HEADER_LIST_SIZE, self.limits.head),
            (NO_RFC7540_PRIORITIES, 1),
        ]
        if websockets:
            settings.append((ENABLE_CONNECT_PROTOCOL, 1))
        opening = bytearray(settings_frame(settings))
        if self.own.connection_window > FIRST_WINDOW:
            # No SETTINGS changes this one (RFC 9113 section 6.9.2).
            add_window_update(opening, 0, self.own.connection_window - FIRST_WINDOW)
        return bytes(opening)

    # What comes in.

    def receive_data(self, data: bytes) -> None:
        """Keep octets until `next_event` is asked for them; none behind the end."""
        if self.state >= ENDED:
            return
        if self.position >= len(self.buffer) and not self.pending:
            self.buffer = data
            self.position = 0
            return
        left = len(self.buffer) - self.position
        if 0 < left <= len(data):
            # The beginning of a frame, as every read of a long body leaves one. What comes in
            # smaller pieces is gathered below, where no octet is copied for each of them.
            self.buffer = self.buffer[self.position :] + data
            self.position = 0
            self.needed = 0
            return
        if left > 0:
            self.pending += self.buffer[self.position :]
            self.buffer = b""
            self.position = 0
        self.pending += data

    def receive_eof(self) -> None:
        """The peer will send no more; it may still read (half-close)."""
        self.eof = True

    @property
    def buffered(self) -> int:
        """Octets that were received and not looked at yet."""
        return len(self.buffer) - self.position + len(self.pending)

    @property
    def choked(self) -> bool:
        """Nothing more is looked at until the peer has been sent what waits for it."""
        return len(self.outgoing) >= self.most_unsent

    @property
    def in_block(self) -> bool:
        """Part of a header block has been received, but not all of it."""
        return self.block_stream != 0

    @property
    def opened(self) -> bool:
        """The client's preface and its SETTINGS are here."""
        return self.state >= FRAMES

    @property
    def finished(self) -> bool:
        """Nothing is under way, and one of the sides wants nothing more."""
        if self.state == OVER:
            return True
        # At the end of the octets, not before: requests may still be among them.
        ended = self.state == ENDED
        return not self.streams and (self.drain_acked or self.peer_leaving or ended)

    def next_event(self) -> Event | None:
        """The next event, or None when there is none yet."""
        event = self.following
        if event is not None:
            self.following = None
            return event
        if self.state >= ENDED:
            return None
        try:
            while len(self.outgoing) < self.most_unsent:
                if self.turn <= 0:
                    self.cut_short = True
                    return None
                if not self.frame_is_here():
                    return self.closed()
                self.turn -= 1
                event = self.take_frame()
                if event is not None:
                    return event
        except FrameRefused as refused:
            return self.fail(refused.code, refused.reason)
        return None

    def closed(self) -> Event | None:
        """The end of the octets. Streams go on being answered, but no body will end any more."""
        if not self.eof:
            return None
        clean = self.buffered == 0 and self.block_stream == 0
        for stream in self.streams.values():
            clean = clean and stream.remote_ended
        self.state = ENDED
        self.buffer = b""
        self.position = 0
        self.pending = bytearray()
        return Closed(clean)

    def frame_is_here(self) -> bool:
        """Read the header of the next frame; False when the frame is not whole yet."""
        if self.position >= len(self.buffer):
            # An idle connection keeps nothing of its last read.
            self.buffer = b""
            self.position = 0
            if not self.pending or len(self.pending) < self.needed:
                return False
            self.buffer = bytes(self.pending)
            self.needed = 0
            self.pending = bytearray()
        if self.state == PREFACE_DUE and not self.preface_is_here():
            return False
        octets = self.buffer
        at = self.position
        there = len(self.buffer) - at
        if there < HEADER_SIZE:
            self.needed = HEADER_SIZE
            return False
        length = octets[at] << 16 | octets[at + 1] << 8 | octets[at + 2]
        if length > LONGEST_PAYLOAD:
            raise FrameRefused(
                FRAME_SIZE_ERROR, f"frame of {length} octets, at most {LONGEST_PAYLOAD} are taken"
            )
        if there < HEADER_SIZE + length:
            self.needed = HEADER_SIZE + length
            return False
        self.kind = octets[at + 3]
        self.flags = octets[at + 4]
        self.frame_stream = (
            (octets[at + 5] & 0x7F) << 24
            | octets[at + 6] << 16
            | octets[at + 7] << 8
            | octets[at + 8]
        )
        self.frame_start = at + HEADER_SIZE
        self.frame_end = self.position = at + HEADER_SIZE + length
        return True

    def preface_is_here(self) -> bool:
        """RFC 9113 section 3.4. What does not begin like it is refused before it is as long."""
        there = self.buffer[self.position : self.position + len(PREFACE)]
        if there != PREFACE[: len(there)]:
            raise FrameRefused(PROTOCOL_ERROR, "what the client sent does not begin as HTTP/2")
        if len(there) < len(PREFACE):
            self.needed = 0
            return False
        self.position += len(PREFACE)
        self.state = SETTINGS_DUE
        return True

    def take_frame(self) -> Event | None:
        """Look at one whole frame."""
        kind = self.kind
        if self.block_stream and (kind != CONTINUATION or self.frame_stream != self.block_stream):
            raise FrameRefused(PROTOCOL_ERROR, "another frame inside a header block")
        if self.state == SETTINGS_DUE:
            if kind != SETTINGS or self.flags & ACK:
                raise FrameRefused(PROTOCOL_ERROR, "the first frame is not SETTINGS")
            self.state = FRAMES
        try:
            if kind == HEADERS:
                return self.take_headers()
            if kind == DATA:
                return self.take_data()
            if kind == WINDOW_UPDATE:
                self.take_window_update()
            elif kind == RST_STREAM:
                return self.take_rst_stream()
            elif kind == CONTINUATION:
                return self.take_continuation()
            else:
                self.take_other(kind)
        except StreamRefused as refused:
            return self.refuse_stream(refused.code, refused.reason)
        except RequestRefused as refused:
            return self.refuse_request(refused)
        return None

    def take_other(self, kind: int) -> None:
        """The frames that are seldom."""
        if kind == SETTINGS:
            self.take_settings()
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
            self.charge_frames(1)

    def charge_frames(self, cost: int) -> None:
        """A frame that carries nothing of a request."""
        if not self.frames.spend(cost):
            raise FrameRefused(ENHANCE_YOUR_CALM, "too many frames that carry no request")

    def charge_reset(self) -> None:
        """A stream that ends soon, and before its response is delivered."""
        if not self.resets.spend(1):
            raise FrameRefused(ENHANCE_YOUR_CALM, "too many streams that are reset")

    def replenish(self, seconds: float) -> None:
        """So much time has passed: some of what was spent is forgiven."""
        self.age += seconds
        self.resets.replenish(seconds)
        self.frames.replenish(seconds)
        if self.answered and seconds < REST_PATIENCE:
            # After a longer time the loop has stood still, and has not read what came meanwhile.
            self.end_requests()

    # Requests.

    def take_headers(self) -> Event | None:
        """RFC 9113 section 6.2. The priority of RFC 7540 in it is passed over."""
        stream_id = self.frame_stream
        # RFC 9113 section 5.1.1: those of clients are odd.
        if stream_id & 1 == 0:
            raise FrameRefused(PROTOCOL_ERROR, f"HEADERS on stream {stream_id}")
        if self.flags & PADDED:
            self.strip_padding()
        if self.flags & PRIORITY_FLAG:
            self.frame_start += 5
            if self.frame_start > self.frame_end:
                raise FrameRefused(FRAME_SIZE_ERROR, "HEADERS too short for its priority")
        block = self.buffer[self.frame_start : self.frame_end]
        ended = self.flags & END_STREAM != 0
        if self.flags & END_HEADERS:
            return self.take_block(stream_id, block, ended)
        self.block_stream = stream_id
        self.block_ended = ended
        self.block = [block]
        self.block_size = len(block)
        self.block_frames = 0
        if not block:
            self.charge_frames(1)
        return None

    def take_continuation(self) -> Event | None:
        """RFC 9113 section 6.10."""
        stream_id = self.block_stream
        if stream_id == 0:
            raise FrameRefused(PROTOCOL_ERROR, "CONTINUATION outside a header block")
        self.block_frames += 1
        self.block_size += self.frame_end - self.frame_start
        if self.block_size > self.own.block:
            raise FrameRefused(
                ENHANCE_YOUR_CALM, f"header block longer than {self.own.block} octets"
            )
        if self.block_frames > self.own.continuations:
            raise FrameRefused(
                ENHANCE_YOUR_CALM, f"more than {self.own.continuations} CONTINUATION frames"
            )
        if self.frame_start == self.frame_end:
            self.charge_frames(1)
        self.block.append(self.buffer[self.frame_start : self.frame_end])
        if not self.flags & END_HEADERS:
            return None
        block = b"".join(self.block)
        self.block_stream = 0
        self.block = []
        return self.take_block(stream_id, block, self.block_ended)

    def take_block(self, stream_id: int, block: bytes, ended: bool) -> Event | None:
        """A whole header block. It is decoded whatever becomes of its stream, because the table of
        the connection goes on with it (RFC 9113 section 4.3)."""
        fields: Fields | None = None
        try:
            fields = self.decoder.decode(block)
        except HeaderListTooLong:
            # Refused below, where it is known what it belongs to.
            pass
        except HpackError as error:
            raise FrameRefused(COMPRESSION_ERROR, str(error)) from None
        # Of a block in several frames the last is the one at hand.
        self.frame_stream = stream_id
        stream = self.streams.get(stream_id)
        if stream is not None:
            return self.take_trailers(stream, fields, ended)
        if stream_id <= self.seen_id:
            self.check_closed(stream_id)
            self.charge_frames(1)
            return None
        self.seen_id = stream_id
        if self.drain_acked:
            # RFC 9113 section 6.8: the client knows that this one is not looked at, and will ask
            # somebody else.
            self.charge_frames(1)
            return None
        return self.open_stream(stream_id, fields, ended)

    def open_stream(self, stream_id: int, fields: Fields | None, ended: bool) -> Event | None:
        if len(self.streams) >= self.most_streams:
            raise StreamRefused(REFUSED_STREAM, f"more than {self.most_streams} requests at once")
        self.last_id = stream_id
        window = self.no_window
        if not ended:
            window = ReceiveWindow(self.own.stream_window, self.own.widest_stream)
        stream = Stream(stream_id, self.peer_initial_window, window)
        stream.remote_ended = ended
        stream.opened_at = self.age
        self.streams[stream_id] = stream
        self.allow_updates(REQUEST_UPDATES)
        if fields is None:
            raise RequestRefused(431, f"request head longer than {self.limits.head} octets")
        reader = self.reader
        try:
            request = reader.read(fields, ended)
        except RequestRefused:
            stream.head_only = reader.method == b"HEAD"
            raise
        request.stream_id = stream_id
        stream.head_only = request.method == "HEAD"
        stream.content_length = request.content_length
        stream.wants_trailers = reader.wants_trailers
        stream.waits_for_continue = request.expects_continue
        if self.early_priorities or reader.priority is not None:
            self.begin_priority(stream, reader.priority)
        return request

    def begin_priority(self, stream: Stream, value: bytes | None) -> None:
        """A frame that came before the request wins over its field (RFC 9218 section 7)."""
        early = self.early_priorities.pop(stream.id, None)
        if early is None:
            early = parse_priority(value or b"")
        stream.urgency, stream.incremental = early
        for stream_id in [one for one in self.early_priorities if one < stream.id]:
            # Closed without having been opened (RFC 9113 section 5.1.1).
            del self.early_priorities[stream_id]

    def take_trailers(self, stream: Stream, fields: Fields | None, ended: bool) -> Event | None:
        """A second header block: the trailer section (RFC 9113 section 8.1)."""
        if stream.remote_ended:
            raise StreamRefused(STREAM_CLOSED, "HEADERS on a stream that the client has ended")
        if not ended:
            raise StreamRefused(PROTOCOL_ERROR, "HEADERS in the middle of a request body")
        if stream.discards or stream.complete:
            self.end_remote(stream)
            return None
        self.check_length(stream)
        if fields is None:
            stream.remote_ended = True
            raise RequestRefused(431, f"trailer section longer than {self.limits.head} octets")
        trailers: Fields = []
        try:
            trailers = self.reader.read_trailers(fields)
        finally:
            stream.remote_ended = True
        return self.body_end(stream, trailers)

    def take_data(self) -> Event | None:
        """RFC 9113 section 6.1. All of a frame counts against both windows, its padding too."""
        stream_id = self.frame_stream
        length = self.frame_end - self.frame_start
        if stream_id == 0:
            raise FrameRefused(PROTOCOL_ERROR, "DATA on stream 0")
        if not self.window.take(length):
            raise FrameRefused(FLOW_CONTROL_ERROR, "DATA beyond the window of the connection")
        if self.flags & PADDED:
            self.strip_padding()
        stream = self.streams.get(stream_id)
        ended = self.flags & END_STREAM != 0
        size = self.frame_end - self.frame_start
        if size == 0 and not ended:
            self.charge_frames(1)
        if stream is None:
            if stream_id > self.seen_id:
                raise FrameRefused(PROTOCOL_ERROR, "DATA on a stream that is idle")
            self.open_connection_window(length)
            self.check_closed(stream_id)
            return None
        if stream.remote_ended:
            self.open_connection_window(length)
            raise StreamRefused(STREAM_CLOSED, "DATA on a stream that the client has ended")
        if not stream.window.take(length):
            self.open_connection_window(length)
            raise StreamRefused(FLOW_CONTROL_ERROR, "DATA beyond the window of its stream")
        stream.unconsumed += length
        if length != size:
            self.consume(stream, length - size)
        stream.received += size
        if stream.discards or stream.complete:
            self.discard(stream, size)
            if ended:
                self.end_remote(stream)
            elif stream.local_ended and stream.window.left <= 0:
                self.forget_stream(stream_id, NO_ERROR)
            return None
        return self.take_body(stream, size, ended)

    def discard(self, stream: Stream, size: int) -> None:
        """Drop part of a request body that has no reader. The window is opened for as much as
        HTTP/1.1 reads and throws away, too. Behind that the client may fill the rest of the
        window: some clients send all of their request before they look at the response."""
        stream.discarded += size
        stream.heard_at = self.age
        if stream.discarded <= self.limits.discard:
            self.consume(stream, size)
        else:
            stream.unconsumed -= size
            self.open_connection_window(size)

    def end_requests(self) -> None:
        """Stop waiting for the rest of requests that has taken too long. It does not hold up a
        stop of the server."""
        in_all = REST_PATIENCE if self.draining else REST_IN_ALL
        for stream in tuple(self.answered.values()):
            if self.age - stream.heard_at >= REST_PATIENCE or self.age - stream.ended_at >= in_all:
                self.forget_stream(stream.id, NO_ERROR)

    def take_body(self, stream: Stream, size: int, ended: bool) -> Event | None:
        """What came of a request body that has a reader."""
        if stream.content_length >= 0 and stream.received > stream.content_length:
            raise StreamRefused(PROTOCOL_ERROR, "request body longer than its Content-Length")
        if ended:
            self.check_length(stream)
            stream.remote_ended = True
        limit = self.limits.body
        if limit is not None and stream.received > limit and not stream.tunnel:
            self.consume(stream, size)
            raise RequestRefused(413, f"request body longer than {limit} octets")
        end = self.body_end(stream, []) if ended else None
        if size == 0:
            return end
        stream.waits_for_continue = False
        data = BodyData(self.buffer[self.frame_start : self.frame_end])
        data.stream_id = stream.id
        self.following = end
        return data

    def check_length(self, stream: Stream) -> None:
        """RFC 9113 section 8.1.1: DATA adds up to Content-Length."""
        if stream.content_length >= 0 and stream.received != stream.content_length:
            raise StreamRefused(PROTOCOL_ERROR, "request body shorter than its Content-Length")

    def body_end(self, stream: Stream, trailers: Fields) -> BodyEnd:
        end = BodyEnd(trailers)
        end.stream_id = stream.id
        return end

    def end_remote(self, stream: Stream) -> None:
        """The client has sent all of a request that nobody reads any more."""
        stream.remote_ended = True
        if stream.local_ended:
            self.close_stream(stream)

    def strip_padding(self) -> None:
        """RFC 9113 section 6.1: its length is the first octet, it is at the end."""
        if self.frame_start == self.frame_end:
            raise FrameRefused(FRAME_SIZE_ERROR, "padded frame without a length of padding")
        octets = self.buffer
        padding = octets[self.frame_start]
        self.frame_start += 1
        if padding > self.frame_end - self.frame_start:
            raise FrameRefused(PROTOCOL_ERROR, "more padding than there is of the frame")
        self.frame_end -= padding

    def check_closed(self, stream_id: int) -> None:
        """HEADERS or DATA of a stream that is closed (RFC 9113 section 5.1): what it sent before
        it learned of our RST_STREAM, or GOAWAY, is ignored; it may not go on after its own end."""
        unwanted = self.drain_acked and stream_id > self.last_id
        if not unwanted and stream_id not in self.reset_here:
            raise FrameRefused(STREAM_CLOSED, f"stream {stream_id} is closed")

    def take_rst_stream(self) -> Event | None:
        """RFC 9113 section 6.4."""
        stream_id = self.frame_stream
        if self.frame_end - self.frame_start != 4:
            raise FrameRefused(FRAME_SIZE_ERROR, "RST_STREAM is not 4 octets long")
        if stream_id == 0 or stream_id > self.seen_id:
            raise FrameRefused(PROTOCOL_ERROR, f"RST_STREAM on stream {stream_id}, which is idle")
        stream = self.streams.get(stream_id)
        if stream is None:
            self.charge_frames(1)
            return None
        code = self.number_at(self.frame_start)
        self.close_stream(stream)
        if not stream.local_ended and self.age - stream.opened_at < SETTLED:
            self.charge_reset()
        return StreamReset(stream_id, code, f"reset by the client: {error_name(code)}", True)

    def number_at(self, at: int) -> int:
        octets = self.buffer
        return octets[at] << 24 | octets[at + 1] << 16 | octets[at + 2] << 8 | octets[at + 3]

    def refuse_stream(self, code: int, reason: str) -> Event | None:
        """End the stream of the frame at hand (RFC 9113 section 5.4.2)."""
        stream_id = self.frame_stream
        if not self.resets.spend(1):
            return self.fail(ENHANCE_YOUR_CALM, f"too many streams that are reset; now: {reason}")
        self.forget_stream(stream_id, code)
        return StreamReset(stream_id, code, reason, False)

    def refuse_request(self, refused: RequestRefused) -> Event:
        """A request that is answered; nobody reads what still comes of it."""
        stream = self.streams[self.frame_stream]
        stream.discards = True
        stream.waits_for_continue = False
        event = Refused(refused.status, refused.reason, refused.fields)
        event.stream_id = stream.id
        return event

    def fail(self, code: int, reason: str) -> ConnectionFailed:
        """End the connection (RFC 9113 section 5.4.1): GOAWAY, and nothing behind it. Also for
        what only the connection knows: SETTINGS_TIMEOUT, INADEQUATE_SECURITY."""
        self.state = OVER
        self.following = None
        for stream in tuple(self.streams.values()):
            self.close_stream(stream)
        self.outgoing += goaway_frame(self.last_id, code, reason.encode("ascii", "replace"))
        self.buffer = b""
        self.position = 0
        self.pending = bytearray()
        self.block = []
        self.early_priorities.clear()
        return ConnectionFailed(code, reason)

    # Windows.

    def consume(self, stream: Stream, octets: int) -> None:
        """`octets` of a request body are not kept any more: the client may send as many."""
        if octets <= 0 or self.state == OVER:
            return
        if octets > stream.unconsumed:
            # The rest went back to the connection when the stream was closed.
            octets = stream.unconsumed
        stream.unconsumed -= octets
        self.open_connection_window(octets)
        if not stream.remote_ended and not stream.closed:
            increment = stream.window.consume(octets)
            if increment:
                add_window_update(self.outgoing, stream.id, increment)

    def open_connection_window(self, octets: int) -> None:
        increment = self.window.consume(octets)
        if increment:
            add_window_update(self.outgoing, 0, increment)

    def allow_updates(self, number: int) -> None:
        """So many WINDOW_UPDATE frames more are free."""
        self.updates += number
        if self.updates > MOST_UPDATES:
            self.updates = MOST_UPDATES

    def take_window_update(self) -> None:
        """RFC 9113 section 6.9."""
        if self.frame_end - self.frame_start != 4:
            raise FrameRefused(FRAME_SIZE_ERROR, "WINDOW_UPDATE is not 4 octets long")
        if self.updates > 0:
            self.updates -= 1
        else:
            self.charge_frames(1)
        increment = self.number_at(self.frame_start) & LARGEST_WINDOW
        stream_id = self.frame_stream
        if stream_id == 0:
            if increment == 0:
                raise FrameRefused(PROTOCOL_ERROR, "WINDOW_UPDATE by nothing")
            self.send_window += increment
            if self.send_window > LARGEST_WINDOW:
                raise FrameRefused(FLOW_CONTROL_ERROR, "window of the connection above 2^31-1")
            return
        stream = self.streams.get(stream_id)
        if stream is None:
            if stream_id > self.seen_id or stream_id & 1 == 0:
                raise FrameRefused(
                    PROTOCOL_ERROR, f"WINDOW_UPDATE on stream {stream_id}, which is idle"
                )
            return
        if increment == 0:
            raise StreamRefused(PROTOCOL_ERROR, "WINDOW_UPDATE by nothing")
        if stream.send_window + increment > LARGEST_WINDOW:
            raise StreamRefused(FLOW_CONTROL_ERROR, "window of a stream above 2^31-1")
        stream.send_window += increment
        if stream.queued and stream.send_window > 0:
            self.scheduler.add(stream)

    # The connection.

    def take_settings(self) -> None:
        """RFC 9113 section 6.5."""
        length = self.frame_end - self.frame_start
        if self.frame_stream != 0:
            raise FrameRefused(PROTOCOL_ERROR, "SETTINGS on a stream")
        if self.flags & ACK:
            if length:
                raise FrameRefused(FRAME_SIZE_ERROR, "acknowledgement of SETTINGS with a payload")
            if self.settings_acked:
                self.charge_frames(1)
            self.settings_acked = True
            return
        if length % 6:
            raise FrameRefused(FRAME_SIZE_ERROR, "SETTINGS is not a list of parameters")
        self.charge_frames(1 + length // 6)
        octets = self.buffer
        at = self.frame_start
        while at < self.frame_end:
            self.apply_setting(octets[at] << 8 | octets[at + 1], self.number_at(at + 2))
            at += 6
        add_header(self.outgoing, 0, SETTINGS, ACK, 0)

    def apply_setting(self, name: int, value: int) -> None:
        """RFC 9113 section 6.5.2. Those that concern a client, or nobody, are passed over."""
        if name == INITIAL_WINDOW_SIZE:
            if value > LARGEST_WINDOW:
                raise FrameRefused(FLOW_CONTROL_ERROR, "SETTINGS_INITIAL_WINDOW_SIZE above 2^31-1")
            self.move_windows(value - self.peer_initial_window)
            self.peer_initial_window = value
        elif name == HEADER_TABLE_SIZE:
            self.encoder.set_max_table_size(value if value < HEADER_TABLE else HEADER_TABLE)
        elif name == MAX_FRAME_SIZE:
            # Longer frames than the shortest maximum are never sent.
            if not LONGEST_PAYLOAD <= value <= LARGEST_PAYLOAD:
                raise FrameRefused(PROTOCOL_ERROR, "SETTINGS_MAX_FRAME_SIZE out of its range")
        elif name == ENABLE_PUSH:
            if value > 1:
                raise FrameRefused(PROTOCOL_ERROR, "SETTINGS_ENABLE_PUSH is neither 0 nor 1")
        elif name == NO_RFC7540_PRIORITIES:
            # RFC 9218 section 2.1: it is a flag, and stays as it was.
            if value > 1 or self.peer_no_priorities not in (-1, value):
                raise FrameRefused(PROTOCOL_ERROR, "SETTINGS_NO_RFC7540_PRIORITIES has changed")
            self.peer_no_priorities = value

    def move_windows(self, difference: int) -> None:
        """RFC 9113 section 6.9.2: the windows of all open streams move, also below zero."""
        for stream in self.streams.values():
            stream.send_window += difference
            if stream.send_window > LARGEST_WINDOW:
                raise FrameRefused(FLOW_CONTROL_ERROR, "window of a stream above 2^31-1")
            if stream.send_window <= 0:
                self.scheduler.remove(stream)
            elif stream.queued:
                self.scheduler.add(stream)

    def take_ping(self) -> None:
        """RFC 9113 section 6.7."""
        if self.frame_stream != 0:
            raise FrameRefused(PROTOCOL_ERROR, "PING on a stream")
        if self.frame_end - self.frame_start != 8:
            raise FrameRefused(FRAME_SIZE_ERROR, "PING is not 8 octets long")
        payload = self.buffer[self.frame_start : self.frame_end]
        if self.flags & ACK:
            if payload == DRAIN_PING and self.draining and not self.drain_acked:
                self.finish_drain()
            else:
                self.charge_frames(1)
            return
        self.charge_frames(1)
        add_header(self.outgoing, 8, PING, ACK, 0)
        self.outgoing += payload

    def take_goaway(self) -> None:
        """RFC 9113 section 6.8: the client goes when its requests are answered."""
        if self.frame_stream != 0:
            raise FrameRefused(PROTOCOL_ERROR, "GOAWAY on a stream")
        if self.frame_end - self.frame_start < 8:
            raise FrameRefused(FRAME_SIZE_ERROR, "GOAWAY is shorter than 8 octets")
        self.charge_frames(1)
        self.peer_leaving = True

    def take_priority(self) -> None:
        """RFC 9113 section 6.3: deprecated, and looked at for its form only."""
        if self.frame_stream == 0:
            raise FrameRefused(PROTOCOL_ERROR, "PRIORITY on stream 0")
        self.charge_frames(1)
        if self.frame_end - self.frame_start != 5:
            if self.frame_stream in self.streams:
                raise StreamRefused(FRAME_SIZE_ERROR, "PRIORITY is not 5 octets long")
            # A stream that is not open cannot be reset.
            raise FrameRefused(FRAME_SIZE_ERROR, "PRIORITY is not 5 octets long")

    def take_priority_update(self) -> None:
        """RFC 9218 section 7.1."""
        if self.frame_stream != 0:
            raise FrameRefused(PROTOCOL_ERROR, "PRIORITY_UPDATE on a stream")
        if self.frame_end - self.frame_start < 4:
            raise FrameRefused(FRAME_SIZE_ERROR, "PRIORITY_UPDATE is shorter than 4 octets")
        self.charge_frames(1)
        stream_id = self.number_at(self.frame_start) & LARGEST_ID
        if stream_id & 1 == 0:
            raise FrameRefused(
                PROTOCOL_ERROR, f"PRIORITY_UPDATE for stream {stream_id}, which cannot be"
            )
        priority = parse_priority(self.buffer[self.frame_start + 4 : self.frame_end])
        stream = self.streams.get(stream_id)
        if stream is not None:
            self.scheduler.reprioritize(stream, priority[0], priority[1])
        elif stream_id > self.seen_id:
            self.early_priorities[stream_id] = priority
            if len(self.early_priorities) > self.own.streams:
                raise FrameRefused(PROTOCOL_ERROR, "priorities for more streams than there can be")

    def drain(self) -> None:
        """No new requests are wanted. What the client has sent before it learns of that is still
        served (RFC 9113 section 6.8): a first GOAWAY names no last stream, and the real one
        follows when a ping sent behind it has come back."""
        if self.draining or self.state == OVER:
            return
        self.draining = True
        self.outgoing += goaway_frame(LARGEST_ID, NO_ERROR, b"")
        self.outgoing += frame(PING, 0, 0, DRAIN_PING)

    def finish_drain(self) -> None:
        """The second GOAWAY: what comes after the last stream is not looked at. For clients that
        do not answer pings a deadline calls this."""
        if self.drain_acked or self.state == OVER:
            return
        self.draining = self.drain_acked = True
        self.outgoing += goaway_frame(self.last_id, NO_ERROR, b"")

    def probe(self) -> None:
        """A ping, for no other reason than to write something."""
        if self.state != OVER:
            self.outgoing += frame(PING, 0, 0, PROBE_PING)

    # What goes out.

    def take_outgoing(self, most: int) -> bytearray:
        """What is to be written, its caller's own: control frames and heads, all of them, and
        bodies as far as the windows and `most` octets let them."""
        if self.scheduler.ready:
            self.schedule(most)
        outgoing = self.outgoing
        if outgoing:
            self.outgoing = bytearray()
        return outgoing

    def schedule(self, most: int) -> None:
        """Let the streams send, by their priorities."""
        scheduler = self.scheduler
        while self.send_window > 0 and len(self.outgoing) < most:
            stream = scheduler.first()
            if stream is None:
                return
            size = LONGEST_PAYLOAD if self.send_window > LONGEST_PAYLOAD else self.send_window
            if stream.send_window < size:
                size = stream.send_window
            piece = stream.dequeue(size)
            self.unsent -= len(piece)
            self.add_data(stream, piece, stream.ending and not stream.queued)
            if not stream.queued or stream.send_window <= 0:
                scheduler.remove(stream)
            else:
                scheduler.served(stream)
            if stream.congested and stream.queued <= SEND_LOW_WATER:
                stream.congested = False
                self.relieved.append(stream)

    @property
    def held_shut(self) -> bool:
        """Streams could send, and the window of the connection does not let them."""
        return self.scheduler.ready > 0 and self.send_window <= 0

    @property
    def wants_to_write(self) -> bool:
        """`take_outgoing` has something to give."""
        return len(self.outgoing) > 0 or (self.scheduler.ready > 0 and self.send_window > 0)

    def take_relieved(self) -> list[Stream]:
        """The streams whose writers may go on."""
        relieved = self.relieved
        if relieved:
            self.relieved = []
        return relieved

    def add_data(self, stream: Stream, piece: bytes, end: bool) -> None:
        """A DATA frame, and the end of the stream when nothing is behind it."""
        size = len(piece)
        trailers = stream.trailers if end else None
        if size or trailers is None:
            flags = END_STREAM if end and trailers is None else 0
            add_header(self.outgoing, size, DATA, flags, stream.id)
            self.outgoing += piece
            stream.send_window -= size
            self.send_window -= size
            self.sent += size
            self.frames.earn(FRAME_EARNS)
            self.allow_updates(UPDATES_A_FRAME + size // BYTES_AN_UPDATE)
        if trailers is not None:
            add_block(self.outgoing, self.encoder.encode(trailers), END_STREAM, stream.id)
        if end:
            self.end_local(stream)

    def send_continue(self, stream: Stream) -> None:
        """100 (Continue), when the client still waits for it (RFC 9110 section 10.1.1)."""
        if stream.waits_for_continue and not stream.started and not stream.closed:
            stream.waits_for_continue = False
            self.add_fields(stream, [(b":status", b"100")], 0)

    def send_informational(self, stream: Stream, status: int, fields: Fields) -> None:
        """An interim response. Raises ResponseError."""
        made = self.responses.informational(stream, status, fields)
        if not stream.closed:
            self.add_fields(stream, made, 0)

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
            self.add_fields(stream, made, END_STREAM)
            self.end_local(stream)
            return
        self.add_fields(stream, made, 0)
        if body and on_wire:
            self.put(stream, body, end)

    def send_accepted(self, stream: Stream, fields: Fields) -> None:
        """Accept an extended CONNECT (RFC 8441 section 5): from here on the stream carries the
        octets of a WebSocket both ways. Raises ResponseError."""
        made = self.responses.accepted(stream, fields)
        stream.started = True
        stream.framing = OPEN_ENDED
        stream.tunnel = True
        if not stream.closed:
            self.add_fields(stream, made, 0)

    def send_data(self, stream: Stream, data: bytes, end: bool) -> None:
        """A further piece of the body. Raises ResponseError."""
        on_wire = count(stream, len(data), end)
        stream.complete = end
        if not stream.closed:
            self.put(stream, data if on_wire else b"", end)

    def send_trailers(self, stream: Stream, fields: Fields) -> None:
        """The end of the body with trailer fields, which go only to clients that asked for them
        (RFC 9110 section 6.5.1). Raises ResponseError."""
        made = self.responses.trailers(stream, fields)
        on_wire = count(stream, 0, True)
        stream.complete = True
        if stream.closed:
            return
        if made and on_wire and stream.wants_trailers:
            stream.trailers = made
        self.put(stream, b"", True)

    def put(self, stream: Stream, data: bytes, end: bool) -> None:
        """Send a piece now, where nothing stands in its way; else let it wait."""
        size = len(data)
        if not stream.queued and (
            size == 0
            or (
                size <= LONGEST_PAYLOAD
                and size <= stream.send_window
                and size <= self.send_window
                and not self.scheduler.ready
                and len(self.outgoing) < SEND_HIGH_WATER
            )
        ):
            if size or end:
                self.add_data(stream, data, end)
            return
        if size:
            stream.enqueue(data)
            self.unsent += size
        stream.ending = end
        if stream.send_window > 0:
            self.scheduler.add(stream)

    def add_fields(self, stream: Stream, fields: Fields, flags: int) -> None:
        add_block(self.outgoing, self.encoder.encode(fields), flags, stream.id)

    def end_local(self, stream: Stream) -> None:
        """END_STREAM has been written."""
        stream.local_ended = True
        self.resets.earn(1)
        self.frames.earn(RESPONSE_EARNS)
        if stream.remote_ended:
            self.close_stream(stream)
        elif not stream.tunnel:
            self.await_end(stream)

    def await_end(self, stream: Stream) -> None:
        """The response is complete before the request. RFC 9113 section 8.1 allows to reset the
        stream now, with NO_ERROR; but curl, Java and httpx then lose the response. So the request
        may end first, as far as that costs little."""
        stream.ended_at = stream.heard_at = self.age
        self.answered[stream.id] = stream
        # The application will not read what its exchange has kept.
        self.consume(stream, stream.unconsumed)
        if stream.window.left <= 0:
            self.forget_stream(stream.id, NO_ERROR)

    def reset(self, stream: Stream, code: int = CANCEL) -> None:
        """End a stream early, so that the client sees that the response is incomplete."""
        if not stream.closed and self.state != OVER:
            self.forget_stream(stream.id, code)

    def forget_stream(self, stream_id: int, code: int) -> None:
        """RST_STREAM; what the client has sent before it learns of it will be ignored."""
        add_rst_stream(self.outgoing, stream_id, code)
        stream = self.streams.get(stream_id)
        if stream is not None:
            self.close_stream(stream)
        self.reset_here[stream_id] = None
        if len(self.reset_here) > RESET_REMEMBERED:
            del self.reset_here[next(iter(self.reset_here))]

    def close_stream(self, stream: Stream) -> None:
        """Nothing more comes or goes; what was not read does not fill the window any more."""
        self.scheduler.remove(stream)
        stream.closed = True
        stream.congested = False
        stream.queue = None
        self.unsent -= stream.queued
        stream.queued = 0
        stream.trailers = None
        self.streams.pop(stream.id, None)
        self.answered.pop(stream.id, None)
        if stream.unconsumed and self.state != OVER:
            self.open_connection_window(stream.unconsumed)
            stream.unconsumed = 0
