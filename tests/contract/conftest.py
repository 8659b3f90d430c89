"""Fixtures that serve an application in-process, on each event loop, for each protocol."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from only_http1 import is_only_http1

from support.certificates import Certificates, make_certificates
from support.client import Http1Client
from support.http2_stepped import Http2SteppedClient
from support.http2_websocket import Http2WebSocketClient
from support.inprocess import Served
from support.websocket_client import WebSocketClient

LOOPS = ("uvloop", "asyncio")

Protocol = type[Http1Client] | type[Http2SteppedClient]

PROTOCOLS: tuple[Protocol, ...] = (Http1Client, Http2SteppedClient)
SOCKET_CLIENTS: dict[Protocol, type[WebSocketClient]] = {
    Http1Client: WebSocketClient,
    Http2SteppedClient: Http2WebSocketClient,
}

FAILED = pytest.StashKey[bool]()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every event loop, and every protocol but where it makes no difference (`only_http1`).

    `loop_kind` is the loop's name, `protocol` the client's class. HTTP/2 is tried on one loop:
    what it has of its own runs on both in `test_contract_http2`.
    """
    if "protocol" in metafunc.fixturenames:
        protocols = list(PROTOCOLS)
        if is_only_http1(metafunc.module.__name__, metafunc.function.__name__):
            protocols = protocols[:1]
        pairs = [
            pytest.param(loop, kind, id=f"{loop}-http{kind.http_version}")
            for kind in protocols
            for loop in LOOPS[: 2 if kind is Http1Client else 1]
        ]
        metafunc.parametrize(("loop_kind", "protocol"), pairs)
    elif "loop_kind" in metafunc.fixturenames:
        metafunc.parametrize("loop_kind", LOOPS)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Over HTTP/2, WSGI is tried in threads: that a call runs on the loop instead is nothing to
    the protocol, and `test_contract_wsgi_inline` has that over both."""
    inline = [item for item in items if is_inline_http2(item)]
    if inline:
        items[:] = [item for item in items if not is_inline_http2(item)]
        config.hook.pytest_deselected(items=inline)


def is_inline_http2(item: pytest.Item) -> bool:
    params = item.callspec.params if hasattr(item, "callspec") else {}
    return params.get("protocol") is Http2SteppedClient and params.get("threads") == 0


@pytest.fixture
def served(
    request: pytest.FixtureRequest, loop_kind: str, protocol: Protocol
) -> Iterator[Callable[..., Served]]:
    """Make servers that are not started yet; at the end each must stop and leave nothing."""
    made: list[Served] = []

    def make(app: object, **options: Any) -> Served:
        made.append(Served(app, loop_kind, protocol, **options))
        return made[-1]

    yield make
    failed = request.node.stash.get(FAILED, False)
    for one in made:
        if failed:
            one.abandon()
        else:
            one.close()


@pytest.fixture
def serve(served: Callable[..., Served]) -> Callable[..., Served]:
    """Serve an ASGI application without lifespan; options are settings."""

    def start(app: object, **options: Any) -> Served:
        return served(app, **{"lifespan": "off", "interface": "asgi3", **options}).start()

    return start


@pytest.fixture
def serve_sockets(serve: Callable[..., Served], protocol: Protocol) -> Callable[..., Served]:
    """The same, for clients of its WebSockets."""

    def start(app: object, **options: Any) -> Served:
        served = serve(app, **options)
        served.protocol = SOCKET_CLIENTS[protocol]
        return served

    return start


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=[4, 0], ids=["threads", "inline"])
def threads(request: pytest.FixtureRequest) -> int:
    """How a WSGI application is run: in threads, or on the loop."""
    return int(request.param)


@pytest.fixture
def serve_wsgi(served: Callable[..., Served], threads: int) -> Callable[..., Served]:
    """Serve a WSGI application, in both ways."""

    def start(app: object, **options: Any) -> Served:
        return served(app, interface="wsgi", **{"threads": threads, **options}).start()

    return start


@pytest.fixture
def serve_wsgi_sockets(served: Callable[..., Served]) -> Callable[..., Served]:
    """Serve a WSGI application that has WebSockets."""

    def start(app: object, **options: Any) -> Served:
        return served(app, interface="wsgi", **{"threads": 2, **options}).start()

    return start


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Remember a failure, because what follows from it is not worth checking."""
    report: Any = yield
    if report.when == "call" and report.failed:
        item.stash[FAILED] = True
    return report
