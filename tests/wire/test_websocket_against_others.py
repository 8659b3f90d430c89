"""The engine and two clients that others have written, websockets and wsproto: the handshake, and
messages in both directions, with and without compression.

The request goes through the HTTP/1.1 engine, so this is all of the way but the sockets.
"""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.errors import ResponseError
from bascule.protocols.events import Request
from bascule.protocols.http1.engine import Http1Engine
from bascule.protocols.limits import RequestLimits, WebSocketLimits
from bascule.protocols.websocket.engine import WebSocketEngine
from bascule.protocols.websocket.handshake import negotiate, response_fields
from support.http1_requests import EXAMPLES, cut
from support.websocket_clients import Client, WebsocketsClient, WsprotoClient
from support.websocket_frames import plain, take
from support.websocket_messages import CODES, Message, Plain, closes, controls, messages, pieces_of

BOTH = pytest.mark.parametrize("make", [WebsocketsClient, WsprotoClient])
FEWER = settings(EXAMPLES, max_examples=80)

# The offers of a client about compression; None is nothing.
offers = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {},
        optional={
            "server_no_context_takeover": st.booleans(),
            "client_no_context_takeover": st.booleans(),
            "server_max_window_bits": st.integers(9, 15),
            "client_max_window_bits": st.integers(9, 15),
        },
    ),
)


def connect(client: Client, subprotocol: str | None = None) -> WebSocketEngine:
    """Shake hands."""
    http = Http1Engine(RequestLimits())
    http.receive_data(client.request())
    request = http.next_event()
    assert isinstance(request, Request)
    assert request.websocket is not None
    deflate, extension = negotiate(request.websocket, True)
    fields = response_fields(request.websocket, subprotocol, extension, [(b"x-own", b"1")])
    assert client.accept(http.send_switching(fields)) == subprotocol
    return WebSocketEngine(WebSocketLimits(), deflate)


def characters(message: Message) -> list[bytes]:
    """The pieces of a message; of a text, whole characters, because wsproto takes `str`."""
    if message.kind == "binary":
        return pieces_of(message.payload, message.cuts)
    text = message.payload.decode()
    places = [0, *sorted(cut % (len(text) + 1) for cut in message.cuts), len(text)]
    return [text[a:b].encode() for a, b in pairwise(places)]


@BOTH
@FEWER
@given(
    offered=offers,
    sent=st.lists(st.one_of(messages(), controls), max_size=5),
    close=closes,
    data=st.data(),
)
def test_what_a_client_sends(
    make: Any, offered: Any, sent: list[Any], close: Plain, data: st.DataObject
) -> None:
    client = make(offered, [])
    engine = connect(client)
    raw, wanted = b"", []
    for one in sent:
        if not isinstance(one, Message):
            raw += client.send_control(one)
            wanted.append(one)
            continue
        frames = client.send_message(one.kind, characters(one))
        for number, frame in enumerate(frames):
            raw += frame
            for event in one.between[number] if number < len(one.between) else []:
                raw += client.send_control(event)
                wanted.append(event)
        wanted.append(one.event)
    raw += client.send_control(close)
    events = []
    for piece in data.draw(cut(raw)):
        engine.receive_data(piece)
        events += map(plain, take(engine))
    if make is WsprotoClient and close[1] == 1005:
        # It writes no Close frame without a code.
        close = ("closed", 1000, "")
    assert events == [*wanted, close]


@BOTH
@FEWER
@given(
    offered=offers,
    sent=st.lists(st.one_of(messages().map(lambda one: one.event), controls), max_size=5),
    close=closes,
)
def test_what_a_client_reads(make: Any, offered: Any, sent: list[Plain], close: Any) -> None:
    client = make(offered, [])
    engine = connect(client)
    raw = b"".join(write(engine, event) for event in sent)
    raw += engine.send_close(*close[1:])
    *events, end = client.receive(raw)
    assert events == sent
    assert end == as_read(client, close)


def as_read(client: Client, close: Plain) -> Plain:
    if isinstance(client, WsprotoClient) and close[1] == 1014:
        # Added to the IANA registry in 2017; wsproto has an older list.
        return ("closed", 1002, "CLOSE with unknown reserved code")
    return close


def write(engine: WebSocketEngine, event: Any) -> bytes:
    kind, payload = event
    send: Any = {
        "text": engine.send_text,
        "binary": engine.send_binary,
        "ping": engine.send_ping,
        "pong": engine.send_pong,
    }[kind]
    raw = send(payload)
    assert isinstance(raw, bytes)
    return raw


@BOTH
@pytest.mark.parametrize("code", CODES)
def test_every_code(make: Any, code: int) -> None:
    client = make(None, [])
    engine = connect(client)
    engine.receive_data(client.send_control(("closed", code, "why")))
    assert plain(engine.next_event()) == ("closed", code, "why")
    client = make(None, [])
    close = ("closed", code, "why")
    assert client.receive(connect(client).send_close(code, "why")) == [as_read(client, close)]


@BOTH
def test_a_subprotocol(make: Any) -> None:
    connect(make(None, ["a", "b"]), "b")
    with pytest.raises(ResponseError, match="'c' is not among those that the client offers: a, b"):
        connect(make(None, ["a", "b"]), "c")


@BOTH
@pytest.mark.parametrize("offered", [None, {}])
def test_large_messages(make: Any, offered: Any) -> None:
    text = "grüße " * 40_000
    client = make(offered, [])
    engine = connect(client)
    assert (engine.deflate is None) == (offered is None)
    engine.receive_data(b"".join(client.send_message("text", [text.encode()])))
    assert take(engine) == [text]
    assert client.receive(engine.send_text(text)) == [("text", text)]
    assert client.receive(engine.send_binary(text.encode())) == [("binary", text.encode())]
