"""The cost of choosing the side of a request from its path, in nanoseconds.

    python -m studies.hybrid_decision

Run it with Bascule and Django installed, or with PYTHONPATH=src. Beside it stands Django's own
resolver, which does the same and more once the view's side is chosen.
"""

import timeit

from django.conf import settings

settings.configure(USE_TZ=True, LANGUAGES=[("en", "English")])

from django.test import override_settings  # noqa: E402
from django.urls import include, path, re_path  # noqa: E402

from bascule.django.routing.routes import Router  # noqa: E402

NUMBER = 20_000
REPEAT = 5


def sync_view(request): ...


async def async_view(request): ...


class Urls:
    def __init__(self, patterns):
        self.urlpatterns = patterns


def apps(count, *views):
    """`count` applications of 20 routes each; of those, the last ones are these views."""
    targets = [sync_view] * (20 - len(views)) + list(views)
    return [
        path(
            f"app{app}/",
            include(
                [path(f"view{number}/<int:pk>/", target) for number, target in enumerate(targets)]
            ),
        )
        for app in range(count)
    ]


CASES = (
    (
        "3 routes, one async: /sync/",
        [path("sync/", sync_view), path("async/", async_view)],
        "/sync/",
    ),
    (
        "3 routes, one async: /async/",
        [path("sync/", sync_view), path("async/", async_view)],
        "/async/",
    ),
    ("200 routes, none async", apps(10), "/app9/view19/7/"),
    ("200 routes, 10 async: a sync one", apps(10, async_view), "/app9/view3/7/"),
    ("200 routes, 10 async: an async one", apps(10, async_view), "/app9/view19/7/"),
    ("2000 routes, 100 async: the last", apps(100, async_view), "/app99/view19/7/"),
    (
        "an async view behind <slug> and 200 sync ones",
        [
            path("<slug:x>/s/", sync_view),
            *apps(10),
            re_path(r"^(?P<x>[\w-]+)/(?P<y>\d+)/$", async_view),
        ],
        "/app9/3/",
    ),
)


def nanoseconds(call, where):
    return min(timeit.repeat(lambda: call(where), number=NUMBER, repeat=REPEAT)) / NUMBER * 1e9


def main():
    print(f"{'':45} {'decision':>9} {'resolver':>9}")
    for title, patterns, where in CASES:
        with override_settings(ROOT_URLCONF=Urls(patterns)):
            router = Router()
            resolver = router.table.resolver
            ours = nanoseconds(router.belongs_to_loop, where)
            theirs = nanoseconds(lambda it, resolver=resolver: found(resolver, it), where)
        print(f"{title:45} {ours:6.0f} ns {theirs:6.0f} ns")


def found(resolver, where):
    from django.urls import Resolver404

    try:
        return resolver.resolve(where)
    except Resolver404:
        return None


if __name__ == "__main__":
    main()
