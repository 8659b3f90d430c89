"""The task of an ASGI call in its first step: everything that applications do with one.

Each test runs with lazy tasks, and with ordinary tasks from the beginning; both have to behave as
asyncio documents its tasks.
"""

import asyncio
import contextvars
import gc
import inspect
import io
import logging
import sys
import threading
import types
import weakref
from functools import partial

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
import pytest
import sniffio
import uvloop
from asgiref.sync import async_to_sync, sync_to_async

from bascule.errors import ResponseError
from bascule.interfaces.asgi import first_step
from bascule.interfaces.asgi.interface import AsgiInterface
from bascule.interfaces.asgi.lazy_task import LazyTask
from bascule.interfaces.asgi.plan import AsgiPlan
from bascule.interfaces.endpoint import Endpoint
from bascule.interfaces.exchange import Carrier
from bascule.protocols.events import Request
from bascule.stacks import task_stack

DEADLINE = 20
VALUE = contextvars.ContextVar("VALUE", default="unset")


class Client(Carrier):
    """A carrier that keeps the status of the response."""

    def __init__(self):
        self.endpoint = Endpoint(None, None)
        self.congested = False
        self.status = None

    def respond(self, status, fields, body, end, reason=b""):
        self.status = status

    def abort(self):
        pass


class Calls:
    """Calls of one application, on the loop that runs."""

    def __init__(self, app):
        self.loop = asyncio.get_running_loop()
        self.interface = AsgiInterface(app, self.loop, AsgiPlan())

    def exchange(self):
        request = Request("GET", b"/", b"/", b"", "1.1", [], 0, True, False)
        return self.interface.exchange(request, Client())

    async def begin(self):
        """Begin a call in a callback of the loop, where no task is running."""
        exchange = self.exchange()
        done = self.loop.create_future()

        def start():
            try:
                exchange.start()
                assert asyncio.current_task(self.loop) is None
                done.set_result(None)
            except BaseException as error:
                done.set_exception(error)

        self.loop.call_soon(start)
        await done
        return exchange

    async def finish(self):
        """Wait until no call is running."""
        while self.interface.started:
            await asyncio.wait([call.task for call in self.interface.started], timeout=DEADLINE)
        assert self.interface.running == 0


async def respond(send):
    await send({"type": "http.response.start", "status": 204})
    await send({"type": "http.response.body"})


async def call(function):
    """Call an application once; what its function returned."""
    results = []

    async def app(scope, receive, send):
        results.append(await function())
        await respond(send)

    calls = Calls(app)
    exchange = await calls.begin()
    await calls.finish()
    assert exchange.carrier.status == 204
    return results[0]


def debug_loop():
    loop = asyncio.new_event_loop()
    loop.set_debug(True)
    return loop


LOOPS = {"asyncio": asyncio.new_event_loop, "debug": debug_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=["lazy", "ordinary"], autouse=True)
def lazy(request, monkeypatch):
    """Whether calls begin with lazy tasks."""
    assert first_step.LAZY
    monkeypatch.setattr(first_step, "LAZY", request.param == "lazy")
    return request.param == "lazy"


@pytest.fixture(params=LOOPS)
def run(request):
    """Runs a coroutine function in a loop of its own."""

    def run(main):
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            problems = []
            loop = runner.get_loop()
            loop.set_exception_handler(lambda loop, context: problems.append(context))
            runner.run(asyncio.wait_for(main(), DEADLINE))
        gc.collect()
        assert problems == []

    return run


# Identity.


def test_task_is_the_same_before_and_after_the_first_wait(run):
    async def look():
        first = asyncio.current_task()
        await asyncio.sleep(0)
        assert asyncio.current_task() is first
        assert isinstance(first, asyncio.Task)
        assert first.get_name() == "bascule request"
        return first

    async def main():
        task = await call(look)
        assert task.done()
        assert await task is None

    run(main)


def test_task_that_nothing_asks_for_is_not_made(run, lazy):
    """It is created and registered once for all calls."""
    seen = set()

    async def look():
        seen.add((type(asyncio.current_task()), id(asyncio.current_task())))
        VALUE.set("mine")

    async def app(scope, receive, send):
        await look()
        await respond(send)

    async def main():
        calls = Calls(app)
        for _ in range(5):
            assert (await calls.begin()).task is None
        if lazy:
            assert len(seen) == 1
            assert {kind for kind, _ in seen} == {LazyTask}

    run(main)


