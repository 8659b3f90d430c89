"""The checklist's app in Django: one project, `wsgi` and `asgi`."""

import asyncio
import gc
import json
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator
from threading import Event
from typing import Any, NoReturn

from content import ENDLESS_PIECE, ETAG, PAGE, as_json, digest, pieces
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.urls import path, reverse
from django.views.decorators.http import etag

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATA_UPLOAD_MAX_MEMORY_SIZE=10_000_000,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="for the tests alone",
)

events: defaultdict[str, Event] = defaultdict(Event)
counts: Counter[str] = Counter()


def reply(value: object, **options: Any) -> HttpResponse:
    return HttpResponse(as_json(value), content_type="application/json", **options)


def streamed(request: HttpRequest, parts: Iterable[bytes | str]) -> StreamingHttpResponse:
    """By the kind of iterator that suits the side the request came by."""
    is_asgi = hasattr(request, "scope")
    return StreamingHttpResponse(stepwise(parts) if is_asgi else parts, content_type="text/plain")


async def stepwise(parts: Iterable[bytes | str]) -> AsyncIterator[bytes | str]:
    try:
        for part in parts:
            yield part
            await asyncio.sleep(0)
    finally:
        close = getattr(parts, "close", None)
        if close:
            close()


def query(request: HttpRequest) -> HttpResponse:
    return reply([[name, value] for name, values in request.GET.lists() for value in values])


def show_path(request: HttpRequest, rest: str) -> HttpResponse:
    return reply(rest)


def form(request: HttpRequest) -> HttpResponse:
    return reply(request.POST.dict())


async def echo_json(request: HttpRequest) -> HttpResponse:
    return reply(json.loads(request.body))


def upload(request: HttpRequest) -> HttpResponse:
    file = request.FILES["file"]
    return reply({"name": file.name, "note": request.POST["note"], **digest(file.read())})


def body(request: HttpRequest) -> HttpResponse:
    return reply(digest(request.body))


def count(request: HttpRequest, key: str) -> HttpResponse:
    """How often this was called with the key, this time counted."""
    request.body  # noqa: B018 (reading it is the point)
    counts[key] += 1
    return reply(counts[key])


def stream(request: HttpRequest) -> HttpResponse:
    return streamed(request, pieces())


def redirect(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect("/query?from=redirect")


def cookies(request: HttpRequest) -> HttpResponse:
    response = reply(request.COOKIES)
    response.set_cookie("first", "1")
    response.set_cookie("second", "2", max_age=60, httponly=True)
    return response


def empty(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=204)


@etag(lambda request: ETAG)
def conditional(request: HttpRequest) -> HttpResponse:
    return HttpResponse(PAGE, content_type="text/plain")


def error(request: HttpRequest) -> NoReturn:
    raise RuntimeError("broken on purpose")


def broken_stream(request: HttpRequest) -> HttpResponse:
    def parts() -> Iterator[bytes]:
        yield b"beginning\n"
        raise RuntimeError("broken on purpose")

    return streamed(request, parts())


def headers(request: HttpRequest) -> HttpResponse:
    large = request.headers["X-Large"]
    return reply(len(large), headers={"X-Large": large})


async def mix(request: HttpRequest, number: str) -> HttpResponse:
    texts = (number, request.headers["X-Number"], request.body.decode())
    return streamed(request, (f"{text}\n" for text in texts))


def address(request: HttpRequest) -> HttpResponse:
    return reply(
        {
            "client": request.META["REMOTE_ADDR"],
            "scheme": request.scheme,
            "host": request.get_host(),
            "url": request.build_absolute_uri(),
        }
    )


def client(request: HttpRequest) -> HttpResponse:
    return reply(
        {
            "client": request.META["REMOTE_ADDR"],
            "secure": request.is_secure(),
            "host": request.get_host(),
            "url": request.build_absolute_uri(),
            "reversed": request.build_absolute_uri(reverse("client")),
        }
    )


def endless(request: HttpRequest, key: str) -> HttpResponse:
    def parts() -> Iterator[bytes]:
        try:
            while True:
                yield ENDLESS_PIECE
        finally:
            events[key].set()

    return streamed(request, parts())


async def wait(request: HttpRequest, key: str) -> HttpResponse:
    # Django does not close a stream that is no longer read: it ends when nothing refers to it any
    # more, and from Django 6 on a cycle of exceptions does until the garbage is collected.
    ends_at = time.monotonic() + 15
    while not (happened := await asyncio.to_thread(events[key].wait, 0.1)):
        if time.monotonic() > ends_at:
            break
        gc.collect()
    return reply("happened" if happened else "late")


urlpatterns = [
    path("query", query),
    path("path/<path:rest>", show_path),
    path("form", form),
    path("json", echo_json),
    path("upload", upload),
    path("body", body),
    path("count/<key>", count),
    path("stream", stream),
    path("redirect", redirect),
    path("cookies", cookies),
    path("empty", empty),
    path("conditional/page.txt", conditional),
    path("error", error),
    path("broken-stream", broken_stream),
    path("headers", headers),
    path("mix/<number>", mix),
    path("address", address),
    path("client", client, name="client"),
    path("endless/<key>", endless),
    path("wait/<key>", wait),
]

wsgi = get_wsgi_application()
asgi = get_asgi_application()
