"""Functions of the application that are called at the start and the end of workers."""

import os
import re
import signal
import time

import pytest

from support.commands import bascule
from support.server import running
from support.workers import DEADLINE, answered, pids, wait_for_ready

HOOKS = """
import os
import signal
import sys
import threading

def say(text):
    # In one piece, as other processes write as well.
    os.write(1, f"{text}\\n".encode())

def started(pid):
    assert "app" in sys.modules
    say(f"started {pid} {os.getpid()}")

def ended(pid):
    say(f"ended {pid} {'here' if pid == os.getpid() else 'elsewhere'}")

def without_arguments():
    print("called without", flush=True)

def failing(pid):
    raise RuntimeError("the hook failed")

def leaving(pid):
    sys.exit("no")

def hanging(pid):
    print("hanging", flush=True)
    threading.Event().wait()

def terminated(pid):
    os.kill(pid, signal.SIGTERM)
    say(f"survived {pid}")

async def on_the_loop(pid): ...

text = "no function"
"""
APP = """
import os

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""
# The example of prometheus_client's documentation.
METERED = """
import os
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest, multiprocess

requests = Counter("requests", "Requests")
alive = Gauge("alive", "Workers", multiprocess_mode="liveall")
alive.set(1)

def app(environ, start_response):
    requests.inc()
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [generate_latest(registry)]
"""
MARK_DEAD = "prometheus_client.multiprocess:mark_process_dead"
BOTH = ("--on-worker-start", "hooks:started", "--on-worker-exit", "hooks:ended")
KINDS = [
    pytest.param((), id="single"),
    pytest.param(("--workers", "1"), id="workers"),
    pytest.param(("--workers", "1", "--preload"), id="preload"),
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "hooks.py").write_text(HOOKS)
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def serve(folder, *args, **options):
    return running("app:app", *args, cwd=folder, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_tells_of_its_start_and_its_end(folder, kind):
    with serve(folder, *BOTH, *kind) as server:
        pid = answered(server)
        assert f"started {pid} {pid}\n" in server.output()
        assert server.stop() == 0
        output = server.output()
    assert output.count("ended ") == (1 if not kind else 2)  # "has ended" of the supervisor
    assert f"ended {pid} here\n" in output


@pytest.mark.parametrize("kind", KINDS[1:])
def test_the_end_of_a_worker_that_was_killed_is_told_by_another_process(folder, kind):
    with serve(folder, *BOTH, *kind) as server:
        wait_for_ready(server, 1)
        pid = pids(server)[1]
        os.kill(pid, signal.SIGKILL)
        server.wait_for_output(f"ended {pid} elsewhere\n", DEADLINE)
        wait_for_ready(server, 2)
        assert server.stop() == 0
        output = server.output()
    assert f"ended {pids(server)[2]} here\n" in output
    assert output.count(f"ended {pid} ") == 1


def test_the_supervisor_waits_until_the_last_end_is_told(folder):
    with serve(folder, *BOTH, "--workers", "1") as server:
        wait_for_ready(server, 1)
        pid = pids(server)[1]
        # Stopped, so that it cannot tell by itself.
        os.kill(pid, signal.SIGSTOP)
        server.signal(signal.SIGTERM)
        server.wait_for_output("stopping")
        os.kill(pid, signal.SIGKILL)
        server.wait()
        assert f"ended {pid} elsewhere\n" in server.output()


def test_one_more_signal_ends_the_wait_for_a_hook_that_hangs(folder):
    with serve(folder, "--on-worker-exit", "hooks:hanging", "--workers", "1") as server:
        wait_for_ready(server, 1)
        pid = pids(server)[1]
        os.kill(pid, signal.SIGSTOP)
        server.signal(signal.SIGTERM)
        server.wait_for_output("stopping")
        os.kill(pid, signal.SIGKILL)
        server.wait_for_output("hanging", DEADLINE)
        server.signal(signal.SIGTERM)
        server.wait()


def test_one_more_signal_ends_a_worker_whose_hook_hangs(folder):
    with serve(folder, "--on-worker-exit", "hooks:hanging") as server:
        server.wait_for_output("listening on")
        server.signal(signal.SIGTERM)
        server.wait_for_output("hanging", DEADLINE)
        server.signal(signal.SIGTERM)
        server.wait()


@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_worker_told_twice_to_stop_finishes_its_hook(folder, kind):
    with serve(folder, "--on-worker-exit", "hooks:terminated", *kind) as server:
        pid = answered(server)
        assert server.stop() == 0
        assert server.output().count(f"survived {pid}\n") == 1


def test_a_function_that_takes_nothing_is_called_with_nothing(folder):
    with serve(folder, "--on-worker-start", "hooks:without_arguments") as server:
        server.wait_for_output("listening on")
        assert "called without\n" in server.output()
        assert server.stop() == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["failing", "leaving"])
def test_a_start_that_fails_is_a_worker_that_does_not_start(folder, kind, name):
    with serve(folder, "--on-worker-start", f"hooks:{name}", *kind) as server:
        assert server.wait() == 3
        output = server.output()
    assert f"--on-worker-start hooks:{name} failed; it raised" in output
    assert f"in {name}\n" in output
    assert "bascule/worker" not in output


@pytest.mark.parametrize("kind", KINDS)
def test_an_end_that_fails_is_logged(folder, kind):
    with serve(folder, "--on-worker-exit", "hooks:failing", *kind) as server:
        server.wait_for_output("listening on")
        assert server.stop() == 0
        output = server.output()
    assert "--on-worker-exit hooks:failing failed for the process" in output
    assert "RuntimeError: the hook failed" in output


def test_an_end_that_fails_elsewhere_leaves_the_others_serving(folder):
    with serve(folder, "--on-worker-exit", "hooks:failing", "--workers", "2") as server:
        wait_for_ready(server, 1, 2)
        os.kill(pids(server)[1], signal.SIGKILL)
        server.wait_for_output(f"hooks:failing failed for the process {pids(server)[1]}", DEADLINE)
        wait_for_ready(server, 3)
        answered(server)
        assert server.stop() == 0


@pytest.mark.parametrize("setting", ["--on-worker-start", "--on-worker-exit"])
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("hooks:startd", "did you mean hooks:started?"),
        ("nowhere:started", "there is no module 'nowhere'"),
        ("hooks:text", "it has to be a plain function"),
        ("hooks:on_the_loop", "it has to be a plain function"),
    ],
)
def test_what_is_no_function_is_said_at_the_start(folder, setting, name, says):
    done = bascule("serve", "app:app", "--port", "0", setting, name, cwd=folder)
    assert done.returncode == 2
    assert f"bascule: {setting} {name}: " in done.stderr
    assert says in done.stderr


def test_a_name_that_is_none_is_said_with_the_other_settings(folder):
    done = bascule("serve", "app:app", "--on-worker-exit", "hooks.ended", cwd=folder)
    assert done.returncode == 2
    assert "is not module:function" in done.stderr


@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["workers", "preload"])
def test_prometheus_forgets_a_worker_that_was_killed(folder, tmp_path_factory, preload):
    (folder / "app.py").write_text(METERED)
    files = tmp_path_factory.mktemp("metrics")
    env = {"PROMETHEUS_MULTIPROC_DIR": str(files)}
    args = ("--workers", "2", *preload, "--on-worker-exit", MARK_DEAD)
    if preload:
        # A gauge is set in each worker.
        (folder / "hooks.py").write_text("import app\ndef set(pid): app.alive.set(1)\n")
        args += ("--on-worker-start", "hooks:set")
    with serve(folder, *args, env=env) as server:
        wait_for_ready(server, 1, 2)
        before = pids(server)
        assert set(before.values()) <= alive(server)
        os.kill(before[1], signal.SIGKILL)
        wait_for_ready(server, 3)
        ends_at = time.monotonic() + DEADLINE
        while before[1] in (found := alive(server)):
            assert time.monotonic() < ends_at
        assert {before[2], pids(server)[3]} <= found
        assert server.stop() == 0
    assert not {before[2], pids(server)[3]} & numbers(list(map(str, files.glob("gauge_live*"))))


def alive(server):
    """The processes of which there is a gauge."""
    return numbers(re.findall(r'^alive\{pid="\d+"\} 1\.0$', answered(server), re.MULTILINE))


def numbers(texts):
    return {int(number) for text in texts for number in re.findall(r"(\d+)(?=\"|\.db)", text)}
