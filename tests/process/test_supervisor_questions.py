"""The answers of a supervisor to probes and operators: --health-bind, --control, `bascule ctl`."""

import json
import os
import signal
import socket
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.commands import bascule
from support.http import RawClient, exchange
from support.workers import (
    DEADLINE,
    answered,
    ended,
    make_application,
    pids,
    serve,
    wait_for_ready,
    write_version,
)


@pytest.fixture
def folder(tmp_path):
    make_application(tmp_path)
    return tmp_path


@pytest.fixture
def health_port():
    """A free port, which no other process takes in the moment between."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def asked(port, path, method="GET"):
    response = exchange(port, method, path)
    return response.status, response.body.decode()


def ctl(folder, *args):
    return bascule("ctl", "--control", "ctl.sock", *args, cwd=folder)


# Probes.


def test_probes_are_told_whether_it_lives_and_is_ready(folder, health_port):
    with serve(folder, "--health-bind", f"127.0.0.1:{health_port}") as server:
        wait_for_ready(server, 1, 2)
        assert asked(health_port, "/live") == (200, "alive\n")
        assert asked(health_port, "/ready") == (200, "2 of 2 workers ready\n")
        assert asked(health_port, "/ready?full=1", "HEAD") == (200, "")
        assert asked(health_port, "/elsewhere")[0] == 404
        assert asked(health_port, "/live", "POST")[0] == 405
        assert server.stop() == 0


def test_it_is_not_ready_any_more_once_it_is_told_to_stop(folder, health_port):
    args = ("--health-bind", f"127.0.0.1:{health_port}", "--shutdown-delay", "2")
    with serve(folder, *args) as server:
        wait_for_ready(server, 1, 2)
        server.signal(signal.SIGTERM)
        server.wait_for_output("stopping", DEADLINE)
        assert asked(health_port, "/ready") == (503, "stopping\n")
        assert asked(health_port, "/live")[0] == 200
        # Everything is still served meanwhile.
        assert "one" in answered(server)
        assert server.wait() == 0


def test_probes_are_answered_while_the_application_hangs(folder, health_port):
    with (
        serve(folder, "--health-bind", f"127.0.0.1:{health_port}", workers=1) as server,
        RawClient(server.port) as client,
    ):
        wait_for_ready(server, 1)
        client.request("GET", "/block")
        assert asked(health_port, "/live")[0] == 200
        server.signal(signal.SIGQUIT)
        assert server.wait() == 1


def test_probes_that_say_nothing_keep_nobody_else_from_an_answer(folder, health_port):
    with serve(folder, "--health-bind", f"127.0.0.1:{health_port}") as server:
        wait_for_ready(server, 1, 2)
        silent = [socket.create_connection(("127.0.0.1", health_port)) for _ in range(70)]
        try:
            for sock in silent[:10]:
                sock.close()
            # Those that stay say nothing, and are let go after a few seconds.
            assert asked(health_port, "/live")[0] == 200
        finally:
            for sock in silent:
                sock.close()
        assert server.stop() == 0


# Operators.


def test_only_the_owner_may_use_the_socket(folder):
    with serve(folder, "--control", "ctl.sock") as server:
        wait_for_ready(server, 1, 2)
        assert stat.S_IMODE((folder / "ctl.sock").stat().st_mode) == 0o600
        assert server.stop() == 0
    assert not (folder / "ctl.sock").exists()


def test_the_status_is_a_table_or_json(folder):
    with serve(folder, "--control", "ctl.sock") as server:
        wait_for_ready(server, 1, 2)
        answered(server)
        shown = ctl(folder, "status")
        assert shown.returncode == 0
        assert "2 of 2 workers ready" in shown.stdout
        for pid in pids(server).values():
            assert str(pid) in shown.stdout
        told = json.loads(ctl(folder, "status", "--json").stdout)
        assert {worker["state"] for worker in told["workers"]} == {"ready"}
        assert {worker["pid"] for worker in told["workers"]} == set(pids(server).values())
        assert server.stop() == 0


def test_a_reload_is_waited_for(folder):
    with serve(folder, "--control", "ctl.sock") as server:
        wait_for_ready(server, 1, 2)
        write_version(folder, "two")
        done = ctl(folder, "reload")
        assert (done.returncode, done.stdout) == (0, "2 workers with the new code\n")
        assert "two" in answered(server)
        assert server.stop() == 0


def test_a_reload_that_fails_is_told_as_that(folder):
    with serve(folder, "--control", "ctl.sock") as server:
        wait_for_ready(server, 1, 2)
        write_version(folder, "broken")
        done = ctl(folder, "reload")
        assert done.returncode == 2
        assert "the new code failed to start; the old workers keep serving" in done.stderr
        assert ctl(folder, "reload", "--json").returncode == 1
        assert server.stop() == 0


def test_workers_are_added_and_taken_away(folder):
    with serve(folder, "--control", "ctl.sock") as server:
        wait_for_ready(server, 1, 2)
        assert "3 workers from now on" in ctl(folder, "scale", "+1").stdout
        wait_for_ready(server, 3)
        assert "1 worker from now on" in ctl(folder, "scale", "1").stdout
        assert "is not a number of workers" in ctl(folder, "scale", "many").stderr
        assert server.stop() == 0


def test_what_a_blocked_worker_does_can_be_seen(folder):
    with (
        serve(folder, "--control", "ctl.sock", workers=1) as server,
        RawClient(server.port) as client,
    ):
        wait_for_ready(server, 1)
        client.request("GET", "/block")
        shown = ""
        for _ in range(200):
            shown = ctl(folder, "stacks", "1").stdout
            if "hold_the_loop" in shown:
                break
        assert "hold_the_loop" in shown
        assert "there is no worker 9" in ctl(folder, "stacks", "9").stderr
        server.signal(signal.SIGQUIT)
        assert server.wait() == 1


@pytest.mark.parametrize(("command", "code"), [("drain", 0), ("stop", 1)])
def test_it_can_be_ended(folder, command, code):
    with serve(folder, "--control", "ctl.sock") as server:
        wait_for_ready(server, 1, 2)
        assert ctl(folder, command).returncode == 0
        assert server.wait() == code


def test_what_nobody_understands_is_said_to_be_that(folder):
    with serve(folder, "--control", "ctl.sock") as server:
        wait_for_ready(server, 1, 2)
        assert "no such command; the commands are status, reload" in ctl(folder, "dance").stderr
        for question in (b"garbage\n", b"[]\n", b'{"command": ["a"]}\n', b"\xff\n"):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(DEADLINE)
                sock.connect(str(folder / "ctl.sock"))
                sock.sendall(question)
                assert b"no such command" in sock.recv(1000)
        assert server.stop() == 0


def answer_as_somebody_else(listener):
    with listener.accept()[0] as sock:
        sock.recv(1000)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_without_a_server_it_says_so(folder):
    assert "cannot connect to the server at ctl.sock: No such file" in ctl(folder, "status").stderr
    with socket.socket(socket.AF_UNIX) as listener, ThreadPoolExecutor(1) as pool:
        listener.bind(str(folder / "other.sock"))
        listener.listen()
        listener.settimeout(DEADLINE)
        other = pool.submit(answer_as_somebody_else, listener)
        said = bascule("ctl", "--control", "other.sock", "status", cwd=folder)
        other.result(DEADLINE)
    assert (said.returncode, "the program at other.sock is not" in said.stderr) == (2, True)
    assert "--control is missing" in bascule("ctl", "status", cwd=folder).stderr


def test_probes_and_operators_move_on_with_an_upgrade(folder, health_port):
    args = ("--health-bind", f"127.0.0.1:{health_port}", "--control", "ctl.sock")
    with serve(folder, *args) as server:
        wait_for_ready(server, 1, 2)
        old = set(pids(server).values())
        server.signal(signal.SIGUSR2)
        server.wait_for_output("has taken over", DEADLINE)
        assert server.process.wait(DEADLINE) == 0
        assert asked(health_port, "/ready") == (200, "2 of 2 workers ready\n")
        told = json.loads(ctl(folder, "status", "--json").stdout)
        new = {worker["pid"] for worker in told["workers"]}
        assert not new & old
        with ended(min(new)), ended(max(new)):
            assert ctl(folder, "drain").returncode == 0
    assert not os.path.exists(folder / "ctl.sock")
