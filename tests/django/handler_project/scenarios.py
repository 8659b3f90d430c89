"""The properties of our handler besides being the same: hops, threads, connections, clients that
go. Prints, as JSON, the traceback of each scenario that failed.

    python scenarios.py [NAME ...]
"""

import asyncio
import gc
import inspect
import json
import logging
import os
import signal
import sys
import threading
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

import calls

calls.set_up()

import hooks  # noqa: E402
from asgiref.sync import sync_to_async  # noqa: E402
from django.conf import settings  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler  # noqa: E402
from django.core.handlers.asgi import ASGIHandler  # noqa: E402
from django.core.signals import request_finished, request_started  # noqa: E402
from django.db import connection, connections  # noqa: E402
from django.db.backends.signals import connection_created  # noqa: E402
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse  # noqa: E402
from django.test import override_settings  # noqa: E402
from django.urls import path, reverse  # noqa: E402

import bascule.django.handlers.asgi  # noqa: E402
from bascule.django.handlers.asgi import DjangoASGIApplication, get_asgi_application  # noqa: E402
from bascule.django.handlers.executors import IDLE_AFTER, Lease, ThreadLeases  # noqa: E402

DEADLINE = 10


class CountingLease(Lease):
    def submit(self, fn, /, *args, **kwargs):
        self._pool.submitted += 1
        return super().submit(fn, *args, **kwargs)


class CountingThreads(ThreadLeases):
    """Counts what is handed to threads, without a look inside."""

    submitted = 0

    def lease(self):
        return CountingLease(self)


class CountingExecutor(ThreadPoolExecutor):
    """The loop's own, where Django sends what is not bound to a thread."""

    submitted = 0

    def submit(self, *args, **kwargs):
        self.submitted += 1
        return super().submit(*args, **kwargs)


def application(size=2, middleware=None, **wanted):
    middleware = settings.STARTPROJECT if middleware is None else middleware
    with override_settings(MIDDLEWARE=middleware, **wanted):
        return DjangoASGIApplication(CountingThreads(size, on_retire=connections.close_all))


class Site:
    """Views of one scenario, in place of the project's, while it runs."""

    def __init__(self, **views):
        self.urlpatterns = [path(f"{name}/", view) for name, view in views.items()]

    def __enter__(self):
        self.override = override_settings(ROOT_URLCONF=self)
        self.override.enable()

    def __exit__(self, *_):
        self.override.disable()


async def hops(app, target, **more):
    """How many calls went to threads for one request."""
    executor = CountingExecutor()
    asyncio.get_running_loop().set_default_executor(executor)
    before = app.threads.submitted
    outcome = await calls.call(app, target=target, **more)
    return outcome, app.threads.submitted - before + executor.submitted


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)


async def scenario_no_hop_for_an_async_view():
    app = application()
    for target in ("/asynchronous/", "/waiting/", "/cookies/", "/async_stream/"):
        for headers in ([], [(b"cookie", b"sessionid=abcdefghijklmnop; csrftoken=" + b"a" * 32)]):
            outcome, count = await hops(app, target, headers=headers)
            assert outcome.status == 200
            assert count == 0, (target, count)
    assert app.threads.count() == 0


async def scenario_one_hop_for_a_sync_view():
    outcome, count = await hops(application(), "/sync/")
    assert outcome.status == 200
    assert count == 1, count


async def scenario_one_hop_for_a_run():
    middleware = [
        "hooks.RequestOnly",
        settings.STARTPROJECT[0],
        "hooks.ResponseOnly",
        "hooks.RequestOnly",
        settings.STARTPROJECT[2],
        "hooks.ResponseOnly",
    ]
    outcome, count = await hops(application(middleware=middleware), "/asynchronous/")
    assert outcome.trace == ["RequestOnly.request"] * 2 + ["ResponseOnly.response"] * 2
    assert count == 2, count  # there and back


