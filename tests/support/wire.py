r"""The wire corpus: raw requests in files, each with what an engine must make of it.

A case is one file. Above the line `---` is what is expected, in TOML; below it are the bytes:

    why = "RFC 9112 section 3.2: more than one Host line."
    status = 400              # the refusal, or a list where the RFC leaves a choice; else none
    reason = 'Host'           # what the reason must mention
    limits = { body = 10 }    # RequestLimits that differ from the defaults
    header_map = 'drop'       # what to do with underscores in names
    eof = 'clean'             # where the bytes end: clean, inside a head, or cut inside a body

    [[request]]               # one for each request that comes out, in order
    method = 'GET'
    target = '/'
    version = '1.1'
    fields = [['host', 'a.example']]
    body = 'hello'
    trailers = [['x-a', '1']]
    content_length = 5        # only checked when given
    expects_continue = false
    keep_alive = true         # after an ordinary answer
    complete = true           # false: the body never ends; a refusal may hide a part of `body`
    ---
    GET / HTTP/1.1\r\n
    Host: a.example\r\n
    Host: a.example\r\n
    \r\n

The bytes are ASCII with escapes: \r \n \t \0 \\ \xNN, and \{800:text} for text written 800 times.
Line breaks of the file mean nothing, so a line is cut wherever it reads best; it may not end with
a space, which is invisible. The strings of the expectation (TOML literals, in single quotes)
take the same escapes.
"""

import random
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bascule.protocols.events import BodyData, BodyEnd, Closed, Refused, Request
from bascule.protocols.http1.engine import Http1Engine
from bascule.protocols.limits import RequestLimits

# Bytes at either end of a long case that are fed one at a time, and the size of pieces between.
EDGE = 2048
MIDDLE_PIECE = 61
CORPUS = Path(__file__).parent.parent / "wire"
SIMPLE_ESCAPES = {"r": 13, "n": 10, "t": 9, "0": 0, "\\": 92}
CASE_KEYS = {"why", "status", "reason", "limits", "header_map", "eof", "request"}
REQUEST_KEYS = {
    *("method", "target", "version", "fields", "body", "trailers"),
    *("content_length", "expects_continue", "keep_alive", "complete"),
}

Fields = list[tuple[bytes, bytes]]


@dataclass
class Exchanged:
    """A request as the corpus wants it, or as it came out of an engine."""

    method: str
    target: bytes
    version: str
    fields: Fields
    body: bytes = b""
    trailers: Fields = field(default_factory=list)
    content_length: int | None = None
    expects_continue: bool = False
    keep_alive: bool = True
    complete: bool = True


@dataclass
class Case:
    """One file of the corpus."""

    name: str
    data: bytes
    why: str
    statuses: tuple[int, ...]
    reason: str
    limits: RequestLimits
    header_map: str
    eof: str
    requests: list[Exchanged]

    def engine(self) -> Http1Engine:
        return Http1Engine(self.limits, self.header_map)


@dataclass
class Outcome:
    """The output of an engine: requests, and the event that ended them."""

    requests: list[Exchanged] = field(default_factory=list)
    refused: Refused | None = None
    closed: Closed | None = None
    events_after_the_end: list[object] = field(default_factory=list)
    most_buffered: int = 0


def load_corpus(folder: str) -> list[Case]:
    """Every case below tests/wire/`folder`, in the order of their names."""
    return [load_case(path) for path in sorted((CORPUS / folder).rglob("*.http"))]


def load_case(path: Path) -> Case:
    """Read one case. Raises ValueError for a file that is not in the form above."""
    head, separator, data = path.read_text("ascii").partition("\n---\n")
    if not separator:
        raise ValueError(f"{path}: no line '---' between expectation and bytes")
    said: dict[str, Any] = tomllib.loads(head)
    if unknown := said.keys() - CASE_KEYS:
        raise ValueError(f"{path}: unknown keys {sorted(unknown)}")
    status = said.get("status", [])
    return Case(
        name="/".join(path.with_suffix("").parts[-3:]),
        data=decode_lines(data),
        why=said["why"],
        statuses=tuple(status) if isinstance(status, list) else (status,),
        reason=said.get("reason", ""),
        limits=RequestLimits(**said.get("limits", {})),
        header_map=said.get("header_map", "drop"),
        eof=said.get("eof", "clean"),
        requests=[load_request(path, request) for request in said.get("request", [])],
    )


