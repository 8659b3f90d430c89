"""Mixed load for half an hour, and whether memory, descriptors and threads stay as they are.

    python -m studies.soak [--minutes M] [--reload-every S] [--json FILE]

Run it with Bascule and websockets installed, or with PYTHONPATH=src. Two servers with two workers
each, an ASGI and a WSGI application in both, get the same load: connections that are kept and new
ones, uploads, WebSockets, requests that are given up, and clients that go in the middle of a
download or an upload. One server is reloaded every minute, which is where a supervisor would leak;
the workers of the other stay, which is where a worker would. Any wrong answer, and any connection
that is lost without a word, is shown and fails the run.

Every two seconds the proportional memory (PSS, /proc/PID/smaps_rollup), the open descriptors and
the threads of supervisor and workers are read; not while a reload runs. The verdict: a line is
fitted to the second half of each by least squares, and it is flat when it rises over that half by
no more than 3 % or 1 MB of memory, whichever is more, or by five descriptors, or by one thread.
Memory of workers that are replaced every minute is shown and not judged.
"""

import argparse
import http.client
import json
import os
import random
import re
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import connect

from apps.mixed import LARGE
from apps.payloads import HELLO

BENCH = Path(__file__).resolve().parents[1]
WORKERS = 2
EVERY = 2.0  # seconds between samples
DEADLINE = 60.0
POLL = 0.05
# Seconds between the requests of one client: steady, and far from all that the machine can do.
PACE = 0.004
UPLOAD = b"u" * 200_000
# Close with a reset, as clients do that crash.
ABRUPT = struct.pack("ii", 1, 0)
# WebSockets that a worker closes when it leaves: 1012, Service Restart.
RESTART = 1012

MEMORY_SHARE, MEMORY_MB, DESCRIPTORS, THREADS = 0.03, 1.0, 5.0, 1.0


class Wrong(Exception):
    """An answer that is not the one that had to come."""


class Clients:
    """Threads that ask one server for as long as the block lasts."""

    def __init__(self, port: int, seed: int) -> None:
        self.port = port
        self.chance = random.Random(seed)
        self.stopping = threading.Event()
        self.done: Counter[str] = Counter()
        self.failures: list[str] = []
        kinds = [self.kept] * 4 + [self.new] * 3 + [self.uploads] * 2
        kinds += [self.websockets] * 2 + [self.given_up] * 2 + [self.cut_off] * 2
        self.threads = [threading.Thread(target=self.run, args=(kind,)) for kind in kinds]

    def __enter__(self) -> "Clients":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join(DEADLINE)

    def run(self, kind: Callable[[], Iterator[None]]) -> None:
        """Go through `kind` again and again; it yields after each thing done."""
        while not self.stopping.is_set():
            steps = kind()
            try:
                for _ in steps:
                    self.done[kind.__name__] += 1
                    if self.stopping.wait(PACE):
                        break
            except (OSError, http.client.HTTPException, WebSocketException, Wrong) as error:
                self.failures.append(f"{time.strftime('%H:%M:%S')} {kind.__name__}: {error!r}")
            finally:
                steps.close()

    def ask(self, connection: http.client.HTTPConnection, path: str, body: bytes = b"") -> bool:
        """Whether the connection stays."""
        connection.request("POST" if body else "GET", path, body or None)
        response = connection.getresponse()
        got = response.read()
        expected = b"%d" % len(body) if body else LARGE if path.endswith("large") else HELLO
        if response.status != 200 or got != expected:
            raise Wrong(f"{path} was answered {response.status}, {got[:60]!r}")
        return not response.will_close

    @contextmanager
    def connection(self) -> Iterator[http.client.HTTPConnection]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        try:
            yield connection
        finally:
            connection.close()

    def kept(self) -> Iterator[None]:
        with self.connection() as connection:
            while self.ask(connection, self.chance.choice(("/", "/", "/wsgi/", "/large"))):
                yield

    def new(self) -> Iterator[None]:
        with self.connection() as connection:
            self.ask(connection, self.chance.choice(("/", "/wsgi/")))
            yield

    def uploads(self) -> Iterator[None]:
        with self.connection() as connection:
            path = self.chance.choice(("/upload", "/wsgi/upload"))
            size = self.chance.randrange(1, len(UPLOAD))
            self.ask(connection, path, UPLOAD[:size])
            yield

    def websockets(self) -> Iterator[None]:
        try:
            with connect(f"ws://127.0.0.1:{self.port}/", proxy=None, ping_interval=None) as socket:
                for number in range(self.chance.randrange(1, 200)):
                    socket.send(f"message {number}")
                    if socket.recv(DEADLINE) != f"message {number}":
                        raise Wrong("another message came back")
                    yield
        except ConnectionClosed as error:
            if error.rcvd is None or error.rcvd.code != RESTART:
                raise

    def given_up(self) -> Iterator[None]:
        """Ask for what never comes, and go."""
        with socket.create_connection(("127.0.0.1", self.port), DEADLINE) as sock:
            sock.sendall(b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
            # A connection that its client has closed stays for two seconds, because the client may
            # still read; with too many of them their number would be all that is seen.
            self.stopping.wait(0.1)
            yield

    def cut_off(self) -> Iterator[None]:
        """Go in the middle of a download or of an upload."""
        side = self.chance.choice(("", "/wsgi")).encode()
        with socket.create_connection(("127.0.0.1", self.port), DEADLINE) as sock:
            if self.chance.random() < 0.5:
                sock.sendall(b"GET %b/large HTTP/1.1\r\nHost: localhost\r\n\r\n" % side)
                sock.recv(self.chance.randrange(1, 100_000))
            else:
                head = b"POST %b/upload HTTP/1.1\r\nHost: localhost\r\n" % side
                head += b"Content-Length: 900000\r\n\r\n"
                sock.sendall(head + UPLOAD[: self.chance.randrange(len(UPLOAD))])
            if self.chance.random() < 0.5:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABRUPT)
            yield


