"""Django's WSGI handler and ours, side by side: what is observed with one must be with the other.
Prints, as JSON, the traceback of each scenario that failed.

    python wsgi_scenarios.py [NAME ...]
"""

import asyncio
import io
import json
import os
import random
import re
import sys
import threading
import time
import traceback
from contextlib import contextmanager
from types import SimpleNamespace

import calls

calls.set_up()

import hooks  # noqa: E402
from asgiref.sync import async_to_sync, sync_to_async  # noqa: E402
from django.conf import settings  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.contrib.sessions.models import Session  # noqa: E402
from django.core.cache import cache  # noqa: E402
from django.core.cache.backends.locmem import LocMemCache  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.core.signals import request_finished, request_started  # noqa: E402
from django.db import (  # noqa: E402
    DatabaseError,
    close_old_connections,
    connection,
    connections,
    transaction,
)
from django.db.backends.signals import connection_created  # noqa: E402
from django.http import FileResponse, HttpResponse, StreamingHttpResponse  # noqa: E402
from django.http.response import HttpResponseBase  # noqa: E402
from django.test import override_settings  # noqa: E402
from django.urls import get_urlconf, path, set_urlconf  # noqa: E402
from django.utils import crypto  # noqa: E402
from views import VIEWS  # noqa: E402

from bascule.django.handlers.choice import with_quick_signals  # noqa: E402
from bascule.django.handlers.wsgi import DjangoWSGIApplication  # noqa: E402

DEADLINE = 30
# The time of a signature, and the signature.
SIGNED_AT = re.compile(r":\w{6}:[\w-]{43}")
FILE_WRAPPED = []


class FileWrapper:
    """As a server's: it closes the file alone."""

    def __init__(self, file, size):
        FILE_WRAPPED.append(size)
        self.file = file

    def __iter__(self):
        return iter(lambda: self.file.read(65536), b"")

    def close(self):
        self.file.close()


def ask(app, target="/", method="GET", body=b"", content_type="", read=True, **environ):
    """One request by WSGI, to its end: (status, headers, body)."""
    where, _, query = target.partition("?")
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": where,
        "QUERY_STRING": query,
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **environ,
    }
    begun = []
    result = app(environ, lambda *args: begun.append(args))
    try:
        found = b"".join(result) if read else next(iter(result))
    finally:
        if hasattr(result, "close"):
            result.close()
    ((status, headers),) = begun
    # Until Django 6 there was a space before cookies, which is none of theirs.
    return status, sorted((name, value.strip()) for name, value in headers), found


def in_a_thread(function, *args):
    """Its connections are its own, and go with it."""
    found = []

    def run():
        try:
            found.append(function(*args))
        except BaseException as error:
            found.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(DEADLINE)
    assert not thread.is_alive()
    (one,) = found
    if isinstance(one, BaseException):
        raise one
    return one


def both(observe):
    """Observe Django's handler, after it was the same with ours."""
    theirs = WSGIHandler()
    ours = with_quick_signals(WSGIHandler(), "it")
    assert type(ours) is DjangoWSGIApplication
    expected, *again = in_a_thread(lambda: [observe(theirs), observe(theirs)])
    # The second time in a thread that has served: what it remembers is its own.
    found = in_a_thread(lambda: [observe(ours), observe(ours)])
    different = list(differences([expected, *again], found))
    assert not different, different
    return expected


def differences(expected, found):
    if isinstance(expected, list | tuple) and len(expected) == len(found):
        for one, other in zip(expected, found, strict=True):
            yield from differences(one, other)
    elif expected != found:
        yield expected, found


class Urls:
    def __init__(self, patterns):
        self.urlpatterns = patterns


@contextmanager
def site(middleware=(), **more):
    """Views of one scenario, in place of the project's, while it runs."""
    views = {name: view for name, view in more.items() if callable(view)}
    wanted = {name: value for name, value in more.items() if not callable(value)}
    patterns = [path(f"{name}/", view) for name, view in views.items()]
    with override_settings(ROOT_URLCONF=Urls(patterns), MIDDLEWARE=list(middleware), **wanted):
        yield


@contextmanager
def databases(**options):
    """The thread's connections have these options while it runs."""
    saved = connections.settings["default"].copy()
    connections.settings["default"].update(options)
    try:
        yield
    finally:
        connections.settings["default"].clear()
        connections.settings["default"].update(saved)


