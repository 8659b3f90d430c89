"""The HTTP/2 client of the contract tests: what `support.client` has for HTTP/1.1, over `h2`.

    client = Http2SteppedClient(port)
    stream = client.open("POST", "/", more=True)
    stream.send(b"last", end=True)
    stream.response().body

A test that is given the class of a client does not see which one it is. Several streams may be
open at a time. h2 checks the data of the server, as h11 does there. Windows are opened only by the
reads of a test, so a test that does not read is a slow reader.
"""

import socket
import ssl
import struct
from collections import deque
from collections.abc import Sequence
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from support.client import A_WHILE, READ_SIZE, Headers, connected
from support.flag import DEADLINE
from support.http import ConnectionEnded, Interim, Response

GOAWAY = 0x7
FRAME_HEAD = 9
FRAME_SIZE = 16384
AT_ONCE = 1 << 20

# Fields that frames replace in HTTP/2 (RFC 9113 section 8.2.2).
ONLY_HTTP1 = {"transfer-encoding", "connection", "keep-alive"}

Pairs = list[tuple[bytes, bytes]]


class Http2SteppedClient:
    """One HTTP/2 connection to 127.0.0.1.

    tls, receive_buffer: as of `Http1Client`. A slow reader also opens its windows no further than
    they are at the beginning. Waiting longer than DEADLINE raises TimeoutError.
    """

    http_version = "2"
    alpn: Sequence[str] = ("h2",)

    def __init__(
        self, port: int, tls: ssl.SSLContext | None = None, *, receive_buffer: int | None = None
    ) -> None:
        self.sock = connected(port, tls, receive_buffer)
        self.address = self.sock.getsockname()
        # Tests send what they like; what comes back is checked.
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(
                client_side=True,
                header_encoding=None,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        self.streams: dict[int, Http2Stream] = {}
        self.told = False
        self.ended = False
        self._unread = b""
        self.h2.initiate_connection()
        self.h2.update_settings({h2.settings.SettingCodes.ENABLE_PUSH: 0})
        if receive_buffer is None:
            window = h2.settings.SettingCodes.INITIAL_WINDOW_SIZE
            self.h2.update_settings({window: AT_ONCE})
            self.h2.increment_flow_control_window(AT_ONCE)
        self.flush()

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
    ) -> "Http2Stream":
        """Send a request, and with `more` leave its body to be sent in pieces."""
        fields = [(name.lower(), value) for name, value in headers]
        fields = [field for field in fields if field[0] not in ONLY_HTTP1]
        names = {name for name, _ in fields}
        if body is not None and not more and "content-length" not in names:
            fields.append(("content-length", str(len(body))))
        scheme = "https" if isinstance(self.sock, ssl.SSLSocket) else "http"
        pseudo = [(":method", method), (":scheme", scheme), (":path", target)]
        hosts = [value for name, value in fields if name == "host"]
        if len(hosts) < 2:
            # RFC 9113 section 8.3.1: a client that makes HTTP/2 itself sends :authority.
            pseudo.append((":authority", hosts[0] if hosts else "127.0.0.1"))
            fields = [field for field in fields if field[0] != "host"]
        whole = b"" if more or body is None else body
        # The first frame goes in one segment with the head, as every client sends it.
        behind = whole[:FRAME_SIZE]
        last = not more and len(behind) == len(whole)
        stream = self.begin(pseudo + fields, end=last, behind=behind)
        if not last and not more:
            stream.send(whole[FRAME_SIZE:], end=True)
        return stream

    def begin(
        self, fields: list[tuple[str, str]], *, end: bool, behind: bytes = b""
    ) -> "Http2Stream":
        """Open a stream with these fields as they are, and `behind` in the same segment."""
        number = self.h2.get_next_available_stream_id()
        stream = self.streams[number] = Http2Stream(self, number)
        self.h2.send_headers(
            number,
            [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields],
            end_stream=end and not behind,
        )
        if behind:
            self.h2.send_data(number, behind, end_stream=end)
        self.flush()
        return stream

    def flush(self) -> None:
        if data := self.h2.data_to_send():
            self.sock.sendall(data)

    def pump(self) -> bool:
        """Take what comes next; False where the server has closed, by FIN or by RST."""
        try:
            data = self.sock.recv(READ_SIZE)
        except ConnectionResetError:
            data = b""
        if not data:
            self.ended = True
            return False
        self._unread += data
        self.take(*self._whole_frames())
        return True

    def _whole_frames(self) -> tuple[bytes, bool]:
        """The complete frames without GOAWAY, and whether there was one: h2 accepts nothing after
        it, although open streams continue (RFC 9113 section 6.8)."""
        data, at, taken, goaway = self._unread, 0, [], False
        while len(data) - at >= FRAME_HEAD:
            end = at + FRAME_HEAD + int.from_bytes(data[at : at + 3], "big")
            if len(data) < end:
                break
            if data[at + 3] == GOAWAY:
                goaway = True
            else:
                taken.append(data[at:end])
            at = end
        self._unread = data[at:]
        return b"".join(taken), goaway

    def take(self, data: bytes, goaway: bool) -> None:
        self.told = self.told or goaway
        for event in self.h2.receive_data(data):
            stream = self.streams.get(getattr(event, "stream_id", 0) or 0)
            if stream is not None:
                stream.events.append(event)
                stream.unwanted |= isinstance(event, h2.events.StreamReset)
        self.answer()

    def answer(self) -> None:
        """Send what h2 has to say. A server that has gone shows when the test reads."""
        try:
            self.flush()
        except OSError:
            pass

    def count_unread(self) -> int:
        return sum(len(stream.events) for stream in self.streams.values())

    def is_silent(self) -> bool:
        """Whether nothing has come that was not read. Frames of the connection do not count."""
        self.sock.setblocking(False)
        try:
            while self.pump():
                pass
        except BlockingIOError:
            return self.count_unread() == 0
        finally:
            self.sock.settimeout(DEADLINE)
        return False

    def is_closed_by_server(self) -> bool:
        """Wait for the server to close. False where it sends something on a stream instead."""
        waiting = self.count_unread()
        while self.pump():
            if self.count_unread() > waiting:
                return False
        return True

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Go away without a word, as a client does that crashed or lost its network."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class Http2Stream:
    """One request and its response.

    events: what of it has not been read. unwanted: the server has reset the stream. After its
    response that says that it wants no more of the request (RFC 9113 section 8.1), and what a test
    still sends goes nowhere, as with any client.
    """

    def __init__(self, client: Http2SteppedClient, number: int) -> None:
        self.client = client
        self.number = number
        self.events: deque[Any] = deque()
        self._interim: list[Interim] = []
        self._head: Pairs | None = None
        self._trailers: Pairs = []
        self._over = False
        self.sent = 0
        self.unwanted = False

    def send(self, data: bytes, end: bool = False) -> None:
        """Send a piece of the request body, as the windows allow it."""
        client, number, at = self.client, self.number, 0
        while at < len(data) and not self.unwanted:
            room = min(client.h2.local_flow_control_window(number), FRAME_SIZE, len(data) - at)
            if room <= 0:
                if not client.pump():
                    raise ConnectionEnded(b"")
                continue
            last = end and at + room == len(data)
            client.h2.send_data(number, data[at : at + room], end_stream=last)
            self.sent += room
            client.flush()
            at += room
        if end and not data and not self.unwanted:
            client.h2.end_stream(number)
            client.flush()

    def fill(self, data: bytes) -> int:
        """Send until nothing more is taken for a while; return the number of bytes."""
        self.client.sock.settimeout(A_WHILE)
        begin = self.sent
        try:
            self.send(data)
        except TimeoutError:
            pass
        self.client.sock.settimeout(DEADLINE)
        return self.sent - begin

    def rest(self, data: bytes) -> None:
        """Send the end of a body that `fill` began."""
        self.send(data, end=True)

    def interim(self) -> Interim:
        """Wait for the next interim response."""
        event = self._event()
        assert isinstance(event, h2.events.InformationalResponseReceived), event
        return self._note_interim(event)

    def head(self) -> Response:
        """Wait for the response head; its body is left to `read`."""
        while self._head is None:
            event = self._event()
            if isinstance(event, h2.events.InformationalResponseReceived):
                self._note_interim(event)
            else:
                assert isinstance(event, h2.events.ResponseReceived), event
                self._head = event.headers
        return Response(
            status=int(dict(self._head)[b":status"]),
            reason="",
            http_version="2",
            headers=_text(self._head),
            interim=self._interim,
        )

    def read(self) -> bytes:
        """Wait for the next piece of the response body; b"" at its end."""
        self.head()
        while not self._over:
            event = self._event()
            if isinstance(event, h2.events.StreamEnded):
                self._over = True
                break
            if isinstance(event, h2.events.TrailersReceived):
                self._trailers = event.headers
                continue
            assert isinstance(event, h2.events.DataReceived), event
            if event.flow_controlled_length:
                self.client.h2.acknowledge_received_data(event.flow_controlled_length, self.number)
                self.client.answer()
            if event.data:
                return bytes(event.data)
        return b""

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

    def _note_interim(self, event: Any) -> Interim:
        fields = event.headers
        self._interim.append(Interim(int(dict(fields)[b":status"]), _text(fields)))
        return self._interim[-1]

    def _event(self) -> object:
        while True:
            while not self.events:
                if not self.client.pump():
                    raise ConnectionEnded(b"")
            event = self.events.popleft()
            if isinstance(event, h2.events.StreamReset):
                raise ConnectionEnded(b"")
            if not isinstance(event, h2.events.WindowUpdated):
                return event


def _text(fields: Pairs) -> list[tuple[str, str]]:
    """The fields without pseudo-header fields."""
    return [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in fields
        if not name.startswith(b":")
    ]
