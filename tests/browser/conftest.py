"""A real Chromium, the example project for it, and a Redis that two servers share."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.needs import missing, program
from support.polls import prepared
from support.redis import redis_running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# Everything on these pages takes milliseconds. A condition that is not met by then is never met.
PATIENCE_MS = 20_000


@pytest.fixture(scope="session")
def chromium() -> "Iterator[Browser]":
    """The Chromium of the system. Playwright would fetch one of its own from elsewhere."""
    path = program("chromium", "google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("Playwright (pip install --group browser)")
    with sync_playwright() as playwright:
        # Its sandbox does not start for root, as whom CI runs. All it opens is ours.
        browser = playwright.chromium.launch(executable_path=path, chromium_sandbox=False)
        yield browser
        browser.close()


@pytest.fixture
def new_page(chromium: "Browser") -> "Iterator[Callable[[], Page]]":
    """Makes pages, each like in a browser of its own: cookies are not shared.

    An error that a script does not catch fails the test.
    """
    errors: list[str] = []
    with ExitStack() as contexts:

        def make() -> "Page":
            context = chromium.new_context()
            contexts.callback(context.close)
            context.set_default_timeout(PATIENCE_MS)
            context.on("weberror", lambda error: errors.append(str(error.error)))
            return context.new_page()

        yield make
    assert errors == []


@pytest.fixture(scope="session")
def site_env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return prepared(tmp_path_factory.mktemp("polls"))


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    with redis_running(program("redis-server"), tmp_path) as url:
        yield url