def asks(request):
    User.objects.count()
    return HttpResponse(str(connection.connection is not None))


def looks(request):
    return HttpResponse(str(is_open()))


def is_open():
    return connection.connection is not None


# Actions of views.


def scenario_every_view():
    def observe(app):
        # Keys are the same in every run, and must be free.
        Session.objects.all().delete()
        found = []
        for name in VIEWS:
            chance = random.Random(name)
            crypto.secrets.choice = chance.choice
            for kept in (hooks.TRACE, calls.SEEN, calls.LOGGED):
                kept.clear()
            outcome = calls.Outcome()
            try:
                status, headers, body = ask(app, f"/{name}/")
                headers = [(n.encode(), SIGNED_AT.sub("signed", v).encode()) for n, v in headers]
                outcome.messages = [
                    {"status": status, "headers": headers},
                    {"body": body},
                ]
            except Exception as error:
                outcome.raised = repr(error)
            outcome.signals, outcome.logged = list(calls.SEEN), list(calls.LOGGED)
            found.append((name, outcome.comparable(), get_urlconf()))
        return found

    crypto.secrets = SimpleNamespace(compare_digest=crypto.secrets.compare_digest)
    # A first login may renew the password's hash.
    in_a_thread(observe, WSGIHandler())
    assert len(both(observe)) == len(VIEWS)
    with calls.listening():
        heard = both(observe)
    signals = [one["signals"] for _, one, _ in heard]
    assert all("started WSGIHandler environ" in one for one in signals)
    assert sum("finished WSGIHandler " in one for one in signals) > len(VIEWS) // 2


def scenario_uploads():
    parts = b'--X\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n%b\r\n--X--\r\n'

    def store(request):
        file = request.FILES["f"]
        stored.append(file.temporary_file_path())
        return HttpResponse(str(file.size))

    def observe(app):
        stored.clear()
        kind = "multipart/form-data; boundary=X"
        answer = ask(app, "/store/", "POST", parts % (b"x" * 40_000), kind)
        (where,) = stored
        try:
            open(where).close()
        except FileNotFoundError:
            return answer[2], "deleted"
        return answer[2], "left behind"

    stored = []
    with site(store=store):
        assert both(observe) == (b"40000", "deleted")


def scenario_files():
    def send(request):
        response = FileResponse(io.FileIO(__file__))
        response._resource_closers.append(lambda: closed.append("closed"))
        return response

    def observe(app):
        FILE_WRAPPED.clear()
        closed.clear()
        plain = ask(app, "/send/")
        wrapped = ask(app, "/send/", **{"wsgi.file_wrapper": FileWrapper})
        return plain == wrapped, len(plain[2]), list(FILE_WRAPPED), list(closed)

    closed = []
    with site(send=send):
        same, size, wrapped, all_closed = both(observe)
    assert (same, wrapped, all_closed) == (True, [4096], ["closed"] * 2)
    with open(__file__, "rb") as file:
        assert size == len(file.read())


def scenario_streams_that_are_given_up():
    def pieces():
        try:
            yield b"one"
            yield b"two"
        finally:
            ended.append("closed")

    def stream(request):
        return StreamingHttpResponse(pieces())

    def observe(app):
        ended.clear()
        return ask(app, "/stream/", read=False)[2], list(ended)

    ended = []
    with site(stream=stream):
        assert both(observe) == (b"one", ["closed"])


def scenario_what_closing_meets():
    class Own(HttpResponse):
        def close(self):
            closed.append("own")
            super().close()

    def own(request):
        return Own("own")

    def closers(request):
        response = HttpResponse("closers")
        kept.append(response)
        response._resource_closers += [lambda: closed.append("first"), lambda: 1 / 0]
        response._resource_closers.append(lambda: closed.append("last"))
        return response

    def observe(app):
        closed.clear()
        kept.clear()
        found = [ask(app, "/own/")[2], ask(app, "/closers/")[2]]
        (response,) = kept
        return found, list(closed), response.closed, response._resource_closers

    closed, kept = [], []
    with site(own=own, closers=closers):
        found = both(observe)
    assert found == ([b"own", b"closers"], ["own", "first", "last"], True, [])


