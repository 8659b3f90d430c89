"""The engine against a client of other people's making: the h2 library, in memory."""

import random
from collections import defaultdict
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
import pytest

from bascule.protocols.events import BodyData, BodyEnd, Closed, Request, StreamReset
from bascule.protocols.http2.engine import Http2Engine
from bascule.protocols.limits import Http2Limits, RequestLimits

Fields = list[tuple[bytes, bytes]]
ROUNDS = 100_000


@dataclass
class Received:
    """The parts of a message that one side has received."""

    fields: Fields = field(default_factory=list)
    informed: list[bytes] = field(default_factory=list)
    body: bytes = b""
    trailers: Fields = field(default_factory=list)
    ended: bool = False
    code: int | None = None


class Pair:
    """A client of h2 and an engine, joined by memory in pieces of random sizes."""

    def __init__(self, seed: int, own: Http2Limits | None = None, window: int = 65535) -> None:
        self.chance = random.Random(seed)
        self.client = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=True, header_encoding=None)
        )
        self.client.initiate_connection()
        self.client.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.engine = Http2Engine(RequestLimits(), own)
        self.responses: dict[int, Received] = defaultdict(Received)
        self.requests: dict[int, Received] = defaultdict(Received)
        self.arrived: list[Request] = []
        self.reads = True

    def exchange(self) -> None:
        """Let both talk until neither has anything to say."""
        for _ in range(ROUNDS):
            data = self.client.data_to_send()
            while data:
                size = self.chance.choice((1, 9, 100, 5000, len(data)))
                self.engine.receive_data(data[:size])
                data = data[size:]
                self.take()
            self.take()
            written = bytes(self.engine.take_outgoing(self.chance.choice((1, 20000, 65536))))
            if not written and not bytes_left(self.client):
                return
            for event in self.client.receive_data(written):
                self.note(event)
        raise AssertionError("neither side comes to an end")

    def take(self) -> None:
        while (event := self.engine.next_event()) is not None:
            assert not isinstance(event, Closed)
            received = self.requests[getattr(event, "stream_id", 0)]
            if isinstance(event, Request):
                received.fields = event.fields
                received.ended = event.ended
                self.arrived.append(event)
            elif isinstance(event, BodyData):
                received.body += event.data
                if self.reads:
                    stream = self.engine.streams.open[event.stream_id]
                    self.engine.consume(stream, len(event.data))
            elif isinstance(event, BodyEnd):
                received.trailers = list(event.trailers)
                received.ended = True
            elif isinstance(event, StreamReset):
                received.code = event.code
            else:
                raise AssertionError(event)

    def note(self, event: h2.events.Event) -> None:
        received = self.responses[getattr(event, "stream_id", 0) or 0]
        if isinstance(event, h2.events.InformationalResponseReceived):
            received.informed.append(dict(event.headers)[b":status"])
        elif isinstance(event, h2.events.ResponseReceived):
            received.fields = [(bytes(name), bytes(value)) for name, value in event.headers]
        elif isinstance(event, h2.events.DataReceived):
            received.body += event.data
            self.client.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.TrailersReceived):
            received.trailers = [(bytes(name), bytes(value)) for name, value in event.headers]
        elif isinstance(event, h2.events.StreamEnded):
            received.ended = True
        elif isinstance(event, h2.events.StreamReset):
            received.code = event.error_code
        elif isinstance(event, h2.events.ConnectionTerminated):
            raise AssertionError(event)

    def ask(self, fields: Fields, *, end: bool = True) -> int:
        stream = self.client.get_next_available_stream_id()
        self.client.send_headers(stream, fields, end_stream=end)
        return stream

    def upload(self, stream: int, body: bytes, trailers: Fields | None = None) -> None:
        """Send a body as fast as the engine lets it in."""
        at = 0
        for _ in range(ROUNDS):
            if at >= len(body):
                break
            room = min(self.client.local_flow_control_window(stream), 16384, len(body) - at)
            if room > 0:
                padding = self.chance.choice((None, None, 0, 7)) if room > 100 else None
                if padding is not None:
                    room -= padding + 1
                self.client.send_data(stream, body[at : at + room], pad_length=padding)
                at += room
            self.exchange()
        if trailers:
            self.client.send_headers(stream, trailers, end_stream=True)
        else:
            self.client.end_stream(stream)
        self.exchange()


def bytes_left(client: h2.connection.H2Connection) -> bool:
    return bool(client._data_to_send)


def head(method: bytes = b"GET", path: bytes = b"/", *more: tuple[bytes, bytes]) -> Fields:
    return [
        *((b":method", method), (b":scheme", b"https"), (b":authority", b"a.example")),
        (b":path", path),
        *more,
    ]


