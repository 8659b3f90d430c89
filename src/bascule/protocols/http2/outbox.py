"""All that is to be written on a connection: control frames and heads at once, bodies as the
windows of the peer let them (RFC 9113 section 5.2), by priority (RFC 9218).

    add_fields, put          frames of a response; a body that cannot leave now waits in its stream
    write_next(most)         the next frame of a body that waits, of the most urgent stream
    take()                   the bytes to write, once for everything that one read has brought

Of bodies that wait, no more is written than the caller asks for; the rest stays in the streams, so
that a stream that becomes more urgent need not wait behind it.

END_STREAM sets `local_ended` of the stream, and nothing more: closing streams is the work of
`StreamTable`, which writes through this module. Frames that answer the peer, such as SETTINGS, are
appended to `outgoing` by the module that takes the frame.
"""

from bascule.errors import FrameRefused, StreamRefused
from bascule.protocols.headers import Fields
from bascule.protocols.http2.budget import PeerBudget
from bascule.protocols.http2.frames import (
    DATA,
    END_STREAM,
    FIRST_WINDOW,
    FLOW_CONTROL_ERROR,
    LARGEST_WINDOW,
    LONGEST_PAYLOAD,
    add_block,
    add_header,
)
from bascule.protocols.http2.hpack import Encoder
from bascule.protocols.http2.priority import Scheduler
from bascule.protocols.http2.stream import SEND_HIGH_WATER, SEND_LOW_WATER, Stream


class Outbox:
    """Frames and bodies that wait to be written.

    outgoing: bytes for the next write.
    encoder: compresses fields.
    scheduler: the streams that have something to send and a window to send it.
    send_window: bytes of DATA that the peer takes on the whole connection.
    sent: bytes of bodies that have been put into `outgoing` so far.
    unsent: bytes of bodies that wait in the streams.
    relieved: streams that were congested and are not any more; the connection takes them.
    """

    __slots__ = (
        "budget",
        "encoder",
        "outgoing",
        "relieved",
        "scheduler",
        "send_window",
        "sent",
        "unsent",
    )

    def __init__(self, budget: PeerBudget, table_size: int) -> None:
        self.budget = budget
        self.outgoing = bytearray()
        self.encoder = Encoder(table_size)
        self.scheduler = Scheduler()
        self.send_window = FIRST_WINDOW
        self.sent = 0
        self.unsent = 0
        self.relieved: list[Stream] = []

    def take(self) -> bytearray:
        """The bytes to write, which are the caller's from now on."""
        outgoing = self.outgoing
        if outgoing:
            self.outgoing = bytearray()
        return outgoing

    def take_relieved(self) -> list[Stream]:
        """The streams whose writers may continue."""
        relieved = self.relieved
        if relieved:
            self.relieved = []
        return relieved

    def held_shut(self) -> bool:
        """Whether streams could send, but the window of the connection does not let them."""
        return self.scheduler.ready > 0 and self.send_window <= 0

    def add_fields(self, stream: Stream, fields: Fields, flags: int) -> None:
        """Write a header block."""
        add_block(self.outgoing, self.encoder.encode(fields), flags, stream.id)

    def put(self, stream: Stream, data: bytes, end: bool) -> None:
        """Write a piece of a body now, if nothing stands in its way; else let it wait."""
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

    def write_next(self, most: int) -> Stream | None:
        """Write one frame of the stream whose turn it is and return the stream; None when nothing
        may be sent, or `most` bytes are waiting for the next write."""
        scheduler = self.scheduler
        if self.send_window <= 0 or len(self.outgoing) >= most:
            return None
        stream = scheduler.first()
        if stream is None:
            return None
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
        return stream

    def relieve(self, stream: Stream) -> None:
        """Let the writer of a stream continue, if it waits and need not any more."""
        if stream.congested and stream.queued <= SEND_LOW_WATER:
            stream.congested = False
            self.relieved.append(stream)

    def add_data(self, stream: Stream, piece: bytes, end: bool) -> None:
        """Write a DATA frame, and the end of the stream when nothing is behind it."""
        size = len(piece)
        trailers = stream.trailers if end else None
        if size or trailers is None:
            flags = END_STREAM if end and trailers is None else 0
            add_header(self.outgoing, size, DATA, flags, stream.id)
            self.outgoing += piece
            stream.send_window -= size
            self.send_window -= size
            self.sent += size
            self.budget.frame_sent(size)
        if trailers is not None:
            add_block(self.outgoing, self.encoder.encode(trailers), END_STREAM, stream.id)
        if end:
            stream.local_ended = True

    def widen(self, increment: int) -> None:
        """Enlarge the window of the connection by a WINDOW_UPDATE. Raises FrameRefused."""
        self.send_window += increment
        if self.send_window > LARGEST_WINDOW:
            raise FrameRefused(FLOW_CONTROL_ERROR, "window of the connection above 2^31-1")

    def widen_stream(self, stream: Stream, increment: int) -> None:
        """Enlarge the window of one stream by a WINDOW_UPDATE. Raises StreamRefused."""
        if stream.send_window + increment > LARGEST_WINDOW:
            raise StreamRefused(FLOW_CONTROL_ERROR, "window of a stream above 2^31-1")
        stream.send_window += increment
        if stream.queued and stream.send_window > 0:
            self.scheduler.add(stream)

    def move_window(self, stream: Stream, difference: int) -> None:
        """Move the window of one stream as SETTINGS ask, also below zero (RFC 9113 section 6.9.2).
        Raises FrameRefused."""
        stream.send_window += difference
        if stream.send_window > LARGEST_WINDOW:
            raise FrameRefused(FLOW_CONTROL_ERROR, "window of a stream above 2^31-1")
        if stream.send_window <= 0:
            self.scheduler.remove(stream)
        elif stream.queued:
            self.scheduler.add(stream)

    def drop(self, stream: Stream) -> None:
        """Forget the data that waits in a stream: it is closed."""
        self.scheduler.remove(stream)
        stream.congested = False
        stream.queue = None
        self.unsent -= stream.queued
        stream.queued = 0
        stream.trailers = None
