"""Request bodies without Content-Length, for applications that read as far as that says."""

from collections.abc import Callable
from typing import Any

import bottle
import pytest

from bascule.interfaces.wsgi import body
from support.flag import Flag
from support.inprocess import Served
from support.wsgi import Environ

Serve = Callable[..., Served]


class ByLength:
    """Answers with what it reads, which is what CONTENT_LENGTH says (PEP 3333)."""

    reads_by_length = True

    def __init__(self) -> None:
        self.environs: list[Environ] = []

    def __call__(self, environ: Environ, start_response: Any) -> list[bytes]:
        self.environs.append(environ)
        data = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response("200 OK", [])
        return [data]


class Unknown(ByLength):
    """The same, undetected."""

    reads_by_length = False


class Around:
    """Middleware."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: Environ, start_response: Any) -> Any:
        return self.app(environ, start_response)


def send_in_pieces(stream: Any, data: bytes, size: int) -> None:
    for at in range(0, len(data), size):
        stream.send(data[at : at + size])
    stream.send(b"", end=True)


@pytest.mark.parametrize("app", [ByLength, Unknown])
@pytest.mark.parametrize(("size", "piece"), [(0, 1), (5, 1), (200_000, 1000), (3_000_000, 65536)])
def test_what_comes_without_pause_has_a_length(
    serve_wsgi: Serve, app: Any, size: int, piece: int
) -> None:
    one = app()
    client = serve_wsgi(one).connect()
    for _ in range(2):
        data = bytes(range(256)) * (size // 256) + bytes(size % 256)
        stream = client.open("POST", more=True)
        send_in_pieces(stream, data, piece)
        assert stream.response().body == data
        environ = one.environs.pop()
        assert environ["CONTENT_LENGTH"] == str(size)
        assert "HTTP_TRANSFER_ENCODING" not in environ
        assert environ["wsgi.input_terminated"] is True


def test_a_request_that_has_no_body_has_no_length(serve_wsgi: Serve) -> None:
    app = ByLength()
    assert serve_wsgi(app).request("GET").body == b""
    assert "CONTENT_LENGTH" not in app.environs[0]


def test_a_client_that_waits_for_100_is_told_to_send(serve_wsgi: Serve) -> None:
    app = ByLength()
    stream = serve_wsgi(app).connect().open("POST", "/", [("Expect", "100-continue")], more=True)
    assert stream.interim().status == 100
    stream.send(b"hello", end=True)
    response = stream.response()
    assert (response.body, len(response.interim)) == (b"hello", 1)


@pytest.fixture
def serve_threads(served: Serve) -> Serve:
    def start(app: Any, **options: Any) -> Served:
        return served(app, interface="wsgi", **{"threads": 1, **options}).start()

    return start


def wait_for_ticks(served: Served, count: int) -> None:
    began = served.hub.now
    served.wait_until(lambda: served.hub.now > began + 0.25 * count)


@pytest.mark.parametrize("around", [ByLength, lambda: Around(ByLength())])
def test_one_that_comes_slowly_is_waited_for_without_a_thread(
    serve_threads: Serve, around: Any
) -> None:
    """Where the application is known to see nothing of it otherwise."""
    served = serve_threads(around())
    # Others would be called by now.
    served.hub.interface.body_buffer.patience = 0
    stream = served.connect().open("POST", more=True)
    for word in (b"one ", b"two ", b"three"):
        stream.send(word)
        wait_for_ticks(served, 3)
        assert served.hub.interface.running == 0
    stream.send(b"", end=True)
    assert stream.response().body == b"one two three"


def test_one_that_is_too_large_is_refused_where_it_would_be_lost(serve_threads: Serve) -> None:
    served = serve_threads(ByLength(), limit_body_buffer=100_000)
    stream = served.connect().open("POST", more=True)
    stream.send(bytes(100_000))
    stream.send(b"x")
    response = stream.response()
    assert (response.status, b"Content-Length" in response.body) == (413, True)
    assert served.hub.interface.body_buffer.taken == 0
    stream = served.connect().open("POST", more=True)
    send_in_pieces(stream, bytes(100_000), 10_000)
    assert stream.response().body == bytes(100_000)


@pytest.mark.parametrize("why", ["one body", "all bodies", "none"])
def test_others_get_what_is_too_large_as_it_comes(
    serve_threads: Serve, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = Flag()

    def app(environ: Environ, start_response: Any) -> Any:
        begun.set("CONTENT_LENGTH" in environ)
        start_response("200 OK", [])
        return [b"%d" % len(environ["wsgi.input"].read())]

    if why == "all bodies":
        monkeypatch.setattr(body, "COLLECTED_AT_ONCE", 200_000)
    served = serve_threads(
        app, limit_body_buffer={"one body": 200_000, "none": 0}.get(why, 1 << 20)
    )
    stream = served.connect().open("POST", more=True)
    stream.send(bytes(200_001))
    assert begun.wait() is False
    stream.send(b"more", end=True)
    assert stream.response().body == b"200005"
    assert served.hub.interface.body_buffer.taken == 0


def test_a_body_that_nobody_reads_is_told(serve_threads: Serve) -> None:
    served = serve_threads(Unknown(), limit_body_buffer=1000)
    stream = served.connect().open("POST", more=True)
    stream.send(bytes(2000), end=True)
    assert stream.response().body in (b"", bytes(2000))
    stream = served.connect().open("POST", more=True)
    stream.send(bytes(2000))
    assert stream.response().body == b""
    served.wait_until_idle()
    assert "(--limit-body-buffer)" in served.taken_log()


def test_who_leaves_gives_the_memory_back(serve_threads: Serve) -> None:
    app = ByLength()
    served = serve_threads(app)
    client = served.connect()
    client.open("POST", more=True).send(bytes(50_000))
    served.wait_until(lambda: served.hub.interface.body_buffer.taken == 50_000)
    client.reset()
    served.wait_until(lambda: served.hub.interface.body_buffer.taken == 0)
    assert app.environs == []


def test_bottle_finds_no_chunks_where_there_are_none(serve_wsgi: Serve) -> None:
    site = bottle.Bottle()
    site.route("/", "POST", lambda: bottle.request.body.read())
    stream = serve_wsgi(site).connect().open("POST", more=True)
    send_in_pieces(stream, b"a form of bottle", 3)
    assert stream.response().body == b"a form of bottle"
