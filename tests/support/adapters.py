"""Calls applications as servers do, without one: for the adapters."""

import asyncio
import io
import sys
from collections.abc import Iterable
from typing import Any

from support.flag import DEADLINE

PIECE = 65536


def http_scope(method: str = "GET", path: str = "/", **more: Any) -> dict[str, Any]:
    """The scope of a request."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"testserver")],
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 8000),
        "extensions": {},
        **more,
    }


class AsgiCalled:
    """One call of an ASGI application, by a server that the test plays.

        called = AsgiCalled(app, http_scope())
        called.feed(b"body")
        await called.task

    gate: while it is cleared, `send` waits, as for a slow client. asked: how often `receive` was
    called. sent: the messages that came.
    """

    def __init__(self, app: Any, scope: dict[str, Any]) -> None:
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.gate = asyncio.Event()
        self.gate.set()
        self.arrived = asyncio.Event()
        self.asked = 0
        self.sent: list[dict[str, Any]] = []
        self.send_error: Exception | None = None
        self.task = asyncio.create_task(app(scope, self.receive, self.send))

    def feed(self, data: bytes = b"", more: bool = False) -> None:
        """A piece of the request body."""
        self.incoming.put_nowait({"type": "http.request", "body": data, "more_body": more})

    def leave(self) -> None:
        """The client goes."""
        self.incoming.put_nowait({"type": "http.disconnect"})

    async def receive(self) -> dict[str, Any]:
        self.asked += 1
        self.arrived.set()
        return await self.incoming.get()

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)
        self.arrived.set()
        await self.gate.wait()
        if self.send_error is not None:
            raise self.send_error

    async def until(self, condition: Any) -> None:
        """Wait until something that happens here has made it true."""
        async with asyncio.timeout(DEADLINE):
            while not condition():
                self.arrived.clear()
                await self.arrived.wait()

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(m["body"] for m in self.sent if m["type"] == "http.response.body")

    @property
    def is_complete(self) -> bool:
        last = self.sent[-1] if self.sent else {}
        return last.get("type") == "http.response.body" and not last.get("more_body")


async def call_asgi(
    app: Any, scope: dict[str, Any] | None = None, body: bytes = b""
) -> AsgiCalled:
    """One whole request. Raises what the application raises."""
    called = AsgiCalled(app, scope or http_scope())
    called.feed(body)
    async with asyncio.timeout(DEADLINE):
        await called.task
    return called


class WsgiCalled:
    """One call of a WSGI application, by a server that the test plays."""

    def __init__(self, app: Any, environ: dict[str, Any]) -> None:
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self.result: Iterable[bytes] = app(environ, self.start_response)

    def start_response(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        self.status = status
        self.headers = headers

    def rest(self) -> bytes:
        """The rest of the body."""
        try:
            return b"".join(self.result)
        finally:
            self.close()

    def close(self) -> None:
        closer = getattr(self.result, "close", None)
        if closer is not None:
            closer()


def environ_of(
    method: str = "GET", path: str = "/", body: bytes | None = None, **more: Any
) -> dict[str, Any]:
    """The environ of a request."""
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "40000",
        "HTTP_HOST": "testserver",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body or b""),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if body is not None:
        environ["CONTENT_LENGTH"] = str(len(body))
    return {**environ, **more}
