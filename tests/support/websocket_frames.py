"""Frames as a client sends them, right and wrong, and frames as it reads them."""

from collections.abc import Iterable

from bascule.protocols.events import Failed, Lost, PeerClosed, Ping, Pong
from bascule.protocols.websocket.engine import WebSocketEngine, WebSocketEvent

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
RSV1, RSV2, RSV3 = 0x40, 0x20, 0x10
KEY = b"\x37\xfa\x21\x3d"


def mask(payload: bytes, key: bytes) -> bytes:
    """RFC 6455 section 5.3, as it is written there."""
    return bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


def client_frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    key: bytes | None = KEY,
    form: int = 0,
) -> bytes:
    """A frame of a client. `key` None leaves out the mask; `form` 126 or 127 writes the length
    longer than it must be."""
    size = len(payload)
    if not form:
        form = size if size < 126 else 126 if size < 65536 else 127
    length = b"" if form < 126 else size.to_bytes(2 if form == 126 else 8, "big")
    head = bytes((fin << 7 | rsv | opcode, (key is not None) << 7 | form)) + length
    return head + (payload if key is None else key + mask(payload, key))


def server_frames(data: bytes) -> list[tuple[int, int, bytes]]:
    """Return (opcode, reserved bits, payload) of the frames of a server, which are whole and
    unmasked, with lengths in their shortest form."""
    frames = []
    while data:
        assert data[0] & 0x80
        size, at = data[1], 2
        assert size < 128
        if size >= 126:
            at = 4 if size == 126 else 10
            size, form = int.from_bytes(data[2:at], "big"), size
            assert size > (125 if form == 126 else 65535)
        assert len(data) >= at + size
        frames.append((data[0] & 15, data[0] & 0x70, data[at : at + size]))
        data = data[at + size :]
    return frames


def events_of(
    engine: WebSocketEngine, pieces: Iterable[bytes], *, eof: bool = False
) -> list[WebSocketEvent]:
    """Every event, each taken as soon as it is there."""
    events = []
    for piece in pieces:
        engine.receive_data(piece)
        events += take(engine)
    if eof:
        engine.receive_eof()
        events += take(engine)
    return events


def take(engine: WebSocketEngine) -> list[WebSocketEvent]:
    events = []
    while (event := engine.next_event()) is not None:
        events.append(event)
    return events


def plain(event: WebSocketEvent | None) -> tuple[object, ...]:
    """An event as something that can be compared and written into a corpus."""
    if isinstance(event, str):
        return ("text", event)
    if isinstance(event, bytes):
        return ("binary", event)
    if isinstance(event, Ping):
        return ("ping", event.payload)
    if isinstance(event, Pong):
        return ("pong", event.payload)
    if isinstance(event, PeerClosed):
        return ("closed", event.code, event.reason)
    if isinstance(event, Failed):
        return ("failed", event.code, event.reason)
    assert isinstance(event, Lost), event
    return ("lost",)