def test_task_of_a_call_that_waits_is_one_of_asyncios_own(run):
    async def app(scope, receive, send):
        await go_on.wait()
        await respond(send)

    async def main():
        calls = Calls(app)
        for _ in range(3):
            go_on.clear()
            exchange = await calls.begin()
            assert type(exchange.task) is asyncio.Task
            assert exchange.is_running()
            go_on.set()
            await calls.finish()
            assert not exchange.is_running()

    go_on = asyncio.Event()
    run(main)


def test_task_that_is_kept_has_returned_with_its_first_step(run):
    async def look():
        return asyncio.current_task()

    async def main():
        first = await call(look)
        second = await call(look)
        assert first is not second
        for task in (first, second):
            assert task.done()
            assert not task.cancelled()
            assert task.result() is None
            assert task.exception() is None
            assert not task.cancel()
            assert await task is None
            assert "finished" in repr(task)
            assert task not in asyncio.all_tasks()

    run(main)


def test_each_call_has_a_task_of_its_own_if_it_is_kept(run):
    kept = []

    async def app(scope, receive, send):
        kept.append(asyncio.current_task())
        await respond(send)

    async def main():
        calls = Calls(app)
        for _ in range(4):
            await calls.begin()
        assert len({id(task) for task in kept}) == 4
        assert all(task.done() for task in kept)

    run(main)


# Each attribute of a task.


def has_name(task):
    task.set_name("mine")
    return task.get_name() == "mine"


def has_coroutine(task):
    coroutine = task.get_coro()
    assert asyncio.iscoroutine(coroutine)
    assert coroutine.cr_running
    assert coroutine.cr_code.co_name == "app"
    assert not hasattr(coroutine, "gi_frame")
    return coroutine.__qualname__.endswith("app")


def has_stack(task):
    file = io.StringIO()
    task.print_stack(file=file)
    return "app" in file.getvalue() and "app" in [f.f_code.co_name for f in task.get_stack()]


def refuses(name):
    def ask(task):
        with pytest.raises(asyncio.InvalidStateError):
            getattr(task, name)()
        return True

    return ask


def refuses_a_result(task):
    with pytest.raises(RuntimeError, match="does not support set_result"):
        task.set_result(1)
    return True


def counts_cancellation(task):
    assert task.cancel("stop")
    assert task.cancelling() == 1
    assert repr(task).startswith(f"<{type(task).__name__} cancelling ")
    return task.uncancel() == 0


def has_attributes(task):
    task.mine = 1
    assert task.mine == 1
    del task.mine
    return not hasattr(task, "mine")


def has_callbacks(task):
    ignore = [].append
    task.add_done_callback(ignore)
    return task.remove_done_callback(ignore) == 1


def has_context(task):
    VALUE.set("in the step")
    return task.get_context()[VALUE] == "in the step"


ASKED = {
    "done": lambda task: not task.done(),
    "cancelled": lambda task: not task.cancelled(),
    "cancelling": lambda task: task.cancelling() == 0,
    "uncancel": lambda task: task.uncancel() == 0,
    "result": refuses("result"),
    "exception": refuses("exception"),
    "set_result": refuses_a_result,
    "get_loop": lambda task: task.get_loop() is asyncio.get_running_loop(),
    "name": has_name,
    "get_coro": has_coroutine,
    "stack": has_stack,
    "callbacks": has_callbacks,
    "attributes": has_attributes,
    "repr": lambda task: "pending name='bascule request' coro=<" in repr(task),
    "str": lambda task: "pending name='bascule request'" in f"{task}",
    "isfuture": asyncio.isfuture,
    "isawaitable": inspect.isawaitable,
    "ensure_future": lambda task: asyncio.ensure_future(task) is task,
    "_must_cancel": lambda task: not task._must_cancel,
    "_fut_waiter": lambda task: task._fut_waiter is None,
    "hash": lambda task: {task: 1}[task] == 1,
    "equal": lambda task: task == asyncio.current_task() and task != 1,
    "true": bool,
    "dir": lambda task: {"cancel", "get_coro"} < {*dir(task)},
    "weakref": lambda task: weakref.ref(task)() is task,
    "all_tasks": lambda task: task in asyncio.all_tasks(),
    "all_tasks of the loop": lambda task: task in asyncio.all_tasks(task.get_loop()),
    "unbound": lambda task: asyncio.Task.__repr__(task) and not task.done(),
}
if sys.version_info >= (3, 12):
    ASKED["get_context"] = has_context
