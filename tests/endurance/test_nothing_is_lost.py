"""Workers come and go under load, hundreds of times, and not one request fails.

Every answer is checked by a client of ours; wrk adds the load. A connection that ends without
having said so is a failure, even between two requests.
"""

import os
import random
import re
import signal

import pytest

from bascule.cli.ctl import exchange
from support.load import asking
from support.workers import ASGI, DEADLINE, WSGI, ended, pids, serve, wait_for_ready

RELOADS = 200
RECYCLINGS = 200
UPGRADES = 50
KILLS = 40


def ask(folder, command, argument=""):
    return exchange(str(folder / "ctl.sock"), {"command": command, "argument": argument})


@pytest.mark.parametrize("target", [ASGI, WSGI])
def test_reloads(folder, hammering, target):
    with (
        serve(folder, "--control", "ctl.sock", "--no-access-log", target=target) as server,
        asking(server.port) as load,
        hammering(server.port),
    ):
        wait_for_ready(server, 1, 2)
        for number in range(1, RELOADS // 2 + 1):
            answer = ask(folder, "reload")
            assert "error" not in answer, answer
            load.wait_for_answers(1)
            assert load.failures == [], f"in reload {number}"
    assert server.output().count(") is ready") == 2 + RELOADS


def test_recyclings(folder, hammering):
    limits = ("--max-requests", "300", "--max-requests-jitter", "100")
    with (
        serve(folder, *limits, "--no-access-log") as server,
        asking(server.port) as load,
        hammering(server.port),
    ):
        server.wait_for_output(f"worker {RECYCLINGS + 2} (pid", 300)
    assert load.failures == []
    assert server.output().count("has ended (it has served ") >= RECYCLINGS - 1


def test_upgrades(folder, hammering):
    with serve(folder, "--no-access-log") as server:
        wait_for_ready(server, 1, 2)
        master = server.process.pid
        try:
            with asking(server.port) as load, hammering(server.port):
                for number in range(1, UPGRADES + 1):
                    with ended(master):
                        os.kill(master, signal.SIGUSR2)
                        if number == 1:
                            # Its exit is ours to see: it is the one that the test has started.
                            assert server.process.wait(DEADLINE) == 0
                    master = int(re.findall(r"pid (\d+) has taken over", server.output())[-1])
                    load.wait_for_answers(1)
                    assert load.failures == [], f"in upgrade {number}"
        finally:
            with ended(master):
                os.kill(master, signal.SIGTERM)


def test_of_workers_that_are_killed_only_their_own_requests_are_lost(folder):
    """At random moments. A request that was in no killed worker must not fail."""
    choose = random.Random(20).choice
    killed = set()
    possible = 0
    with (
        serve(folder, "--control", "ctl.sock", "--no-access-log", workers=3) as server,
        asking(server.port) as load,
    ):
        wait_for_ready(server, 1, 2, 3)
        for _ in range(KILLS):
            load.wait_for_answers(100)
            workers = [one for one in ask(folder, "status")["workers"] if one["state"] == "ready"]
            victim = choose(workers)
            with ended(victim["pid"]):
                os.kill(victim["pid"], signal.SIGKILL)
            killed.add(str(victim["pid"]))
            # Those it had when it was asked; another may have come until it was killed.
            possible += victim["connections"] + 1
            wait_for_ready(server, *range(1, 4 + len(killed)))
    assert set(pids(server)) >= set(range(1, 4 + KILLS))
    assert {worker for worker in load.blamed if worker} <= killed
    assert 0 < len(load.failures) <= possible
