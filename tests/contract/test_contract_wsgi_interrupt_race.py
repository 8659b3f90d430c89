"""Deadlines against ends, thousands of times: an interruption comes out in its own request, while
the application's code runs, and nowhere else.

The server's tick is run as often as timers allow, the deadline is another one each time, around
the time that the application's work was measured to take here. So some requests end before they
would be interrupted, some while they are, and some after. Threads take turns hundreds of times as
often as usual.
"""

import asyncio
import itertools
import random
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bascule.errors import RequestTimeout
from bascule.interfaces.wsgi import interrupt
from support.flag import DEADLINE, Flag
from support.inprocess import Served

Serve = Callable[..., Served]

# At least so many, and until enough of each outcome were there. On a busy machine some are rare.
REQUESTS = 500
ENOUGH = 20
# Of those whose time is taken first, with deadlines, in seconds, that hardly any comes to.
MEASURED = 20
LONG = 1e9
# Seconds between two ticks. A loop that spins instead fights the other threads for the GIL, until
# a call of a millisecond takes a hundred.
EVERY = 0.0005


@pytest.fixture(autouse=True)
def quick_turns() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


class Racing:
    """An application whose calls take a moment, each another one.

    ended, interrupted: the paths of calls that came to their end, and of those in which the
    exception came out. threads: the names of those that ran any.
    """

    def __init__(self, kind: str) -> None:
        self.part = getattr(self, kind)
        self.random = random.Random(kind)
        self.interrupted: list[str] = []
        self.ended: list[str] = []
        self.threads: set[str] = set()

    def __call__(self, environ: Any, start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        self.threads.add(threading.current_thread().name)
        try:
            result = self.part(environ, start_response, path.encode())
        except RequestTimeout:
            self.interrupted.append(path)
            raise
        self.ended.append(path)
        return result

    def work(self) -> int:
        return sum(number for number in range(self.random.randrange(30000)))

    def compute(self, environ: Any, start_response: Any, answer: bytes) -> Any:
        self.work()
        start_response("200 OK", [])
        return [answer]

    def read(self, environ: Any, start_response: Any, answer: bytes) -> Any:
        self.work()
        environ["wsgi.input"].read()
        self.work()
        start_response("200 OK", [])
        return [answer]

    def hint(self, environ: Any, start_response: Any, answer: bytes) -> Any:
        self.work()
        for _ in range(self.random.randrange(4)):
            environ["wsgi.early_hints"]([("Link", "</style.css>")])
        start_response("200 OK", [])(answer)
        return []

    def generate(self, environ: Any, start_response: Any, answer: bytes) -> Any:
        start_response("200 OK", [])

        def pieces() -> Any:
            try:
                self.work()
                yield b""
                self.work()
                yield answer
            except RequestTimeout:
                self.interrupted.append(answer.decode())
                raise

        return pieces()


async def tick_often(served: Served, longest: list[float], stop: asyncio.Event) -> None:
    """longest: of the deadlines, in seconds; its one element may change meanwhile."""
    chance = random.Random(1)
    while not stop.is_set():
        served.hub.request_timeout = chance.random() * longest[0]
        served.hub.tick()
        await asyncio.sleep(EVERY)


def usual_time(call: Callable[[], object]) -> float:
    """The median of what it takes, in seconds."""
    taken = []
    for _ in range(MEASURED):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


@pytest.mark.parametrize("kind", ["compute", "read", "hint", "generate"])
def test_an_interruption_hits_its_own_request_or_none(served: Serve, kind: str) -> None:
    app = Racing(kind)
    one = served(app, interface="wsgi", threads=1, request_timeout=60.0).start()
    stop = asyncio.Event()
    longest = [LONG]
    ticking = asyncio.run_coroutine_threadsafe(tick_often(one, longest, stop), one.loop)
    client = one.connect()
    given_up, answered = [], []
    body = bytes(1000) if kind == "read" else b""
    longest[0] = 2 * usual_time(lambda: client.request("POST", "/before", body=body))
    app.interrupted.clear()
    ends_at = time.monotonic() + 40
    for number in itertools.count():
        enough = min(len(answered), len(app.interrupted)) > ENOUGH
        if number >= REQUESTS and (enough or time.monotonic() > ends_at):
            break
        path = f"/{number}"
        response = client.request("POST", path, body=body)
        if response.status == 504:
            given_up.append(path)
        else:
            assert (response.status, response.body) == (200, path.encode())
            answered.append(path)
    one.loop.call_soon_threadsafe(stop.set)
    ticking.result(10)
    one.hub.request_timeout = 0.0
    # A late exception has been raised by now, or never will be.
    for _ in range(100):
        assert client.request("GET", "/after").body == b"/after"
    one.wait_until_idle()
    assert app.threads == {"bascule-1"}
    assert set(app.interrupted) <= set(given_up)
    assert len(app.interrupted) == len(set(app.interrupted))
    # Else nothing was raced.
    assert min(len(answered), len(app.interrupted)) > 0
    log = one.taken_log()
    assert "raised" not in log
    assert "Traceback" not in log


# The narrow places, one by one: what the race above comes to once in a while.


class Held:
    """Stands for the server's loop in a pool of threads: the first time that a thread posts, the
    request is given up meanwhile, and a thread that may be hit there will be."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.loop: Any = served.loop
        self.posts = 0
        self.hit = False

    def call_soon_threadsafe(self, callback: Any) -> None:
        self.posts += 1
        if self.posts == 1:
            call = self.served.hub.interface.calls()[0]
            give_up(self.served, call)
            try:
                busy_until(lambda: False, 0.05)
            except RequestTimeout:
                self.hit = True
        self.loop.call_soon_threadsafe(callback)

    def call_soon(self, callback: Any) -> None:
        self.loop.call_soon(callback)


def give_up(served: Served, call: Any) -> None:
    """Have the request pass its deadline now, and wait until that is done. Not on the loop."""
    done = Flag()

    def expire() -> None:
        connection = next(iter(served.hub.connections))
        served.hub.request_timeout = 1e-9
        connection.tick(served.hub.now)
        # The time for requests goes by this.
        served.hub.read_at += 1
        connection.tick(served.hub.now)
        served.hub.read_at -= 1
        served.hub.request_timeout = 0.0
        done.set()

    served.loop.call_soon_threadsafe(expire)
    done.wait()
    assert call.expired


def busy_until(condition: Callable[[], bool], seconds: float = DEADLINE) -> None:
    ends_at = time.monotonic() + seconds
    while not condition() and time.monotonic() < ends_at:
        pass


def test_handing_over_to_the_loop_is_never_hit(served: Serve) -> None:
    raised, other = Flag(), []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/hint":
            try:
                environ["wsgi.early_hints"]([("Link", "</style.css>")])
            except RequestTimeout as error:
                raised.set(error)
                raise
            other.append("continued")
        start_response("200 OK", [])
        return [b"fine"]

    one = served(app, interface="wsgi", threads=1).start()
    pool = one.hub.interface.pool
    pool.loop = held = Held(one)
    client = one.connect()
    assert client.request("GET", "/hint").status == 504
    # It hears of it as soon as the server's code is left.
    raised.wait()
    assert client.request("GET").body == b"fine"
    pool.loop = one.loop
    assert not held.hit
    assert other == []
    assert "GET /hint: no response within" in one.taken_log()


def test_an_exception_that_is_sent_when_the_application_has_returned_is_taken_back(
    served: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop has seen the thread in the application, and is late with its strike."""
    reached, release = Flag(), Flag()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/late":
            reached.set()
            release.wait()
        # Python code enough to be hit in.
        assert sum(range(1000)) == sum(number for number in range(1000))
        start_response("200 OK", [])
        return [b"fine"]

    one = served(app, interface="wsgi", threads=1).start()
    real = interrupt.strike
    struck = []

    def late_strike(ident: int) -> bool:
        (call,) = one.hub.interface.calls()
        assert call.exposed
        release.set()
        busy_until(lambda: not call.exposed)
        struck.append(ident)
        return real(ident)

    monkeypatch.setattr(interrupt, "strike", late_strike)
    client = one.connect()
    stream = client.open("GET", "/late")
    reached.wait()
    (call,) = one.hub.interface.calls()
    give_up(one, call)
    assert stream.response().status == 504
    for _ in range(100):
        assert client.request("GET").body == b"fine"
    (thread,) = one.hub.interface.pool.threads
    assert struck == [thread.ident]
    assert thread.is_alive()
    log = one.taken_log()
    assert log.count("no response within") == 1
    assert "raised" not in log
