"""Which hooks of Django's own middleware may run on the event loop, and why.

Rules:

1. A hook is here only if it waits for nothing and computes next to nothing, or if a rule can tell
   beforehand that it will not this time. All other hooks run in a thread, as Django runs them.
2. A class is recognized by itself, not by its name and not by what it inherits: a subclass has
   other code, and gets a thread.
3. Rules read settings and request when they are called, so `override_settings` holds. A rule
   that raises says no.

The first time, some of them import or read what is then kept (a URLconf, the catalogs of a
language). Django's own handler does that on the loop as well when it resolves a path.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings

RequestRule = Callable[[Any, Any], bool]
ResponseRule = Callable[[Any, Any, Any], bool]


def always(*_: Any) -> bool:
    return True


def never(*_: Any) -> bool:
    return False


@dataclass(frozen=True)
class HookRule:
    """When the hooks of one middleware run on the loop. Each is asked with what its hook gets,
    after the middleware itself."""

    why: str
    request: RequestRule = always
    response: ResponseRule = always
    view: ResponseRule = never


def name_of(cls: type) -> str | None:
    """The dotted name of a class, if it leads back to this very class."""
    if getattr(sys.modules.get(cls.__module__), cls.__qualname__, None) is not cls:
        return None
    return f"{cls.__module__}.{cls.__qualname__}"


# Sessions. Their classes load nothing before a value is read; of the others in Django, the one
# in files reads the disk when it is made.

SESSION_STORES = {
    f"django.contrib.sessions.backends.{engine}.SessionStore"
    for engine in ("db", "cached_db", "cache", "signed_cookies")
}


def session_request(middleware: Any, request: Any) -> bool:
    store = name_of(middleware.SessionStore)
    if store is None or store not in SESSION_STORES:
        return False
    if "cache" not in store:
        return True
    # These make the cache's client, which Django's own do without connecting.
    backend: str = settings.CACHES[settings.SESSION_CACHE_ALIAS]["BACKEND"]
    return backend.startswith("django.core.cache.backends.")


def session_response(middleware: Any, request: Any, response: Any) -> bool:
    """Deleting is only a cookie here, for the view has already deleted what was stored. Saving
    is the one thing that waits."""
    session = getattr(request, "session", None)
    if session is None:
        return True
    if name_of(type(session)) not in SESSION_STORES:
        return False
    changed = session.modified or settings.SESSION_SAVE_EVERY_REQUEST
    return bool(session.is_empty() or not changed)


# Messages. The storages decode and load when they are first read.

MESSAGE_STORAGES = {
    "django.contrib.messages.storage.fallback.FallbackStorage",
    "django.contrib.messages.storage.cookie.CookieStorage",
    "django.contrib.messages.storage.session.SessionStorage",
}


def messages_request(middleware: Any, request: Any) -> bool:
    return settings.MESSAGE_STORAGE in MESSAGE_STORAGES


def messages_response(middleware: Any, request: Any, response: Any) -> bool:
    """Nothing was read and nothing added: then nothing is stored."""
    storage = getattr(request, "_messages", None)
    if storage is None:
        return True
    return name_of(type(storage)) in MESSAGE_STORAGES and not (storage.used or storage.added_new)


# CSRF.


def csrf_request(middleware: Any, request: Any) -> bool:
    return not settings.CSRF_USE_SESSIONS


def csrf_response(middleware: Any, request: Any, response: Any) -> bool:
    return not (settings.CSRF_USE_SESSIONS and request.META.get("CSRF_COOKIE_NEEDS_UPDATE"))


def csrf_view(middleware: Any, request: Any, callback: Any, *_: Any) -> bool:
    """A request that needs no check. A check may parse an upload and render a refusal."""
    return bool(
        request.method in ("GET", "HEAD", "OPTIONS", "TRACE")
        or getattr(request, "csrf_processing_done", False)
        or getattr(callback, "csrf_exempt", False)
        or getattr(request, "_dont_enforce_csrf_checks", False)
    )


# Bodies that are hashed or compressed.

# MD5 takes a tenth of a millisecond for it.
HASHED_ON_LOOP = 64 * 1024
# GZipMiddleware leaves shorter ones alone.
GZIP_FROM = 200


def etag_response(middleware: Any, request: Any, response: Any) -> bool:
    return bool(
        request.method != "GET"
        or response.streaming
        or response.has_header("ETag")
        or len(response.content) <= HASHED_ON_LOOP
    )


def gzip_response(middleware: Any, request: Any, response: Any) -> bool:
    """Nothing will be compressed. Compression runs in a thread, where zlib releases the lock."""
    return not response.streaming and bool(
        "gzip" not in request.META.get("HTTP_ACCEPT_ENCODING", "")
        or response.has_header("Content-Encoding")
        or len(response.content) < GZIP_FROM
    )


RULES = {
    "django.middleware.security.SecurityMiddleware": HookRule("sets fields, redirects to https"),
    "django.middleware.common.CommonMiddleware": HookRule(
        "reads the host and the user agent, resolves paths, counts bytes"
    ),
    "django.middleware.clickjacking.XFrameOptionsMiddleware": HookRule("sets a field"),
    "django.middleware.csp.ContentSecurityPolicyMiddleware": HookRule("sets fields"),
    "django.middleware.locale.LocaleMiddleware": HookRule(
        "chooses a language from path, cookie and field; catalogs are kept once read"
    ),
    "django.middleware.csrf.CsrfViewMiddleware": HookRule(
        "reads and sets a cookie; a thread for a token in the session and for a check of one",
        request=csrf_request,
        response=csrf_response,
        view=csrf_view,
    ),
    "django.middleware.http.ConditionalGetMiddleware": HookRule(
        "compares fields; a thread to hash a body above 64 KiB", response=etag_response
    ),
    "django.middleware.gzip.GZipMiddleware": HookRule(
        "a thread wherever it may compress", response=gzip_response
    ),
    "django.contrib.sessions.middleware.SessionMiddleware": HookRule(
        "makes a session that is not loaded yet; a thread to save it, and for stores that are not "
        "Django's",
        request=session_request,
        response=session_response,
    ),
    "django.contrib.auth.middleware.AuthenticationMiddleware": HookRule(
        "makes a user that is not loaded yet"
    ),
    "django.contrib.messages.middleware.MessageMiddleware": HookRule(
        "makes a storage that is not read yet; a thread where messages were read or added",
        request=messages_request,
        response=messages_response,
    ),
}

ANY = HookRule(
    "not one of those that are known to wait for nothing", request=never, response=never
)


def rule_for(middleware: Any) -> HookRule:
    """The rule of a middleware, or of the class of one: that of the very class, or a thread for
    every hook."""
    cls = middleware if isinstance(middleware, type) else type(middleware)
    rule = RULES.get(name_of(cls) or "", ANY)
    for name in ("process_request", "process_response", "process_view"):
        hook = getattr(middleware, name, None)
        function = getattr(hook, "__func__", hook)
        # A tool has put a function of its own in place of Django's.
        if function is not None and getattr(function, "__module__", "") != cls.__module__:
            return ANY
    return rule
