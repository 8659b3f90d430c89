"""Which interface a view is called by."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, TypeVar

from asgiref.sync import iscoroutinefunction

V = TypeVar("V", bound=Callable[..., Any])
ViewInterface = Literal["asgi", "wsgi"]
SIDES = ("asgi", "wsgi")
ATTRIBUTE = "bascule_interface"
# Wrappers around wrappers that are looked through; a ring of them must not hang the server.
MOST_LAYERS = 100


def interface(side: ViewInterface) -> Callable[[V], V]:
    """Have a view called by ASGI, on the loop, or by WSGI, in a thread, whatever it looks like.

        @interface("wsgi")                                        a function
        @interface("asgi")                                        a class of views
        @method_decorator(interface("asgi"), name="dispatch")     the same, as Django does it

    The mark is a plain attribute: it survives every decorator that uses functools.wraps.
    """
    if side not in SIDES:
        raise ValueError(f'an interface is "asgi" or "wsgi", not {side!r}')

    def mark(view: V) -> V:
        setattr(view, ATTRIBUTE, side)
        return view

    return mark


def is_for_loop(view: Any) -> bool:
    """Whether a view, as a URLconf has it, is called on the loop.

    The mark of its author counts first, then the kind that Django sees. A decorator that makes a
    sync view of an async one makes one for a thread: Django, too, asks the outermost alone.
    """
    said = said_of(view)
    if said is not None:
        return said == "asgi"
    return bool(iscoroutinefunction(view))


def said_of(view: Any) -> str | None:
    """Return the mark of `interface` on a view, on its class, or on the callable that it wraps."""
    layer = view
    for _ in range(MOST_LAYERS):
        for marked in (layer, getattr(layer, "view_class", None)):
            said = getattr(marked, ATTRIBUTE, None)
            if said in SIDES:
                return str(said)
        inner = layer.func if isinstance(layer, partial) else getattr(layer, "__wrapped__", None)
        if inner is None:
            return None
        layer = inner
    return None
