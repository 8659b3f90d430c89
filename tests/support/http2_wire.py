r"""The HTTP/2 corpus: frames that a client sends, and what must come of them.

A file has many cases, each a table of TOML:

    [[case]]
    name = "ping on a stream"
    why = "RFC 9113 section 6.7: PING is about the connection."
    limits = { body = 10 }         # RequestLimits that differ from the defaults
    http2 = { streams = 2 }        # Http2Limits that differ from the defaults
    header_map = 'refuse'
    bare = true                    # no preface and SETTINGS are sent before the frames
    frames = '''
    headers 1
      ...                          # the pseudo-header fields of a GET of /
      x-a: 1
    data 1 end padded=3 hello
    '''
    events = [                     # all of them, in order
        ['request', 1, 'GET', '/', [['host', 'a.example'], ['x-a', '1']]],
        ['data', 1, 'hello'],
        ['end', 1],                # ['end', 1, [['x-sum', '2']]] with trailers
        ['refused', 1, 413, 'words of the reason'],
        ['reset', 1, 'PROTOCOL_ERROR', 'words of the reason'],
        ['left', 1, 'CANCEL'],     # the client has reset it
        ['failed', 'PROTOCOL_ERROR', 'words of the reason'],
    ]
    answers = ['ping ack 12345678']    # frames that are written, but for the opening ones

A line of `frames` is a frame: its type, its stream (not for settings, ping, goaway and
priority_update), flags, and its payload with the escapes of the HTTP/1.1 corpus. The fields of a
block stand below it, indented. Flags: end, ack, padded=N, priority, and `more` for a block that
continues. Numbers are written as such, error codes and parameters by their names. `raw 0x0 0x1 3
payload` is any frame, `bytes` anything at all; a frame ending in ` x300` is sent so many times,
each on the next stream if `+` follows the number of its stream.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bascule.protocols.events import (
    BodyData,
    BodyEnd,
    ConnectionFailed,
    Refused,
    Request,
    StreamReset,
)
from bascule.protocols.http2.engine import Http2Engine, Http2Event
from bascule.protocols.limits import Http2Limits, RequestLimits
from support import http2_frames as h2
from support.wire import CORPUS, decode

CASE_KEYS = {
    *("name", "why", "limits", "http2", "header_map", "websockets", "bare"),
    *("frames", "events", "answers"),
}
STREAMLESS = ("settings", "ping", "goaway", "priority_update")

Plain = tuple[Any, ...]


@dataclass
class Http2Case:
    """One table of the corpus."""

    name: str
    why: str
    data: bytes
    limits: RequestLimits
    own: Http2Limits
    header_map: str
    websockets: bool
    events: list[Plain]
    answers: list[str] | None

    def engine(self) -> Http2Engine:
        return Http2Engine(self.limits, self.own, self.header_map, websockets=self.websockets)


def load_http2_corpus() -> list[Http2Case]:
    """Every case below tests/wire/http2, in the order of the files."""
    return [
        case for path in sorted((CORPUS / "http2").rglob("*.toml")) for case in load_cases(path)
    ]


def load_cases(path: Path) -> list[Http2Case]:
    """The cases of one file. Raises ValueError for what is not in the form above."""
    return [load_case(path.stem, said) for said in tomllib.loads(path.read_text())["case"]]


def load_case(stem: str, said: dict[str, Any]) -> Http2Case:
    if unknown := said.keys() - CASE_KEYS:
        raise ValueError(f"{stem}: unknown keys {sorted(unknown)}")
    data = read_frames(said["frames"])
    return Http2Case(
        f"{stem}/{said['name']}",
        said["why"],
        data if said.get("bare") else h2.OPENING + data,
        RequestLimits(**said.get("limits", {})),
        Http2Limits(**said.get("http2", {})),
        said.get("header_map", "drop"),
        said.get("websockets", True),
        [load_event(event) for event in said["events"]],
        said.get("answers"),
    )


def load_event(said: list[Any]) -> Plain:
    def fields(pairs: list[list[str]]) -> h2.Fields:
        return [(decode(name), decode(value)) for name, value in pairs]

    kind = said[0]
    if kind == "request":
        return (*said[:2], said[2], decode(said[3]), *map(fields, said[4:]))
    if kind == "data":
        return (kind, said[1], decode(said[2]))
    if kind == "end":
        return (kind, said[1], fields(said[2]) if len(said) > 2 else [])
    if kind in ("refused", "reset", "left", "failed"):
        return tuple(said)
    raise ValueError(f"no such event: {kind!r}")


def read_frames(text: str) -> bytes:
    """The bytes of frames written as above."""
    data = b""
    lines = [line for line in text.splitlines() if line.strip()]
    at = 0
    while at < len(lines):
        words = lines[at].strip().split(" ")
        at += 1
        fields: h2.Fields = []
        while at < len(lines) and lines[at].startswith((" ", "\t")):
            fields += read_field(lines[at].strip())
            at += 1
        times = 1
        if words[-1].startswith("x") and words[-1][1:].isdigit():
            times = int(words.pop()[1:])
        for number in range(times):
            data += read_frame(words, fields, number)
    return data


def read_field(line: str) -> h2.Fields:
    if line == "...":
        return list(h2.GET)
    # A name may begin with a colon.
    name, _, value = line[1:].partition(": ")
    if line.endswith(":"):
        name, value = line[1:-1], ""
    if line.startswith(": "):
        return [(b"", decode(line[2:]))]
    return [(decode(line[0] + name), decode(value))]


def read_frame(words: list[str], fields: h2.Fields, number: int) -> bytes:
    kind, *rest = words
    if kind == "bytes":
        return decode(" ".join(rest))
    if kind == "raw":
        raw_kind, flags, stream = (int(one, 0) for one in rest[:3])
        return h2.raw_frame(raw_kind, flags, stream, decode(" ".join(rest[3:])))
    stream = 0
    if kind not in STREAMLESS:
        said = rest.pop(0)
        stream = int(said.rstrip("+")) + (2 * number if said.endswith("+") else 0)
    flags, padding = (0 if kind not in ("headers", "continuation") else h2.END_HEADERS), -1
    before = b""
    while rest and (rest[0] in ("end", "ack", "more", "priority") or rest[0].startswith("padded")):
        flag = rest.pop(0)
        if flag in ("end", "ack"):
            flags |= h2.END_STREAM
        elif flag == "more":
            flags &= ~h2.END_HEADERS
        elif flag == "priority":
            flags |= h2.PRIORITY
            before = bytes(5)
        else:
            flags |= h2.PADDED
            padding = int(flag.partition("=")[2])
    payload = before + payload_of(kind, rest, fields)
    if padding >= 0:
        payload = bytes((padding,)) + payload + bytes(padding)
    return h2.raw_frame(h2.TYPES[kind], flags, stream, payload)


def payload_of(kind: str, words: list[str], fields: h2.Fields) -> bytes:
    if fields:
        return h2.block(fields)
    if kind == "settings":
        pairs = [word.partition("=") for word in words]
        return b"".join(
            h2.SETTINGS[name].to_bytes(2, "big") + int(value).to_bytes(4, "big")
            for name, _, value in pairs
        )
    if kind == "window_update":
        return int(words[0]).to_bytes(4, "big")
    if kind == "rst_stream":
        return h2.ERRORS.index(words[0]).to_bytes(4, "big")
    if kind == "goaway":
        return int(words[0]).to_bytes(4, "big") + h2.ERRORS.index(words[1]).to_bytes(4, "big")
    if kind == "priority_update":
        return int(words[0]).to_bytes(4, "big") + decode(" ".join(words[1:]))
    return decode(" ".join(words))


def error_of(code: int) -> str:
    """The name of an error code; one that RFC 9113 does not know as its number."""
    return h2.ERRORS[code] if code < len(h2.ERRORS) else str(code)


def plain(event: Http2Event) -> Plain:
    """An event as something that can be compared and written into the corpus."""
    if isinstance(event, Request):
        return ("request", event.stream_id, event.method, event.target, event.fields)
    if isinstance(event, BodyData):
        return ("data", event.stream_id, event.data)
    if isinstance(event, BodyEnd):
        return ("end", event.stream_id, list(event.trailers))
    if isinstance(event, Refused):
        return ("refused", event.stream_id, event.status, event.reason)
    if isinstance(event, StreamReset):
        if event.by_peer:
            return ("left", event.stream_id, error_of(event.code))
        return ("reset", event.stream_id, error_of(event.code), event.reason)
    if isinstance(event, ConnectionFailed):
        return ("failed", error_of(event.code), event.reason)
    return ("closed", event.clean)


def take(engine: Http2Engine) -> list[Http2Event]:
    """Every event there is."""
    events = []
    while (event := engine.next_event()) is not None:
        events.append(event)
    return events


def feed_http2(engine: Http2Engine, pieces: Iterable[bytes]) -> tuple[list[Plain], bytes, int]:
    """All events, what was written, and the most bytes that waited in the engine."""
    events: list[Plain] = []
    written = b""
    most_buffered = 0
    for piece in pieces:
        engine.receive_data(piece)
        while True:
            events += map(plain, take(engine))
            most_buffered = max(most_buffered, engine.buffered)
            choked = engine.choked
            written += engine.take_outgoing(65536)
            if not choked:
                break
    return events, written, most_buffered


def describe(frame: h2.Frame) -> str:
    """A frame as `answers` has it."""
    words = [frame.kind]
    if frame.kind not in STREAMLESS:
        words.append(str(frame.stream))
    if frame.kind in ("settings", "ping") and frame.flags & h2.ACK:
        words.append("ack")
    if frame.kind == "rst_stream":
        words.append(h2.ERRORS[frame.number])
    elif frame.kind == "window_update":
        words.append(str(frame.number))
    elif frame.kind == "goaway":
        words += [str(frame.number), h2.ERRORS[int.from_bytes(frame.payload[4:8], "big")]]
    elif frame.kind == "ping":
        words.append(frame.payload.decode("latin-1"))
    return " ".join(words)