def load_request(path: Path, said: dict[str, Any]) -> Exchanged:
    if unknown := said.keys() - REQUEST_KEYS:
        raise ValueError(f"{path}: unknown keys of a request {sorted(unknown)}")
    return Exchanged(
        said["method"],
        decode(said["target"]),
        said.get("version", "1.1"),
        [(decode(name), decode(value)) for name, value in said["fields"]],
        decode(said.get("body", "")),
        [(decode(name), decode(value)) for name, value in said.get("trailers", [])],
        said.get("content_length"),
        said.get("expects_continue", False),
        said.get("keep_alive", True),
        said.get("complete", True),
    )


def decode_lines(text: str) -> bytes:
    lines = text.split("\n")
    for line in lines:
        if line.endswith((" ", "\t")):
            raise ValueError(f"invisible white space at the end of {line!r}; write \\x20 or \\t")
    return decode("".join(lines))


def decode(text: str) -> bytes:
    """The bytes that `text` stands for. Raises ValueError for an escape that does not exist."""
    data, end = decode_from(text, 0, nested=False)
    if end != len(text):
        raise ValueError(f"a }} too many in {text!r}")
    return data


def decode_from(text: str, at: int, nested: bool) -> tuple[bytes, int]:
    out = bytearray()
    while at < len(text):
        letter = text[at]
        if letter == "}" and nested:
            return bytes(out), at + 1
        if letter != "\\":
            out += letter.encode("ascii")
            at += 1
        elif text[at + 1 : at + 2] == "x":
            out.append(int(text[at + 2 : at + 4], 16))
            at += 4
        elif text[at + 1 : at + 2] == "{":
            count, _, _ = text[at + 2 :].partition(":")
            piece, at = decode_from(text, at + 3 + len(count), nested=True)
            out += piece * int(count)
        elif text[at + 1 : at + 2] in SIMPLE_ESCAPES:
            out.append(SIMPLE_ESCAPES[text[at + 1]])
            at += 2
        else:
            raise ValueError(f"no such escape: {text[at : at + 2]!r}")
    if nested:
        raise ValueError(f"a repetition without its }} in {text!r}")
    return bytes(out), at


def byte_by_byte(data: bytes) -> Iterator[bytes]:
    """Cut `data` into single bytes. Of a long one, the middle comes in larger pieces: it
    holds one long field or many equal ones, and the time grows with the square of the length."""
    at = 0
    while at < len(data):
        is_middle = EDGE <= at < len(data) - EDGE - MIDDLE_PIECE
        size = MIDDLE_PIECE if is_middle else 1
        yield data[at : at + size]
        at += size


def random_pieces(data: bytes, seed: str) -> Iterator[bytes]:
    """Cut `data` into pieces that `seed` decides; small ones near the start, where heads are."""
    chance = random.Random(seed)
    at = 0
    while at < len(data):
        size = chance.choice((1, 1, 2, 3, 5, 17, 64, 1500 + at))
        yield data[at : at + size]
        at += size


def feed(engine: Http1Engine, pieces: Iterator[bytes], *, early: bool = False) -> Outcome:
    """Give an engine its bytes and answer each request; then say that no more will come.

    Answers are given when a request is complete, or with `early` as soon as its head is there.
    """
    outcome = Outcome()
    for piece in pieces:
        engine.receive_data(piece)
        take_events(engine, outcome, early)
        outcome.most_buffered = max(outcome.most_buffered, engine.buffered())
    engine.receive_eof()
    take_events(engine, outcome, early)
    return outcome


def take_events(engine: Http1Engine, outcome: Outcome, early: bool) -> None:
    while (event := engine.next_event()) is not None:
        if outcome.refused is not None or outcome.closed is not None:
            outcome.events_after_the_end.append(event)
            return
        if isinstance(event, Request):
            outcome.requests.append(as_exchanged(event))
            if event.ended or early:
                answer(engine, outcome.requests[-1])
        elif isinstance(event, BodyData):
            assert event.data, "a piece of body is never empty"
            outcome.requests[-1].body += event.data
        elif isinstance(event, BodyEnd):
            outcome.requests[-1].trailers = list(event.trailers)
            outcome.requests[-1].complete = True
            if not early:
                answer(engine, outcome.requests[-1])
        elif isinstance(event, Refused):
            outcome.refused = event
        else:
            outcome.closed = event


def as_exchanged(request: Request) -> Exchanged:
    path, _, query = request.target.partition(b"?")
    assert (request.path, request.query) == (path, query)
    return Exchanged(
        request.method,
        request.target,
        request.http_version,
        list(request.fields),
        content_length=request.content_length,
        expects_continue=request.expects_continue,
        complete=request.ended,
    )


def answer(engine: Http1Engine, request: Exchanged) -> None:
    engine.send_head(200, [(b"content-length", b"0")], b"", True)
    assert engine.response_complete()
    request.keep_alive = engine.keep_alive()
