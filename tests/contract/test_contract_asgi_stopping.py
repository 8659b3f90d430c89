"""The messages to an application when the server stops."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from support.asgi import app, body, read_body, respond, start
from support.flag import DEADLINE, Flag
from support.inprocess import Served

Serve = Callable[..., Served]

DISCONNECT = {"type": "http.disconnect"}
EVENTS = [(b"Content-Type", b"text/event-stream; charset=utf-8")]
LINES = [(b"content-type", b"application/x-ndjson")]

# Much longer than the test: nothing here is to end because the time is up.
PATIENT = {"timeout_graceful_shutdown": 60.0}


@pytest.fixture
def serve(serve: Serve) -> Serve:
    """A server that tells streams of events at once."""

    def start(app: Any, **options: Any) -> Served:
        served = serve(app, **options)
        stopping_of(served).events_for = 0.0
        return served

    return start


def stopping_of(served: Served) -> Any:
    worker: Any = served.server._worker
    return worker.stopping


class Stream:
    """Sends one piece, and waits for http.disconnect."""

    def __init__(self, headers: Any, pieces: int = 1) -> None:
        self.headers, self.pieces = headers, pieces
        self.told = Flag()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await read_body(receive)
        await start(send, headers=self.headers)
        for _ in range(self.pieces):
            await body(send, b"data: 1\n\n", more=True)
        self.told.set(await receive())


def test_a_stream_of_events_is_told_and_ends_complete(serve: Serve) -> None:
    stream = Stream(EVENTS)
    served = serve(stream, **PATIENT)
    response = served.connect().open("GET")
    assert response.read() == b"data: 1\n\n"
    served.begin_stop()
    assert stream.told.wait() == DISCONNECT
    assert response.read() == b""
    served.wait_until_ended()


def test_a_stream_of_events_has_a_moment_to_say_goodbye(serve: Serve) -> None:
    """The application can ask before it gets the message, and end the stream by itself."""
    told = Flag()

    async def site(scope: Any, receive: Any, send: Any) -> None:
        await read_body(receive)
        listener = asyncio.create_task(receive())
        await start(send, headers=EVENTS)
        await body(send, b"data: 1\n\n", more=True)
        await scope["extensions"]["bascule.stopping"]["wait"]()
        told.set(listener.done())
        await body(send, b"data: bye\n\n")
        await listener

    served = serve(site, **PATIENT)
    stopping_of(served).events_for = 30.0
    response = served.connect().open("GET")
    assert response.read() == b"data: 1\n\n"
    served.begin_stop()
    assert (response.read(), response.read()) == (b"data: bye\n\n", b"")
    assert told.wait() is False


def test_a_stream_of_events_that_just_returns_then_ends_complete(serve: Serve) -> None:
    """As sse-starlette does, which finds out by itself; it is no error."""

    async def site(scope: Any, receive: Any, send: Any) -> None:
        await start(send, headers=EVENTS)
        await body(send, b"data: 1\n\n", more=True)
        await scope["extensions"]["bascule.stopping"]["wait"]()

    served = serve(site, **PATIENT)
    response = served.connect().open("GET")
    assert response.read() == b"data: 1\n\n"
    served.begin_stop()
    assert response.read() == b""


def test_a_stream_without_an_event_yet_ends_complete(serve: Serve) -> None:
    stream = Stream(EVENTS, pieces=0)
    served = serve(stream, **PATIENT)
    response = served.connect().open("GET")
    served.wait_until(lambda: served.hub.interface.running == 1)
    served.begin_stop()
    assert stream.told.wait() == DISCONNECT
    head = response.head()
    assert (head.status, response.read()) == (200, b"")


def test_an_application_that_asks_now_and_then_is_told(serve: Serve) -> None:
    """As `await request.is_disconnected()` does."""
    result = Flag()

    @app
    async def poll(receive: Any, send: Any) -> None:
        await read_body(receive)
        await start(send, headers=EVENTS)
        while True:
            try:
                async with asyncio.timeout(0.01):
                    result.set(await receive())
                    return
            except TimeoutError:
                await body(send, b"data: 1\n\n", more=True)

    served = serve(poll, **PATIENT)
    response = served.connect().open("GET")
    assert response.head().status == 200
    served.begin_stop()
    assert result.wait() == DISCONNECT


def test_another_stream_is_told_when_it_was_quiet_for_half_of_the_time(serve: Serve) -> None:
    """It may have an end of its own, so the client must see that it was cut off."""
    stream = Stream(LINES)
    served = serve(stream, timeout_graceful_shutdown=60.0)
    stopping_of(served).quiet_for = 0.0
    response = served.connect().open("GET")
    assert response.read() == b"data: 1\n\n"
    served.begin_stop()
    assert stream.told.wait() == DISCONNECT
    assert response.read_broken() == b""


@pytest.mark.parametrize("length", [b"18", b""], ids=["length", "no-length"])
def test_a_download_comes_to_its_end(serve: Serve, length: bytes) -> None:
    """An application that listens while it sends, as frameworks do for every file."""
    begun, finish, told = Flag(), Flag(), Flag()
    fields = [(b"content-length", length)] if length else LINES

    @app
    async def download(receive: Any, send: Any) -> None:
        await read_body(receive)
        await start(send, headers=fields)
        await body(send, b"the first", more=True)
        listener = asyncio.create_task(receive())
        begun.set()
        await finish.reached()
        told.set(listener.done())
        await body(send, b" and last")
        await listener

    served = serve(download, **PATIENT)
    if length:
        stopping_of(served).quiet_for = 0.0
    response = served.connect().open("GET")
    begun.wait()
    served.begin_stop()
    ticks_pass(served, 3)
    finish.set()
    assert response.response().body == b"the first and last"
    assert told.wait() is False


def test_a_request_that_has_no_response_yet_is_not_told(serve: Serve) -> None:
    waiting, finish, told = Flag(), Flag(), Flag()

    @app
    async def slow(receive: Any, send: Any) -> None:
        await read_body(receive)
        listener = asyncio.create_task(receive())
        waiting.set()
        await finish.reached()
        told.set(listener.done())
        await respond(send, b"here it is")
        await listener

    served = serve(slow, **PATIENT)
    response = served.connect().open("GET")
    waiting.wait()
    served.begin_stop()
    ticks_pass(served, 3)
    finish.set()
    assert response.response().body == b"here it is"
    assert told.wait() is False


def test_an_upload_during_the_stop_is_read_to_its_end(serve: Serve) -> None:
    """Also where the response is a stream of events already."""
    first, result = Flag(), Flag()

    @app
    async def upload(receive: Any, send: Any) -> None:
        await start(send, headers=EVENTS)
        await body(send, b"data: 1\n\n", more=True)
        message = await receive()
        first.set(message)
        got = message["body"]
        while message.get("more_body"):
            message = await receive()
            got += message.get("body", b"")
        result.set((message["type"], got))
        await body(send, b"data: 2\n\n")

    served = serve(upload, **PATIENT)
    stream = served.connect().open("POST", "/", [("Content-Length", "8")], more=True)
    stream.send(b"some")
    first.wait()
    stream.send(b"more", end=True)
    served.begin_stop()
    assert result.wait() == ("http.request", b"somemore")


def test_the_extension_tells(serve: Serve) -> None:
    asked, result = Flag(), Flag()

    async def ask(scope: Any, receive: Any, send: Any) -> None:
        stopping = scope["extensions"]["bascule.stopping"]
        before = stopping["is_set"](), stopping["event"].is_set(), stopping["event"].wait(0)
        asked.set(before)
        await stopping["wait"]()
        loop = asyncio.get_running_loop()
        in_thread = await loop.run_in_executor(None, stopping["event"].wait, DEADLINE)
        await stopping["wait"]()
        result.set((stopping["is_set"](), stopping["event"].is_set(), in_thread))
        await respond(send, b"the end")

    served = serve(ask, **PATIENT)
    response = served.connect().open("GET")
    assert asked.wait() == (False, False, False)
    served.begin_stop()
    assert result.wait() == (True, True, True)
    assert response.response().body == b"the end"


def test_whoever_waits_for_it_may_be_cancelled(serve: Serve) -> None:
    async def ask(scope: Any, receive: Any, send: Any) -> None:
        wait = scope["extensions"]["bascule.stopping"]["wait"]
        try:
            async with asyncio.timeout(0.01):
                await wait()
        except TimeoutError:
            await respond(send, b"not yet")

    assert serve(ask).request("GET").body == b"not yet"


def test_websockets_have_it_too(serve_sockets: Serve) -> None:
    seen = Flag()

    async def site(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        seen.set(scope["extensions"]["bascule.stopping"]["is_set"]())
        await send({"type": "websocket.close"})

    serve_sockets(site).connect().ask("/")
    assert seen.wait() is False


def ticks_pass(served: Served, count: int) -> None:
    """Wait until the worker has checked every connection so often."""
    seen: list[float] = []

    def look() -> bool:
        if not seen or served.hub.read_at != seen[-1]:
            seen.append(served.hub.read_at)
        return len(seen) > count

    served.wait_until(look)
