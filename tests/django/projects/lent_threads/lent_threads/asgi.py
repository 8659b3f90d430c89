"""Django's handler, and what projects put around it."""

import os
from contextlib import asynccontextmanager

from asgiref.sync import sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application
from django.core.handlers.asgi import ASGIHandler
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lent_threads.settings")

application = get_asgi_application()


class Own(ASGIHandler):
    """A handler that says that it is another."""

    async def send_response(self, response, send):
        response["X-Own"] = "yes"
        await super().send_response(response, send)


own = Own()


class Echo(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data=f"{self.scope['path']} {text_data}")


routed = ProtocolTypeRouter({"http": application, "websocket": Echo.as_asgi()})


async def beside(request: Request) -> PlainTextResponse:
    """Django's ORM, without anything of Django around it."""
    from lent_threads.views import query

    return PlainTextResponse(str(await sync_to_async(query)()))


@asynccontextmanager
async def lifespan(app):
    yield
    print("the application has ended", flush=True)


mounted = Starlette(
    routes=[Route("/beside/", beside), Mount("/", application)],
    lifespan=lifespan,
)
