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
        "is_asgi": hasattr(request, "scope"),
        "has_channels": has_channels(),
        "max_length": MAX_LENGTH,
    }
    return render(request, "chat/room.html", context)