async def scenario_a_changed_session_is_saved_in_a_thread():
    outcome, count = await hops(application(), "/async_session_write/")
    assert outcome.status == 200
    assert count > 0
    assert "sessionid" in dict(outcome.headers)["Set-Cookie"]


async def scenario_a_subclass_runs_in_a_thread():
    seen = []

    class Watched(hooks.CommonOfOurs):
        def process_request(self, request):
            seen.append(threading.current_thread())
            return super().process_request(request)

    hooks.Watched = Watched
    outcome, _ = await hops(application(middleware=["hooks.Watched"]), "/asynchronous/")
    assert outcome.status == 200
    assert seen != [threading.current_thread()]


async def scenario_replaced_methods_run_in_a_thread():
    from django.middleware.clickjacking import XFrameOptionsMiddleware

    seen = []
    original = XFrameOptionsMiddleware.process_response

    def replaced(self, request, response):
        seen.append(threading.current_thread())
        return original(self, request, response)

    XFrameOptionsMiddleware.process_response = replaced
    try:
        await hops(application(), "/asynchronous/")
    finally:
        XFrameOptionsMiddleware.process_response = original
    assert seen != [threading.current_thread()]


async def scenario_settings_hold_when_a_request_is_made():
    app = application()
    with override_settings(X_FRAME_OPTIONS="SAMEORIGIN"):
        outcome = await calls.call(app, target="/asynchronous/")
    assert dict(outcome.headers)["X-Frame-Options"] == "SAMEORIGIN"
    with override_settings(CSRF_USE_SESSIONS=True):
        outcome, count = await hops(app, "/asynchronous/")
    assert count > 0  # the token is in the session now
    with override_settings(SESSION_SAVE_EVERY_REQUEST=True):
        targets = "/session_write/", "/asynchronous/"
        _, outcome = await calls.talk(app, [("GET", target, [], b"") for target in targets])
        assert "Set-Cookie" in dict(outcome.headers)
    assert (await hops(app, "/asynchronous/"))[1] == 0


async def scenario_connections_stay():
    created = []

    def count(connection, **_):
        created.append(connection)

    connection_created.connect(count)
    app = application(3)
    for _ in range(3):
        outcomes = await asyncio.gather(
            *(calls.call(app, target=t) for t in ["/users/", "/async_users/"] * 20)
        )
        assert {outcome.status for outcome in outcomes} == {200}
    assert 1 <= len(created) <= 3, len(created)
    assert app.threads.count() <= 3
    await asyncio.to_thread(app.threads.close)
    assert all(made.connection is None for made in created)
    assert app.threads.count() == 0


async def scenario_connections_are_closed_where_they_are():
    created = []

    def count(connection, **_):
        created.append(connection)

    connection_created.connect(count)
    app = application(1)
    connections.settings["default"]["CONN_MAX_AGE"] = 0
    try:
        for target in ("/users/", "/async_users/", "/users/"):
            await calls.call(app, target=target)
        await asyncio.to_thread(app.threads.close)
        assert created[-1].connection is None
    finally:
        connections.settings["default"]["CONN_MAX_AGE"] = None
    assert len(created) == 3


async def scenario_a_thread_is_one_requests_alone():
    inside = threading.local()

    def enter(number):
        assert not hasattr(inside, "number")
        inside.number = number

    def leave(number):
        assert inside.number == number
        del inside.number

    async def view(request):
        number = request.GET["n"]
        await sync_to_async(enter)(number)
        await asyncio.sleep(0.002)
        await sync_to_async(leave)(number)
        return HttpResponse(number)

    with Site(view=view):
        app = application(2)
        outcomes = await asyncio.gather(
            *(calls.call(app, target=f"/view/?n={n}") for n in range(20))
        )
    assert [outcome.body for outcome in outcomes] == [str(n) for n in range(20)]


async def scenario_back_and_forth_between_loop_and_thread():
    app = application(2)
    outcomes = await asyncio.gather(*(calls.call(app, target="/nested/") for _ in range(20)))
    assert all(json.loads(outcome.body)["same"] for outcome in outcomes)
    outcomes = await asyncio.gather(*(calls.call(app, target="/two_hops/") for _ in range(20)))
    assert all(json.loads(outcome.body)["same"] for outcome in outcomes)
    assert app.threads.count() == 2


