"""Which interface an application speaks, told by how it can be called.

    WSGI      app(environ, start_response)            PEP 3333
    ASGI 3    await app(scope, receive, send)         ASGI specification 3.0
    ASGI 2    await app(scope)(receive, send)         ASGI specification 2.0

The number of positional arguments decides, helped by `async` and by the names of parameters where
a signature takes several numbers. Nothing is called to find out. One argument alone is not enough
for ASGI 2, because the view of any framework takes one as well.

A wrapper that takes anything (a proxy, a decorator, middleware) speaks the interface of the object
that it wraps, so that object is inspected next. Proxies lie about their class and may raise from
any attribute, so attributes are read with `attribute`, and kinds of objects are recognized with
`is_a` and `seems`.
"""

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any, Literal, TypeGuard, TypeVar

from bascule.errors import TargetError

T = TypeVar("T")
InterfaceName = Literal["asgi3", "asgi2", "wsgi"]
ENVIRON_NAMES = ("environ", "env")
# Where a wrapper keeps what it wraps: by functools.wraps and wrapt, by habit, and as Dash does.
INSIDE = (
    *("__wrapped__", "app", "application", "_app", "_application", "wrapped", "_wrapped"),
    "server",
)
# Modules that make applications of functions of a request: werkzeug's Request.application, and
# webob's wsgify.
OF_REQUESTS: dict[object, InterfaceName] = {
    "werkzeug.wrappers.request": "wsgi",
    "webob.dec": "wsgi",
}
# Nested wrappers that are inspected: a mock has another one in each attribute.
DEEPEST = 10
SHAPES = "WSGI takes (environ, start_response), ASGI takes (scope, receive, send)"


def detect_interface(app: object, override: str) -> InterfaceName:
    """Return how to call `app`: as `override` says, or for "auto" as it looks.

    Raises TargetError if it cannot be detected; the message says what was found and what to type.
    """
    if override in ("asgi", "asgi3"):
        return "asgi3"
    if override == "asgi2":
        return "asgi2"
    if override == "wsgi":
        return "wsgi"
    interface = guess_interface(app) if callable(app) else None
    if interface is None:
        from bascule.loading.mistakes import what_instead

        raise TargetError(
            f"cannot tell how {describe(app)} is called: {SHAPES}.{what_instead(app)}\n"
            "If it is one of them, say which: --interface wsgi or --interface asgi3"
        )
    return interface


def guess_interface(app: Callable[..., Any], depth: int = 0) -> InterfaceName | None:
    """Return the interface that a callable seems to speak, or None.

    depth: how many wrappers it is inside of.
    """
    # asgiref marks the callables that it made or wrapped, whatever they look like.
    if attribute(app, "_asgi_single_callable") is True:
        return "asgi3"
    if attribute(app, "_asgi_double_callable") is True:
        return "asgi2"
    if (made := OF_REQUESTS.get(home_of(app))) is not None:
        return made
    own = own_signature(app)
    if own is not None and not takes_anything(own):
        if is_async(app):
            return "asgi3" if accepts(own, 3) else None
        return _by_arguments(app, own)
    is_wrapper = False
    for inner in insides(app) if depth < DEEPEST else ():
        is_wrapper = True
        found = guess_interface(inner, depth + 1)
        if found is not None:
            return "asgi3" if is_async(app) else found
    return "asgi3" if own is not None and is_async(app) and not is_wrapper else None


def insides(app: Any) -> Iterator[Callable[..., Any]]:
    """Yield the objects that a call of `app` may be passed on to, the most certain first."""
    if is_a(app, partial):
        for inner in insides(app.func):
            yield partial(inner, *app.args, **app.keywords)
        return
    if is_a(app, MethodType):
        for inner in insides(app.__func__):
            yield MethodType(inner, app.__self__)
        return
    if not is_a(app, type):
        call = attribute(type(app), "__call__")
        if not seems(inspect.isfunction, call):
            # A function that is kept with the instance, in a slot or behind a property.
            call = attribute(app, "__call__")
            if seems(inspect.isfunction, call) or seems(inspect.ismethod, call):
                yield call
        elif callable(inner := attribute(call, "__wrapped__")):
            # A class whose method has been decorated: sentry-sdk does it to Django's handlers.
            yield MethodType(inner, app)
    named = (attribute(app, name) for name in INSIDE)
    nearest = next((one for one in named if callable(one) and one is not app), None)
    if nearest is not None:
        yield nearest


