"""`Wakeup`, which tasks take for a future, and the awaitables that stand on it."""

import asyncio
import contextvars

import pytest

from bascule.interfaces.asgi.awaitables import Wakeup, require_future
from bascule.interfaces.asgi.interface import AsgiInterface
from bascule.interfaces.asgi.plan import AsgiPlan
from bascule.interfaces.endpoint import Endpoint
from bascule.interfaces.exchange import Carrier
from bascule.protocols.events import Request

VALUE = contextvars.ContextVar("VALUE", default="unset")


class Awaitable:
    """Waits on one Wakeup, as the awaitables of a call do."""

    def __init__(self, wakeup):
        self.wakeup = wakeup

    def __await__(self):
        yield self.wakeup
        return VALUE.get()


async def waiter(wakeup, log):
    VALUE.set("of the task")
    log.append(await Awaitable(wakeup))
    log.append(asyncio.current_task().get_name())


def in_callback(loop, function):
    """Call `function` where no task is running; its result."""
    result = loop.create_future()
    loop.call_soon(lambda: result.set_result(function()))
    return result


def test_wake_resumes_the_task_in_the_next_turn():
    async def main():
        log = []
        wakeup = Wakeup(asyncio.get_running_loop())
        task = asyncio.create_task(waiter(wakeup, log), name="the waiter")
        await asyncio.sleep(0)
        assert not wakeup.done()
        wakeup.wake()
        assert wakeup.done()
        assert log == []
        await task
        assert log == ["of the task", "the waiter"]

    asyncio.run(main())


def test_an_object_that_is_no_future_is_refused():
    require_future(Wakeup(None))
    with pytest.raises(ImportError, match="does not accept object as a future"):
        require_future(object())


def test_wake_now_resumes_it_in_place_and_in_its_own_context():
    async def main():
        log = []
        loop = asyncio.get_running_loop()
        wakeup = Wakeup(loop)
        task = asyncio.create_task(waiter(wakeup, log), name="the waiter")
        await asyncio.sleep(0)

        def resume():
            wakeup.wake_now()
            return list(log), VALUE.get()

        assert await in_callback(loop, resume) == (["of the task", "the waiter"], "unset")
        await task

    asyncio.run(main())


def test_wake_now_inside_a_task_waits_for_the_next_turn():
    async def main():
        log = []
        wakeup = Wakeup(asyncio.get_running_loop())
        task = asyncio.create_task(waiter(wakeup, log))
        await asyncio.sleep(0)
        wakeup.wake_now()
        assert log == []
        await task
        assert log[0] == "of the task"

    asyncio.run(main())


def test_a_task_is_resumed_once():
    async def main():
        log = []
        loop = asyncio.get_running_loop()
        wakeup = Wakeup(loop)
        task = asyncio.create_task(waiter(wakeup, log))
        await asyncio.sleep(0)
        for _ in range(3):
            wakeup.wake()
        await in_callback(loop, wakeup.wake_now)
        await task
        assert len(log) == 2

    asyncio.run(main())


@pytest.mark.parametrize("before", [True, False], ids=["waiting", "woken"])
def test_a_cancelled_task_ends(before):
    async def main():
        log = []
        wakeup = Wakeup(asyncio.get_running_loop())
        task = asyncio.create_task(waiter(wakeup, log))
        await asyncio.sleep(0)
        if not before:
            wakeup.wake()
        assert task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert log == []

    asyncio.run(main())


class Client(Carrier):
    """A carrier whose client has sent nothing yet."""

    def __init__(self):
        self.endpoint = Endpoint(None, None)
        self.congested = False
        self.wanted = 0

    def respond(self, status, fields, body, end, reason=b""):
        self.answer = status

    def want_body(self):
        self.wanted += 1


def call_of(app):
    """An exchange under way, its first step done."""
    interface = AsgiInterface(app, asyncio.get_running_loop(), AsgiPlan())
    request = Request("POST", b"/", b"/", b"", "1.1", [], 5, False, False)
    return interface.exchange(request, Client())


@pytest.mark.parametrize("how", ["await", "task", "wait_for", "gather", "shield"])
def test_receive_is_awaited_in_every_way(how):
    ways = {
        "await": lambda receive: receive(),
        "task": lambda receive: asyncio.create_task(receive()),
        "wait_for": lambda receive: asyncio.wait_for(receive(), 20),
        "gather": lambda receive: asyncio.gather(receive()),
        "shield": lambda receive: asyncio.shield(receive()),
    }

    async def main():
        got = asyncio.get_running_loop().create_future()

        async def app(scope, receive, send):
            message = await ways[how](receive)
            got.set_result(message[0] if how == "gather" else message)

        exchange = call_of(app)
        loop = asyncio.get_running_loop()
        await in_callback(loop, exchange.start)
        await asyncio.sleep(0)
        await in_callback(loop, lambda: exchange.receive_body(b"hello"))
        expected = {"type": "http.request", "body": b"hello", "more_body": True}
        assert await asyncio.wait_for(got, 20) == expected

    asyncio.run(main())


def test_an_awaitable_is_awaited_once():
    async def main():
        got = asyncio.get_running_loop().create_future()

        async def app(scope, receive, send):
            awaitable = receive()
            await awaitable
            try:
                await awaitable
            except RuntimeError as error:
                got.set_result(str(error))

        exchange = call_of(app)
        exchange.receive_body(b"x")
        await in_callback(asyncio.get_running_loop(), exchange.start)
        assert "awaited before" in await asyncio.wait_for(got, 20)

    asyncio.run(main())


def test_a_message_whose_receiver_was_cancelled_is_received_by_the_next():
    async def main():
        loop = asyncio.get_running_loop()
        got = loop.create_future()

        async def app(scope, receive, send):
            first = asyncio.create_task(receive())
            await asyncio.sleep(0)
            first.cancel()
            got.set_result(await receive())

        exchange = call_of(app)
        await in_callback(loop, exchange.start)
        await asyncio.sleep(0)
        await in_callback(loop, lambda: exchange.receive_body(b"hello"))
        assert (await asyncio.wait_for(got, 20))["body"] == b"hello"
        assert exchange.waiters == []

    asyncio.run(main())
