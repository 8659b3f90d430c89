"""`receive` and `send` pass for coroutine functions in code that checks before it awaits them."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction
from asgiref.wsgi import WsgiToAsgi

from support.asgi import respond
from support.flag import Flag
from support.inprocess import Served

Serve = Callable[..., Served]

# Warnings are errors here, so asgiref's "non-async-marked callable" fails these tests.


def marks(function: Any) -> list[bool]:
    asked = [iscoroutinefunction(function)]
    if hasattr(inspect, "markcoroutinefunction"):
        asked.append(inspect.iscoroutinefunction(function))
    else:
        asked.append(asyncio.iscoroutinefunction(function))
    return asked


def test_of_requests(serve: Serve) -> None:
    seen = Flag()

    async def site(scope: Any, receive: Any, send: Any) -> None:
        seen.set(marks(receive) + marks(send))
        await respond(send)

    serve(site).request("GET")
    assert seen.wait() == [True] * 4


def test_of_websockets(serve_sockets: Serve) -> None:
    seen = Flag()

    async def site(scope: Any, receive: Any, send: Any) -> None:
        seen.set(marks(receive) + marks(send))
        await receive()
        await send({"type": "websocket.accept"})
        await receive()

    client = serve_sockets(site).connect()
    client.shake_hands("/")
    assert seen.wait() == [True] * 4


def test_of_lifespan(served: Callable[..., Served]) -> None:
    seen = Flag()

    async def site(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            seen.set(marks(receive) + marks(send))
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})

    served(site, interface="asgi3", lifespan="on").start()
    assert seen.wait() == [True] * 4


def test_send_from_a_thread(serve: Serve) -> None:
    """As synchronous consumers of Channels do."""

    async def site(scope: Any, receive: Any, send: Any) -> None:
        def answer() -> None:
            async_to_sync(send)({"type": "http.response.start", "status": 200})
            async_to_sync(send)({"type": "http.response.body", "body": b"from a thread"})

        await asyncio.get_running_loop().run_in_executor(None, answer)

    assert serve(site).request("GET").body == b"from a thread"


def test_asgirefs_adapter(serve: Serve) -> None:
    def site(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "5")])
        return [environ["wsgi.input"].read()]

    assert serve(WsgiToAsgi(site)).request("POST", "/", (), b"bytes").body == b"bytes"
