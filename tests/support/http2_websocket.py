"""WebSocket clients of the contract tests on one stream of HTTP/2 (RFC 8441).

They have the methods of those over HTTP/1.1, whose handshake is a request of its own here, an
extended CONNECT, and whose connection is a stream: it ends with END_STREAM or RST_STREAM.
"""

import ssl
from collections.abc import Iterable
from typing import Any

import h2.settings

from support.http import ConnectionEnded, RawClient, Response
from support.http2_stepped import Http2SteppedClient, Http2Stream
from support.inprocess import Served
from support.websocket_client import Headers, WebSocketClient
from support.wsgi_websocket import RawWebSocket

# They belong to the handshake of HTTP/1.1 (RFC 8441 section 5).
NOT_HERE = ("sec-websocket-accept", "upgrade", "connection")


def ask(
    client: Http2SteppedClient, target: str, headers: Headers, behind: bytes = b""
) -> Http2Stream:
    """Ask for a WebSocket, as soon as the server has said that it may be asked."""
    may = h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL
    while not client.h2.remote_settings.get(may):
        assert client.pump(), "the server has closed"
    fields = [
        *((":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http")),
        *((":path", target), (":authority", "127.0.0.1"), ("sec-websocket-version", "13")),
        *((name.lower(), value) for name, value in headers),
    ]
    return client.begin(fields, end=False, behind=behind)


def accepted(stream: Http2Stream) -> Response:
    """The head that accepts. Anything else fails the test."""
    answer = stream.head()
    assert answer.status == 200, answer
    for name in NOT_HERE:
        assert answer.header(name) is None
    return answer


def piece(stream: Http2Stream) -> bytes:
    """The next data; b"" at the end of the stream, however it ended."""
    try:
        return stream.read()
    except ConnectionEnded:
        return b""


class Http2WebSocketClient(WebSocketClient):
    """A `WebSocketClient` on a stream; a further `ask` opens a further one."""

    http_version = "2"
    stream: Http2Stream

    def __init__(
        self, port: int, tls: ssl.SSLContext | None = None, *, receive_buffer: int | None = None
    ) -> None:
        self.http2 = Http2SteppedClient(port, tls, receive_buffer=receive_buffer)
        self.address = self.http2.address
        RawClient.__init__(self, sock=self.http2.sock)

    def ask(self, target: str = "/", headers: Headers = (), behind: bytes = b"") -> None:
        self.stream = ask(self.http2, target, headers, behind)

    def read_answer(self) -> Response:
        return accepted(self.stream)

    def read_response(self, method: str = "GET") -> Response:
        return self.stream.response()

    def send(self, data: bytes) -> None:
        self.stream.send(data)

    def fill(self, data: bytes) -> int:
        return self.stream.fill(data)

    def receive(self) -> bytes:
        data, self.unread = self.unread, b""
        return data or piece(self.stream)

    def half_close(self) -> None:
        self.stream.send(b"", end=True)


class Http2RawWebSocket(RawWebSocket):
    """A `RawWebSocket` on a stream."""

    def __init__(
        self,
        port: int,
        target: str = "/",
        fields: Iterable[tuple[str, str]] = (),
        *,
        behind: bytes = b"",
        tls: ssl.SSLContext | None = None,
        receive_buffer: int | None = None,
    ) -> None:
        self.http2 = Http2SteppedClient(port, tls, receive_buffer=receive_buffer)
        self.sock = self.http2.sock
        self.received = b""
        self.stream = ask(self.http2, target, fields, behind)

    def write(self, data: bytes) -> None:
        self.stream.send(data)

    def response(self) -> Response:
        return self.stream.response()

    def accepted(self) -> dict[str, str]:
        return dict(accepted(self.stream).headers)

    def is_silent(self) -> bool:
        return not self.received and self.http2.is_silent()

    def is_ended(self) -> bool:
        return not self.received and piece(self.stream) == b""

    def _receive(self) -> None:
        data = piece(self.stream)
        assert data, f"the server has ended the stream behind {self.received[-200:]!r}"
        self.received += data


def raw_websocket(served: Served, *args: Any, **options: Any) -> RawWebSocket:
    """A `RawWebSocket` over the protocol that `served` is tried with."""
    kind = Http2RawWebSocket if served.protocol is Http2SteppedClient else RawWebSocket
    return kind(served.port, *args, **options)
