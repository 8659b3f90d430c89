"""The parts of a project that can be examined without a request: its views, and its middleware as
each side would call it.

Nothing here is a judgement; those are in `checks`. Middleware is imported, but not made.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.urls import get_resolver
from django.utils.deprecation import MiddlewareMixin
from django.utils.module_loading import import_string

from bascule.django.handlers.builtin import never, rule_for
from bascule.django.routing.views import is_for_loop

# Includes within includes multiply; more would take as long as a start.
MOST_VIEWS = 10_000
HOOKS = ("process_request", "process_response")


@dataclass(frozen=True, slots=True)
class View:
    """One route's view, and its dotted name."""

    callback: Any
    name: str


def views() -> list[View]:
    """All views of the URLconf, each once. Raises what importing it raises."""
    found: dict[int, View] = {}
    for count, callback in enumerate(callbacks(get_resolver())):
        if count == MOST_VIEWS:
            break
        found.setdefault(id(callback), View(callback, name_of_view(callback)))
    return list(found.values())


def async_views() -> list[View]:
    """Return the views that the ASGI side calls."""
    return [view for view in views() if is_for_loop(view.callback)]


def callbacks(entry: Any) -> Iterator[Any]:
    below = getattr(entry, "url_patterns", None)
    if below is None:
        if callable(getattr(entry, "callback", None)):
            yield entry.callback
        return
    for one in below:
        yield from callbacks(one)


def name_of_view(callback: Any) -> str:
    """The dotted name of a function, or of the class of views."""
    named = getattr(callback, "view_class", None) or callback
    inner = getattr(named, "func", named)
    if not hasattr(inner, "__qualname__"):
        inner = type(inner)
    return f"{inner.__module__}.{inner.__qualname__}"


@dataclass(frozen=True, slots=True)
class Placed:
    """A middleware in the chain. path: its entry in MIDDLEWARE. is_async: whether it is called
    asynchronously there."""

    path: str
    factory: Any
    is_async: bool


def chain(is_async: bool) -> list[Placed]:
    """The middleware, the outermost first, as Django's handler of that side arranges it.

    The inner middleware decides: around a middleware that is called synchronously, all are called
    so that can be.
    Raises ImportError where an entry leads nowhere.
    """
    placed: list[Placed] = []
    for path in reversed(settings.MIDDLEWARE):
        factory = import_string(path)
        if is_async or not sync_capable(factory):
            is_async = async_capable(factory)
        placed.append(Placed(path, factory, is_async))
    return placed[::-1]


def sync_capable(factory: Any) -> bool:
    return bool(getattr(factory, "sync_capable", True))


def async_capable(factory: Any) -> bool:
    return bool(getattr(factory, "async_capable", False))


def stretches(placed: Sequence[Placed], is_async: bool) -> list[list[Placed]]:
    """The longest pieces of the chain that are called that way."""
    return [list(run) for way, run in groupby(placed, lambda one: one.is_async) if way is is_async]


@dataclass(frozen=True, slots=True)
class Trip:
    """To a thread and back, for one hook of each of these."""

    hook: str
    paths: tuple[str, ...]


def trips(placed: Sequence[Placed]) -> list[Trip]:
    """Where the ASGI side goes to a thread for hooks, by the rules of `middleware` and `builtin`.

    Hooks that go there for some requests only, such as Django's own that save a session, do not
    count; nor do those for template responses and for exceptions.
    """
    found: list[Trip] = []
    for stretch in stretches(placed, True):
        for together, run in groupby(stretch, has_only_hooks):
            layers = list(run)
            for hook in HOOKS:
                needing = tuple(one.path for one in layers if needs_thread(one, hook))
                if needing and together:
                    found.append(Trip(hook, needing))
                else:
                    found += [Trip(hook, (path,)) for path in needing]
    found += [
        Trip("process_view", (one.path,)) for one in placed if needs_thread(one, "process_view")
    ]
    return found


def has_only_hooks(one: Placed) -> bool:
    """As `middleware.has_only_hooks`, for a middleware that has not been made."""
    factory = one.factory
    return (
        is_of_hooks(factory)
        and factory.__call__ is MiddlewareMixin.__call__
        and factory.__acall__ is MiddlewareMixin.__acall__
        and not any(iscoroutinefunction(getattr(factory, hook, None)) for hook in HOOKS)
    )


def is_of_hooks(factory: Any) -> bool:
    return isinstance(factory, type) and issubclass(factory, MiddlewareMixin)


def needs_thread(one: Placed, hook: str) -> bool:
    """Whether a hook runs in a thread at each request."""
    function = getattr(one.factory, hook, None)
    if function is None or iscoroutinefunction(function):
        return False
    if hook == "process_view":
        return not is_of_hooks(one.factory) or rule_for(one.factory).view is never
    if not is_of_hooks(one.factory) or one.factory.__acall__ is not MiddlewareMixin.__acall__:
        # It calls its hooks itself, or they are only named so.
        return False
    if not has_only_hooks(one):
        return True
    rule = rule_for(one.factory)
    return (rule.request if hook == "process_request" else rule.response) is never
