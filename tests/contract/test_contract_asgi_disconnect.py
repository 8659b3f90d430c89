"""Clients that leave (ASGI HTTP specification 2.3, "Disconnect"; of 2.4 "Disconnected Client").

Data sent to a disconnected client is dropped, as in 2.3. A stream that nothing else would end gets
the OSError of 2.4.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from support.asgi import app, body, read_body, respond, start
from support.flag import Flag
from support.inprocess import Served

Serve = Callable[..., Served]

DISCONNECT = {"type": "http.disconnect"}


def test_receive_that_waits_learns_of_it(serve: Serve) -> None:
    waiting, got = Flag(), Flag()

    @app
    async def poll(receive: Any, send: Any) -> None:
        await read_body(receive)
        waiting.set()
        got.set(await receive())

    client = serve(poll).connect()
    client.open("GET")
    waiting.wait()
    client.reset()
    assert got.wait() == DISCONNECT


def test_receive_that_waits_learns_of_a_client_that_closed_in_peace(serve: Serve) -> None:
    """It may be a half-close, so the server waits a little before it says so."""
    waiting, got = Flag(), Flag()

    @app
    async def poll(receive: Any, send: Any) -> None:
        await read_body(receive)
        waiting.set()
        got.set(await receive())

    served = serve(poll, deadlines={"half_close": 0.0})
    client = served.connect()
    client.open("GET")
    waiting.wait()
    client.close()
    assert got.wait() == DISCONNECT


def test_receive_says_so_again_and_again(serve: Serve) -> None:
    waiting, got = Flag(), Flag()

    @app
    async def poll(receive: Any, send: Any) -> None:
        await read_body(receive)
        waiting.set()
        got.set([await receive() for _ in range(3)])

    client = serve(poll).connect()
    client.open("GET")
    waiting.wait()
    client.reset()
    assert got.wait() == [DISCONNECT] * 3


def test_receive_in_the_middle_of_a_body(serve: Serve) -> None:
    first, got = Flag(), Flag()

    @app
    async def upload(receive: Any, send: Any) -> None:
        message = await receive()
        first.set(message)
        while message["type"] == "http.request" and message["more_body"]:
            message = await receive()
        got.set(message)

    client = serve(upload).connect()
    stream = client.open("POST", more=True)
    stream.send(b"some")
    assert first.wait() == {"type": "http.request", "body": b"some", "more_body": True}
    client.reset()
    assert got.wait() == DISCONNECT


def test_body_that_breaks_off_never_looks_complete(serve: Serve) -> None:
    """Closed in peace, but in the middle of the declared length."""
    first, got = Flag(), Flag()

    @app
    async def upload(receive: Any, send: Any) -> None:
        first.set(await receive())
        got.set(await receive())

    client = serve(upload).connect()
    stream = client.open("POST", "/", [("Content-Length", "10")], more=True)
    stream.send(b"some")
    first.wait()
    client.close()
    assert got.wait() == DISCONNECT


def left_behind(
    serve: Serve,
    after: Callable[[Any, Any], Any],
    *,
    begun: bool = False,
    listens: bool = True,
) -> tuple[Served, Flag]:
    """Run `after(receive, send)` in an application whose client has gone; the flag has its result.

    begun: the response has begun by then. listens: the application learns that it is gone.
    """
    waiting, gone, result = Flag(), Flag(), Flag()

    @app
    async def poll(receive: Any, send: Any) -> None:
        await read_body(receive)
        if begun:
            await start(send)
            await body(send, b"begun", more=True)
        waiting.set()
        if listens:
            assert await receive() == DISCONNECT
        else:
            await gone.reached()
        try:
            result.set(await after(receive, send))
        except BaseException as error:
            result.set(error)
            raise

    served = serve(poll)
    client = served.connect()
    stream = client.open("GET")
    if begun:
        assert stream.read() == b"begun"
    waiting.wait()
    client.reset()
    served.wait_until_unconnected()
    gone.set()
    return served, result


async def begin(receive: Any, send: Any) -> str:
    await start(send)
    await body(send, b"too late")
    return "returned"


async def go_on(receive: Any, send: Any) -> None:
    await body(send, b"too late", more=True)


async def end(receive: Any, send: Any) -> str:
    await body(send, b"too late")
    return "returned"


async def in_a_task(receive: Any, send: Any) -> None:
    await asyncio.create_task(go_on(receive, send))


async def in_a_group(receive: Any, send: Any) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(go_on(receive, send))


@pytest.mark.parametrize("listens", [True, False], ids=["told", "untold"])
@pytest.mark.parametrize(("after", "begun"), [(begin, False), (end, True)])
def test_a_response_that_comes_too_late_is_dropped(
    serve: Serve, after: Callable[[Any, Any], Any], begun: bool, listens: bool
) -> None:
    _, result = left_behind(serve, after, begun=begun, listens=listens)
    assert result.wait() == "returned"


@pytest.mark.parametrize(
    ("after", "kind"),
    [(go_on, OSError), (in_a_task, OSError), (in_a_group, ExceptionGroup)],
)
def test_send_of_a_stream_raises_oserror_which_is_no_error_of_the_server(
    serve: Serve, after: Callable[[Any, Any], Any], kind: type[Exception]
) -> None:
    """The application may let it pass; the server must not log it (the fixture looks)."""
    _, result = left_behind(serve, after, begun=True, listens=False)
    assert isinstance(result.wait(), kind)


def test_send_of_a_stream_raises_each_time(serve: Serve) -> None:
    async def three_times(receive: Any, send: Any) -> int:
        raised = 0
        for _ in range(3):
            try:
                await body(send, b"too late", more=True)
            except OSError:
                raised += 1
        return raised

    _, result = left_behind(serve, three_times, begun=True, listens=False)
    assert result.wait() == 3


def test_a_stream_of_an_application_that_listens_is_ended_by_the_application(serve: Serve) -> None:
    """As Starlette does it: one task streams without a pause, the other waits for the end."""
    streaming, result = Flag(), Flag()

    @app
    async def stream(receive: Any, send: Any) -> None:
        async def go_on() -> None:
            await start(send)
            while True:
                await body(send, b"x", more=True)
                if not streaming.is_set:
                    streaming.set()

        await read_body(receive)
        task = asyncio.create_task(go_on())
        assert await receive() == DISCONNECT
        task.cancel()
        result.set((await asyncio.gather(task, return_exceptions=True))[0])

    client = serve(stream).connect()
    client.open("GET")
    streaming.wait()
    client.reset()
    assert isinstance(result.wait(), asyncio.CancelledError)


def test_a_stream_that_goes_on_although_it_was_told_is_ended(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bascule.interfaces.asgi.http.TOLD_GRACE", 0.01)

    async def forever(receive: Any, send: Any) -> None:
        while True:
            await body(send, b"x", more=True)

    _, result = left_behind(serve, forever, begun=True)
    assert isinstance(result.wait(), OSError)


def test_a_quiet_stream_whose_client_closed_in_peace_holds_no_connection(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written that would show that the client is gone, and the application does not
    listen."""
    monkeypatch.setattr("bascule.interfaces.asgi.http.FORSAKEN_AFTER", 0.0)
    finish = Flag()

    @app
    async def quiet(receive: Any, send: Any) -> None:
        await start(send)
        await body(send, b"first", more=True)
        await finish.reached()

    served = serve(quiet, deadlines={"half_close": 0.0})
    client = served.connect()
    assert client.open("GET").read() == b"first"
    client.close()
    served.wait_until_unconnected()
    assert (served.hub.interface.running, served.hub.interface.deserted) == (1, 1)
    finish.set()


