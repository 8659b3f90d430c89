"""Two WebSocket clients that others have written, without their sockets: websockets and wsproto.

Each is given what it shall offer, makes the request of the handshake, and reads the answer. Then
it writes messages in as many frames as the test asks for, and reads what a server writes.
"""

from typing import Any, Protocol

import wsproto.events as wsproto_events
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri
from wsproto import ConnectionType, WSConnection
from wsproto.extensions import PerMessageDeflate

from support.websocket_messages import Plain

Offered = dict[str, Any]


class Client(Protocol):
    """The methods that tests use."""

    def request(self) -> bytes: ...
    def accept(self, head: bytes) -> str | None: ...
    def send_message(self, kind: str, pieces: list[bytes]) -> list[bytes]: ...
    def send_control(self, event: Plain) -> bytes: ...
    def receive(self, data: bytes) -> list[Plain]: ...


class WebsocketsClient:
    """The sans-IO layer of websockets."""

    def __init__(self, offered: Offered | None, subprotocols: list[str]) -> None:
        names: Any = subprotocols
        self.protocol = ClientProtocol(
            parse_uri("ws://a.example/chat"),
            extensions=None if offered is None else [ClientPerMessageDeflateFactory(**offered)],
            subprotocols=names,
            max_size=None,
        )

    def request(self) -> bytes:
        self.protocol.send_request(self.protocol.connect())
        return self.written()

    def written(self) -> bytes:
        return b"".join(self.protocol.data_to_send())

    def accept(self, head: bytes) -> str | None:
        self.protocol.receive_data(head)
        self.protocol.events_received()
        assert self.protocol.handshake_exc is None, self.protocol.handshake_exc
        assert self.protocol.state is State.OPEN
        return self.protocol.subprotocol

    def send_message(self, kind: str, pieces: list[bytes]) -> list[bytes]:
        send = self.protocol.send_text if kind == "text" else self.protocol.send_binary
        send(pieces[0], fin=len(pieces) == 1)
        written = [self.written()]
        for number, piece in enumerate(pieces[1:], 2):
            self.protocol.send_continuation(piece, fin=number == len(pieces))
            written.append(self.written())
        return written

    def send_control(self, event: Plain) -> bytes:
        kind, *rest = event
        first: Any = rest[0]
        if kind == "ping":
            self.protocol.send_ping(first)
        elif kind == "pong":
            self.protocol.send_pong(first)
        else:
            self.protocol.send_close(None if first == 1005 else first, str(rest[1]))
        return self.written()

    def receive(self, data: bytes) -> list[Plain]:
        self.protocol.receive_data(data)
        assert self.protocol.parser_exc is None, self.protocol.parser_exc
        frames: list[Any] = self.protocol.events_received()
        return [self.plain(frame) for frame in frames]

    def plain(self, frame: Frame) -> Plain:
        assert frame.fin
        data = bytes(frame.data)
        if frame.opcode is Opcode.TEXT:
            return ("text", data.decode())
        if frame.opcode is Opcode.CLOSE:
            close = Close.parse(data)
            return ("closed", int(close.code), close.reason)
        return (frame.opcode.name.lower(), data)


class WsprotoClient:
    """wsproto."""

    def __init__(self, offered: Offered | None, subprotocols: list[str]) -> None:
        self.connection = WSConnection(ConnectionType.CLIENT)
        self.offered = offered
        self.subprotocols = subprotocols
        self.gathered: list[Any] = []

    def request(self) -> bytes:
        extensions = [] if self.offered is None else [PerMessageDeflate(**self.offered)]
        return self.connection.send(
            wsproto_events.Request(
                "a.example", "/chat", extensions=extensions, subprotocols=self.subprotocols
            )
        )

    def accept(self, head: bytes) -> str | None:
        self.connection.receive_data(head)
        (event,) = self.connection.events()
        assert isinstance(event, wsproto_events.AcceptConnection)
        return event.subprotocol

    def send_message(self, kind: str, pieces: list[bytes]) -> list[bytes]:
        last = len(pieces) - 1
        return [
            self.connection.send(
                wsproto_events.TextMessage(piece.decode(), message_finished=number == last)
                if kind == "text"
                else wsproto_events.BytesMessage(piece, message_finished=number == last)
            )
            for number, piece in enumerate(pieces)
        ]

    def send_control(self, event: Plain) -> bytes:
        kind, *rest = event
        first: Any = rest[0]
        if kind == "ping":
            return self.connection.send(wsproto_events.Ping(first))
        if kind == "pong":
            return self.connection.send(wsproto_events.Pong(first))
        return self.connection.send(wsproto_events.CloseConnection(first, str(rest[1])))

    def receive(self, data: bytes) -> list[Plain]:
        self.connection.receive_data(data)
        found: list[Plain] = []
        for event in self.connection.events():
            if isinstance(event, wsproto_events.TextMessage | wsproto_events.BytesMessage):
                self.gathered.append(event.data)
                if event.message_finished:
                    found.append(self.message(isinstance(event, wsproto_events.TextMessage)))
            elif isinstance(event, wsproto_events.Ping):
                found.append(("ping", bytes(event.payload)))
            elif isinstance(event, wsproto_events.Pong):
                found.append(("pong", bytes(event.payload)))
            else:
                assert isinstance(event, wsproto_events.CloseConnection), event
                found.append(("closed", int(event.code), event.reason or ""))
        return found

    def message(self, is_text: bool) -> Plain:
        gathered, self.gathered = self.gathered, []
        return ("text", "".join(gathered)) if is_text else ("binary", b"".join(gathered))
