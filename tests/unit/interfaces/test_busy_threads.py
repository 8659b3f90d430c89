"""An interface reports whether threads of this process want to run."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from bascule.interfaces.asgi.interface import AsgiInterface
from bascule.interfaces.asgi.plan import AsgiPlan
from bascule.interfaces.dispatch import DispatchInterface, MountedInterface
from bascule.interfaces.wsgi.interface import WsgiInterface
from bascule.interfaces.wsgi.plan import WsgiPlan
from bascule.loading.application import EVERYWHERE


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def application(*args: Any) -> Any:
    raise AssertionError("it must not be called")


def test_wsgi_in_threads(loop: asyncio.AbstractEventLoop) -> None:
    interface = WsgiInterface(application, loop, WsgiPlan(2, 10, 10))
    assert not interface.has_busy_threads()
    interface.running = 1
    assert interface.has_busy_threads()


def test_calls_without_threads(loop: asyncio.AbstractEventLoop) -> None:
    for interface in (
        WsgiInterface(application, loop, WsgiPlan(0, 10, 10)),
        AsgiInterface(application, loop, AsgiPlan()),
    ):
        interface.running = 1
        assert not interface.has_busy_threads()


def test_one_of_several_applications(loop: asyncio.AbstractEventLoop) -> None:
    wsgi, asgi = (
        WsgiInterface(application, loop, WsgiPlan(2, 10, 10)),
        AsgiInterface(application, loop, AsgiPlan()),
    )
    interface = DispatchInterface([MountedInterface(EVERYWHERE, wsgi)], asgi)
    assert not interface.has_busy_threads()
    wsgi.running = 1
    assert interface.has_busy_threads()
