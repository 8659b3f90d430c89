"""The client of the contract tests: says nothing of how a protocol looks on the wire.

    client = Http1Client(port)
    client.request("GET", "/").body                    # a whole exchange
    stream = client.open("POST", "/", more=True)       # an exchange step by step
    stream.send(b"piece")
    stream.send(b"last", end=True)
    stream.head().status
    stream.read()                                      # a piece of the body, b"" at its end

A further protocol is one more class with the same methods (`support.http2_stepped` for HTTP/2);
the tests are given the class. Features of HTTP/1.1 alone (pipelining, half-close) are tested with
`support.http.RawClient`.
"""

import socket
import ssl
import struct
from collections.abc import Iterable, Sequence

import h11

from support.flag import DEADLINE
from support.http import ConnectionEnded, Interim, Response

Headers = Iterable[tuple[str, str]]
READ_SIZE = 65536
# In which a server that reads would have read some.
A_WHILE = 0.05


def connected(port: int, tls: ssl.SSLContext | None, receive_buffer: int | None) -> socket.socket:
    """A socket connected to 127.0.0.1, for one of the clients."""
    sock = socket.socket()
    sock.settimeout(DEADLINE)
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.connect(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls is not None:
        return tls.wrap_socket(sock, server_hostname="127.0.0.1")
    return sock


def fill(sock: socket.socket, data: bytes) -> int:
    """Send until the kernel takes no more for a while; return the number of bytes."""
    sock.settimeout(A_WHILE)
    sent = 0
    try:
        while sent < len(data):
            sent += sock.send(data[sent : sent + (1 << 20)])
    except TimeoutError:
        pass
    sock.settimeout(DEADLINE)
    return sent


class Http1Client:
    """One HTTP/1.1 connection to 127.0.0.1, kept alive between requests.

    tls: a client's context, for https. receive_buffer: bytes that the kernel takes before the test
    reads them; a small one makes a slow reader. Waiting longer than DEADLINE raises TimeoutError.
    """

    http_version = "1.1"
    alpn: Sequence[str] = ("http/1.1",)

    def __init__(
        self, port: int, tls: ssl.SSLContext | None = None, *, receive_buffer: int | None = None
    ) -> None:
        self.h11 = h11.Connection(h11.CLIENT)
        self.sock = connected(port, tls, receive_buffer)
        self.address = self.sock.getsockname()

    def request(
        self, method: str, target: str = "/", headers: Headers = (), body: bytes | None = None
    ) -> Response:
        """Send a request and read its response to the end."""
        return self.open(method, target, headers, body).response()

    def open(
        self,
        method: str,
        target: str = "/",
        headers: Headers = (),
        body: bytes | None = None,
        *,
        more: bool = False,
    ) -> "Http1Stream":
        """Send a request, and with `more` leave its body to be sent in pieces."""
        if self.h11.our_state is h11.DONE:
            self.h11.start_next_cycle()
        return Http1Stream(self, method, target, list(headers), body, more)

    def write(self, data: bytes) -> None:
        self.sock.sendall(data)

    def read(self) -> bytes:
        """The next data; b"" if the server has closed, by FIN or by RST."""
        try:
            return self.sock.recv(READ_SIZE)
        except ConnectionResetError:
            return b""

    def is_silent(self) -> bool:
        """Whether nothing has come that was not read."""
        self.sock.setblocking(False)
        try:
            self.sock.recv(1)
        except BlockingIOError:
            return True
        finally:
            self.sock.settimeout(DEADLINE)
        return False

    def is_closed_by_server(self) -> bool:
        """Wait for the server to close. False where it sends something instead."""
        return self.read() == b""

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Go away without a word, as a client does that crashed or lost its network."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class Http1Stream:
    """One request and its response."""

    def __init__(
        self,
        client: Http1Client,
        method: str,
        target: str,
        headers: list[tuple[str, str]],
        body: bytes | None,
        more: bool,
    ) -> None:
        self._client = client
        self._h11 = client.h11
        self._interim: list[Interim] = []
        self._head: h11.Response | None = None
        self._trailers: list[tuple[bytes, bytes]] = []
        names = {name.lower() for name, _ in headers}
        if "host" not in names:
            headers.insert(0, ("host", "127.0.0.1"))
        if not names & {"content-length", "transfer-encoding"}:
            if more:
                headers.append(("transfer-encoding", "chunked"))
            elif body is not None:
                headers.append(("content-length", str(len(body))))
        fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        data = self._h11.send(h11.Request(method=method, target=target, headers=fields))
        self._client.write(data + (b"" if more else self._body(body or b"", True)))

    def send(self, data: bytes, end: bool = False) -> None:
        """Send a piece of the request body."""
        self._client.write(self._body(data, end))

    def fill(self, data: bytes) -> int:
        """Send of a body, whose length was declared, until the kernel takes no more for a while.
        Return the number of bytes."""
        return fill(self._client.sock, data)

    def rest(self, data: bytes) -> None:
        """Send the end of a body that `fill` began."""
        self._client.write(data)

    def _body(self, data: bytes, end: bool) -> bytes:
        framed = self._h11.send(h11.Data(data)) if data else b""
        return framed + (self._h11.send(h11.EndOfMessage()) if end else b"")

    def interim(self) -> Interim:
        """Wait for the next interim response."""
        event = self._event()
        assert isinstance(event, h11.InformationalResponse), event
        return self._note_interim(event)

    def head(self) -> Response:
        """Wait for the response head; its body is left to `read`."""
        while self._head is None:
            event = self._event()
            if isinstance(event, h11.InformationalResponse):
                self._note_interim(event)
            else:
                assert isinstance(event, h11.Response), event
                self._head = event
        return Response(
            status=self._head.status_code,
            reason=self._head.reason.decode("latin-1"),
            http_version=self._head.http_version.decode(),
            headers=_text(self._head.headers),
            interim=self._interim,
        )

    def read(self) -> bytes:
        """Wait for the next piece of the response body; b"" at its end."""
        self.head()
        event = self._event()
        if isinstance(event, h11.EndOfMessage):
            self._trailers = event.headers
            return b""
        assert isinstance(event, h11.Data), event
        return bytes(event.data)

    def response(self) -> Response:
        """Wait for the response to its end. Raises ConnectionEnded where it breaks off."""
        response = self.head()
        response.body = b"".join(iter(self.read, b""))
        response.trailers = _text(self._trailers)
        return response

    def read_broken(self) -> bytes:
        """The body until the server aborts the response, as it must."""
        pieces = []
        try:
            while piece := self.read():
                pieces.append(piece)
        except ConnectionEnded:
            return b"".join(pieces)
        raise AssertionError(f"the response ended as if it were whole: {pieces[-1:]!r:.1000}")

    def _note_interim(self, event: h11.InformationalResponse) -> Interim:
        self._interim.append(Interim(event.status_code, _text(event.headers)))
        return self._interim[-1]

    def _event(self) -> object:
        data = b""
        try:
            while (event := self._h11.next_event()) is h11.NEED_DATA:
                data = self._client.read()
                self._h11.receive_data(data)
        except h11.RemoteProtocolError as error:
            if data == b"":
                raise ConnectionEnded(b"") from error
            raise
        if isinstance(event, h11.ConnectionClosed):
            raise ConnectionEnded(b"")
        return event


def _text(fields: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields]
