"""Requests that take too long: the client gets 504, the call ends, the worker keeps serving."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from bascule.connections import overdue
from bascule.errors import RequestTimeout
from bascule.interfaces.hybrid import Hybrid
from support import asgi
from support.flag import DEADLINE, Flag
from support.inprocess import Served
from support.wsgi import Closing, answering

Serve = Callable[..., Served]

TIMEOUT = 0.5


def busy_until(condition: Callable[[], bool]) -> None:
    """Python code, which can be interrupted between any two of its steps."""
    ends_at = time.monotonic() + DEADLINE
    while not condition() and time.monotonic() < ends_at:
        pass


# ASGI.


def test_a_task_is_cancelled_and_may_clean_up(serve: Serve) -> None:
    flags = [Flag(), Flag()]
    unused = iter(flags)

    @asgi.app
    async def app(receive: Any, send: Any) -> None:
        cleaned = next(unused)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.set()

    served = serve(app, request_timeout=TIMEOUT)
    client = served.connect()
    response = client.request("GET", "/slow")
    assert response.status == 504
    assert response.body == b"the application did not answer in time\n"
    flags[0].wait()
    assert client.request("GET", "/slow").status == 504
    flags[1].wait()
    log = served.taken_log()
    assert log.count("GET /slow: no response within 0.5 s") == 2
    assert "await asyncio.Event().wait()" in log


def test_the_stack_of_a_task_is_that_of_its_innermost_coroutine(serve: Serve) -> None:
    async def guilty() -> None:
        await asyncio.get_running_loop().create_future()

    @asgi.app
    async def app(receive: Any, send: Any) -> None:
        await asyncio.create_task(guilty())

    served = serve(app, request_timeout=TIMEOUT)
    assert served.request("GET").status == 504
    assert ", in guilty" in served.taken_log()


def test_what_is_sent_after_the_deadline_is_dropped(serve: Serve) -> None:
    sent = Flag()

    @asgi.app
    async def app(receive: Any, send: Any) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            assert (await receive())["type"] == "http.disconnect"
            await asgi.respond(send, b"too late")
            sent.set()
            raise

    served = serve(app, request_timeout=TIMEOUT)
    client = served.connect()
    assert client.request("GET").status == 504
    sent.wait()
    assert "no response within" in served.taken_log()


def test_a_stream_of_events_lasts(serve: Serve) -> None:
    go_on = Flag()

    @asgi.app
    async def app(receive: Any, send: Any) -> None:
        await asgi.start(send)
        await asgi.body(send, b"first", more=True)
        await go_on.reached()
        await asgi.body(send, b"last")

    served = serve(app, request_timeout=TIMEOUT)
    stream = served.connect().open("GET")
    assert stream.read() == b"first"
    began = served.hub.now
    served.wait_until(lambda: served.hub.now > began + 3 * TIMEOUT)
    go_on.set()
    assert stream.response().body == b"last"


# WSGI, in threads.


@pytest.fixture
def serve_threads(served: Serve) -> Serve:
    def start(app: Any, threads: int = 1, **options: Any) -> Served:
        options = {"request_timeout": TIMEOUT, **options}
        return served(app, interface="wsgi", threads=threads, **options).start()

    return start


def test_a_thread_is_interrupted_and_goes_on_with_the_next_request(serve_threads: Serve) -> None:
    idents, raised = [], Flag()

    def guilty() -> None:
        try:
            busy_until(lambda: False)
        except BaseException as error:
            raised.set(error)
            raise

    def app(environ: Any, start_response: Any) -> list[bytes]:
        idents.append(threading.get_ident())
        if environ["PATH_INFO"] == "/slow":
            guilty()
        start_response("200 OK", [])
        return [b"fine"]

    served = serve_threads(app)
    client = served.connect()
    for _ in range(3):
        raised = Flag()
        response = client.request("GET", "/slow")
        assert response.status == 504
        assert isinstance(raised.wait(), RequestTimeout)
        assert client.request("GET").body == b"fine"
    assert len(set(idents)) == 1
    log = served.taken_log()
    assert log.count("answered 504") == 3
    assert "WSGI, in thread bascule-1" in log
    assert ", in guilty" in log
    assert "ERROR WSGI application raised" not in log


def test_a_result_is_interrupted_and_closed(serve_threads: Serve) -> None:
    class Slow(Closing):
        def __iter__(self) -> Any:
            busy_until(lambda: False)
            yield b"never"

    result = Slow()
    served = serve_threads(answering(result))
    assert served.request("GET").status == 504
    result.closed.wait()
    assert "answered 504" in served.taken_log()


def test_a_response_that_has_begun_is_left_alone(serve_threads: Serve) -> None:
    def pieces() -> Any:
        yield b"first "
        began = time.monotonic()
        busy_until(lambda: time.monotonic() > began + 3 * TIMEOUT)
        yield b"last"

    served = serve_threads(answering(pieces))
    assert served.request("GET").body == b"first last"


def test_a_thread_that_waits_for_the_body_hears_of_it(serve_threads: Serve) -> None:
    raised = Flag()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        try:
            environ["wsgi.input"].read()
        except BaseException as error:
            raised.set(error)
            raise
        return []

    served = serve_threads(app, threads=2)
    stream = served.connect().open("POST", more=True)
    stream.send(b"some of it")
    assert stream.head().status == 504
    assert isinstance(raised.wait(), RequestTimeout)
    assert "answered 504" in served.taken_log()


def test_what_does_not_come_back_is_stuck_until_it_does(
    serve_threads: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that waits in C code cannot be interrupted."""
    monkeypatch.setattr(overdue, "STUCK_AFTER", TIMEOUT)
    release, raised = threading.Lock(), Flag()
    release.acquire()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/stuck":
            try:
                release.acquire()
                busy_until(lambda: False)
            except RequestTimeout as error:
                raised.set(error)
                raise
        start_response("200 OK", [])
        return [b"fine"]

    served = serve_threads(app, threads=2)
    worker = served.server._worker
    client = served.connect()
    assert client.request("GET", "/stuck").status == 504
    # The other thread serves; the client of the stuck one, too.
    assert client.request("GET").body == b"fine"
    served.wait_until(lambda: len(worker.in_flight()) == 1)
    (one,) = worker.in_flight()
    assert (one.method, one.path, one.interface) == ("GET", "/stuck", "WSGI")
    assert one.state.startswith("in thread bascule-")
    assert one.age >= TIMEOUT
    served.wait_until(lambda: worker.hub.overdue.stuck == 1)
    assert "GET /stuck: stuck: it was interrupted, and still runs" in served.taken_log()
    release.release()
    raised.wait()
    served.wait_until(lambda: worker.hub.overdue.stuck == 0)
    assert "GET /stuck: returned at last" in served.taken_log()
    assert worker.in_flight() == []