if sys.version_info >= (3, 13):
    # Before, a task that has withdrawn its cancellation is cancelled all the same.
    ASKED["cancel and uncancel"] = counts_cancellation


@pytest.mark.parametrize("waits", [False, True], ids=["returns", "waits"])
@pytest.mark.parametrize("asked", ASKED)
def test_anything_may_be_asked_of_the_task(run, asked, waits):
    async def main():
        done = []
        outcome = []

        async def app(scope, receive, send):
            task = asyncio.current_task()
            outcome.append(ASKED[asked](task))
            outcome.append(task)
            task.add_done_callback(done.append)
            if waits:
                await asyncio.sleep(0)
                assert asyncio.current_task() is task
            await respond(send)

        calls = Calls(app)
        exchange = await calls.begin()
        await calls.finish()
        await asyncio.sleep(0)
        assert exchange.carrier.status == 204
        truth, task = outcome
        assert truth
        assert done == [task]
        assert task.done()
        assert task.result() is None

    run(main)


def test_a_task_cannot_wait_for_itself(run):
    async def look():
        with pytest.raises(RuntimeError, match="cannot await on itself"):
            await asyncio.current_task()

    run(partial(call, look))


def test_a_weak_reference_ends_with_the_call(run):
    references = []
    tasks = weakref.WeakKeyDictionary()

    async def app(scope, receive, send):
        task = asyncio.current_task()
        assert task not in tasks
        tasks[task] = True
        references.append(weakref.ref(task))
        await respond(send)

    async def main():
        calls = Calls(app)
        for _ in range(3):
            await calls.begin()
            assert references[-1]() is None
        assert len(tasks) == 0

    run(main)


def test_a_weak_reference_lasts_while_the_call_waits(run):
    async def look():
        tasks = weakref.WeakKeyDictionary({asyncio.current_task(): True})
        await asyncio.sleep(0)
        gc.collect()
        return asyncio.current_task() in tasks

    async def main():
        assert await call(look)

    run(main)


# Other tasks and threads.


def test_all_tasks_has_the_call_in_its_first_step_only(run):
    seen = []

    async def app(scope, receive, send):
        seen.append(asyncio.all_tasks() - before)
        await respond(send)

    async def main():
        nonlocal before
        calls = Calls(app)
        before = asyncio.all_tasks()
        for _ in range(3):
            await calls.begin()
            assert asyncio.all_tasks() == before
        assert [len(tasks) for tasks in seen] == [1, 1, 1]
        assert all(task.done() for tasks in seen for task in tasks)

    before = set()
    run(main)


def test_another_thread_sees_the_call(run):
    seen = []

    def look(loop):
        tasks = asyncio.all_tasks(loop)
        seen.append(sorted(task.get_name() for task in tasks))
        seen.append([task.cancelled() for task in tasks])
        seen.append(all(repr(task) and task.get_coro() is not None for task in tasks))

    def in_thread(loop):
        thread = threading.Thread(target=look, args=[loop])
        thread.start()
        thread.join()

    async def app(scope, receive, send):
        in_thread(asyncio.get_running_loop())
        task = asyncio.current_task()
        await asyncio.sleep(0)
        assert asyncio.current_task() is task
        await respond(send)

    async def main():
        asyncio.current_task().set_name("main")
        calls = Calls(app)
        exchange = await calls.begin()
        await calls.finish()
        assert exchange.carrier.status == 204
        assert "bascule request" in seen[0]
        assert not any(seen[1])
        assert seen[2]
        seen.clear()
        in_thread(calls.loop)
        assert "bascule request" not in seen[0]

    run(main)


def test_task_is_not_among_all_tasks_after_the_loop(lazy):
    """As `asyncio.run` asks for them, when the loop has stopped."""

    async def app(scope, receive, send):
        await respond(send)

    async def main():
        calls = Calls(app)
        await calls.begin()
        return calls

    loop = asyncio.new_event_loop()
    calls = loop.run_until_complete(main())
    assert asyncio.all_tasks(loop) == set()
    assert loop.run_until_complete(calls.begin()).carrier.status == 204
    loop.close()


