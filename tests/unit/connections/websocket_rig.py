"""WebSockets on the rig of connections."""

from typing import Any

from connection_rig import Call, Rig

from support.transport import FakeTransport
from support.websocket_client import Frame, close_content, handshake, take_frames

DISCONNECT = "websocket.disconnect"


class Socket:
    """A client with a WebSocket, and the application's call behind it."""

    def __init__(self, rig: Rig, client: FakeTransport, call: Call) -> None:
        self.rig = rig
        self.client = client
        self.call = call

    def send(self, data: bytes) -> None:
        self.client.send(data)

    @property
    def frames(self) -> list[Frame]:
        """Return the bytes that the client has received since the 101."""
        head, _, rest = bytes(self.client.received).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        return take_frames(rest)

    @property
    def payloads(self) -> list[bytes]:
        return [frame.payload for frame in self.frames]

    @property
    def close(self) -> tuple[int | None, str]:
        """Code and reason of the last frame, a Close."""
        return close_content(self.frames[-1])

    @property
    def is_closing(self) -> bool:
        """The server has said Close."""
        return any(frame.opcode == 8 for frame in self.frames)

    def receive(self) -> Any:
        """The message that is there for the application."""
        return self.call.receive().result()

    def say(self, text: str) -> Any:
        return self.call.send({"type": "websocket.send", "text": text})

    def end(self, code: int = 1000, reason: str = "") -> None:
        self.call.send({"type": "websocket.close", "code": code, "reason": reason}).result()


def ask(rig: Rig, behind: bytes = b"", **options: Any) -> tuple[FakeTransport, Call]:
    """A client that has sent its handshake."""
    client = rig.connect(**options)
    client.send(handshake() + behind)
    return client, rig.calls[-1]


def accept(rig: Rig, behind: bytes = b"", message: Any = None, **options: Any) -> Socket:
    """A WebSocket that was accepted. message: what websocket.accept says besides."""
    client, call = ask(rig, behind, **options)
    assert call.receive().result() == {"type": "websocket.connect"}
    call.send({"type": "websocket.accept", **(message or {})}).result()
    return Socket(rig, client, call)
