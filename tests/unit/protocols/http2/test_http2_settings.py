"""protocols/http2/settings_exchange.py: SETTINGS both ways (RFC 9113 section 6.5)."""

import pytest

from bascule.errors import FrameRefused
from bascule.protocols.http2.budget import PeerBudget
from bascule.protocols.http2.outbox import Outbox
from bascule.protocols.http2.settings_exchange import SettingsExchange, opening_frames
from bascule.protocols.http2.streams import StreamTable
from bascule.protocols.limits import Http2Limits, RequestLimits
from support import http2_frames as h2
from support.http2_wire import describe


class Side:
    """An exchange with the streams and the outbox that it changes."""

    def __init__(self, frames: int = 1000) -> None:
        own = Http2Limits(frames=frames)
        budget = PeerBudget(own)
        self.outbox = Outbox(budget, 4096)
        self.streams = StreamTable(RequestLimits(), own, self.outbox, budget)
        self.exchange = SettingsExchange(self.streams, self.outbox, budget)

    def take(self, **values: int) -> None:
        self.exchange.take(0, h2.settings(**values)[9:])


def test_the_opening_offers_websockets_only_where_there_are_any() -> None:
    number = h2.SETTINGS["ENABLE_CONNECT_PROTOCOL"].to_bytes(2, "big")
    for websockets in (True, False):
        settings, *_ = h2.frames_of(opening_frames(Http2Limits(), 65536, websockets))
        assert (number in settings.payload) is websockets


def test_settings_are_acknowledged() -> None:
    side = Side()
    side.take()
    side.take(INITIAL_WINDOW_SIZE=7, HEADER_TABLE_SIZE=10**6)
    assert [describe(one) for one in h2.frames_of(bytes(side.outbox.take()))] == [
        "settings ack",
        "settings ack",
    ]
    assert side.streams.initial_window == 7
    assert side.outbox.encoder.table.limit == 4096
    side.take(HEADER_TABLE_SIZE=100)
    assert side.outbox.encoder.table.limit == 100


def test_our_own_are_acknowledged_once() -> None:
    side = Side(frames=1)
    side.exchange.take(h2.ACK, b"")
    assert side.exchange.acked
    assert len(side.outbox.take()) == 0
    side.exchange.take(h2.ACK, b"")
    with pytest.raises(FrameRefused, match="too many frames"):
        side.exchange.take(h2.ACK, b"")


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("INITIAL_WINDOW_SIZE", 2**31, "FLOW_CONTROL_ERROR"),
        ("MAX_FRAME_SIZE", 16383, "PROTOCOL_ERROR"),
        ("MAX_FRAME_SIZE", 2**24, "PROTOCOL_ERROR"),
        ("ENABLE_PUSH", 2, "PROTOCOL_ERROR"),
        ("NO_RFC7540_PRIORITIES", 2, "PROTOCOL_ERROR"),
    ],
)
def test_values_out_of_their_range_are_refused(name: str, value: int, code: str) -> None:
    side = Side()
    with pytest.raises(FrameRefused, match=f"SETTINGS_{name}") as refused:
        side.take(**{name: value})
    assert h2.ERRORS[refused.value.code] == code


def test_a_flag_of_priorities_stays_as_it_was() -> None:
    side = Side()
    side.take(NO_RFC7540_PRIORITIES=1)
    side.take(NO_RFC7540_PRIORITIES=1)
    with pytest.raises(FrameRefused, match="has changed"):
        side.take(NO_RFC7540_PRIORITIES=0)


def test_parameters_are_obeyed_in_their_order() -> None:
    """RFC 9113 section 6.5.3: the last one stands, but each is checked against the windows."""
    side = Side()
    number = h2.SETTINGS["INITIAL_WINDOW_SIZE"].to_bytes(2, "big")
    stream = side.streams.open_stream(1, True)
    side.exchange.take(0, number + (9).to_bytes(4, "big") + number + (4).to_bytes(4, "big"))
    assert stream.send_window == 4
    stream.send_window += 1
    with pytest.raises(FrameRefused, match="window of a stream"):
        side.exchange.take(0, number + (2**31 - 1).to_bytes(4, "big") + number + bytes(4))