def test_a_call_that_begins_in_another_task_is_put_off(run, lazy):
    tasks = []

    async def app(scope, receive, send):
        tasks.append(asyncio.current_task())
        await respond(send)

    async def main():
        calls = Calls(app)
        exchange = calls.exchange()
        exchange.start()
        assert tasks == []
        await calls.finish()
        assert exchange.carrier.status == 204
        assert tasks != [asyncio.current_task()]

    if lazy:
        run(main)


def test_another_task_waits_for_the_call(run):
    async def look():
        task = asyncio.current_task()
        waiter = asyncio.create_task(asyncio.wait({task}))
        gathered = asyncio.gather(task, return_exceptions=True)
        shielded = asyncio.shield(task)
        await asyncio.sleep(0)
        assert not waiter.done()
        return waiter, gathered, shielded

    async def main():
        waiter, gathered, shielded = await call(look)
        done, pending = await waiter
        assert len(done) == 1
        assert not pending
        assert await gathered == [None]
        assert await shielded is None

    run(main)


def test_task_factories_make_the_tasks_of_the_application_only(run):
    made = []

    def factory(loop, coroutine, **options):
        made.append(coroutine.__name__)
        return asyncio.Task(coroutine, loop=loop, **options)

    async def child():
        return asyncio.current_task()

    async def look():
        task = asyncio.current_task()
        asyncio.get_running_loop().set_task_factory(factory)
        assert await asyncio.create_task(child()) is not task
        asyncio.get_running_loop().set_task_factory(None)

    async def main():
        await call(look)
        assert made == ["child"]

    run(main)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="new in Python 3.12")
def test_an_eager_task_begins_within_the_first_step(run):
    current = []

    async def child():
        current.append(asyncio.current_task())
        await asyncio.sleep(0)

    async def look():
        mine = asyncio.current_task()
        task = asyncio.Task(child(), loop=asyncio.get_running_loop(), eager_start=True)
        assert current == [task]
        assert asyncio.current_task() is mine
        await task

    run(partial(call, look))


# Cancellation and timeouts.


@pytest.mark.parametrize("delay", [-1, 0, 0.001])
def test_timeout_ends_a_wait(run, delay):
    async def look():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(delay):
                await asyncio.get_running_loop().create_future()
        assert asyncio.current_task().cancelling() == 0

    run(partial(call, look))


def test_timeout_that_does_not_expire(run):
    async def look():
        async with asyncio.timeout(None) as timeout:
            await asyncio.sleep(0)
            timeout.reschedule(asyncio.get_running_loop().time() + 60)
        async with asyncio.timeout_at(asyncio.get_running_loop().time() + 60):
            pass

    run(partial(call, look))


def test_wait_for_ends_a_wait(run):
    async def look():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.001)

    run(partial(call, look))


@pytest.mark.parametrize("wait", ["sleep(0)", "future", "sleep"])
def test_task_cancels_itself_in_its_first_step(run, wait):
    async def look():
        task = asyncio.current_task()
        future = asyncio.get_running_loop().create_future()
        task.cancel("by itself")
        with pytest.raises(asyncio.CancelledError) as caught:
            await (future if wait == "future" else asyncio.sleep(0 if wait == "sleep(0)" else 60))
        assert future.cancelled() == (wait == "future")
        assert task.cancelling() == 1
        assert task.uncancel() == 0
        await asyncio.sleep(0)
        assert caught.value.args in [("by itself",), ()]

    run(partial(call, look))


def test_task_cancels_itself_and_returns(run):
    tasks = []

    async def app(scope, receive, send):
        tasks.append(asyncio.current_task())
        tasks[0].cancel("by itself")
        await respond(send)

    async def main():
        exchange = await Calls(app).begin()
        assert exchange.carrier.status == 204
        assert tasks[0].cancelled()
        with pytest.raises(asyncio.CancelledError):
            tasks[0].result()

    run(main)


def test_task_cancels_itself_and_changes_its_mind(run):
    async def look():
        task = asyncio.current_task()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(0)
        task.uncancel()
        await asyncio.sleep(0)
        return task

    async def main():
        assert not (await call(look)).cancelled()

    run(main)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="new in Python 3.13")
def test_uncancel_withdraws_the_cancellation(run):
    async def look():
        task = asyncio.current_task()
        task.cancel()
        task.uncancel()
        await asyncio.sleep(0)

    run(partial(call, look))


