"""Views of every kind, by the name of their path."""

import asyncio
import io
import threading

from asgiref.sync import async_to_sync, sync_to_async
from django.contrib import messages
from django.contrib.auth import alogin, authenticate, login, logout
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.db import connection, transaction
from django.http import (
    FileResponse,
    Http404,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.template.response import TemplateResponse
from django.utils import translation
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

VIEWS = {}


def view(function):
    VIEWS[function.__name__] = function
    return function


def missing_page(request, exception):
    return HttpResponse(f"nothing at {request.path}", status=404)


def shown(request, **more):
    match = request.resolver_match
    return JsonResponse(
        {
            "method": request.method,
            "path": request.path,
            "query": request.GET.urlencode(),
            "route": match.route,
            "language": translation.get_language(),
            **more,
        }
    )


@view
def sync(request):
    return shown(request)


@view
async def asynchronous(request):
    return shown(request)


@view
async def waiting(request):
    await asyncio.sleep(0.001)
    return shown(request)


class Based(View):
    def get(self, request):
        return shown(request, kind="based")

    @method_decorator(csrf_exempt)
    def dispatch(self, request, *args, **kwargs):
        return super().dispatch(request, *args, **kwargs)

    def post(self, request):
        return shown(request, posted=sorted(request.POST.items()))


class AsyncBased(View):
    async def get(self, request):
        return shown(request, kind="async based")


VIEWS["based"] = Based.as_view()
VIEWS["async_based"] = AsyncBased.as_view()

RAISED = {
    "crash": RuntimeError,
    "absent": Http404,
    "forbidden": PermissionDenied,
    "bad": BadRequest,
    "suspicious": SuspiciousOperation,
}


def make_raising(name, error):
    def synchronous(request):
        raise error(f"on purpose: {name}")

    async def asynchronous(request):
        raise error(f"on purpose: {name}")

    VIEWS[name] = synchronous
    VIEWS[f"async_{name}"] = asynchronous


for _name, _error in RAISED.items():
    make_raising(_name, _error)


@view
def none(request):
    return None


@view
async def async_none(request):
    return None


@view
def template(request):
    return TemplateResponse(request, "page.html", {"title": "sync"})


@view
async def async_template(request):
    return TemplateResponse(request, "page.html", {"title": "async"})


class Broken:
    @property
    def here(self):
        raise RuntimeError("broken on purpose")


@view
async def broken_template(request):
    return TemplateResponse(request, "broken.html", {"title": "", "broken": Broken()})


@view
def redirect(request):
    return HttpResponseRedirect("/sync/")


@view
def large(request):
    return HttpResponse(b"0123456789" * 20_000)


@view
async def cookies(request):
    response = shown(request, sent=sorted(request.COOKIES.items()))
    response.set_cookie("plain", "value")
    response.set_cookie("more", "other", max_age=60, httponly=True, samesite="Lax")
    response.delete_cookie("gone")
    return response


@view
def sync_stream(request):
    return StreamingHttpResponse(f"{number}\n" for number in range(5))


@view
async def async_stream(request):
    async def pieces():
        for number in range(5):
            yield f"{number}\n"
            await asyncio.sleep(0)

    return StreamingHttpResponse(pieces())


@view
async def broken_stream(request):
    async def pieces():
        yield "first"
        raise RuntimeError("broken on purpose")

    return StreamingHttpResponse(pieces())


@view
def file(request):
    return FileResponse(io.BytesIO(b"abc" * 50_000), filename="abc.bin")


@view
@csrf_exempt
def upload(request):
    files = [
        (name, upload.name, upload.size, upload.read(20).decode())
        for name, upload in sorted(request.FILES.items())
    ]
    return shown(request, posted=sorted(request.POST.items()), files=files)


@view
@csrf_exempt
async def body(request):
    return shown(request, length=len(request.body))


@view
def form(request):
    if request.method == "POST":
        return shown(request, posted=request.POST.get("name"))
    return TemplateResponse(request, "form.html", {"title": ""})


@view
async def async_form(request):
    return shown(request, posted=request.POST.get("name"))


# Sessions.


@view
def session_read(request):
    return shown(request, count=request.session.get("count"))


@view
def session_write(request):
    request.session["count"] = request.session.get("count", 0) + 1
    return shown(request, count=request.session["count"])


@view
async def async_session_read(request):
    return shown(request, count=await request.session.aget("count"))


@view
async def async_session_write(request):
    count = await request.session.aget("count", 0)
    await request.session.aset("count", count + 1)
    return shown(request, count=count + 1)


@view
def session_flush(request):
    request.session.flush()
    return shown(request)


@view
async def async_session_flush(request):
    await request.session.aflush()
    return shown(request)


@view
def session_crash(request):
    request.session["count"] = -1
    raise RuntimeError("on purpose, with a session")


@view
def session_error(request):
    request.session["count"] = -1
    return HttpResponse("", status=503)


@view
def expiring(request):
    request.session["count"] = 7
    request.session.set_expiry(0)
    return shown(request)


# Messages and users.


@view
def message_add(request):
    messages.info(request, "remember this")
    return shown(request)


@view
async def async_message_add(request):
    messages.info(request, "remember that")
    return shown(request)


@view
def message_much(request):
    for number in range(30):
        messages.info(request, f"{number}" * 100)
    return shown(request)


@view
def message_show(request):
    return TemplateResponse(request, "page.html", {"title": "messages"})


@view
@csrf_exempt
def sign_in(request):
    login(request, authenticate(request, username="ann", password="secret"))
    return shown(request)


@view
@csrf_exempt
async def async_sign_in(request):
    await alogin(request, await User.objects.aget(username="ann"))
    return shown(request)


@view
def sign_out(request):
    logout(request)
    return shown(request)


@view
@login_required
def private(request):
    return shown(request, user=request.user.username)


@view
async def who(request):
    user = await request.auser()
    return shown(request, user=user.get_username())


# The database.


@view
def users(request):
    return shown(request, users=User.objects.count())


@view
async def async_users(request):
    return shown(request, users=[user.username async for user in User.objects.all()])


@view
def atomic(request):
    return shown(request, atomic=connection.in_atomic_block)


@view
@transaction.non_atomic_requests
async def async_not_atomic(request):
    return shown(request, atomic=False)


@view
def nested(request):
    """Back to the loop, and from there to this thread again."""
    here = threading.get_ident()

    async def on_loop():
        return await sync_to_async(threading.get_ident)()

    return shown(request, same=async_to_sync(on_loop)() == here, users=User.objects.count())


@view
async def two_hops(request):
    first = await sync_to_async(threading.get_ident)()
    second = await sync_to_async(threading.get_ident)()
    return shown(request, same=first == second)
