"""How much of their rate honest clients keep beside clients that are slow on purpose.

    python -m studies.attacks [--seconds S] [--rounds N] [--clients N] [--idle N]

A server is asked by wrk all the time; in every second measurement attackers hold connections:

    slow heads    500 clients that send a request head, one byte a second each
    slow bodies   500 clients that send the body of an upload in the same way
    slow readers  100 clients that ask for a megabyte and read nothing
    idle          5,000 connections over which nothing is ever sent

There are fewer readers because the kernel keeps unread data, and limits its memory for all
connections together (net.ipv4.tcp_mem). Beyond that limit no data arrives at any client, which
says nothing about the server. A client that the server has disconnected connects again. The number
shown is the rate with the attack divided by the rate without it, measured one after the other: the
median of all rounds, the smallest and the largest. The goal is 90 %. Each interface is measured;
the WSGI server has 8 threads, far fewer than there are attackers.
"""

import argparse
import os
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from apps import payloads
from harness.descriptors import SPARE, raise_limit
from harness.environment import CannotRun, check_machine
from harness.measure import MeasurementFailed, drive
from harness.scenarios import Scenario
from harness.serving import Running, ServerFailed, running
from peers.servers import SERVERS

SERVER_CORE, CLIENT_CORE = 0, 1
WARM_UP = 1.0
SETTLE = 1.0
AIM = 0.9
DEADLINE = 10.0
HEAD = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: " + b"a" * 4000
UPLOAD = b"POST /upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n"
DOWNLOAD = b"GET /large HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
# Steps per second, so that the bytes of all clients do not arrive at once.
STEPS = 20
# The buffer of one that does not read: the least that the system gives.
SMALL_BUFFER = 4096


class Attackers:
    """Open connections to a port, and keep them slow in a thread until the block ends.

    first: the data that each sends at once.
    trickle: the data that it sends then, one byte a second, again and again.
    """

    def __init__(self, port: int, count: int, first: bytes = b"", trickle: bytes = b"") -> None:
        self.port = port
        self.first = first
        self.trickle = trickle
        self.count = count
        self.begun = 0
        self.socks: list[socket.socket] = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self) -> "Attackers":
        try:
            for _ in range(self.count):
                self.socks.append(self.connect())
        except OSError:
            self.close()
            raise
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.thread.join()
        self.close()

    def close(self) -> None:
        for sock in self.socks:
            sock.close()

    def connect(self) -> socket.socket:
        self.begun += 1
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        sock.settimeout(DEADLINE)
        sock.connect(("127.0.0.1", self.port))
        sock.sendall(self.first)
        sock.setblocking(False)
        return sock

    def run(self) -> None:
        # Threads have an affinity each: this one stays off the server's core.
        os.sched_setaffinity(0, {CLIENT_CORE})
        step = 0
        while not self.stopping.wait(1 / STEPS):
            for at in range(step % STEPS, len(self.socks), STEPS):
                byte = (step // STEPS) % max(1, len(self.trickle))
                self.go_on(at, self.trickle[byte : byte + 1])
            step += 1

    def go_on(self, at: int, byte: bytes) -> None:
        sock = self.socks[at]
        try:
            if byte:
                sock.send(byte)
                # A client that sends slowly notices the end; a client that reads nothing does not.
                ended = sock.recv(1) == b""
            else:
                ended = False
        except BlockingIOError:
            ended = False
        except OSError:
            ended = True
        if ended:
            sock.close()
            self.socks[at] = self.connect()


def attacks(clients: int, idle: int) -> dict[str, Callable[[int], Attackers]]:
    return {
        "slow heads": lambda port: Attackers(port, clients, HEAD[:1], HEAD[1:]),
        "slow bodies": lambda port: Attackers(port, clients, UPLOAD, b"x"),
        "slow readers": lambda port: Attackers(port, clients // 5, DOWNLOAD),
        "idle": lambda port: Attackers(port, idle),
    }


def ratio(started: Running, scenario: Scenario, attack, seconds: float) -> tuple[float, float]:
    """The rate without the attack, and with it: 0 if no client got an answer, or a connection
    failed."""
    alone = drive(started, scenario, seconds, CLIENT_CORE).rate
    with attack(started.port):
        # The first requests of the attackers are ordinary work; only then are they slow.
        time.sleep(SETTLE)
        try:
            return alone, drive(started, scenario, seconds, CLIENT_CORE).rate
        except MeasurementFailed as error:
            print(f"with the attack: {error}", file=sys.stderr)
            return alone, 0.0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--idle", type=int, default=5_000)
    chosen = parser.parse_args(arguments)
    raise_limit(max(chosen.clients, chosen.idle) + SPARE)
    try:
        check_machine(SERVER_CORE, CLIENT_CORE)
        return measure_all(chosen)
    except (CannotRun, MeasurementFailed, ServerFailed, OSError) as error:
        raise SystemExit(f"studies.attacks: {error}") from error


def measure_all(chosen: argparse.Namespace) -> int:
    print("{:20} {:14} {:>11} {:>14} {:>22}".format("", "attack", "alone", "with it", "kept"))
    kept_enough = True
    for name in ("bascule", "bascule-wsgi"):
        server = SERVERS[name]
        app = f"apps.mixed:{server.interface}"
        scenario = Scenario(name, server.label, app, (name,), payloads.HELLO)
        server = replace(server, command=f"{server.command} --limit-connections 20000")
        with running(server, scenario, SERVER_CORE) as started:
            drive(started, scenario, WARM_UP, CLIENT_CORE)
            for title, attack in attacks(chosen.clients, chosen.idle).items():
                rounds = [
                    ratio(started, scenario, attack, chosen.seconds) for _ in range(chosen.rounds)
                ]
                kept = [together / alone for alone, together in rounds]
                kept_enough = kept_enough and statistics.median(kept) >= AIM
                alone, together = (statistics.median(side) for side in zip(*rounds, strict=True))
                print(
                    f"{server.label:20} {title:14} {alone:7,.0f} r/s {together:10,.0f} r/s "
                    f"{statistics.median(kept):6.0%} ({min(kept):.0%} to {max(kept):.0%})",
                    flush=True,
                )
    print(f"\nThe aim of {AIM:.0%} is {'reached' if kept_enough else 'missed'}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
