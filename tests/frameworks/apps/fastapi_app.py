"""The checklist's app in FastAPI."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from content import ENDLESS_PIECE, digest, pieces
from fastapi import BackgroundTasks, Body, FastAPI, Form, Header, Request, Response, UploadFile
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
