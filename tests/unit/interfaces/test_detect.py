"""Which interface an application speaks, for the shapes that applications come in."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.compatibility import guarantee_single_callable
from asgiref.wsgi import WsgiToAsgi
from django.core.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint

from bascule.errors import TargetError
from bascule.interfaces.detect import describe, guess_interface, takes_nothing
from bascule.interfaces.locate import detect_interface


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
    ],
)
def test_asgi3(app: object) -> None:
    assert detect_interface(app, "auto") == "asgi3"


@pytest.mark.parametrize("app", [asgi2, Asgi2Class, Asgi2ClassOfOtherNames])
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


@pytest.mark.parametrize(
    "app",
    [view, four, anything, environ_alone, scope_and_more, Sized, 3, "text", dict, print],
)
def test_what_cannot_be_told(app: object) -> None:
    with pytest.raises(TargetError) as caught:
        detect_interface(app, "auto")
    message = str(caught.value)
    assert message.startswith(f"cannot tell how {describe(app)} is called: WSGI takes")
    assert "--interface wsgi or --interface asgi3" in message


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
    ],
)
def test_describe(thing: object, text: str) -> None:
    assert describe(thing) == text