def scenario_a_close_that_somebody_watches():
    """As tools do that measure requests: put there before ours is loaded, or after."""

    def watched(self):
        closed.append("watched")
        original(self)

    def observe(app):
        closed.clear()
        return ask(app, "/asks/")[2], list(closed)

    closed = []
    original = HttpResponseBase.close
    HttpResponseBase.close = watched
    try:
        with site(asks=asks):
            assert both(observe) == (b"True", ["watched"])
    finally:
        HttpResponseBase.close = original


def scenario_a_close_of_one_response():
    def cleaned_up(request):
        response = HttpResponse("cleaned up")
        original = response.close

        def close():
            original()
            closed.append("own")

        response.close = close
        return response

    def observe(app):
        closed.clear()
        return ask(app, "/cleaned_up/")[2], list(closed)

    closed = []
    with site(cleaned_up=cleaned_up):
        assert both(observe) == (b"cleaned up", ["own"])


def scenario_a_handler_that_somebody_comes_to_watch():
    def watched(self, environ, start_response):
        seen.append(environ["PATH_INFO"])
        return original(self, environ, start_response)

    def observe(app):
        seen.clear()
        WSGIHandler.__call__ = watched
        try:
            ask(app, "/asks/")
        finally:
            WSGIHandler.__call__ = original
        ask(app, "/asks/")
        return list(seen)

    seen, original = [], WSGIHandler.__call__
    with site(asks=asks):
        assert both(observe) == ["/asks/"]


def scenario_a_handler_that_is_not_djangos_own():
    class Own(WSGIHandler):
        pass

    for app in (Own(), print, lambda environ, start_response: []):
        assert with_quick_signals(app, "it") is app
    original = WSGIHandler.__call__
    WSGIHandler.__call__ = lambda self, environ, start_response: original(
        self, environ, start_response
    )
    try:
        app = WSGIHandler()
        assert with_quick_signals(app, "it") is app
    finally:
        WSGIHandler.__call__ = original
    # Some exchange the code of a function, and leave a mark on it.
    WSGIHandler.__call__.wrapped = "yes"
    try:
        assert with_quick_signals(app, "it") is app
    finally:
        del WSGIHandler.__call__.wrapped


def scenario_a_view_that_exits():
    def leave(request):
        User.objects.count()
        raise SystemExit(3)

    def observe(app):
        try:
            ask(app, "/leave/")
        except SystemExit as error:
            return error.code, is_open(), ask(app, "/looks/")[2]

    with site(leave=leave, looks=looks), databases(CONN_MAX_AGE=0):
        assert both(observe) == (3, True, b"False")


# Connections to databases.


def scenario_connections_last_as_long_as_they_are_to():
    def observe(app):
        found = []
        for _ in range(3):
            answer = ask(app, "/asks/")[2]
            found.append((answer, is_open()))
        if is_open():
            # Its time is over, between two requests.
            connection.close_at = time.monotonic() - 1
            before = connection.connection
            found.append(("in the next", ask(app, "/looks/")[2]))
            ask(app, "/asks/")
            found.append(connection.connection is before)
        return found

    with site(asks=asks, looks=looks):
        for age, stays in ((0, False), (60, True), (None, True)):
            with databases(CONN_MAX_AGE=age):
                found = both(observe)
            assert found[:3] == [(b"True", stays)] * 3
            if stays:
                assert found[3:] == [("in the next", b"False"), False]


def scenario_connections_that_broke():
    """A connection with errors is kept if it works; a connection left inside a transaction's
    settings is closed."""

    def error(request):
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT nonsense")
        except DatabaseError:
            return HttpResponse(str(connection.errors_occurred))

    def manual(request):
        User.objects.count()
        transaction.set_autocommit(False)
        return HttpResponse("manual")

    def unusable(request):
        User.objects.count()
        connection.errors_occurred = True
        connection.is_usable = lambda: False
        return HttpResponse("unusable")

    def observe(app):
        found = []
        for name in ("error", "asks", "manual", "asks", "unusable", "asks"):
            answer = ask(app, f"/{name}/")[2]
            found.append((answer, is_open(), connection.errors_occurred))
            vars(connections["default"]).pop("is_usable", None)
        return found

    views = {"error": error, "asks": asks, "manual": manual, "unusable": unusable}
    with site(**views), databases(CONN_MAX_AGE=None):
        found = both(observe)
    assert [one for _, one, _ in found] == [True, True, False, True, False, True]


