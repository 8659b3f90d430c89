"""Programs and processes that the application starts, and what it leaves running at the end."""

import json
import os
import re
import signal
from pathlib import Path

import pytest

from bascule.loop.poller import HAS_EPOLL
from support.http import RawClient
from support.server import running
from support.workers import DEADLINE, answered, ended, wait_for_ready

APPS = Path(__file__).parent / "apps"
TARGET = "process_children:app"
PRELOAD = ("--workers", "1", "--preload")
KINDS = [
    pytest.param((), id="single"),
    pytest.param(("--threads", "0"), id="inline"),
    pytest.param(("--workers", "1"), id="workers"),
    pytest.param(PRELOAD, id="preload"),
]


def serve(kind, **options):
    return running(TARGET, *kind, cwd=APPS, **options)


# Programs.


@pytest.mark.parametrize("kind", KINDS)
def test_programs_ignore_no_signal(kind):
    with serve(kind, env={"PROCESS_CHILDREN_AT_IMPORT": "1"}) as server:
        assert answered(server, "/ignored") == "[] []"


# Forked children.


@pytest.mark.parametrize("kind", KINDS)
def test_a_forked_child_ends_when_it_is_told_to(kind):
    with serve(kind) as server:
        assert answered(server, "/terminate") == str(-signal.SIGTERM)
        assert answered(server, "/pool") == "[1, 2]"
        assert answered(server, "/broken") == "BrokenProcessPool"
        assert "stopping" not in server.output()
        assert server.stop() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_forked_child_is_no_server(kind):
    with serve(kind) as server:
        assert answered(server, "/sockets") == "0"
        assert answered(server, "/interrupts") == '["default_int_handler", "SIG_DFL"]'
        assert server.stop() == 0


@pytest.mark.skipif(not HAS_EPOLL, reason="without epoll there is no poller")
@pytest.mark.parametrize("kind", KINDS)
def test_a_forked_child_does_not_share_the_set_of_connections(kind):
    """The two would share the set, and either could change it."""
    with serve(kind) as server:
        ours, of_the_child = json.loads(answered(server, "/epoll_sets"))
        assert of_the_child == ours - 1
        assert server.stop() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_forked_child_holds_no_connection_open(kind):
    with serve(kind) as server, RawClient(server.port) as idle:
        idle.request("GET", "/pid")
        assert idle.read_response().status == 200
        with RawClient(server.port) as client:
            client.send(b"GET /child HTTP/1.0\r\n\r\n")
            # Up to the end of the connection, while the child lives.
            child = int(client.read_to_end().rpartition(b"\r\n")[2])
        os.kill(child, 0)
        # Nor does it take one from the server.
        idle.request("GET", "/pid")
        assert idle.read_response().status == 200
        os.kill(child, signal.SIGKILL)
        assert server.stop() == 0


# Threads and processes that are left at the end.


@pytest.mark.parametrize(
    ("kind", "path", "named"),
    [
        pytest.param((), "/thread", "thread left-over", id="thread"),
        pytest.param((), "/executor", "thread pooled_0", id="executor"),
        pytest.param(("--workers", "1"), "/executor", "thread pooled_0", id="workers"),
        pytest.param(PRELOAD, "/thread", "thread left-over", id="preload"),
    ],
)
def test_threads_do_not_keep_it_from_its_end(kind, path, named):
    with serve(kind) as server:
        assert answered(server, path) == "left"
        assert server.stop() == 0
        assert f"left this running: {named}" in server.output()


@pytest.mark.parametrize("kind", KINDS[::2])
def test_children_do_not_keep_it_from_its_end(kind):
    with serve(kind) as server, ended(int(answered(server, "/child"))):
        assert server.stop() == 0
        assert "left this running: process left-child (pid " in server.output()


def test_pools_of_processes_do_not_keep_it_from_its_end():
    with serve(()) as server, ended(int(answered(server, "/process_pool"))):
        assert server.stop() == 0
        assert re.search(r"left this running: .*process ForkProcess-1 ", server.output())


def test_threads_that_are_idle_are_not_complained_about():
    with serve(()) as server:
        assert answered(server, "/idle_executor") == "1"
        assert server.stop() == 0
        assert "left this running" not in server.output()


def test_functions_of_atexit_run_although_a_thread_is_left(tmp_path):
    (tmp_path / "app.py").write_text(
        "import atexit, threading, time\n"
        "threading.Thread(target=time.sleep, args=(1000,)).start()\n"
        "atexit.register(print, 'at the exit')\n"
        "def app(environ, start_response): ...\n"
    )
    with running("app:app", cwd=tmp_path) as server:
        server.wait_for_output("listening on")
        assert server.stop() == 0
        assert "at the exit" in server.output()


def test_a_second_signal_ends_it_when_everything_has_stopped():
    with serve(()) as server:
        answered(server, "/thread")
        server.signal(signal.SIGTERM)
        server.wait_for_output("stopped")
        server.signal(signal.SIGTERM)
        assert server.wait() == 1


def test_an_application_that_does_not_start_leaves_no_thread(tmp_path):
    (tmp_path / "app.py").write_text(
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(1000,)).start()\n"
        "raise RuntimeError('no')\n"
    )
    with running("app:app", cwd=tmp_path) as server:
        assert server.wait() == 3


# The parent of a worker.


@pytest.mark.parametrize("kind", KINDS[2:])
def test_what_is_sent_to_the_parent_is_for_the_supervisor(kind):
    with serve(kind) as server:
        wait_for_ready(server, 1)
        assert answered(server, "/parent?SIGHUP") == "told"
        wait_for_ready(server, 2)
        server.wait_for_output("has ended (replaced")
        assert answered(server, "/parent") == "told"
        assert server.wait() == 0
        assert "stopping" in server.output()


def test_a_signal_to_all_processes_stops_a_preloaded_server_in_order():
    with serve(("--workers", "2", "--preload")) as server:
        wait_for_ready(server, 1, 2)
        os.killpg(server.process.pid, signal.SIGTERM)
        assert server.wait(DEADLINE) == 0
        assert "at once" not in server.output()