async def scenario_a_client_that_goes_from_an_async_view():
    cancelled, finished = [], []
    entered, gone = asyncio.Event(), asyncio.Event()

    async def view(request):
        entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    def finish(sender, **_):
        finished.append(sender)

    with Site(view=view):
        app = application()
        request = asyncio.create_task(calls.call(app, target="/view/", gone=gone))
        await entered.wait()
        request_finished.connect(finish)
        gone.set()
        outcome = await request
        request_finished.disconnect(finish)
    assert (outcome.messages, outcome.raised) == ([], None)
    assert cancelled == [True]
    assert finished == [ASGIHandler]


async def scenario_a_client_that_goes_ends_its_stream():
    """At once, not when the garbage is collected."""
    closed, gone = [], asyncio.Event()

    async def view(request):
        async def pieces():
            try:
                yield "piece"
            finally:
                closed.append(True)

        return StreamingHttpResponse(pieces())

    async def leave(message):
        if message.get("body"):
            gone.set()
            await asyncio.Event().wait()

    gc.disable()
    try:
        with Site(view=view):
            outcome = await calls.call(application(), target="/view/", on_send=leave, gone=gone)
            await until(lambda: closed)
    finally:
        gc.enable()
    assert (outcome.status, outcome.raised) == (200, None)


async def scenario_a_server_whose_send_raises():
    """As servers may when the client has gone. The request ends as any other: the response is
    closed, and the signal is sent."""
    closed, finished = [], []

    class Watched(StreamingHttpResponse):
        def close(self):
            closed.append(True)
            super().close()

    async def view(request):
        async def pieces():
            yield "piece"

        return Watched(pieces())

    async def leave(message):
        if message.get("body"):
            raise OSError("the client has left")

    def finish(sender, **_):
        finished.append(sender)

    request_finished.connect(finish)
    try:
        with Site(view=view):
            outcome = await calls.call(application(), target="/view/", on_send=leave)
    finally:
        request_finished.disconnect(finish)
    assert outcome.raised is None, outcome.raised
    assert (closed, finished) == ([True], [ASGIHandler])


async def scenario_a_client_that_goes_takes_no_thread():
    entered, gone = asyncio.Event(), asyncio.Event()

    async def view(request):
        entered.set()
        await asyncio.Event().wait()

    with Site(view=view):
        app = application()
        request = asyncio.create_task(calls.call(app, target="/view/", gone=gone))
        await entered.wait()
        gone.set()
        await request
    assert app.threads.count() == 0


async def scenario_a_client_that_goes_from_a_sync_view():
    entered, go_on, gone = threading.Event(), threading.Event(), asyncio.Event()
    left = []

    def slow(request):
        entered.set()
        go_on.wait(DEADLINE)
        left.append(True)
        return HttpResponse("late")

    def quick(request):
        return HttpResponse(str(len(left)))

    with Site(slow=slow, quick=quick):
        app = application(1)
        first = asyncio.create_task(calls.call(app, target="/slow/", gone=gone))
        await until(entered.is_set)
        gone.set()
        second = asyncio.create_task(calls.call(app, target="/quick/"))
        # Both are waiting: the view cannot be cancelled, and the thread is its until it returns.
        await asyncio.sleep(2 * IDLE_AFTER)
        assert not first.done()
        assert not second.done()
        go_on.set()
        await first
        assert (await second).body == "1"
    assert app.threads.count() == 1


