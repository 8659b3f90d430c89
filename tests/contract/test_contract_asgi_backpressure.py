"""Slow readers: `send` waits for them, and what waits is bounded."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from support.asgi import app, body, respond, start
from support.flag import Flag
from support.http import ConnectionEnded
from support.inprocess import Served

Serve = Callable[..., Served]

PIECE = 65536
MANY = 512  # 32 MiB: more than any buffer on the way is allowed to take


class Flood:
    """Sends MANY pieces, and says when a `send` first had to wait."""

    def __init__(self) -> None:
        self.blocked = Flag()
        self.sent = 0
        self.finished = Flag()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/other":
            await respond(send, b"other")
            return
        await start(send)
        for number in range(MANY):
            task = asyncio.create_task(body(send, bytes([number % 256]) * PIECE, more=True))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            if not task.done() and not self.blocked.is_set:
                self.blocked.set(self.sent)
            await task
            self.sent += PIECE
        await body(send)
        self.finished.set()


def test_send_waits_and_memory_stays_bounded(serve: Serve) -> None:
    flood = Flood()
    served = serve(flood)
    stream = served.connect(receive_buffer=4096).open("GET")
    assert flood.blocked.wait() < MANY * PIECE / 2

    async def look() -> tuple[int, list[int]]:
        return flood.sent, [
            connection.transport.unwritten() for connection in served.hub.connections
        ]

    if hasattr(next(iter(served.hub.connections)), "transport"):
        sent, waiting = served.run(look())
        assert sent < MANY * PIECE / 2
        assert max(waiting) < 4 * PIECE
    data = stream.response().body
    flood.finished.wait()
    assert len(data) == MANY * PIECE
    assert data[::PIECE] == bytes(number % 256 for number in range(MANY))


def test_others_are_served_meanwhile(serve: Serve) -> None:
    flood = Flood()
    served = serve(flood)
    stream = served.connect(receive_buffer=4096).open("GET")
    flood.blocked.wait()
    for _ in range(3):
        assert served.request("GET", "/other").body == b"other"
    assert not flood.finished.is_set
    assert len(stream.response().body) == MANY * PIECE


def test_connection_is_kept_after_a_slow_response(serve: Serve) -> None:
    flood = Flood()
    client = serve(flood).connect(receive_buffer=4096)
    stream = client.open("GET")
    flood.blocked.wait()
    assert len(stream.response().body) == MANY * PIECE
    assert client.request("GET", "/other").body == b"other"


def test_send_that_waits_can_be_cancelled(serve: Serve) -> None:
    """Data given to a cancelled send is sent all the same; the response continues after it."""
    cancelled = Flag()

    @app
    async def impatient(receive: Any, send: Any) -> None:
        await start(send)
        sent = 0
        while not cancelled.is_set:
            task = asyncio.create_task(body(send, bytes(PIECE), more=True))
            sent += PIECE
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            if not task.done():
                task.cancel()
                results = await asyncio.gather(task, return_exceptions=True)
                assert isinstance(results[0], asyncio.CancelledError)
                cancelled.set()
        await body(send, b"%d" % sent)

    stream = serve(impatient).connect(receive_buffer=4096).open("GET")
    cancelled.wait()
    data = stream.response().body
    zeros = data.rindex(b"\0") + 1
    assert int(data[zeros:]) == zeros


def test_two_tasks_may_wait_for_the_same_slow_reader(serve: Serve) -> None:
    blocked = Flag()

    @app
    async def pair(receive: Any, send: Any) -> None:
        async def half() -> None:
            for _ in range(MANY // 2):
                await body(send, bytes(PIECE), more=True)

        await start(send)
        tasks = [asyncio.create_task(half()) for _ in range(2)]
        await asyncio.wait(tasks, timeout=0.05)
        blocked.set(any(task.done() for task in tasks))
        await asyncio.gather(*tasks)
        await body(send)

    stream = serve(pair).connect(receive_buffer=4096).open("GET")
    assert blocked.wait() is False
    assert len(stream.response().body) == MANY * PIECE


def test_one_large_piece_is_waited_for(serve: Serve) -> None:
    """Also the last: an application that counts on `send` may free what it sent from."""
    blocked = Flag()

    @app
    async def large(receive: Any, send: Any) -> None:
        await start(send)
        task = asyncio.create_task(body(send, bytes(MANY * PIECE), more=True))
        for _ in range(3):
            await asyncio.sleep(0)
        blocked.set(not task.done())
        await task
        await body(send)

    stream = serve(large).connect(receive_buffer=4096).open("GET")
    assert blocked.wait() is True
    assert len(stream.response().body) == MANY * PIECE


def test_client_that_never_reads_is_dropped_at_the_write_deadline(serve: Serve) -> None:
    flood, result = Flood(), Flag()

    async def patient(scope: Any, receive: Any, send: Any) -> None:
        try:
            await flood(scope, receive, send)
        except OSError as error:
            result.set(error)

    served = serve(patient, timeout_write=0.3)
    stream = served.connect(receive_buffer=4096).open("GET")
    flood.blocked.wait()
    assert isinstance(result.wait(), OSError)
    with pytest.raises(ConnectionEnded):
        stream.response()
    assert "reads nothing" in served.taken_log()
