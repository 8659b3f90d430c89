"""Applications written for gevent-websocket, without its server: they are called, and hear of the
end, as there."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from geventwebsocket import Resource, WebSocketApplication, WebSocketError

from bascule.errors import WebSocketClosed
from support.flag import DEADLINE, Flag
from support.inprocess import Served
from support.wsgi import answering
from support.wsgi_websocket import RawWebSocket, binary, close, text

Serve = Callable[..., Served]


class Chat(WebSocketApplication):  # type: ignore[misc]  # the package has no types
    """Tells what happens to it, and answers messages."""

    events: list[Any] = []
    closed: Flag

    def on_open(self) -> None:
        self.events.append("open")

    def on_message(self, message: Any) -> None:
        self.events.append(message)
        if message is not None:
            self.ws.send(message)

    def on_close(self, reason: Any) -> None:
        self.events.append("close")
        self.closed.set(self.ws.closed)


class Echo(WebSocketApplication):  # type: ignore[misc]  # the package has no types
    """As the package has it: sends back what comes, the None at the end, too."""


@pytest.fixture(params=["uvloop", "asyncio"])
def serve(request: pytest.FixtureRequest) -> Iterator[Serve]:
    made: list[Served] = []

    def start(app: Any) -> Served:
        made.append(Served(app, request.param, interface="wsgi", threads=2))
        return made[-1].start()

    yield start
    for served in made:
        served.close()


@pytest.fixture
def site() -> Any:
    Chat.events = []
    Chat.closed = Flag()
    return Resource([("^/chat$", Chat), ("^/echo$", Echo), ("^/$", answering([b"plain"]))])


@pytest.mark.parametrize("how", ["close", "reset"])
def test_an_application_hears_what_it_would_there(serve: Serve, site: Any, how: str) -> None:
    served = serve(site)
    with RawWebSocket(served.port, "/chat") as client:
        client.write(text("one"))
        client.accepted()
        assert client.message() == "one"
        client.write(binary(b"two"))
        assert client.message() == b"two"
        if how == "close":
            client.write(close(1000))
            assert client.closing() == (1000, "")
        else:
            client.reset()
        assert Chat.closed.wait() is True
    assert Chat.events == ["open", "one", b"two", None, "close"]
    assert served.request("GET", "/").body == b"plain"


def test_the_echo_of_the_package_leaves_quietly(serve: Serve, site: Any) -> None:
    """It sends the None, and leaves by the error that it gets for that."""
    served = serve(site)
    with RawWebSocket(served.port, "/echo") as client:
        client.write(text("one"))
        client.accepted()
        assert client.message() == "one"
        client.write(close(4000))
        assert client.closing() == (4000, "")
    served.wait_until_quiet()
    assert served.taken_log() == ""


def test_the_error_is_theirs_and_ours(serve: Serve) -> None:
    caught = Flag()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        ws = environ["wsgi.websocket"]
        assert ws.receive() is None
        try:
            ws.receive()
        except WebSocketError as error:
            caught.set(error)
        return []

    served = serve(app)
    with RawWebSocket(served.port) as client:
        client.write(close(4000, "why"))
        client.accepted()
        error = caught.wait(DEADLINE)
    assert isinstance(error, WebSocketClosed)
    assert (error.code, error.reason) == (4000, "why")
