r"""The WebSocket corpus: what a client sends after the handshake, and what must come of it.

A case is one file, in the form that support/wire.py describes: above the line `---` is what is
expected, in TOML; below it are the bytes, with their escapes.

    why = "RFC 6455 section 5.5.1: a Close frame has a code."
    offer = 'permessage-deflate'   # what was negotiated; without it there are no extensions
    limits = { message = 10 }      # WebSocketLimits that differ from the defaults
    events = [                     # all of them, in order; nothing follows
        ['text', 'hello'],         # the text, in UTF-8; the strings take the escapes
        ['binary', '\xff'],
        ['ping', ''],
        ['pong', ''],
        ['closed', 1000, 'bye'],
        ['failed', 1002, 'opcode'],    # what the reason must mention
        ['lost'],                  # the end of the bytes, where nothing else was the end
    ]
    ---
    \x81\x85\0\0\0\0hello

Most cases mask with a key of zeros, so that their payload can be read.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bascule.protocols.limits import WebSocketLimits
from bascule.protocols.websocket.engine import WebSocketEngine
from bascule.protocols.websocket.handshake import Offer, negotiate
from support.websocket_frames import plain, take
from support.wire import CORPUS, decode, decode_lines

CASE_KEYS = {"why", "offer", "limits", "events"}
ENDS = {"closed", "failed", "lost"}

Plain = tuple[object, ...]


@dataclass
class WebSocketCase:
    """One file of the corpus."""

    name: str
    data: bytes
    why: str
    offer: str
    limits: WebSocketLimits
    events: list[Plain]

    def engine(self) -> WebSocketEngine:
        deflate, _ = negotiate(Offer(b"", [], [self.offer.encode()]), bool(self.offer))
        assert bool(self.offer) == (deflate is not None)
        return WebSocketEngine(self.limits, deflate)

    @property
    def end(self) -> Plain:
        return self.events[-1]


def load_websocket_corpus() -> list[WebSocketCase]:
    """Every case below tests/wire/websocket, in the order of their names."""
    return [load_case(path) for path in sorted((CORPUS / "websocket").rglob("*.ws"))]


def load_case(path: Path) -> WebSocketCase:
    """Read one case. Raises ValueError for a file that is not in the form above."""
    head, separator, data = path.read_text("ascii").partition("\n---\n")
    if not separator:
        raise ValueError(f"{path}: no line '---' between expectation and bytes")
    said: dict[str, Any] = tomllib.loads(head)
    if unknown := said.keys() - CASE_KEYS:
        raise ValueError(f"{path}: unknown keys {sorted(unknown)}")
    events = [load_event(event) for event in said["events"]]
    if [event[0] in ENDS for event in events] != [False] * (len(events) - 1) + [True]:
        raise ValueError(f"{path}: one end, and nothing behind it")
    return WebSocketCase(
        "/".join(path.with_suffix("").parts[-3:]),
        decode_lines(data),
        said["why"],
        said.get("offer", ""),
        WebSocketLimits(**said.get("limits", {})),
        events,
    )


def load_event(said: list[Any]) -> Plain:
    kind, *rest = said
    if kind in ("binary", "ping", "pong"):
        return (kind, *map(decode, rest))
    if kind == "text":
        return (kind, decode(rest[0]).decode())
    if kind == "closed":
        return (kind, rest[0], decode(rest[1]).decode())
    if kind in ENDS:
        return tuple(said)
    raise ValueError(f"no such event: {kind!r}")


def feed_websocket(engine: WebSocketEngine, pieces: Iterable[bytes]) -> tuple[list[Plain], int]:
    """All events, and the most bytes that waited in the engine; then the client goes away."""
    events: list[Plain] = []
    most_buffered = 0
    for piece in pieces:
        engine.receive_data(piece)
        events += map(plain, take(engine))
        most_buffered = max(most_buffered, engine.buffered)
    engine.receive_eof()
    return events + [plain(event) for event in take(engine)], most_buffered
