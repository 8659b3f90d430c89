"""WSGI without threads (`--threads 0`): on the loop's own thread, one request at a time."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from support.flag import Flag
from support.http import RawClient
from support.inprocess import Served
from support.wsgi import Closing

Serve = Callable[..., Served]

PIECE = 65536
MANY = 400


@pytest.fixture
def serve_inline(served: Serve) -> Callable[..., Served]:
    def start(app: Any, **options: Any) -> Served:
        return served(app, interface="wsgi", threads=0, **options).start()

    return start


def test_runs_on_the_threads_of_the_loop(serve_inline: Serve) -> None:
    idents = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        idents.append(threading.get_ident())
        start_response("200 OK", [])
        return []

    served = serve_inline(app)
    client = served.connect()
    for _ in range(3):
        client.request("GET")

    async def ident() -> int:
        return threading.get_ident()

    assert set(idents) == {served.run(ident())}


def test_no_loop_seems_to_run(serve_inline: Serve) -> None:
    """Django's ORM refuses to work where one runs. In the call, in each piece, in close()."""
    loops = []

    def look() -> None:
        try:
            loops.append(asyncio.get_running_loop())
        except RuntimeError:
            loops.append(None)  # type: ignore[arg-type]

    class Result:
        def __iter__(self) -> Any:
            look()
            yield b"a"
            look()
            yield b"b"

        def close(self) -> None:
            look()

    def app(environ: Any, start_response: Any) -> Any:
        look()
        start_response("200 OK", [])
        return Result()

    served = serve_inline(app)
    assert served.request("GET").body == b"ab"
    served.wait_until_idle()
    assert loops == [None] * 4


def test_application_may_run_a_loop_of_its_own(serve_inline: Serve) -> None:
    """async_to_sync does, around async middleware and views."""

    async def work() -> bytes:
        await asyncio.sleep(0)
        return b"from a loop"

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [asyncio.run(work())]

    client = serve_inline(app).connect()
    for _ in range(3):
        assert client.request("GET").body == b"from a loop"


def test_the_servers_loop_is_itself_again_afterwards(serve_inline: Serve) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/stumble":
            raise ValueError("on purpose")
        start_response("200 OK", [])
        return [b"ok"]

    served = serve_inline(app)

    async def loop() -> Any:
        await asyncio.sleep(0)
        return asyncio.get_running_loop()

    for path in ("/", "/stumble"):
        served.request("GET", path)
        assert served.run(loop()) is served.loop
    assert "on purpose" in served.taken_log()


class Flood:
    """Streams more than any buffer holds for /slow; keeps the order of calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.pieces = 0
        self.closed = Flag()

    def __call__(self, environ: Any, start_response: Any) -> Any:
        self.calls.append(environ["PATH_INFO"])
        start_response("200 OK", [])
        return self.stream() if environ["PATH_INFO"] == "/slow" else [b"quick"]

    def stream(self) -> Any:
        try:
            for number in range(MANY):
                self.pieces += 1
                yield bytes([number % 256]) * PIECE
        finally:
            self.calls.append("closed")
            self.closed.set()


def test_generator_to_a_slow_reader_waits_and_keeps_its_order(serve_inline: Serve) -> None:
    flood = Flood()
    stream = serve_inline(flood).connect(receive_buffer=4096).open("GET", "/slow")
    assert stream.head().status == 200
    assert flood.pieces < MANY
    body = stream.response().body
    assert len(body) == MANY * PIECE
    assert body[::PIECE] == bytes(number % 256 for number in range(MANY))
    flood.closed.wait()


def test_loop_goes_on_while_the_generator_waits(serve_inline: Serve) -> None:
    """New connections are accepted and their requests read; they are called in turn."""
    flood = Flood()
    served = serve_inline(flood)
    slow = served.connect(receive_buffer=4096).open("GET", "/slow")
    assert slow.head().status == 200
    others = [served.connect().open("GET", f"/{number}") for number in range(3)]
    assert len(slow.response().body) == MANY * PIECE
    assert [stream.response().body for stream in others] == [b"quick"] * 3
    assert flood.calls[:2] == ["/slow", "closed"]
    assert sorted(flood.calls[2:]) == ["/0", "/1", "/2"]


def test_client_that_leaves_in_its_slow_response_makes_room(serve_inline: Serve) -> None:
    flood = Flood()
    served = serve_inline(flood)
    client = served.connect(receive_buffer=4096)
    assert client.open("GET", "/slow").head().status == 200
    waiting = served.connect().open("GET", "/next")
    client.reset()
    assert waiting.response().body == b"quick"
    assert flood.calls == ["/slow", "closed", "/next"]


def test_client_that_leaves_the_queue_is_not_called(serve_inline: Serve) -> None:
    flood = Flood()
    served = serve_inline(flood)
    slow = served.connect(receive_buffer=4096).open("GET", "/slow")
    assert slow.head().status == 200
    gone = served.connect()
    gone.open("GET", "/gone")
    waits = served.connect().open("GET", "/waits")

    async def connections() -> int:
        while len(served.hub.connections) != 3:
            await asyncio.sleep(0)
        return len(served.hub.connections)

    assert served.run(connections()) == 3
    gone.reset()

    async def one_less() -> None:
        while len(served.hub.connections) != 2:
            await asyncio.sleep(0)

    served.run(one_less())
    assert len(slow.response().body) == MANY * PIECE
    assert waits.response().body == b"quick"
    assert "/gone" not in flood.calls


def test_client_that_never_reads_makes_room_at_the_write_deadline(serve_inline: Serve) -> None:
    flood = Flood()
    served = serve_inline(flood, timeout_write=0.3)
    assert served.connect(receive_buffer=4096).open("GET", "/slow").head().status == 200
    assert served.request("GET", "/next").body == b"quick"
    assert "reads nothing" in served.taken_log()


def test_pipelined_requests_are_called_in_order(serve_inline: Serve) -> None:
    calls = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        calls.append(environ["PATH_INFO"])
        start_response("200 OK", [])
        return [environ["PATH_INFO"].encode()]

    with RawClient(serve_inline(app).port) as client:
        client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in range(50)))
        bodies = [client.read_response().body for _ in range(50)]
    assert bodies == [b"/%d" % number for number in range(50)]
    assert calls == [f"/{number}" for number in range(50)]


def test_exception_in_a_slow_response_makes_room(serve_inline: Serve) -> None:
    result = Closing(*[bytes(PIECE)] * MANY, ValueError("at the end"))

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return result if environ["PATH_INFO"] == "/slow" else [b"quick"]

    served = serve_inline(app)
    slow = served.connect(receive_buffer=4096).open("GET", "/slow")
    assert slow.head().status == 200
    waiting = served.connect().open("GET", "/next")
    slow.read_broken()
    assert waiting.response().body == b"quick"
    assert result.closed.wait() == MANY
    assert "at the end" in served.taken_log()


def test_stop_waits_for_a_slow_reader(serve_inline: Serve) -> None:
    flood = Flood()
    served = serve_inline(flood, timeout_graceful_shutdown=10)
    slow = served.connect(receive_buffer=4096).open("GET", "/slow")
    assert slow.head().status == 200
    served.begin_stop()
    assert len(slow.response().body) == MANY * PIECE
