"""A synchronous view on the ASGI side, when its request has passed its deadline."""

from pathlib import Path

from support.http import exchange
from support.server import running

SITE = """
import threading

from django.conf import settings
from django.http import HttpResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="x", MIDDLEWARE=[], DATABASES={}
)
released = threading.Event()


def wait(request):
    print("the view begins in", threading.current_thread().name)
    released.wait(20)
    print("the view has returned")
    return HttpResponse("too late")


async def release(request):
    released.set()
    return HttpResponse("released")


def thread(request):
    return HttpResponse(threading.current_thread().name)


urlpatterns = [path("wait", wait), path("release", release), path("thread", thread)]

from bascule.django.handler import get_asgi_application

application = get_asgi_application(threads=1)
"""


def test_the_task_is_cancelled_and_the_thread_comes_back_with_the_view(tmp_path: Path) -> None:
    (tmp_path / "slow_site.py").write_text(SITE)
    options = ("--interface", "asgi3", "--request-timeout", "0.5")
    with running("slow_site:application", *options, cwd=tmp_path) as server:
        assert exchange(server.port, "GET", "/wait").status == 504
        output = server.wait_for_output("GET /wait: no response within 0.5 s")
        assert "the view has returned" not in output
        # A request that needs the only thread has none, and is given up in its turn.
        assert exchange(server.port, "GET", "/thread").status == 504
        assert exchange(server.port, "GET", "/release").body == b"released"
        server.wait_for_output("the view has returned")
        assert exchange(server.port, "GET", "/thread").body.startswith(b"bascule-django")
        assert server.stop() == 0
        output = server.output()
    assert "Traceback" not in output
    assert "left behind" not in output
    assert "ASGI application" not in output
