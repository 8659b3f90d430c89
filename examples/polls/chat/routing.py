"""The WebSocket side of the project, for polls/asgi.py."""

from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.urls import path, re_path

from .consumers import RoomConsumer


async def nowhere(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Refuse the handshake, as a 404. Without it an unknown address would be an error of ours."""
    await receive()
    await send({"type": "websocket.close"})


# Browsers let any page open a WebSocket to any host, with the cookies of that host: that the page
# is one of ours is checked first, as CSRF tokens do it for forms.
websocket = AllowedHostsOriginValidator(
    AuthMiddlewareStack(
        URLRouter([path("chat/socket/", RoomConsumer.as_asgi()), re_path("", nowhere)])
    )
)
