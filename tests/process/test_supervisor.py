"""A supervisor and its workers, by real signals."""

import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from support.commands import bascule, started
from support.http import RawClient, exchange
from support.load import asking
from support.server import Server, running
from support.websocket_client import WebSocketClient, close
from support.workers import (
    APPS,
    ASGI,
    DEADLINE,
    WSGI,
    answered,
    ended,
    make_application,
    pids,
    serve,
    successor,
    upgrade_loses_nothing,
    wait_for_ready,
    write_version,
)


@pytest.fixture
def folder(tmp_path):
    make_application(tmp_path)
    return tmp_path


@pytest.mark.parametrize("target", [ASGI, WSGI])
def test_all_workers_serve_and_all_end(folder, target):
    with serve(folder, target=target, workers=3) as server:
        wait_for_ready(server, 1, 2, 3)
        said = {answered(server) for _ in range(10)}
        assert server.stop() == 0
        assert {int(line.split()[0]) for line in said} <= set(pids(server).values())
        output = server.output()
    assert output.count("listening on") == 1
    assert output.count("has ended (stopped)") == 3


def test_applications_are_told_that_there_are_other_processes(folder):
    (folder / "told.py").write_text(
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [str(environ['wsgi.multiprocess']).encode()]\n"
    )
    with serve(folder, target="told:app") as server:
        assert answered(server) == "True"
    with running("told:app", cwd=folder) as server:
        assert answered(server) == "False"


def test_a_worker_that_is_killed_is_replaced(folder):
    with serve(folder) as server:
        wait_for_ready(server, 1, 2)
        os.kill(pids(server)[1], signal.SIGKILL)
        wait_for_ready(server, 3)
        assert server.stop() == 0
        assert "was ended by SIGKILL; was it out of memory?; it is replaced" in server.output()


def test_a_worker_that_ends_itself_is_replaced(folder):
    with serve(folder, workers=1) as server, RawClient(server.port) as client:
        client.request("GET", "/die")
        assert client.read_to_end() == b""
        wait_for_ready(server, 2)
        assert "one" in answered(server)
        assert server.stop() == 0
        assert "ended with exit code 7; it is replaced" in server.output()


def test_an_application_that_does_not_boot_ends_it_with_3_and_says_why(folder):
    write_version(folder, "broken")
    with serve(folder) as server:
        assert server.wait() == 3
        output = server.output()
    assert "RuntimeError: this version is broken" in output
    assert "before it was ready; stopping" in output


def test_a_target_that_is_not_there_ends_it_with_2(folder):
    with serve(folder, target="nowhere:app") as server:
        assert server.wait() == 2
        assert "nowhere" in server.output()


def test_a_reload_serves_new_code_and_loses_nothing(folder):
    with serve(folder) as server:
        wait_for_ready(server, 1, 2)
        write_version(folder, "two")
        with asking(server.port) as load:
            load.wait_for_answers(20)
            server.signal(signal.SIGHUP)
            wait_for_ready(server, 3, 4)
            server.wait_for_output("worker 2 (pid", DEADLINE)
            load.wait_for_answers(50)
        assert load.failures == []
        assert server.stop() == 0
        output = server.output()
    assert output.count("has ended (replaced by new code)") == 2
    assert output.index("worker 3 (pid") < output.index("has ended (replaced")


def test_broken_code_leaves_the_old_workers_serving(folder):
    with serve(folder) as server:
        wait_for_ready(server, 1, 2)
        write_version(folder, "broken")
        server.signal(signal.SIGHUP)
        output = server.wait_for_output("the old code keeps serving in 2 workers", DEADLINE)
        assert "RuntimeError: this version is broken" in output
        assert "one" in answered(server)
        write_version(folder, "two")
        server.signal(signal.SIGHUP)
        server.wait_for_output("worker 5 (pid", DEADLINE)
        assert server.stop() == 0


def test_one_more_and_one_fewer(folder):
    with serve(folder) as server:
        wait_for_ready(server, 1, 2)
        server.signal(signal.SIGTTIN)
        wait_for_ready(server, 3)
        server.signal(signal.SIGTTOU)
        server.wait_for_output("has ended (not needed any more)", DEADLINE)
        assert server.stop() == 0
        assert server.output().count("is ready") == 3


