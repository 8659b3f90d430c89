"""`receive`: the request body and its end (ASGI HTTP 2.5, "Request - receive event")."""

import asyncio
import gc
import types
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import pytest

from support.asgi import app, body, read_body, read_messages, respond, start
from support.flag import DEADLINE, Flag
from support.inprocess import Served

Serve = Callable[..., Served]

BIG = bytes(range(256)) * 20_000


@app
async def echo(receive: Any, send: Any) -> None:
    await respond(send, await read_body(receive))


@pytest.mark.parametrize("size", [0, 1, 1000, 65536, 65537, len(BIG)])
def test_whole_body(serve: Serve, size: int) -> None:
    client = serve(echo).connect()
    for _ in range(2):
        assert client.request("POST", body=BIG[:size]).body == BIG[:size]


@pytest.mark.parametrize("size", [0, 1, 1000, 65536, len(BIG)])
def test_whole_body_without_a_length(serve: Serve, size: int) -> None:
    client = serve(echo).connect()
    for _ in range(2):
        stream = client.open("POST", more=True)
        for offset in range(0, size, 500_000):
            stream.send(BIG[offset : min(offset + 500_000, size)])
        stream.send(b"", end=True)
        assert stream.response().body == BIG[:size]


def messages_of(
    serve: Serve, method: str, data: bytes | None, headers: Any = ()
) -> list[dict[str, Any]]:
    got = Flag()

    @app
    async def keep(receive: Any, send: Any) -> None:
        got.set(await read_messages(receive))
        await respond(send)

    serve(keep).request(method, "/", headers, data)
    messages: list[dict[str, Any]] = got.wait()
    return messages


def test_no_body_is_one_empty_message(serve: Serve) -> None:
    assert messages_of(serve, "GET", None) == [
        {"type": "http.request", "body": b"", "more_body": False}
    ]


def test_empty_body_is_one_empty_message(serve: Serve) -> None:
    assert messages_of(serve, "POST", b"") == [
        {"type": "http.request", "body": b"", "more_body": False}
    ]


def test_body_that_is_there_is_one_message(serve: Serve) -> None:
    assert messages_of(serve, "POST", b"abc") == [
        {"type": "http.request", "body": b"abc", "more_body": False}
    ]


def test_messages_are_plain_dicts_with_bytes(serve: Serve) -> None:
    messages = messages_of(serve, "POST", BIG[:200_000])
    assert {type(message) for message in messages} == {dict}
    assert {type(message["body"]) for message in messages} == {bytes}
    assert {type(message["more_body"]) for message in messages} == {bool}
    assert [message["more_body"] for message in messages] == [True] * (len(messages) - 1) + [False]


