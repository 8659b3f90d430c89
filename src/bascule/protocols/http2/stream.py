"""One stream (RFC 9113 section 5.1): a request and its response, their windows, and the data that
waits to be sent.

    remote_ended    the client has sent END_STREAM: the request is complete
    local_ended     END_STREAM has been written: the response is complete on the wire
    closed          both, or a RST_STREAM: nothing more can be sent or is expected

An idle stream is an identifier above the last, a closed one an identifier at or below it that has
no object. So streams cost memory only while they are open.
"""

from collections import deque

from bascule.protocols.headers import NO_LENGTH
from bascule.protocols.http2.flow import ReceiveWindow

# Bytes of a response that wait in a stream before its writer should pause, and below which it may
# continue. A connection's transport has as much again.
SEND_HIGH_WATER = 65536
SEND_LOW_WATER = 16384

# How the body of a response is bounded.
NOTHING = 0
LENGTH = 1
OPEN_ENDED = 2


class Stream:
    """The state of one stream.

    id: its identifier.
    opened_at: the age of the connection when the stream was opened.
    ended_at: its age when the response was complete.
    last_piece_at: its age when the last piece of the rest of the request came.
    content_length: bytes of the request body that were declared.
    received: bytes of it that have come.
    unconsumed: those of them that fill the window.
    discards: the rest of the request body has no reader.
    discarded: bytes of that rest.
    wants_trailers: the client takes trailer fields.
    waits_for_continue: the client waits for 100 (Continue).
    tunnel: a WebSocket has been accepted on it, so each side ends on its own.

    send_window: bytes that the peer takes, which its SETTINGS may make negative.
    queue, queued: pieces of the response that wait for windows, and their bytes.
    offset: bytes of the first piece that are sent.
    ending: END_STREAM comes behind them.
    trailers: fields that come before END_STREAM.
    congested: the writer should wait.

    started, complete: the application has sent the head, and all.
    framing, remaining: how the response body is bounded, and the bytes that its Content-Length
        still wants.
    head_only: the request was HEAD.
    dropped_body: the application sent a body where there can be none.

    urgency, incremental, scheduled: see priority.
    """

    __slots__ = (
        "closed",
        "complete",
        "congested",
        "content_length",
        "discarded",
        "discards",
        "dropped_body",
        "ended_at",
        "ending",
        "framing",
        "head_only",
        "id",
        "incremental",
        "last_piece_at",
        "local_ended",
        "offset",
        "opened_at",
        "queue",
        "queued",
        "received",
        "remaining",
        "remote_ended",
        "scheduled",
        "send_window",
        "started",
        "trailers",
        "tunnel",
        "unconsumed",
        "urgency",
        "waits_for_continue",
        "wants_trailers",
        "window",
    )

    def __init__(self, stream_id: int, send_window: int, window: ReceiveWindow) -> None:
        self.id = stream_id
        self.opened_at = 0.0
        self.ended_at = 0.0
        self.last_piece_at = 0.0
        self.closed = False
        self.remote_ended = False
        self.local_ended = False
        self.window = window
        self.content_length = NO_LENGTH
        self.received = 0
        self.unconsumed = 0
        self.discards = False
        self.discarded = 0
        self.wants_trailers = False
        self.waits_for_continue = False
        self.tunnel = False
        self.send_window = send_window
        self.queue: deque[bytes] | None = None
        self.offset = 0
        self.queued = 0
        self.ending = False
        self.trailers: list[tuple[bytes, bytes]] | None = None
        self.congested = False
        self.head_only = False
        self.started = False
        self.complete = False
        self.dropped_body = False
        self.framing = NOTHING
        self.remaining = 0
        self.urgency = 3
        self.incremental = False
        self.scheduled = False

    def __repr__(self) -> str:
        state = "closed" if self.closed else "half-closed" if self.remote_ended else "open"
        return f"<Stream {self.id} {state}>"

    @property
    def has_body(self) -> bool:
        """The response has a body on the wire: not to HEAD, not 204 or 304."""
        return self.framing != NOTHING

    def enqueue(self, data: bytes) -> None:
        """Let a piece of the response wait."""
        if self.queue is None:
            self.queue = deque()
        self.queue.append(data)
        self.queued += len(data)
        if self.queued >= SEND_HIGH_WATER:
            self.congested = True

    def dequeue(self, most: int) -> bytes:
        """The next piece of the data that waits, at most `most` bytes long."""
        queue = self.queue
        if queue is None or not queue:
            return b""
        piece = queue[0]
        left = len(piece) - self.offset
        if left <= most:
            queue.popleft()
            if self.offset:
                piece = piece[self.offset :]
                self.offset = 0
        else:
            piece = piece[self.offset : self.offset + most]
            self.offset += most
        self.queued -= len(piece)
        return piece
