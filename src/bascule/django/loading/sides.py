"""A Django project with both of its sides, ready to be served."""

import importlib.util
import logging
import os
from collections.abc import Callable
from functools import partial
from typing import Any

from bascule.directory import absolute
from bascule.django.handlers.choice import (
    built,
    can_stand_in,
    is_djangos,
    is_watched_djangos,
    with_lent_threads,
    with_quick_signals,
)
from bascule.django.handlers.executors import THREADS
from bascule.django.loading.collected import collected_files
from bascule.django.loading.configuration import load_settings_module
from bascule.django.loading.locate import VARIABLE, Project
from bascule.errors import BasculeError, StartupError, TargetError, UsageError
from bascule.interfaces.hybrid import Hybrid
from bascule.loading.detect import describe, detect_interface
from bascule.loading.locate import load_target
from bascule.loading.traces import startup_message
from bascule.types import ASGI3App, WSGIApp

logger = logging.getLogger("bascule.django")


def project(settings_module: str = "", app_dir: str = "", threads: int = THREADS) -> Hybrid:
    """The project for `bascule.serve(project("mysite.settings"))`, or for `bascule.Server`.

    settings_module: DJANGO_SETTINGS_MODULE of the environment where it is left out. app_dir: where
    its modules are looked for first. threads: how many the ASGI side has for synchronous code, at
    least one. The server's settings in BASCULE are not read: give them to `serve`, the threads
    of the WSGI side among it. Raises UsageError or StartupError.
    """
    module = settings_module or os.environ.get(VARIABLE, "")
    if not module:
        raise UsageError(f"name the settings module, or set {VARIABLE}")
    source = "argument" if settings_module else "environment"
    name = module.partition(".")[0]
    return load_project(Project(name, module, source, absolute(app_dir)), threads)


def load_project(project: Project, threads: int) -> Hybrid:
    """Set Django up and import the project. Raises UsageError or StartupError.

    threads: those of the ASGI side, which are not the WSGI side's; at least one.
    """
    settings = load_settings_module(project)
    set_up(project)
    return both_sides(project, settings, threads)


def both_sides(project: Project, settings: Any, threads: int) -> Hybrid:
    """Import the project, for which Django has been set up.

    threads: those of the ASGI side, which run what async views call synchronously; at least one.
    Raises UsageError or StartupError.
    """
    wsgi = wsgi_application(project, settings)
    target, own = own_asgi_application(project, settings)
    asgi = http_application(project, own, threads)
    # Django's own handler knows no WebSockets: their handshakes are requests to it.
    websocket = None if own is None or is_djangos(own) or is_watched_djangos(own) else own
    return Hybrid(
        name=project.name,
        framework="Django",
        wsgi=wsgi,
        asgi=asgi,
        websocket=websocket,
        websocket_target=target if websocket is not None else "",
        belongs_to_loop=belongs_to_loop(settings),
        static=collected_files(settings, wsgi, own),
    )


def set_up(project: Project) -> None:
    import django

    try:
        django.setup(set_prefix=False)
    except (Exception, SystemExit) as error:
        raise StartupError(startup_message(project.name, error)) from None


def wsgi_application(project: Project, settings: Any) -> WSGIApp:
    """The one of WSGI_APPLICATION, else Django's handler."""
    named = settings.WSGI_APPLICATION
    if named is None:
        from django.core.wsgi import get_wsgi_application

        label, app = project.name, built(project.name, get_wsgi_application)
    else:
        label, app = named, of_setting(project, "WSGI_APPLICATION", named)
        if detect_interface(app, "auto") != "wsgi":
            raise TargetError(
                f"WSGI_APPLICATION in {project.settings_module} is {named!r}, {describe(app)}, "
                "which is called by ASGI"
            )
    application: WSGIApp = with_quick_signals(app, label)
    return application


def own_asgi_application(project: Project, settings: Any) -> tuple[str, ASGI3App | None]:
    """Return the name and the application of ASGI_APPLICATION, else of the asgi module beside the
    settings or the URLconf."""
    named = getattr(settings, "ASGI_APPLICATION", None)
    if named is not None:
        app = of_setting(project, "ASGI_APPLICATION", named)
        return named.removesuffix(".application"), as_asgi3(project, named, app)
    for module in asgi_modules(project, settings):
        try:
            return module, as_asgi3(project, module, load_target(module, False, project.directory))
        except BasculeError as error:
            # No setting names it.
            logger.warning("%s is not used for WebSockets: %s", module, error)
    return "", None


def asgi_modules(project: Project, settings: Any) -> list[str]:
    """The asgi modules that `startproject` or its like may have made."""
    packages = [project.name, str(settings.ROOT_URLCONF).rpartition(".")[0]]
    names = [f"{package}.asgi" for package in dict.fromkeys(packages) if package]
    return [name for name in names if exists(name)]


def exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def as_asgi3(project: Project, named: str, app: Any) -> ASGI3App:
    interface = detect_interface(app, "auto")
    if interface == "wsgi":
        raise TargetError(
            f"ASGI_APPLICATION in {project.settings_module} is {named!r}, {describe(app)}, which "
            "is called by WSGI"
        )
    if interface == "asgi2":
        from bascule.interfaces.asgi.call import from_asgi2

        return from_asgi2(app)
    return app  # type: ignore[no-any-return]  # what an import gives


def of_setting(project: Project, setting: str, named: object) -> object:
    """Import what a setting names by a dotted path."""
    place = f"{setting} in {project.settings_module}"
    if not isinstance(named, str) or "." not in named:
        raise TargetError(f"{place} is {named!r}, not a path such as mysite.wsgi.application")
    module, _, attribute = named.rpartition(".")
    try:
        return load_target(f"{module}:{attribute}", False, project.directory)
    except TargetError as error:
        raise TargetError(f"{place} is {named!r}: {error}") from None


def http_application(project: Project, own: ASGI3App | None, threads: int) -> ASGI3App:
    """The ASGI side of requests: Django's handler without the cost of its middleware (`handler`),
    or the project's own kind of it, or what a tool has put in its place.

    The one place that says which handler that is. An application around it (ProtocolTypeRouter,
    middleware of ASGI) has the WebSockets alone: requests that go past the WSGI side could not go
    through it anyway.
    """
    from django.core import asgi
    from django.core.handlers.asgi import ASGIHandler

    is_more = own is not None and is_djangos(own) and type(own) is not ASGIHandler
    if not is_more and can_stand_in():
        from bascule.django.handlers.asgi import get_asgi_application

        application: ASGI3App = built(project.name, partial(get_asgi_application, threads))
        return application
    if own is None or not is_djangos(own):
        # The function, which a tool may have replaced, and not the class.
        own = built(project.name, asgi.get_asgi_application)
    lent: ASGI3App = with_lent_threads(own, project.name, threads)
    return lent


def belongs_to_loop(settings: Any) -> Callable[[str], bool]:
    """Read the URLconf, which imports the views."""
    from bascule.django.routing.routes import Router

    try:
        return Router().belongs_to_loop
    except BasculeError:
        raise
    except (Exception, SystemExit) as error:
        label = f"ROOT_URLCONF {settings.ROOT_URLCONF}"
        raise StartupError(startup_message(label, error)) from None
