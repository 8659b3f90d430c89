"""Memory of an idle keep-alive connection: Bascule alone.

    python -m studies.idle_connections [--connections N]

Run it with Bascule installed, or with PYTHONPATH=../src. A server is started, its memory read, N
connections opened, and one request made on each of them. The growth of the server's private pages
is shown for each connection. The kernel's buffers are not in it. N is limited by the open files
that the system allows (`ulimit -Hn`).
"""

import argparse
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from apps import payloads
from clients.counted import HOST_ONLY, Client, Http1Client, TlsClient
from harness import certificate
from harness.certificate import CERT, KEY

CASES: dict[str, tuple[str, tuple[str, ...], type[Http1Client]]] = {
    "ASGI": ("apps.asgi:hello", (), Http1Client),
    "WSGI, 4 threads": ("apps.wsgi:hello", ("--threads", "4"), Http1Client),
    "ASGI over TLS": (
        "apps.asgi:hello", ("--ssl-certfile", str(CERT), "--ssl-keyfile", str(KEY)), TlsClient,
    ),
}  # fmt: skip
DEADLINE = 30.0
# Connections before the first reading: they make what is made once.
FIRST = 100
SETTLE_SECONDS = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--connections", type=int, default=5000, metavar="N")
    chosen = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    certificate.create()
    for name, (app, arguments, kind) in CASES.items():
        print(
            f"{name:18} {growth(app, arguments, kind, chosen.connections):8,.0f} bytes", flush=True
        )


def growth(app: str, arguments: tuple[str, ...], kind: type[Http1Client], count: int) -> float:
    """The bytes of each of so many connections."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with served(app, arguments, port) as process, ExitStack() as stack:
        open_all(stack, kind, port, FIRST)
        time.sleep(SETTLE_SECONDS)
        before = private_bytes(process.pid)
        open_all(stack, kind, port, count)
        time.sleep(SETTLE_SECONDS)
        return (private_bytes(process.pid) - before) / count


def open_all(stack: ExitStack, kind: type[Http1Client], port: int, count: int) -> None:
    """One request on each, so that the connection knows its protocol and has been used."""
    request = HOST_ONLY.replace(b"{path}", b"/")
    for _ in range(count):
        client: Client = kind(port, request, payloads.HELLO)
        client.open()
        stack.callback(client.close)
        client.exchange()


def private_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


@contextmanager
def served(app: str, arguments: tuple[str, ...], port: int) -> Iterator[subprocess.Popen]:
    command = [
        sys.executable, "-m", "bascule", "serve", app, "--app-dir", ".", "--bind",
        f"127.0.0.1:{port}", "--log-level", "warning", "--no-access-log",
        "--limit-connections", "100000", "--timeout-keep-alive", "600", *arguments,
    ]  # fmt: skip
    process = subprocess.Popen(command, env={**os.environ, "PYTHONHASHSEED": "0"})
    try:
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait(DEADLINE)


if __name__ == "__main__":
    main()
