"""Streams of the frameworks that wait for their next event end when their client disconnects."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from support import endless
from support.endless import MakeSite, set_once, wait_for_ever
from support.flag import Flag


def starlette_site(ended: Flag, media_type: str) -> Any:
    from starlette.applications import Starlette
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    async def stream(request: Any) -> Any:
        return StreamingResponse(wait_for_ever(ended), media_type=media_type)

    return Starlette(routes=[Route("/", stream)])


def starlette_site_in_middleware(ended: Flag, media_type: str) -> Any:
    from starlette.middleware.base import BaseHTTPMiddleware

    async def pass_on(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    inner = BaseHTTPMiddleware(starlette_site(ended, media_type), dispatch=pass_on)
    return BaseHTTPMiddleware(inner, dispatch=pass_on)


def fastapi_site(ended: Flag, media_type: str) -> Any:
    from fastapi import FastAPI
    from fastapi.responses import StreamingResponse

    site = FastAPI()

    @site.api_route("/", methods=["GET", "HEAD"])
    async def stream() -> StreamingResponse:
        return StreamingResponse(wait_for_ever(ended), media_type=media_type)

    return site


def sse_starlette_site(ended: Flag, media_type: str) -> Any:
    from sse_starlette.sse import EventSourceResponse
    from starlette.applications import Starlette
    from starlette.routing import Route

    async def events() -> AsyncIterator[dict[str, str]]:
        try:
            yield {"data": "first"}
            await asyncio.Event().wait()
        finally:
            set_once(ended)

    async def stream(request: Any) -> Any:
        return EventSourceResponse(events(), media_type=media_type)

    return Starlette(routes=[Route("/", stream)])


def quart_site(ended: Flag, media_type: str) -> Any:
    from quart import Quart

    site = Quart(__name__)

    @site.get("/")
    async def stream() -> Any:
        return wait_for_ever(ended), 200, {"Content-Type": media_type}

    return site


@pytest.fixture(autouse=True)
def without_watcher(monkeypatch: pytest.MonkeyPatch) -> None:
    """sse-starlette keeps a task of its own, which nothing ends, to look for the stop of Uvicorn;
    `test_stops_of_streams` has it."""
    monkeypatch.setattr("sse_starlette.sse._ensure_watcher_started_on_this_loop", lambda: None)


@pytest.fixture(
    params=[
        starlette_site,
        starlette_site_in_middleware,
        fastapi_site,
        sse_starlette_site,
        quart_site,
    ],
    ids=lambda site: site.__name__,
)
def make_site(request: pytest.FixtureRequest) -> MakeSite:
    made: MakeSite = request.param
    return made


@pytest.fixture(params=["http1", "http2"])
def http(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("leave", ["reset", "close"])
def test_when_the_client_has_left(make_site: MakeSite, http: str, leave: str) -> None:
    endless.check_that_it_ends_when_the_client_leaves(make_site, http, leave)


def test_when_the_client_wants_the_head_only(make_site: MakeSite, http: str) -> None:
    endless.check_that_it_ends_behind_its_head(make_site, http)


def test_when_the_server_stops(make_site: MakeSite, http: str) -> None:
    endless.check_that_it_ends_when_the_server_stops(make_site, http)
