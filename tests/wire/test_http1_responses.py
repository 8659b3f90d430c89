"""Responses of the engine in any framing, which h11 reads as the application meant them."""

from dataclasses import dataclass, field

import h11
from hypothesis import given
from hypothesis import strategies as st

from bascule.protocols.http1.engine import Http1Engine
from bascule.protocols.limits import RequestLimits
from support.http1_requests import EXAMPLES, Fields, bodies, fields

NO_BODY = (204, 304)


@dataclass(frozen=True)
class Answer:
    """A request, and what an application answers to it."""

    method: str
    version: str
    connection: str
    hints: list[Fields]
    status: int
    fields: Fields
    pieces: list[bytes]
    # How the body is given: in one call, or in pieces with or without a declared length.
    given: str
    trailers: Fields

    @property
    def request(self) -> bytes:
        head = f"{self.method} / HTTP/{self.version}\r\nHost: a.example\r\nTE: trailers\r\n"
        return f"{head}Connection: {self.connection}\r\n\r\n".encode()

    @property
    def has_body(self) -> bool:
        return self.method != "HEAD" and self.status not in NO_BODY

    @property
    def has_trailers(self) -> bool:
        return self.has_body and self.version == "1.1" and self.given == "streamed"

    @property
    def stays_open(self) -> bool:
        streamed_to_the_end = self.version == "1.0" and self.given == "streamed" and self.has_body
        wanted = self.connection == "keep-alive" or self.version + self.connection == "1.1x"
        return wanted and not streamed_to_the_end


answers = st.builds(
    Answer,
    st.sampled_from(("GET", "HEAD", "POST")),
    st.sampled_from(("1.1", "1.0")),
    st.sampled_from(("x", "close", "keep-alive")),
    st.lists(fields, max_size=2),
    st.sampled_from((200, 201, 204, 206, 301, 304, 404, 416, 500, 599)),
    fields,
    bodies,
    st.sampled_from(("whole", "declared", "streamed")),
    fields,
)


@dataclass
class Heard:
    """The response as the client has read it."""

    hints: list[Fields] = field(default_factory=list)
    status: int = 0
    fields: Fields = field(default_factory=list)
    body: bytes = b""
    trailers: Fields = field(default_factory=list)


def write(engine: Http1Engine, answer: Answer) -> bytes:
    """Everything the engine writes for an answer."""
    out = [engine.send_informational(103, hint) for hint in answer.hints]
    body = b"".join(answer.pieces)
    if answer.given == "whole":
        out.append(engine.send_head(answer.status, answer.fields, body, True))
        return b"".join(out)
    declared = [(b"content-length", b"%d" % len(body))] if answer.given == "declared" else []
    first, *rest = [*answer.pieces, b""]
    out.append(engine.send_head(answer.status, answer.fields + declared, first, False))
    out += [engine.send_data(piece, False) for piece in rest]
    out.append(engine.send_trailers(answer.trailers))
    return b"".join(out)


def listen(client: h11.Connection, answer: Answer, data: bytes) -> Heard:
    """Read the bytes as a client that sent the request."""
    heard = Heard()
    client.send(h11.Request(method=answer.method, target="/", headers=[("host", "a.example")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    if not answer.stays_open:
        client.receive_data(b"")
    while True:
        event = client.next_event()
        if isinstance(event, h11.InformationalResponse):
            heard.hints.append(list(event.headers))
        elif isinstance(event, h11.Response):
            heard.status, heard.fields = event.status_code, list(event.headers)
        elif isinstance(event, h11.Data):
            heard.body += bytes(event.data)
        else:
            assert isinstance(event, h11.EndOfMessage), event
            heard.trailers = list(event.headers)
            return heard


def plain(found: Fields) -> Fields:
    """Without what the server adds."""
    own = (b"content-length", b"transfer-encoding", b"connection")
    return [(name.lower(), value) for name, value in found if name not in own]


@EXAMPLES
@given(answers)
def test_h11_reads_what_was_answered(answer: Answer) -> None:
    engine = Http1Engine(RequestLimits())
    engine.receive_data(answer.request)
    engine.next_event()
    data = write(engine, answer)
    assert engine.response_complete()
    assert engine.keep_alive() == answer.stays_open

    client = h11.Connection(h11.CLIENT)
    heard = listen(client, answer, data)
    assert heard.hints == [plain(hint) for hint in answer.hints if answer.version == "1.1"]
    assert heard.status == answer.status
    assert plain(heard.fields) == plain(answer.fields)
    assert heard.body == (b"".join(answer.pieces) if answer.has_body else b"")
    assert heard.trailers == (plain(answer.trailers) if answer.has_trailers else [])
    # Not a byte too many: it would be the beginning of the next response.
    assert client.trailing_data[0] == b""
    if answer.stays_open:
        assert client.their_state is h11.DONE


@EXAMPLES
@given(st.lists(answers.filter(lambda answer: answer.stays_open), min_size=2, max_size=4))
def test_responses_follow_each_other(sent: list[Answer]) -> None:
    """A client that pipelines finds each response where the one before it ends."""
    engine = Http1Engine(RequestLimits())
    engine.receive_data(b"".join(answer.request for answer in sent))
    data = b""
    for answer in sent:
        assert engine.next_event() is not None
        data += write(engine, answer)
    for answer in sent:
        client = h11.Connection(h11.CLIENT)
        heard = listen(client, answer, data)
        assert heard.status == answer.status
        assert heard.body == (b"".join(answer.pieces) if answer.has_body else b"")
        data = client.trailing_data[0]
    assert data == b""