def test_a_worker_whose_loop_is_blocked_is_shown_and_replaced(folder):
    with serve(folder, "--timeout", "1", workers=1) as server, RawClient(server.port) as client:
        client.request("GET", "/block")
        assert client.read_to_end() == b""
        wait_for_ready(server, 2)
        assert "one" in answered(server)
        assert server.stop() == 0
        output = server.output()
    assert "hangs: its event loop has not turned for 1 s; it is replaced" in output
    assert "in hold_the_loop" in output
    assert output.index("in hold_the_loop") < output.index("is killed")


def test_a_worker_with_a_call_that_cannot_be_ended_is_replaced(folder):
    args = ("--request-timeout", "0.5", "--timeout-graceful-shutdown", "1", "--threads", "2")
    with serve(folder, *args, target=WSGI, workers=1) as server:
        assert exchange(server.port, "GET", "/block").status == 504
        assert "one" in answered(server)
        server.wait_for_output("it has 1 call that cannot be ended", DEADLINE)
        wait_for_ready(server, 2)
        server.wait_for_output("has ended (it has 1 call that cannot be ended)", DEADLINE)
        assert "one" in answered(server)
        assert server.stop() == 0
        assert "in hold_the_loop" in server.output()


def test_workers_are_recycled_and_nothing_is_lost(folder):
    with (
        serve(folder, "--max-requests", "20", "--max-requests-jitter", "10") as server,
        asking(server.port) as load,
    ):
        wait_for_ready(server, 6)
        load.stop()
    assert load.failures == []
    assert load.answers > 80
    assert "has ended (it has served " in server.output()


def test_who_is_told_to_leave_tells_its_websockets(folder):
    with serve(folder, workers=1) as server, WebSocketClient(server.port) as client:
        client.shake_hands("/")
        wait_for_ready(server, 1)
        assert client.read_text() == str(pids(server)[1])
        server.signal(signal.SIGHUP)
        assert client.read_close()[0] == 1012
        client.send(close(1012))
        assert server.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_second_signal_stops_at_once(folder, number):
    with serve(folder, "--timeout-graceful-shutdown", "60") as server:
        wait_for_ready(server, 1, 2)
        with RawClient(server.port) as client:
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
            answered(server)
            server.signal(number)
            server.wait_for_output("stopping", DEADLINE)
            server.signal(number)
            assert server.wait() == 1
        assert "stopping at once" in server.output()


def test_a_signal_to_all_processes_is_one_signal(folder):
    """As a service manager may send it: the workers have it from the supervisor as well."""
    shutil.copy(APPS / "process_asgi.py", folder)
    with serve(folder, target="process_asgi:app") as server:
        wait_for_ready(server, 1, 2)
        with RawClient(server.port) as client:
            client.request("POST", "/echo", [("Expect", "100-continue"), ("Content-Length", "5")])
            assert client.receive() == b"HTTP/1.1 100 Continue\r\n\r\n"
            os.killpg(server.process.pid, signal.SIGTERM)
            server.wait_for_output("stopping: finishing what is in flight", DEADLINE)
            client.send(b"hello")
            assert client.read_response("POST").body == b"hello"
        assert server.wait() == 0


def test_sigquit_stops_at_once(folder):
    with serve(folder) as server:
        wait_for_ready(server, 1, 2)
        server.signal(signal.SIGQUIT)
        assert server.wait() == 1


def test_workers_do_not_outlive_a_supervisor_that_is_killed(folder):
    with serve(folder) as server:
        wait_for_ready(server, 1, 2)
        with ExitStack() as stack:
            for pid in pids(server).values():
                stack.enter_context(ended(pid))
            server.signal(signal.SIGKILL)
        assert server.wait() == -signal.SIGKILL
        assert server.output().count("the supervisor has ended") == 2


def test_an_upgrade_hands_the_sockets_over_and_loses_nothing(folder):
    with serve(folder) as server:
        upgrade_loses_nothing(server, folder)


