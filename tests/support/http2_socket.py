"""A client of HTTP/2 over a socket, made of the h2 library; blocking, one thread."""

import socket
import ssl
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings

from support.flag import DEADLINE

Fields = list[tuple[bytes, bytes]]


@dataclass
class Answer:
    """The received part of a response."""

    status: int = 0
    fields: dict[bytes, bytes] = field(default_factory=dict)
    informed: list[int] = field(default_factory=list)
    body: bytes = b""
    trailers: Fields = field(default_factory=list)
    ended: bool = False
    code: int | None = None

    @property
    def over(self) -> bool:
        return self.ended or self.code is not None


class Http2SocketClient:
    """One connection. `acknowledges`: windows are opened as data comes. `window`: what each stream
    may send before."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None, window: int = 65535) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), DEADLINE)
        self.address = self.socket.getsockname()
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=True, header_encoding=None)
        )
        self.acknowledges = True
        self.answers: dict[int, Answer] = defaultdict(Answer)
        self.goaway: int | None = None
        self.closed = False
        self.h2.initiate_connection()
        self.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.flush()

    def flush(self) -> None:
        data = self.h2.data_to_send()
        if data:
            self.socket.sendall(data)

    def ask(
        self, method: str = "GET", path: str = "/", fields: Fields = (), *, end: bool = True
    ) -> int:
        """Send a request head; returns its stream."""
        stream = self.h2.get_next_available_stream_id()
        head = [
            *((b":method", method.encode()), (b":scheme", b"http")),
            *((b":authority", b"a.example"), (b":path", path.encode()), *fields),
        ]
        self.h2.send_headers(stream, head, end_stream=end)
        self.flush()
        return stream

    def upload(self, stream: int, body: bytes, *, end: bool = True) -> None:
        """Send a body as fast as the windows allow."""
        at = 0
        while at < len(body):
            room = min(self.h2.local_flow_control_window(stream), 16384, len(body) - at)
            if room <= 0:
                self.receive()
                continue
            self.h2.send_data(stream, body[at : at + room])
            at += room
            self.flush()
        if end:
            self.h2.end_stream(stream)
            self.flush()

    def receive(self) -> bool:
        """Take what comes next; False at the end of the connection."""
        data = self.socket.recv(65536)
        if not data:
            self.closed = True
            return False
        for event in self.h2.receive_data(data):
            self.note(event)
        self.flush()
        return True

    def note(self, event: Any) -> None:
        answer = self.answers[getattr(event, "stream_id", 0) or 0]
        if isinstance(event, h2.events.InformationalResponseReceived):
            answer.informed.append(int(dict(event.headers)[b":status"]))
        elif isinstance(event, h2.events.ResponseReceived):
            answer.fields = {bytes(name): bytes(value) for name, value in event.headers}
            answer.status = int(answer.fields.pop(b":status"))
        elif isinstance(event, h2.events.DataReceived):
            answer.body += event.data
            if self.acknowledges:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.TrailersReceived):
            answer.trailers = [(bytes(name), bytes(value)) for name, value in event.headers]
        elif isinstance(event, h2.events.StreamEnded):
            answer.ended = True
        elif isinstance(event, h2.events.StreamReset):
            answer.code = event.error_code
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.goaway = event.error_code

    def answer(self, stream: int) -> Answer:
        """The whole response of a stream."""
        while not self.answers[stream].over:
            assert self.receive(), "the server has closed the connection"
        return self.answers[stream]

    def request(
        self, method: str = "GET", path: str = "/", fields: Fields = (), body: bytes = b""
    ) -> Answer:
        stream = self.ask(method, path, fields, end=not body)
        if body:
            self.upload(stream, body)
        return self.answer(stream)

    def close(self) -> None:
        self.socket.close()
