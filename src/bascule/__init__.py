"""Bascule: one application server for WSGI and ASGI applications.

    serve(app, **options)   serve until a signal ends it
    Server                  the same, inside an event loop that is running
    Settings                all options, by the names of `bascule serve --help`
    websocket(request)      the WebSocket of a request, in a view that is called by WSGI
    adapters                WSGIToASGI and ASGIToWSGI, for middleware of the other interface

Imported lazily: workers need memory only for the parts that they use.
"""

from typing import TYPE_CHECKING

from bascule.speed import force_pure_if_asked

force_pure_if_asked()

if TYPE_CHECKING:
    from bascule import adapters
    from bascule.interfaces.wsgi.websocket_object import websocket
    from bascule.server import Server, serve
    from bascule.settings import Settings
    from bascule.version import __version__

__all__ = ["Server", "Settings", "__version__", "adapters", "serve", "websocket"]

_HOMES = {
    "Server": "bascule.server",
    "Settings": "bascule.settings",
    "__version__": "bascule.version",
    "serve": "bascule.server",
    "websocket": "bascule.interfaces.wsgi.websocket_object",
}


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name == "adapters":
        return import_module("bascule.adapters")
    if name not in _HOMES:
        raise AttributeError(f"module 'bascule' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
