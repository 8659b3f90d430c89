"""Requests out of frames: HEADERS, CONTINUATION and DATA become Request, BodyData and BodyEnd.

The frame at hand is in the FrameReader. Every header block is decoded, even for a stream that is
closed, because it changes the table of the connection (RFC 9113 section 4.3); then it is a request
or a trailer section, or is ignored. Of a body every byte counts against both
windows (section 6.9.1), is given back at once where nothing reads it, and otherwise when the
application has read it.

    raises            meaning                                            ends
    FrameRefused      the peer breaks the protocol (section 5.4.1)       the connection
    StreamRefused     the same, within one stream (section 5.4.2)        the stream
    RequestRefused    a request that is understood and not wanted        nothing; it is answered
"""

from bascule.errors import FrameRefused, RequestRefused, StreamRefused
from bascule.protocols.events import BodyData, BodyEnd, Refused, Request
from bascule.protocols.headers import Fields
from bascule.protocols.http2.budget import PeerBudget
from bascule.protocols.http2.frame_reader import FrameReader, HeaderBlock
from bascule.protocols.http2.frames import (
    COMPRESSION_ERROR,
    END_HEADERS,
    END_STREAM,
    FLOW_CONTROL_ERROR,
    HEADER_TABLE,
    NO_ERROR,
    PADDED,
    PRIORITY_FLAG,
    PROTOCOL_ERROR,
    STREAM_CLOSED,
)
from bascule.protocols.http2.hpack import Decoder, HeaderListTooLong, HpackError
from bascule.protocols.http2.request_head import RequestReader
from bascule.protocols.http2.stream import Stream
from bascule.protocols.http2.streams import StreamTable
from bascule.protocols.limits import Http2Limits, RequestLimits

# Chrome keeps at most 180 cookies for a site and may send each as a field of its own (RFC 9113
# section 8.2.3). They are one field in the end, and only that is counted against the limit.
CRUMBS = 200
# `:method`, `:scheme`, `:authority`, `:path`, `:protocol`, and one too many, to be noticed.
PSEUDO_FIELDS = 6


