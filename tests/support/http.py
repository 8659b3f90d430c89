"""A raw HTTP/1.1 client for tests: exact bytes out, responses back, read by h11 as the oracle.

    raw_exchange(port, b"GET / HTTP/1.1\\r\\nHost: t\\r\\n\\r\\n")[0].status

    with RawClient(port) as client:           # keep-alive: one connection, many requests
        client.request("POST", "/form", body=b"a=1")
        client.send(b"anything at all")
        response = client.read_response()
        assert client.read_to_end() == b""    # the server closed, and sent nothing more

Nothing here repairs or retries: a response that h11 refuses fails the test, as does a late one.
"""

import socket
import struct
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

import h11

DEADLINE = 20.0
READ_SIZE = 65536
HEAD_SIZE = 1 << 20  # tests send fields larger than h11 takes by default

Fields = list[tuple[str, str]]


@dataclass
class Interim:
    """A 1xx response that came before the final one."""

    status: int
    headers: Fields


@dataclass
class Response:
    """One complete response. Names are in lower case, fields and trailers in wire order."""

    status: int
    reason: str
    http_version: str
    headers: Fields
    body: bytes = b""
    trailers: Fields = field(default_factory=list)
    interim: list[Interim] = field(default_factory=list)

    def values(self, name: str) -> list[str]:
        """Every value of the field `name`, one per line it came on."""
        return [value for key, value in self.headers if key == name.lower()]

    def header(self, name: str) -> str | None:
        """The value of a field that may come once; None where it did not come."""
        values = self.values(name)
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else None


class ConnectionEnded(AssertionError):
    """The server closed before a response was complete. `received` is what came of it."""

    def __init__(self, received: bytes) -> None:
        super().__init__(f"the server closed before the response ended: {received[-2000:]!r}")
        self.received = received


class RawClient:
    """One connection to 127.0.0.1, or the connected `sock`.

    deadline: seconds it may take from beginning to end, all waits together.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        sock: socket.socket | None = None,
        deadline: float = DEADLINE,
    ) -> None:
        self._ends_at = time.monotonic() + deadline
        self.sock = sock or socket.create_connection(("127.0.0.1", port), timeout=deadline)
        self.unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Close with RST, as a client does that crashed or gave up with data unread."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def half_close(self) -> None:
        """Send FIN and continue to read."""
        self.sock.shutdown(socket.SHUT_WR)

    def send(self, data: bytes) -> None:
        self.sock.settimeout(self._remaining())
        self.sock.sendall(data)

    def request(
        self,
        method: str,
        target: str,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
    ) -> None:
        """Send one request; Host and Content-Length are added where `headers` leaves them out."""
        self.send(request_bytes(method, target, headers, body))

    def request_chunked(
        self,
        method: str,
        target: str,
        chunks: Iterable[bytes],
        headers: Iterable[tuple[str, str]] = (),
        trailers: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Send one request whose body goes in `chunks`, each in a write of its own."""
        self.send(request_bytes(method, target, [*headers, ("Transfer-Encoding", "chunked")]))
        for chunk in chunks:
            self.send(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        self.send(b"0\r\n" + _field_lines(trailers) + b"\r\n")

    def receive(self) -> bytes:
        """The next data, at least one byte; b"" if the server has closed (FIN or RST)."""
        if self.unread:
            data, self.unread = self.unread, b""
            return data
        self.sock.settimeout(self._remaining())
        try:
            return self.sock.recv(READ_SIZE)
        except ConnectionResetError:
            return b""

    def read_at_least(self, count: int) -> bytes:
        """`count` bytes or some more. Raises ConnectionEnded if the server closes before."""
        data = b""
        while len(data) < count:
            data = self._read_more(data)
        return data

    def read_until(self, marker: bytes) -> bytes:
        """All up to and with `marker`; what follows stays unread. Raises ConnectionEnded."""
        data = b""
        while marker not in data:
            data = self._read_more(data)
        end = data.index(marker) + len(marker)
        self.unread = data[end:]
        return data[:end]

    def _read_more(self, data: bytes) -> bytes:
        more = self.receive()
        if not more:
            raise ConnectionEnded(data)
        return data + more

    def read_to_end(self) -> bytes:
        """All that comes until the server closes."""
        return b"".join(iter(self.receive, b""))

    def read_response(self, method: str = "GET") -> Response:
        """The next response, to a request with `method`; HEAD has no body (RFC 9110 9.3.2).

        Raises ConnectionEnded where the server closes first, h11.RemoteProtocolError where what
        it sent is not HTTP.
        """
        return _ResponseReader(method).read_from(self)

    def _remaining(self) -> float:
        return max(self._ends_at - time.monotonic(), 0.001)


class _ResponseReader:
    """Reads one response.

    Each has an h11 connection of its own, which is given a plain request: h11 might not send the
    request that went out.
    """

    def __init__(self, method: str) -> None:
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_SIZE)
        self._h11.send(h11.Request(method=method, target="/", headers=[("Host", "test")]))
        self._h11.send(h11.EndOfMessage())
        self._received = b""
        self._interim: list[Interim] = []
        self._body: list[bytes] = []
        self._head: h11.Response | None = None

    def read_from(self, client: RawClient) -> Response:
        while True:
            event = self._next_event(client)
            if isinstance(event, h11.InformationalResponse):
                self._interim.append(Interim(event.status_code, _text(event.headers)))
            elif isinstance(event, h11.Response):
                self._head = event
            elif isinstance(event, h11.Data):
                self._body.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                client.unread = self._h11.trailing_data[0]
                return self._response(event)
            else:
                raise ConnectionEnded(self._received)

    def _next_event(self, client: RawClient) -> object:
        data = b"not read yet"
        try:
            while (event := self._h11.next_event()) is h11.NEED_DATA:
                if not data:
                    raise ConnectionEnded(self._received)
                data = client.receive()
                self._received = (self._received + data)[-READ_SIZE:]
                self._h11.receive_data(data)
        except h11.RemoteProtocolError as error:
            if not data:
                raise ConnectionEnded(self._received) from error
            error.add_note(f"received: {self._received[-2000:]!r}")
            raise
        return event

    def _response(self, end: h11.EndOfMessage) -> Response:
        head = self._head
        assert head is not None
        return Response(
            status=head.status_code,
            reason=head.reason.decode("latin-1"),
            http_version=head.http_version.decode(),
            headers=_text(head.headers),
            body=b"".join(self._body),
            trailers=_text(end.headers),
            interim=self._interim,
        )


