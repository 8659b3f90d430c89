"""The side of a request, told from its path. Django's own resolver is the oracle."""

import random
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any

import django
import pytest
from asgiref.sync import markcoroutinefunction
from django.conf import settings
from django.test import override_settings

if not settings.configured:
    settings.configure(USE_TZ=True)
    django.setup()

from django.conf.urls.i18n import i18n_patterns
from django.urls import (
    Resolver404,
    clear_url_caches,
    get_resolver,
    include,
    path,
    re_path,
    register_converter,
)
from django.urls.converters import get_converters
from django.urls.resolvers import URLPattern
from django.utils.translation import gettext_lazy, override
from django.views import View

from bascule.django import interface
from bascule.django.routing import routes as routes_module
from bascule.django.routing.patterns import translated
from bascule.django.routing.routes import Reach, Router
from bascule.django.routing.views import is_for_loop
from bascule.errors import UsageError

LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("fr", "français")]


class Even:
    regex = "[0-9]+"

    def to_python(self, value: str) -> int:
        if int(value) % 2:
            raise ValueError("odd")
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


if "routes_even" not in get_converters():
    register_converter(Even, "routes_even")


def sync_view(request: object) -> None: ...


async def async_view(request: object) -> None: ...


class Urls:
    """A URLconf without a module."""

    def __init__(self, patterns: Sequence[Any]) -> None:
        self.urlpatterns = list(patterns)


@contextmanager
def routing(*patterns: Any, **more: Any) -> Iterator[Router]:
    with override_settings(ROOT_URLCONF=Urls(patterns), **{"LANGUAGES": LANGUAGES, **more}):
        yield Router()


def by_django(where: str, language: str = "en") -> bool:
    with override(language, deactivate=True):
        try:
            return is_for_loop(get_resolver().resolve(where).func)
        except Resolver404:
            return False


# Views


def decorated(view: Any) -> Any:
    @wraps(view)
    def run(request: object) -> Any:
        return view(request)

    return run


class Sync(View):
    def get(self, request: object) -> None: ...


class Async(View):
    async def get(self, request: object) -> None: ...


class Marked:
    def __init__(self) -> None:
        markcoroutinefunction(self)

    async def __call__(self, request: object) -> None: ...


class Unmarked:
    async def __call__(self, request: object) -> None: ...


@interface("wsgi")
class Forced(Async): ...


class Inherits(Forced): ...


@interface("asgi")
class Back(Forced): ...


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (sync_view, False),
        (async_view, True),
        (Sync.as_view(), False),
        (Async.as_view(), True),
        (View.as_view(), False),
        (partial(sync_view), False),
        (partial(async_view), True),
        (partial(partial(async_view)), True),
        (lambda request: async_view(request), False),
        # Django calls a view that it does not take for async in a thread on both sides.
        (decorated(async_view), False),
        (Unmarked(), False),
        (Marked(), True),
        (interface("asgi")(partial(sync_view)), True),
        (interface("wsgi")(partial(async_view)), False),
        (decorated(interface("asgi")(partial(sync_view))), True),
        (partial(interface("wsgi")(decorated(async_view))), False),
        (Forced.as_view(), False),
        (Inherits.as_view(), False),
        (Back.as_view(), True),
        (decorated(Back.as_view()), True),
    ],
)
def test_a_view(view: Any, expected: bool) -> None:
    assert is_for_loop(view) is expected


def test_wrappers_in_a_ring_come_to_an_end() -> None:
    def view(request: object) -> None: ...

    view.__wrapped__ = view  # type: ignore[attr-defined]
    assert is_for_loop(view) is False


def test_an_interface_that_is_none() -> None:
    with pytest.raises(ValueError, match='"asgi" or "wsgi", not \'asgi3\''):
        interface("asgi3")  # type: ignore[arg-type]


# Expressions


