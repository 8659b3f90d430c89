"""bascule.Server: from start to stop inside a loop of its owner's."""

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from worker_rig import DEADLINE, App, Client, run

from bascule import Server, serve
from bascule.errors import BindError, SettingsError, StartupError, TargetError, UsageError
from bascule.stacks import WATCHDOG_THREAD

LOOPS = pytest.mark.parametrize("loop", ["uvloop", "asyncio"])


def is_free(url):
    host, _, port = url.removeprefix("http://").partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


# Start and stop.


@LOOPS
def test_it_serves_from_start_to_stop(loop):
    async def main():
        app = App()
        server = Server(app, port=0)
        assert server.addresses == []
        await server.start()
        (url,) = server.addresses
        assert app.phases == ["startup"]
        client = await Client.connect(url)
        assert await client.ask() == b"served /"
        assert app.phases == ["startup"]
        await server.stop()
        assert await client.ended() == b""
        assert app.phases == ["startup", "shutdown"]
        assert server.addresses == []
        assert is_free(url)
        await client.close()

    run(main(), loop)


@LOOPS
def test_stop_finishes_what_is_in_flight(loop):
    async def main():
        app = App()
        server = Server(app, port=0)
        await server.start()
        (url,) = server.addresses
        busy, idle = await Client.connect(url), await Client.connect(url)
        assert await idle.ask() == b"served /"
        app.entered.clear()
        busy.send("/slow")
        await app.entered.wait()
        stopping = asyncio.create_task(server.stop())
        assert await idle.ended() == b""
        assert not stopping.done()
        assert app.phases == ["startup"]
        app.release.set()
        assert await busy.body() == b"served /slow"
        await stopping
        assert app.phases == ["startup", "shutdown"]
        await busy.close()
        await idle.close()

    run(main(), loop)


@LOOPS
def test_a_second_stop_gives_up_what_is_in_flight(loop):
    async def main():
        app = App()
        server = Server(app, port=0)
        await server.start()
        client = await Client.connect(server.addresses[0])
        client.send("/slow")
        await app.entered.wait()
        first = asyncio.create_task(server.stop())
        await asyncio.sleep(0)
        await server.stop()
        assert await client.ended() == b""
        await first
        assert "shutdown" not in app.phases
        await client.close()

    run(main(), loop)


def test_stop_gives_up_by_itself_at_its_deadline(caplog):
    async def main():
        app = App()
        server = Server(app, port=0, timeout_graceful_shutdown=0.1)
        await server.start()
        client = await Client.connect(server.addresses[0])
        client.send("/slow")
        await app.entered.wait()
        await server.stop()
        assert await client.ended() == b""
        assert app.phases == ["startup", "shutdown"]
        await client.close()

    run(main())
    assert "1 requests were still running after 0.1 s" in caplog.text


HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")


@pytest.mark.parametrize("seconds", [30, 0.1, 0])
@pytest.mark.parametrize("kind", ["idle", "new", "HTTP/2"])
def test_stop_waits_for_no_client_that_is_idle(kind, seconds, caplog):
    async def main():
        app = App()
        server = Server(app, port=0, timeout_graceful_shutdown=seconds)
        await server.start()
        host, port = server.addresses[0].removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        if kind == "idle":
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await reader.readuntil(b"served /")
        elif kind == "HTTP/2":
            writer.write(HTTP2_PREFACE)
            # Its SETTINGS.
            await reader.readexactly(9)
        began = time.monotonic()
        await server.stop()
        assert time.monotonic() - began < 0.9
        assert app.phases == ["startup", "shutdown"]
        await reader.read()
        writer.close()

    run(main())
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


def test_serve_says_that_it_needs_the_main_thread():
    errors = []

    def call():
        try:
            serve(App(), port=0)
        except UsageError as error:
            errors.append(str(error))

    thread = threading.Thread(target=call)
    thread.start()
    thread.join(DEADLINE)
    assert "must be called in the main thread" in errors[0]
    assert "asyncio.run(bascule.Server(app).serve())" in errors[0]


@LOOPS
def test_serve_serves_until_it_is_cancelled(loop):
    async def main():
        app = App()
        started = asyncio.Event()

        async def startup():
            started.set()

        app.hooks["startup"] = startup
        server = Server(app, port=0)
        serving = asyncio.create_task(server.serve())
        await started.wait()
        while not server.addresses:
            await asyncio.sleep(0)
        client = await Client.connect(server.addresses[0])
        assert await client.ask() == b"served /"
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert await client.ended() == b""
        assert app.phases == ["startup", "shutdown"]
        await client.close()

    run(main(), loop)


