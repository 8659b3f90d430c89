"""The adapters beside their peers, in process: no server, no socket, one core.

python -m studies.adapters [--quick] [--seconds S] [--rounds N] [--megabytes N]

    hello    calls in a second of an app that answers a few bytes: one after another, and 32 at
             once
    stream   50 MB in and out again through an app that echoes what it reads; the memory that
             Python objects took at their most (tracemalloc), in a run of its own

Every adapter gets the same apps, and is driven by the same few lines, as a server would. Adapters
are measured in turn, round after round, so that a slow minute falls on all alike. An answer that
is not the one that had to come ends the run.
"""

import argparse
import asyncio
import contextvars
import gc
import io
import json
import os
import statistics
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

PIECE = 65536
TOGETHER = 32
THREADS = 8
HELLO = b"Hello, world!"
TEXT = [("Content-Type", "text/plain")]
STEP = 20  # calls between two readings of the clock


# The apps.


def wsgi_hello(environ: dict, start_response: Callable) -> Iterable[bytes]:
    start_response("200 OK", [*TEXT, ("Content-Length", "13")])
    return [HELLO]


def wsgi_echo(environ: dict, start_response: Callable) -> Iterable[bytes]:
    start_response("200 OK", TEXT)
    return iter(lambda: environ["wsgi.input"].read(PIECE), b"")


async def asgi_hello(scope: dict, receive: Callable, send: Callable) -> None:
    if scope["type"] != "http":
        raise RuntimeError("no lifespan")
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"13")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": HELLO})


async def asgi_echo(scope: dict, receive: Callable, send: Callable) -> None:
    if scope["type"] != "http":
        raise RuntimeError("no lifespan")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        await send({"type": "http.response.body", "body": message["body"], "more_body": more})


# The adapters. Each is imported where it is made: a peer that is not installed is left out.


def asgi_by_bascule(app: Callable) -> Callable:
    from bascule.adapters import WSGIToASGI

    return WSGIToASGI(app, threads=THREADS)


def asgi_by_asgiref(app: Callable) -> Callable:
    from asgiref.wsgi import WsgiToAsgi

    return WsgiToAsgi(app)


def asgi_by_a2wsgi(app: Callable) -> Callable:
    from a2wsgi import WSGIMiddleware

    return WSGIMiddleware(app, workers=THREADS)


def wsgi_by_bascule(app: Callable) -> Callable:
    from bascule.adapters import ASGIToWSGI

    return ASGIToWSGI(app)


def wsgi_by_a2wsgi(app: Callable) -> Callable:
    from a2wsgi import ASGIMiddleware

    return ASGIMiddleware(app)


WSGI_TO_ASGI = {
    "Bascule WSGIToASGI": asgi_by_bascule,
    "asgiref WsgiToAsgi": asgi_by_asgiref,
    "a2wsgi WSGIMiddleware": asgi_by_a2wsgi,
}
ASGI_TO_WSGI = {
    "Bascule ASGIToWSGI": wsgi_by_bascule,
    "a2wsgi ASGIMiddleware": wsgi_by_a2wsgi,
}


# The work of a server.


def scope(method: str) -> dict:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1:8000"), (b"user-agent", b"bench")],
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 8000),
    }


