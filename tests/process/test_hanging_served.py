"""Slow calls in a real process: the log names the function that is responsible."""

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from support.http import RawClient, exchange
from support.server import running

APPS = Path(__file__).parent / "apps"
ASGI = "process_asgi:app"
WSGI = "process_wsgi"


def serve(target, *args):
    return running(target, *args, cwd=APPS)


@pytest.mark.parametrize(("target", "path"), [(ASGI, "/hang"), (WSGI, "/spin")])
def test_a_request_past_its_deadline_is_logged_with_the_guilty_function(target, path):
    with serve(target, "--request-timeout", "0.5", "--threads", "1") as server:
        for _ in range(2):
            assert exchange(server.port, "GET", path + "?token=x").status == 504
            # The only thread is free again, or will be in a moment.
            assert exchange(server.port, "GET", "/").status == 200
        assert server.stop() == 0
        output = server.output()
    assert output.count("(--request-timeout), answered 504") == 2
    assert re.search(rf"ERROR GET {path}: no response within 0.5 s", output)
    assert output.count(", in guilty\n") == 2
    assert "left behind" not in output
    assert output.count(f'"GET {path}?token=x HTTP/1.1" 504') == 2


def test_in_json_it_is_one_line():
    options = ("--request-timeout", "0.5", "--log-format", "json")
    with serve(WSGI, *options) as server:
        assert exchange(server.port, "GET", "/spin").status == 504
        assert exchange(server.port, "GET", "/").status == 200
        assert server.stop() == 0
        lines = [json.loads(line) for line in server.output().splitlines()]
    (one,) = (line for line in lines if line.get("level") == "error")
    assert one["message"].startswith("GET /spin: no response within")
    assert ", in guilty" in one["message"]
    waits = [line["queue_ms"] for line in lines if "queue_ms" in line]
    assert len(waits) == 2
    assert all(0 < wait < 5000 for wait in waits)


def test_a_thread_that_cannot_be_interrupted_does_not_keep_the_others_from_serving():
    with serve(WSGI, "--request-timeout", "0.5", "--threads", "2") as server:
        assert exchange(server.port, "GET", "/stubborn").status == 504
        for _ in range(10):
            assert exchange(server.port, "GET", "/").status == 200
        server.signal(signal.SIGTERM)
        output = server.wait_for_output("stuck: it was interrupted, and still runs")
        assert output.count(", in stubborn\n") == 2
        server.signal(signal.SIGTERM)
        assert server.wait() == 1
        assert "left behind, still busy: bascule-1\n" in server.output()


@pytest.mark.parametrize(("target", "options"), [(ASGI, ()), (WSGI, ("--threads", "0"))])
def test_a_blocked_loop_is_told_while_it_lasts(target, options):
    with (
        serve(target, "--loop-stall", "0.3", *options) as server,
        RawClient(server.port) as client,
    ):
        client.request("GET", "/nap?2")
        output = server.wait_for_output("in flight:\n  GET /nap: ")
        assert re.search(r"WARNING the event loop is blocked for \d\.\d s now", output)
        assert ", in nap\n" in output
        assert client.read_response().status == 200
        server.wait_for_output("the event loop runs again")
        assert server.stop() == 0
        output = server.output()
    assert output.index("is blocked for") < output.index("runs again")
    total = re.search(r"it was blocked for (\d+\.\d) s\n", output)
    assert total is not None
    # Of the two seconds, what is beyond the tick that was due.
    assert float(total[1]) >= 1.7


def test_with_debug_a_short_block_is_told():
    with serve(ASGI, "--debug") as server:
        assert exchange(server.port, "GET", "/nap?0.7").status == 200
        output = server.wait_for_output("runs again")
        assert ", in nap\n" in output
        assert server.stop() == 0


@pytest.mark.parametrize("options", [("--loop-stall", "none"), ()])
def test_a_short_block_is_not_told(options):
    with serve(ASGI, *options) as server:
        assert exchange(server.port, "GET", "/nap?0.7").status == 200
        assert server.stop() == 0
        assert "the event loop" not in server.output()


def test_a_process_that_was_stopped_is_no_blocked_loop():
    with serve(ASGI, "--loop-stall", "1") as server:
        assert exchange(server.port, "GET", "/").status == 200
        server.signal(signal.SIGSTOP)
        pid = server.process.pid
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)
        ends_at = time.monotonic() + 3
        while time.monotonic() < ends_at:
            os.sched_yield()
        server.signal(signal.SIGCONT)
        assert exchange(server.port, "GET", "/nap?0.1").status == 200
        assert server.stop() == 0
        assert "the event loop" not in server.output()
        assert "interpreter's lock" not in server.output()


def test_waiting_too_long_for_a_thread_is_503_and_one_line():
    options = ("--queue-timeout", "0.3", "--threads", "1")
    with serve(WSGI, *options) as server, RawClient(server.port) as client:
        client.request("GET", "/nap?2")
        server.wait_for_output("listening on")
        statuses = {exchange(server.port, "GET", "/").status for _ in range(3)}
        assert client.read_response().status == 200
        assert 503 in statuses
        assert exchange(server.port, "GET", "/").status == 200
        assert server.stop() == 0
        assert server.output().count("answered 503 (--queue-timeout)\n") == 1
