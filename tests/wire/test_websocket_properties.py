"""Properties of every sequence of bytes that a WebSocket client may send, however it is cut."""

import re
import zlib

from hypothesis import given
from hypothesis import strategies as st

from bascule.protocols.limits import WebSocketLimits
from bascule.protocols.websocket.deflate import Deflate
from bascule.protocols.websocket.engine import WebSocketEngine
from support.http1_requests import EXAMPLES, cut
from support.websocket_messages import (
    Message,
    Plain,
    closes,
    control_frame,
    keys,
    mangled_frames,
    message_frames,
    streams,
)
from support.websocket_wire import feed_websocket

# Small, so that a few hundred bytes reach every one of them.
LIMITS = WebSocketLimits(message=100, frame=80, fragments=3)
MOST_KEPT = 8 + 125

garbage = st.one_of(st.binary(max_size=60), mangled_frames())


def engine(limits: WebSocketLimits, deflated: bool) -> WebSocketEngine:
    return WebSocketEngine(limits, Deflate() if deflated else None)


@EXAMPLES
@given(garbage, st.booleans(), st.data())
def test_no_bytes_raise_or_fill_memory(raw: bytes, deflated: bool, data: st.DataObject) -> None:
    pieces = data.draw(cut(raw))
    one = engine(LIMITS, deflated)
    events, most_buffered = feed_websocket(one, pieces)
    assert most_buffered <= MOST_KEPT
    assert [event[0] in ("closed", "failed", "lost") for event in events].index(True) == len(
        events
    ) - 1
    assert (one.next_event(), one.buffered) == (None, 0)
    for event in events:
        check_event(event)


def check_event(event: Plain) -> None:
    kind, *rest = event
    if kind == "text":
        assert len(str(rest[0]).encode()) <= LIMITS.message
    elif kind == "binary":
        assert isinstance(rest[0], bytes)
        assert len(rest[0]) <= LIMITS.message
    elif kind == "failed":
        assert rest[0] in (1002, 1007, 1009)
        assert re.fullmatch(r"[ -~]{1,123}", str(rest[1]))


@EXAMPLES
@given(garbage, st.data())
def test_cuts_change_no_event(raw: bytes, data: st.DataObject) -> None:
    whole, _ = feed_websocket(engine(LIMITS, False), [raw])
    assert feed_websocket(engine(LIMITS, False), data.draw(cut(raw)))[0] == whole


@EXAMPLES
@given(garbage, st.data())
def test_cuts_change_no_event_of_a_compressed_stream(raw: bytes, data: st.DataObject) -> None:
    """But for the words about data that is wrong in two ways: zlib reports what is broken before
    it hands out what it has inflated, and what that is depends on the network."""
    whole, _ = feed_websocket(engine(LIMITS, True), [raw])
    pieces, _ = feed_websocket(engine(LIMITS, True), data.draw(cut(raw)))
    assert pieces[:-1] == whole[:-1]
    assert pieces[-1][0] == whole[-1][0]
    if whole[-1][0] != "failed":
        assert pieces[-1] == whole[-1]


@EXAMPLES
@given(streams, closes, st.booleans(), st.booleans(), st.data())
def test_valid_streams_come_out_as_they_went_in(
    sent: list[Message | Plain], close: Plain, deflated: bool, takeover: bool, data: st.DataObject
) -> None:
    raw, wanted = write(sent, deflated, takeover, data)
    raw += control_frame(close, data.draw(keys))
    one = WebSocketEngine(
        WebSocketLimits(), Deflate(client_no_context_takeover=not takeover) if deflated else None
    )
    events, most_buffered = feed_websocket(one, data.draw(cut(raw)))
    assert events == [*wanted, close]
    assert most_buffered <= MOST_KEPT


def write(
    sent: list[Message | Plain], deflated: bool, takeover: bool, data: st.DataObject
) -> tuple[bytes, list[Plain]]:
    compressor = zlib.compressobj(wbits=-15)
    raw, events = b"", []
    for one in sent:
        if not isinstance(one, Message):
            raw += control_frame(one, data.draw(keys))
            events.append(one)
            continue
        payload = one.payload
        if not deflated:
            one = Message(one.kind, payload, False, one.cuts, one.between)
        elif one.compressed:
            if not takeover:
                compressor = zlib.compressobj(wbits=-15)
            payload = compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
            # Of two empty messages behind one another zlib makes nothing the second time.
            payload = payload[:-4] or b"\x00"
        frames, made = message_frames(one, payload, data.draw(keys))
        raw += frames
        events += made
    return raw, events
