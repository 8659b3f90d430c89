"""The threads that run WSGI applications: several, bounded, long-lived."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support.flag import DEADLINE, Flag
from support.inprocess import Served

Serve = Callable[..., Served]


@pytest.fixture
def serve_threads(served: Serve) -> Callable[..., Served]:
    def start(app: Any, threads: int) -> Served:
        return served(app, interface="wsgi", threads=threads).start()

    return start


def requests_at_once(served: Served, count: int) -> list[bytes]:
    """The bodies of `count` requests, sent before the first is answered."""
    streams = [served.connect().open("GET", f"/{number}") for number in range(count)]
    return [stream.response().body for stream in streams]


def test_as_many_as_there_are_threads_overlap(serve_threads: Serve) -> None:
    barrier = threading.Barrier(8)

    def app(environ: Any, start_response: Any) -> list[bytes]:
        barrier.wait(DEADLINE)
        start_response("200 OK", [])
        return [environ["PATH_INFO"].encode()]

    served = serve_threads(app, 8)
    for _ in range(3):
        assert requests_at_once(served, 8) == [b"/%d" % number for number in range(8)]


def test_never_more_than_there_are_threads(serve_threads: Serve) -> None:
    """The others wait, and none is lost."""
    lock, barrier = threading.Lock(), threading.Barrier(3)
    running, most = 0, 0

    def app(environ: Any, start_response: Any) -> list[bytes]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        # Three must come together to continue; a fourth would make `most` four.
        barrier.wait(DEADLINE)
        with lock:
            running -= 1
        start_response("200 OK", [])
        return [environ["PATH_INFO"].encode()]

    served = serve_threads(app, 3)
    assert requests_at_once(served, 30) == [b"/%d" % number for number in range(30)]
    assert most == 3


def test_threads_are_few_and_stay(serve_threads: Serve) -> None:
    idents = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        idents.append(threading.get_ident())
        start_response("200 OK", [])
        return []

    served = serve_threads(app, 4)
    client = served.connect()
    for _ in range(50):
        client.request("GET")
    served.request("GET")
    assert len(idents) == 51
    assert len(set(idents)) <= 4
    threads = {thread.ident for thread in threading.enumerate()}
    assert set(idents) <= threads


def test_one_request_at_a_time_needs_one_thread(serve_threads: Serve) -> None:
    """The one that was used last is used again: its caches are warm, others cost nothing."""
    idents = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        idents.append(threading.get_ident())
        start_response("200 OK", [])
        return []

    served = serve_threads(app, 8)
    client = served.connect()
    for _ in range(20):
        client.request("GET")
        served.wait_until_idle()
    assert len(set(idents)) <= 2


def test_thread_local_data_stays(serve_threads: Serve) -> None:
    """Database connections are kept there."""
    local = threading.local()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        local.count = getattr(local, "count", 0) + 1
        start_response("200 OK", [])
        return [b"%d" % local.count]

    client = serve_threads(app, 1).connect()
    assert [client.request("GET").body for _ in range(10)] == [b"%d" % n for n in range(1, 11)]


def test_thread_survives_an_exception(serve_threads: Serve) -> None:
    idents = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        idents.append(threading.get_ident())
        if environ["PATH_INFO"] == "/stumble":
            raise SystemExit(1)
        start_response("200 OK", [])
        return [b"fine"]

    served = serve_threads(app, 1)
    assert served.request("GET").body == b"fine"
    assert served.request("GET", "/stumble").status == 500
    assert served.request("GET").body == b"fine"
    assert len(set(idents)) == 1
    assert "SystemExit" in served.taken_log()


def test_whole_call_is_in_one_thread(serve_threads: Serve) -> None:
    """The call, each piece, and close()."""
    idents = []
    closed = Flag()

    class Result:
        def __iter__(self) -> Any:
            for _ in range(3):
                idents.append(threading.get_ident())
                yield bytes(100_000)

        def close(self) -> None:
            idents.append(threading.get_ident())
            closed.set()

    def app(environ: Any, start_response: Any) -> Any:
        idents.append(threading.get_ident())
        environ["wsgi.input"].read()
        start_response("200 OK", [])
        return Result()

    served = serve_threads(app, 4)
    assert len(served.request("POST", body=bytes(200_000)).body) == 300_000
    closed.wait()
    assert len(idents) == 5
    assert len(set(idents)) == 1


def test_application_is_not_on_the_loop(serve_threads: Serve) -> None:
    """Synchronous code may run a loop of its own (async_to_sync does)."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()

        async def work() -> bytes:
            await asyncio.sleep(0)
            return b"from a loop"

        start_response("200 OK", [])
        return [asyncio.run(work())]

    served = serve_threads(app, 2)
    for _ in range(3):
        assert served.request("GET").body == b"from a loop"