@pytest.mark.parametrize("asks", [False, True])
def test_another_task_cancels_the_call(run, asks, caplog):
    events = []

    async def app(scope, receive, send):
        if asks:
            events.append(asyncio.current_task().cancelling())
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError as error:
            events.append(error.args)
            raise

    async def main():
        calls = Calls(app)
        exchange = await calls.begin()
        task = exchange.task
        assert task.cancel("go")
        await calls.finish()
        assert task.cancelled()
        assert exchange.carrier.status == 500

    run(main)
    assert events in [[0, ("go",)], [("go",)]]
    assert "was cancelled" in caplog.text


@pytest.mark.parametrize("asks", [False, True])
def test_expired_call_is_cancelled(run, asks):
    async def app(scope, receive, send):
        if asks:
            asyncio.current_task().get_name()
        await asyncio.Event().wait()

    async def main():
        calls = Calls(app)
        exchange = await calls.begin()
        assert exchange.whereabouts() == "waiting on the loop"
        assert "Event().wait()" in exchange.stack()
        exchange.expire()
        await calls.finish()
        assert exchange.task.cancelled()

    run(main)


# Exceptions in the first step.


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit])
def test_exceptions_are_logged_and_answered(run, error, kept, caplog):
    tasks = []

    async def app(scope, receive, send):
        if kept:
            tasks.append(asyncio.current_task())
        raise error("in the first step")

    async def main():
        calls = Calls(app)
        exchange = await calls.begin()
        assert exchange.carrier.status == 500
        assert exchange.task is None
        assert calls.interface.running == 0
        assert all(task.done() and task.exception() is None for task in tasks)

    run(main)
    assert "in the first step" in caplog.text


@pytest.mark.parametrize("kept", [False, True])
def test_cancelled_error_in_the_first_step(run, kept, caplog):
    tasks = []

    async def app(scope, receive, send):
        if kept:
            tasks.append(asyncio.current_task())
        raise asyncio.CancelledError("by hand")

    async def main():
        exchange = await Calls(app).begin()
        assert exchange.carrier.status == 500
        assert exchange.task is None
        assert [task.cancelled() for task in tasks] == [True] * kept
        for task in tasks:
            with pytest.raises(asyncio.CancelledError, match="by hand"):
                task.result()

    run(main)
    assert "was cancelled" in caplog.text


class Broken(Client):
    """A carrier with a defect."""

    def respond(self, status, fields, body, end, reason=b""):
        raise ZeroDivisionError


@pytest.mark.parametrize("kept", [False, True])
def test_an_error_of_the_server_reaches_the_loop(kept, caplog):
    """Like that of any task that is not awaited."""
    problems = []
    tasks = []

    async def app(scope, receive, send):
        if kept:
            tasks.append(asyncio.current_task())

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: problems.append(context["exception"]))
        calls = Calls(app)
        exchange = calls.exchange()
        exchange.carrier = Broken()
        loop.call_soon(exchange.start)
        await asyncio.sleep(0)
        assert calls.interface.running == 0
        assert all(isinstance(task.exception(), ZeroDivisionError) for task in tasks)

    caplog.set_level(logging.CRITICAL)
    asyncio.run(main())
    gc.collect()
    assert [type(problem) for problem in problems] == [ZeroDivisionError] * (not kept)


def test_error_of_respond_in_the_application_is_its_own(run):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 204, "headers": []})
        with pytest.raises(ResponseError):
            await send({"type": "http.response.body", "body": "text"})
        await send({"type": "http.response.body", "body": b""})

    async def main():
        assert (await Calls(app).begin()).carrier.status == 204

    run(main)


# Applications that are no coroutine functions.


class Awaitable:
    def __init__(self, coroutine):
        self.coroutine = coroutine

    def __await__(self):
        return self.coroutine.__await__()


@types.coroutine
def generator_based(send):
    yield from respond(send).__await__()


