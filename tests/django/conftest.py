"""A project whose manage.py has Bascule's commands."""

from pathlib import Path

import pytest
from manage_site import MANAGE, write

SETTINGS = """
    SECRET_KEY = "x"
    DEBUG = True
    ALLOWED_HOSTS = []
    INSTALLED_APPS = ["bascule.django", "shop", "django.contrib.staticfiles"]
    ROOT_URLCONF = "shop.urls"
    STATIC_URL = "static/"
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
"""
URLS = """
    from django.urls import path, re_path

    from shop import views

    urlpatterns = [
        path("", views.index),
        path("async/", views.on_the_loop),
        path("slow/", views.slow),
        path("slow/async/", views.slow_on_the_loop),
        path("told/", views.told),
        path("stream/", views.stream),
        re_path("^.*$", views.anything),
    ]
"""
VIEWS = """
    import asyncio
    import threading

    from asgiref.sync import sync_to_async
    from django.http import HttpResponse, StreamingHttpResponse

    order = []
    entered = threading.Event()
    leave = threading.Event()


    def side(request):
        return "loop" if hasattr(request, "scope") else "thread"


    def index(request):
        return HttpResponse(f"one {side(request)}")


    async def on_the_loop(request):
        return HttpResponse(f"one {side(request)}")


    async def anything(request):
        return HttpResponse("anything", status=418)


    def work(name):
        order.append(f"{name} in")
        print(f"{name} is in", flush=True)
        if name == "first":
            leave.wait(20)
        order.append(f"{name} out")


    def slow(request):
        work(request.GET["name"])
        return HttpResponse("done")


    async def slow_on_the_loop(request):
        await sync_to_async(work)(request.GET["name"])
        return HttpResponse("done")


    async def told(request):
        if "leave" in request.GET:
            leave.set()
        return HttpResponse(", ".join(order))


    async def stream(request):
        async def pieces():
            yield "begun"
            await asyncio.Event().wait()

        return StreamingHttpResponse(pieces())
"""
ASGI = """
    async def application(scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            print("lifespan has ended", flush=True)
            await send({"type": "lifespan.shutdown.complete"})
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            while (message := await receive())["type"] == "websocket.receive":
                await send({"type": "websocket.send", "text": f"echo {message['text']}"})
"""
MODELS = """
    from django.db import models


    class Thing(models.Model):
        id = models.AutoField(primary_key=True)
"""
MIGRATION = """
    from django.db import migrations, models


    class Migration(migrations.Migration):
        initial = True
        operations = [
            migrations.CreateModel("Thing", [("id", models.AutoField(primary_key=True))]),
        ]
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The directory of the project `shop`, which is an app of its own as well."""
    write(tmp_path / "manage.py", MANAGE)
    write(tmp_path / "shop/__init__.py", "")
    write(tmp_path / "shop/settings.py", SETTINGS)
    write(tmp_path / "shop/urls.py", URLS)
    write(tmp_path / "shop/views.py", VIEWS)
    write(tmp_path / "shop/asgi.py", ASGI)
    write(tmp_path / "shop/models.py", MODELS)
    write(tmp_path / "shop/migrations/__init__.py", "")
    write(tmp_path / "shop/migrations/0001_initial.py", MIGRATION)
    write(tmp_path / "shop/static/shop/style.css", "body { color: black }")
    return tmp_path
