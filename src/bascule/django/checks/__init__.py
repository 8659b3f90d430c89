"""System checks: what a project says that does not go with Bascule, or costs more than it looks.

Each has an identifier that never changes, and a section in docs/reference/checks.md. A check is
silent where it cannot tell, and where something is broken that Django itself reports. It assumes
`bascule serve` with both sides, and sees what the settings and the environment say of Bascule; not
the settings file and the command line.

Imports are within functions: every command of manage.py imports this module, and few run checks.
"""

import functools
import logging
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Tags, Warning, register

if TYPE_CHECKING:
    from bascule.django.checks.survey import View
    from bascule.django.routing.routes import Reach, URLRoute

logger = logging.getLogger("bascule.django")

PAGE = "docs/reference/checks.md"
# How many views are named before "and 7 more".
MOST_NAMES = 3
# Those whose runserver would be taken instead of ours.
HAVE_RUNSERVER = ("daphne", "django.contrib.staticfiles")
# The fields that Bascule removes from the requests of everybody but trusted proxies.
REMOVED_FIELDS = frozenset(
    {
        "HTTP_FORWARDED",
        "HTTP_X_FORWARDED_FOR",
        "HTTP_X_FORWARDED_HOST",
        "HTTP_X_FORWARDED_PORT",
        "HTTP_X_FORWARDED_PREFIX",
        "HTTP_X_FORWARDED_PROTO",
    }
)
# The commands that show what serving costs.
SHOW_COST = frozenset({"check", "runserver", "serve", "testserver"})
IN_MEMORY_LAYER = "channels.layers.InMemoryChannelLayer"
# The largest pool of each engine where its options do not say (psycopg_pool, python-oracledb).
POOLS = {
    "django.db.backends.postgresql": ("min_size", "max_size", 4),
    "django.contrib.gis.db.backends.postgis": ("min_size", "max_size", 4),
    "django.db.backends.oracle": ("", "max", 2),
    "django.contrib.gis.db.backends.oracle": ("", "max", 2),
}

Messages = Iterator[CheckMessage]
SystemCheck = Callable[..., list[CheckMessage]]


def cautious(check: Callable[[], Messages]) -> SystemCheck:
    """Make a check of a generator of messages. What makes it fail is Django's to report."""

    def run(**kwargs: object) -> list[CheckMessage]:
        try:
            return list(check())
        except Exception:
            logger.debug("%s could not look at this project", check.__name__, exc_info=True)
            return []

    # Not functools.wraps: Django would look through it, and miss **kwargs.
    run.__name__, run.__doc__ = check.__name__, check.__doc__
    return run


def when_served(check: Callable[[], Messages]) -> Callable[[], Messages]:
    """Leave out, in commands that neither serve nor were asked for checks, what only tells what
    serving costs. Every nightly job would print it."""

    @functools.wraps(check)
    def run() -> Messages:
        if not is_of_another_command():
            yield from check()

    return run


def is_of_another_command() -> bool:
    """Whether a command of Django's runs that does not show the cost of serving. A check is not
    told which one runs it; this is where Django's ManagementUtility has its name from."""
    from django.core.management import get_commands

    name = sys.argv[1] if len(sys.argv) > 1 else ""
    return name not in SHOW_COST and name in get_commands()


def message(kind: type[CheckMessage], identifier: str, text: str, hint: str) -> CheckMessage:
    """A message with the place where more is said."""
    return kind(text, f"{hint} See {PAGE}.", id=f"bascule.{identifier}")


# What Bascule is told


def raw(name: str) -> object:
    """What the environment or BASCULE says of a setting, unparsed; None where they are silent."""
    from bascule.settings import OPTIONS

    for variable in OPTIONS[name].variables:
        if variable in os.environ:
            return os.environ[variable]
    said = getattr(settings, "BASCULE", {})
    if not isinstance(said, Mapping):
        return None
    return next((value for key, value in said.items() if str(key).lower() == name), None)


def value_of(name: str) -> Any:
    """A setting of Bascule, parsed; its default where nothing valid is said, None where there is
    no such setting."""
    from bascule.settings import OPTIONS

    option = OPTIONS.get(name)
    if option is None:
        return None
    said = raw(name)
    try:
        return option.default if said is None else option.kind.parse(said)
    except ValueError:
        return option.default


