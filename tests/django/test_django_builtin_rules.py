"""The table of Django's middleware fits the Django that is installed.

A release may add a middleware or a hook. Then a developer has to check whether it waits for
anything, and change `bascule.django.handlers.builtin`, and the tables below.
"""

import json
import subprocess
import sys
from typing import Any

import django
import pytest

REQUEST, RESPONSE, VIEW = "process_request", "process_response", "process_view"

# Those that have a rule, with their hooks.
ON_LOOP = {
    "django.contrib.auth.middleware.AuthenticationMiddleware": {REQUEST},
    "django.contrib.messages.middleware.MessageMiddleware": {REQUEST, RESPONSE},
    "django.contrib.sessions.middleware.SessionMiddleware": {REQUEST, RESPONSE},
    "django.middleware.clickjacking.XFrameOptionsMiddleware": {RESPONSE},
    "django.middleware.common.CommonMiddleware": {REQUEST, RESPONSE},
    "django.middleware.csp.ContentSecurityPolicyMiddleware": {REQUEST, RESPONSE},
    "django.middleware.csrf.CsrfViewMiddleware": {REQUEST, RESPONSE, VIEW},
    "django.middleware.gzip.GZipMiddleware": {RESPONSE},
    "django.middleware.http.ConditionalGetMiddleware": {RESPONSE},
    "django.middleware.locale.LocaleMiddleware": {REQUEST, RESPONSE},
    "django.middleware.security.SecurityMiddleware": {REQUEST, RESPONSE},
}
SINCE_DJANGO_6 = {"django.middleware.csp.ContentSecurityPolicyMiddleware"}

# Those that get a thread for every hook, and why.
IN_THREAD = {
    "django.contrib.admindocs.middleware.XViewMiddleware": "reads the user",
    "django.contrib.auth.middleware.LoginRequiredMiddleware": "reads the user",
    "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware": "asks the database",
    "django.contrib.redirects.middleware.RedirectFallbackMiddleware": "asks the database",
    "django.contrib.sites.middleware.CurrentSiteMiddleware": "asks the database",
    "django.middleware.cache.CacheMiddleware": "asks the cache",
    "django.middleware.cache.FetchFromCacheMiddleware": "asks the cache",
    "django.middleware.cache.UpdateCacheMiddleware": "asks the cache",
    "django.middleware.common.BrokenLinkEmailsMiddleware": "sends mail",
}

# The middleware of Django, and its rules in the table.
LOOK_AT_DJANGO = """
import importlib, importlib.util, inspect, json, pkgutil
import django, django.contrib, django.middleware
from django.conf import settings

with_models = ("auth", "contenttypes", "flatpages", "redirects", "sessions", "sites")
settings.configure(INSTALLED_APPS=[f"django.contrib.{app}" for app in with_models])
django.setup()

from django.utils.deprecation import MiddlewareMixin
from django.utils.module_loading import import_string
from bascule.django.handlers.builtin import ANY, MESSAGE_STORAGES, SESSION_STORES, RULES, name_of
from bascule.django.handlers.builtin import rule_for

def list_of(package):
    return pkgutil.iter_modules(package.__path__)

modules = [f"django.middleware.{one.name}" for one in list_of(django.middleware)]
for package in list_of(django.contrib):
    if importlib.util.find_spec(name := f"django.contrib.{package.name}.middleware"):
        modules.append(name)

async def inside(request):
    pass

found = {}
for module in modules:
    for cls in vars(importlib.import_module(module)).values():
        if inspect.isclass(cls) and issubclass(cls, MiddlewareMixin) and cls.__module__ == module:
            middleware = cls(inside)
            found[name_of(cls)] = {
                "hooks": [name for name in dir(cls) if name.startswith("process_")],
                "has_rule": rule_for(middleware) is not ANY,
                "calls_as_all": cls.__call__ is MiddlewareMixin.__call__
                and cls.__acall__ is MiddlewareMixin.__acall__,
            }
named = {path: name_of(import_string(path)) for path in (*SESSION_STORES, *MESSAGE_STORAGES)}
print(json.dumps({"found": found, "rules": list(RULES), "named": named}))
"""


@pytest.fixture(scope="module")
def looked_at() -> Any:
    """In a process of its own, which has one Django."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK_AT_DJANGO], capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_middleware_of_django_was_judged(looked_at: Any) -> None:
    later = SINCE_DJANGO_6 if django.VERSION < (6, 0) else set()
    assert set(looked_at["found"]) == (ON_LOOP.keys() | IN_THREAD.keys()) - later


def test_the_rules_are_for_what_is_there(looked_at: Any) -> None:
    assert set(looked_at["rules"]) == set(ON_LOOP)
    for name, facts in looked_at["found"].items():
        assert facts["has_rule"] == (name in ON_LOOP), name
        if name in ON_LOOP:
            assert facts["calls_as_all"], name
            # A new hook has no rule yet.
            assert set(facts["hooks"]) == ON_LOOP[name], name


def test_stores_and_storages_are_known_by_their_names(looked_at: Any) -> None:
    """Where a class has moved, its rule would send every request to a thread, in silence."""
    for path, name in looked_at["named"].items():
        assert name == path