@pytest.mark.parametrize("seed", range(8))
def test_many_requests_at_once(seed: int) -> None:
    pair = Pair(seed, window=random.Random(seed).choice((100, 65535, 2**20)))
    chance = random.Random(seed)
    bodies: dict[int, bytes] = {}
    for number in range(60):
        stream = pair.ask(head(path=b"/%d" % number), end=chance.random() < 0.7)
        if chance.random() < 0.3:
            pair.exchange()
    pair.exchange()
    assert [request.path for request in pair.arrived] == [b"/%d" % n for n in range(60)]
    for request in chance.sample(pair.arrived, len(pair.arrived)):
        stream = pair.engine.streams.open[request.stream_id]
        body = chance.randbytes(chance.choice((0, 1, 500, 16384, 70000)))
        bodies[request.stream_id] = body
        cut = chance.randint(0, len(body))
        pair.engine.send_head(stream, 200, [(b"x-path", request.path)], body[:cut], False)
        pair.engine.send_data(stream, body[cut:], True)
        if chance.random() < 0.3:
            pair.exchange()
    pair.exchange()
    for request in pair.arrived:
        received = pair.responses[request.stream_id]
        assert received.body == bodies[request.stream_id]
        assert (b"x-path", request.path) in received.fields
        assert received.ended
        assert received.code is None
        if not request.ended:
            pair.client.end_stream(request.stream_id)
    pair.exchange()
    assert pair.engine.streams.open == {}


@pytest.mark.parametrize("seed", range(4))
def test_uploads_through_windows_that_grow(seed: int) -> None:
    pair = Pair(seed, Http2Limits(stream_window=5000, widest_stream=80000))
    pair.exchange()
    body = random.Random(seed).randbytes(300_000)
    stream = pair.ask(head(b"POST", b"/", (b"content-length", b"%d" % len(body))), end=False)
    pair.upload(stream, body, [(b"x-sum", b"1")])
    received = pair.requests[stream]
    assert received.body == body
    assert received.trailers == [(b"x-sum", b"1")]
    assert received.ended
    assert pair.engine.streams.open[stream].window.size == 80000


def test_an_upload_stops_when_nobody_reads() -> None:
    pair = Pair(1, Http2Limits(stream_window=30000))
    pair.reads = False
    pair.exchange()
    stream = pair.ask(head(b"POST"), end=False)
    pair.client.send_data(stream, b"x" * 16000)
    pair.exchange()
    assert pair.client.local_flow_control_window(stream) == 14000
    pair.engine.consume(pair.engine.streams.open[stream], 16000)
    pair.exchange()
    assert pair.client.local_flow_control_window(stream) == 30000


def test_everything_a_response_can_have() -> None:
    pair = Pair(2)
    stream = pair.ask(head(b"GET", b"/", (b"te", b"trailers"), (b"cookie", b"a=1")))
    pair.exchange()
    engine = pair.engine
    one = engine.streams.open[stream]
    engine.send_informational(one, 103, [(b"link", b"</a>")])
    engine.send_head(one, 200, [(b"Content-Type", b"text/plain")], b"hello", False)
    engine.send_trailers(one, [(b"x-sum", b"5")])
    pair.exchange()
    received = pair.responses[stream]
    assert received == Received(
        [(b":status", b"200"), (b"content-type", b"text/plain")],
        [b"103"],
        b"hello",
        [(b"x-sum", b"5")],
        True,
    )


def test_resets_from_both_sides() -> None:
    pair = Pair(3)
    first, second = pair.ask(head()), pair.ask(head(b"POST"), end=False)
    pair.exchange()
    pair.client.reset_stream(first, h2.errors.ErrorCodes.CANCEL)
    pair.engine.reset(pair.engine.streams.open[second], h2.errors.ErrorCodes.INTERNAL_ERROR)
    pair.exchange()
    assert pair.requests[first].code == h2.errors.ErrorCodes.CANCEL
    assert pair.responses[second].code == h2.errors.ErrorCodes.INTERNAL_ERROR
    third = pair.ask(head())
    pair.exchange()
    assert pair.arrived[-1].stream_id == third


def test_a_websocket_stream() -> None:
    pair = Pair(5)
    pair.exchange()
    assert pair.client.remote_settings.enable_connect_protocol == 1
    handshake = [
        *((b":method", b"CONNECT"), (b":protocol", b"websocket"), *head(path=b"/ws")[1:]),
        (b"sec-websocket-version", b"13"),
    ]
    stream = pair.ask(handshake, end=False)
    pair.exchange()
    assert pair.arrived[0].websocket is not None
    one = pair.engine.streams.open[stream]
    pair.engine.send_accepted(one, [])
    pair.engine.send_data(one, b"from the server", False)
    pair.client.send_data(stream, b"from the client", end_stream=True)
    pair.exchange()
    pair.engine.send_data(one, b"", True)
    pair.exchange()
    assert pair.requests[stream].body == b"from the client"
    assert pair.responses[stream].body == b"from the server"
    assert pair.engine.streams.open == {}
