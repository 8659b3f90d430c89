"""Which interface an application speaks, told by how it can be called.

    WSGI      app(environ, start_response)            PEP 3333
    ASGI 3    await app(scope, receive, send)         ASGI specification 3.0
    ASGI 2    await app(scope)(receive, send)         ASGI specification 2.0

The number of positional arguments decides, helped by `async` and by the names of parameters where
a signature takes several numbers. Nothing is called to find out. One argument alone is not enough
for ASGI 2, because the view of any framework takes one as well.
"""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from bascule.errors import TargetError

Interface = Literal["asgi3", "asgi2", "wsgi"]
ENVIRON_NAMES = ("environ", "env")
SHAPES = "WSGI takes (environ, start_response), ASGI takes (scope, receive, send)"


def detect_interface(app: object, override: str) -> Interface:
    """Return how to call `app`: as `override` says, or for "auto" as it looks.

    Raises TargetError when it cannot be told, with what was seen and how to say it.
    """
    if override in ("asgi", "asgi3"):
        return "asgi3"
    if override == "asgi2":
        return "asgi2"
    if override == "wsgi":
        return "wsgi"
    interface = guess_interface(app) if callable(app) else None
    if interface is None:
        raise TargetError(
            f"cannot tell how {describe(app)} is called: {SHAPES}.\n"
            "If it is one of them, say which: --interface wsgi or --interface asgi3"
        )
    return interface


def guess_interface(app: Callable[..., Any]) -> Interface | None:
    """Return the interface that a callable seems to speak, or None."""
    # asgiref marks the callables that it made or wrapped, whatever they look like.
    if getattr(app, "_asgi_single_callable", False):
        return "asgi3"
    if getattr(app, "_asgi_double_callable", False):
        return "asgi2"
    signature = signature_of(app)
    if signature is None:
        return None
    if is_async(app):
        return "asgi3" if accepts(signature, 3) else None
    return _by_arguments(app, signature)


def _by_arguments(app: object, signature: inspect.Signature) -> Interface | None:
    first = next(iter(signature.parameters), "")
    if first == "scope":
        return "asgi3" if accepts(signature, 3) else "asgi2" if accepts(signature, 1) else None
    if first in ENVIRON_NAMES and accepts(signature, 2):
        return "wsgi"
    needed = required(signature)
    if needed == 3 or (needed == 2 and accepts(signature, 2)):
        return "asgi3" if needed == 3 else "wsgi"
    return "asgi2" if needed == 1 and _instances_take_receive_and_send(app) else None


def _instances_take_receive_and_send(app: object) -> bool:
    if not isinstance(app, type):
        return False
    call = getattr(app, "__call__", None)  # noqa: B004  the method of its instances is wanted
    return inspect.iscoroutinefunction(call) and accepts(inspect.signature(call), 3)


def signature_of(app: Callable[..., Any]) -> inspect.Signature | None:
    """Return the signature, or None where Python does not know it.

    A wrapper's own parameters count, since a decorator may turn one interface into another; those
    of the wrapped function only where the wrapper takes anything.
    """
    try:
        own = inspect.signature(app, follow_wrapped=False)
        return inspect.signature(app) if takes_anything(own) else own
    except (TypeError, ValueError):
        return None


def takes_anything(signature: inspect.Signature) -> bool:
    """Whether the signature is (*args) or (*args, **kwargs)."""
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    return kinds[:1] == [inspect.Parameter.VAR_POSITIONAL]


def accepts(signature: inspect.Signature, count: int) -> bool:
    """Whether `count` positional arguments can be given."""
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def required(signature: inspect.Signature) -> int:
    """Return how many positional arguments must be given."""
    return sum(
        parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        for parameter in signature.parameters.values()
    )


def is_async(app: object) -> bool:
    """Whether it is an async function, or an object with an async __call__."""
    while isinstance(app, partial):
        app = app.func
    if isinstance(app, type):
        return False
    call = getattr(type(app), "__call__", None)  # noqa: B004  the method itself is wanted
    return inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(call)


def takes_nothing(app: object) -> bool:
    """Whether it is a function or a class that is called without arguments, as factories are."""
    if not isinstance(app, type) and not inspect.isroutine(app):
        return False
    signature = signature_of(app)
    if signature is None or takes_anything(signature) or not accepts(signature, 0):
        return False
    first = next(iter(signature.parameters), "")
    return first not in ("scope", *ENVIRON_NAMES)


def needs_arguments(factory: Callable[..., Any]) -> bool:
    """Whether it surely cannot be called without arguments."""
    signature = signature_of(factory)
    return signature is not None and not accepts(signature, 0)


def describe(thing: object) -> str:
    """Name a thing for a message: "the function create_app(config)", "an object of Flask"..."""
    kind = type(thing)
    if isinstance(thing, type):
        return f"the class {thing.__name__}"
    if inspect.isroutine(thing):
        signature = signature_of(thing)
        word = "async function" if inspect.iscoroutinefunction(thing) else "function"
        return f"the {word} {thing.__name__}{signature if signature is not None else ''}"
    if inspect.ismodule(thing):
        return f"the module {thing.__name__}"
    return f"an object of the type {kind.__module__}.{kind.__qualname__}".replace("builtins.", "")
