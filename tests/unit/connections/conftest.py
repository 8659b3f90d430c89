"""Rigs that are taken down, and checked, when their test ends."""

from collections.abc import Callable, Iterator

import pytest
from connection_rig import Answering, Rig

from bascule.interfaces.asgi.interface import AsgiInterface
from bascule.interfaces.asgi.plan import AsgiPlan


@pytest.fixture
def make_rig() -> Iterator[Callable[..., Rig]]:
    made: list[Rig] = []

    def make(*args: object, **options: object) -> Rig:
        made.append(Rig(*args, **options))
        return made[-1]

    yield make
    for rig in made:
        rig.close()


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    return make_rig()


@pytest.fixture(params=["ASGI", "WSGI on the loop"])
def answering(request: pytest.FixtureRequest, make_rig: Callable[..., Rig]) -> Answering:
    if request.param == "ASGI":
        answering = Answering(make_rig())
        rig = answering.rig
        rig.call(AsgiInterface(answering.asgi, rig.loop, AsgiPlan()))
    else:
        answering = Answering(make_rig(lambda *args: answering.wsgi(*args), threads=0))
    return answering