async def scenario_a_client_that_goes_while_waiting_for_a_thread():
    entered, go_on, gone = threading.Event(), threading.Event(), asyncio.Event()
    ran = []

    def slow(request):
        entered.set()
        go_on.wait(DEADLINE)
        return HttpResponse("slow")

    def never(request):
        ran.append(True)

    with Site(slow=slow, never=never):
        app = application(1)
        first = asyncio.create_task(calls.call(app, target="/slow/"))
        await until(entered.is_set)
        second = asyncio.create_task(calls.call(app, target="/never/", gone=gone))
        await asyncio.sleep(0.01)
        gone.set()
        await second
        go_on.set()
        assert (await first).body == "slow"
        assert (await calls.call(app, target="/slow/")).body == "slow"
    assert ran == []
    assert app.threads.count() == 1


async def scenario_a_server_that_cancels_takes_the_view_along():
    entered, left = asyncio.Event(), []

    async def view(request):
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.append(True)

    with Site(view=view):
        app = application()
        request = asyncio.create_task(calls.call(app, target="/view/"))
        await entered.wait()
        request.cancel()
        await asyncio.wait([request])
    assert request.cancelled()
    assert left == [True]


async def scenario_what_raises_gives_its_thread_back():
    app = application(2)
    for target in ("/crash/", "/async_crash/", "/none/", "/broken_template/", "/broken_stream/"):
        for _ in range(4):
            await calls.call(app, target=target)
    outcomes = await asyncio.gather(*(calls.call(app, target="/users/") for _ in range(6)))
    assert {outcome.status for outcome in outcomes} == {200}
    assert app.threads.count() <= 2


async def scenario_a_broken_stream_does_not_keep_its_connection():
    created = []

    def count(connection, **_):
        created.append(connection)

    async def view(request):
        async def pieces():
            yield f"{await User.objects.acount()}"
            raise RuntimeError("broken on purpose")

        return StreamingHttpResponse(pieces())

    connection_created.connect(count)
    connections.settings["default"]["CONN_MAX_AGE"] = 0
    try:
        with Site(view=view):
            app = application(1)
            outcome = await calls.call(app, target="/view/")
            assert outcome.raised is not None
            await asyncio.to_thread(app.threads.close)
    finally:
        connections.settings["default"]["CONN_MAX_AGE"] = None
    assert created[-1].connection is None


async def scenario_streams_use_the_thread_of_their_request():
    idents = []

    def note():
        idents.append(threading.get_ident())
        return User.objects.count()

    async def asynchronous(request):
        async def pieces():
            for _ in range(3):
                yield str(await sync_to_async(note)())

        await sync_to_async(note)()
        return StreamingHttpResponse(pieces())

    def synchronous(request):
        note()
        return StreamingHttpResponse(str(note()) for _ in range(3))

    with Site(asynchronous=asynchronous, synchronous=synchronous):
        app = application(1)
        for target in ("/asynchronous/", "/synchronous/"):
            idents.clear()
            assert (await calls.call(app, target=target)).body == "111"
            assert len(idents) == 4
            assert len(set(idents)) == 1
    assert app.threads.count() == 1


async def scenario_an_idle_thread_starves_nobody():
    entered, release = asyncio.Event(), asyncio.Event()

    async def holding(request):
        await User.objects.acount()
        entered.set()
        await release.wait()
        return HttpResponse("held")

    def releasing(request):
        return HttpResponse(str(User.objects.count()))

    with Site(holding=holding, releasing=releasing):
        app = application(1)
        first = asyncio.create_task(calls.call(app, target="/holding/"))
        await entered.wait()
        assert (await calls.call(app, target="/releasing/")).body == "1"
        release.set()
        assert (await first).body == "held"
        assert app.threads.count() == 1


async def scenario_a_task_that_outlives_its_request():
    answered, done = asyncio.Event(), []

    async def later():
        await answered.wait()
        done.append(await User.objects.acount())

    async def view(request):
        done_task.append(asyncio.create_task(later()))
        return HttpResponse(str(await User.objects.acount()))

    done_task: list[asyncio.Task] = []
    with Site(view=view):
        app = application(1)
        assert (await calls.call(app, target="/view/")).body == "1"
        answered.set()
        await done_task[0]
    assert done == [1]


# Cases of Django's own tests of its handlers that `differential` does not have.


