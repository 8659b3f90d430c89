"""The server as the first process of a container, in a namespace of processes of its own."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.commands import clean_environment
from support.server import Server
from support.workers import DEADLINE, answered

APPS = Path(__file__).parent / "apps"
TARGET = "process_orphans:app"
UNSHARE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
KINDS = [
    pytest.param((), id="single"),
    pytest.param(("--workers", "1"), id="workers"),
    pytest.param(("--workers", "1", "--preload"), id="preload"),
]


def is_permitted():
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not is_permitted(), reason="no namespaces of processes here")


def child_of(pid):
    """The child of a process that has one."""
    ends_at = time.monotonic() + DEADLINE
    while time.monotonic() < ends_at:
        for thread in os.listdir(f"/proc/{pid}/task"):
            if children := Path(f"/proc/{pid}/task/{thread}/children").read_text().split():
                return int(children[0])
    raise AssertionError(f"{pid} has no child")


@contextmanager
def contained(*args, env=None):
    """A server that is process 1. `first` is its number outside."""
    with contained_command("-m", "bascule", "serve", TARGET, *args, env=env) as server:
        yield server


@contextmanager
def contained_command(*command, env=None):
    """The same for what Python is to run; `--fd` and the number of a socket are added."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.fileno()
        process = subprocess.Popen(
            [*UNSHARE, sys.executable, *command, "--fd", str(number)],
            cwd=APPS,
            env=clean_environment(env),
            pass_fds=[number],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        server = Server(process, listener.getsockname()[1], "http")
    try:
        server.wait_for_output("listening on", DEADLINE)
        server.first = child_of(process.pid)
        yield server
        if process.poll() is None:
            os.kill(server.first, signal.SIGTERM)
        server.wait()
    except BaseException as error:
        server.kill()
        error.add_note(f"--- output ---\n{server.output()}")
        raise


def no_zombies(server):
    """Wait until the table of processes has none."""
    ends_at = time.monotonic() + DEADLINE
    while (found := answered(server, "/zombies")) != "":
        assert time.monotonic() < ends_at, found


@pytest.mark.parametrize("kind", KINDS)
def test_orphans_are_reaped(kind):
    with contained(*kind) as server:
        for _ in range(5):
            assert answered(server, "/orphan").isdigit()
        no_zombies(server)


@pytest.mark.parametrize("kind", KINDS)
def test_children_of_the_application_keep_their_exit_codes(kind):
    with contained(*kind) as server:
        assert answered(server, "/start") == "started"
        assert answered(server, "/orphan").isdigit()
        # The orphan is reaped, and the child, which has ended before, is not.
        assert answered(server, "/ask") == "7"
        no_zombies(server)


@pytest.mark.parametrize("kind", KINDS)
def test_signals_reach_the_server(kind):
    with contained(*kind) as server:
        os.kill(server.first, signal.SIGTERM)
        assert server.wait() == 0
        output = server.output()
    assert output.count("stopping: finishing what is in flight") == (1 if not kind else 2)


def test_a_signal_at_a_terminal_is_not_passed_on():
    """Ctrl-C reaches the server by itself; a second signal would cut requests off."""
    controller, terminal = os.openpty()
    code = "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY); "
    code += "os.execvp(sys.argv[1], sys.argv[1:])"
    serve = [sys.executable, "-m", "bascule", "serve", TARGET, "--port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *UNSHARE, *serve],
        cwd=APPS,
        env=clean_environment(),
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    os.close(terminal)
    server = Server(process, 0, "http")
    try:
        output = server.wait_for_output("listening on", DEADLINE)
        server.port = int(re.search(r"127\.0\.0\.1:(\d+)", output)[1])
        assert answered(server, "/zombies") == ""
        os.write(controller, b"\x03")
        assert server.wait() == 0
    finally:
        server.kill()
        os.close(controller)
    assert server.output().count("stopping: finishing") == 1


def test_the_exit_code_is_that_of_the_server():
    with contained() as server:
        os.kill(child_of(server.first), signal.SIGKILL)
        assert server.wait() == 128 + signal.SIGKILL


def test_a_watchdog_for_process_1_is_the_server_s():
    path = f"\0bascule-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(DEADLINE)
        env = {"NOTIFY_SOCKET": "@" + path[1:], "WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}
        with contained(env=env):
            while b"WATCHDOG=1" not in manager.recv(4096):
                pass


PROGRAM = """
import sys
import bascule
from process_orphans import app

code = bascule.serve(app, fd=int(sys.argv[2]))
print("serve returned", code)
sys.exit(code + 40)
"""


def test_orphans_of_a_program_that_serves_are_reaped():
    with contained_command("-c", PROGRAM) as server:
        assert answered(server, "/start") == "started"
        for _ in range(5):
            assert answered(server, "/orphan").isdigit()
        assert answered(server, "/ask") == "7"
        no_zombies(server)
        os.kill(server.first, signal.SIGTERM)
        assert server.wait() == 40
        assert server.output().count("serve returned 0") == 1


PROGRAM_WITH_A_CHILD = """
import subprocess
import sys
import bascule

child = subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"])

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(child.wait()).encode()})

sys.exit(bascule.serve(app, fd=int(sys.argv[2]), lifespan="off"))
"""


def test_a_program_that_serves_keeps_the_children_it_had():
    with contained_command("-c", PROGRAM_WITH_A_CHILD) as server:
        assert answered(server, "/") == "7"
