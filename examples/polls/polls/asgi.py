"""The ASGI entry point: `bascule serve polls.asgi`."""

import os
from typing import Any

from chat import has_channels
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "polls.settings")


def get_application() -> Any:
    """Django for HTTP, and the chat for WebSocket where Channels is installed."""
    http = get_asgi_application()
    if not has_channels():
        return http
    # Not sooner: what is imported here uses models, and those are there once Django is set up.
    from channels.routing import ProtocolTypeRouter
    from chat.routing import websocket

    return ProtocolTypeRouter({"http": http, "websocket": websocket})


application = get_application()