def test_files_and_sockets_go_over_in_an_upgrade(folder):
    """The PID file has the new number; of the UNIX socket nothing is left at the very end."""
    path = folder / "app.sock"
    arguments = ("serve", ASGI, "--workers", "1", "--uds", str(path), "--pid", "server.pid")
    with started(*arguments, cwd=folder) as server:
        wait_for_ready(server, 1)
        server.signal(signal.SIGUSR2)
        server.wait_for_output("has taken over", DEADLINE)
        assert server.process.wait(DEADLINE) == 0
        new = successor(server)
        assert (folder / "server.pid").read_text() == f"{new}\n"
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(path))
        with ended(new):
            os.kill(new, signal.SIGTERM)
    assert not path.exists()
    assert not (folder / "server.pid").exists()


def test_an_upgrade_that_does_not_boot_changes_nothing(folder):
    with serve(folder) as server:
        wait_for_ready(server, 1, 2)
        write_version(folder, "broken")
        server.signal(signal.SIGUSR2)
        server.wait_for_output("upgrade given up: the new supervisor ended with exit code 3")
        assert "one" in answered(server)
        assert server.stop() == 0


def test_the_application_is_warmed_up_before_it_serves(folder):
    with serve(folder, "--warm-up", "/warm?me=up", workers=1) as server:
        wait_for_ready(server, 1)
        assert server.stop() == 0
        assert '"GET /warm?me=up HTTP/1.1" 200' in server.output()


def test_it_is_warmed_up_where_clients_have_to_speak_http2(folder):
    with serve(folder, "--warm-up", "/warm", "--http", "2", workers=1) as server:
        wait_for_ready(server, 1)
        assert server.stop() == 0


def test_an_application_that_fails_its_warm_up_does_not_serve(folder):
    with serve(folder, "--warm-up", "/fail", workers=1) as server:
        assert server.wait() == 3
        assert "the application answered 500 when it was asked for /fail" in server.output()


def test_before_the_drain_load_balancers_get_time(folder):
    with serve(folder, "--shutdown-delay", "1", workers=1) as server:
        wait_for_ready(server, 1)
        server.signal(signal.SIGTERM)
        server.wait_for_output("stopping", DEADLINE)
        # A new connection, which would be refused otherwise.
        assert "one" in answered(server)
        assert server.wait() == 0


def test_a_single_process_waits_for_them_as_well(folder):
    with running(ASGI, "--shutdown-delay", "1", cwd=folder) as server:
        answered(server)
        server.signal(signal.SIGTERM)
        server.wait_for_output("stopping", DEADLINE)
        assert "one" in answered(server)
        assert server.wait() == 0


def test_connections_are_spread_evenly(folder):
    with serve(folder, workers=3) as server, ExitStack() as stack:
        wait_for_ready(server, 1, 2, 3)
        served = {}
        for _ in range(60):
            client = stack.enter_context(RawClient(server.port))
            client.request("GET", "/")
            pid = client.read_response().body.split()[0]
            served[pid] = served.get(pid, 0) + 1
        assert sorted(served.values())[0] >= 15, served
        assert len(served) == 3


def test_files_of_logs_are_opened_again(folder):
    (folder / "log.json").write_text(
        '{"version": 1, "handlers": {"file": {"class": "logging.FileHandler",'
        ' "filename": "access.log"}}, "loggers": {"bascule.access":'
        ' {"handlers": ["file"], "level": "INFO"}}}'
    )
    log = folder / "access.log"
    with serve(folder, "--log-config", "log.json", workers=1) as server:
        answered(server, "/before")
        log.rename(folder / "moved.log")
        server.signal(signal.SIGUSR1)
        # Each request brings the moment nearer, and there are not too many of them.
        for _ in range(2000):
            answered(server, "/echo?after")
            if log.exists():
                break
        assert server.stop() == 0
    assert "/after" not in (folder / "moved.log").read_text().rpartition("/before")[0]
    assert "after" in log.read_text()


SCRIPT = """
import sys
import bascule

async def app(scope, receive, send):
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': b'from python'})

sys.exit(bascule.serve(app, workers=2, bind=sys.argv[1], lifespan='off'))
"""


