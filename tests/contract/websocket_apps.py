"""The parts of the WebSocket applications of the contract tests."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from support.flag import Flag

CONNECT = {"type": "websocket.connect"}
DISCONNECT = "websocket.disconnect"


def websocket(function: Any) -> Any:
    """Make an application of `function(receive, send)`, which is called with the handshake."""

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        assert scope["type"] == "websocket"
        assert await receive() == CONNECT
        await function(receive, send)

    return application


def accepted(function: Any) -> Any:
    """The same, called when the handshake is accepted."""

    async def accepting(receive: Any, send: Any) -> None:
        await accept(send)
        await function(receive, send)

    return websocket(accepting)


async def accept(send: Any, **more: Any) -> None:
    await send({"type": "websocket.accept", **more})


async def close(send: Any, **more: Any) -> None:
    await send({"type": "websocket.close", **more})


async def say(send: Any, message: str | bytes) -> None:
    key = "text" if isinstance(message, str) else "bytes"
    await send({"type": "websocket.send", key: message})


async def deny(
    send: Any, status: int, headers: Iterable[Iterable[bytes]] = (), *pieces: bytes
) -> None:
    """A whole denial; its body in `pieces`."""
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    for number, piece in enumerate(pieces or (b"",), 1):
        more = {"body": piece, "more_body": number < len(pieces)}
        await send({"type": "websocket.http.response.body", **more})


async def echo_all(receive: Any, send: Any) -> dict[str, Any]:
    """Answer every message with itself; returns the disconnect."""
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})
    return message


@accepted
async def echo(receive: Any, send: Any) -> None:
    await echo_all(receive, send)


def hears(heard: Flag) -> Callable[..., Any]:
    """An application that answers everything, and tells how it ended."""

    @accepted
    async def application(receive: Any, send: Any) -> None:
        heard.set(await echo_all(receive, send))

    return application


class Counted:
    """A `send` that counts what it has got rid of."""

    TURNS = 100

    def __init__(self) -> None:
        self.send: Any = None
        self.sent = 0

    async def __call__(self, message: dict[str, Any]) -> None:
        await self.send(message)
        self.sent += 1

    async def until_stuck(self) -> int:
        """Wait until many turns of the loop change nothing any more; returns `sent`."""
        before = -1
        while before != self.sent:
            before = self.sent
            for _ in range(self.TURNS):
                await asyncio.sleep(0)
        return self.sent
