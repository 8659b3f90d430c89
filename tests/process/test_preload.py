"""An application that is imported once and forked: --preload."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, contextmanager

import pytest

from support.commands import bascule
from support.http import RawClient, exchange
from support.load import asking
from support.server import Server
from support.workers import (
    APPS,
    DEADLINE,
    answered,
    ended,
    make_application,
    pids,
    serve,
    upgrade_loses_nothing,
    wait_for_ready,
    write_version,
)

ASGI = "process_preload:asgi"
WSGI = "process_preload:wsgi"


@pytest.fixture
def folder(tmp_path):
    make_application(tmp_path)
    shutil.copy(APPS / "process_preload.py", tmp_path)
    return tmp_path


def preloaded(folder, *args, target=ASGI, **options):
    return serve(folder, "--preload", *args, target=target, **options)


def importers(server):
    """The processes that have imported the application, in their order."""
    return [int(pid) for pid in re.findall(r"imported by (\d+)", server.output())]


def memory(pid):
    """Bytes that a process takes, each page counted by its share of those who have it."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return int(re.search(r"^Pss: +(\d+) kB", file.read(), re.MULTILINE)[1]) * 1024


@pytest.mark.parametrize("target", [ASGI, WSGI])
def test_the_application_is_imported_once_and_all_workers_serve(folder, target):
    # Output at import is buffered, and the buffer must not be forked.
    env = {"PYTHONUNBUFFERED": ""}
    with preloaded(folder, target=target, workers=3, env=env) as server:
        wait_for_ready(server, 1, 2, 3)
        said = {answered(server) for _ in range(10)}
        assert server.stop() == 0
        assert {int(line.split()[0]) for line in said} <= set(pids(server).values())
        output = server.output()
        (fork_server,) = importers(server)
    assert fork_server not in {server.process.pid, *pids(server).values()}
    assert output.count("has ended (stopped)") == 3
    assert output.count("listening on") == 1
    assert "ERROR" not in output


def test_workers_take_less_memory_together(folder):
    def sum_of_three(*args):
        with serve(folder, *args, target=ASGI, workers=3) as server:
            wait_for_ready(server, 1, 2, 3)
            return sum(memory(pid) for pid in pids(server).values())

    write_version(folder, "large")
    # 90 MB against a third of 30 MB for each, since the fork server has a share as well.
    assert sum_of_three() - sum_of_three("--preload") > 45e6


def test_workers_have_random_numbers_of_their_own(folder):
    with preloaded(folder) as server:
        wait_for_ready(server, 1, 2)
        first = {}
        while len(first) < 2:
            pid, number = answered(server, "/random").split()
            first.setdefault(pid, number)
        assert len(set(first.values())) == 2


def test_a_database_connection_of_the_import_is_not_shared(folder):
    shutil.copy(APPS / "process_preload_database.py", folder)
    shutil.copytree(APPS / "process_pooling", folder / "process_pooling")
    target = "process_preload_database:application"
    # Without threads, the application is called in the thread that has imported it.
    with preloaded(folder, "--threads", "0", target=target) as server:
        said = answered(server)
        fork_server = int(re.search(r"loaded, in pid (\d+)", server.output())[1])
        assert said == f"closed, pool closed by [{fork_server}]"
        assert server.stop() == 0


def test_threads_that_workers_will_not_have_are_named(folder):
    write_version(folder, "threads")
    with preloaded(folder) as server:
        wait_for_ready(server, 1, 2)
        assert server.stop() == 0
        output = server.output()
    assert output.count("which workers will not have: of the application") == 1


# New code.


def test_a_reload_serves_new_code_and_loses_nothing(folder):
    with preloaded(folder) as server, ExitStack() as stack:
        wait_for_ready(server, 1, 2)
        stack.enter_context(ended(importers(server)[0]))
        write_version(folder, "two")
        with asking(server.port) as load:
            load.wait_for_answers(20)
            server.signal(signal.SIGHUP)
            wait_for_ready(server, 3, 4)
            server.wait_for_output("worker 2 (pid", DEADLINE)
            load.wait_for_answers(50)
        assert load.failures == []
        # The old code goes with its last worker.
        stack.close()
        assert "two" in answered(server)
        assert server.stop() == 0
        assert len(importers(server)) == 2
        assert server.output().count("has ended (replaced by new code)") == 2


