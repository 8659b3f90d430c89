"""The streams of one connection (RFC 9113 section 5.1): which are open, and how they end.

    an identifier                        its stream
    above `seen_id`                      idle: its request may still come
    in `open`                            open, or ended by one of its sides
    at or below `seen_id`, not in `open` closed; in `reset_here` if frames may still be on their
                                         way that the client sent before it learned of the reset

A stream that ends early writes its RST_STREAM through the outbox. The bytes of request bodies
that fill the receive windows are given back here (`consume`), and a drain of the connection
decides here which new streams are still taken.
"""

from bascule.errors import FrameRefused, StreamRefused
from bascule.protocols.events import StreamReset
from bascule.protocols.http2.budget import PeerBudget
from bascule.protocols.http2.flow import ReceiveWindow
from bascule.protocols.http2.frames import (
    FIRST_WINDOW,
    LARGEST_ID,
    NO_ERROR,
    PING,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    STREAM_CLOSED,
    add_rst_stream,
    add_window_update,
    error_name,
    frame,
    goaway_frame,
)
from bascule.protocols.http2.outbox import Outbox
from bascule.protocols.http2.priority import parse_priority
from bascule.protocols.http2.stream import Stream
from bascule.protocols.limits import Http2Limits, RequestLimits

# Streams reset here whose frames may still be on their way (RFC 9113 section 5.1): twice as many
# as may be open by default.
RESET_REMEMBERED = 256
# Shows that a client has learned that no more requests are wanted (RFC 9113 section 6.8).
DRAIN_PING = b"bascule\x00"
# Seconds after which a client may reset a stream at no cost. In that time no more than the allowed
# number of streams can become so old, so this is no flood. Proxies reset streams whose clients
# have left, and a stream of events ends in no other way.
SETTLED = 1.0
# Seconds that the rest of a request may take whose response is complete: from one piece of it to
# the next, as for a client that is to read a refusal over HTTP/1.1, and in all.
REST_PATIENCE = 2.0
REST_IN_ALL = 30.0


