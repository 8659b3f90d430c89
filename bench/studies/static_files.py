"""Static files: Bascule beside Granian, uWSGI and nginx, on one core each.

    python -m studies.static_files [--seconds S] [--rounds N] [--only NAME ...] [--rows ROW ...]

Run it with Bascule installed, or with PYTHONPATH=src. It needs wrk, h2load, curl and openssl, and
the peers that are found: granian and uwsgi on PATH, nginx of the system. The server is pinned to
one core, the client to another. The rounds are interleaved: each measures every server once. A row
shows medians, and Bascule's throughput divided by that of the others; "<" marks a ratio below its
target. Before a row is measured, curl checks the answer of the server; "-" is in the place of one
that has no such answer.

    1k, 100k, 10m   whole files
    304             a conditional request for 100k
    range           64 KiB from the middle of 10m

Each over HTTP/1.1, TLS and HTTP/2. "hello beside" is a hello of the application (of nginx itself)
over 8 connections, beside 8 clients that download 10m without a pause; "share" is what is left of
its throughput without them.
"""

import argparse
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness import certificate

SIZES = {"1k": 1024, "100k": 102_400, "10m": 10_485_760}
ROWS = (*SIZES, "304", "range")
BESIDE = "hello beside"
PART = (5_000_000, 5_065_535)
PROTOCOLS = ("HTTP/1.1", "TLS", "HTTP/2")
# Throughput divided by that of a peer, at least.
TARGETS = {"Granian": 2.0, "uWSGI": 1.5, "nginx": 0.5}
SERVER_CORE, CLIENT_CORE = "0", "1"
CONNECTIONS = "16"
DEADLINE = 30.0
RATE = re.compile(r"Requests/sec:\s+([0-9.]+)|finished in [0-9.]+s, ([0-9.]+) req/s")
FAILED = re.compile(r"Non-2xx or 3xx responses: (\d+)|, ([1-9]\d*) failed|, ([1-9]\d*) errored")
NGINX = """
daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/error.log;
{user}
events {{ worker_connections 1024; }}
http {{
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
    client_body_temp_path {directory}/b; proxy_temp_path {directory}/p;
    fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
    ssl_certificate {cert}; ssl_certificate_key {key};
    server {{
        listen 127.0.0.1:{port}{listen};
        location /static/ {{ alias {directory}/files/; }}
        location / {{ return 200 "Hello, world!"; }}
    }}
}}
"""
APP = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"13")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"Hello, world!"})


def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "13")])
    return [b"Hello, world!"]
