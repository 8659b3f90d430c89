"""Where applications come from: settings, and arguments of `serve` and `Server`."""

from collections.abc import Callable

import pytest

from bascule.errors import UsageError
from bascule.settings import Settings
from bascule.worker.applications import ApplicationSource


def named(**applications: object) -> Callable[[str, bool, Settings], object]:
    return lambda target, factory, settings: applications[target]


async def asgi(scope: object, receive: object, send: object) -> None: ...


def wsgi(environ: object, start_response: object) -> list[bytes]:
    return []


def test_settings_and_arguments_together() -> None:
    source = ApplicationSource(None, {"/two": asgi}, asgi, named(site=wsgi, one=asgi))
    found = source.find(Settings(target="site", mount=["/one=one"]))
    assert [(each.app, each.target, each.place) for each in found] == [
        (wsgi, "site", ""),
        (asgi, "one", "at /one"),
        (asgi, "", "at /two"),
        (asgi, "", "for WebSockets"),
    ]
    assert not source.is_loaded


def test_an_application_that_is_false_is_served() -> None:
    class Empty:
        def __len__(self) -> int:
            return 0

        async def __call__(self, scope: object, receive: object, send: object) -> None: ...

    app = Empty()
    (found,) = ApplicationSource(app).find(Settings())
    assert found.app is app


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (ApplicationSource(), "no TARGET"),
        (ApplicationSource(wsgi, {"/": asgi}), "two applications are mounted at /"),
        (ApplicationSource(wsgi, {"/a?b": asgi}), "mounts: "),
    ],
)
def test_what_cannot_be_served_is_refused(source: ApplicationSource, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        source.find(Settings())
