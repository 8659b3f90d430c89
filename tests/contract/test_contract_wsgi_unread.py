"""Clients that do not read what WSGI applications send them: threads are not theirs."""

from collections.abc import Callable, Iterator
from typing import Any

import h2.settings
import pytest

from support.flag import Flag
from support.http2_socket import Http2SocketClient
from support.inprocess import Served
from support.wsgi import Environ

Serve = Callable[..., Served]

PIECE = b"x" * 100_000
# Less than a client of these tests takes at once, and more than a transport holds.
PAGE = PIECE * 4


class Site:
    """Pages made of pieces, so that the server does not know how much is to come."""

    def __init__(self) -> None:
        self.calls = 0
        self.closed = Flag()

    def __call__(self, environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/fine":
            return [b"fine"]
        self.calls += 1
        if environ["PATH_INFO"] == "/endless":
            return self.endless()
        return (PIECE for _ in range(4))

    def endless(self) -> Iterator[bytes]:
        try:
            while True:
                yield PIECE
        finally:
            self.closed.set()


@pytest.fixture
def site(served: Serve) -> tuple[Served, Site]:
    app = Site()
    contended = {"write_contended": 0.1}
    return served(app, interface="wsgi", threads=1, deadlines=contended).start(), app


def test_a_page_leaves_its_thread_before_it_is_read(site: tuple[Served, Site]) -> None:
    served, app = site
    streams = [served.connect(receive_buffer=4096).open("GET", "/page") for _ in range(5)]
    assert served.request("GET", "/fine").body == b"fine"
    served.wait_until_idle()
    assert app.calls == 5
    for stream in streams:
        assert stream.response().body == PAGE


def test_whoever_reads_nothing_does_not_keep_a_thread_that_others_wait_for(
    site: tuple[Served, Site],
) -> None:
    """Where a response is larger than a thread may be ahead of its client."""
    served, app = site
    client = served.connect(receive_buffer=4096)
    client.open("GET", "/endless")
    served.wait_until(lambda: any(c.blocked for c in served.hub.interface.pool.all_calls()))
    assert served.request("GET", "/fine").body == b"fine"
    app.closed.wait()
    assert "reads nothing" in served.taken_log()


@pytest.fixture
def site2(loop_kind: str) -> Iterator[tuple[Served, Site]]:
    app = Site()
    with Served(app, loop_kind, Http2SocketClient, interface="wsgi", threads=1) as served:
        yield served, app


def test_a_connection_that_reads_nothing_gets_no_further_calls(
    site2: tuple[Served, Site],
) -> None:
    """Nor memory; and all that it asked for, once it reads."""
    served, app = site2
    shut = served.connect(window=0)
    streams = [shut.ask("GET", "/page") for _ in range(20)]
    honest = served.connect()
    served.wait_until(lambda: app.calls >= 2)
    assert honest.request("GET", "/fine").body == b"fine"
    # It may have begun some more before the loop had the first of what they made.
    served.wait_until(lambda: app.calls + parked(served) == 20)
    begun = app.calls
    assert begun < 10
    # A parked request is a request all the same: a stream that is reset is forgotten.
    shut.h2.reset_stream(streams.pop())
    shut.flush()
    served.wait_until(lambda: begun + parked(served) == 19)
    open_windows(shut)
    assert all(shut.answer(stream).body == PAGE for stream in streams)
    assert app.calls == 19


def parked(served: Served) -> int:
    """How many calls wait, without a thread, for their client to read."""
    carriers = [c for one in served.hub.connections for c in one.carriers.values()]
    return sum(c.exchange.parked for c in carriers if c.exchange is not None)


def open_windows(client: Http2SocketClient) -> None:
    client.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 1 << 20})
    client.h2.increment_flow_control_window(1 << 24)
    client.flush()
