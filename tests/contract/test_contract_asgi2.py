"""Applications of ASGI 2: called with the scope, and then with receive and send."""

from collections.abc import Callable
from typing import Any

import pytest

from support.asgi import read_body, respond
from support.inprocess import Served


class Application:
    """The class is the application; each instance is one call."""

    def __init__(self, scope: dict[str, Any]) -> None:
        if scope["type"] != "http":
            raise ValueError("only http")
        self.scope = scope

    async def __call__(self, receive: Any, send: Any) -> None:
        await respond(send, self.scope["path"].encode() + await read_body(receive))


def function(scope: dict[str, Any]) -> Any:
    async def call(receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            await respond(send, scope["path"].encode() + await read_body(receive))

    return call


@pytest.mark.parametrize("application", [Application, function])
@pytest.mark.parametrize("interface", ["auto", "asgi2"])
@pytest.mark.parametrize("lifespan", ["auto", "off"])
def test_is_served(
    served: Callable[..., Served], application: Any, interface: str, lifespan: str
) -> None:
    client = served(application, interface=interface, lifespan=lifespan).start().connect()
    for _ in range(2):
        assert client.request("POST", "/path", body=b" and body").body == b"/path and body"


@pytest.mark.parametrize("where", ["scope", "call"])
def test_exception_becomes_500(served: Callable[..., Served], where: str) -> None:
    def application(scope: dict[str, Any]) -> Any:
        if where == "scope":
            raise ValueError("in the first call")

        async def call(receive: Any, send: Any) -> None:
            raise ValueError("in the second call")

        return call

    one = served(application, interface="asgi2", lifespan="off").start()
    assert one.request("GET").status == 500
    assert "ValueError: in the " in one.taken_log()


def test_lifespan_reaches_it(served: Callable[..., Served]) -> None:
    served(function, interface="asgi2", lifespan="on").start().close()
