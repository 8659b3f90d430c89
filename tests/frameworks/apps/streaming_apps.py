"""Streams of events without an end, in sse-starlette and in Django.

Each says on stderr when its generator has been closed.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import anyio
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import path
from sse_starlette.sse import EventSourceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

settings.configure(
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="for the tests alone",
)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


async def events(request: Request) -> EventSourceResponse:
    """One event, and a last one when the server stops."""
    stopping = anyio.Event()

    async def stream() -> AsyncIterator[dict[str, str]]:
        try:
            yield {"data": "first"}
            await stopping.wait()
            yield {"data": "goodbye"}
        finally:
            say("closed by sse-starlette")

    return EventSourceResponse(stream(), shutdown_event=stopping, shutdown_grace_period=5)


sse = Starlette(routes=[Route("/", events)])


async def quiet(request: HttpRequest) -> StreamingHttpResponse:
    async def stream() -> AsyncIterator[str]:
        try:
            yield "data: first\n\n"
            await asyncio.Event().wait()
        finally:
            say("closed by Django")

    return StreamingHttpResponse(stream(), content_type="text/event-stream")


urlpatterns = [path("", quiet)]
django = get_asgi_application()


async def wrapped(scope: Any, receive: Any, send: Any) -> None:
    """Django's own handler, which Bascule does not replace where it is inside of something."""
    await django(scope, receive, send)