def test_an_application_that_swallows_it_is_told_again(serve_threads: Serve) -> None:
    second = Flag()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        try:
            busy_until(lambda: False)
        except RequestTimeout:
            write = start_response("200 OK", [])
            try:
                write(b"too late")
            except RequestTimeout as error:
                second.set(error)
        return []

    served = serve_threads(app)
    assert served.request("GET").status == 504
    second.wait()
    served.wait_until_idle()
    log = served.taken_log()
    assert "answered 504" in log


# WSGI on the loop's thread, and both sides at once.


def test_on_the_loop_requests_behind_a_slow_reader_are_given_up(served: Serve) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/stream":
            return (bytes(65536) for _ in range(400))
        return [b"fine"]

    one = served(app, interface="wsgi", threads=0, request_timeout=TIMEOUT).start()
    stream = one.connect(receive_buffer=4096).open("GET", "/stream")
    assert stream.head().status == 200
    waiting = one.connect()
    assert waiting.request("GET", "/waiting").status == 504
    assert "GET /waiting" in one.taken_log()
    states = [entry.state for entry in one.server._worker.in_flight()]
    assert "on the loop's thread, sending" in states
    assert len(stream.response().body) == 400 * 65536
    assert waiting.request("GET").body == b"fine"


def test_both_sides_of_a_project(served: Serve) -> None:
    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        busy_until(lambda: False)
        return []

    @asgi.app
    async def on_loop(receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    project = Hybrid(
        "site", "Test", wsgi, on_loop, None, "", lambda path: path.startswith("/async")
    )
    one = served(project, lifespan="off", threads=2, request_timeout=TIMEOUT).start()
    streams = [one.connect().open("GET", path) for path in ("/async", "/sync")]
    assert [stream.response().status for stream in streams] == [504, 504]
    log = one.taken_log()
    assert "GET /async: no response within 0.5 s" in log
    assert "ASGI, waiting on the loop" in log
    assert "GET /sync: no response within 0.5 s" in log
    assert "WSGI, in thread bascule-1" in log