def scenario_connections_that_failed_while_they_were_opened():
    """In Django's code before the signal about a connection, or in a receiver of it."""

    def fail(self=None, **more):
        if left:
            left.pop()
            raise DatabaseError("on purpose")

    def observe(app):
        found = []
        wrapper = type(connections["default"])
        original = wrapper.init_connection_state
        for failing in (fail, None):
            connections.close_all()
            if failing is None:
                connection_created.connect(fail)
            else:
                wrapper.init_connection_state = fail
            left.append("once")
            try:
                for _ in range(2):
                    found.append((ask(app, "/asks/")[0], is_open()))
            finally:
                wrapper.init_connection_state = original
                connection_created.disconnect(fail)
        return found

    left = []
    with site(asks=asks), databases(CONN_MAX_AGE=0):
        found = both(observe)
    assert found == [("500 Internal Server Error", False), ("200 OK", False)] * 2


def scenario_connections_that_somebody_puts_in_and_takes_out():
    def observe(app):
        made = connections.create_connection("default")
        made.connect()
        connections["default"] = made
        ask(app, "/nothing/")
        found = [made.connection is None]
        User.objects.count()
        taken = connections["default"]
        del connections["default"]
        ask(app, "/asks/")
        found += [taken.connection is None, is_open()]
        taken.close()
        return found

    with site(asks=asks, nothing=lambda request: HttpResponse()), databases(CONN_MAX_AGE=0):
        assert both(observe) == [True, False, False]


def scenario_another_database():
    """It comes into use later, and is looked after from then on."""

    def other(request):
        with connections["other"].cursor() as cursor:
            cursor.execute("SELECT 1")
        return HttpResponse("other")

    def two(request):
        asks(request)
        return other(request)

    def observe(app):
        found = []
        for name in ("asks", "two", "asks", "other"):
            ask(app, f"/{name}/")
            there = connections.all(initialized_only=True)
            found.append([(one.alias, one.connection is not None) for one in there])
        # Taken away and made again: it is another object.
        del connections["other"]
        ask(app, "/other/")
        found.append(connections["other"].connection is None)
        return found

    with site(asks=asks, other=other, two=two), databases(CONN_MAX_AGE=0):
        more = {"NAME": settings.WORK / "other.sqlite3"}
        connections.settings["other"] = {**connections.settings["default"], **more}
        try:
            found = both(observe)
        finally:
            del connections.settings["other"]
    closed = [("default", False), ("other", False)]
    assert found == [closed[:1], *[closed] * 3, True]


def scenario_a_connection_from_inside_a_coroutine():
    """asgiref brings what it does back to the thread of the request."""

    def nested(request):
        async def count():
            return await sync_to_async(lambda: (User.objects.count(), threading.get_ident()))()

        _, where = async_to_sync(count)()
        return HttpResponse(str(where == threading.get_ident()))

    def observe(app):
        return ask(app, "/nested/")[2], is_open()

    with site(nested=nested), databases(CONN_MAX_AGE=0):
        assert both(observe) == (b"True", False)


def scenario_a_connection_of_the_thread_before_its_first_request():
    def observe(app):
        User.objects.count()
        return is_open(), ask(app, "/looks/")[2]

    with site(looks=looks), databases(CONN_MAX_AGE=0):
        assert both(observe) == (True, b"False")


def scenario_a_connection_from_before_there_was_a_handler():
    """Connections that an import has opened in the thread that serves by itself."""

    def observe(app):
        User.objects.count()
        app = type(app)(*([app.handler] if hasattr(app, "handler") else []))
        return ask(app, "/looks/")[2], ask(app, "/asks/")[2], is_open()

    with site(looks=looks, asks=asks), databases(CONN_MAX_AGE=0):
        assert both(observe) == (b"False", b"True", False)