KINDS = {
    "awaitable": lambda scope, receive, send: Awaitable(respond(send)),
    "generator": lambda scope, receive, send: generator_based(send),
    "task": lambda scope, receive, send: asyncio.ensure_future(respond(send)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_application_may_return_any_awaitable(run, kind):
    async def main():
        calls = Calls(KINDS[kind])
        exchange = await calls.begin()
        await calls.finish()
        assert exchange.carrier.status == 204

    run(main)


@pytest.mark.parametrize(
    ("app", "message"),
    [(lambda scope: None, "positional argument"), (lambda *arguments: None, "await")],
    ids=["raises", "returns None"],
)
def test_application_that_is_none_is_answered_and_logged(run, app, message, caplog):
    async def main():
        assert (await Calls(app).begin()).carrier.status == 500

    run(main)
    assert message in caplog.text


# Contexts.


@pytest.mark.parametrize("asks", [False, True])
@pytest.mark.parametrize("waits", [False, True])
def test_context_is_the_calls_own(run, asks, waits):
    seen = []

    async def app(scope, receive, send):
        seen.append(VALUE.get())
        VALUE.set("of the call")
        if asks:
            asyncio.current_task().done()
        if waits:
            await asyncio.sleep(0)
        seen.append(VALUE.get())
        child = asyncio.create_task(value())
        if waits:
            await child
        seen.append(VALUE.get())
        await respond(send)

    async def value():
        return VALUE.get()

    async def main():
        calls = Calls(app)
        for _ in range(3):
            await calls.begin()
            assert VALUE.get() == "unset"
        await calls.finish()
        assert seen.count("unset") == 3
        assert seen.count("of the call") == 6

    run(main)


# Stacks.


def test_task_that_waits_shows_the_application(run):
    async def inner():
        await asyncio.Event().wait()

    async def app(scope, receive, send):
        await inner()

    async def main():
        calls = Calls(app)
        exchange = await calls.begin()
        task = exchange.task
        coroutine = task.get_coro()
        assert inspect.getcoroutinestate(coroutine) == inspect.CORO_SUSPENDED
        assert coroutine.cr_frame.f_code.co_name == "app"
        assert coroutine.cr_await.__name__ == "inner"
        assert [frame.f_code.co_name for frame in task.get_stack()] == ["app"]
        assert "app() running at" in repr(task)
        lines = task_stack(task).splitlines()
        assert [line.split()[-1] for line in lines[::2]] == ["app", "inner", "wait"]
        task.cancel()
        await calls.finish()
        assert coroutine.cr_frame is None
        with pytest.raises(RuntimeError, match="cannot reuse"):
            coroutine.send(None)

    run(main)


def test_coroutine_of_a_call_can_be_closed(run, caplog):
    closed = []

    async def app(scope, receive, send):
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            closed.append(True)

    async def main():
        calls = Calls(app)
        exchange = await calls.begin()
        coroutine = exchange.task.get_coro()
        coroutine.close()
        coroutine.close()
        assert closed == [True]
        assert exchange.carrier.status == 500
        assert calls.interface.running == 0
        exchange.task.cancel()
        await asyncio.wait([exchange.task])
        exchange.task.exception()

    run(main)


# asyncio's and other libraries.


def test_task_group(run):
    async def look():
        async with asyncio.TaskGroup() as group:
            one = group.create_task(asyncio.sleep(0, 1))
            two = group.create_task(asyncio.sleep(0, 2))
        return one.result() + two.result()

    async def main():
        assert await call(look) == 3

    run(main)


def test_task_group_whose_child_fails(run):
    async def fail():
        raise ValueError("of the child")

    async def fail_in_group():
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            await asyncio.Event().wait()

    async def look():
        with pytest.raises(ExceptionGroup) as caught:
            await fail_in_group()
        assert asyncio.current_task().cancelling() == 0
        return str(caught.value.exceptions[0])

    async def main():
        assert await call(look) == "of the child"

    run(main)


def test_sniffio_knows_the_library(run):
    async def look():
        return sniffio.current_async_library()

    async def main():
        assert await call(look) == "asyncio"

    run(main)


async def anyio_scope_without_wait():
    with anyio.CancelScope() as scope:
        return not scope.cancel_called


async def anyio_scope_that_is_cancelled():
    with anyio.CancelScope() as scope:
        scope.cancel()
        await anyio.sleep(60)
    return scope.cancelled_caught


async def anyio_move_on_after():
    with anyio.move_on_after(0.001) as scope:
        await anyio.sleep_forever()
    return scope.cancelled_caught


async def anyio_move_on_at_once():
    with anyio.move_on_after(-1) as scope:
        await anyio.lowlevel.checkpoint()
    return scope.cancelled_caught


async def anyio_fail_after():
    with pytest.raises(TimeoutError), anyio.fail_after(0):
        await anyio.sleep_forever()
    return True


async def anyio_shield():
    with anyio.CancelScope() as outer:
        outer.cancel()
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0)
            return True


async def anyio_task_group():
    results = []

    async def child(number):
        await anyio.sleep(0)
        results.append(number)

    async with anyio.create_task_group() as group:
        for number in range(3):
            group.start_soon(child, number)
    return sorted(results) == [0, 1, 2]


async def anyio_task_group_that_is_cancelled():
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep_forever)
        group.cancel_scope.cancel()
    return group.cancel_scope.cancel_called