@cautious
def check_bascule_setting() -> Messages:
    """E001: everything `bascule serve` would refuse of BASCULE."""
    from bascule.django.loading.configuration import KEY, layer_of
    from bascule.settings.merge import parse_layer

    said = getattr(settings, KEY, None)
    if said is None:
        return
    findings: list[str] = []
    parse_layer(layer_of(said, settings.SETTINGS_MODULE or "settings", findings), findings, set())
    for text in findings:
        sentence = text if text.endswith("?") else f"{text}."
        hint = "`bascule serve` refuses to start until it is mended."
        yield message(Error, "E001", sentence, hint)


# Order of applications


@cautious
def check_order() -> Messages:
    """W001: another application's runserver is found first."""
    from django.apps import apps

    names = [config.name for config in apps.get_app_configs()]
    before = [name for name in HAVE_RUNSERVER if name in names[: names.index("bascule.django")]]
    if before:
        yield message(
            Warning,
            "W001",
            f"'bascule.django' stands behind {enumeration(map(repr, before))} in INSTALLED_APPS, "
            "so `manage.py runserver` is not Bascule's.",
            "Django takes the command of the first application that has it: put 'bascule.django' "
            "first.",
        )


# Views and middleware


def async_views() -> "list[View]":
    """Those that the ASGI side calls."""
    from bascule.django.checks.survey import views
    from bascule.django.routing.views import is_for_loop

    return [view for view in views() if is_for_loop(view.callback)]


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
@when_served
def check_sync_only_middleware() -> Messages:
    """W003: async views behind middleware that is only sync hold a thread as long as they run."""
    views = async_views()
    if not views:
        return
    from bascule.django.checks.survey import async_capable, chain, stretches

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
    views = async_views()
    if not views:
        return
    from bascule.django.checks.survey import chain, trips

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


@cautious
def check_rules() -> Messages:
    """W007: paths of DJANGO_INTERFACE that no route begins with."""
    from django.urls import get_resolver

    from bascule.django.loading.configuration import RULES, rules_of
    from bascule.django.routing.routes import Reach, Reader
    from bascule.errors import UsageError

    try:
        rules = rules_of(settings)
    except UsageError:
        return  # E001
    # An expression may fit in any way.
    paths = [path for rule, _ in rules if (path := literal(rule.pattern))]
    if not paths:
        return
    languages = list(dict.fromkeys([settings.LANGUAGE_CODE, *dict(settings.LANGUAGES)]))
    reaches = list(reached(Reader().read([get_resolver()], languages), "", True))
    for path in paths:
        if not any(Reach(path).meets(reach) for reach in reaches):
            yield message(
                Warning,
                "W007",
                f"BASCULE: {RULES} has {path!r}, where {settings.ROOT_URLCONF} has no route.",
                "Paths are those that the URLconf sees, below --root-path and a mount; mend or "
                "remove it.",
            )


def literal(pattern: str) -> str:
    """The path that a rule was written as; "" for an expression."""
    return "" if pattern.startswith("^") else re.sub(r"\\(.)", r"\1", pattern)


def reached(routes: "Iterable[URLRoute]", before: str, is_literal: bool) -> "Iterator[Reach]":
    """Where the views of these routes may be. before: what every path that comes to them begins
    with, and `is_literal` that it has nothing more there."""
    from bascule.django.routing.routes import Reach

    for route in routes:
        segment = route.segment
        text = before + segment.literal if is_literal else before
        if route.below is None:
            yield Reach(text, is_literal and segment.whole)
        else:
            yield from reached(route.below, text, is_literal and not segment.rest)


# Databases


def databases() -> Iterator[tuple[str, Mapping[str, Any]]]:
    for alias, one in settings.DATABASES.items():
        if isinstance(one, Mapping):
            yield alias, one


@cautious
def check_persistent_connections() -> Messages:
    """W005: without threads that last, a persistent connection is one that nobody uses again."""
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


# Deployment


@cautious
def check_channel_layers() -> Messages:
    """W008: a layer in memory, which ends at the thread and at the process."""
    layers = [
        alias
        for alias, one in getattr(settings, "CHANNEL_LAYERS", {}).items()
        if one.get("BACKEND") == IN_MEMORY_LAYER
    ]
    if layers:
        yield message(
            Warning,
            "W008",
            f"CHANNEL_LAYERS has {enumeration(map(repr, layers))} in memory. What a sync view "
            "sends comes from another thread, for which that layer is not made: consumers may "
            "hear of it late. Those in another process never do.",
            "Use a layer outside the process, such as channels_redis.",
        )


