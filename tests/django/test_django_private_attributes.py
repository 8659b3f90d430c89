"""Bascule's handlers stand in for Django's only while Django has the attributes they read."""

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.db import connections
from django.dispatch import Signal
from django.http.response import HttpResponseBase

from bascule.django.handlers.choice import is_unchanged
from bascule.django.handlers.originals import has_known_attributes

KINDS = [(Signal, "_live_receivers"), (connections, "_connections")]


def test_this_version_has_them() -> None:
    assert has_known_attributes()
    assert is_unchanged(WSGIHandler, "__call__")


@pytest.mark.parametrize(("owner", "name"), KINDS, ids=[name for _, name in KINDS])
def test_without_one_of_them(owner: object, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(owner, name)
    assert not has_known_attributes()
    assert not is_unchanged(WSGIHandler, "__call__")


def test_without_those_of_a_response(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(self: HttpResponseBase, *args: object, **kwargs: object) -> None:
        """Keep nothing to close."""

    monkeypatch.setattr(HttpResponseBase, "__init__", without)
    assert not has_known_attributes()