@dataclass
class Series:
    """One number over time."""

    name: str
    tolerance: Callable[[float], float]  # of how much it may rise, by its mean
    judged: bool = True
    points: list[tuple[float, float]] = field(default_factory=list)

    def second_half(self) -> list[tuple[float, float]]:
        middle = (self.points[0][0] + self.points[-1][0]) / 2
        return [point for point in self.points if point[0] >= middle]

    def rise(self) -> float:
        """How much the fitted line rises over the second half."""
        times, values = zip(*self.second_half(), strict=True)
        return statistics.linear_regression(times, values).slope * (times[-1] - times[0])

    def mean(self) -> float:
        return statistics.fmean(value for _, value in self.second_half())

    def is_flat(self) -> bool:
        return self.rise() <= self.tolerance(self.mean())


def memory_tolerance(mean: float) -> float:
    return max(MEMORY_MB, MEMORY_SHARE * mean)


class Subject:
    """A server, its clients, and what was read of it."""

    def __init__(self, name: str, folder: Path, reload_every: float, seed: int) -> None:
        self.name = name
        self.reload_every = reload_every
        self.log = (folder / f"{name}.log").open("w+b")
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        command = [sys.executable, "-m", "bascule", "serve", "apps.mixed:asgi"]
        command += ["--mount", "/wsgi=apps.mixed:wsgi", "--app-dir", str(BENCH), "--no-access-log"]
        command += ["--workers", str(WORKERS), "--bind", f"fd://{listener.fileno()}"]
        self.process = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": f"{BENCH}:{os.environ.get('PYTHONPATH', '')}"},
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
        )
        self.clients = Clients(listener.getsockname()[1], seed)
        listener.close()
        self.reloads = 0
        stays = not reload_every
        self.series = {
            "supervisor, MB": Series("supervisor, MB", memory_tolerance),
            "a worker, MB": Series("a worker, MB", memory_tolerance, judged=stays),
            "supervisor, descriptors": Series("supervisor, descriptors", lambda _: DESCRIPTORS),
            "a worker, descriptors": Series("a worker, descriptors", lambda _: DESCRIPTORS),
            "supervisor, threads": Series("supervisor, threads", lambda _: THREADS),
            "a worker, threads": Series("a worker, threads", lambda _: THREADS),
        }

    def said(self) -> str:
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def is_settled(self) -> bool:
        """Whether all workers of all reloads are ready, and the old ones have ended."""
        said = self.said()
        ready = WORKERS * (1 + self.reloads)
        ended = WORKERS * self.reloads
        return said.count(") is ready after") == ready and said.count(" has ended (") == ended

    def wait_until_settled(self) -> None:
        until = time.monotonic() + DEADLINE
        while not self.is_settled():
            if self.process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"the {self.name} server does not start:\n{self.said()}")
            time.sleep(POLL)

    def reload_if_due(self, since: float) -> None:
        if self.reload_every and since >= self.reload_every * (self.reloads + 1):
            self.process.send_signal(signal.SIGHUP)
            self.reloads += 1

    def sample(self, since: float) -> None:
        if not self.is_settled():
            return
        # A worker that is gone although nothing was said of it is in the log, and in the verdict.
        pids = children(self.process.pid)
        for name, series in self.series.items():
            who, _, what = name.partition(", ")
            read = READERS[what]
            if who == "supervisor":
                series.points.append((since, read(self.process.pid)))
            else:
                series.points.append((since, statistics.fmean(read(pid) for pid in pids)))

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def complaints(self) -> list[str]:
        """The warnings and errors in the log of the server."""
        return re.findall(r"^.*(?:WARNING|ERROR|CRITICAL|Traceback).*$", self.said(), re.MULTILINE)


