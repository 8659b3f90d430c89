"""A Django project with WebSockets in synchronous views."""

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

import bascule

settings.configure(
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="for the tests alone",
)


def echo(request: HttpRequest) -> HttpResponse:
    ws = bascule.websocket(request)
    for message in ws:
        ws.send(message)
    return HttpResponse("not sent")


def refuse(request: HttpRequest) -> HttpResponse:
    bascule.websocket(request)
    return HttpResponse("members only", status=403)


def explain(request: HttpRequest) -> HttpResponse:
    """Why there is none."""
    try:
        bascule.websocket(request)
    except bascule.errors.UsageError as error:
        return HttpResponse(str(error))
    return HttpResponse("there is one")


urlpatterns = [path("echo", echo), path("refuse", refuse), path("explain", explain)]

wsgi = get_wsgi_application()
asgi = get_asgi_application()
