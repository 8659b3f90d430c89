"""The lifespan protocol (ASGI lifespan specification 2.0)."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bascule.errors import StartupError
from support.asgi import respond
from support.flag import Flag
from support.inprocess import Served

MakeServed = Callable[..., Served]


class LifespanApp:
    """Supports lifespan; `events` is what happened, in order."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.scope: dict[str, Any] = {}
        self.request_scopes: list[dict[str, Any]] = []

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            self.scope = scope
            await self.live(scope, receive, send)
        else:
            await self.answer(scope, receive, send)

    async def live(self, scope: Any, receive: Any, send: Any) -> None:
        assert await receive() == {"type": "lifespan.startup"}
        self.events.append("startup")
        await self.startup(scope)
        await send({"type": "lifespan.startup.complete"})
        assert await receive() == {"type": "lifespan.shutdown"}
        self.events.append("shutdown")
        await self.shutdown()
        await send({"type": "lifespan.shutdown.complete"})
        self.events.append("returned")

    async def startup(self, scope: Any) -> None:
        pass

    async def shutdown(self) -> None:
        pass

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        self.request_scopes.append(scope)
        self.events.append(f"request {scope['path']}")
        await respond(send, b"ok")


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_startup_before_and_shutdown_after_all_requests(served: MakeServed, mode: str) -> None:
    application = LifespanApp()
    one = served(application, lifespan=mode).start()
    assert application.events == ["startup"]
    one.request("GET", "/1")
    one.request("GET", "/2")
    one.close()
    assert application.events == ["startup", "request /1", "request /2", "shutdown", "returned"]


def test_scope(served: MakeServed) -> None:
    application = LifespanApp()
    served(application).start()
    assert application.scope["type"] == "lifespan"
    assert application.scope["asgi"] == {"version": "3.0", "spec_version": "2.0"}
    assert application.scope["state"] == {}


def test_client_that_comes_during_startup_waits(served: MakeServed) -> None:
    """Its request is not lost, and is answered once the application is ready."""
    starting, go_on = Flag(), Flag()

    class Slow(LifespanApp):
        async def startup(self, scope: Any) -> None:
            starting.set()
            await go_on.reached()
            self.events.append("ready")

    application = Slow()
    one = served(application)
    ready = one.start_in_background()
    starting.wait()
    stream = one.connect().open("GET", "/early")
    assert not ready.done()
    go_on.set()
    assert stream.response().body == b"ok"
    assert application.events == ["startup", "ready", "request /early"]


def test_shutdown_waits_for_requests_under_way(served: MakeServed) -> None:
    called, go_on = Flag(), Flag()

    class Busy(LifespanApp):
        async def answer(self, scope: Any, receive: Any, send: Any) -> None:
            called.set()
            await go_on.reached()
            await super().answer(scope, receive, send)

    application = Busy()
    one = served(application, timeout_graceful_shutdown=10).start()
    stream = one.connect().open("GET", "/slow")
    called.wait()
    one.begin_stop()
    go_on.set()
    assert stream.response().body == b"ok"
    one.close()
    assert application.events == ["startup", "request /slow", "shutdown", "returned"]


def test_server_waits_for_the_shutdown(served: MakeServed) -> None:
    class Slow(LifespanApp):
        async def shutdown(self) -> None:
            for _ in range(20):
                await asyncio.sleep(0)
            self.events.append("clean")

    application = Slow()
    served(application).start().close()
    assert application.events == ["startup", "shutdown", "clean", "returned"]


def test_state_is_copied_for_each_request(served: MakeServed) -> None:
    """The namespace is a copy, so what a request adds stays its own; what is in it is shared."""
    pool = object()

    class Stateful(LifespanApp):
        async def startup(self, scope: Any) -> None:
            scope["state"]["pool"] = pool
            scope["state"]["counts"] = []

        async def answer(self, scope: Any, receive: Any, send: Any) -> None:
            await super().answer(dict(scope, state=dict(scope["state"])), receive, send)
            scope["state"]["mine"] = scope["path"]
            scope["state"]["counts"].append(scope["path"])

    application = Stateful()
    one = served(application).start()
    client = one.connect()
    client.request("GET", "/1")
    client.request("GET", "/2")
    one.wait_until_idle()
    states = [scope["state"] for scope in application.request_scopes]
    assert [state.keys() for state in states] == [{"pool", "counts"}] * 2
    assert states[0]["pool"] is states[1]["pool"] is pool
    assert states[0]["counts"] is states[1]["counts"]
    assert application.scope["state"].keys() == {"pool", "counts"}


def test_state_is_there_when_it_is_empty(served: MakeServed) -> None:
    application = LifespanApp()
    served(application).start().request("GET")
    assert application.request_scopes[0]["state"] == {}


