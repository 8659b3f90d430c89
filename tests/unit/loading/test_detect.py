"""Which interface an application speaks, for the shapes that applications come in."""

import functools
from collections.abc import Callable
from typing import Any
from unittest.mock import MagicMock

import bottle
import falcon
import falcon.asgi
import pytest
import wrapt
from asgiref.compatibility import guarantee_single_callable
from asgiref.wsgi import WsgiToAsgi
from django.core.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from fastapi import FastAPI
from flask import Flask
from sentry_sdk.integrations.asgi import SentryAsgiMiddleware
from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware.cors import CORSMiddleware
from werkzeug.local import LocalProxy
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Request, Response

from bascule.errors import TargetError
from bascule.loading.detect import describe, guess_interface, takes_nothing
from bascule.loading.locate import detect_interface


async def asgi3(scope: Any, receive: Any, send: Any) -> None: ...


def asgi3_returning_a_coroutine(scope: Any, receive: Any, send: Any) -> Any: ...


async def asgi3_with_more(scope: Any, receive: Any, send: Any, extra: int = 0) -> None: ...


async def asgi3_anything(*args: Any, **kwargs: Any) -> None: ...


def asgi3_with_defaults(scope: Any, receive: Any = None, send: Any = None) -> Any: ...


def asgi2(scope: Any) -> Any: ...


def wsgi(environ: Any, start_response: Any) -> Any: ...


def wsgi_other_names(e: Any, s: Any) -> Any: ...


def wsgi_with_more(environ: Any, start_response: Any, extra: int = 0) -> Any: ...


def wsgi_with_defaults(environ: Any = None, start_response: Any = None) -> Any: ...


def anything(*args: Any, **kwargs: Any) -> Any: ...


class WsgiObject:
    def __call__(self, environ: Any, start_response: Any) -> Any: ...

    def method(self, environ: Any, start_response: Any) -> Any: ...

    @staticmethod
    async def static(scope: Any, receive: Any, send: Any) -> None: ...


class WsgiClass:
    def __init__(self, environ: Any, start_response: Any) -> None: ...

    def __iter__(self) -> Any: ...


class Asgi3Object:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class Asgi2Class:
    def __init__(self, scope: Any) -> None: ...

    async def __call__(self, receive: Any, send: Any) -> None: ...


class Asgi2ClassOfOtherNames:
    def __init__(self, connection: Any) -> None: ...

    async def __call__(self, receive: Any, send: Any) -> None: ...


class Endpoint:
    def __init__(self, s: Any, r: Any, t: Any) -> None: ...

    def __await__(self) -> Any: ...


