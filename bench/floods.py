"""How long an honest client waits beside connections that keep the server's loop busy.

    python bench/floods.py [--attackers N] [--seconds S] [--python PATH] [options of bascule serve]

Each attacker writes one of these as fast as the server reads it, again when it is through, and
reads what comes back:

    requests   100,000 pipelined GET requests
    chunks     an upload of 500,000 chunks of one byte

Meanwhile a client asks again and again for a small page, each time on a new connection. The
numbers are in milliseconds: the median of its waits, and the longest. The aim is 20 ms at most
beside one attacker, and 50 ms beside twenty. What is left of the command line goes to the server.
Both interfaces are measured; `--threads 0` is an option of the server.
"""

import argparse
import contextlib
import os
import selectors
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

BENCH = Path(__file__).parent
DEADLINE = 20.0
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
UPLOAD = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
FLOODS = {
    "requests": GET * 100_000,
    "chunks": UPLOAD + b"1\r\nx\r\n" * 500_000 + b"0\r\n\r\n",
}
APPS = {
    "asgi": """
async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("no lifespan here")
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})
""",
    "wsgi": """
def app(environ, start_response):
    while environ["wsgi.input"].read(65536):
        pass
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
""",
}


class Flood:
    """Attackers in a process of their own, so that they do not slow the honest client down."""

    def __init__(self, port: int, count: int, octets: bytes) -> None:
        self.pid = os.fork()
        if self.pid == 0:
            try:
                attack(port, count, octets)
            finally:
                os._exit(0)

    def stop(self) -> None:
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)


def attack(port: int, count: int, octets: bytes) -> None:
    selector = selectors.DefaultSelector()
    for _ in range(count):
        sock = socket.create_connection(("127.0.0.1", port), DEADLINE)
        sock.setblocking(False)
        selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE, [0])
    while True:
        for key, _ in selector.select():
            sock: socket.socket = key.fileobj
            with contextlib.suppress(BlockingIOError):
                key.data[0] += sock.send(memoryview(octets)[key.data[0] :])
                if key.data[0] == len(octets):
                    key.data[0] = 0
            with contextlib.suppress(BlockingIOError):
                if not sock.recv(262144):
                    raise SystemExit("the server has closed an attacker's connection")


@contextlib.contextmanager
def served(python: str, interface: str, options: list[str]) -> Iterator[int]:
    """The port of a server that answers."""
    work = BENCH / "work"
    work.mkdir(exist_ok=True)
    (work / f"flooded_{interface}.py").write_text(APPS[interface])
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    command = [python, "-m", "bascule", "serve", f"flooded_{interface}:app", "-b", f":{port}"]
    process = subprocess.Popen(
        [*command, *options], cwd=work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        ends_at = time.monotonic() + DEADLINE
        while True:
            try:
                ask(port)
                break
            except OSError:
                if time.monotonic() > ends_at or process.poll() is not None:
                    raise SystemExit("the server does not answer") from None
                time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()


def ask(port: int) -> float:
    """Milliseconds until the answer is here."""
    began = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), DEADLINE) as sock:
        sock.sendall(GET)
        if not sock.recv(4096).startswith(b"HTTP/1.1 200"):
            raise SystemExit("the honest client was not answered with 200")
    return (time.perf_counter() - began) * 1000


def measure(port: int, flood: str, attackers: int, seconds: float) -> list[float]:
    running = Flood(port, attackers, FLOODS[flood])
    try:
        waited = []
        ends_at = time.monotonic() + seconds
        pause = threading.Event()
        while time.monotonic() < ends_at:
            waited.append(ask(port))
            pause.wait(0.01)
        return waited
    finally:
        running.stop()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--attackers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--python", default=sys.executable)
    options, rest = parser.parse_known_args(arguments)
    for interface in APPS:
        with served(options.python, interface, rest) as port:
            for flood in FLOODS:
                waited = measure(port, flood, options.attackers, options.seconds)
                print(
                    f"{interface} {flood:10} {len(waited):5} answers, "
                    f"median {statistics.median(waited):6.1f} ms, longest {max(waited):6.1f} ms",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
