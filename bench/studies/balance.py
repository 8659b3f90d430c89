"""How connections get to workers: what Bascule does, beside the other ways there are.

    python -m studies.balance [--seconds S] [--rounds N] [--json FILE]

Run it with Bascule installed, or with PYTHONPATH=src; it needs wrk. Four workers each:

    Bascule       one listener for all; a worker with clearly more connections leaves new ones to
                  the others for two milliseconds
    shared        one listener for all; the fastest worker accepts
    reuseport     a listener for each worker (SO_REUSEPORT); the kernel chooses by a hash
    exclusive     one listener for all, of whose waiters the kernel wakes one (EPOLLEXCLUSIVE)
    passed        the master accepts, and hands the descriptors round

All but Bascule are small servers in this file, alike but for the way. Counted are: how many of
1,000 connections that stay each worker has, when they come one after the other and when they come
50 at a time; and how many clients lost a connection without an answer while all workers were
replaced, again and again, under load. These do not need a quiet machine. How many short
connections there are in a second does, so that column is rough, and in Bascule's row it is a
whole server's and not a small one's.
"""

import argparse
import contextlib
import json
import os
import re
import select
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass
from pathlib import Path

BENCH = Path(__file__).resolve().parents[1]
WORKERS = 4
LASTING = 1_000
BURST = 50
DEADLINE = 60.0
POLL = 0.02
BACKLOG = 2048
# As many as a worker of Bascule's takes in one turn.
ACCEPTS_PER_TURN = 32
# Seconds that a worker which leaves gives to connections whose request has not come.
LAST_CALL = 0.5
REPORT = re.compile(r"^REPORT (\{.*\})$", re.MULTILINE)
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
WAYS = ("Bascule", "shared", "reuseport", "exclusive", "passed")


# The small servers.


