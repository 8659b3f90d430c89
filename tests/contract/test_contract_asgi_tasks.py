"""The surroundings of a call: its task, its context, and work after the response."""

import asyncio
import contextvars
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import pytest

from support.asgi import app, body, read_body, respond, start
from support.flag import DEADLINE, Flag
from support.http import RawClient
from support.inprocess import Served

Serve = Callable[..., Served]

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def test_current_task_is_the_calls_own_from_the_first_step(serve: Serve) -> None:
    tasks: SimpleQueue[Any] = SimpleQueue()

    @app
    async def look(receive: Any, send: Any) -> None:
        first = asyncio.current_task()
        await asyncio.sleep(0)
        tasks.put((first, asyncio.current_task(), first in asyncio.all_tasks()))
        await respond(send)

    client = serve(look).connect()
    client.request("GET")
    client.request("GET")
    (first, later, known), (second, _, _) = (
        tasks.get(timeout=DEADLINE),
        tasks.get(timeout=DEADLINE),
    )
    assert isinstance(first, asyncio.Task)
    assert first is later
    assert known
    assert first is not second


def test_running_loop_is_known_from_the_first_step(serve: Serve) -> None:
    loops: SimpleQueue[Any] = SimpleQueue()

    @app
    async def look(receive: Any, send: Any) -> None:
        loops.put(asyncio.get_running_loop())
        await respond(send)

    served = serve(look)
    served.request("GET")
    assert loops.get(timeout=DEADLINE) is served.loop


def test_no_task_is_current_between_requests(serve: Serve) -> None:
    seen = Flag()

    @app
    async def look(receive: Any, send: Any) -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: seen.set(asyncio.current_task(loop)))
        await respond(send)

    serve(look).request("GET")
    assert seen.wait() is None


def test_timeout_in_the_first_step(serve: Serve) -> None:
    """asyncio.timeout() needs a task that can be cancelled."""

    @app
    async def impatient(receive: Any, send: Any) -> None:
        try:
            async with asyncio.timeout(0.001):
                await asyncio.get_running_loop().create_future()
        except TimeoutError:
            await respond(send, b"in time")

    assert serve(impatient).request("GET").body == b"in time"


def test_task_group_in_the_first_step(serve: Serve) -> None:
    @app
    async def group(receive: Any, send: Any) -> None:
        async with asyncio.TaskGroup() as tasks:
            one = tasks.create_task(asyncio.sleep(0, b"1"))
            two = tasks.create_task(asyncio.sleep(0, b"2"))
        await respond(send, one.result() + two.result())

    assert serve(group).request("GET").body == b"12"


def test_call_soon_in_the_first_step(serve: Serve) -> None:
    """The loop works as ever while the application's first step runs."""

    @app
    async def schedule(receive: Any, send: Any) -> None:
        loop = asyncio.get_running_loop()
        order: list[bytes] = []
        done = loop.create_future()
        loop.call_soon(order.append, b"1")
        loop.call_soon_threadsafe(order.append, b"2")
        loop.call_soon(done.set_result, None)
        await done
        await respond(send, b"".join(order))

    assert serve(schedule).request("GET").body == b"12"


