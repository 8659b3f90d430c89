"""Streams that wait for something to tell, and what must end them.

A site answers with one piece, and then waits forever. Its `ended` is set when its framework has
closed its generator.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from support.client import Http1Client
from support.flag import Flag
from support.http2_stepped import Http2SteppedClient
from support.inprocess import Served

EVENTS = "text/event-stream"
LINES = "application/x-ndjson"

FIRST = b"data: first\n\n"
FIRST_OF_SSE = b"data: first\r\n\r\n"

CLIENTS = {"http1": Http1Client, "http2": Http2SteppedClient}

# Makes a site of its `ended` and the media type of its response.
MakeSite = Callable[[Flag, str], Any]


async def wait_for_ever(ended: Flag) -> AsyncIterator[bytes]:
    """One piece, and then nothing."""
    try:
        yield FIRST
        await asyncio.Event().wait()
    finally:
        set_once(ended)


def set_once(flag: Flag) -> None:
    if not flag.is_set:
        flag.set()


def serve(site: Any, http: str, **options: Any) -> Served:
    """Serve a site in a `with`; at the end nothing may be left of it, nor in the log."""
    return Served(site, "auto", CLIENTS[http], interface="asgi3", lifespan="off", **options)


def check_that_it_ends_when_the_client_leaves(make_site: MakeSite, http: str, leave: str) -> None:
    """leave: "reset", or "close" in peace, as a client does that may only send nothing more."""
    ended = Flag()
    with serve(make_site(ended, LINES), http, deadlines={"half_close": 0.0}) as served:
        client = served.connect()
        assert client.open("GET").read() in (FIRST, FIRST_OF_SSE)
        getattr(client, leave)()
        ended.wait()
        served.wait_until_quiet()


def check_that_it_ends_behind_its_head(make_site: MakeSite, http: str) -> None:
    """For HEAD, and the connection serves the next."""
    with serve(make_site(Flag(), LINES), http) as served:
        client = served.connect()
        response = client.request("HEAD")
        assert response.body == b""
        served.wait_until_idle()
        assert client.request("HEAD").status == response.status
        served.wait_until_idle()


def check_that_it_ends_when_the_server_stops(make_site: MakeSite, http: str) -> None:
    """A stream of events, which ends as if it were complete."""
    ended = Flag()
    with serve(make_site(ended, EVENTS), http, timeout_graceful_shutdown=60.0) as served:
        worker: Any = served.server._worker
        worker.stopping.events_for = 0.0
        response = served.connect().open("GET")
        assert response.read() in (FIRST, FIRST_OF_SSE)
        served.begin_stop()
        ended.wait()
        assert response.read() == b""
