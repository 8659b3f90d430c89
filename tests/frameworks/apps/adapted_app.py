"""The other apps through the adapters, inside middleware of the other interface."""

from collections.abc import Iterable
from typing import Any

import django_app
import flask_app
import starlette_app
from starlette.middleware.gzip import GZipMiddleware

from bascule.adapters import ASGIToWSGI, WSGIToASGI


class AddField:
    """A WSGI middleware, for what may be wrapped in one."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        def started(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, [*headers, ("X-Wrapped", "yes")], exc_info)

        return self.app(environ, started)


flask = GZipMiddleware(WSGIToASGI(flask_app.app), minimum_size=10**9)
starlette = AddField(ASGIToWSGI(starlette_app.app))
django_wsgi = WSGIToASGI(django_app.wsgi)
django_asgi = ASGIToWSGI(django_app.asgi)
