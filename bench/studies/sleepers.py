"""Requests that wait in an async view beside requests that work in a sync view.

    python -m studies.sleepers [--seconds S] [--rounds N]

A Django project served by both of its sides: wrk asks for the sync view all the time; in every
second measurement 64 connections ask at once, four times a second, for an async view that sleeps
for 50 ms. Shown is how much of its rate the sync view keeps, and how long a volley of 64 takes
from the first request to the last answer: 50 ms are the sleep, one after the other they would be
3.2 s. The same for Uvicorn, beside it.
"""

import argparse
import socket
import statistics
import sys
import threading
import time

from apps.payloads import HELLO
from harness.measure import drive
from harness.scenarios import SCENARIOS
from harness.serving import Running, running
from peers.servers import SERVERS

SLEEPERS = 64
PERIOD = 0.25
REQUEST = b"GET /sleeping/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
WARM_UP = 1.0


class Volleys:
    """Asks on all connections at once, again and again, in a thread."""

    def __init__(self, port: int) -> None:
        self.socks = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(SLEEPERS)]
        self.took: list[float] = []
        self.failed = ""
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self) -> "Volleys":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.thread.join()
        for sock in self.socks:
            sock.close()

    def run(self) -> None:
        while not self.stopping.wait(PERIOD - (self.took[-1] if self.took else 0) % PERIOD):
            began = time.perf_counter()
            for sock in self.socks:
                sock.sendall(REQUEST)
            for sock in self.socks:
                answer = b""
                while not answer.endswith(HELLO):
                    piece = sock.recv(4096)
                    answer += piece
                    if not piece or not answer.startswith(b"HTTP/1.1 200"):
                        self.failed = "a sleeping request was not answered with 200"
                        return
            self.took.append(time.perf_counter() - began)


def measured(started: Running, scenario, seconds: float) -> tuple[float, float, list[float]]:
    """The rate of the sync view without sleepers and with them, and how long volleys took."""
    alone = drive(started, scenario, seconds, 1).rate
    with Volleys(started.port) as volleys:
        together = drive(started, scenario, seconds, 1).rate
    if volleys.failed:
        raise SystemExit(volleys.failed)
    return alone, together, volleys.took


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args(arguments)
    scenario = SCENARIOS["django-sync-hybrid"]
    headings = ("alone", "with 64 sleepers", "kept", "volley, median and most")
    print("{:22} {:>11} {:>17} {:>6} {:>25}".format("", *headings))
    for name in ("bascule-hybrid", "uvicorn"):
        with running(SERVERS[name], scenario, 0) as started:
            drive(started, scenario, WARM_UP, 1)
            rounds = [measured(started, scenario, chosen.seconds) for _ in range(chosen.rounds)]
        kept = statistics.median(together / alone for alone, together, _ in rounds)
        alone = statistics.median(one[0] for one in rounds)
        together = statistics.median(one[1] for one in rounds)
        took = [1000 * seconds for one in rounds for seconds in one[2]]
        print(
            f"{SERVERS[name].label:22} {alone:7,.0f} r/s {together:13,.0f} r/s {kept:6.0%} "
            f"{statistics.median(took):12.0f} and {max(took):.0f} ms"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