def megabytes(pid: int) -> float:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss: +(\d+) kB", text, re.MULTILINE)[1]) * 1024 / 1e6


def descriptors(pid: int) -> float:
    return len(os.listdir(f"/proc/{pid}/fd"))


def threads(pid: int) -> float:
    return len(os.listdir(f"/proc/{pid}/task"))


READERS = {"MB": megabytes, "descriptors": descriptors, "threads": threads}


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def soak(subjects: list[Subject], seconds: float) -> None:
    began = time.monotonic()
    while (since := time.monotonic() - began) < seconds:
        for subject in subjects:
            if subject.process.poll() is not None:
                raise SystemExit(f"the {subject.name} server ended:\n{subject.said()}")
            subject.sample(since)
            subject.reload_if_due(since)
        time.sleep(EVERY - (time.monotonic() - began) % EVERY)


def show(subjects: list[Subject]) -> bool:
    """Print everything; whether all is well."""
    well = True
    for subject in subjects:
        counts = sorted(subject.clients.done.items())
        done = ", ".join(f"{count:,} {kind}" for kind, count in counts)
        print(f"\n{subject.name}: {subject.reloads} reloads; {done.replace('_', ' ')}")
        print(f"  {'':24}{'begin':>9}{'middle':>9}{'end':>9}{'rise':>9}{'allowed':>9}")
        for name, series in subject.series.items():
            if len(series.second_half()) < 10:
                raise SystemExit("too few samples; let it run longer")
            values = [value for _, value in series.points]
            verdict = "flat" if series.is_flat() else "RISES"
            if not series.judged:
                verdict = "not judged"
            well = well and (series.is_flat() or not series.judged)
            print(
                f"  {name:24}{values[0]:9.1f}{values[len(values) // 2]:9.1f}{values[-1]:9.1f}"
                f"{series.rise():9.2f}{series.tolerance(series.mean()):9.2f}  {verdict}"
            )
        for title, lines in (
            ("failed", subject.clients.failures),
            ("said by the server", subject.complaints()),
        ):
            well = well and not lines
            for line in lines[:10]:
                print(f"  {title}: {line}")
            if len(lines) > 10:
                print(f"  {title}: {len(lines) - 10} more")
    print("\nall flat" if well else "\nNOT all flat, or something failed")
    return well


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--reload-every", type=float, default=60, help="in seconds")
    parser.add_argument("--json", help="a file for every sample")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        subjects = [
            Subject("reloaded", Path(folder), options.reload_every, 1),
            Subject("lasting", Path(folder), 0, 2),
        ]
        try:
            for subject in subjects:
                subject.wait_until_settled()
            with subjects[0].clients, subjects[1].clients:
                soak(subjects, options.minutes * 60)
        finally:
            for subject in subjects:
                subject.stop()
        if options.json:
            samples = {
                subject.name: {name: one.points for name, one in subject.series.items()}
                for subject in subjects
            }
            Path(options.json).write_text(json.dumps(samples))
        return 0 if show(subjects) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
