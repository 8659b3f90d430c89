"""The transport of a connection: writing, pausing, turns, and how a connection ends.

Every connection has one `ManagedTransport`, whatever it speaks: closing, lingering and their
deadlines are written here once. Its own transport (`raw`) is any that keeps the contract in
`loop/transport.py`.

    phase       meaning                                        ends with
    (open)      numbers below CLOSING, which each protocol     the protocol's own deadlines
                names as it likes
    CLOSING     what was written is being flushed              the write deadline
    LINGERING   it is flushed, what still comes is discarded   the linger deadline, which begins
                                                               anew while bytes still come
    CLOSED      the connection is gone, or was handed over

Closing a socket with unread bytes resets the connection, and the reset can overtake the last
response, GOAWAY or Close frame (RFC 9112 section 9.6). Hence lingering: the sending side is closed
first, and reading continues for a bounded time. TLS cannot close one side alone; there the client
has the same time to close, if it knows that the connection ends.

Not a base class of connections: compiled classes have one base, and carriers have theirs. It holds
no reference to its connection, so that the two are freed without the garbage collector.
"""

import sys
import termios
from collections.abc import Callable
from fcntl import ioctl
from typing import Any

from bascule.connections.hub import Hub
from bascule.connections.transport_info import printable_peer
from bascule.connections.write_watch import WriteWatch
from bascule.interfaces.endpoint import Endpoint
from bascule.loop import resume_reading

# SIOCOUTQ of tcp(7); Linux only for sockets.
TIOCOUTQ: int | None = termios.TIOCOUTQ if sys.platform.startswith("linux") else None

# Connections begin with this phase. Each protocol has its own names for those below CLOSING.
OPEN = 0
CLOSING = 8
LINGERING = 9
CLOSED = 10

# Bytes that may wait in an engine, beside what one read brings, before reading pauses: pipelined
# requests behind the one being served, or what waits for its turn of the loop.
READ_AHEAD = 65536
# Bytes below which a TLS connection is closed at once. More than that in the kernel's queue, and
# the client is behind, and the transport may hold further bytes that it does not count.
MUCH_UNDELIVERED = 65536


