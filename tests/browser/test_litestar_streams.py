"""Litestar's streams end as those of the lighter frameworks do in `tests/frameworks`."""

from typing import Any

import pytest

from support import endless
from support.flag import Flag
from support.needs import missing

pytestmark = pytest.mark.browser


def test_streams_end() -> None:
    endless.check_that_it_ends_when_the_client_leaves(litestar_site, "http1", "close")
    endless.check_that_it_ends_behind_its_head(litestar_site, "http1")
    endless.check_that_it_ends_when_the_server_stops(litestar_site, "http2")


def litestar_site(ended: Flag, media_type: str) -> Any:
    try:
        from litestar import Litestar, get
        from litestar.response import Stream
    except ImportError:
        missing("Litestar (pip install --group browser)")

    @get("/", sync_to_thread=False)
    def stream() -> Stream:
        return Stream(endless.wait_for_ever(ended), media_type=media_type)

    return Litestar([stream])
