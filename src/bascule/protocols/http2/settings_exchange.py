"""The exchange of SETTINGS (RFC 9113 section 6.5): what this side allows, and what the peer asks.

    opening_frames(...)    the server's preface: SETTINGS, and the window of the connection
    take(flags, payload)   a SETTINGS frame of the peer: obey it and acknowledge it, or note that
                           it acknowledges ours

Of the peer's parameters only three change anything here: the initial window of streams, the size
of the header table, and the promise of RFC 9218 not to use the priorities of RFC 7540. The others
are checked, or concern a client.
"""

from bascule.errors import FrameRefused
from bascule.protocols.http2.budget import PeerBudget
from bascule.protocols.http2.frames import (
    ACK,
    ENABLE_CONNECT_PROTOCOL,
    ENABLE_PUSH,
    FIRST_WINDOW,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    HEADER_TABLE,
    HEADER_TABLE_SIZE,
    INITIAL_WINDOW_SIZE,
    LARGEST_PAYLOAD,
    LARGEST_WINDOW,
    LONGEST_PAYLOAD,
    MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE,
    MAX_HEADER_LIST_SIZE,
    NO_RFC7540_PRIORITIES,
    PROTOCOL_ERROR,
    SETTINGS,
    add_header,
    add_window_update,
    settings_frame,
)
from bascule.protocols.http2.outbox import Outbox
from bascule.protocols.http2.streams import StreamTable
from bascule.protocols.limits import Http2Limits

# The value of `no_priorities` until the peer has sent one.
NOT_SAID = -1


def opening_frames(own: Http2Limits, longest_head: int, websockets: bool) -> bytes:
    """The server's preface (RFC 9113 section 3.4): what it allows the client. `websockets` offers
    extended CONNECT (RFC 8441 section 3)."""
    settings = [
        (MAX_CONCURRENT_STREAMS, own.streams),
        (INITIAL_WINDOW_SIZE, own.stream_window),
        (MAX_HEADER_LIST_SIZE, longest_head),
        (NO_RFC7540_PRIORITIES, 1),
    ]
    if websockets:
        settings.append((ENABLE_CONNECT_PROTOCOL, 1))
    opening = bytearray(settings_frame(settings))
    if own.connection_window > FIRST_WINDOW:
        # No SETTINGS changes this one (RFC 9113 section 6.9.2).
        add_window_update(opening, 0, own.connection_window - FIRST_WINDOW)
    return bytes(opening)


class SettingsExchange:
    """Takes the SETTINGS frames of the peer.

    acked: the peer has acknowledged our SETTINGS.
    no_priorities: its SETTINGS_NO_RFC7540_PRIORITIES, which may be sent only once.
    """

    __slots__ = ("acked", "budget", "no_priorities", "outbox", "streams")

    def __init__(self, streams: StreamTable, outbox: Outbox, budget: PeerBudget) -> None:
        self.streams = streams
        self.outbox = outbox
        self.budget = budget
        self.acked = False
        self.no_priorities = NOT_SAID

    def take(self, flags: int, payload: bytes) -> None:
        """Take a SETTINGS frame. Raises FrameRefused."""
        if flags & ACK:
            if payload:
                raise FrameRefused(FRAME_SIZE_ERROR, "acknowledgement of SETTINGS with a payload")
            if self.acked:
                self.budget.charge_frames(1)
            self.acked = True
            return
        if len(payload) % 6:
            raise FrameRefused(FRAME_SIZE_ERROR, "SETTINGS is not a list of parameters")
        self.budget.charge_frames(1 + len(payload) // 6)
        for at in range(0, len(payload), 6):
            name = int.from_bytes(payload[at : at + 2], "big")
            self.apply(name, int.from_bytes(payload[at + 2 : at + 6], "big"))
        add_header(self.outbox.outgoing, 0, SETTINGS, ACK, 0)

    def apply(self, name: int, value: int) -> None:
        """Obey one parameter (RFC 9113 section 6.5.2). Unknown ones, and those that concern a
        client, are ignored."""
        if name == INITIAL_WINDOW_SIZE:
            if value > LARGEST_WINDOW:
                raise FrameRefused(FLOW_CONTROL_ERROR, "SETTINGS_INITIAL_WINDOW_SIZE above 2^31-1")
            self.streams.change_initial_window(value)
        elif name == HEADER_TABLE_SIZE:
            size = value if value < HEADER_TABLE else HEADER_TABLE
            self.outbox.encoder.set_max_table_size(size)
        elif name == MAX_FRAME_SIZE:
            # Longer frames than the shortest maximum are never sent.
            if not LONGEST_PAYLOAD <= value <= LARGEST_PAYLOAD:
                raise FrameRefused(PROTOCOL_ERROR, "SETTINGS_MAX_FRAME_SIZE out of its range")
        elif name == ENABLE_PUSH:
            if value > 1:
                raise FrameRefused(PROTOCOL_ERROR, "SETTINGS_ENABLE_PUSH is neither 0 nor 1")
        elif name == NO_RFC7540_PRIORITIES:
            # RFC 9218 section 2.1: it is a flag, and stays as it was.
            if value > 1 or self.no_priorities not in (NOT_SAID, value):
                raise FrameRefused(PROTOCOL_ERROR, "SETTINGS_NO_RFC7540_PRIORITIES has changed")
            self.no_priorities = value