def test_application_may_cancel_its_own_task(serve: Serve) -> None:
    """It is the application's business; its client gets an answer."""

    @app
    async def cancel(receive: Any, send: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    served = serve(cancel)
    assert served.request("GET").status == 500
    assert "cancelled" in served.taken_log()


def seen_by_requests(serve: Serve, exchange: Callable[[Served], None], read: bool) -> list[str]:
    """The values of `variable` in two requests, each before it sets it."""
    seen: SimpleQueue[str] = SimpleQueue()

    async def mark(scope: Any, receive: Any, send: Any) -> None:
        seen.put(variable.get())
        variable.set(scope["path"])
        if read:
            await read_body(receive)
        await respond(send, b"x" * 10)

    exchange(serve(mark))
    return [seen.get(timeout=DEADLINE), seen.get(timeout=DEADLINE)]


def test_context_does_not_leak_to_the_next_request(serve: Serve) -> None:
    def twice(served: Served) -> None:
        client = served.connect()
        client.request("GET", "/1")
        client.request("GET", "/2")

    assert seen_by_requests(serve, twice, read=False) == ["unset", "unset"]


@pytest.mark.parametrize("read", [True, False])
def test_context_does_not_leak_to_a_pipelined_request(serve: Serve, read: bool) -> None:
    def pipeline(served: Served) -> None:
        with RawClient(served.port) as client:
            client.send(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
            client.read_response()
            client.read_response()

    assert seen_by_requests(serve, pipeline, read) == ["unset", "unset"]


@pytest.mark.parametrize("read", [True, False])
@pytest.mark.parametrize("size", [10, 200_000])
def test_context_does_not_leak_after_a_body(serve: Serve, read: bool, size: int) -> None:
    """Reading was paused and resumed, or the rest thrown away, on behalf of the first."""

    def post(served: Served) -> None:
        client = served.connect()
        client.request("POST", "/1", body=bytes(size))
        client.request("POST", "/2", body=b"")

    assert seen_by_requests(serve, post, read) == ["unset", "unset"]


def test_context_does_not_leak_after_a_late_body(serve: Serve) -> None:
    """The application waits in `receive` before the body comes."""
    waiting = Flag()
    seen: SimpleQueue[str] = SimpleQueue()

    async def mark(scope: Any, receive: Any, send: Any) -> None:
        seen.put(variable.get())
        variable.set(scope["path"])
        if scope["path"] == "/1":
            waiting.set()
        await read_body(receive)
        await respond(send)

    client = serve(mark).connect()
    stream = client.open("POST", "/1", more=True)
    waiting.wait()
    for _ in range(10):
        stream.send(bytes(30_000))
    stream.send(b"", end=True)
    assert stream.response().status == 200
    client.request("GET", "/2")
    assert [seen.get(timeout=DEADLINE), seen.get(timeout=DEADLINE)] == ["unset", "unset"]


@pytest.mark.parametrize("size", [100, 3_000_000])
@pytest.mark.parametrize("kind", ["body", "pathsend"])
def test_context_does_not_leak_after_a_large_response(
    serve: Serve, tmp_path: Any, kind: str, size: int
) -> None:
    """Writing was paused and resumed, or a file sent, on behalf of the first."""
    file = tmp_path / "file"
    file.write_bytes(bytes(size))
    seen: SimpleQueue[str] = SimpleQueue()

    async def mark(scope: Any, receive: Any, send: Any) -> None:
        seen.put(variable.get())
        variable.set(scope["path"])
        await start(send)
        if kind == "body":
            await body(send, bytes(size), more=True)
            await body(send)
        else:
            await send({"type": "http.response.pathsend", "path": str(file)})

    port = serve(mark).port
    with RawClient(port) as client:
        client.send(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert len(client.read_response().body) == size
        assert len(client.read_response().body) == size
    assert [seen.get(timeout=DEADLINE), seen.get(timeout=DEADLINE)] == ["unset", "unset"]


def test_context_lasts_for_the_whole_call(serve: Serve) -> None:
    @app
    async def remember(receive: Any, send: Any) -> None:
        variable.set("mine")
        await read_body(receive)
        await start(send)
        await body(send, variable.get().encode(), more=True)
        await asyncio.sleep(0)
        await body(send, variable.get().encode())

    assert serve(remember).request("POST", body=b"x").body == b"minemine"


def test_work_after_the_response_does_not_hold_the_connection(serve: Serve) -> None:
    """The next request on the connection is answered while the first application still works."""
    finish, finished = Flag(), Flag()

    async def work(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, scope["path"].encode())
        if scope["path"] == "/work":
            await finish.reached()
            finished.set()

    client = serve(work).connect()
    assert client.request("GET", "/work").body == b"/work"
    for _ in range(3):
        assert client.request("GET", "/next").body == b"/next"
    assert not finished.is_set
    finish.set()
    finished.wait()


def test_work_after_the_response_goes_on_without_the_client(serve: Serve) -> None:
    finish, finished = Flag(), Flag()

    @app
    async def work(receive: Any, send: Any) -> None:
        await respond(send)
        await finish.reached()
        finished.set("finished")

    served = serve(work)
    client = served.connect()
    client.request("GET")
    client.reset()
    finish.set()
    assert finished.wait() == "finished"


def test_exception_after_the_response_is_logged_and_harms_nobody(serve: Serve) -> None:
    @app
    async def work(receive: Any, send: Any) -> None:
        await respond(send, b"sent")
        raise ZeroDivisionError("in the background")

    served = serve(work)
    client = served.connect()
    for _ in range(2):
        assert client.request("GET").body == b"sent"
        served.wait_until_idle()
        assert "in the background" in served.taken_log()


def test_work_after_the_response_is_finished_before_the_stop(serve: Serve) -> None:
    finish, finished = Flag(), Flag()

    @app
    async def work(receive: Any, send: Any) -> None:
        await respond(send)
        await finish.reached()
        finished.set("finished")

    served = serve(work, timeout_graceful_shutdown=DEADLINE)
    served.request("GET")
    served.begin_stop()
    finish.set()
    assert finished.wait() == "finished"