def test_pieces_come_as_they_are_sent(serve: Serve) -> None:
    """The application sees a piece before the client sends the next."""
    seen: SimpleQueue[dict[str, Any]] = SimpleQueue()

    @app
    async def watch(receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            seen.put(message)
            if not message["more_body"]:
                break
        await respond(send, b"all")

    stream = serve(watch).connect().open("POST", more=True)
    for piece in (b"one", b"two", b"three"):
        stream.send(piece)
        assert seen.get(timeout=DEADLINE) == {
            "type": "http.request",
            "body": piece,
            "more_body": True,
        }
    stream.send(b"", end=True)
    assert seen.get(timeout=DEADLINE) == {"type": "http.request", "body": b"", "more_body": False}
    assert stream.response().body == b"all"


def test_pieces_of_a_declared_length(serve: Serve) -> None:
    seen: SimpleQueue[dict[str, Any]] = SimpleQueue()

    @app
    async def watch(receive: Any, send: Any) -> None:
        more = True
        while more:
            message = await receive()
            seen.put(message)
            more = message["more_body"]
        await respond(send)

    stream = serve(watch).connect().open("POST", "/", [("Content-Length", "5")], more=True)
    stream.send(b"ab")
    assert seen.get(timeout=DEADLINE) == {"type": "http.request", "body": b"ab", "more_body": True}
    stream.send(b"cde", end=True)
    assert seen.get(timeout=DEADLINE) == {
        "type": "http.request",
        "body": b"cde",
        "more_body": False,
    }
    assert stream.response().status == 200


def test_response_can_flow_while_the_body_still_comes(serve: Serve) -> None:
    """Both directions are open at once."""

    @app
    async def shout(receive: Any, send: Any) -> None:
        await start(send)
        more = True
        while more:
            message = await receive()
            more = message["more_body"]
            await body(send, message["body"].upper(), more)

    stream = serve(shout).connect().open("POST", more=True)
    for piece in (b"a", b"b", b"c"):
        stream.send(piece)
        assert stream.read() == piece.upper()
    stream.send(b"d", end=True)
    assert stream.response().body == b"D"


def test_after_the_body_it_waits_for_the_end(serve: Serve) -> None:
    """There is no second end of the body: polling for a disconnect must not spin."""
    waiting = Flag()

    @app
    async def wait(receive: Any, send: Any) -> None:
        await read_body(receive)
        task = asyncio.create_task(receive())
        for _ in range(10):
            await asyncio.sleep(0)
        waiting.set(task.done())
        task.cancel()
        await respond(send)

    assert serve(wait).request("POST", body=b"x").status == 200
    assert waiting.wait() is False


def test_after_the_response_it_says_disconnect(serve: Serve) -> None:
    """Whether or not the client is still connected, and as often as it is asked."""
    got = Flag()

    @app
    async def late(receive: Any, send: Any) -> None:
        await respond(send)
        got.set([await receive(), await receive()])

    client = serve(late).connect()
    assert client.request("POST", body=b"unread").status == 200
    assert got.wait() == [{"type": "http.disconnect"}] * 2


def test_a_receive_that_waits_when_the_response_ends_says_disconnect(serve: Serve) -> None:
    """Nothing else would ever wake the task that listens for the disconnect."""
    got = Flag()

    @app
    async def listen(receive: Any, send: Any) -> None:
        await read_body(receive)
        listener = asyncio.create_task(receive())
        await asyncio.sleep(0)
        await respond(send)
        try:
            async with asyncio.timeout(DEADLINE / 5):
                got.set(await listener)
        except TimeoutError:
            got.set("nothing")

    client = serve(listen).connect()
    assert client.request("GET").status == 200
    assert got.wait() == {"type": "http.disconnect"}


def test_two_tasks_at_once_lose_nothing(serve: Serve) -> None:
    """Each message goes to one of them, in order."""
    got: SimpleQueue[bytes] = SimpleQueue()
    ready = Flag()

    @app
    async def race(receive: Any, send: Any) -> None:
        async def take() -> None:
            got.put((await receive())["body"])

        tasks = [asyncio.create_task(take()) for _ in range(2)]
        await asyncio.sleep(0)
        ready.set()
        await asyncio.gather(*tasks)
        await respond(send, await read_body(receive))

    stream = serve(race).connect().open("POST", more=True)
    ready.wait()
    for piece in (b"1", b"2"):
        stream.send(piece)
        assert got.get(timeout=DEADLINE) == piece
    stream.send(b"3", end=True)
    assert stream.response().body == b"3"


def test_two_tasks_waiting_for_the_end_both_learn_of_it(serve: Serve) -> None:
    ready, got = Flag(), Flag()

    @app
    async def race(receive: Any, send: Any) -> None:
        await read_body(receive)
        tasks = [asyncio.create_task(receive()) for _ in range(2)]
        await asyncio.sleep(0)
        ready.set()
        got.set(await asyncio.gather(*tasks))

    client = serve(race).connect()
    client.open("GET")
    ready.wait()
    client.reset()
    assert got.wait() == [{"type": "http.disconnect"}] * 2


def test_cancelled_receive_loses_nothing(serve: Serve) -> None:
    timed_out = Flag()

    @app
    async def impatient(receive: Any, send: Any) -> None:
        try:
            await asyncio.wait_for(receive(), 0.001)
        except TimeoutError:
            timed_out.set()
        await respond(send, await read_body(receive))

    stream = serve(impatient).connect().open("POST", more=True)
    timed_out.wait()
    stream.send(b"not ")
    stream.send(b"lost", end=True)
    assert stream.response().body == b"not lost"


async def watched(awaitable: Any, futures: list[Any]) -> Any:
    """Await, and keep the futures that are waited for."""
    return await steps_of(awaitable, futures)


@types.coroutine
def steps_of(awaitable: Any, futures: list[Any]) -> Any:
    steps = awaitable.__await__()
    try:
        while True:
            futures.append(next(steps))
            try:
                yield futures[-1]
            except BaseException as error:
                steps.throw(error)
    except StopIteration as end:
        return end.value


def test_receive_cancelled_when_its_message_is_there_loses_nothing(serve: Serve) -> None:
    """Cancelled between the arrival of the message and the task's turn: the next gets it."""
    ready = Flag()

    @app
    async def cancel(receive: Any, send: Any) -> None:
        futures: list[Any] = []
        task = asyncio.create_task(watched(receive(), futures))
        await asyncio.sleep(0)
        ready.set()
        while not futures[0].done():
            await asyncio.sleep(0)
        task.cancel()
        assert isinstance(
            (await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError
        )
        await respond(send, await read_body(receive))

    stream = serve(cancel).connect().open("POST", more=True)
    ready.wait()
    stream.send(b"abc", end=True)
    assert stream.response().body == b"abc"


def test_a_thousand_cancelled_receives_hold_nothing(serve: Serve) -> None:
    """A long poll that asks again every second may run for days."""

    def pending_futures() -> int:
        gc.collect()
        return sum(issubclass(type(thing), asyncio.Future) for thing in gc.get_objects())

    @app
    async def poll(receive: Any, send: Any) -> None:
        await read_body(receive)
        before = pending_futures()
        for _ in range(1000):
            task = asyncio.create_task(receive())
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await respond(send, b"%d" % (pending_futures() - before))

    assert int(serve(poll).request("GET").body) < 100


@pytest.mark.parametrize(
    "way", ["create_task", "wait_for", "gather", "shield", "ensure_future", "wait"]
)
def test_receive_is_given_to(serve: Serve, way: str) -> None:
    """It looks like a coroutine, whether its message is there or not."""

    async def through(awaitable: Any) -> Any:
        if way == "create_task":
            return await asyncio.create_task(awaitable, name="mine")
        if way == "wait_for":
            return await asyncio.wait_for(awaitable, DEADLINE)
        if way == "gather":
            return (await asyncio.gather(awaitable))[0]
        if way == "shield":
            return await asyncio.shield(awaitable)
        if way == "ensure_future":
            return await asyncio.ensure_future(awaitable)
        done, _ = await asyncio.wait([asyncio.create_task(awaitable)])
        return done.pop().result()

    first = Flag()

    @app
    async def ask(receive: Any, send: Any) -> None:
        assert asyncio.iscoroutine(receive())
        one = await through(receive())
        first.set()
        two = await through(receive())
        await respond(send, one["body"] + two["body"])

    stream = serve(ask).connect().open("POST", more=True)
    stream.send(b"1")
    first.wait()
    stream.send(b"2", end=True)
    assert stream.response().body == b"12"


def test_message_is_taken_when_it_is_awaited(serve: Serve) -> None:
    """An awaitable that is not awaited takes no message."""

    @app
    async def forget(receive: Any, send: Any) -> None:
        forgotten = receive()
        data = await read_body(receive)
        forgotten.close()
        await respond(send, data)

    assert serve(forget).request("POST", body=b"all of it").body == b"all of it"


def test_reading_stops_while_nobody_receives(serve: Serve) -> None:
    """Backpressure: of a large upload, only what fits in buffers leaves the client."""
    go_on, held = Flag(), Flag()

    @app
    async def slow(receive: Any, send: Any) -> None:
        await start(send)
        await body(send, b"ready", more=True)
        await go_on.reached()
        held.set(len((await receive())["body"]))
        await read_body(receive)
        await body(send)

    client = serve(slow).connect()
    stream = client.open("POST", "/", [("Content-Length", str(64 << 20))], more=True)
    assert stream.read() == b"ready"
    sent = stream.fill(bytes(32 << 20))
    go_on.set()
    assert sent < 32 << 20
    assert held.wait() < 1 << 20
    stream.rest(bytes((64 << 20) - sent))
    assert stream.response().status == 200