def environ(method: str, body: object) -> dict:
    return {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "40000",
        "HTTP_HOST": "127.0.0.1:8000",
        "HTTP_USER_AGENT": "bench",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


class Source(io.RawIOBase):
    """A request body of `left` bytes that is never in memory as a whole."""

    def __init__(self, left: int) -> None:
        self.left = left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        size = min(len(buffer), self.left)
        buffer[:size] = bytes(size)
        self.left -= size
        return size


async def call_asgi(app: Callable, method: str = "GET", size: int = 0) -> int:
    """One request with a body of `size` bytes; the size of the answer."""
    left = size
    got = 0
    over = False
    parting = None

    async def receive() -> dict:
        nonlocal left, parting
        if over or parting is not None:
            # The client stays until it has its answer.
            parting = parting or asyncio.get_running_loop().create_future()
            await parting
            return {"type": "http.disconnect"}
        piece = min(left, PIECE)
        left -= piece
        if left == 0:
            parting = asyncio.get_running_loop().create_future()
        return {"type": "http.request", "body": bytes(piece), "more_body": left > 0}

    async def send(message: dict) -> None:
        nonlocal got, over
        if message["type"] == "http.response.body":
            got += len(message.get("body", b""))
            over = not message.get("more_body", False)

    asked = scope(method)
    if size:
        asked["headers"].append((b"content-length", b"%d" % size))
    await app(asked, receive, send)
    if not over:
        raise SystemExit("the response is not complete")
    return got


def call_wsgi(app: Callable, method: str = "GET", size: int = 0) -> int:
    """The same by WSGI."""
    statuses = []
    asked = environ(method, io.BufferedReader(Source(size), PIECE))
    if size:
        asked["CONTENT_LENGTH"] = str(size)
    response = app(asked, lambda status, headers, exc_info=None: statuses.append(status))
    try:
        got = sum(map(len, response))
    finally:
        if hasattr(response, "close"):
            response.close()
    if not statuses or not statuses[0].startswith("200"):
        raise SystemExit(f"the app answered {statuses}")
    return got


def expect(got: int, wanted: int) -> None:
    if got != wanted:
        raise SystemExit(f"{got} bytes came back, not {wanted}")


# The measurements.


def asgi_rate(app: Callable, seconds: float, together: int) -> float:
    """Calls in a second, with so many at once."""
    calls = 0

    async def client(until: float) -> None:
        nonlocal calls
        while time.perf_counter() < until:
            for _ in range(STEP):
                expect(await call_asgi(app), len(HELLO))
            calls += STEP

    async def measure() -> float:
        expect(await call_asgi(app), len(HELLO))
        began = time.perf_counter()
        await asyncio.gather(*(client(began + seconds) for _ in range(together)))
        return calls / (time.perf_counter() - began)

    return asyncio.run(measure())


def wsgi_rate(app: Callable, seconds: float, together: int) -> float:
    """The same, with as many threads as a server has."""
    expect(call_wsgi(app), len(HELLO))

    def client(until: float) -> int:
        calls = 0
        while time.perf_counter() < until:
            for _ in range(STEP):
                # As each thread of a server does it: a context for the request.
                expect(contextvars.copy_context().run(call_wsgi, app), len(HELLO))
            calls += STEP
        return calls

    threads = min(together, THREADS)
    with ThreadPoolExecutor(threads) as pool:
        began = time.perf_counter()
        calls = sum(pool.map(client, [began + seconds] * threads))
        return calls / (time.perf_counter() - began)


def stream(call: Callable[[], int], size: int) -> dict[str, float]:
    """A whole body there and back: how long it takes, then, traced, how much memory."""
    began = time.perf_counter()
    expect(call(), size)
    elapsed = time.perf_counter() - began
    gc.collect()
    tracemalloc.start()
    try:
        expect(call(), size)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return {"MB/s": size / elapsed / 1e6, "peak MB": peak / 1e6}


def measure(
    makers: dict[str, Callable], hello: Callable, echo: Callable, is_asgi: bool, options
) -> dict[str, dict[str, float]]:
    """One table: the median of each number over the rounds."""
    rate = asgi_rate if is_asgi else wsgi_rate
    size = options.megabytes * 1_000_000
    samples: dict[str, dict[str, list[float]]] = {}
    adapters = made(makers, hello, echo)
    for _ in range(options.rounds):
        for name, (small, large) in adapters.items():
            row = samples.setdefault(name, {})
            row.setdefault("one by one", []).append(rate(small, options.seconds, 1))
            row.setdefault("at once", []).append(rate(small, options.seconds, TOGETHER))
            if is_asgi:
                found = stream(lambda app=large: asyncio.run(call_asgi(app, "POST", size)), size)
            else:
                found = stream(lambda app=large: call_wsgi(app, "POST", size), size)
            for key, value in found.items():
                row.setdefault(key, []).append(value)
    return {
        name: {key: statistics.median(values) for key, values in row.items()}
        for name, row in samples.items()
    }


def made(makers: dict[str, Callable], hello: Callable, echo: Callable) -> dict:
    found = {}
    for name, maker in makers.items():
        try:
            found[name] = (maker(hello), maker(echo))
        except ModuleNotFoundError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
    return found


def show(title: str, rows: dict[str, dict[str, float]]) -> None:
    ours, *peers = rows
    print(f"\n{title}")
    print(f"  {'':24}{'one by one':>12}{'at once':>12}{'MB/s':>10}{'peak MB':>10}")
    for name, row in rows.items():
        print(
            f"  {name:24}{row['one by one']:>12,.0f}{row['at once']:>12,.0f}"
            f"{row['MB/s']:>10,.0f}{row['peak MB']:>10,.1f}"
        )
    for key in ("one by one", "at once"):
        if peers:
            best = max(peers, key=lambda peer: rows[peer][key])
            ratio = rows[ours][key] / rows[best][key]
            print(f"  {key}: {ratio:.2f} times {best} (wanted: 2)")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--megabytes", type=int, default=50)
    parser.add_argument("--core", type=int, help="the core to run on")
    parser.add_argument("--json", help="a file for the numbers")
    options = parser.parse_args(arguments)
    if options.quick:
        options.rounds, options.seconds = 1, 0.3
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    results = {
        "WSGI app by ASGI": measure(WSGI_TO_ASGI, wsgi_hello, wsgi_echo, True, options),
        "ASGI app by WSGI": measure(ASGI_TO_WSGI, asgi_hello, asgi_echo, False, options),
    }
    for title, rows in results.items():
        show(title, rows)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)
    sys.stdout.flush()
    # Peers leave threads behind that are no daemons.
    if threading.active_count() > 1:
        os._exit(0)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
