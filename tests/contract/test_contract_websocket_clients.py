"""Two clients that others wrote, with and without compression; one of them over TLS as well.

The client of websockets reads and writes in two threads. Over TLS they share one SSL object, which
Python before 3.13 does not guard: what one writes can be lost while the other begins to read, once
in some hundred connections. So that client is tried over plain connections alone.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest
import wsproto
import wsproto.events
from websocket_apps import accept, close, deny, echo_all, hears, websocket
from websockets.exceptions import ConnectionClosedOK, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from wsproto.extensions import PerMessageDeflate

from support.certificates import Certificates
from support.flag import DEADLINE, Flag
from support.inprocess import Served

Serve = Callable[..., Served]

TEXT = "Grüße, 🧀! " * 50
KINDS = [pytest.param(scheme, id=scheme) for scheme in ("ws", "wss")]
DEFLATED = pytest.mark.parametrize("compress", [True, False], ids=["deflate", "plain"])
SCHEMES = pytest.mark.parametrize("scheme", ["ws", "wss"])
PLAIN = pytest.mark.parametrize("scheme", ["ws"])


def messages() -> list[str | bytes]:
    """Of all lengths around those where frames and windows change."""
    random = Random(7692)
    sizes = (0, 1, 125, 126, 127, 128, 4095, 4097, 32768, 65535, 65536, 200_000)
    made: list[str | bytes] = []
    for size in sizes:
        made.append(random.randbytes(size))
        made.append((TEXT * (size // len(TEXT) + 1))[:size])
    return made


@pytest.fixture
def serve_scheme(
    serve_sockets: Serve, certificates: Certificates, scheme: str
) -> Callable[..., Served]:
    def start(application: Any, **options: Any) -> Served:
        if scheme == "wss":
            options |= {"tls": certificates.context(), **certificates.settings}
        return serve_sockets(application, **options)

    return start


@contextmanager
def library_client(served: Served, compress: bool, **options: Any) -> Iterator[ClientConnection]:
    """A client of the library websockets."""
    sock = socket.create_connection(("127.0.0.1", served.port), DEADLINE)
    with connect(
        f"ws://127.0.0.1:{served.port}/",
        sock=sock,
        compression="deflate" if compress else None,
        open_timeout=DEADLINE,
        close_timeout=DEADLINE,
        proxy=None,
        **options,
    ) as client:
        yield client


@PLAIN
@DEFLATED
def test_websockets(serve_scheme: Serve, compress: bool) -> None:
    heard = Flag()
    with library_client(serve_scheme(hears(heard)), compress, max_size=None) as client:
        assert bool(client.protocol.extensions) == compress
        for message in messages() * 2:
            client.send(message)
            assert client.recv(DEADLINE) == message
        client.send(["frag", "ments", ""])
        assert client.recv(DEADLINE) == "fragments"
        assert client.ping("ping").wait(DEADLINE)
        client.close(4001, "enough")
    assert (client.close_code, client.close_reason) == (4001, "")
    heard_last = heard.wait()
    assert (heard_last["code"], heard_last["reason"]) == (4001, "enough")


@PLAIN
def test_websockets_is_closed_by_the_server(serve_scheme: Serve) -> None:
    @websocket
    async def application(receive: Any, send: Any) -> None:
        await accept(send, subprotocol="b", headers=[(b"x-a", b"1")])
        await receive()
        await close(send, code=1001, reason="going ü")

    with library_client(serve_scheme(application), True, subprotocols=["a", "b"]) as client:
        assert client.subprotocol == "b"
        assert client.response is not None
        assert client.response.headers["x-a"] == "1"
        client.send("go")
        with pytest.raises(ConnectionClosedOK):
            client.recv(DEADLINE)
        assert (client.close_code, client.close_reason) == (1001, "going ü")


@PLAIN
def test_websockets_is_denied(serve_scheme: Serve) -> None:
    @websocket
    async def application(receive: Any, send: Any) -> None:
        await deny(send, 401, [(b"www-authenticate", b"Basic"), (b"content-length", b"2")], b"no")

    served = serve_scheme(application)
    with pytest.raises(InvalidStatus) as raised, library_client(served, True):
        pass
    response = raised.value.response
    assert (response.status_code, response.body) == (401, b"no")
    assert response.headers["www-authenticate"] == "Basic"


class WsprotoClient:
    """A client of the library wsproto on a socket of the raw client."""

    def __init__(self, raw: Any, compress: bool) -> None:
        self.raw = raw
        self.connection = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        extensions = [PerMessageDeflate()] if compress else []
        self.send(wsproto.events.Request("127.0.0.1", "/", extensions=extensions))
        accepted = self.next()
        assert isinstance(accepted, wsproto.events.AcceptConnection), accepted
        assert bool(accepted.extensions) == compress

    def send(self, event: wsproto.events.Event) -> None:
        self.raw.send(self.connection.send(event))

    def next(self) -> wsproto.events.Event:
        """The next event, whatever it is."""
        while True:
            for event in self.connection.events():
                return event
            self.connection.receive_data(self.raw.receive() or None)

    def message(self) -> Any:
        """A whole message, from as many events as it takes."""
        pieces = []
        while True:
            event = self.next()
            assert isinstance(event, wsproto.events.Message), event
            pieces.append(event.data)
            if event.message_finished:
                return pieces[0][:0].join(pieces)


@SCHEMES
@DEFLATED
def test_wsproto(serve_scheme: Serve, compress: bool) -> None:
    heard = Flag()
    client = WsprotoClient(serve_scheme(hears(heard)).connect(), compress)
    for message in messages() * 2:
        kind = wsproto.events.TextMessage if isinstance(message, str) else None
        client.send((kind or wsproto.events.BytesMessage)(data=message))
        assert client.message() == message
    client.send(wsproto.events.TextMessage("frag", message_finished=False))
    client.send(wsproto.events.Ping(b"ping"))
    client.send(wsproto.events.TextMessage("ments"))
    assert client.next() == wsproto.events.Pong(b"ping")
    assert client.message() == "fragments"
    client.send(wsproto.events.CloseConnection(1000, "bye"))
    assert client.next() == wsproto.events.CloseConnection(1000, "")
    assert client.raw.read_to_end() == b""
    assert heard.wait()["reason"] == "bye"


@PLAIN
def test_no_compression_where_it_is_not_wanted(serve_scheme: Serve) -> None:
    @websocket
    async def application(receive: Any, send: Any) -> None:
        await accept(send)
        await echo_all(receive, send)

    served = serve_scheme(application, ws_per_message_deflate=False)
    with library_client(served, True) as client:
        assert client.protocol.extensions == []
        client.send(TEXT)
        assert client.recv(DEADLINE) == TEXT