def scenario_queries_that_were_logged():
    def count(request):
        before = len(connection.queries)
        User.objects.count()
        return HttpResponse(f"{before} {len(connection.queries)}")

    def observe(app):
        return [ask(app, "/count/")[2] for _ in range(3)], len(connection.queries)

    with site(count=count, DEBUG=True), databases(CONN_MAX_AGE=None):
        assert both(observe) == ([b"0 1"] * 3, 1)


def scenario_a_thread_with_a_running_loop():
    """Connections are the task's there."""

    def observe(app):
        async def run():
            User.objects.count()
            return is_open(), ask(app, "/looks/")[2], ask(app, "/asks/")[2], is_open()

        return asyncio.run(run())

    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "yes"
    try:
        with site(looks=looks, asks=asks), databases(CONN_MAX_AGE=0):
            assert both(observe) == (True, b"False", b"True", False)
    finally:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


# Other duties.


def scenario_the_urlconf_of_a_request():
    def other(request):
        set_urlconf("somewhere.else")
        return HttpResponse(get_urlconf())

    def observe(app):
        return ask(app, "/other/")[2], get_urlconf()

    with site(other=other):
        assert both(observe) == (b"somewhere.else", None)


class ClosingCache(LocMemCache):
    closed = []

    def close(self, **kwargs):
        self.closed.append("closed")


def scenario_caches_that_close():
    def use(request):
        cache.set("a", 1)
        return HttpResponse("used")

    def observe(app):
        ClosingCache.closed.clear()
        return [ask(app, "/use/")[2] for _ in range(2)], list(ClosingCache.closed)

    backend = f"{ClosingCache.__module__}.ClosingCache"
    with site(use=use):
        assert both(observe) == ([b"used"] * 2, [])
        with override_settings(CACHES={"default": {"BACKEND": backend}}):
            assert both(observe) == ([b"used"] * 2, ["closed"] * 2)
        assert both(observe) == ([b"used"] * 2, [])
        for broken in ("there.is.None", "broken_on_import.Cache"):
            unused = {"BACKEND": broken}
            with override_settings(CACHES={"other": unused, "default": {"BACKEND": backend}}):
                assert both(observe) == ([b"used"] * 2, ["closed"] * 2)


def scenario_receivers_that_come_and_go():
    def observe(app):
        heard = []

        def started(signal, sender, environ, **more):
            heard.append((sender.__name__, environ["PATH_INFO"], sorted(more)))

        def finished(signal, sender, **more):
            heard.append((sender.__name__, "finished", sorted(more), is_open()))

        ask(app, "/asks/")
        request_started.connect(started)
        ask(app, "/asks/")
        request_started.disconnect(started)
        request_finished.connect(finished)
        ask(app, "/asks/")
        request_finished.disconnect(finished)
        ask(app, "/asks/")
        # A receiver for another sender alone hears nothing here.
        request_started.connect(started, sender=ask)
        ask(app, "/asks/")
        # And one that is gone is as if it had never been.
        del started
        ask(app, "/asks/")
        return heard, is_open()

    with site(asks=asks), databases(CONN_MAX_AGE=0):
        heard, left_open = both(observe)
    assert heard == [("WSGIHandler", "/asks/", []), ("WSGIHandler", "finished", [], False)]
    assert not left_open


def scenario_djangos_own_receiver_taken_away():
    def observe(app):
        ask(app, "/asks/")
        found = [is_open()]
        request_finished.disconnect(close_old_connections)
        try:
            ask(app, "/asks/")
            found.append(is_open())
        finally:
            request_finished.connect(close_old_connections)
        ask(app, "/asks/")
        return [*found, is_open()]

    with site(asks=asks), databases(CONN_MAX_AGE=0):
        assert both(observe) == [False, True, False]


def scenario_asynchronous_receivers():
    def observe(app):
        heard = []

        async def started(**more):
            heard.append(threading.get_ident() == before)

        before = threading.get_ident()
        request_started.connect(started)
        try:
            ask(app, "/asks/")
        finally:
            request_started.disconnect(started)
        ask(app, "/asks/")
        return heard, is_open()

    with site(asks=asks), databases(CONN_MAX_AGE=0):
        assert both(observe) == ([False], False)


def main(names):
    found = {}
    every = [name for name in globals() if name.startswith("scenario_")]
    for name in names or every:
        try:
            globals()[name]()
        except BaseException:
            found[name] = traceback.format_exc()
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
