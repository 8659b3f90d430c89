"""The checklist's app in FastAPI."""

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from content import ENDLESS_PIECE, digest, pieces
from fastapi import (
    BackgroundTasks,
    Body,
    Cookie,
    Depends,
    FastAPI,
    Form,
    Header,
    HTTPException,
    Request,
    Response,
    UploadFile,
    WebSocket,
    WebSocketDisconnect,
    WebSocketException,
)
from fastapi.responses import RedirectResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles

app = FastAPI()
app.mount("/conditional", StaticFiles(directory=Path(__file__).parent))

events: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
counts: Counter[str] = Counter()


@app.api_route("/query", methods=["GET", "HEAD"])
async def query(request: Request) -> list[tuple[str, str]]:
    return request.query_params.multi_items()


@app.get("/path/{rest:path}")
async def path(rest: str) -> str:
    return rest


@app.post("/form")
async def form(request: Request) -> dict[str, str]:
    async with request.form() as fields:
        return {name: str(value) for name, value in fields.multi_items()}


@app.post("/json")
def echo_json(value: Annotated[Any, Body()]) -> Any:
    return value


@app.post("/upload")
async def upload(file: UploadFile, note: Annotated[str, Form()]) -> dict[str, object]:
    return {"name": file.filename, "note": note, **digest(await file.read())}


@app.post("/body")
async def body(request: Request) -> dict[str, object]:
    return digest(await request.body())


@app.post("/count/{key}")
async def count(key: str, request: Request) -> int:
    """How often this was called with the key, this time counted."""
    await request.body()
    counts[key] += 1
    return counts[key]


@app.api_route("/stream", methods=["GET", "HEAD"])
def stream() -> Response:
    return StreamingResponse(pieces(), media_type="text/plain")


@app.get("/redirect")
def redirect() -> Response:
    return RedirectResponse("/query?from=redirect", 303)


@app.get("/cookies")
def cookies(request: Request, response: Response) -> dict[str, str]:
    response.set_cookie("first", "1")
    response.set_cookie("second", "2", max_age=60, httponly=True)
    return request.cookies


@app.get("/empty", status_code=204)
def empty() -> None:
    return None


@app.get("/error")
def error() -> None:
    raise RuntimeError("broken on purpose")


@app.get("/broken-stream")
async def broken_stream() -> Response:
    async def parts() -> AsyncIterator[bytes]:
        yield b"beginning\n"
        raise RuntimeError("broken on purpose")

    return StreamingResponse(parts())


@app.get("/headers")
def headers(x_large: Annotated[str, Header()], response: Response) -> int:
    response.headers["X-Large"] = x_large
    return len(x_large)


@app.post("/mix/{number}")
async def mix(number: str, x_number: Annotated[str, Header()], request: Request) -> Response:
    received = (await request.body()).decode()

    async def parts() -> AsyncIterator[str]:
        for text in (number, x_number, received):
            yield f"{text}\n"
            await asyncio.sleep(0)

    return StreamingResponse(parts())


@app.get("/address")
def address(request: Request) -> dict[str, str]:
    assert request.client is not None
    return {
        "client": request.client.host,
        "scheme": request.url.scheme,
        "host": request.headers["host"],
        "url": str(request.url),
    }


@app.get("/endless/{key}")
async def endless(key: str) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        try:
            while True:
                yield ENDLESS_PIECE
                await asyncio.sleep(0)
        finally:
            events[key].set()

    return StreamingResponse(parts())


@app.get("/wait/{key}")
async def wait(key: str) -> str:
    await asyncio.wait_for(events[key].wait(), 15)
    return "happened"


@app.post("/background/{key}", status_code=202)
async def background(key: str, tasks: BackgroundTasks) -> str:
    async def task() -> None:
        await events[f"{key}-go"].wait()
        events[f"{key}-done"].set()

    tasks.add_task(task)
    return "accepted"


@app.post("/release/{key}")
async def release(key: str) -> dict[str, bool]:
    before = events[f"{key}-done"].is_set()
    events[f"{key}-go"].set()
    return {"done_before": before}


@app.websocket("/ws/echo")
async def socket_echo(socket: WebSocket) -> None:
    await socket.accept()
    async for message in socket.iter_text():
        await socket.send_text(message)


@app.websocket("/ws/json")
async def socket_json(socket: WebSocket) -> None:
    await socket.accept()
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await socket.send_json({"got": await socket.receive_json()})


@app.websocket("/ws/bytes")
async def socket_bytes(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_bytes(await socket.receive_bytes())
    await socket.close(4000, "enough")


@app.websocket("/ws/subprotocol/{room}")
async def socket_subprotocol(socket: WebSocket, room: str) -> None:
    await socket.accept(socket.scope["subprotocols"][-1], [(b"x-seen", b"yes")])
    await socket.send_text(f"{socket.url} {room}")


@app.websocket("/ws/exception")
async def socket_exception(socket: WebSocket, accept: str | None = None) -> None:
    if accept is not None:
        await socket.accept()
    raise WebSocketException(1008, "policy")


def someone(session: Annotated[str | None, Cookie()] = None) -> str:
    if session is None:
        raise HTTPException(401, "who are you?", {"WWW-Authenticate": "Basic"})
    return session


@app.websocket("/ws/http-exception")
async def socket_http_exception(socket: WebSocket, who: Annotated[str, Depends(someone)]) -> None:
    await socket.accept()
    await socket.send_text(who)


@app.websocket("/ws/denial")
async def socket_denial(socket: WebSocket) -> None:
    await socket.send_denial_response(StreamingResponse(pieces(), 418))


@app.websocket("/ws/disconnect/{key}")
async def socket_disconnect(socket: WebSocket, key: str) -> None:
    """Notes with which code reading ended."""
    await socket.accept()
    try:
        await socket.receive_text()
    except WebSocketDisconnect as error:
        counts[f"disconnected-{error.code}"] += 1
    events[key].set()


@app.websocket("/ws/push/{key}")
async def socket_push(socket: WebSocket, key: str) -> None:
    """Sends until that fails, which is the usual way to learn of it."""
    await socket.accept()
    try:
        while True:
            await socket.send_text("tick")
    except WebSocketDisconnect as error:
        counts[f"pushed-{error.code}"] += 1
        events[key].set()
        raise
