"""Views that say what they got, and nothing of the side they are on."""

import asyncio
import hashlib
import threading
from collections import Counter
from functools import partial, wraps

from asgiref.sync import async_to_sync, markcoroutinefunction
from django.core.signals import request_finished, request_started
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.utils.decorators import method_decorator
from django.utils.translation import get_language
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from bascule.django import interface

DEADLINE = 15


def said(request, *args, **kwargs):
    return JsonResponse(
        {
            "path": request.path,
            "args": args,
            "kwargs": {key: str(value) for key, value in kwargs.items()},
            "route": request.resolver_match.route,
            "language": get_language(),
        }
    )


def sync_view(request, *args, **kwargs):
    return said(request, *args, **kwargs)


async def async_view(request, *args, **kwargs):
    await asyncio.sleep(0)
    return said(request, *args, **kwargs)


class SyncClass(View):
    def get(self, request):
        return said(request)


class AsyncClass(View):
    async def get(self, request):
        return said(request)


partial_view = partial(async_view, more="more")


def run_here(view):
    """Makes a sync view of an async one."""

    @wraps(view)
    def run(request):
        return async_to_sync(view)(request)

    return run


made_sync = run_here(async_view)


class Marked:
    def __init__(self):
        markcoroutinefunction(self)

    async def __call__(self, request):
        return said(request)


marked_object = Marked()
exempt_view = csrf_exempt(async_view)


@interface("wsgi")
async def async_in_thread(request):
    return said(request)


@interface("asgi")
def sync_on_loop(request):
    return said(request)


@interface("asgi")
class ForcedClass(View):
    def get(self, request):
        return said(request)


@method_decorator(interface("wsgi"), name="dispatch")
class ForcedDispatch(View):
    async def get(self, request):
        return said(request)


def pieces():
    for number in range(20):
        yield f"piece {number}\n" * 50


async def async_pieces():
    for piece in pieces():
        await asyncio.sleep(0)
        yield piece


def stream_sync(request):
    return StreamingHttpResponse(pieces())


async def stream_async(request):
    return StreamingHttpResponse(async_pieces())


def stream_async_from_sync(request):
    return StreamingHttpResponse(async_pieces())


async def stream_sync_from_async(request):
    return StreamingHttpResponse(pieces())


@csrf_exempt
def upload(request):
    files = {
        name: [file.name, file.size, hashlib.sha256(file.read()).hexdigest()]
        for name, file in request.FILES.items()
    }
    return JsonResponse({"fields": request.POST.dict(), "files": files})


@csrf_exempt
async def upload_async(request):
    return upload(request)


def facts(request):
    return JsonResponse(
        {
            "method": request.method,
            "is_secure": request.is_secure(),
            "host": request.get_host(),
            "uri": request.build_absolute_uri(),
            "path": request.path,
            "path_info": request.path_info,
            "script": request.META["SCRIPT_NAME"],
            "get": request.GET.dict(),
            "address": request.META["REMOTE_ADDR"],
            "agent": request.META.get("HTTP_USER_AGENT", ""),
            "cookies": request.COOKIES,
            "body": request.body.decode(),
        }
    )


async def facts_async(request):
    return facts(request)


def broken(request):
    raise RuntimeError("broken on purpose")


async def broken_async(request):
    raise RuntimeError("broken on purpose")


def thread(request):
    return HttpResponse(threading.current_thread().name)


async def thread_async(request):
    return thread(request)


# Many that wait at once, and those that watch them.

changed = threading.Condition()
counts = Counter()
everybody = asyncio.Event()
loops = []


def count(what):
    with changed:
        counts[what] += 1
        changed.notify_all()


def until(what, number):
    with changed:
        return changed.wait_for(lambda: counts[what] >= number, DEADLINE)


async def wait(request):
    loops[:] = [asyncio.get_running_loop()]
    count("waiting")
    async with asyncio.timeout(DEADLINE):
        await everybody.wait()
    return HttpResponse("released")


def waiting(request):
    is_so = until("waiting", int(request.GET["number"]))
    return HttpResponse(f"{is_so} {counts['waiting']}")


def release(request):
    loops[0].call_soon_threadsafe(everybody.set)
    return HttpResponse("done")


async def gone(request):
    """Waits until its client has gone."""
    count("gone started")
    try:
        await asyncio.sleep(DEADLINE)
    except asyncio.CancelledError:
        count("gone")
        raise
    return HttpResponse("no client left")


def endless(request):
    """Continues until its client has gone."""

    def pieces():
        try:
            while True:
                yield "piece\n" * 1000
        finally:
            count("endless sync")

    return StreamingHttpResponse(pieces())


async def endless_async(request):
    async def pieces():
        try:
            while True:
                yield "piece\n" * 1000
        finally:
            count("endless async")

    return StreamingHttpResponse(pieces())


def gone_seen(request):
    what = request.GET["what"]
    return HttpResponse(str(until(what, int(request.GET.get("number", "1")))))


def signals(request):
    """How often the signals came, by handler; waits for as many as are expected."""
    for what, number in request.GET.items():
        until(what, int(number))
    return JsonResponse({key: value for key, value in counts.items() if key in request.GET})


def on_started(sender, **kwargs):
    count(f"started {sender.__name__}")


def on_finished(sender, **kwargs):
    count(f"finished {sender.__name__}")


request_started.connect(on_started)
request_finished.connect(on_finished)