def test_serve_returns_when_it_is_stopped_elsewhere():
    async def main():
        server = Server(App(), port=0)
        serving = asyncio.create_task(server.serve())
        while not server.addresses:
            await asyncio.sleep(0)
        await server.stop()
        await serving

    run(main())


def test_a_stop_that_is_cancelled_can_be_called_again():
    async def main():
        app = App()
        server = Server(app, port=0)
        await server.start()
        client = await Client.connect(server.addresses[0])
        client.send("/slow")
        await app.entered.wait()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(server.stop(), 0.05)
        async with asyncio.timeout(5):
            await server.stop()
        assert await client.ended() == b""
        await client.close()

    run(main())


def test_a_server_starts_once():
    async def main():
        server = Server(App(), port=0)
        await server.start()
        with pytest.raises(UsageError):
            await server.start()
        await server.stop()
        with pytest.raises(UsageError):
            await server.start()

    run(main())


def test_a_stop_before_the_start_is_the_end():
    async def main():
        server = Server(App(), port=0)
        await server.stop()
        with pytest.raises(UsageError):
            await server.start()

    run(main())


def test_a_stop_during_the_start_leaves_nothing_serving():
    async def main():
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def startup():
            begun.set()
            await go_on.wait()

        app = App(startup=startup)
        server = Server(app, port=0)
        starting = asyncio.create_task(server.start())
        await begun.wait()
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.wait([starting, stopping])
        starting.exception()
        assert server.addresses == []
        assert app.phases in (["startup"], ["startup", "shutdown"])

    run(main())


def test_two_servers_in_one_loop():
    async def main():
        servers = [Server(App(), port=0), Server(App(), port=0)]
        for server in servers:
            await server.start()
        for server in servers:
            client = await Client.connect(server.addresses[0])
            assert await client.ask() == b"served /"
            await client.close()
        await servers[0].stop()
        client = await Client.connect(servers[1].addresses[0])
        assert await client.ask() == b"served /"
        await client.close()
        await servers[1].stop()

    run(main())


# Matters of its owner.


def test_signals_and_logging_stay_their_owners():
    def owned():
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)
        return [
            [signal.getsignal(number) for number in numbers],
            list(logging.getLogger("bascule").handlers),
            list(logging.getLogger().handlers),
        ]

    async def main():
        before = owned()
        server = Server(App(), port=0)
        await server.start()
        assert owned() == before
        await server.stop()
        assert owned() == before

    run(main(), "asyncio")


@LOOPS
def test_sockets_that_are_given_stay_open(loop):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

        async def main():
            for _ in range(2):
                server = Server(App(), sockets=[listener])
                await server.start()
                assert server.addresses == [url]
                client = await Client.connect(url)
                assert await client.ask() == b"served /"
                await client.close()
                await server.stop()
                assert listener.fileno() >= 0

        run(main(), loop)


# Failures to start.


def test_wrong_options_and_targets_are_refused_at_once():
    async def main():
        with pytest.raises(SettingsError):
            Server(App(), prot=8000)
        with pytest.raises(TargetError):
            Server("no_such_module_here:app")
        with pytest.raises(TargetError):
            Server(object())

    run(main())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"reload": True},
            "reload restarts the process when files change, which `bascule",
        ),
        ({"reload_dir": ["."]}, "reload_dir restarts the process"),
        ({"loop": "asyncio"}, "loop has no effect: Server runs on the loop that is running"),
        ({"access_log": True}, "access_log has no effect: Server writes no access log"),
        ({"log_level": "debug"}, "log_level has no effect: Server leaves logging to you"),
        ({"log_format": "json"}, "log_format has no effect"),
        ({"timeout": 5}, "timeout is for workers under a supervisor"),
        ({"shutdown_delay": 5}, "shutdown_delay has no effect: wait that long before you call"),
        ({"factory": True}, "factory is for a TARGET"),
        ({"sockets": [], "port": 80}, "port has no effect together with sockets"),
        ({"sockets": [], "bind": [":80"]}, "bind has no effect together with sockets"),
        ({"workers": 2}, "workers needs a supervisor"),
        ({"pid": "a.pid"}, "pid is for a process of its own"),
    ],
)
def test_what_would_have_no_effect_is_refused(options, words):
    with pytest.raises(UsageError) as refused:
        Server(App(), **options)
    assert words in str(refused.value)


def test_what_asks_for_nothing_is_harmless():
    Server(
        App(), reload=False, loop="auto", access_log=False, log_level="info", timeout=30, pid=None
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"reload": True},
            "reload restarts the process when files change, which `bascule",
        ),
        ({"reload_dir": ["."]}, "reload_dir restarts the process"),
        ({"factory": True}, "factory is for a TARGET"),
    ],
)
def test_serve_refuses_as_well(options, words):
    with pytest.raises(UsageError) as refused:
        serve(App(), **options)
    assert words in str(refused.value)