@pytest.mark.parametrize(
    ("text", "full", "literal", "rest", "whole"),
    [
        (r"^abc/\Z", False, "abc/", r"\Z", True),
        (r"^abc/$", True, "abc/", r"\Z", True),
        (r"^abc/$", False, "abc/", "$", False),
        (r"^abc", False, "abc", "", False),
        (r"abc", False, "", r"(?s:.*?)abc", False),
        (r"", False, "", r"(?s:.*?)", False),
        (r"^$", True, "", r"\Z", True),
        (r"^a\-b\.c\/", False, "a-b.c/", "", False),
        (r"^ab?c", False, "a", "b?c", False),
        (r"^ab{2}", False, "a", "b{2}", False),
        (r"^a/(?P<pk>[0-9]+)/\Z", False, "a/", r"(?:[0-9]+)/\Z", False),
        (r"^(\d+)-([^/]*)$", True, "", r"(?:\d+)-(?:[^/]*)\Z", False),
        (r"^a/(?:b|c)[]|)]$", True, "a/", r"(?:b|c)[]|)]\Z", False),
        (r"^a(?=b)(?!c)", False, "a", "(?=b)(?!c)", False),
        (r"^a|b$", True, "", r"(?:a|b)\Z", False),
        (r"a|b", False, "", r"(?s:.*?)(?:a|b)", False),
    ],
)
def test_an_expression(text: str, full: bool, literal: str, rest: str, whole: bool) -> None:
    segment = translated(text, full)
    assert segment is not None
    assert (segment.literal, segment.rest, segment.whole) == (literal, rest, whole)
    assert re.compile(segment.source).groups == 0


@pytest.mark.parametrize(
    "text",
    [
        r"^(a)\1",
        r"^(?P<a>x)(?P=a)",
        r"^(?<=a)b",
        r"^(?<!a)b",
        r"^(a)?(?(1)b|c)",
        r"^(?i:a)",
        r"^(?#word)a",
        r"^a\b",
        r"^a|b",
        r"a|b$",
        r"^a^b",
        r"^a$b",
        r"^(a$)",
        r"^(a\Z|b)",
        r"^a\Zb",
    ],
)
def test_an_expression_that_cannot_be_moved(text: str) -> None:
    assert translated(text, full=False) is None


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        (("/a/",), ("/a/b/",), True),
        (("/a/b/",), ("/a/",), True),
        (("/a/",), ("/b/",), False),
        (("/a/", True), ("/a/",), True),
        (("/a/", True), ("/a/b/",), False),
        (("/a/",), ("/a/b/", True), True),
        (("/a/b/",), ("/a/", True), False),
        (("/a/", True), ("/a/", True), True),
        (("/a/", True), ("/b/", True), False),
    ],
)
def test_reach(one: tuple[Any, ...], other: tuple[Any, ...], meet: bool) -> None:
    assert Reach(*one).meets(Reach(*other)) is meet


# Routes


def test_nothing_is_written_for_a_project_without_async_views() -> None:
    with routing(path("a/", sync_view), re_path("^(b)$", sync_view)) as router:
        assert router.table.match is None
        assert router.belongs_to_loop("/a/") is False


def test_sync_views_that_take_no_path_away_are_left_out() -> None:
    patterns = [
        path("admin/", include([path(f"{number}/", sync_view) for number in range(100)])),
        path("items/<int:pk>/", sync_view),
        path("items/<slug:name>/", async_view),
        *[path(f"more/{number}/", sync_view) for number in range(100)],
    ]
    with routing(*patterns) as router:
        assert len(router.table.verdicts) == 3
        for where, expected in (("/items/3/", False), ("/items/x/", True), ("/admin/3/", False)):
            assert router.belongs_to_loop(where) is expected is by_django(where)


