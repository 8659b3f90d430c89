"""How long an honest client waits beside connections that keep the server's loop busy.

    python -m studies.floods [--attackers N] [--seconds S] [--flood NAME] [--python PATH]
                             [options]

Each attacker writes one of these as fast as the server reads it, again when it is through, for
HTTP/2 on a new connection, and reads what comes back:

    requests   100,000 pipelined GET requests
    chunks     an upload of 500,000 chunks of one byte
    streams    100,000 GET requests over HTTP/2
    pieces     two uploads over HTTP/2 as long as a window, in pieces of one byte
    pings      a WebSocket with 500,000 pings
    messages   a WebSocket with 500,000 messages of one byte (ASGI: the application echoes them)

Meanwhile a client asks again and again for a small page, each time on a new connection. The
numbers are in milliseconds: the median of its waits, and the longest. The aim is 20 ms at most
beside one attacker, and 50 ms beside twenty. The options are those of `bascule serve`.
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

BENCH = Path(__file__).resolve().parents[1]
DEADLINE = 20.0
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
# `:method: GET`, `:scheme: http`, `:path: /` and `:authority: a`; and the same of a POST.
HEAD = bytes((0x82, 0x86, 0x84, 0x41, 1)) + b"a"
POST_HEAD = bytes((0x83,)) + HEAD[1:]
WINDOW = 131072
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
UPLOAD = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """A frame of HTTP/2."""
    head = len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big")
    return head + payload


def pieces(stream: int) -> bytes:
    return frame(1, 4, stream, POST_HEAD) + frame(0, 0, stream, b"x") * WINDOW


FLOODS = {
    "requests": GET * 100_000,
    "chunks": UPLOAD + b"1\r\nx\r\n" * 500_000 + b"0\r\n\r\n",
    "streams": PREFACE + b"".join(frame(1, 5, number, HEAD) for number in range(1, 200_000, 2)),
    "pieces": PREFACE + pieces(1) + pieces(3),
    "pings": HANDSHAKE + b"\x89\x80\0\0\0\0" * 500_000,
    "messages": HANDSHAKE + b"\x81\x81\0\0\0\0x" * 500_000,
}
# Their connections cannot be used again, or are closed by the server.
ONCE = ("streams", "pieces", "pings", "messages")
APPS = {
    "asgi": """
async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})
        return
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

    def __init__(self, port: int, count: int, flood: str) -> None:
        self.pid = os.fork()
        if self.pid == 0:
            try:
                attack(port, count, FLOODS[flood], flood in ONCE)
            finally:
                os._exit(0)

    def stop(self) -> None:
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)


def attack(port: int, count: int, data: bytes, once: bool) -> None:
    selector = selectors.DefaultSelector()

    def connect() -> None:
        sock = socket.create_connection(("127.0.0.1", port), DEADLINE)
        sock.setblocking(False)
        selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE, [0])

    def reconnect(sock: socket.socket) -> None:
        if not once:
            raise SystemExit("the server has closed an attacker's connection")
        selector.unregister(sock)
        sock.close()
        connect()

    for _ in range(count):
        connect()
    while True:
        for key, _ in selector.select():
            sock: socket.socket = key.fileobj
            try:
                if not sock.recv(262144):
                    reconnect(sock)
                    continue
            except BlockingIOError:
                pass
            except OSError:
                reconnect(sock)
                continue
            if key.data[0] == len(data):
                # Its end is sent, and the server's awaited.
                continue
            with contextlib.suppress(BlockingIOError, ConnectionError):
                key.data[0] += sock.send(memoryview(data)[key.data[0] :])
            if key.data[0] == len(data) and once:
                sock.shutdown(socket.SHUT_WR)
                selector.modify(sock, selectors.EVENT_READ, key.data)
            elif key.data[0] == len(data):
                key.data[0] = 0


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
    running = Flood(port, attackers, flood)
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
    parser.add_argument(
        "--flood", choices=FLOODS, action="append", help="only this; may be given again"
    )
    options, rest = parser.parse_known_args(arguments)
    for interface in APPS:
        with served(options.python, interface, rest) as port:
            for flood in options.flood or FLOODS:
                waited = measure(port, flood, options.attackers, options.seconds)
                print(
                    f"{interface} {flood:10} {len(waited):5} answers, "
                    f"median {statistics.median(waited):6.1f} ms, longest {max(waited):6.1f} ms",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
