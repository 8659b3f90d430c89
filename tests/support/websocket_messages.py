"""Data that a WebSocket client may send, as hypothesis makes it: messages, the frames that they
are cut into, and frames that something happened to."""

from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import strategies as st

from support.websocket_frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    RSV1,
    TEXT,
    client_frame,
)

CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999)

Plain = tuple[object, ...]

keys = st.binary(min_size=4, max_size=4)
payloads = st.one_of(
    st.binary(max_size=300),
    st.builds(lambda data, count: data * count, st.binary(max_size=9), st.integers(0, 300)),
)
texts = st.one_of(
    st.text(max_size=80),
    st.builds(lambda text, count: text * count, st.text(max_size=5), st.integers(0, 200)),
)
controls = st.one_of(
    st.tuples(st.just("ping"), st.binary(max_size=125)),
    st.tuples(st.just("pong"), st.binary(max_size=125)),
)
reasons = st.text(max_size=30).filter(lambda text: len(text.encode()) <= 123)
closes = st.one_of(
    st.tuples(st.just("closed"), st.sampled_from(CODES), reasons),
    st.just(("closed", 1005, "")),
)


@dataclass(frozen=True)
class Message:
    """A message of a client. `cuts` are the lengths of its fragments, `between` the control frames
    behind each of them."""

    kind: str
    payload: bytes
    compressed: bool = False
    cuts: tuple[int, ...] = ()
    between: list[list[Plain]] = field(default_factory=list)

    @property
    def event(self) -> Plain:
        return (self.kind, self.payload.decode() if self.kind == "text" else self.payload)

    @property
    def opcode(self) -> int:
        return TEXT if self.kind == "text" else BINARY


@st.composite
def messages(draw: st.DrawFn) -> Message:
    kind = draw(st.sampled_from(("text", "binary")))
    payload = draw(texts).encode() if kind == "text" else draw(payloads)
    cuts = tuple(draw(st.lists(st.integers(0, 1000), max_size=3)))
    between = [draw(st.lists(controls, max_size=2)) for _ in cuts]
    return Message(kind, payload, draw(st.booleans()), cuts, between)


streams = st.lists(st.one_of(messages(), controls), max_size=5)


def pieces_of(payload: bytes, cuts: tuple[int, ...]) -> list[bytes]:
    """`payload` in one piece more than there are `cuts`; the pieces may be empty."""
    places = sorted(cut % (len(payload) + 1) for cut in cuts)
    return [payload[start:end] for start, end in pairwise([0, *places, len(payload)])]


def control_frame(event: Plain, key: bytes) -> bytes:
    kind, *rest = event
    if kind == "closed":
        code, reason = rest
        assert isinstance(code, int)
        body = b"" if code == 1005 else code.to_bytes(2, "big") + str(reason).encode()
        return client_frame(CLOSE, body, key=key)
    (payload,) = rest
    assert isinstance(payload, bytes)
    return client_frame(PING if kind == "ping" else PONG, payload, key=key)


def message_frames(message: Message, payload: bytes, key: bytes) -> tuple[bytes, list[Plain]]:
    """The frames of a message whose `payload` may be compressed, and the events they make."""
    data, events = b"", []
    pieces = pieces_of(payload, message.cuts)
    for number, piece in enumerate(pieces):
        data += client_frame(
            CONTINUATION if number else message.opcode,
            piece,
            fin=number == len(pieces) - 1,
            rsv=RSV1 if message.compressed and number == 0 else 0,
            key=key,
        )
        for event in message.between[number] if number < len(message.between) else []:
            data += control_frame(event, key)
            events.append(event)
    return data, [*events, message.event]


@st.composite
def mangled_frames(draw: st.DrawFn) -> bytes:
    """Frames after up to three accidents."""
    data = b"".join(
        message_frames(one, one.payload, draw(keys))[0]
        if isinstance(one, Message)
        else control_frame(one, draw(keys))
        for one in draw(streams)
    )
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        gone = draw(st.integers(0, 3))
        data = data[:at] + draw(st.binary(max_size=3)) + data[at + gone :]
    return data