def test_a_converter_that_refuses() -> None:
    patterns = [
        path("a/<routes_even:n>/", async_view),
        path("a/<int:n>/", sync_view),
        path("b/<routes_even:n>/", sync_view),
        path("b/<int:n>/", async_view),
        path("c/<routes_even:n>/", include([path("x/", sync_view), path("y/", async_view)])),
        path("c/<int:n>/<str:rest>/", async_view),
    ]
    with routing(*patterns) as router:
        for where in (
            "/a/2/",
            "/a/3/",
            "/b/2/",
            "/b/3/",
            "/c/2/x/",
            "/c/2/y/",
            "/c/3/x/",
            "/c/2/z/",
        ):
            assert router.belongs_to_loop(where) is by_django(where), where
        assert router.belongs_to_loop("/a/2/")
        assert router.belongs_to_loop("/c/3/x/")


def test_an_include_is_taken_once_and_for_all() -> None:
    """Django does not try a shorter match of an include when nothing below it fits."""
    patterns = [
        path("<path:head>/", include([path("tail/", async_view)])),
        re_path(r"^(.*)(x|xy)", include([re_path("^y$", async_view)])),
    ]
    with routing(*patterns) as router:
        for where in ("/a/tail/", "/a/b/tail/", "/a/xy", "/a/xyy", "/x", "/xx"):
            assert router.belongs_to_loop(where) is by_django(where), where


def test_patterns_of_a_kind_of_their_own_are_asked() -> None:
    class Own(URLPattern):
        def resolve(self, where: str) -> Any:
            return super().resolve(where.lower())

    plain = path("loud/", async_view)
    own = Own(plain.pattern, async_view)
    with routing(path("sync/", sync_view), own, path("async/", async_view)) as router:
        for where in ("/sync/", "/LOUD/", "/loud/", "/async/", "/none/"):
            assert router.belongs_to_loop(where) is by_django(where), where


def test_languages_in_the_path() -> None:
    below = [path("n/", async_view), path("s/", sync_view), path(gettext_lazy("Yes"), async_view)]
    patterns = [
        *i18n_patterns(*below, prefix_default_language=False),
        path("<str:x>/n/", sync_view),
    ]
    with routing(*patterns, LANGUAGE_CODE="en") as router:
        for language, prefix in (("en", "/"), ("de", "/de/"), ("fr", "/fr/")):
            for rest in ("n/", "s/", "Yes", "Ja", "Oui", "x"):
                where = prefix + rest
                assert router.belongs_to_loop(where) is by_django(where, language), where
        assert router.belongs_to_loop("/de/Ja")
        assert not router.belongs_to_loop("/es/n/")


def test_a_hundred_languages_are_one_include_where_routes_are_not_translated() -> None:
    many = [(f"l{chr(97 + number // 26)}{chr(97 + number % 26)}", "") for number in range(100)]
    patterns = i18n_patterns(*[path(f"{number}/", async_view) for number in range(50)])
    with routing(*patterns, LANGUAGES=many, LANGUAGE_CODE="laa") as router:
        assert len(router.table.verdicts) == 2
        assert router.belongs_to_loop("/laf/49/")


def test_too_many_routes_are_asked_of_django(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes_module, "MOST_ROUTES", 10)
    with routing(*[path(f"{number}/", async_view) for number in range(20)]) as router:
        assert router.table.verdicts[1:] == ("ask",)
        assert router.belongs_to_loop("/19/")
        assert not router.belongs_to_loop("/20/")


def test_a_large_urlconf_is_read_quickly_and_searched_quickly() -> None:
    apps = [
        path(
            f"app{app}/",
            include(
                [
                    path(f"{view}/<int:pk>/", (sync_view, async_view)[view % 2])
                    for view in range(20)
                ]
            ),
        )
        for app in range(100)
    ]
    began = time.perf_counter()
    with routing(*apps) as router:
        assert router.belongs_to_loop("/app99/19/7/")
        assert not router.belongs_to_loop("/app99/18/7/")
        assert time.perf_counter() - began < 5


# Against Django, with whatever chance brings

