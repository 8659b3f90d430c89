"""From one interface to the other, under any server.

    WSGIToASGI(app)   an ASGI application that runs a WSGI application in threads
    ASGIToWSGI(app)   a WSGI application that runs an ASGI application on a loop of its own

They know the specifications only, not the server: Bascule itself calls each side directly, and
needs neither. They are for middleware of the other side, and for another server.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bascule.adapters.asgi_to_wsgi import ASGIToWSGI
    from bascule.adapters.wsgi_to_asgi import WSGIToASGI

__all__ = ["ASGIToWSGI", "WSGIToASGI"]

_HOMES = {
    "ASGIToWSGI": "bascule.adapters.asgi_to_wsgi",
    "WSGIToASGI": "bascule.adapters.wsgi_to_asgi",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'bascule.adapters' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