class SlowReaders:
    """Streams more than all buffers hold; `blocked` is set once the thread waits in `write`."""

    def __init__(self) -> None:
        self.pieces = 0

    def __call__(self, environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return self.stream() if environ["PATH_INFO"] == "/slow" else [b"quick"]

    def stream(self) -> Any:
        for number in range(400):
            self.pieces += 1
            yield bytes([number % 256]) * 65536


def test_slow_reader_blocks_only_its_own_thread(serve_threads: Serve) -> None:
    app = SlowReaders()
    served = serve_threads(app, 2)
    stream = served.connect(receive_buffer=4096).open("GET", "/slow")
    assert stream.head().status == 200
    for _ in range(20):
        assert served.request("GET").body == b"quick"
    assert app.pieces < 300
    body = stream.response().body
    assert body[::65536] == bytes(number % 256 for number in range(400))
    assert len(body) == 400 * 65536


def test_every_slow_reader_gets_everything(serve_threads: Serve) -> None:
    app = SlowReaders()
    served = serve_threads(app, 4)
    streams = [served.connect(receive_buffer=4096).open("GET", "/slow") for _ in range(4)]
    for stream in streams:
        assert stream.head().status == 200
    with ThreadPoolExecutor(4) as readers:
        bodies = list(readers.map(lambda stream: stream.response().body, streams))
    assert [len(body) for body in bodies] == [400 * 65536] * 4


def test_client_that_never_reads_loses_its_thread_at_the_write_deadline(served: Serve) -> None:
    """The thread is given back; otherwise a few such clients would stop the server."""
    ended = Flag()

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        if environ["PATH_INFO"] != "/slow":
            return [b"quick"]
        return endless()

    def endless() -> Any:
        try:
            while True:
                yield bytes(65536)
        finally:
            ended.set()

    one = served(app, interface="wsgi", threads=1, timeout_write=0.3).start()
    stream = one.connect(receive_buffer=4096).open("GET", "/slow")
    assert stream.head().status == 200
    ended.wait()
    assert one.request("GET").body == b"quick"
    assert "reads nothing" in one.taken_log()


def test_requests_of_many_connections_are_all_answered(serve_threads: Serve) -> None:
    """More clients than threads, more requests than clients, each answered with its own."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["PATH_INFO"].encode(), b" ", environ["wsgi.input"].read()]

    served = serve_threads(app, 3)

    def client(number: int) -> bool:
        one = served.connect()
        return all(
            one.request("POST", f"/{number}", body=b"%d" % turn).body == b"/%d %d" % (number, turn)
            for turn in range(20)
        )

    with ThreadPoolExecutor(10) as clients:
        assert list(clients.map(client, range(10))) == [True] * 10


def test_request_under_way_is_finished_before_the_stop(served: Serve) -> None:
    called, go_on = Flag(), Flag()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        called.set()
        go_on.wait()
        start_response("200 OK", [])
        return [b"finished"]

    one = served(app, interface="wsgi", threads=1, timeout_graceful_shutdown=DEADLINE).start()
    stream = one.connect().open("GET")
    called.wait()
    one.begin_stop()
    go_on.set()
    assert stream.response().body == b"finished"