def test_broken_code_leaves_the_old_workers_and_what_they_were_forked_from(folder):
    with preloaded(folder) as server:
        wait_for_ready(server, 1, 2)
        write_version(folder, "broken")
        server.signal(signal.SIGHUP)
        output = server.wait_for_output("the old code keeps serving in 2 workers", DEADLINE)
        assert "RuntimeError: this version is broken" in output
        os.kill(pids(server)[1], signal.SIGKILL)
        wait_for_ready(server, 4)
        assert "one" in answered(server)
        assert len(importers(server)) == 2
        write_version(folder, "two")
        server.signal(signal.SIGHUP)
        wait_for_ready(server, 5, 6)
        server.wait_for_output("worker 2 (pid", DEADLINE)
        assert server.stop() == 0
        assert len(importers(server)) == 3


FAILING = """
import signal

def hold_or_fail():
    try:
        os.mkdir("first")
    except FileExistsError:
        raise RuntimeError("not the first") from None
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    never.wait()
"""


def test_what_was_given_up_is_never_forked_from_again(folder):
    """Code that can be imported and does not serve: one of its workers fails, while the other is
    still there when the next code comes."""
    with preloaded(folder, "--warm-up", "/random", workers=8) as server:
        wait_for_ready(server, *range(1, 9))
        module = folder / "process_preload.py"
        sound = module.read_text()
        module.write_text(sound.replace("random.random()", "hold_or_fail()") + FAILING)
        server.signal(signal.SIGHUP)
        server.wait_for_output("the old code keeps serving in 8 workers", DEADLINE)
        module.write_text(sound)
        server.signal(signal.SIGHUP)
        wait_for_ready(server, 11, 12)
        server.signal(signal.SIGQUIT)
        assert server.wait() == 1
        assert len(importers(server)) == 3
        assert server.output().count("reload given up") == 1


def test_a_reload_takes_the_place_of_an_import_that_hangs(folder):
    write_version(folder, "hangs")
    with preloaded(folder) as server:
        server.wait_for_output("imported by", DEADLINE)
        write_version(folder, "two")
        with ended(importers(server)[0]):
            server.signal(signal.SIGHUP)
        wait_for_ready(server, 3, 4)
        assert "two" in answered(server)
        assert server.stop() == 0


def test_an_upgrade_hands_the_sockets_over_and_loses_nothing(folder):
    with preloaded(folder) as server:
        upgrade_loses_nothing(server, folder)


@pytest.mark.parametrize(("version", "code"), [("broken", 3), ("one", 2)])
def test_an_application_that_is_not_there_or_does_not_boot_ends_it(folder, version, code):
    write_version(folder, version)
    target = ASGI if code == 3 else "nowhere:app"
    with preloaded(folder, target=target) as server:
        assert server.wait() == code
        output = server.output()
    assert ("RuntimeError: this version is broken" if code == 3 else "nowhere") in output
    assert output.count("before it was ready; stopping") == 1


# One worker more or fewer.


def test_a_worker_that_is_killed_is_replaced_without_another_import(folder):
    with preloaded(folder) as server:
        wait_for_ready(server, 1, 2)
        os.kill(pids(server)[1], signal.SIGKILL)
        wait_for_ready(server, 3)
        assert "one" in answered(server)
        assert server.stop() == 0
        assert len(importers(server)) == 1
        assert "was ended by SIGKILL; was it out of memory?; it is replaced" in server.output()


def test_how_a_worker_has_ended_is_told(folder):
    with preloaded(folder, workers=1) as server, RawClient(server.port) as client:
        client.request("GET", "/die")
        assert client.read_to_end() == b""
        wait_for_ready(server, 2)
        assert server.stop() == 0
        assert "ended with exit code 7; it is replaced" in server.output()


def test_one_more_and_one_fewer(folder):
    with preloaded(folder) as server:
        wait_for_ready(server, 1, 2)
        server.signal(signal.SIGTTIN)
        wait_for_ready(server, 3)
        server.signal(signal.SIGTTOU)
        server.wait_for_output("has ended (not needed any more)", DEADLINE)
        assert server.stop() == 0
        assert len(importers(server)) == 1


