"""Static files: Bascule beside Granian, uWSGI and nginx, on one core each.

    python -m studies.static_files [--seconds S] [--rounds N] [--only NAME ...]

Run it with Bascule installed, or with PYTHONPATH=src; it needs wrk, and the peers that are found:
granian and uwsgi on PATH, nginx of the system. The server is pinned to one core, wrk to another.
The rounds are interleaved: each measures every server once. A row shows medians, and Bascule's
throughput divided by that of the others.

    1k, 100k, 10m   whole files
    304             a conditional request for 100k
    range           64 KiB from the middle of 10m
"""

import argparse
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

SIZES = {"1k": 1024, "100k": 102_400, "10m": 10_485_760}
SERVER_CORE, CLIENT_CORE = "0", "1"
CONNECTIONS = "16"
DEADLINE = 30.0
RATE = re.compile(r"Requests/sec:\s+([0-9.]+)")
FAILED = re.compile(r"Non-2xx or 3xx responses: (\d+)")
NGINX = """
daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/error.log;
{user}
events {{ worker_connections 1024; }}
http {{
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
    client_body_temp_path {directory}/b; proxy_temp_path {directory}/p;
    fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
    server {{ listen 127.0.0.1:{port}; location /static/ {{ alias {directory}/files/; }} }}
}}
"""
APP = """
async def app(scope, receive, send):
    raise RuntimeError("no request is meant for the application")


def wsgi(environ, start_response):
    start_response("404 Not Found", [])
    return [b""]
"""


def commands(directory: Path, port: int) -> dict[str, list[str]]:
    """The servers that are installed, and how each is started."""
    files = directory / "files"
    (directory / "nginx.conf").write_text(
        NGINX.format(
            directory=directory, port=port, user="user root;" if os.geteuid() == 0 else ""
        )
    )
    all_of_them = {
        "Bascule": [
            sys.executable, "-m", "bascule", "serve", "app:app", "--port", str(port),
            "--static", f"/static={files}", "--no-access-log", "--log-level", "warning",
        ],
        "Granian": [
            "granian", "--interface", "asgi", "app:app", "--port", str(port),
            "--static-path-mount", str(files), "--static-path-route", "/static",
            "--log-level", "warning",
        ],
        "uWSGI": [
            "uwsgi", "--http-socket", f"127.0.0.1:{port}", "--master", "--processes", "1",
            "--threads", "8", "--static-map", f"/static={files}", "--disable-logging",
            "--wsgi-file", "app.py", "--callable", "wsgi", "--http-keepalive", "--so-keepalive",
        ],
        "nginx": [
            "nginx", "-p", str(directory), "-c", str(directory / "nginx.conf"),
        ],
    }  # fmt: skip
    path = os.environ.get("PATH", "") + ":/usr/sbin"
    return {
        name: command
        for name, command in all_of_them.items()
        if name == "Bascule" or shutil.which(command[0], path=path)
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
        env={**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin"},
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
            process.kill()
            process.wait()


def etag(port: int) -> str:
    """The validator that the server gives to 100k; its date where it gives no entity tag."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(b"HEAD /static/100k HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        head = b"".join(iter(lambda: sock.recv(65536), b"")).decode("latin-1")
    found = re.search(r"(?im)^(etag|last-modified): (.*?)\r?$", head)
    if found is None:
        return ""
    name = "If-None-Match" if found[1].lower() == "etag" else "If-Modified-Since"
    return f"{name}: {found[2]}"


def rate(port: int, row: str, seconds: int) -> float:
    """Requests a second."""
    name = {"304": "100k", "range": "10m"}.get(row, row)
    fields = []
    if row == "304":
        fields = ["-H", etag(port)]
    if row == "range":
        fields = ["-H", "Range: bytes=5000000-5065535"]
    done = subprocess.run(
        [
            "taskset", "-c", CLIENT_CORE, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}",
            *fields, f"http://127.0.0.1:{port}/static/{name}",
        ],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    failed = FAILED.search(done.stdout)
    if failed is not None:
        raise SystemExit(f"{row}: {failed[1]} requests failed")
    match = RATE.search(done.stdout)
    assert match is not None, done.stdout
    return float(match[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args()
    rows = [*SIZES, "304", "range"]
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        directory.chmod(0o755)
        (directory / "files").mkdir()
        (directory / "app.py").write_text(APP)
        for name, size in SIZES.items():
            (directory / "files" / name).write_bytes(os.urandom(size))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        servers = commands(directory, port)
        if options.only:
            servers = {name: servers[name] for name in options.only}
        rates: dict[tuple[str, str], list[float]] = {}
        for _ in range(options.rounds):
            for name, command in servers.items():
                with serving(command, directory, port):
                    for row in rows:
                        rates.setdefault((name, row), []).append(rate(port, row, options.seconds))
    medians = {key: statistics.median(values) for key, values in rates.items()}
    others = [name for name in servers if name != "Bascule"]
    print("|", " | ".join(["", *servers, *(f"Bascule ÷ {name}" for name in others)]))
    for row in rows:
        values = [f"{medians[name, row]:,.0f}" for name in servers]
        ratios = [f"{medians['Bascule', row] / medians[name, row]:.2f}" for name in others]
        print("|", " | ".join([row, *values, *ratios]))


if __name__ == "__main__":
    main()