ROUTES = (
    "",
    "a/",
    "b/",
    "a",
    "<int:n>/",
    "<slug:s>/",
    "<str:t>",
    "<path:p>",
    "<routes_even:e>/",
    "x-<int:n>/",
)
EXPRESSIONS = (
    "^a/$", "^(a|b)/$", "a/", r"^(?P<n>\d+)/", r"^(\w)\1/", "^a|^b", "b$", "^", "", r"^[ab]+/?$",
    r"^(?P<w>.*)/$", r"^x?-(?:1|2)/",
)  # fmt: skip
PIECES = ("a/", "b/", "1/", "2/", "a", "aa/", "x-1/", "x-2/", "ab", "/", "\n", "bb/3/")


def any_urls(chance: random.Random, depth: int = 0) -> list[Any]:
    found = []
    for _ in range(chance.randint(1, 5)):
        is_route = chance.random() < 0.6
        text = chance.choice(ROUTES if is_route else EXPRESSIONS)
        make = path if is_route else re_path
        if depth < 2 and chance.random() < 0.35:
            target: Any = include(any_urls(chance, depth + 1))
        else:
            target = chance.choice((sync_view, async_view))
        found.append(make(text, target))
    return found


@pytest.mark.parametrize("seed", range(40))
def test_any_urlconf(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(5):
        with routing(*any_urls(chance)) as router:
            for _ in range(60):
                where = "/" + "".join(chance.choices(PIECES, k=chance.randint(0, 4)))
                assert router.belongs_to_loop(where) is by_django(where), (seed, where)


# Rules, and what changes


def test_rules_are_stronger_than_views() -> None:
    rules = {"/a/": "wsgi", "^/b/[0-9]+/$": "asgi", "^.*/c/": "wsgi"}
    said = {"DJANGO_INTERFACE": rules}
    patterns = [path("a/x/", async_view), path("b/<int:n>/", sync_view), path("d/c/", async_view)]
    with routing(*patterns, BASCULE=said) as router:
        assert not router.belongs_to_loop("/a/x/")
        assert router.belongs_to_loop("/b/3/")
        assert not router.belongs_to_loop("/b/x/")
        assert not router.belongs_to_loop("/d/c/")


def test_rules_that_are_wrong() -> None:
    with (
        override_settings(ROOT_URLCONF=Urls([]), BASCULE={"DJANGO_INTERFACE": {"a": "wsgi"}}),
        pytest.raises(UsageError, match="neither the beginning of a path"),
    ):
        Router()


def test_another_urlconf_in_a_test() -> None:
    with routing(path("a/", async_view)) as router:
        assert router.belongs_to_loop("/a/")
        with override_settings(ROOT_URLCONF=Urls([path("a/", sync_view), path("b/", async_view)])):
            assert not router.belongs_to_loop("/a/")
            assert router.belongs_to_loop("/b/")
        assert router.belongs_to_loop("/a/")
        with override_settings(BASCULE={"DJANGO_INTERFACE": {"/a/": "wsgi"}}):
            assert not router.belongs_to_loop("/a/")
        assert router.belongs_to_loop("/a/")


def test_clear_url_caches() -> None:
    with routing(path("a/", async_view)) as router:
        settings.ROOT_URLCONF.urlpatterns[:] = [path("b/", async_view)]
        assert router.belongs_to_loop("/a/")
        clear_url_caches()
        assert not router.belongs_to_loop("/a/")
        assert router.belongs_to_loop("/b/")


def test_a_urlconf_that_cannot_be_read() -> None:
    with pytest.raises(ModuleNotFoundError), override_settings(ROOT_URLCONF="not.there"):
        Router()
    with routing(path("a/", async_view)) as router, override_settings(ROOT_URLCONF="not.there"):
        assert not router.belongs_to_loop("/a/")
        assert router.table.match is None


def test_nothing_is_kept_of_paths() -> None:
    with routing(path("a/<str:x>/", async_view), path("b/<routes_even:n>/", async_view)) as router:
        table = router.table
        for number in range(2000):
            router.belongs_to_loop(f"/a/{number}/")
            router.belongs_to_loop(f"/b/{number}/")
        assert router.table is table
        assert set(Router.__dict__) >= {"belongs_to_loop"}
        assert set(vars(router)) == {"rules", "table"}
