"""Clients that send one request after another and check each whole response. They are slow, which
does not matter to the server's instructions.
"""

import os
import socket
import ssl
from typing import Protocol

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded

from harness.certificate import CERT
from harness.scenarios import WrongAnswer

TIMEOUT = 120.0  # a server under valgrind is slow
AT_ONCE = 1 << 18

HOST_ONLY = b"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
# 767 bytes, as a browser sends them.
BROWSER = (
    b"GET {path} HTTP/1.1\r\n"
    b"Host: 127.0.0.1:8000\r\n"
    b"Connection: keep-alive\r\n"
    b"Cache-Control: max-age=0\r\n"
    b'sec-ch-ua: "Chromium";v="128", "Not;A=Brand";v="24", "Google Chrome";v="128"\r\n'
    b"sec-ch-ua-mobile: ?0\r\n"
    b'sec-ch-ua-platform: "Linux"\r\n'
    b"Upgrade-Insecure-Requests: 1\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    b"Chrome/128.0.0.0 Safari/537.36\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
    b"image/apng,*/*;q=0.8\r\n"
    b"Sec-Fetch-Site: none\r\n"
    b"Sec-Fetch-Mode: navigate\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Accept-Language: en-US,en;q=0.9\r\n"
    b"Cookie: sessionid=0123456789abcdef0123456789abcdef; csrftoken=0123456789abcdef0123456789\r\n"
    b"\r\n"
)
UPLOAD = b"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n"
HANDSHAKE = (
    b"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Client(Protocol):
    """One client of one server."""

    def open(self) -> None: ...
    def exchange(self) -> None: ...
    def close(self) -> None: ...


class Http1Client:
    """The same request again and again, on one connection."""

    def __init__(self, port: int, request: bytes, expected: bytes) -> None:
        self.port = port
        self.request = request
        self.expected = expected

    def open(self) -> None:
        self.sock = connected(self.port)
        self.received = b""

    def exchange(self) -> None:
        self.send()
        self.check_response()

    def send(self) -> None:
        self.sock.sendall(self.request)

    def check_response(self) -> None:
        head = self.read_head()
        if not head.startswith(b"HTTP/1.1 200 "):
            raise WrongAnswer(f"the response began with {head[:60]!r}")
        if (body := self.read(content_length(head))) != self.expected:
            raise WrongAnswer(f"wrong body: {len(body)} bytes, starting with {body[:60]!r}")

    def read_head(self) -> bytes:
        while b"\r\n\r\n" not in self.received:
            self.receive()
        head, _, self.received = self.received.partition(b"\r\n\r\n")
        return head

    def read(self, size: int) -> bytes:
        while len(self.received) < size:
            self.receive()
        taken, self.received = self.received[:size], self.received[size:]
        return taken

    def receive(self) -> None:
        data = self.sock.recv(AT_ONCE)
        if not data:
            raise WrongAnswer("the server closed the connection")
        self.received += data

    def close(self) -> None:
        self.sock.close()


class TlsClient(Http1Client):
    """The same over TLS."""

    def open(self) -> None:
        super().open()
        context = ssl.create_default_context(cafile=CERT)
        self.sock = context.wrap_socket(self.sock, server_hostname="127.0.0.1")


class ReconnectingClient(Http1Client):
    """A connection for each request, which the server closes."""

    def open(self) -> None:
        pass

    def exchange(self) -> None:
        super().open()
        try:
            super().exchange()
            if self.received or self.sock.recv(1):
                raise WrongAnswer("more than one response")
        finally:
            super().close()

    def close(self) -> None:
        pass


class ConcurrentClient:
    """The same request on many connections at once, again and again."""

    CONNECTIONS = 16

    def __init__(self, port: int, request: bytes, expected: bytes) -> None:
        self.clients = [Http1Client(port, request, expected) for _ in range(self.CONNECTIONS)]

    def open(self) -> None:
        for client in self.clients:
            client.open()

    def exchange(self) -> None:
        for client in self.clients:
            client.send()
        for client in self.clients:
            client.check_response()

    def close(self) -> None:
        for client in self.clients:
            client.close()


class Http2Client:
    """A GET again and again, on one connection with prior knowledge of HTTP/2."""

    FIELDS = ((":method", "GET"), (":scheme", "http"), (":authority", "127.0.0.1"))

    def __init__(self, port: int, path: str, expected: bytes) -> None:
        self.port = port
        self.fields = [*self.FIELDS, (":path", path)]
        self.expected = expected

    def open(self) -> None:
        self.sock = connected(self.port)
        # Bytes instead of str, and no checks of what is sent: h2's defaults cost seconds.
        self.http2 = H2Connection(H2Configuration(header_encoding=None))
        self.http2.initiate_connection()
        self.flush()

    def exchange(self) -> None:
        stream = self.http2.get_next_available_stream_id()
        self.http2.send_headers(stream, self.fields, end_stream=True)
        self.flush()
        status, body, ended = b"", b"", False
        while not ended:
            data = self.sock.recv(AT_ONCE)
            if not data:
                raise WrongAnswer("the server closed the connection")
            for event in self.http2.receive_data(data):
                if isinstance(event, ResponseReceived):
                    status = dict(event.headers)[b":status"]
                elif isinstance(event, DataReceived):
                    body += event.data
                ended = ended or isinstance(event, StreamEnded)
            if self.http2.inbound_flow_control_window < AT_ONCE // 8:
                self.http2.increment_flow_control_window(AT_ONCE // 8)
            self.flush()
        if (status, body) != (b"200", self.expected):
            raise WrongAnswer(f"{status!r} with {len(body)} bytes, starting with {body[:60]!r}")

    def flush(self) -> None:
        if data := self.http2.data_to_send():
            self.sock.sendall(data)

    def close(self) -> None:
        self.sock.close()


class EchoClient(Http1Client):
    """A WebSocket: one text after another, which comes back. Only short ones fit its frames."""

    def __init__(self, port: int, path: str, message: bytes) -> None:
        super().__init__(port, HANDSHAKE.replace(b"{path}", path.encode()), message)
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(message))
        self.frame = bytes((0x81, 0x80 | len(message))) + mask + masked
        self.answer = bytes((0x81, len(message))) + message

    def open(self) -> None:
        super().open()
        self.sock.sendall(self.request)
        head = self.read_head()
        if not head.startswith(b"HTTP/1.1 101 "):
            raise WrongAnswer(f"the handshake was answered with {head[:60]!r}")

    def exchange(self) -> None:
        self.sock.sendall(self.frame)
        if (answer := self.read(len(self.answer))) != self.answer:
            raise WrongAnswer(f"the frame {answer!r} came back")


def connected(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    raise WrongAnswer("the response has no Content-Length")