def test_a_worker_whose_loop_is_blocked_is_shown_killed_and_replaced(folder):
    with (
        preloaded(folder, "--timeout", "1", workers=1) as server,
        RawClient(server.port) as client,
    ):
        client.request("GET", "/block")
        assert client.read_to_end() == b""
        wait_for_ready(server, 2)
        assert "one" in answered(server)
        assert server.stop() == 0
        output = server.output()
        assert len(importers(server)) == 1
    assert output.index("in hold_the_loop") < output.index("is killed")


def test_workers_are_recycled_and_nothing_is_lost(folder):
    with (
        preloaded(folder, "--max-requests", "20", "--max-requests-jitter", "10") as server,
        asking(server.port) as load,
    ):
        wait_for_ready(server, 6)
        load.stop()
    assert load.failures == []
    assert load.answers > 80
    assert "has ended (it has served " in server.output()
    assert len(importers(server)) == 1


def test_all_addresses_are_handed_to_workers(folder):
    path = folder / "app.sock"
    with preloaded(folder, "--bind", f"unix:{path}") as server:
        wait_for_ready(server, 1, 2)
        os.kill(pids(server)[1], signal.SIGKILL)
        wait_for_ready(server, 3)
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(DEADLINE)
            client.connect(str(path))
            client.sendall(b"GET /echo?so HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert client.makefile("rb").read().endswith(b"\r\n\r\nso")
        assert answered(server, "/echo?so") == "so"
        assert server.stop() == 0
        assert not path.exists()
        assert len(importers(server)) == 1


def test_who_is_forked_later_writes_to_the_new_files_of_logs(folder):
    (folder / "log.json").write_text(
        '{"version": 1, "handlers": {"file": {"class": "logging.FileHandler",'
        ' "filename": "access.log"}}, "loggers": {"bascule.access":'
        ' {"handlers": ["file"], "level": "INFO"}}}'
    )
    log = folder / "access.log"
    with preloaded(folder, "--log-config", "log.json", workers=1) as server:
        wait_for_ready(server, 1)
        log.rename(folder / "moved.log")
        server.signal(signal.SIGUSR1)
        os.kill(pids(server)[1], signal.SIGKILL)
        wait_for_ready(server, 2)
        answered(server, "/echo?after")
        assert server.stop() == 0
    assert "/echo?after" in log.read_text()
    assert "/echo?after" not in (folder / "moved.log").read_text()


def test_operators_are_answered(folder):
    with preloaded(folder, "--control", "ctl.sock") as server:
        wait_for_ready(server, 1, 2)
        status = bascule("ctl", "--control", "ctl.sock", "status", cwd=folder)
        stacks = bascule("ctl", "--control", "ctl.sock", "stacks", cwd=folder)
        reload = bascule("ctl", "--control", "ctl.sock", "reload", cwd=folder)
        assert server.stop() == 0
    assert all(str(pids(server)[serial]) in status.stdout for serial in (1, 2))
    assert stacks.stdout.count("thread MainThread") == 2
    assert (reload.returncode, reload.stdout) == (0, "2 workers with the new code\n")


# An import that hangs.


def test_what_an_import_that_hangs_does_can_be_asked(folder):
    write_version(folder, "hangs")
    with preloaded(folder, "--control", "ctl.sock", workers=1) as server:
        server.wait_for_output("imported by", DEADLINE)
        stacks = bascule("ctl", "--control", "ctl.sock", "stacks", cwd=folder)
        assert "in hold_the_import" in stacks.stdout
        with ended(importers(server)[0]):
            assert server.stop() == 0


def test_an_import_that_is_killed_ends_it(folder):
    write_version(folder, "hangs")
    with preloaded(folder) as server:
        server.wait_for_output("imported by", DEADLINE)
        os.kill(importers(server)[0], signal.SIGKILL)
        assert server.wait() == 3
        assert "was ended by SIGKILL" in server.output()


def test_an_import_does_not_outlive_a_supervisor_that_is_killed(folder):
    write_version(folder, "hangs")
    with preloaded(folder) as server:
        server.wait_for_output("imported by", DEADLINE)
        with ended(importers(server)[0]):
            server.signal(signal.SIGKILL)
        assert server.wait() == -signal.SIGKILL


# Every order of ends.


def test_workers_of_a_fork_server_that_is_killed_are_replaced_and_nothing_is_lost(folder):
    with preloaded(folder) as server:
        wait_for_ready(server, 1, 2)
        with asking(server.port) as load:
            load.wait_for_answers(20)
            os.kill(importers(server)[0], signal.SIGKILL)
            wait_for_ready(server, 3, 4)
            server.wait_for_output("worker 1 (pid", DEADLINE)
            load.wait_for_answers(50)
        assert load.failures == []
        assert server.stop() == 0
        output = server.output()
    fork_server = importers(server)[0]
    assert f"the fork server (pid {fork_server}) was ended by SIGKILL" in output
    assert "its 2 workers must be replaced" in output
    assert output.count("the fork server has ended; finishing what is in flight") == 2
    assert output.count("has ended (its fork server had ended)") == 2
    assert len(importers(server)) == 2


def test_a_fork_server_that_does_not_answer_is_killed_at_the_end(folder):
    with preloaded(folder) as server, ExitStack() as stack:
        wait_for_ready(server, 1, 2)
        for pid in (*importers(server), *pids(server).values()):
            stack.enter_context(ended(pid))
        os.kill(importers(server)[0], signal.SIGSTOP)
        server.signal(signal.SIGQUIT)
        assert server.wait() == 1


def test_nothing_outlives_a_supervisor_that_is_killed(folder):
    with preloaded(folder) as server:
        wait_for_ready(server, 1, 2)
        with ExitStack() as stack:
            for pid in (*importers(server), *pids(server).values()):
                stack.enter_context(ended(pid))
            server.signal(signal.SIGKILL)
        assert server.wait() == -signal.SIGKILL
        assert server.output().count("the supervisor has ended") == 2


def test_what_is_in_flight_is_finished_when_both_have_gone(folder):
    with preloaded(folder, target=WSGI, workers=1) as server:
        wait_for_ready(server, 1)
        with ended(pids(server)[1]), RawClient(server.port) as client:
            # It waits for its body.
            client.send(b"POST /echo?so HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
            os.kill(importers(server)[0], signal.SIGKILL)
            server.wait_for_output("the fork server has ended", DEADLINE)
            server.signal(signal.SIGKILL)
            server.wait_for_output("the supervisor has ended", DEADLINE)
            client.send(b"12345")
            assert client.read_response().body == b"so"
        assert "left behind" not in server.output()


def test_all_processes_may_be_told_to_stop_at_once(folder):
    with preloaded(folder) as server, ExitStack() as stack:
        wait_for_ready(server, 1, 2)
        for pid in (*importers(server), *pids(server).values()):
            stack.enter_context(ended(pid))
        # As Ctrl-C at a terminal does.
        os.killpg(server.process.pid, signal.SIGINT)
        assert server.wait() == 0
        assert server.output().count("has ended (stopped)") == 2


# From Python.


@contextmanager
def serving_from_python(folder, named):
    """A script that serves, with --preload, an application or what a TARGET names."""
    script = folder / "serving.py"
    script.write_text(
        "import sys\n"
        "import bascule\n"
        + ("" if named.startswith("'") else "import process_preload\n")
        + f"sys.exit(bascule.serve({named}, workers=2, preload=True, "
        "bind='fd://' + sys.argv[1]))\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, str(script), str(listener.fileno())],
            cwd=folder,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(process, port, "http")
    try:
        wait_for_ready(server, 1, 2)
        yield server
        assert server.stop() == 0
    finally:
        server.kill()


@pytest.mark.parametrize("named", ["'process_preload:asgi'", "process_preload.asgi"])
def test_it_serves_from_python(folder, named):
    """A TARGET is imported once for all workers; an application has been imported already."""
    with serving_from_python(folder, named) as server:
        assert exchange(server.port, "GET", "/echo?so").body == b"so"
        assert (importers(server) == [server.process.pid]) == (not named.startswith("'"))
        assert len(importers(server)) == 1


def test_a_database_connection_of_the_import_is_not_shared_from_python(folder):
    shutil.copy(APPS / "process_preload_database.py", folder)
    shutil.copytree(APPS / "process_pooling", folder / "process_pooling")
    with serving_from_python(folder, "'process_preload_database:application'") as server:
        fork_server = int(re.search(r"loaded, in pid (\d+)", server.output())[1])
        assert answered(server).endswith(f"pool closed by [{fork_server}]")