class SmallWorker:
    """Answers every request, each of which comes in one piece, with its pid; until SIGTERM."""

    def __init__(self, listener: socket.socket | None, channel: socket.socket, flags: int) -> None:
        self.epoll = select.epoll()
        self.listener = listener
        self.channel = channel
        self.connections: dict[int, socket.socket] = {}
        self.leaving = False
        self.until = float("inf")
        body = str(os.getpid()).encode()
        head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nx-worker: %b\r\n" % (len(body), body)
        self.answer = head + b"\r\n" + body
        self.last_answer = head + b"connection: close\r\n\r\n" + body
        # The end of the channel is the end of the master.
        self.epoll.register(channel, select.EPOLLIN)
        if listener is not None:
            self.epoll.register(listener, select.EPOLLIN | flags)
        signal.signal(signal.SIGTERM, self.leave)

    def leave(self, number: int, frame: object) -> None:
        self.leaving = True

    def run(self) -> None:
        self.channel.send(b"r")
        while self.connections or not self.leaving or self.listener is not None:
            if self.leaving and self.listener is not None:
                # Accept all that are waiting. A connection between this and the close is lost.
                while self.accept():
                    pass
                # By hand: what is open in other processes too does not go out by being closed.
                self.epoll.unregister(self.listener)
                self.listener.close()
                self.listener = None
            if self.leaving and self.until == float("inf"):
                self.until = time.monotonic() + LAST_CALL
            if time.monotonic() > self.until:
                return
            for number, _ in self.epoll.poll(0.05):
                if self.listener is not None and number == self.listener.fileno():
                    self.accept()
                elif number == self.channel.fileno():
                    self.take()
                else:
                    self.read(number)

    def accept(self) -> bool:
        for _ in range(ACCEPTS_PER_TURN):
            try:
                sock, _ = self.listener.accept()
            except BlockingIOError:
                return False
            self.begin(sock)
        return True

    def take(self) -> None:
        """Descriptors from the master; without one it says that it has gone, or has no more."""
        data, descriptors, _, _ = socket.recv_fds(self.channel, 4096, 200)
        for descriptor in descriptors:
            self.begin(socket.socket(fileno=descriptor))
        if not data:
            self.epoll.unregister(self.channel)
            self.leaving = True

    def begin(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.connections[sock.fileno()] = sock
        self.epoll.register(sock, select.EPOLLIN)

    def read(self, number: int) -> None:
        sock = self.connections[number]
        try:
            data = sock.recv(65536)
            if data and not self.leaving and b"Connection: close" not in data:
                sock.send(self.answer)
                return
            if data:
                sock.send(self.last_answer)
        except OSError:
            pass
        del self.connections[number]
        self.epoll.unregister(number)
        sock.close()


class SmallMaster:
    """Forks workers, and replaces them one after the other at each SIGHUP."""

    def __init__(self, way: str, port: int) -> None:
        self.way = way
        self.port = port
        self.listener = None if way == "reuseport" else self.listen()
        self.workers: deque[tuple[int, socket.socket]] = deque()
        self.wanted = 0
        self.ending = False
        signal.signal(signal.SIGHUP, self.on_hangup)
        signal.signal(signal.SIGTERM, self.on_end)

    def listen(self) -> socket.socket:
        sock = socket.create_server(
            ("127.0.0.1", self.port), backlog=BACKLOG, reuse_port=self.way == "reuseport"
        )
        sock.setblocking(False)
        return sock

    def on_hangup(self, number: int, frame: object) -> None:
        self.wanted += 1

    def on_end(self, number: int, frame: object) -> None:
        self.ending = True

    def run(self) -> None:
        for _ in range(WORKERS):
            self.start()
        print("ready", flush=True)
        while not self.ending:
            if self.wanted:
                self.wanted -= 1
                for _ in range(WORKERS):
                    self.start()
                    self.end(*self.workers.popleft())
                print("replaced", flush=True)
            if self.way == "passed":
                self.hand_round(0.02)
            else:
                time.sleep(0.02)
        for worker in self.workers:
            self.end(*worker)

    def start(self) -> None:
        """Fork a worker, and wait until it is ready."""
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            ours.close()
            for _, channel in self.workers:
                channel.close()
            listener = self.listen() if self.way == "reuseport" else self.listener
            if self.way == "passed":
                self.listener.close()
                listener = None
            flags = select.EPOLLEXCLUSIVE if self.way == "exclusive" else 0
            try:
                SmallWorker(listener, theirs, flags).run()
            finally:
                os._exit(0)
        theirs.close()
        ours.recv(1)
        self.workers.append((pid, ours))

    def end(self, pid: int, channel: socket.socket) -> None:
        """Stop a worker and wait for its end, while the others keep serving."""
        if self.way == "passed":
            # It takes what is in the channel before it comes to the end of it.
            channel.shutdown(socket.SHUT_WR)
        else:
            os.kill(pid, signal.SIGTERM)
        while os.waitpid(pid, os.WNOHANG) == (0, 0):
            if self.way == "passed" and not self.ending:
                self.hand_round(0.01)
            else:
                time.sleep(0.01)
        channel.close()

    def hand_round(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (rest := until - time.monotonic()) > 0:
            if not select.select([self.listener], [], [], rest)[0]:
                return
            for _ in range(ACCEPTS_PER_TURN):
                try:
                    sock, _ = self.listener.accept()
                except BlockingIOError:
                    break
                self.workers.rotate(-1)
                with sock:
                    socket.send_fds(self.workers[-1][1], [b"c"], [sock.fileno()])


# The measurement.


@dataclass
class Row:
    """The results of one way.

    one_by_one, in_bursts: the connections of each worker, in ascending order, for each round.
    lost: connections that ended without an answer while workers were replaced.
    late: answers that took longer than two seconds.
    """

    one_by_one: list[list[int]]
    in_bursts: list[list[int]]
    rate: list[float]
    replaced: int = 0
    requests: int = 0
    lost: int = 0
    late: int = 0


class Running:
    """A server of one of the ways."""

    def __init__(self, way: str, folder: str) -> None:
        self.way = way
        self.log = Path(folder, f"{way}.log").open("w+b")  # noqa: SIM115 (__exit__ closes it)
        self.replaced = 0
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        if way == "Bascule":
            command = ["-m", "bascule", "serve", "apps.mixed:asgi", "--app-dir", str(BENCH)]
            command += ["--bind", f"127.0.0.1:{self.port}", "--workers", str(WORKERS)]
            command += ["--no-access-log"]
        else:
            command = [__file__, "--serve", way, str(self.port)]
        self.process = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )

    def __enter__(self) -> "Running":
        self.wait_until_settled()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            pass
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.log.close()

    def is_settled(self) -> bool:
        self.log.seek(0)
        said = self.log.read()
        if self.way != "Bascule":
            return b"ready" in said and said.count(b"replaced") == self.replaced
        ready = said.count(b") is ready after") == WORKERS * (1 + self.replaced)
        return ready and said.count(b" has ended (") == WORKERS * self.replaced

    def wait_until_settled(self) -> None:
        until = time.monotonic() + DEADLINE
        while not self.is_settled():
            if self.process.poll() is not None or time.monotonic() > until:
                self.log.seek(0)
                raise SystemExit(f"{self.way} does not work:\n{self.log.read().decode()}")
            time.sleep(POLL)

    def replace_all(self) -> None:
        self.process.send_signal(signal.SIGHUP)
        self.replaced += 1
        self.wait_until_settled()

    def spread(self, at_a_time: int) -> list[int]:
        """How many of the connections each worker has, from the fewest to the most."""
        had: Counter[bytes] = Counter()
        with contextlib.ExitStack() as stack:
            for _ in range(LASTING // at_a_time):
                burst = [
                    stack.enter_context(socket.create_connection(("127.0.0.1", self.port), 20))
                    for _ in range(at_a_time)
                ]
                for sock in burst:
                    sock.sendall(REQUEST)
                for sock in burst:
                    had[worker_of(sock)] += 1
        # A worker without any has not said its name.
        return sorted([*had.values(), *[0] * (WORKERS - len(had))])

    def quieten(self) -> None:
        """Until the server has noticed that the last round's connections are gone."""
        time.sleep(0.5)

    def begin_wrk(self, seconds: float) -> subprocess.Popen[str]:
        command = [
            "wrk",
            "-t1",
            "-c32",
            f"-d{seconds:g}s",
            "-s",
            f"{BENCH}/clients/wrk/report.lua",
        ]
        command += ["-H", "Connection: close", f"http://127.0.0.1:{self.port}/"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def worker_of(sock: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(4096)
        if not more:
            raise SystemExit("a connection was closed without an answer")
        data += more
    return re.search(rb"(?i)x-worker: (\d+)", data)[1]


def report_of(wrk: subprocess.Popen[str], seconds: float) -> dict[str, int]:
    output, _ = wrk.communicate(timeout=seconds + DEADLINE)
    found = REPORT.search(output)
    if found is None:
        raise SystemExit(f"wrk gave no report: {output}")
    return json.loads(found[1])


def measured(way: str, rounds: int, seconds: float, folder: str) -> Row:
    row = Row([], [], [])
    with Running(way, folder) as server:
        for _ in range(rounds):
            row.one_by_one.append(server.spread(1))
            server.quieten()
            row.in_bursts.append(server.spread(BURST))
            server.quieten()
            report = report_of(server.begin_wrk(seconds), seconds)
            row.rate.append(report["requests"] / (report["microseconds"] / 1e6))
    # New, so that each way leaves the same number of times.
    with Running(way, folder) as server:
        wrk = server.begin_wrk(600)
        for _ in range(rounds * 3):
            server.replace_all()
        wrk.send_signal(signal.SIGINT)
        report = report_of(wrk, 0)
        row.replaced = server.replaced * WORKERS
        row.requests = report["requests"]
        row.lost = sum(report[kind] for kind in ("connect", "read", "write"))
        row.late = report["timeout"]
    return row


def described(spreads: list[list[int]]) -> str:
    """The fewest and the most that any worker had in any round, and the deviation in a round."""
    fewest, most = min(map(min, spreads)), max(map(max, spreads))
    return f"{fewest} to {most}, {statistics.median(map(statistics.pstdev, spreads)):.0f}"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", help="a file for the numbers")
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.serve:
        way, port = options.serve
        SmallMaster(way, int(port)).run()
        return 0
    print(f"{WORKERS} workers; of {LASTING} lasting connections, the fewest and the most that a")
    print("worker had, and the standard deviation\n")
    headings = ("one by one", f"{BURST} at a time", "short ones (rough)", "lost in replacements")
    print("{:10} {:>19} {:>19} {:>19} {:>34}".format("", *headings))
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for way in WAYS:
            row = rows[way] = measured(way, options.rounds, options.seconds, folder)
            lost = f"{row.lost} of {row.requests:,} in {row.replaced}, {row.late} late"
            print(
                f"{way:10} {described(row.one_by_one):>19} {described(row.in_bursts):>19} "
                f"{statistics.median(row.rate):>17,.0f}/s {lost:>34}",
                flush=True,
            )
    if options.json:
        Path(options.json).write_text(json.dumps({way: asdict(row) for way, row in rows.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
