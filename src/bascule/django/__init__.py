"""Django projects, served by both interfaces.

    interface("asgi")   a view is called by this interface, whatever it looks like
    project()           the project as `bascule.serve` and `bascule.Server` take it

`bascule.django.handler` has Django's ASGI application without the cost of its middleware, for an
asgi.py.

Nothing is imported before it is asked for: views import the first, and few processes need both.
"""

import os
from typing import TYPE_CHECKING

from bascule.django.databases import close_databases
from bascule.django.time_zone import sets_time_zone
from bascule.registry import before_fork, own_code, sets_zone

if TYPE_CHECKING:
    from bascule.django.loading.sides import project
    from bascule.django.routing.views import interface

__all__ = ["interface", "project"]

# Calls of the project go through code of this package; its author is shown only the project's.
own_code.append(os.path.join(os.path.dirname(__file__), ""))
before_fork.append(close_databases)
sets_zone.append(sets_time_zone)

_HOMES = {"interface": "bascule.django.routing.views", "project": "bascule.django.loading.sides"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'bascule.django' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
