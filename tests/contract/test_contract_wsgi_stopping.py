"""`environ["bascule.stopping"]`, by which a WSGI application learns that the server stops."""

from collections.abc import Callable, Iterator
from typing import Any

from support.flag import DEADLINE, Flag
from support.inprocess import Served

Serve = Callable[..., Served]


def test_a_stream_ends_by_it(served: Callable[..., Served]) -> None:
    ended = Flag()

    def site(environ: Any, start_response: Any) -> Iterator[bytes]:
        stopping = environ["bascule.stopping"]
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        assert not stopping.is_set()
        yield b"data: 1\n\n"
        ended.set(stopping.wait(DEADLINE))
        yield b"data: bye\n\n"

    one = served(site, interface="wsgi", threads=1, timeout_graceful_shutdown=60.0).start()
    response = one.connect().open("GET")
    assert response.read() == b"data: 1\n\n"
    one.begin_stop()
    assert ended.wait() is True
    assert response.read() == b"data: bye\n\n"


def test_on_the_loop_it_can_be_asked(served: Callable[..., Served]) -> None:
    def site(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [str(environ["bascule.stopping"].is_set()).encode()]

    one = served(site, interface="wsgi", threads=0).start()
    assert one.request("GET").body == b"False"