def test_a_stream_to_nobody_does_not_hold_the_stop(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bascule.worker.worker.DESERTED_GRACE", 0.0)
    result = Flag()

    @app
    async def quiet(receive: Any, send: Any) -> None:
        await start(send)
        await body(send, b"first", more=True)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            result.set(error)
            raise

    served = serve(quiet, timeout_graceful_shutdown=60.0)
    client = served.connect()
    assert client.open("GET").read() == b"first"
    client.reset()
    served.wait_until_unconnected()
    served.begin_stop()
    assert isinstance(result.wait(), asyncio.CancelledError)
    served.wait_until_ended()


def test_application_may_return_without_a_response(serve: Serve) -> None:
    """There is no client to answer, so nothing is missing."""

    async def give_up(receive: Any, send: Any) -> str:
        return "returned"

    _, result = left_behind(serve, give_up)
    assert result.wait() == "returned"


def test_other_exceptions_are_logged_all_the_same(serve: Serve) -> None:
    async def stumble(receive: Any, send: Any) -> None:
        raise ZeroDivisionError("after the client left")

    served, result = left_behind(serve, stumble)
    assert isinstance(result.wait(), ZeroDivisionError)
    served.wait_until_idle()
    assert "after the client left" in served.taken_log()


def test_nothing_is_cancelled(serve: Serve) -> None:
    """Only the application knows what it may leave half done."""
    waiting, gone, finish, finished = Flag(), Flag(), Flag(), Flag()

    @app
    async def work(receive: Any, send: Any) -> None:
        async def watch() -> None:
            waiting.set()
            gone.set(await receive())

        await read_body(receive)
        watcher = asyncio.create_task(watch())
        try:
            await finish.reached()
        except asyncio.CancelledError:
            finished.set("cancelled")
            raise
        await watcher
        task = asyncio.current_task()
        finished.set(("finished", task.cancelling() if task else None))

    served = serve(work)
    client = served.connect()
    client.open("GET")
    waiting.wait()
    client.reset()
    assert gone.wait() == DISCONNECT
    assert served.hub.interface.running == 1
    finish.set()
    assert finished.wait() == ("finished", 0)


def test_others_are_served_while_an_abandoned_application_works(serve: Serve) -> None:
    waiting, gone, finish = Flag(), Flag(), Flag()

    async def work(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/work":
            await read_body(receive)
            waiting.set()
            gone.set(await receive())
            await finish.reached()
        else:
            await respond(send, b"fine")

    served = serve(work)
    client = served.connect()
    client.open("GET", "/work")
    waiting.wait()
    client.reset()
    gone.wait()
    assert served.request("GET").body == b"fine"
    finish.set()


def test_send_that_waits_for_a_slow_reader_ends_when_it_leaves(serve: Serve) -> None:
    blocked, result = Flag(), Flag()

    @app
    async def flood(receive: Any, send: Any) -> None:
        await start(send)
        try:
            while True:
                task = asyncio.create_task(body(send, bytes(65536), more=True))
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                if not task.done() and not blocked.is_set:
                    blocked.set()
                await task
        except OSError as error:
            result.set(error)

    client = serve(flood).connect(receive_buffer=4096)
    client.open("GET")
    blocked.wait()
    client.reset()
    assert isinstance(result.wait(), OSError)


def test_client_that_leaves_before_it_is_answered_is_forgotten(serve: Serve) -> None:
    """The application reads nothing and answers late, which is no error, and nothing is left."""
    called, finish, result = Flag(), Flag(), Flag()

    @app
    async def late(receive: Any, send: Any) -> None:
        called.set()
        await finish.reached()
        result.set(await respond(send))

    served = serve(late)
    client = served.connect()
    client.open("GET")
    called.wait()
    client.reset()
    served.wait_until_unconnected()
    finish.set()
    assert result.wait() is None
