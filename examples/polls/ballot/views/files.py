"""Static files and uploaded pictures, served by the project itself.

Django's own views for this are for development only: they answer nothing once DEBUG is off, and
under ASGI they read each file into memory. A large site would use a content delivery network.
"""

import mimetypes
from collections.abc import Callable
from functools import partial
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.exceptions import SuspiciousFileOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.utils._os import safe_join
from django.utils.cache import patch_cache_control
from django.utils.http import http_date
from django.views.decorators.http import require_safe
from django.views.static import was_modified_since

from ..streams import FileStream


@require_safe
def static(request: HttpRequest, path: str) -> HttpResponse:
    """A file from a static folder of one of the applications."""
    return _send(request, finders.find, path, max_age=60)


@require_safe
def media(request: HttpRequest, path: str) -> HttpResponse:
    """An uploaded picture. Its name is never used again, so it may be kept for long."""
    return _send(request, partial(safe_join, settings.MEDIA_ROOT), path, max_age=86_400)


def _send(
    request: HttpRequest, find: Callable[[str], str | None], name: str, max_age: int
) -> HttpResponse:
    """The file that `find` knows by `name`. A missing or forbidden file is 404."""
    try:
        path = Path(find(name) or "")
        changed = path.stat().st_mtime
        file = path.open("rb")
    except (OSError, ValueError, SuspiciousFileOperation):
        raise Http404(f"no file {name}") from None
    if was_modified_since(request.headers.get("If-Modified-Since"), changed):
        response: HttpResponse = FileStream(file, content_type=_type_of(path))
    else:
        file.close()
        response = HttpResponse(status=304)
    response["Last-Modified"] = http_date(changed)
    patch_cache_control(response, public=True, max_age=max_age)
    return response


def _type_of(path: Path) -> str:
    return mimetypes.guess_type(path.name, strict=False)[0] or "application/octet-stream"