def home_of(app: Any) -> object:
    """The module whose code a call runs first."""
    if is_a(app, FunctionType):
        # Its __module__ may be that of what it wraps.
        return app.__globals__.get("__name__")
    return type(app).__module__


def attribute(thing: object, name: str) -> Any:
    """An attribute; None where it is not there, or something of the application's raises."""
    try:
        return getattr(thing, name, None)
    except Exception:
        return None


def is_a(thing: object, kind: type[T]) -> TypeGuard[T]:
    """As isinstance, but a proxy is not an instance of what it stands for."""
    return issubclass(type(thing), kind)


def seems(question: Callable[[object], bool], thing: object) -> bool:
    """The answer of a function of `inspect`; no, where asking raises."""
    try:
        return question(thing)
    except Exception:
        return False


def _by_arguments(app: object, signature: inspect.Signature) -> InterfaceName | None:
    first = next(iter(signature.parameters), "")
    if first == "scope":
        return "asgi3" if accepts(signature, 3) else "asgi2" if accepts(signature, 1) else None
    if first in ENVIRON_NAMES and accepts(signature, 2):
        return "wsgi"
    if first == "request":
        # A view, which may have a second parameter of the path.
        return None
    needed = required(signature)
    if needed == 3 or (needed == 2 and accepts(signature, 2)):
        return "asgi3" if needed == 3 else "wsgi"
    return "asgi2" if needed == 1 and _instances_take_receive_and_send(app) else None


def _instances_take_receive_and_send(app: object) -> bool:
    if not is_a(app, type):
        return False
    call = attribute(app, "__call__")
    return inspect.iscoroutinefunction(call) and accepts(inspect.signature(call), 3)


def signature_of(app: Callable[..., Any]) -> inspect.Signature | None:
    """Return the signature, or None where Python does not know it.

    A wrapper's own parameters count, since a decorator may turn one interface into another; those
    of the wrapped function only where the wrapper takes anything.
    """
    own = own_signature(app)
    if own is None or not takes_anything(own):
        return own
    try:
        return inspect.signature(app)
    except Exception:
        return own


def own_signature(app: Callable[..., Any]) -> inspect.Signature | None:
    """The signature of the wrapper itself; None where Python does not know it."""
    try:
        return inspect.signature(app, follow_wrapped=False)
    except Exception:
        # TypeError and ValueError are Python's; a proxy may raise anything.
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


def is_async(app: Any) -> bool:
    """Whether it is an async function, or an object with an async __call__."""
    while is_a(app, partial):
        app = app.func
    if is_a(app, type):
        return False
    call = attribute(type(app), "__call__")
    return seems(inspect.iscoroutinefunction, app) or seems(inspect.iscoroutinefunction, call)


def takes_nothing(app: object) -> bool:
    """Whether it is a function or a class that is called without arguments, as factories are."""
    inner: Any = app
    while is_a(inner, partial):
        inner = inner.func
    if not callable(app) or not (is_a(inner, type) or seems(inspect.isroutine, inner)):
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


def describe(thing: Any) -> str:
    """Name a thing for a message: "the function create_app(config)", "an object of Flask"...

    It never raises, and shows a wrapper for what it is.
    """
    name = attribute(thing, "__name__")
    if isinstance(name, str):
        if is_a(thing, type):
            return f"the class {name}"
        if is_a(thing, ModuleType):
            return f"the module {name}"
        if seems(inspect.isroutine, thing):
            signature = signature_of(thing)
            word = "async function" if seems(inspect.iscoroutinefunction, thing) else "function"
            return f"the {word} {name}{signature if signature is not None else ''}"
    text = f"an object of the type {path_of(type(thing))}"
    inner = attribute(thing, "func" if is_a(thing, partial) else "__wrapped__")
    if inner is None or inner is thing:
        return text
    name = attribute(inner, "__name__")
    return f"{text} around {name if isinstance(name, str) else f'one of {path_of(type(inner))}'}"


def path_of(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
