"""Which of Django's handlers are called by way of Bascule's own, which costs less.

Nothing of Django is imported before a function here is called: TARGETs are mostly something else.
"""

import logging
from collections.abc import Callable
from typing import Any

from bascule.django.handlers.originals import (
    has_known_attributes,
    is_of_module,
    is_original,
)
from bascule.errors import StartupError
from bascule.loading.detect import guess_interface, insides
from bascule.loading.traces import startup_message
from bascule.types import ASGI3App

logger = logging.getLogger("bascule.django")

# The first whose handler ours is made for.
OLDEST_DJANGO = (5, 2)
# The methods that our ASGI handler has instead of Django's.
OURS = ("__call__", "handle")


def can_stand_in() -> bool:
    """Whether no tool watches what our ASGI handler does in place of Django's."""
    from django.core import asgi
    from django.core.handlers.asgi import ASGIHandler
    from django.core.handlers.base import BaseHandler
    from django.utils.deprecation import MiddlewareMixin

    return (
        is_unchanged(ASGIHandler, *OURS)
        and is_original(BaseHandler, "load_middleware", "adapt_method_mode")
        and is_original(MiddlewareMixin, "__call__", "__acall__")
        and is_of_module(asgi.get_asgi_application, asgi.__name__)
    )


def as_served(app: Any, interface: str, label: str, threads: int) -> Any:
    """Return the application of a TARGET, with Django set up, as that interface serves it (`auto`
    for its own). Raises StartupError.

    label: its name in messages.
    threads: as of `with_lent_threads`.
    """
    if not callable(app):
        return app
    own = guess_interface(app)
    if own == "wsgi" and interface in ("auto", "wsgi"):
        return with_quick_signals(app, label)
    if own == "asgi3" and interface in ("auto", "asgi", "asgi3"):
        return with_lent_threads(app, label, threads)
    return app


def with_lent_threads(app: Any, label: str, threads: int) -> Any:
    """An ASGI application gets threads that last.

    Django's own handler becomes ours, which costs less; what is around one, or is more than it, is
    called with threads of ours (`threads`). Everything else, and what has such threads already, is
    returned as it is. label: as people call it. threads: how many. Raises StartupError.
    """
    from django.core.handlers.asgi import ASGIHandler

    from bascule.django.handlers.asgi import DjangoASGIApplication
    from bascule.django.handlers.threads import ThreadLender, can_lend, database_threads

    if isinstance(app, DjangoASGIApplication):
        return app
    if not can_lend():
        logger.debug("%s has Django's threads: asgiref is older than 3.13", label)
        return app
    is_plain = type(app) is ASGIHandler and not vars(app).keys() & set(OURS)
    if is_plain and can_stand_in():
        logger.debug("%s is Django's handler: Bascule's own is called instead", label)
        return built(label, lambda: DjangoASGIApplication(database_threads(threads)))
    logger.debug("%s is called with threads that last, at most %d", label, max(1, threads))
    return ThreadLender(app, database_threads(threads))


def with_quick_signals(app: Any, label: str) -> Any:
    """A WSGI application of a project for which Django is set up. Django's own handler is called
    with what its signals do done by ours, which costs less; everything else is returned as it is.
    label: as people call it."""
    from django.core.handlers.wsgi import WSGIHandler

    if type(app) is not WSGIHandler or not is_unchanged(WSGIHandler, "__call__"):
        return app
    from bascule.django.handlers.wsgi import DjangoWSGIApplication

    logger.debug("%s is Django's handler: what its signals do is done by Bascule", label)
    return DjangoWSGIApplication(app)


def is_unchanged(handler: type, *methods: str) -> bool:
    """Whether Django's handler is one that ours stands in for, with these methods as Django has
    made them."""
    import django

    return (
        django.VERSION >= OLDEST_DJANGO
        and is_original(handler, *methods)
        and has_known_attributes()
    )


def is_djangos(app: object) -> bool:
    from django.core.handlers.asgi import ASGIHandler

    return isinstance(app, ASGIHandler)


def is_watched_djangos(app: ASGI3App) -> bool:
    """Whether it is what a tool makes of Django's handler, in place of `get_asgi_application`."""
    from django.core import asgi

    if is_of_module(asgi.get_asgi_application, asgi.__name__):
        return False
    return any(is_djangos(inner) for inner in insides(app))


def built(label: str, factory: Callable[[], Any]) -> Any:
    """Django's handler; its middleware is imported."""
    try:
        return factory()
    except (Exception, SystemExit) as error:
        raise StartupError(startup_message(label, error)) from None
