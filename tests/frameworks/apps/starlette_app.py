"""The checklist's app in Starlette."""

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from content import ENDLESS_PIECE, as_json, digest, pieces
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException, WebSocketException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

events: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
counts: Counter[str] = Counter()


def reply(value: object, **options: Any) -> Response:
    return Response(as_json(value), media_type="application/json", **options)


async def query(request: Request) -> Response:
    return reply(request.query_params.multi_items())


async def path(request: Request) -> Response:
    return reply(request.path_params["rest"])


async def form(request: Request) -> Response:
    async with request.form() as fields:
        return reply(dict(fields.multi_items()))


async def echo_json(request: Request) -> Response:
    return reply(await request.json())


async def upload(request: Request) -> Response:
    async with request.form() as fields:
        file = fields["file"]
        received = digest(await file.read())
        return reply({"name": file.filename, "note": fields["note"], **received})


async def body(request: Request) -> Response:
    return reply(digest(await request.body()))


async def count(request: Request) -> Response:
    """How often this was called with the key, this time counted."""
    await request.body()
    counts[request.path_params["key"]] += 1
    return reply(counts[request.path_params["key"]])


async def stream(request: Request) -> Response:
    return StreamingResponse(pieces(), media_type="text/plain")


async def redirect(request: Request) -> Response:
    return RedirectResponse("/query?from=redirect", 303)


async def cookies(request: Request) -> Response:
    response = reply(request.cookies)
    response.set_cookie("first", "1")
    response.set_cookie("second", "2", max_age=60, httponly=True)
    return response


async def empty(request: Request) -> Response:
    return Response(status_code=204)


async def error(request: Request) -> Response:
    raise RuntimeError("broken on purpose")


async def broken_stream(request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        yield b"beginning\n"
        raise RuntimeError("broken on purpose")

    return StreamingResponse(parts())


async def headers(request: Request) -> Response:
    large = request.headers["x-large"]
    return reply(len(large), headers={"X-Large": large})


async def mix(request: Request) -> Response:
    number = request.path_params["number"]
    received = (await request.body()).decode()

    async def parts() -> AsyncIterator[str]:
        for text in (number, request.headers["x-number"], received):
            yield f"{text}\n"
            await asyncio.sleep(0)

    return StreamingResponse(parts())


async def address(request: Request) -> Response:
    assert request.client is not None
    return reply(
        {
            "client": request.client.host,
            "scheme": request.url.scheme,
            "host": request.headers["host"],
            "url": str(request.url),
        }
    )


async def endless(request: Request) -> Response:
    key = request.path_params["key"]

    async def parts() -> AsyncIterator[bytes]:
        try:
            while True:
                yield ENDLESS_PIECE
                await asyncio.sleep(0)
        finally:
            events[key].set()

    return StreamingResponse(parts())


async def wait(request: Request) -> Response:
    await asyncio.wait_for(events[request.path_params["key"]].wait(), 15)
    return reply("happened")


async def background(request: Request) -> Response:
    key = request.path_params["key"]

    async def task() -> None:
        await events[f"{key}-go"].wait()
        events[f"{key}-done"].set()

    return Response("accepted", 202, background=BackgroundTask(task))


async def release(request: Request) -> Response:
    key = request.path_params["key"]
    before = events[f"{key}-done"].is_set()
    events[f"{key}-go"].set()
    return reply({"done_before": before})


async def state(request: Request) -> Response:
    return reply({"greeting": request.state.greeting})


async def socket_echo(socket: WebSocket) -> None:
    await socket.accept()
    async for message in socket.iter_text():
        await socket.send_text(message)


async def socket_json(socket: WebSocket) -> None:
    await socket.accept()
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await socket.send_json({"got": await socket.receive_json()})


async def socket_bytes(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_bytes(await socket.receive_bytes())
    await socket.close(4000, "enough")


async def socket_subprotocol(socket: WebSocket) -> None:
    await socket.accept(socket.scope["subprotocols"][-1], [(b"x-seen", b"yes")])
    await socket.send_text(f"{socket.url} {socket.path_params['room']}")


async def socket_exception(socket: WebSocket) -> None:
    if "accept" in socket.query_params:
        await socket.accept()
    raise WebSocketException(1008, "policy")


async def socket_http_exception(socket: WebSocket) -> None:
    raise HTTPException(401, "who are you?", {"WWW-Authenticate": "Basic"})


async def socket_denial(socket: WebSocket) -> None:
    await socket.send_denial_response(StreamingResponse(pieces(), 418))


async def socket_disconnect(socket: WebSocket) -> None:
    """Notes with which code reading ended."""
    await socket.accept()
    try:
        await socket.receive_text()
    except WebSocketDisconnect as error:
        counts[f"disconnected-{error.code}"] += 1
    events[socket.path_params["key"]].set()


async def socket_push(socket: WebSocket) -> None:
    """Sends until that fails, which is the usual way to learn of it."""
    await socket.accept()
    try:
        while True:
            await socket.send_text("tick")
    except WebSocketDisconnect as error:
        counts[f"pushed-{error.code}"] += 1
        events[socket.path_params["key"]].set()
        raise


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, str]]:
    print("lifespan: started", flush=True)
    yield {"greeting": "set at startup"}
    print("lifespan: ended", flush=True)


app = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/query", query),
        Route("/path/{rest:path}", path),
        Route("/form", form, methods=["POST"]),
        Route("/json", echo_json, methods=["POST"]),
        Route("/upload", upload, methods=["POST"]),
        Route("/body", body, methods=["POST"]),
        Route("/count/{key}", count, methods=["POST"]),
        Route("/stream", stream),
        Route("/redirect", redirect),
        Route("/cookies", cookies),
        Route("/empty", empty),
        Route("/error", error),
        Route("/broken-stream", broken_stream),
        Route("/headers", headers),
        Route("/mix/{number}", mix, methods=["POST"]),
        Route("/address", address),
        Route("/endless/{key}", endless),
        Route("/wait/{key}", wait),
        Route("/background/{key}", background, methods=["POST"]),
        Route("/release/{key}", release, methods=["POST"]),
        Route("/state", state),
        WebSocketRoute("/ws/echo", socket_echo),
        WebSocketRoute("/ws/json", socket_json),
        WebSocketRoute("/ws/bytes", socket_bytes),
        WebSocketRoute("/ws/subprotocol/{room}", socket_subprotocol),
        WebSocketRoute("/ws/exception", socket_exception),
        WebSocketRoute("/ws/http-exception", socket_http_exception),
        WebSocketRoute("/ws/denial", socket_denial),
        WebSocketRoute("/ws/disconnect/{key}", socket_disconnect),
        WebSocketRoute("/ws/push/{key}", socket_push),
        Mount("/conditional", StaticFiles(directory=Path(__file__).parent)),
    ],
)