async def both(target, **more):
    """The outcomes under Django's handler and ours, which must be one."""
    theirs = await calls.call(ASGIHandler(), target=target, **more)
    ours = await calls.call(application(), target=target, **more)
    assert ours.comparable() == theirs.comparable()
    return ours


async def scenario_a_client_that_goes_in_the_middle_of_its_body():
    """Nothing of it reaches the project."""
    ran = []

    def view(request):
        ran.append(True)
        return HttpResponse()

    with Site(view=view), calls.listening():
        for app in (ASGIHandler(), application()):
            messages = [
                {"type": "http.request", "body": b"some", "more_body": True},
                {"type": "http.disconnect"},
            ]
            sent = []

            async def receive(messages=messages):
                return messages.pop(0)

            async def send(message, sent=sent):
                sent.append(message)

            calls.SEEN.clear()
            await app(calls.scope_of("POST", "/view/"), receive, send)
            assert (sent, messages, calls.SEEN) == ([], [], [])
    assert ran == []


async def scenario_a_body_is_closed_with_its_request():
    """Whether it was read or not, in memory or on the disk."""
    streams = []

    async def untouched(request):
        streams.append(request._stream)
        return HttpResponse()

    def read(request):
        streams.append(request._stream)
        return HttpResponse(str(len(request.read())))

    async def broken(request):
        streams.append(request._stream)
        raise RuntimeError("on purpose")

    with Site(untouched=untouched, read=read, broken=broken):
        app = application(middleware=[])  # nor does that of CSRF refuse it
        for name in ("untouched", "read", "broken"):
            for size in (10, 30_000):
                await calls.call(app, "POST", f"/{name}/", body=b"x" * size)
    assert len(streams) == 6
    assert all(stream.closed for stream in streams)


async def scenario_signals_and_view_in_one_thread():
    """Receivers may keep something in the thread for the view, and look for it afterwards."""
    threads = []

    def note(**_):
        threads.append(threading.current_thread())

    def view(request):
        note()
        return HttpResponse()

    async def asynchronous(request):
        await sync_to_async(note)()
        return HttpResponse()

    request_started.connect(note)
    request_finished.connect(note)
    try:
        with Site(view=view, asynchronous=asynchronous):
            for target in ("/view/", "/asynchronous/"):
                threads.clear()
                await calls.call(application(), target=target)
                assert len(threads) == 3
                assert len(set(threads)) == 1
                assert threads[0] is not threading.current_thread()
    finally:
        request_started.disconnect(note)
        request_finished.disconnect(note)


async def scenario_what_a_scope_may_hold():
    def view(request):
        shown = {name: request.META.get(name) for name in ("HTTP_REFERER", "CONTENT_TYPE")}
        found = reverse("here")
        return JsonResponse({**shown, "cookies": request.COOKIES, "here": found})

    site = Site()
    site.urlpatterns = [path("view/", view, name="here")]
    with site:
        headers = [
            (b"referer", b"one"),
            (b"referer", b"two"),
            (b"cookie", b"a=1"),
            (b"cookie", b"b=2"),
            (b"content-type", b"text/plain"),
        ]
        outcome = await both("/view/", headers=headers)
        assert json.loads(outcome.body)["HTTP_REFERER"] == "one,two"
        with override_settings(FORCE_SCRIPT_NAME="/below"):
            assert json.loads((await both("/view/")).body)["here"] == "/below/view/"
        assert json.loads((await both("/view/")).body)["here"] == "/view/"


async def scenario_a_status_may_be_of_an_enum():
    async def view(request):
        return HttpResponse(status=HTTPStatus.IM_A_TEAPOT)

    with Site(view=view):
        assert (await both("/view/")).status == 418