class StreamTable:
    """The streams, and the state that they share.

    open: the streams that are open, by their identifiers.
    answered: streams whose responses are complete, and whose requests are not.
    reset_here: identifiers of streams that were reset here, the oldest first.
    early_priorities: priorities that came before the requests they belong to.
    last_id: the highest stream that was accepted.
    seen_id: the highest stream that was named.
    initial_window: the window that the peer gives to a new stream.
    window: what the peer may still send on the whole connection.
    age: seconds that have passed, by `replenish`.
    draining: no new streams are wanted.
    drain_acked: the peer knows that.
    failed: the connection is over, and nothing more is written.
    """

    __slots__ = (
        "age",
        "answered",
        "budget",
        "discard_limit",
        "drain_acked",
        "draining",
        "early_priorities",
        "failed",
        "initial_window",
        "last_id",
        "limits",
        "most",
        "no_window",
        "open",
        "outbox",
        "reset_here",
        "seen_id",
        "window",
    )

    def __init__(
        self, limits: RequestLimits, own: Http2Limits, outbox: Outbox, budget: PeerBudget
    ) -> None:
        """own: the limits of HTTP/2 itself."""
        self.limits = own
        self.discard_limit = limits.discard
        self.most = own.streams
        self.outbox = outbox
        self.budget = budget
        self.open: dict[int, Stream] = {}
        self.answered: dict[int, Stream] = {}
        self.reset_here: dict[int, None] = {}
        self.early_priorities: dict[int, tuple[int, bool]] = {}
        self.last_id = 0
        self.seen_id = 0
        self.initial_window = FIRST_WINDOW
        self.window = ReceiveWindow(own.connection_window, own.widest_connection)
        # Of the streams whose requests have no body; one for all, since nothing opens it.
        self.no_window = ReceiveWindow(0, 0)
        self.age = 0.0
        self.draining = False
        self.drain_acked = False
        self.failed = False

    # Beginning.

    def open_stream(self, stream_id: int, ended: bool) -> Stream:
        """The stream of a new request, whose body is complete when `ended`. Raises
        StreamRefused."""
        if len(self.open) >= self.most:
            raise StreamRefused(REFUSED_STREAM, f"more than {self.most} requests at once")
        self.last_id = stream_id
        window = self.no_window
        if not ended:
            window = ReceiveWindow(self.limits.stream_window, self.limits.widest_stream)
        stream = Stream(stream_id, self.initial_window, window)
        stream.remote_ended = ended
        stream.opened_at = self.age
        self.open[stream_id] = stream
        self.budget.request_opened()
        return stream

    def set_priority(self, stream: Stream, value: bytes | None) -> None:
        """Give a new stream its priority. A frame that came before the request wins over the field
        of the request, which is `value` (RFC 9218 section 7)."""
        early = self.early_priorities.pop(stream.id, None)
        if early is None:
            early = parse_priority(value or b"")
        stream.urgency, stream.incremental = early
        for stream_id in [one for one in self.early_priorities if one < stream.id]:
            # Closed without having been opened (RFC 9113 section 5.1.1).
            del self.early_priorities[stream_id]

    def update_priority(self, stream_id: int, value: bytes) -> None:
        """Obey a PRIORITY_UPDATE (RFC 9218 section 7.1). Raises FrameRefused."""
        if stream_id & 1 == 0:
            raise FrameRefused(
                PROTOCOL_ERROR, f"PRIORITY_UPDATE for stream {stream_id}, which cannot be"
            )
        priority = parse_priority(value)
        stream = self.open.get(stream_id)
        if stream is not None:
            self.outbox.scheduler.reprioritize(stream, priority[0], priority[1])
        elif stream_id > self.seen_id:
            self.early_priorities[stream_id] = priority
            if len(self.early_priorities) > self.limits.streams:
                raise FrameRefused(PROTOCOL_ERROR, "priorities for more streams than there can be")

    # Windows.

    def consume(self, stream: Stream, size: int) -> None:
        """Open the windows by `size` bytes of a request body that are not kept any more."""
        if size <= 0 or self.failed:
            return
        if size > stream.unconsumed:
            # The rest went back to the connection when the stream was closed.
            size = stream.unconsumed
        stream.unconsumed -= size
        self.open_window(size)
        if not stream.remote_ended and not stream.closed:
            increment = stream.window.consume(size)
            if increment:
                add_window_update(self.outbox.outgoing, stream.id, increment)

    def open_window(self, size: int) -> None:
        """Open the window of the connection by `size` bytes."""
        increment = self.window.consume(size)
        if increment:
            add_window_update(self.outbox.outgoing, 0, increment)

    def discard(self, stream: Stream, size: int) -> None:
        """Drop part of a request body that has no reader. The window is opened for as much as
        HTTP/1.1 reads and throws away, too. Behind that the client may fill the rest of the
        window: some clients send all of their request before they read the response."""
        stream.discarded += size
        stream.last_piece_at = self.age
        if stream.discarded <= self.discard_limit:
            self.consume(stream, size)
        else:
            stream.unconsumed -= size
            self.open_window(size)

    def take_window_update(self, stream_id: int, increment: int) -> None:
        """Obey a WINDOW_UPDATE (RFC 9113 section 6.9). Raises FrameRefused, StreamRefused."""
        if stream_id == 0:
            if increment == 0:
                raise FrameRefused(PROTOCOL_ERROR, "WINDOW_UPDATE by nothing")
            self.outbox.widen(increment)
            return
        stream = self.open.get(stream_id)
        if stream is None:
            if stream_id > self.seen_id or stream_id & 1 == 0:
                raise FrameRefused(
                    PROTOCOL_ERROR, f"WINDOW_UPDATE on stream {stream_id}, which is idle"
                )
            return
        if increment == 0:
            raise StreamRefused(PROTOCOL_ERROR, "WINDOW_UPDATE by nothing")
        self.outbox.widen_stream(stream, increment)

    def change_initial_window(self, size: int) -> None:
        """Obey SETTINGS_INITIAL_WINDOW_SIZE (RFC 9113 section 6.9.2): the windows of all open
        streams move with it. Raises FrameRefused."""
        difference = size - self.initial_window
        self.initial_window = size
        for stream in self.open.values():
            self.outbox.move_window(stream, difference)

    # Ending.

    def end_local(self, stream: Stream) -> None:
        """END_STREAM has been written, and `local_ended` set."""
        self.budget.response_sent()
        if stream.remote_ended:
            self.close(stream)
        elif not stream.tunnel:
            self.await_end(stream)

    def await_end(self, stream: Stream) -> None:
        """The response is complete before the request. RFC 9113 section 8.1 allows to reset the
        stream now, with NO_ERROR; but curl, Java and httpx then lose the response. So the request
        may end first, as far as that costs little."""
        stream.ended_at = stream.last_piece_at = self.age
        self.answered[stream.id] = stream
        # The application will not read what its exchange has kept.
        self.consume(stream, stream.unconsumed)
        if stream.window.left <= 0:
            self.reset(stream.id, NO_ERROR)

    def end_remote(self, stream: Stream) -> None:
        """The client has sent all of a request that has no reader any more."""
        stream.remote_ended = True
        if stream.local_ended:
            self.close(stream)

    def end_requests(self) -> None:
        """Stop waiting for the rest of requests that has taken too long. It does not hold up a
        stop of the server."""
        in_all = REST_PATIENCE if self.draining else REST_IN_ALL
        for stream in tuple(self.answered.values()):
            if (
                self.age - stream.last_piece_at >= REST_PATIENCE
                or self.age - stream.ended_at >= in_all
            ):
                self.reset(stream.id, NO_ERROR)

    def take_reset(self, stream_id: int, code: int) -> StreamReset | None:
        """Obey a RST_STREAM (RFC 9113 section 6.4). Raises FrameRefused."""
        if stream_id == 0 or stream_id > self.seen_id:
            raise FrameRefused(PROTOCOL_ERROR, f"RST_STREAM on stream {stream_id}, which is idle")
        stream = self.open.get(stream_id)
        if stream is None:
            self.budget.charge_frames(1)
            return None
        self.close(stream)
        if not stream.local_ended and self.age - stream.opened_at < SETTLED:
            self.budget.charge_reset()
        return StreamReset(stream_id, code, f"reset by the client: {error_name(code)}", True)

    def reset(self, stream_id: int, code: int) -> None:
        """Write RST_STREAM; frames that the client has sent before it learns of it are ignored."""
        add_rst_stream(self.outbox.outgoing, stream_id, code)
        stream = self.open.get(stream_id)
        if stream is not None:
            self.close(stream)
        self.reset_here[stream_id] = None
        if len(self.reset_here) > RESET_REMEMBERED:
            del self.reset_here[next(iter(self.reset_here))]

    def close(self, stream: Stream) -> None:
        """Close a stream: its unread bytes do not fill the window any more."""
        stream.closed = True
        self.outbox.drop(stream)
        self.open.pop(stream.id, None)
        self.answered.pop(stream.id, None)
        if stream.unconsumed and not self.failed:
            self.open_window(stream.unconsumed)
            stream.unconsumed = 0

    def check_closed(self, stream_id: int) -> None:
        """HEADERS or DATA of a stream that is closed (RFC 9113 section 5.1): frames that the
        client sent before it learned of our RST_STREAM, or GOAWAY, are ignored; frames behind its
        own end are not allowed. Raises FrameRefused."""
        unwanted = self.drain_acked and stream_id > self.last_id
        if not unwanted and stream_id not in self.reset_here:
            raise FrameRefused(STREAM_CLOSED, f"stream {stream_id} is closed")

    # The connection.

    def replenish(self, seconds: float) -> None:
        """Let so much time pass: some of what was spent is forgiven."""
        self.age += seconds
        self.budget.replenish(seconds)
        if self.answered and seconds < REST_PATIENCE:
            # After a longer time the loop has stood still, and has not read what came meanwhile.
            self.end_requests()

    def drain(self) -> None:
        """Ask for no new requests. Those that the client has sent before it learns of that are
        still served (RFC 9113 section 6.8): a first GOAWAY names no last stream, and the real one
        follows when a ping sent behind it has come back."""
        if self.draining or self.failed:
            return
        self.draining = True
        self.outbox.outgoing += goaway_frame(LARGEST_ID, NO_ERROR, b"")
        self.outbox.outgoing += frame(PING, 0, 0, DRAIN_PING)

    def finish_drain(self) -> None:
        """Write the second GOAWAY: streams above the last are ignored from now on. For clients
        that do not answer pings a deadline calls this."""
        if self.drain_acked or self.failed:
            return
        self.draining = self.drain_acked = True
        self.outbox.outgoing += goaway_frame(self.last_id, NO_ERROR, b"")

    def fail(self) -> None:
        """Close all streams without a word: the connection has failed."""
        self.failed = True
        for stream in tuple(self.open.values()):
            self.close(stream)
        self.early_priorities.clear()
