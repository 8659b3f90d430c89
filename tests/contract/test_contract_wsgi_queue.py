"""WSGI requests that wait for a thread: who leaves is not served, and not all may wait."""

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from support.flag import DEADLINE
from support.inprocess import Served

Serve = Callable[..., Served]


class Gate:
    """An application that keeps its thread on /busy until the gate opens. `paths`: its calls."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.paths: list[str] = []
        self.entered = threading.Semaphore(0)

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        self.paths.append(environ["PATH_INFO"])
        if environ["PATH_INFO"] == "/busy":
            self.entered.release()
            assert self.opened.wait(DEADLINE)
        start_response("200 OK", [])
        return [environ["PATH_INFO"].encode()]


@pytest.fixture
def gated(served: Serve) -> Any:
    """A server with one thread, which is taken, and its gate."""
    gate = Gate()

    def start(**options: Any) -> tuple[Served, Gate, Any]:
        one = served(gate, interface="wsgi", **{"threads": 1, **options}).start()
        busy = one.connect().open("GET", "/busy")
        assert gate.entered.acquire(timeout=DEADLINE)
        return one, gate, busy

    yield start
    gate.opened.set()


def waiting(served: Served) -> int:
    return len(served.hub.interface.pool.calls)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_who_has_left_is_not_served(gated: Any, method: str) -> None:
    served, gate, busy = gated()
    body = b"x" * 1000 if method == "POST" else None
    clients = [served.connect() for _ in range(20)]
    for number, client in enumerate(clients):
        client.open(method, f"/left/{number}", body=body)
    honest = served.connect().open("GET", "/honest")
    served.wait_until(lambda: waiting(served) == 21)
    for client in clients:
        client.reset()
    served.wait_until(lambda: waiting(served) == 1)
    assert served.hub.interface.running == 2
    gate.opened.set()
    assert honest.response().body == b"/honest"
    assert busy.response().body == b"/busy"
    assert gate.paths == ["/busy", "/honest"]


def test_who_has_closed_is_not_served(gated: Any) -> None:
    """In peace, so it could be waiting still: the server finds out."""
    served, gate, busy = gated()
    clients = [served.connect() for _ in range(20)]
    for number, client in enumerate(clients):
        client.open("GET", f"/left/{number}")
    served.wait_until(lambda: waiting(served) == 20)
    for client in clients:
        client.close()
    served.wait_until(lambda: waiting(served) == 0)
    gate.opened.set()
    assert busy.response().body == b"/busy"
    assert gate.paths == ["/busy"]


def test_who_has_only_closed_its_side_is_served(gated: Any) -> None:
    served, gate, busy = gated()
    client = served.connect()
    stream = client.open("GET", "/half")
    client.sock.shutdown(socket.SHUT_WR)
    # The server has checked twice whether the client is there.
    client.sock.recv(
        2 * len(b"HTTP/1.1 100 Continue\r\n\r\n"), socket.MSG_PEEK | socket.MSG_WAITALL
    )
    gate.opened.set()
    assert busy.response().body == b"/busy"
    response = stream.response()
    assert (response.status, response.body) == (200, b"/half")


def test_a_client_that_leaves_while_the_thread_is_about_to_call(gated: Any) -> None:
    """It was taken from the queue already, so the thread looks once more."""
    served, gate, busy = gated()
    client = served.connect()
    client.open("GET", "/left")
    served.wait_until(lambda: waiting(served) == 1)

    def take_from_queue() -> Any:
        return served.hub.interface.pool.calls.popleft()

    call = take_from_queue()
    client.reset()
    served.wait_until(lambda: call.disconnected)
    call.run()
    served.wait_until(lambda: served.hub.interface.running == 1)
    gate.opened.set()
    assert busy.response().body == b"/busy"
    assert gate.paths == ["/busy"]


def test_no_more_wait_than_may(gated: Any) -> None:
    served, gate, busy = gated(limit_queue=2)
    first, second = (served.connect().open("GET", f"/{name}") for name in ("first", "second"))
    served.wait_until(lambda: waiting(served) == 2)
    client = served.connect()
    for method, body in (("GET", None), ("POST", b"x" * 1000)):
        response = client.request(method, "/third", body=body)
        assert (response.status, response.header("retry-after")) == (503, "1")
        assert response.body == b"too many requests are waiting\n"
    assert waiting(served) == 2
    assert served.hub.interface.running == 3
    assert "(--limit-queue)" in served.taken_log()
    gate.opened.set()
    answers = [stream.response().body for stream in (busy, first, second)]
    assert answers == [b"/busy", b"/first", b"/second"]
    assert client.request("GET", "/later").body == b"/later"


def test_on_the_loop_who_leaves_before_the_turn_is_forgotten(served: Serve) -> None:
    paths = []

    def app(environ: Any, start_response: Any) -> Any:
        paths.append(environ["PATH_INFO"])
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/stream":
            return (bytes(65536) for _ in range(400))
        return [b"fine"]

    one = served(app, interface="wsgi", threads=0, limit_queue=3).start()
    stream = one.connect(receive_buffer=4096).open("GET", "/stream")
    assert stream.head().status == 200
    clients = [one.connect() for _ in range(3)]
    for client in clients:
        client.open("GET", "/left")
    one.wait_until(lambda: len(one.hub.interface.queue.waiting) == 3)
    assert one.request("GET", "/too-many").status == 503
    for client in clients:
        client.reset()
    one.wait_until(lambda: not one.hub.interface.queue.waiting)
    assert "(--limit-queue)" in one.taken_log()
    fine = one.connect().open("GET", "/fine")
    stream.response()
    assert fine.response().body == b"fine"
    assert paths == ["/stream", "/fine"]