@pytest.mark.parametrize("message", ["the database is not there", ""])
@pytest.mark.parametrize("mode", ["auto", "on"])
@pytest.mark.parametrize("after", ["returns", "raises", "waits"])
def test_startup_failed_stops_the_server_with_the_message(
    served: MakeServed, mode: str, message: str, after: str
) -> None:
    """Nothing of the application is left, in any case (the fixture checks)."""

    async def failing(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": message})
        if after == "raises":
            raise RuntimeError("as Starlette does")
        if after == "waits":
            await receive()

    with pytest.raises(StartupError) as caught:
        served(failing, lifespan=mode).start()
    assert message in str(caught.value)


def test_startup_failed_without_a_message(served: MakeServed) -> None:
    async def failing(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed"})

    with pytest.raises(StartupError):
        served(failing).start()


async def raises_at_once(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    await respond(send, b"ok")


async def returns_at_once(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await respond(send, b"ok")


async def answers_as_if_it_were_http(scope: Any, receive: Any, send: Any) -> None:
    await respond(send, b"ok")


async def reads_and_raises(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        await receive()
        raise ValueError("no idea what this is")
    await respond(send, b"ok")


UNSUPPORTED = [raises_at_once, returns_at_once, answers_as_if_it_were_http, reads_and_raises]


@pytest.mark.parametrize("application", UNSUPPORTED)
def test_auto_goes_on_without(served: MakeServed, application: Any) -> None:
    """The specification's rule for applications that do not know lifespan."""
    one = served(application, lifespan="auto").start()
    assert one.request("GET").body == b"ok"
    if application is reads_and_raises:
        assert "no idea what this is" in one.taken_log()


@pytest.mark.parametrize("application", UNSUPPORTED)
def test_on_demands_support(served: MakeServed, application: Any) -> None:
    with pytest.raises(StartupError) as caught:
        served(application, lifespan="on").start()
    assert "lifespan" in str(caught.value)


def test_unsupported_has_no_state(served: MakeServed) -> None:
    scopes = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        scopes.append(scope)
        await respond(send)

    served(application).start().request("GET")
    assert "state" not in scopes[0]


def test_off_never_asks(served: MakeServed) -> None:
    application = LifespanApp()
    one = served(application, lifespan="off").start()
    one.request("GET", "/1")
    one.close()
    assert application.events == ["request /1"]
    assert "state" not in application.request_scopes[0]


def test_wsgi_has_no_lifespan(served: MakeServed) -> None:
    methods = []

    def application(environ: Any, start_response: Any) -> list[bytes]:
        methods.append(environ["REQUEST_METHOD"])
        start_response("200 OK", [])
        return [b"ok"]

    one = served(application, interface="wsgi").start()
    assert one.request("GET").body == b"ok"
    one.close()
    assert methods == ["GET"]


@pytest.mark.parametrize("kind", ["raises", "failed"])
def test_failing_shutdown_is_logged_and_the_server_stops(served: MakeServed, kind: str) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await respond(send, b"ok")
            return
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if kind == "raises":
            raise ValueError("the cache is on fire")
        await send({"type": "lifespan.shutdown.failed", "message": "the cache is on fire"})

    one = served(application).start()
    assert one.request("GET").body == b"ok"
    one.begin_stop()
    one.wait_until_ended()
    log = one.taken_log()
    assert log.count("the cache is on fire") >= 1
    assert "ERROR" in log


def test_application_that_leaves_its_lifespan_early_is_served_on(served: MakeServed) -> None:
    """It returned after startup; there is nothing to shut down."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await respond(send, b"ok")
            return
        await receive()
        await send({"type": "lifespan.startup.complete"})

    one = served(application).start()
    assert one.request("GET").body == b"ok"
    one.close()


def test_lifespan_that_dies_while_requests_are_served_is_logged(served: MakeServed) -> None:
    go_on = Flag()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await respond(send, b"ok")
            return
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await go_on.reached()
        raise ValueError("the background died")

    one = served(application).start()
    assert one.request("GET").body == b"ok"
    go_on.set()
    assert one.request("GET").body == b"ok"
    one.begin_stop()
    one.wait_until_ended()
    assert "the background died" in one.taken_log()


def test_lifespan_runs_in_one_task(served: MakeServed) -> None:
    """Context managers and cancel scopes may span from startup to shutdown."""
    tasks = []

    class Scoped(LifespanApp):
        async def startup(self, scope: Any) -> None:
            tasks.append(asyncio.current_task())

        async def shutdown(self) -> None:
            tasks.append(asyncio.current_task())

    served(Scoped()).start().close()
    assert tasks[0] is not None
    assert tasks[0] is tasks[1]


@pytest.mark.parametrize(
    "message",
    [
        {"type": "lifespan.shutdown.complete"},
        {"type": "http.response.start", "status": 200},
        {"type": "nonsense"},
    ],
)
def test_wrong_message_raises_and_startup_can_go_on(served: MakeServed, message: Any) -> None:
    raised = Flag()

    class Wrong(LifespanApp):
        async def live(self, scope: Any, receive: Any, send: Any) -> None:
            async def send_wrong_first(right: Any) -> None:
                if right["type"] == "lifespan.startup.complete":
                    try:
                        await send(message)
                    except RuntimeError as error:
                        raised.set(error)
                await send(right)

            await super().live(scope, receive, send_wrong_first)

    application = Wrong()
    served(application).start().close()
    assert isinstance(raised.wait(), RuntimeError)
    assert application.events == ["startup", "shutdown", "returned"]
