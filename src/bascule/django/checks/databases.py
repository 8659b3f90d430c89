"""Checks of databases: transactions, persistent connections, and pools."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.core.checks import Warning

from bascule.django.checks.messages import Messages, cautious, enumeration, message, some
from bascule.django.checks.settings import value_of

# The largest pool of each engine where its options do not say (psycopg_pool, python-oracledb).
POOLS = {
    "django.db.backends.postgresql": ("min_size", "max_size", 4),
    "django.contrib.gis.db.backends.postgis": ("min_size", "max_size", 4),
    "django.db.backends.oracle": ("", "max", 2),
    "django.contrib.gis.db.backends.oracle": ("", "max", 2),
}


def databases() -> Iterator[tuple[str, Mapping[str, Any]]]:
    for alias, one in settings.DATABASES.items():
        if isinstance(one, Mapping):
            yield alias, one


@cautious
def check_atomic_requests() -> Messages:
    """W002: Django raises RuntimeError at each request to an async view."""
    from asgiref.sync import iscoroutinefunction

    from bascule.django.checks.survey import views

    atomic = [alias for alias, one in databases() if one.get("ATOMIC_REQUESTS")]
    if not atomic:
        return
    refused = [
        view.name
        for view in views()
        if iscoroutinefunction(view.callback)
        and not set(atomic) <= set(getattr(view.callback, "_non_atomic_requests", ()))
    ]
    if refused:
        yield message(
            Warning,
            "W002",
            f"ATOMIC_REQUESTS is on for {enumeration(map(repr, atomic))}, and Django answers "
            f"every request to an async view with an error then: {some(refused)}.",
            "Decorate them with django.db.transaction.non_atomic_requests, and put what has to be "
            "atomic into a sync function of its own, called with sync_to_async.",
        )


@cautious
def check_persistent_connections() -> Messages:
    """W005: without threads that last, a persistent connection is never used again."""
    from bascule.django.checks.survey import async_views

    lasting = [alias for alias, one in databases() if one.get("CONN_MAX_AGE", 0) != 0]
    if not lasting or not async_views():
        return
    from bascule.django.handlers.threads import can_lend

    if can_lend():
        return
    yield message(
        Warning,
        "W005",
        f"CONN_MAX_AGE is set for {enumeration(map(repr, lasting))}, and asgiref is older than "
        "3.13: requests to async views have a new thread each, and leave their connection open "
        "in it.",
        "Install asgiref 3.13 or later, with which Bascule keeps the threads.",
    )


@cautious
def check_pools() -> Messages:
    """W006: more threads than connections in a pool."""
    from bascule.django.checks.survey import async_views

    threads = value_of("threads")
    small = [
        (alias, size)
        for alias, one in databases()
        if (size := pool_size(one)) is not None and size < threads
    ]
    if not small:
        return
    both = 2 * threads if async_views() else threads
    for alias, size in small:
        yield message(
            Warning,
            "W006",
            f"The connection pool of the database {alias!r} has {size} connections at most, for "
            f"{threads} threads. A request keeps its connection to its end, so others wait, and "
            "fail where that takes too long.",
            f'Give the pool one for each thread, "max_size": {both} in OPTIONS["pool"] '
            '("max" for Oracle), or set fewer threads.',
        )


def pool_size(database: Mapping[str, Any]) -> int | None:
    """The most connections of its pool; None where there is none, or one that is not known."""
    known = POOLS.get(database.get("ENGINE", ""))
    pool = database.get("OPTIONS", {}).get("pool")
    if known is None or not pool:
        return None
    least, most, default = known
    options = pool if isinstance(pool, Mapping) else {}
    size = options.get(most) or options.get(least) or default
    return size if isinstance(size, int) else None