def raw_exchange(
    port: int, data: bytes, methods: Sequence[str] = (), *, deadline: float = DEADLINE
) -> list[Response]:
    """Send `data` on a fresh connection and read the responses to it, one for each of `methods`.

    Without `methods`, one response is read, to the method that `data` starts with. Fewer come back
    where the server closes the connection between two, as it must after a request it refused.
    """
    responses = []
    with RawClient(port, deadline=deadline) as client:
        client.send(data)
        for method in methods or [_first_method(data)]:
            try:
                responses.append(client.read_response(method))
            except ConnectionEnded as ended:
                if ended.received:
                    raise
                break
    return responses


def exchange(
    port: int,
    method: str,
    target: str,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes | None = None,
) -> Response:
    """One well-formed request on a connection of its own."""
    (response,) = raw_exchange(port, request_bytes(method, target, headers, body), [method])
    return response


def request_bytes(
    method: str, target: str, headers: Iterable[tuple[str, str]] = (), body: bytes | None = None
) -> bytes:
    """A request as it goes on the wire, with Host and Content-Length where `headers` has none."""
    fields = list(headers)
    names = {name.lower() for name, _ in fields}
    if "host" not in names:
        fields.insert(0, ("Host", "127.0.0.1"))
    if body is not None and not names & {"content-length", "transfer-encoding"}:
        fields.append(("Content-Length", str(len(body))))
    line = f"{method} {target} HTTP/1.1\r\n".encode("latin-1")
    return line + _field_lines(fields) + b"\r\n" + (body or b"")


def _field_lines(fields: Iterable[tuple[str, str]]) -> bytes:
    return b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in fields)


def _first_method(data: bytes) -> str:
    token = data.lstrip(b"\r\n").split(b" ", 1)[0]
    return "HEAD" if token == b"HEAD" else "GET"


def _text(fields: Iterable[tuple[bytes, bytes]]) -> Fields:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields]
