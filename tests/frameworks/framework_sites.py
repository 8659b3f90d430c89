"""The apps of the folder apps/, and what it takes to talk to one that is served."""

from dataclasses import dataclass
from pathlib import Path

from support.http import RawClient, Response, exchange
from support.server import Server

APPS = Path(__file__).parent / "apps"


@dataclass(frozen=True)
class Framework:
    """One app of the folder apps/.

    asgi: it is served by ASGI, else by WSGI.
    has_background: it can run code after the response (BackgroundTask).
    """

    name: str
    target: str
    asgi: bool
    has_background: bool = False


FRAMEWORKS = (
    Framework("starlette", "starlette_app:app", asgi=True, has_background=True),
    Framework("fastapi", "fastapi_app:app", asgi=True, has_background=True),
    Framework("flask", "flask_app:app", asgi=False),
    Framework("django-wsgi", "django_app:wsgi", asgi=False),
    Framework("django-asgi", "django_app:asgi", asgi=True),
    # Through the adapters.
    Framework("flask-by-asgi", "adapted_app:flask", asgi=True),
    Framework("starlette-by-wsgi", "adapted_app:starlette", asgi=False, has_background=True),
    Framework("django-wsgi-by-asgi", "adapted_app:django_wsgi", asgi=True),
    Framework("django-asgi-by-wsgi", "adapted_app:django_asgi", asgi=False),
)


class Site:
    """A framework's app, served."""

    def __init__(self, framework: Framework, server: Server) -> None:
        self.framework = framework
        self.server = server

    def get(self, target: str, *headers: tuple[str, str]) -> Response:
        return exchange(self.server.port, "GET", target, headers)

    def post(self, target: str, body: bytes, *headers: tuple[str, str]) -> Response:
        return exchange(self.server.port, "POST", target, headers, body)

    def connect(self) -> RawClient:
        return RawClient(self.server.port)

    def assert_healthy(self) -> None:
        """The process is the same one and answers."""
        assert self.server.process.poll() is None
        assert self.get("/query?a=1").status == 200
