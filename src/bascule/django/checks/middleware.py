"""Checks of middleware that costs more than it seems."""

from django.core.checks import Info, Warning

from bascule.django.checks.messages import (
    Messages,
    cautious,
    enumeration,
    message,
    some,
    times,
    when_served,
)
from bascule.django.checks.settings import value_of


@cautious
@when_served
def check_sync_only_middleware() -> Messages:
    """W003: async views behind middleware that is only sync hold a thread as long as they run."""
    from bascule.django.checks.survey import async_capable, async_views, chain, stretches

    views = async_views()
    if not views:
        return
    placed = stretches(chain(is_async=True), False)
    if not placed:
        return
    only = [one.path for run in placed for one in run if not async_capable(one.factory)]
    dragged = [one.path for run in placed for one in run if async_capable(one.factory)]
    threads = max(1, value_of("threads"))
    along = f" So is what is around it: {enumeration(dragged)}." if dragged else ""
    yield message(
        Warning,
        "W003",
        f"Middleware that is only sync is in front of async views: {enumeration(only)}. Each "
        f"request to {some(one.name for one in views)} goes {times(len(placed))} to a thread and "
        f"back, and holds the thread until its response is there, so that no more than {threads} "
        f"of them run at once.{along}",
        "Make it async as well: django.utils.decorators.sync_and_async_middleware for a function, "
        "MiddlewareMixin for a class of hooks.",
    )


@cautious
@when_served
def check_hooks_in_threads() -> Messages:
    """I001: hooks in front of async views that go to a thread at each request."""
    from bascule.django.checks.survey import async_views, chain, trips

    views = async_views()
    if not views:
        return
    found = trips(chain(is_async=True))
    if not found:
        return
    said = "; ".join(f"{trip.hook} of {enumeration(trip.paths)}" for trip in found)
    yield message(
        Info,
        "I001",
        f"Each request to an async view goes {times(len(found))} to a thread and back for hooks "
        f"of middleware: {said}.",
        "Hooks are synchronous, and only Django's own are known to wait for nothing. Where it "
        "matters, write the middleware as an async function, or put it beside others of its kind: "
        "neighbours share a trip.",
    )


@cautious
@when_served
def check_async_only_middleware() -> Messages:
    """W004: sync views behind middleware that is only async run a loop for each request."""
    from bascule.django.checks.survey import chain, stretches, sync_capable, views
    from bascule.django.routing.views import is_for_loop

    placed = stretches(chain(is_async=False), True)
    if not placed:
        return
    names = [view.name for view in views() if not is_for_loop(view.callback)]
    if not names:
        return
    only = [one.path for run in placed for one in run if not sync_capable(one.factory)]
    yield message(
        Warning,
        "W004",
        f"Middleware that is only async is in front of sync views: {enumeration(only)}. Each "
        f"request to {some(names)} starts an event loop of its own {times(len(placed))}, and ends "
        "it.",
        "Make it sync as well, with django.utils.decorators.sync_and_async_middleware; or have "
        "all views called by ASGI: `bascule serve --interface asgi`.",
    )
