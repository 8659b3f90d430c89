"""The page of the room."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from . import has_channels
from .limits import MAX_LENGTH


@require_safe
def room(request: HttpRequest) -> HttpResponse:
    """The room; where it cannot work, what it needs."""
    context = {
        # The page itself may come by WSGI: what it needs is an ASGI side for its WebSocket.
        "has_asgi": hasattr(request, "scope") or "bascule.hybrid" in request.META,
        "has_channels": has_channels(),
        "max_length": MAX_LENGTH,
    }
    return render(request, "chat/room.html", context)