@cautious
def check_header_of_scheme() -> Messages:
    """W009: a field decides on the scheme that clients can send."""
    header = scheme_header()
    if header is None:
        return
    if header not in REMOVED_FIELDS:
        yield message(
            Warning,
            "W009",
            f"SECURE_PROXY_SSL_HEADER names {header}, which Bascule passes on from everybody: "
            "where the proxy does not set or remove it, a client can say that it came by https.",
            "Use X-Forwarded-Proto, which is removed unless a trusted proxy sends it; or make "
            "sure that the proxy sets this one in every request, and that nobody comes past it.",
        )
    elif value_of("proxy_headers") is False:
        yield message(
            Warning,
            "W009",
            f"SECURE_PROXY_SSL_HEADER names {header}, and proxy_headers is off: whoever reaches "
            "the server can say that they came by https.",
            "Turn proxy_headers on, and name the proxies in forwarded_allow_ips.",
        )


@cautious
def check_trust_in_everybody() -> Messages:
    """W010: Django believes what Bascule is told to believe of anybody."""
    if not trusts_everybody():
        return
    header = scheme_header()
    believing = [
        *(["SECURE_PROXY_SSL_HEADER"] if header in REMOVED_FIELDS else []),
        *(
            name
            for name in ("USE_X_FORWARDED_HOST", "USE_X_FORWARDED_PORT")
            if getattr(settings, name, False)
        ),
    ]
    if believing:
        yield message(
            Warning,
            "W010",
            f"forwarded_allow_ips is *, and Django believes these fields by "
            f"{enumeration(believing)}: whoever reaches the server can choose what it takes for "
            "the scheme or the host.",
            "Name the addresses of the proxies; * is for servers that nobody but them can reach, "
            "such as one on a UNIX socket.",
        )


@cautious
def check_endless_redirect() -> Messages:
    """W011: every request is redirected to https, where it is taken for http again."""
    if (
        settings.SECURE_SSL_REDIRECT
        and any(path.endswith(".SecurityMiddleware") for path in settings.MIDDLEWARE)
        and scheme_header() is None
        and not value_of("proxy_headers")
        and value_of("ssl_certfile") is None
    ):
        yield message(
            Warning,
            "W011",
            "SECURE_SSL_REDIRECT is on, and nothing tells that a request has come by https: "
            "neither a certificate (ssl_certfile), nor a proxy (proxy_headers), nor "
            "SECURE_PROXY_SSL_HEADER. Every request is redirected, to where it is redirected "
            "again.",
            "Say which it is. What is given on the command line or in a settings file is not "
            "seen here; silence this one then.",
        )


def scheme_header() -> str | None:
    said = getattr(settings, "SECURE_PROXY_SSL_HEADER", None)
    return str(said[0]) if said else None


def trusts_everybody() -> bool:
    """Whether forwarded_allow_ips has a *, in any way to write it."""
    from bascule.settings import OPTIONS

    if "forwarded_allow_ips" not in OPTIONS or value_of("proxy_headers") is False:
        return False
    said = raw("forwarded_allow_ips")
    peers = re.split(r"[\s,]+", said) if isinstance(said, str) else said
    return isinstance(peers, list | tuple | set) and "*" in peers


# Words


def enumeration(names: Iterable[str]) -> str:
    return ", ".join(names)


def some(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    every: Sequence[str] = list(names)
    more = len(every) - MOST_NAMES
    shown = enumeration(every[:MOST_NAMES])
    return f"{shown} and {more} more" if more > 0 else shown


def times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


CHECKS: tuple[tuple[SystemCheck, str], ...] = (
    (check_bascule_setting, Tags.compatibility),
    (check_order, Tags.compatibility),
    (check_atomic_requests, Tags.async_support),
    (check_sync_only_middleware, Tags.async_support),
    (check_hooks_in_threads, Tags.async_support),
    (check_async_only_middleware, Tags.async_support),
    (check_persistent_connections, Tags.async_support),
    (check_pools, Tags.async_support),
    (check_rules, Tags.urls),
)
DEPLOYMENT_CHECKS: tuple[tuple[SystemCheck, str], ...] = (
    (check_channel_layers, Tags.async_support),
    (check_header_of_scheme, Tags.security),
    (check_trust_in_everybody, Tags.security),
    (check_endless_redirect, Tags.security),
)


def register_checks() -> None:
    """Have `manage.py check` run them."""
    for check, tag in CHECKS:
        register(check, "bascule", tag)
    for check, tag in DEPLOYMENT_CHECKS:
        register(check, "bascule", tag, deploy=True)
