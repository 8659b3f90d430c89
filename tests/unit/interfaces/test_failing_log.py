"""A log handler of the application that raises costs neither a response nor a thread."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bascule.interfaces.asgi.interface import AsgiInterface
from bascule.interfaces.asgi.plan import AsgiPlan
from bascule.interfaces.endpoint import Endpoint
from bascule.interfaces.exchange import Carrier
from bascule.interfaces.wsgi.interface import WsgiInterface
from bascule.interfaces.wsgi.plan import WsgiPlan
from bascule.interfaces.wsgi.pool import ThreadPool
from bascule.protocols.events import Request
from support.flag import DEADLINE, Flag


class RaisingHandler(logging.Handler):
    """Raises, as no handler should."""

    def emit(self, record: logging.LogRecord) -> None:
        raise BrokenPipeError(record.getMessage())


@pytest.fixture(autouse=True)
def failing_log() -> Iterator[None]:
    handler = RaisingHandler(logging.ERROR)
    logger = logging.getLogger("bascule")
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)


class NotedCarrier(Carrier):
    """A carrier that notes the responses."""

    def __init__(self) -> None:
        self.endpoint = Endpoint(None, None)
        self.congested = False
        self.statuses: list[int] = []
        self.aborted = False

    def respond(self, status, fields, body, end, reason=b""):  # type: ignore[no-untyped-def]
        if (b"Forbidden", b"") in fields:
            raise LookupError("below")
        self.statuses.append(status)

    def abort(self) -> None:
        self.aborted = True


def request() -> Request:
    return Request("GET", b"/", b"/", b"", "1.1", [], 0, True, False)


class Closing:
    """A result whose close() raises."""

    def __iter__(self) -> Iterator[bytes]:
        yield b"whole"

    def close(self) -> None:
        raise KeyboardInterrupt


def closes(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [])
    return Closing()


def raises(environ: Any, start_response: Any) -> Any:
    raise LookupError("of the application")


def sends_nonsense(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [("Forbidden", "")])
    return [b"whole"]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0)


@pytest.mark.parametrize("app", [closes, raises, sends_nonsense])
def test_wsgi_in_a_thread(app: Any) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)
        interface = WsgiInterface(app, loop, WsgiPlan(1, 10, 10))
        for _ in range(2):
            carrier = NotedCarrier()
            interface.exchange(request(), carrier).start()
            await until(lambda: interface.running == 0)
            assert carrier.statuses or carrier.aborted
        assert interface.pool.threads[0].is_alive()
        interface.close()
        await asyncio.to_thread(interface.pool.threads[0].join, DEADLINE)

    asyncio.run(main())


@pytest.mark.parametrize("app", [closes, raises, sends_nonsense])
def test_wsgi_on_the_loop(app: Any) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        interface = WsgiInterface(app, loop, WsgiPlan(0, 10, 10))
        for _ in range(2):
            carrier = NotedCarrier()
            with pytest.raises(BrokenPipeError):
                interface.exchange(request(), carrier).start()
            assert asyncio.get_running_loop() is loop
            assert interface.running == 0
            assert carrier.statuses or carrier.aborted

    asyncio.run(main())


def test_asgi() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise LookupError("of the application")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        interface = AsgiInterface(app, loop, AsgiPlan())
        carrier = NotedCarrier()
        started = loop.create_future()

        def start() -> None:
            try:
                interface.exchange(request(), carrier).start()
            except BrokenPipeError:
                pass
            started.set_result(None)

        loop.call_soon(start)
        await started
        assert interface.running == 0
        assert carrier.statuses == [500]

    asyncio.run(main())


def test_a_thread_outlives_it() -> None:
    class Call:
        """Runs `work`."""

        def __init__(self, work: Callable[[], Any]) -> None:
            self.run = work

        def flush(self) -> None:
            """Nothing is posted."""

    def exits() -> None:
        raise SystemExit(3)

    async def main() -> None:
        pool = ThreadPool(1, asyncio.get_running_loop())
        flag = Flag()
        pool.submit(Call(exits))
        pool.submit(Call(flag.set))
        await flag.reached()
        pool.close()
        await asyncio.to_thread(pool.threads[0].join, DEADLINE)

    asyncio.run(main())