async def scenario_static_files_around_it():
    """The behaviour of runserver."""
    page = settings.STATIC_ROOT / "page.css"
    page.parent.mkdir(exist_ok=True)
    page.write_text("p { color: red }")
    wanted = {
        "STATICFILES_DIRS": [settings.STATIC_ROOT],
        "STATICFILES_FINDERS": ["django.contrib.staticfiles.finders.FileSystemFinder"],
        "STATIC_ROOT": None,
        "DEBUG": True,
    }
    with override_settings(**wanted), warnings.catch_warnings():
        # A file is no asynchronous iterator; Django says so.
        warnings.simplefilter("ignore")
        outcomes = [
            await calls.call(ASGIStaticFilesHandler(app), target="/static/page.css")
            for app in (ASGIHandler(), application())
        ]
    assert outcomes[0].comparable() == outcomes[1].comparable()
    assert (outcomes[1].status, outcomes[1].body) == (200, "p { color: red }")


async def scenario_a_view_that_waits_for_what_was_cancelled():
    """No code cancelled the request."""

    async def view(request):
        task = asyncio.create_task(asyncio.Event().wait())
        task.cancel()
        await asyncio.wait([task])
        return HttpResponse(f"cancelled: {task.cancelled()}")

    with Site(view=view):
        assert (await both("/view/")).body == "cancelled: True"


async def scenario_lifespan():
    app = application(1)
    await calls.call(app, target="/users/")
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message["type"])

    await app({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert app.threads.count() == 0


async def scenario_other_scopes_are_refused_as_django_does():
    said = []
    for app in (ASGIHandler(), application()):
        try:
            await app({"type": "websocket"}, None, None)
        except ValueError as error:
            said.append(str(error))
    assert said[0] == said[1]


async def scenario_the_log_says_what_middleware_got():
    class Lines(logging.Handler):
        def emit(self, record):
            lines.append(record.getMessage())

    lines: list[str] = []
    logger, handler = logging.getLogger("bascule.django"), Lines()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        application(middleware=[settings.STARTPROJECT[1], "hooks.RequestOnly", "hooks.sync_only"])
    finally:
        logger.setLevel(logging.NOTSET)
        logger.removeHandler(handler)
    assert [line.split(": ")[0] for line in lines] == [
        f"middleware {path}"
        for path in (settings.STARTPROJECT[1], "hooks.RequestOnly", "hooks.sync_only")
    ]


async def scenario_an_older_asgiref():
    class Older:
        def __init__(self):
            pass

    class Lines(logging.Handler):
        def emit(self, record):
            lines.append(record.getMessage())

    lines: list[str] = []
    logger, handler = logging.getLogger("bascule.django"), Lines()
    logger.addHandler(handler)
    current = bascule.django.handlers.threads.ThreadSensitiveContext
    bascule.django.handlers.threads.ThreadSensitiveContext = Older
    try:
        app = await asyncio.to_thread(get_asgi_application)
    finally:
        bascule.django.handlers.threads.ThreadSensitiveContext = current
        logger.removeHandler(handler)
    assert type(app) is ASGIHandler
    assert len(lines) == 1
    assert "asgiref" in lines[0]
    assert type(await asyncio.to_thread(get_asgi_application, 3)) is DjangoASGIApplication


def scenario_requests_after_a_fork():
    """A thread of the parent is not there in the child, and no code waits for it."""
    app = application(1)
    assert asyncio.run(calls.call(app, target="/sync/")).status == 200
    child = os.fork()
    if child == 0:
        signal.alarm(DEADLINE)
        status = asyncio.run(calls.call(app, target="/sync/")).status
        os._exit(0 if status == 200 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert asyncio.run(calls.call(app, target="/sync/")).status == 200


async def run_async(scenario):
    async with asyncio.timeout(DEADLINE):
        await scenario()


def main(names):
    found = {}
    every = [name for name in globals() if name.startswith("scenario_")]
    for name in names or every:
        scenario = globals()[name]
        try:
            if inspect.iscoroutinefunction(scenario):
                asyncio.run(run_async(scenario))
            else:
                scenario()
        except BaseException:
            found[name] = traceback.format_exc()
        finally:
            connection.close()
    print(json.dumps(found))
    sys.stdout.flush()
    # Threads that a failed scenario has left running are not waited for.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
