"""Fixtures that serve an application in-process, on each event loop, for each protocol."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.register_assert_rewrite("support.inprocess", "support.client", "support.websocket_client")

from support.certificates import Certificates, make_certificates  # noqa: E402
from support.client import Http1Client  # noqa: E402
from support.inprocess import Served  # noqa: E402
from support.websocket_client import WebSocketClient  # noqa: E402

FAILED = pytest.StashKey[bool]()


@pytest.fixture(params=["uvloop", "asyncio"])
def loop_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[Http1Client], ids=lambda protocol: f"http{protocol.http_version}")
def protocol(request: pytest.FixtureRequest) -> type[Http1Client]:
    """The client's class. Another protocol is one more entry here."""
    kind: type[Http1Client] = request.param
    return kind


@pytest.fixture
def served(
    request: pytest.FixtureRequest, loop_kind: str, protocol: type[Http1Client]
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
def serve_sockets(serve: Callable[..., Served]) -> Callable[..., Served]:
    """The same, for clients of its WebSockets."""

    def start(app: object, **options: Any) -> Served:
        served = serve(app, **options)
        served.protocol = WebSocketClient
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