@contextmanager
def serving_from_python(folder: Path, bind: str, port: int, fds: Sequence[int] = ()):
    (folder / "serving.py").write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, "serving.py", bind],
        cwd=folder,
        pass_fds=fds,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    server = Server(process, port, "http")
    try:
        wait_for_ready(server, 1, 2)
        yield server
    finally:
        server.kill()


def test_it_serves_from_python(folder):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port, fd = listener.getsockname()[1], listener.fileno()
        with serving_from_python(folder, f"fd://{fd}", port, [fd]) as server:
            assert exchange(port, "GET", "/").body == b"from python"
            assert server.stop() == 0


def test_new_code_comes_to_a_server_in_python_by_an_upgrade(folder):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with serving_from_python(folder, f"127.0.0.1:{port}", port) as server:
        (folder / "serving.py").write_text(SCRIPT.replace("from python", "new code"))
        server.signal(signal.SIGUSR2)
        server.wait_for_output("has taken over", DEADLINE)
        assert server.process.wait(DEADLINE) == 0
        assert exchange(port, "GET", "/").body == b"new code"
        new = successor(server)
        with ended(new):
            os.kill(new, signal.SIGTERM)


def test_an_upgrade_to_settings_without_a_supervisor_is_given_up(folder):
    (folder / "bascule.toml").write_text("workers = 1\n")
    with running(ASGI, cwd=folder) as server:
        wait_for_ready(server, 1)
        (folder / "bascule.toml").write_text("")
        server.signal(signal.SIGUSR2)
        server.wait_for_output("upgrade given up", DEADLINE)
        assert "the settings no longer ask for workers" in server.output()
        assert "one" in answered(server)
        assert server.stop() == 0


# Where the system gives no more.


@contextmanager
def no_more_files(pid: int) -> Iterator[None]:
    """The process can open nothing that it has not open already."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def test_a_supervisor_without_descriptors_goes_on_and_tries_again(folder):
    with serve(folder) as server:
        wait_for_ready(server, 1, 2)
        with no_more_files(server.process.pid):
            os.kill(pids(server)[1], signal.SIGKILL)
            server.wait_for_output("could not be forked: Too many open files", DEADLINE)
            assert "one" in answered(server)
        # The third that is ready, whatever its number: none is given twice.
        server.wait_for_output("is ready after", DEADLINE, times=3)
        assert server.stop() == 0


def test_a_reload_without_descriptors_is_given_up_and_the_next_one_is_not(folder):
    # So many that two are to be started at once.
    with serve(folder, workers=8) as server:
        wait_for_ready(server, *range(1, 9))
        with no_more_files(server.process.pid):
            server.signal(signal.SIGHUP)
            server.wait_for_output("reload given up", DEADLINE)
        write_version(folder, "two")
        server.signal(signal.SIGHUP)
        server.wait_for_output("has ended (replaced by new code)", DEADLINE, times=8)
        assert "two" in answered(server)
        assert server.stop() == 0


def test_an_upgrade_without_descriptors_fails_and_nothing_else_does(folder):
    with serve(folder) as server:
        wait_for_ready(server, 1, 2)
        with no_more_files(server.process.pid):
            server.signal(signal.SIGUSR2)
            server.wait_for_output("upgrade failed: Too many open files", DEADLINE)
        assert "one" in answered(server)
        assert server.stop() == 0


@pytest.mark.parametrize("args", [(), ("--preload",)])
def test_a_supervisor_has_no_more_open_after_many_reloads(folder, args):
    def descriptors() -> int:
        # It answers when it has done with whatever it was at.
        assert bascule("ctl", "--control", "ctl.sock", "status", cwd=folder).returncode == 0
        return len(os.listdir(f"/proc/{server.process.pid}/fd"))

    with serve(folder, "--control", "ctl.sock", *args) as server:
        wait_for_ready(server, 1, 2)
        before = descriptors()
        for reload in range(1, 26):
            server.signal(signal.SIGHUP)
            # Two workers each time.
            server.wait_for_output("(replaced by new code)", DEADLINE, times=2 * reload)
        assert descriptors() == before
        assert server.stop() == 0