def test_threads_that_were_replaced_would_never_answer(monkeypatch):
    gevent = SimpleNamespace(is_module_patched=lambda name: name == "threading")
    monkeypatch.setitem(sys.modules, "gevent.monkey", gevent)

    def wsgi(environ, start_response):
        return []

    with pytest.raises(UsageError, match="gevent has replaced Python's threads"):
        Server(wsgi)
    Server(wsgi, threads=0)
    Server(App())


def test_an_address_in_use_raises():
    async def main():
        with socket.create_server(("127.0.0.1", 0)) as holder:
            app = App()
            server = Server(app, port=holder.getsockname()[1])
            with pytest.raises(BindError):
                await server.start()
            assert app.phases == []

    run(main())


async def fail():
    raise StartupError("no database")


class Failing(App):
    """Says that its startup failed, and then does not end."""

    async def live(self, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})
        await asyncio.Event().wait()


def test_a_startup_that_fails_raises_and_leaves_nothing():
    before = len(os.listdir("/proc/self/fd"))

    async def main():
        server = Server(Failing(), port=0)
        with pytest.raises(StartupError, match="no database"):
            await server.start()
        assert server.addresses == []

    run(main())
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_start_that_is_cancelled_leaves_nothing():
    async def main():
        begun = asyncio.Event()

        async def startup():
            begun.set()
            await asyncio.Event().wait()

        server = Server(App(startup=startup), port=0)
        starting = asyncio.create_task(server.start())
        await begun.wait()
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert server.addresses == []

    run(main())


def test_a_socket_that_cannot_be_used_leaves_nothing_of_the_others(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as good, socket.socket() as bad:
        good.setblocking(False)
        bad.close()

        async def main():
            app = App()
            server = Server(app, sockets=[good, bad])
            with pytest.raises((OSError, ValueError, UsageError)):
                await server.start()
            assert app.phases == ["startup", "shutdown"]
            assert server.addresses == []

        run(main(), "asyncio")


# Warnings of the worker's own.


@pytest.mark.parametrize("options", [{"debug": True}, {"loop_stall": 0.1}])
def test_a_blocked_loop_is_logged_while_it_lasts(caplog, options):
    async def main():
        server = Server(App(), port=0, **options)
        await server.start()
        watch = server._worker.watchdog.watch
        # Its first tick is what a loop is measured by.
        await asyncio.sleep(0)
        ends_at = time.monotonic() + DEADLINE
        while not watch.stalled and time.monotonic() < ends_at:
            pass
        assert watch.stalled
        while watch.stalled:
            await asyncio.sleep(0)
        await server.stop()

    run(main(), "asyncio")
    assert "the event loop is blocked for " in caplog.text
    assert f", in {main.__name__}\n" in caplog.text
    assert "the event loop runs again" in caplog.text


def test_without_a_limit_nobody_looks():
    async def main():
        server = Server(App(), port=0, loop_stall=None)
        await server.start()
        assert WATCHDOG_THREAD not in [thread.name for thread in threading.enumerate()]
        await server.stop()

    run(main())


def test_the_watchdog_ends_with_the_server():
    async def main():
        server = Server(App(), port=0)
        await server.start()
        (watchdog,) = [one for one in threading.enumerate() if one.name == WATCHDOG_THREAD]
        await server.stop()
        assert not watchdog.is_alive()

    run(main())


@pytest.mark.parametrize(
    "setting", [{"user": "nobody"}, {"group": "nogroup"}, {"umask": 0o022}, {"pid": "server.pid"}]
)
def test_settings_of_a_process_are_refused(setting):
    with pytest.raises(UsageError, match=f"{next(iter(setting))} is for a process of its own"):
        Server(App(), **setting)


def test_with_a_deadline_for_requests_what_it_takes_is_there_before_the_first(monkeypatch):
    monkeypatch.delitem(sys.modules, "bascule.interfaces.wsgi.interrupt", raising=False)

    def application(environ, start_response):
        raise AssertionError("not called")

    async def main():
        server = Server(application, port=0, request_timeout=30)
        await server.start()
        assert "bascule.interfaces.wsgi.interrupt" in sys.modules
        await server.stop()

    run(main())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("workers", 4),
        ("workers", "auto"),
        ("preload", True),
        ("health_bind", "127.0.0.1:0"),
        ("max_requests", 10),
    ],
)
def test_what_needs_a_supervisor_is_refused(name, value):
    with pytest.raises(UsageError, match=f"{name} needs a supervisor"):
        Server(App(), port=0, **{name: value})