class RequestReceiver:
    """Reads the requests of one connection.

    block: the header block that is incomplete, if there is one.
    following: the BodyEnd behind a BodyData that has been returned.
    """

    __slots__ = (
        "block",
        "budget",
        "decoder",
        "following",
        "frames",
        "head_reader",
        "limits",
        "streams",
    )

    def __init__(
        self,
        limits: RequestLimits,
        own: Http2Limits,
        head_reader: RequestReader,
        frames: FrameReader,
        streams: StreamTable,
        budget: PeerBudget,
    ) -> None:
        """own: the limits of HTTP/2 itself."""
        self.limits = limits
        self.frames = frames
        self.streams = streams
        self.budget = budget
        self.head_reader = head_reader
        self.decoder = Decoder(HEADER_TABLE, limits.head, limits.fields + CRUMBS + PSEUDO_FIELDS)
        self.block = HeaderBlock(own.block, own.continuations)
        self.following: BodyEnd | None = None

    # Header blocks.

    def take_headers(self) -> Request | BodyEnd | None:
        """RFC 9113 section 6.2. The priority of RFC 7540 in it is passed over."""
        frames = self.frames
        stream_id = frames.stream_id
        # RFC 9113 section 5.1.1: those of clients are odd.
        if stream_id & 1 == 0:
            raise FrameRefused(PROTOCOL_ERROR, f"HEADERS on stream {stream_id}")
        if frames.flags & PADDED:
            frames.strip_padding()
        if frames.flags & PRIORITY_FLAG:
            frames.strip_priority()
        piece = frames.payload()
        ended = frames.flags & END_STREAM != 0
        if frames.flags & END_HEADERS:
            return self.take_block(stream_id, piece, ended)
        self.block.begin(stream_id, piece, ended)
        if not piece:
            self.budget.charge_frames(1)
        return None

    def take_continuation(self) -> Request | BodyEnd | None:
        """RFC 9113 section 6.10."""
        block = self.block
        stream_id = block.stream_id
        if stream_id == 0:
            raise FrameRefused(PROTOCOL_ERROR, "CONTINUATION outside a header block")
        piece = self.frames.payload()
        block.add(piece)
        if not piece:
            self.budget.charge_frames(1)
        if not self.frames.flags & END_HEADERS:
            return None
        return self.take_block(stream_id, block.finish(), block.ended)

    def take_block(self, stream_id: int, block: bytes, ended: bool) -> Request | BodyEnd | None:
        """A whole header block."""
        fields: Fields | None = None
        try:
            fields = self.decoder.decode(block)
        except HeaderListTooLong:
            # Refused below, where it is known what it belongs to.
            pass
        except HpackError as error:
            raise FrameRefused(COMPRESSION_ERROR, str(error)) from None
        streams = self.streams
        stream = streams.open.get(stream_id)
        if stream is not None:
            return self.take_trailers(stream, fields, ended)
        if stream_id <= streams.seen_id:
            streams.check_closed(stream_id)
            self.budget.charge_frames(1)
            return None
        streams.seen_id = stream_id
        if streams.drain_acked:
            # RFC 9113 section 6.8: the client knows that this request is ignored, and will send it
            # on another connection.
            self.budget.charge_frames(1)
            return None
        return self.begin_request(stream_id, fields, ended)

    def begin_request(self, stream_id: int, fields: Fields | None, ended: bool) -> Request:
        """A header block that opens a stream."""
        stream = self.streams.open_stream(stream_id, ended)
        if fields is None:
            raise RequestRefused(431, f"request head longer than {self.limits.head} bytes")
        reader = self.head_reader
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
        if self.streams.early_priorities or reader.priority is not None:
            self.streams.set_priority(stream, reader.priority)
        return request

    def take_trailers(
        self, stream: Stream, fields: Fields | None, ended: bool
    ) -> Request | BodyEnd | None:
        """A second header block: the trailer section (RFC 9113 section 8.1)."""
        if stream.remote_ended:
            raise StreamRefused(STREAM_CLOSED, "HEADERS on a stream that the client has ended")
        if not ended:
            raise StreamRefused(PROTOCOL_ERROR, "HEADERS in the middle of a request body")
        if stream.discards or stream.complete:
            self.streams.end_remote(stream)
            return None
        self.check_length(stream)
        if fields is None:
            stream.remote_ended = True
            raise RequestRefused(431, f"trailer section longer than {self.limits.head} bytes")
        trailers: Fields = []
        try:
            trailers = self.head_reader.read_trailers(fields)
        finally:
            stream.remote_ended = True
        return self.body_end(stream, trailers)

    # Bodies.

    def take_data(self) -> BodyData | BodyEnd | None:
        """RFC 9113 section 6.1. All of a frame counts against both windows, its padding too."""
        frames, streams = self.frames, self.streams
        stream_id = frames.stream_id
        length = frames.end - frames.start
        if stream_id == 0:
            raise FrameRefused(PROTOCOL_ERROR, "DATA on stream 0")
        if not streams.window.take(length):
            raise FrameRefused(FLOW_CONTROL_ERROR, "DATA beyond the window of the connection")
        if frames.flags & PADDED:
            frames.strip_padding()
        stream = streams.open.get(stream_id)
        ended = frames.flags & END_STREAM != 0
        size = frames.end - frames.start
        if size == 0 and not ended:
            self.budget.charge_frames(1)
        if stream is None:
            if stream_id > streams.seen_id:
                raise FrameRefused(PROTOCOL_ERROR, "DATA on a stream that is idle")
            streams.open_window(length)
            streams.check_closed(stream_id)
            return None
        if stream.remote_ended:
            streams.open_window(length)
            raise StreamRefused(STREAM_CLOSED, "DATA on a stream that the client has ended")
        if not stream.window.take(length):
            streams.open_window(length)
            raise StreamRefused(FLOW_CONTROL_ERROR, "DATA beyond the window of its stream")
        stream.unconsumed += length
        if length != size:
            streams.consume(stream, length - size)
        stream.received += size
        if stream.discards or stream.complete:
            self.discard(stream, size, ended)
            return None
        return self.take_body(stream, size, ended)

    def discard(self, stream: Stream, size: int, ended: bool) -> None:
        """A piece of a request body that has no reader."""
        streams = self.streams
        streams.discard(stream, size)
        if ended:
            streams.end_remote(stream)
        elif stream.local_ended and stream.window.left <= 0:
            streams.reset(stream.id, NO_ERROR)

    def take_body(self, stream: Stream, size: int, ended: bool) -> BodyData | BodyEnd | None:
        """A piece of a request body that has a reader."""
        if stream.content_length >= 0 and stream.received > stream.content_length:
            raise StreamRefused(PROTOCOL_ERROR, "request body longer than its Content-Length")
        if ended:
            self.check_length(stream)
            stream.remote_ended = True
        limit = self.limits.body
        if limit is not None and stream.received > limit and not stream.tunnel:
            self.streams.consume(stream, size)
            raise RequestRefused(413, f"request body longer than {limit} bytes")
        end = self.body_end(stream, []) if ended else None
        if size == 0:
            return end
        stream.waits_for_continue = False
        data = BodyData(self.frames.payload())
        data.stream_id = stream.id
        self.following = end
        return data

    def check_length(self, stream: Stream) -> None:
        """RFC 9113 section 8.1.1: DATA adds up to Content-Length."""
        if stream.content_length >= 0 and stream.received != stream.content_length:
            raise StreamRefused(PROTOCOL_ERROR, "request body shorter than its Content-Length")

    def body_end(self, stream: Stream, trailers: Fields) -> BodyEnd:
        """The end of a request body."""
        end = BodyEnd(trailers)
        end.stream_id = stream.id
        return end

    # The end.

    def clear(self) -> None:
        """Drop what is kept: the connection has failed."""
        self.following = None
        self.block.finish()

    def refuse(self, refused: RequestRefused) -> Refused:
        """The event of a request that is answered; what still comes of it has no reader."""
        stream = self.streams.open[self.frames.stream_id]
        stream.discards = True
        stream.waits_for_continue = False
        event = Refused(refused.status, refused.reason, refused.fields)
        event.stream_id = stream.id
        return event
