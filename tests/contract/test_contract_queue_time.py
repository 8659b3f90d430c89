"""WSGI requests that wait for a thread: how long they did, and those that wait too long."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from bascule.worker import starvation
from support.flag import Flag
from support.inprocess import Served

Serve = Callable[..., Served]

TIMEOUT = 0.5


class Crowded:
    """An application that keeps its thread on /busy until it is released, and says elsewhere how
    long the request has waited."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.busy = threading.Semaphore(0)
        self.paths: list[str] = []

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        self.paths.append(environ["PATH_INFO"])
        if environ["PATH_INFO"] == "/busy":
            self.keep_thread()
        start_response("200 OK", [])
        return [str(environ["bascule.queue_time"]).encode()]

    def keep_thread(self) -> None:
        self.busy.release()
        assert self.release.wait(10)


@pytest.fixture
def crowded(served: Serve) -> Any:
    app = Crowded()

    def start(**options: Any) -> Served:
        return served(app, interface="wsgi", **{"threads": 1, **options}).start()

    yield app, start
    app.release.set()


def occupy(served: Served, app: Crowded) -> Any:
    stream = served.connect().open("GET", "/busy")
    assert app.busy.acquire(timeout=10)
    return stream


def test_an_application_is_told_how_long_its_request_has_waited(crowded: Any) -> None:
    app, start = crowded
    served = start()
    assert 0.0 < float(served.request("GET").body) < 5.0
    busy = occupy(served, app)
    began = time.perf_counter()
    waiting = served.connect().open("GET")
    served.wait_until(lambda: len(served.hub.interface.pool.calls) == 1)
    seen = time.perf_counter()
    served.wait_until(lambda: time.perf_counter() > seen + 0.1)
    app.release.set()
    waited = float(waiting.response().body)
    assert 0.1 <= waited <= time.perf_counter() - began
    assert float(busy.response().body) < waited


def test_who_waits_too_long_is_answered_503_while_no_thread_comes_free(crowded: Any) -> None:
    app, start = crowded
    served = start(queue_timeout=TIMEOUT)
    busy = occupy(served, app)
    client = served.connect()
    response = client.request("GET", "/shed")
    assert response.status == 503
    assert response.header("retry-after") == "1"
    assert response.body == b"the request has waited for too long\n"
    assert not served.hub.interface.pool.calls
    assert served.hub.interface.running == 1
    assert "(--queue-timeout)" in served.taken_log()
    app.release.set()
    # The one that runs is not hurried.
    assert busy.response().status == 200
    assert client.request("GET").status == 200
    assert app.paths == ["/busy", "/"]


def test_a_thread_that_comes_free_too_late_does_not_run_it(crowded: Any) -> None:
    """The tick has not been there in between."""
    app, start = crowded
    served = start(queue_timeout=60.0)
    busy = occupy(served, app)
    waiting = served.connect().open("GET", "/shed")
    served.wait_until(lambda: len(served.hub.interface.pool.calls) == 1)
    (call,) = served.hub.interface.pool.calls
    call.queued_at -= 61.0
    served.loop.call_soon_threadsafe(app.release.set)
    assert waiting.response().status == 503
    assert busy.response().status == 200
    assert app.paths == ["/busy"]
    assert "(--queue-timeout)" in served.taken_log()


def test_applications_that_share_their_threads_share_the_limit(served: Serve) -> None:
    app, other = Crowded(), Crowded()
    one = served(
        app, interface="wsgi", mounts={"/other": other}, threads=1, queue_timeout=TIMEOUT
    ).start()
    busy = occupy(one, app)
    assert one.request("GET", "/other/shed").status == 503
    # The answer may be here before its exchange is forgotten.
    one.wait_until(lambda: [call.path for call in one.server._worker.in_flight()] == ["/busy"])
    app.release.set()
    assert busy.response().status == 200
    assert one.request("GET", "/other/fine").status == 200
    assert other.paths == ["/fine"]
    assert "(--queue-timeout)" in one.taken_log()


def test_on_the_loop_the_wait_is_for_the_turn(crowded: Any) -> None:
    _, start = crowded
    served = start(threads=0, queue_timeout=TIMEOUT)
    assert 0.0 <= float(served.request("GET").body) < TIMEOUT


def test_on_the_loop_who_waits_too_long_for_its_turn_is_answered_503(served: Serve) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/stream":
            return (bytes(65536) for _ in range(400))
        return [b"fine"]

    one = served(app, interface="wsgi", threads=0, queue_timeout=TIMEOUT).start()
    stream = one.connect(receive_buffer=4096).open("GET", "/stream")
    assert stream.head().status == 200
    waiting = one.connect().open("GET", "/shed")
    one.wait_until(lambda: len(one.hub.interface.queue.waiting) == 1)
    began = one.hub.now
    one.wait_until(lambda: one.hub.now > began + TIMEOUT)
    assert len(stream.response().body) == 400 * 65536
    assert waiting.response().status == 503
    assert one.request("GET").status == 200
    assert "(--queue-timeout)" in one.taken_log()


def test_busy_threads_are_named_with_what_they_do(
    crowded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starvation, "WAITED_FOR", TIMEOUT)
    app, start = crowded
    served = start(threads=2)
    streams = [occupy(served, app) for _ in range(2)]
    waiting = served.connect().open("GET", "/waiting")
    served.wait_until(lambda: served.logged("all 2 threads"))
    log = served.taken_log()
    assert "all 2 threads (--threads) are busy, and 1 requests wait" in log
    assert "thread bascule-1, running GET /busy for" in log
    assert "thread bascule-2, running GET /busy for" in log
    assert log.count(", in keep_thread") == 2
    assert "3 in flight:" in log
    assert "GET /waiting: " in log
    assert "WSGI, queued for a thread" in log
    app.release.set()
    assert [stream.response().status for stream in [*streams, waiting]] == [200] * 3


def test_stacks_say_which_thread_runs_which_request(crowded: Any) -> None:
    app, start = crowded
    served = start(threads=2)
    stream = occupy(served, app)
    text = served.server._worker.stacks()
    assert "thread bascule-1, running GET /busy\n" in text
    assert ", in keep_thread" in text
    assert ", the event loop\n" in text
    app.release.set()
    assert stream.response().status == 200


def test_stacks_have_the_tasks_of_requests(serve: Serve) -> None:
    begun, release = Flag(), Flag()

    async def guilty() -> None:
        begun.set()
        await release.reached()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await guilty()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"fine"})

    served = serve(app)
    stream = served.connect().open("GET", "/slow")
    begun.wait()
    text = served.server._worker.stacks()
    assert "task of GET /slow, waiting on the loop\n" in text
    assert ", in guilty\n" in text
    (one,) = served.server._worker.in_flight()
    assert str(one).startswith("GET /slow: 0.")
    assert str(one).endswith(" s, ASGI, waiting on the loop")
    release.set()
    assert stream.response().status == 200
    served.wait_until_idle()
    assert served.server._worker.in_flight() == []
