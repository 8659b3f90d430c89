"""Choosing the event loop, and naming it."""

import asyncio
import sys

import pytest

from bascule.errors import UsageError
from bascule.loop import loop_name, new_event_loop


@pytest.fixture
def make():
    """Make loops that are closed when the test ends."""
    made = []

    def make_loop(kind):
        made.append(new_event_loop(kind))
        return made[-1]

    yield make_loop
    for loop in made:
        loop.close()


@pytest.mark.parametrize(
    ("kind", "name"), [("auto", "uvloop"), ("uvloop", "uvloop"), ("asyncio", "asyncio")]
)
def test_the_kinds(make, kind, name):
    loop = make(kind)
    assert isinstance(loop, asyncio.AbstractEventLoop)
    assert loop_name(loop) == name


def test_auto_does_without_uvloop(make, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert loop_name(make("auto")) == "asyncio"


def test_uvloop_asked_for_by_name_must_be_there(make, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvloop", None)
    with pytest.raises(UsageError) as caught:
        make("uvloop")
    assert "pip install uvloop" in str(caught.value)
    assert "--loop asyncio" in str(caught.value)


def test_a_loop_of_another_package_is_named_after_it(make):
    class Loop:
        __module__ = "winloop.core"

    assert loop_name(Loop()) == "winloop"
