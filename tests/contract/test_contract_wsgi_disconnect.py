"""Clients that leave while a WSGI application works for them."""

from collections.abc import Callable
from typing import Any

import pytest

from support.flag import Flag
from support.inprocess import Served
from support.wsgi import Closing

Serve = Callable[..., Served]

NAMES = ["bascule.client_disconnected", "waitress.client_disconnected"]


@pytest.fixture
def serve_thread(served: Serve) -> Callable[..., Served]:
    """One thread: a leak of it would be noticed by the next request."""

    def start(app: Any, **options: Any) -> Served:
        return served(app, interface="wsgi", threads=1, **options).start()

    return start


@pytest.mark.parametrize("name", NAMES)
def test_application_can_ask(serve_wsgi: Serve, name: str) -> None:
    answers = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        answers.append(environ[name]())
        start_response("200 OK", [])
        return [b"ok"]

    assert serve_wsgi(app).request("GET").body == b"ok"
    assert answers == [False]


@pytest.mark.parametrize("name", NAMES)
def test_application_learns_of_it_when_it_asks(serve_thread: Serve, name: str) -> None:
    called, gone, answer = Flag(), Flag(), Flag()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        called.set(environ[name]())
        gone.wait()
        answer.set(environ[name]())
        start_response("200 OK", [])
        return []

    served = serve_thread(app)
    client = served.connect()
    client.open("GET")
    assert called.wait() is False
    client.reset()
    served.wait_until_unconnected()
    gone.set()
    assert answer.wait() is True


def test_application_learns_of_a_client_that_closed_in_peace(serve_thread: Serve) -> None:
    called, answer = Flag(), Flag()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        called.set()
        while not environ["bascule.client_disconnected"]():
            pass
        answer.set(True)
        start_response("200 OK", [])
        return []

    served = serve_thread(app, deadlines={"half_close": 0.0})
    client = served.connect()
    client.open("GET")
    called.wait()
    client.close()
    assert answer.wait() is True


@pytest.mark.parametrize("how", ["read", "read(n)", "readline", "iteration"])
def test_reading_raises_oserror(serve_thread: Serve, how: str) -> None:
    """A body that broke off must never look complete."""
    first, result = Flag(), Flag()

    def read_on(stream: Any) -> Any:
        if how == "read":
            return stream.read()
        if how == "read(n)":
            return stream.read(100_000)
        if how == "readline":
            return stream.readline()
        return list(stream)

    def app(environ: Any, start_response: Any) -> list[bytes]:
        first.set(environ["wsgi.input"].read(4))
        try:
            result.set(read_on(environ["wsgi.input"]))
        except OSError as error:
            result.set(error)
            raise
        start_response("200 OK", [])
        return []

    served = serve_thread(app)
    client = served.connect()
    stream = client.open("POST", "/", [("Content-Length", "100000")], more=True)
    stream.send(b"some")
    assert first.wait() == b"some"
    client.reset()
    assert isinstance(result.wait(), OSError)


def test_upload_that_breaks_off_before_the_call_calls_nobody(serve_wsgi: Serve) -> None:
    calls = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        calls.append(environ["PATH_INFO"])
        start_response("200 OK", [])
        return []

    served = serve_wsgi(app)
    client = served.connect()
    client.open("POST", "/broken", [("Content-Length", "100")], more=True).send(b"some")
    client.reset()
    served.wait_until_quiet()
    assert served.request("GET", "/next").status == 200
    assert calls == ["/next"]


def endless(started: Flag, closed: Flag) -> Any:
    try:
        number = 0
        while True:
            yield bytes(65536)
            number += 1
            if number == 1:
                started.set()
    finally:
        closed.set()


def test_generator_is_closed(serve_wsgi: Serve) -> None:
    """PEP 3333: close() is called also when the client has left."""
    started, closed = Flag(), Flag()

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return endless(started, closed)

    served = serve_wsgi(app)
    client = served.connect(receive_buffer=4096)
    assert client.open("GET").head().status == 200
    started.wait()
    client.reset()
    closed.wait()
    served.wait_until_quiet()


def test_generator_that_waits_for_something_else_is_closed_at_its_next_piece(
    serve_thread: Serve,
) -> None:
    waiting, go_on, closed = Flag(), Flag(), Flag()

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        try:
            yield b"one"
            waiting.set()
            go_on.wait()
            yield b"two"
            yield b"three"
        finally:
            closed.set()

    served = serve_thread(app)
    client = served.connect()
    assert client.open("GET").read() == b"one"
    waiting.wait()
    client.reset()
    served.wait_until_unconnected()
    go_on.set()
    closed.wait()


def test_write_raises_oserror(serve_thread: Serve) -> None:
    gone, result = Flag(), Flag()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [])
        write(b"one")
        gone.wait()
        try:
            while True:
                write(bytes(65536))
        except OSError as error:
            result.set(error)
            raise

    served = serve_thread(app)
    client = served.connect()
    assert client.open("GET").read() == b"one"
    client.reset()
    served.wait_until_unconnected()
    gone.set()
    assert isinstance(result.wait(), OSError)


def test_thread_that_waits_for_a_slow_reader_is_free_again(serve_thread: Serve) -> None:
    closed = Flag()

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return endless(Flag(), closed) if environ["PATH_INFO"] == "/slow" else [b"quick"]

    served = serve_thread(app)
    client = served.connect(receive_buffer=4096)
    assert client.open("GET", "/slow").head().status == 200
    client.reset()
    closed.wait()
    assert served.request("GET").body == b"quick"


def test_response_to_nobody_is_no_error(serve_thread: Serve) -> None:
    """The application works on, its answer goes nowhere, close() is called, nothing is logged."""
    called, gone = Flag(), Flag()
    result = Closing(b"a", b"b", b"c")

    def app(environ: Any, start_response: Any) -> Any:
        called.set()
        gone.wait()
        start_response("200 OK", [("X-A", "1")])
        return result

    served = serve_thread(app)
    client = served.connect()
    client.open("GET")
    called.wait()
    client.reset()
    served.wait_until_unconnected()
    gone.set()
    assert result.closed.wait() <= 3


def test_exception_after_the_client_left_is_logged(serve_thread: Serve) -> None:
    """Only what the leaving itself causes is no error."""
    called, gone = Flag(), Flag()

    def app(environ: Any, start_response: Any) -> Any:
        called.set()
        gone.wait()
        raise ZeroDivisionError("a real one")

    served = serve_thread(app)
    client = served.connect()
    client.open("GET")
    called.wait()
    client.reset()
    served.wait_until_unconnected()
    gone.set()
    served.wait_until_idle()
    assert "a real one" in served.taken_log()


def test_request_that_waits_for_a_thread_may_be_given_up(serve_thread: Serve) -> None:
    """Called or not, it does no harm and leaves nothing."""
    called, go_on = Flag(), Flag()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/slow":
            called.set()
            go_on.wait()
        start_response("200 OK", [])
        return [b"ok"]

    served = serve_thread(app)
    slow = served.connect().open("GET", "/slow")
    called.wait()
    gone = served.connect()
    gone.open("GET", "/gone")
    gone.reset()
    go_on.set()
    assert slow.response().body == b"ok"
    assert served.request("GET").body == b"ok"