async def anyio_parent_of_a_child():
    parents = []

    async def child():
        parents.append(anyio.get_current_task().parent_id)

    async with anyio.create_task_group() as group:
        group.start_soon(child)
    return parents == [anyio.get_current_task().id]


async def anyio_thread():
    return await anyio.to_thread.run_sync(anyio.from_thread.run, anyio_lock)


async def anyio_limiter():
    limiter = anyio.CapacityLimiter(1)
    async with limiter:
        assert limiter.borrowed_tokens == 1
        await anyio.sleep(0)
    return limiter.borrowed_tokens == 0


async def anyio_lock():
    lock = anyio.Lock()
    async with lock:
        mine = lock.statistics().owner == anyio.get_current_task()
        await anyio.sleep(0)
    return mine


async def anyio_running_tasks():
    return anyio.get_current_task() in anyio.get_running_tasks()


ANYIO = {name: function for name, function in globals().items() if name.startswith("anyio_")}


@pytest.mark.parametrize("name", ANYIO)
def test_anyio(run, name):
    async def main():
        for _ in range(2):
            assert await call(ANYIO[name])

    run(main)


def test_anyio_scope_does_not_reach_the_next_call(run):
    """anyio keeps the scope of a task by a weak reference to that."""
    scopes = []

    async def app(scope, receive, send):
        cancelled = anyio.CancelScope()
        cancelled.__enter__()
        if not scopes:
            cancelled.cancel()
        scopes.append(cancelled)
        await respond(send)

    async def main():
        calls = Calls(app)
        for _ in range(2):
            assert (await calls.begin()).carrier.status == 204
        assert [scope.cancel_called for scope in scopes] == [True, False]

    async def quiet():
        await main()
        scopes[0]._active = scopes[1]._active = False

    run(quiet)


def test_asgiref_threads(run):
    def in_thread():
        return threading.current_thread(), async_to_sync(in_loop)()

    async def in_loop():
        await asyncio.sleep(0)
        return asyncio.get_running_loop()

    async def look():
        one, loop = await sync_to_async(in_thread, thread_sensitive=True)()
        two, _ = await sync_to_async(in_thread, thread_sensitive=True)()
        assert one is two
        return loop is asyncio.get_running_loop()

    async def main():
        assert await call(look)

    run(main)


# asyncio itself.


class SchedulingLoop(asyncio.SelectorEventLoop):
    """A loop on which something is scheduled while a task is initialized, as a finalizer may."""

    wants = False

    def get_debug(self):
        if self.wants:
            SchedulingLoop.wants = False
            self.call_soon(self.seen.append, "scheduled")
        return False


def test_what_is_scheduled_while_a_task_is_initialized_is_not_lost(lazy):
    async def app(scope, receive, send):
        SchedulingLoop.wants = True
        asyncio.current_task().done()
        await asyncio.sleep(0)
        await respond(send)

    async def main():
        SchedulingLoop.seen = []
        calls = Calls(app)
        if not lazy:
            SchedulingLoop.wants = True
        exchange = await calls.begin()
        await calls.finish()
        await asyncio.sleep(0)
        assert exchange.carrier.status == 204
        assert "scheduled" in SchedulingLoop.seen

    with asyncio.Runner(loop_factory=SchedulingLoop) as runner:
        runner.run(main())


@pytest.mark.parametrize("name", ["_register_task", "_enter_task", "_leave_task"])
def test_lazy_tasks_are_given_up_where_asyncio_works_otherwise(monkeypatch, name):
    assert first_step.can_be_lazy()
    monkeypatch.setattr(first_step, name, lambda *arguments: None)
    assert not first_step.can_be_lazy()


def test_trying_lazy_tasks_leaves_no_trace():
    before = set(asyncio.tasks._all_tasks) if sys.version_info < (3, 12) else None
    assert first_step.can_be_lazy()
    gc.collect()
    assert asyncio._get_running_loop() is None
    if before is not None:
        assert set(asyncio.tasks._all_tasks) <= before