class ManagedTransport:
    """A transport and the state of its connection.

    raw: the transport of the loop, or a stream of HTTP/2 that looks like one.
    endpoint: the two ends.
    phase, deadline: see above; the deadline is the one of the phase.
    finished_at: when the client closed its sending side, or 0.
    writing_paused: more is written than the client reads.
    sending_ended: the server has closed its sending side.
    turn_due: the connection is to continue in the next turn of the loop.
    counts: its unwritten bytes count among those that wait for clients (`Hub.unsent`).
    """

    __slots__ = (
        "counts",
        "deadline",
        "endpoint",
        "finished_at",
        "hub",
        "linger_ends",
        "phase",
        "raw",
        "reading_paused",
        "sending_ended",
        "turn_due",
        "writes",
        "writing_paused",
    )

    def __init__(self, hub: Hub, raw: Any, endpoint: Endpoint) -> None:
        self.hub = hub
        self.raw = raw
        self.endpoint = endpoint
        self.phase = OPEN
        self.deadline = 0.0
        self.linger_ends = 0.0
        self.finished_at = 0.0
        self.reading_paused = False
        self.sending_ended = False
        self.writing_paused = False
        self.turn_due = False
        self.counts = True
        self.writes = WriteWatch()

    # Writing.

    def write(self, data: bytes | bytearray) -> None:
        self.raw.write(data)

    def is_closing(self) -> bool:
        """Whether what is written now is lost. True already before the connection is reported
        lost: one that broke is closed a turn of the loop earlier."""
        return bool(self.raw.is_closing())

    def unwritten(self) -> int:
        """Bytes that were written and wait for the client to take them."""
        size: int = self.raw.get_write_buffer_size()
        return size

    def undelivered(self) -> int:
        """Return the bytes that the client has not acknowledged, of a connection that ends.

        Under TLS the transports hold bytes that they do not count; while they do, the kernel's
        queue is full.
        """
        size = self.unwritten()
        return size if self.endpoint.tls is None else size + queued_in_kernel(self.raw)

    def watch_writes(self) -> None:
        """Give the client the whole write deadline from now on."""
        self.writes.restart(self.unwritten(), self.hub.now)

    def is_write_stalled(self, now: float, patience: float, copying: bool = False) -> bool:
        """Whether the client has not taken a byte for `patience` seconds. copying: the kernel
        sends a file to it, which is not in the buffer. To be called once each tick."""
        return self.is_stalled(self.unwritten(), now, patience, copying)

    def is_stalled(self, size: int, now: float, patience: float, copying: bool = False) -> bool:
        """Whether the client has taken none of `size` bytes for `patience` seconds."""
        if self.counts:
            self.hub.counted += size
        return self.writes.is_stalled(copying or size > 0, size, now, patience)

    def give_up(self) -> None:
        """Abort because the client reads nothing."""
        self.hub.warn("write", f"{printable_peer(self.endpoint)} reads nothing: connection closed")
        self.abort()

    # Reading.

    def regulate_reading(self, hold: bool) -> None:
        """Pause while `hold`, else read on; a connection that ends always reads on."""
        if self.phase < CLOSING:
            if hold:
                self.pause_reading()
            else:
                self.resume_reading()

    def pause_reading(self) -> None:
        if not self.reading_paused:
            self.reading_paused = True
            self.raw.pause_reading()

    def resume_reading(self) -> None:
        if self.reading_paused and self.phase != CLOSED:
            self.reading_paused = False
            resume_reading(self.hub.loop, self.raw)

    # Turns.

    def take_turn_soon(self, proceed: Callable[[], object]) -> None:
        """Have `proceed` called in the next turn of the loop, once. It begins with
        `begin_turn`."""
        if not self.turn_due and self.phase < CLOSING:
            self.turn_due = True
            self.hub.loop.call_soon(proceed)

    def begin_turn(self) -> None:
        self.turn_due = False
        self.hub.let_threads_run()

    # The end.

    def end_sending(self) -> None:
        """Close the sending side behind what is written; reading continues. Only where the raw
        transport can."""
        self.sending_ended = True
        try:
            self.raw.write_eof()
        except OSError:
            # asyncio asks the kernel at once, which knows already that the client has gone.
            self.abort()

    def close(self) -> None:
        """Close when what is written has been flushed."""
        if self.phase < CLOSING:
            self.flush()

    def flush(self) -> None:
        """Close, but under TLS not before a slow client has received everything: transports count
        the time for its close_notify from their `close` on, and then abort."""
        self.phase = CLOSING
        self.watch_writes()
        if self.endpoint.tls is None or self.undelivered() < MUCH_UNDELIVERED:
            self.raw.close()

    def linger(self, announced: bool) -> None:
        """Close the sending side, and for a moment read what the client still sends. announced:
        the client knows that the connection ends, and may be waited for where its side cannot be
        closed alone."""
        if self.phase >= CLOSING:
            return
        raw = self.raw
        can_finish = raw.can_write_eof()
        if not (can_finish or announced) or raw.is_closing():
            self.flush()
            return
        hub = self.hub
        self.phase = LINGERING
        self.watch_writes()
        self.deadline = hub.now + hub.deadlines.linger
        self.linger_ends = hub.now + hub.deadlines.longest_linger
        self.resume_reading()
        if can_finish and not self.sending_ended:
            self.end_sending()

    def receive_late(self) -> None:
        """Bytes have come in a phase past open, and are discarded. A client that checks for a
        response only when it has sent all of its body may continue for a while, but does not hold
        up a stop."""
        hub = self.hub
        if self.phase == LINGERING and hub.now < self.linger_ends and not hub.draining:
            self.deadline = hub.now + hub.deadlines.linger

    def tick(self, now: float) -> None:
        """Check the deadlines of CLOSING and LINGERING."""
        hub = self.hub
        size = self.undelivered()
        if self.phase == CLOSING or size:
            if self.phase == LINGERING:
                # The deadline is for what comes after the last bytes, not for these.
                self.deadline = now + hub.deadlines.linger
            if self.is_stalled(size, now, hub.patience(None)):
                self.give_up()
            elif size == 0 and not self.raw.is_closing():
                self.raw.close()
        elif now >= self.deadline:
            if self.raw.can_write_eof():
                self.abort()
            else:
                # TLS has an end of its own to send (close_notify).
                self.flush()

    def abort(self) -> None:
        """Close now; what is not written yet is lost."""
        if self.phase != CLOSED:
            self.raw.abort()

    def lose(self) -> None:
        """The raw transport reports that the connection is gone."""
        self.phase = CLOSED

    # Handing over.

    def release(self, endpoint: Endpoint) -> "ManagedTransport":
        """The same raw transport, managed anew for a connection that follows this one. Work that
        this one's connection had put off for another turn finds it CLOSED."""
        self.resume_reading()
        self.phase = CLOSED
        successor = ManagedTransport(self.hub, self.raw, endpoint)
        successor.writing_paused = self.writing_paused
        return successor

    def pass_on(self, connection: Any, successor: Any) -> None:
        """Have the raw transport, and the hub, call `successor` from now on."""
        self.hub.replaced(connection, successor)
        self.raw.set_protocol(successor)
        if self.writing_paused:
            # The raw transport has said so to `connection`, and says it once.
            successor.pause_writing()


def queued_in_kernel(raw: Any) -> int:
    """Return the bytes in the kernel's queue that the client has not acknowledged; 0 where the
    system cannot tell."""
    sock = raw.get_extra_info("socket")
    if TIOCOUTQ is None or sock is None or sock.fileno() < 0:
        return 0
    try:
        answer: bytes = ioctl(sock.fileno(), TIOCOUTQ, bytes(4))
    except OSError:
        return 0
    return int.from_bytes(answer, sys.byteorder)