"""
PATH = os.environ.get("PATH", "") + ":/usr/sbin"


def commands(directory: Path, port: int, protocol: str) -> dict[str, list[str]]:
    """The servers that are installed and have the protocol, and how each is started."""
    files = directory / "files"
    is_tls = protocol != "HTTP/1.1"
    cert, key = str(certificate.CERT), str(certificate.KEY)
    (directory / "nginx.conf").write_text(
        NGINX.format(
            directory=directory,
            port=port,
            user="user root;" if os.geteuid() == 0 else "",
            listen={"HTTP/1.1": "", "TLS": " ssl", "HTTP/2": " ssl http2"}[protocol],
            cert=cert,
            key=key,
        )
    )
    listen = f"127.0.0.1:{port},{cert},{key}" if is_tls else f"127.0.0.1:{port}"
    all_of_them = {
        "Bascule": [
            sys.executable, "-m", "bascule", "serve", "app:app", "--port", str(port),
            "--static", f"/static={files}", "--no-access-log", "--log-level", "warning",
            *(["--ssl-certfile", cert, "--ssl-keyfile", key] if is_tls else []),
        ],
        "Granian": [
            "granian", "--interface", "asgi", "app:app", "--port", str(port),
            "--static-path-mount", str(files), "--static-path-route", "/static",
            "--log-level", "warning",
            *(["--ssl-certificate", cert, "--ssl-keyfile", key] if is_tls else []),
        ],
        "uWSGI": [
            "uwsgi", "--https-socket" if is_tls else "--http-socket", listen, "--master",
            "--processes", "1", "--threads", "8", "--static-map", f"/static={files}",
            "--disable-logging", "--wsgi-file", "app.py", "--callable", "wsgi",
            "--http-keepalive", "--so-keepalive", "--die-on-term",
        ],
        "nginx": ["nginx", "-p", str(directory), "-c", str(directory / "nginx.conf")],
    }  # fmt: skip
    if protocol == "HTTP/2":
        del all_of_them["uWSGI"]
    return {
        name: command
        for name, command in all_of_them.items()
        if name == "Bascule" or shutil.which(command[0], path=PATH)
    }


@contextmanager
def serving(command: list[str], directory: Path, port: int) -> Iterator[None]:
    """Run a server on its core until the measurement is over."""
    process = subprocess.Popen(
        ["taskset", "-c", SERVER_CORE, *command],
        cwd=directory,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "PATH": PATH},
    )
    try:
        until = time.monotonic() + DEADLINE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > until:
                    raise SystemExit(f"{command[0]} did not start") from None
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Target:
    """One server under one protocol, for the clients."""

    def __init__(self, port: int, protocol: str, directory: Path) -> None:
        self.protocol = protocol
        self.directory = directory
        self.base = f"{'http' if protocol == 'HTTP/1.1' else 'https'}://127.0.0.1:{port}"

    def url(self, row: str) -> str:
        """The file of a row."""
        return f"{self.base}/static/{ {'304': '100k', 'range': '10m'}.get(row, row) }"

    def curl(self, url: str, *options: str) -> bytes:
        version = "--http2" if self.protocol == "HTTP/2" else "--http1.1"
        command = ["curl", "-sk", "--max-time", "20", version, *options, url]
        return subprocess.run(command, capture_output=True, check=False).stdout

    def fields(self, row: str) -> list[str]:
        """The fields of the requests of a row; a condition by the tag that the server gives, or
        by its date."""
        if row == "range":
            return ["Range: bytes={}-{}".format(*PART)]
        if row != "304":
            return []
        head = self.curl(self.url(row), "-I").decode("latin-1")
        found = re.search(r"(?im)^(etag|last-modified): (.*?)\r?$", head)
        if found is None:
            return ["If-None-Match: none"]
        name = "If-None-Match" if found[1].lower() == "etag" else "If-Modified-Since"
        return [f"{name}: {found[2]}"]

    def answers(self, row: str) -> bool:
        """Whether the server answers a row as HTTP wants it, byte for byte."""
        given = [part for field in self.fields(row) for part in ("-H", field)]
        answer = self.curl(self.url(row), *given, "-w", "%{http_code}")
        content = (self.directory / "files" / self.url(row).rpartition("/")[2]).read_bytes()
        expected = {
            "304": b"304",
            "range": content[PART[0] : PART[1] + 1] + b"206",
        }.get(row, content + b"200")
        return answer == expected

    def rate(self, url: str, fields: list[str], seconds: int, connections: str) -> float:
        """Requests a second."""
        given = [part for field in fields for part in ("-H", field)]
        load = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", *given, url]
        if self.protocol == "HTTP/2":
            load = ["h2load", "-t1", "-c4", "-m4", "-D", str(seconds), *given, url]
        command = ["taskset", "-c", CLIENT_CORE, *load]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        failed = FAILED.search(done.stdout)
        if failed is not None:
            raise SystemExit(f"{url}: requests failed\n{done.stdout}")
        match = RATE.search(done.stdout)
        assert match is not None, done.stdout
        return float(match[1] or match[2])

    @contextmanager
    def downloads(self, seconds: int) -> Iterator[None]:
        """Eight clients download the large file meanwhile."""
        load = ["wrk", "-t1", "-c8", f"-d{seconds + 2}", self.url("10m")]
        process = subprocess.Popen(
            ["taskset", "-c", CLIENT_CORE, *load],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            # They have begun.
            time.sleep(0.5)
            yield
        finally:
            process.terminate()
            process.wait()


Rates = dict[tuple[str, str, str], list[float]]


def measure(options: argparse.Namespace, directory: Path, port: int) -> Rates:
    """Every rate of every round, by protocol, row and server."""
    rates: Rates = {}
    refused: set[tuple[str, str, str]] = set()
    for _ in range(options.rounds):
        for protocol in options.protocols:
            servers = commands(directory, port, protocol)
            chosen = options.only or servers
            target = Target(port, protocol, directory)
            for name in [name for name in servers if name in chosen]:
                with serving(servers[name], directory, port):
                    for row in options.rows:
                        key = (protocol, row, name)
                        if row == BESIDE:
                            if protocol == "HTTP/1.1":
                                measure_beside(target, name, options.seconds, rates)
                            continue
                        if key not in rates and key not in refused and not target.answers(row):
                            refused.add(key)
                        if key not in refused:
                            found = target.rate(
                                target.url(row), target.fields(row), options.seconds, CONNECTIONS
                            )
                            rates.setdefault(key, []).append(found)
    return rates


def measure_beside(target: Target, name: str, seconds: int, rates: Rates) -> None:
    url = f"{target.base}/"
    alone = target.rate(url, [], seconds, "8")
    with target.downloads(seconds):
        beside = target.rate(url, [], seconds, "8")
    rates.setdefault((target.protocol, BESIDE, name), []).append(beside)
    rates.setdefault((target.protocol, "share", name), []).append(beside / alone)


def table(medians: Mapping[tuple[str, str, str], float], protocol: str) -> Iterator[str]:
    """The lines of a protocol."""
    names = ["Bascule", *TARGETS]
    present = [name for name in names if any(key[2] == name for key in medians)]
    others = [name for name in present if name != "Bascule"]
    yield "| " + " | ".join([protocol, *present, *(f"Bascule ÷ {name}" for name in others)]) + " |"
    yield "| --- |" + " ---: |" * (len(present) + len(others))
    for row in (*ROWS, BESIDE, "share"):
        found = {name: medians.get((protocol, row, name)) for name in present}
        if not any(found.values()):
            continue
        form = "{:.2f}" if row == "share" else "{:,.0f}"
        cells = ["-" if value is None else form.format(value) for value in found.values()]
        for name in others:
            own, other = found.get("Bascule"), found[name]
            if not own or not other:
                cells.append("-")
                continue
            below = row not in (BESIDE, "share") and own / other < TARGETS[name]
            cells.append(f"{own / other:.2f}{' <' if below else ''}")
        yield "| " + " | ".join([row, *cells]) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[], choices=["Bascule", *TARGETS])
    parser.add_argument("--rows", nargs="*", default=[*ROWS, BESIDE])
    parser.add_argument("--protocols", nargs="*", default=PROTOCOLS, choices=PROTOCOLS)
    options = parser.parse_args()
    certificate.create()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        directory.chmod(0o755)
        (directory / "files").mkdir()
        (directory / "app.py").write_text(APP)
        for name, size in SIZES.items():
            (directory / "files" / name).write_bytes(os.urandom(size))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        rates = measure(options, directory, port)
    medians = {key: statistics.median(values) for key, values in rates.items()}
    for protocol in options.protocols:
        print("\n".join(table(medians, protocol)), end="\n\n")


if __name__ == "__main__":
    main()