def plainly_wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def to_asgi(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def wrapper(scope: Any, receive: Any, send: Any) -> None: ...

    return wrapper


def to_wsgi(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(environ: Any, start_response: Any) -> Any: ...

    return wrapper


def watch(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    return wrapped(*args, **kwargs)


def watched(app: Any) -> Any:
    """As newrelic.agent.WSGIApplicationWrapper and ASGIApplicationWrapper do it."""
    return wrapt.FunctionWrapper(app, watch)


watched_function = wrapt.decorator(watch)


class AsyncOfAnything:
    async def __call__(self, *args: Any) -> None: ...


class Forwarding:
    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.app(*args, **kwargs)


class Transparent:
    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @property
    def __wrapped__(self) -> Any:
        return self._inner

    def __call__(self, *args: Any) -> Any:
        return self._inner(*args)


class DecoratedMethod:
    """As sentry-sdk makes Django's handlers."""

    @plainly_wrapped
    @plainly_wrapped
    def __call__(self, environ: Any, start_response: Any) -> Any: ...


class WatchedMethod:
    @watched_function
    def __call__(self, environ: Any, start_response: Any) -> Any: ...


class DecoratedAsyncMethod:
    @plainly_wrapped
    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any: ...


class CallOfProperty:
    @property
    def __call__(self) -> Any:
        return wsgi


class ItsOwnInside:
    @property
    def app(self) -> Any:
        return functools.partial(self)

    def __call__(self, *args: Any) -> Any: ...


def of_a_class(self: Any, environ: Any, start_response: Any) -> Any: ...


class CoroutineOfMethod:
    def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        return Asgi3Object()(scope, receive, send)


async def with_configuration(settings: Any, scope: Any, receive: Any, send: Any) -> None: ...


@pytest.mark.parametrize(
    "app",
    [
        asgi3,
        asgi3_returning_a_coroutine,
        asgi3_with_more,
        asgi3_anything,
        asgi3_with_defaults,
        Asgi3Object(),
        Asgi3Object().__call__,
        WsgiObject.static,
        Endpoint,
        HTTPEndpoint,
        functools.partial(with_configuration, {}),
        functools.partial(Asgi3Object()),
        plainly_wrapped(asgi3),
        to_asgi(wsgi),
        guarantee_single_callable(Asgi2Class),
        WsgiToAsgi(wsgi),
        Starlette(),
        FastAPI(),
        ASGIHandler.__new__(ASGIHandler),
        CoroutineOfMethod(),
        DecoratedAsyncMethod(),
        AsyncOfAnything(),
        functools.wraps(AsyncOfAnything())(lambda *args: None),
        functools.partial(Starlette()),
        CORSMiddleware(Starlette()),
        SentryAsgiMiddleware(FastAPI()),
        watched(FastAPI()),
        watched(watched(FastAPI())),
        watched(SentryAsgiMiddleware(FastAPI())),
        watched(AsyncOfAnything()),
        watched(asgi3),
        watched(functools.partial(with_configuration, {})),
        watched_function(asgi3),
        functools.partial(watched(with_configuration), {}),
        wrapt.CallableObjectProxy(FastAPI()),
        functools.partial(SentryAsgiMiddleware(FastAPI())),
        Forwarding(FastAPI()),
        Transparent(FastAPI()),
        falcon.asgi.App(),
    ],
)
def test_asgi3(app: object) -> None:
    assert detect_interface(app, "auto") == "asgi3"


@pytest.mark.parametrize(
    "app",
    [
        asgi2,
        Asgi2Class,
        Asgi2ClassOfOtherNames,
        watched(asgi2),
        watched(Asgi2Class),
        SentryAsgiMiddleware(Asgi2Class),
    ],
)
def test_asgi2(app: object) -> None:
    assert detect_interface(app, "auto") == "asgi2"


@pytest.mark.parametrize(
    "app",
    [
        wsgi,
        wsgi_other_names,
        wsgi_with_more,
        wsgi_with_defaults,
        WsgiObject(),
        WsgiObject().method,
        WsgiClass,
        plainly_wrapped(wsgi),
        to_wsgi(asgi3),
        functools.partial(lambda settings, environ, start_response: [], {}),
        Flask("x"),
        Flask("x").wsgi_app,
        WSGIHandler.__new__(WSGIHandler),
        CallOfProperty(),
        DecoratedMethod(),
        WatchedMethod(),
        ProxyFix(Flask("x")),
        DispatcherMiddleware(Flask("x"), {"/two": Flask("y")}),
        SentryWsgiMiddleware(Flask("x")),
        watched(Flask("x")),
        watched(Flask("x").wsgi_app),
        watched(ProxyFix(watched(Flask("x")))),
        watched_function(wsgi),
        functools.partial(watched(Flask("x"))),
        functools.partial(watched(of_a_class), None),
        wrapt.CallableObjectProxy(Flask("x")),
        wrapt.PartialCallableObjectProxy(Flask("x")),
        Forwarding(Flask("x")),
        Transparent(Flask("x")),
        bottle.Bottle(),
        Request.application(lambda request: Response()),
        falcon.App(),
    ],
)
def test_wsgi(app: object) -> None:
    assert detect_interface(app, "auto") == "wsgi"


def test_marks_of_asgiref() -> None:
    def marked(*args: Any) -> Any: ...

    marked._asgi_single_callable = True  # type: ignore[attr-defined]
    assert guess_interface(marked) == "asgi3"

    def double(*args: Any) -> Any: ...

    double._asgi_double_callable = True  # type: ignore[attr-defined]
    assert guess_interface(double) == "asgi2"


async def view(request: Any) -> None: ...


def four(a: Any, b: Any, c: Any, d: Any) -> Any: ...


def environ_alone(environ: Any) -> Any: ...


def scope_and_more(scope: Any, receive: Any, *, send: Any) -> Any: ...


class Sized:
    def __init__(self, size: int) -> None: ...


class Unlike:
    """Every attribute raises, `__class__` included."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __call__(self, *args: Any) -> Any: ...


def nobody_there() -> Any:
    raise RuntimeError("working outside of application context")


@pytest.mark.parametrize(
    "app",
    [
        view,
        four,
        anything,
        environ_alone,
        scope_and_more,
        Sized,
        3,
        "text",
        dict,
        print,
        watched(view),
        watched(Sized),
        watched(anything),
        wrapt.ObjectProxy(Flask("x")),
        functools.partial(anything, 1),
        functools.partial(watched(anything)),
        functools.wraps(view)(lambda *args: None),
        ItsOwnInside(),
        MagicMock(),
        LocalProxy(lambda: Flask("x")),
    ],
)
def test_what_cannot_be_told(app: object) -> None:
    with pytest.raises(TargetError) as caught:
        detect_interface(app, "auto")
    message = str(caught.value)
    assert message.startswith(f"cannot tell how {describe(app)} is called: WSGI takes")
    assert "--interface wsgi or --interface asgi3" in message


@pytest.mark.parametrize("make", [Unlike, lambda: LocalProxy(nobody_there)])
def test_attributes_that_raise(make: Callable[[], Any]) -> None:
    app = make()
    assert guess_interface(app) is None
    assert not takes_nothing(app)
    with pytest.raises(
        TargetError, match=r"cannot tell how an object of the type [\w. ]+ is called"
    ):
        detect_interface(app, "auto")


@pytest.mark.parametrize(
    ("word", "interface"),
    [("asgi", "asgi3"), ("asgi3", "asgi3"), ("asgi2", "asgi2"), ("wsgi", "wsgi")],
)
def test_override(word: str, interface: str) -> None:
    assert detect_interface(anything, word) == interface


class PlainClass:
    def __call__(self, environ: Any, start_response: Any) -> Any: ...


def create_app(config: Any = None, debug: bool = False) -> Any: ...


def needs_keyword(*, config: Any) -> Any: ...


@pytest.mark.parametrize(
    ("thing", "answer"),
    [
        (lambda: None, True),
        (create_app, True),
        (PlainClass, True),
        (PlainClass(), False),
        (wsgi, False),
        (asgi3, False),
        (wsgi_with_defaults, False),
        (needs_keyword, False),
        (anything, False),
        (3, False),
        (print, False),
        (dict, False),
        (functools.partial(create_app, {}), True),
        (functools.partial(Flask("x")), False),
        (watched(create_app), True),
        (watched(Flask("x")), False),
    ],
)
def test_takes_nothing(thing: object, answer: bool) -> None:
    assert takes_nothing(thing) is answer


@pytest.mark.parametrize(
    ("thing", "text"),
    [
        (create_app, "the function create_app(config: Any = None, debug: bool = False) -> Any"),
        (view, "the async function view(request: Any) -> None"),
        (dict.fromkeys, "the function fromkeys(iterable, value=None, /)"),
        (getattr, "the function getattr"),
        (PlainClass, "the class PlainClass"),
        (functools, "the module functools"),
        ("text", "an object of the type str"),
        (Flask("x"), "an object of the type flask.app.Flask"),
        (functools.partial(view), "an object of the type functools.partial around view"),
        (
            functools.partial(Flask("x")),
            "an object of the type functools.partial around one of flask.app.Flask",
        ),
        (
            Transparent(Flask("x")),
            f"an object of the type {__name__}.Transparent around one of flask.app.Flask",
        ),
    ],
)
def test_describe(thing: object, text: str) -> None:
    assert describe(thing) == text
