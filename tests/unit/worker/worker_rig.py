"""Runs a test on a loop of its own, and sees that it leaves no task and no complaint there."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from bascule.loop import new_event_loop
from support.http import request_bytes

DEADLINE = 20


def run(main: Coroutine[Any, Any, None], loop: str = "auto") -> None:
    """Raises AssertionError where tasks are left, or where the loop has received an exception."""
    complaints: list[dict[str, Any]] = []

    async def watched() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, one: complaints.append(one))
        async with asyncio.timeout(DEADLINE):
            await main
        # A task that was cancelled ends with the next turn.
        await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert left == set(), f"tasks are left: {left}"

    with asyncio.Runner(loop_factory=partial(new_event_loop, loop)) as runner:
        runner.run(watched())
    assert complaints == []


class App:
    """An ASGI application whose requests and lifespan the test holds in its hands.

    entered: set when a request is being served. release: lets requests end. phases: what the
    lifespan has seen. Each hook is a coroutine function, awaited when its phase begins.
    """

    def __init__(self, **hooks: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.entered = asyncio.Event()
        self.release = asyncio.Event()
        self.phases: list[str] = []
        self.hooks = hooks

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.live(receive, send)
            return
        self.entered.set()
        if scope["path"] != "/":
            await self.release.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"served " + scope["path"].encode()})

    async def live(self, receive: Any, send: Any) -> None:
        for phase in ("startup", "shutdown"):
            await receive()
            self.phases.append(phase)
            if phase in self.hooks:
                await self.hooks[phase]()
            await send({"type": f"lifespan.{phase}.complete"})


class Client:
    """A connection in the same loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, url: str) -> "Client":
        host, _, port = url.removeprefix("http://").partition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    def send(self, path: str = "/") -> None:
        self.writer.write(request_bytes("GET", path))

    async def body(self) -> bytes:
        """The next response's."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return await self.reader.readexactly(length)

    async def ask(self, path: str = "/") -> bytes:
        self.send(path)
        return await self.body()

    async def ended(self) -> bytes:
        """The data until the server closes."""
        try:
            return await self.reader.read()
        except ConnectionResetError:
            return b""

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass
