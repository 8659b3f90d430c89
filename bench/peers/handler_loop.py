"""How fast Django itself is: its handler called in a loop, with no server and no socket.

python handler_loop.py wsgi|asgi|bascule PATH SECONDS   prints {"requests": n, "seconds": s}

`bascule` is the ASGI application of bascule.django.handler, called like Django's.
"""

import asyncio
import importlib
import io
import json
import os
import sys
import time

WARM_UP = 0.5
STEP = 20  # calls between two readings of the clock


def wsgi_environ(path: str) -> dict:
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "40000",
        "HTTP_HOST": "127.0.0.1:8000",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def call_wsgi(app, environ: dict) -> None:
    """Do the work of a server around one call: a fresh environ, the whole body, close()."""
    statuses = []
    response = app(dict(environ), lambda status, headers, exc_info=None: statuses.append(status))
    body = b"".join(response)
    response.close()
    if statuses != ["200 OK"] or not body:
        raise SystemExit(f"the view answered {statuses}")


def loop_wsgi(path: str, seconds: float) -> tuple[int, float]:
    app = importlib.import_module("djangosite.wsgi").application
    environ = wsgi_environ(path)
    began = time.perf_counter()
    calls = 0
    while (elapsed := time.perf_counter() - began) < seconds:
        for _ in range(STEP):
            call_wsgi(app, environ)
        calls += STEP
    return calls, elapsed


def asgi_scope(path: str) -> dict:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1:8000")],
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 8000),
    }


async def call_asgi(app, scope: dict) -> None:
    """One request, then silence: Django waits for the disconnect beside the view and cancels
    that wait.
    """
    messages = [{"type": "http.request", "body": b"", "more_body": False}]
    sent = []

    async def receive():
        if messages:
            return messages.pop()
        return await asyncio.get_running_loop().create_future()

    async def send(message):
        sent.append(message)

    await app(dict(scope), receive, send)
    if sent[0]["status"] != 200:
        raise SystemExit(f"the view answered {sent[0]['status']}")


def asgi_app(interface: str):
    if interface == "asgi":
        return importlib.import_module("djangosite.asgi").application
    from bascule.django.handler import get_asgi_application

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "djangosite.settings")
    return get_asgi_application()


async def loop_asgi(app, path: str, seconds: float) -> tuple[int, float]:
    scope = asgi_scope(path)
    began = time.perf_counter()
    calls = 0
    while (elapsed := time.perf_counter() - began) < seconds:
        for _ in range(STEP):
            await call_asgi(app, scope)
        calls += STEP
    return calls, elapsed


async def warm_and_loop_asgi(interface: str, path: str, seconds: float) -> tuple[int, float]:
    app = asgi_app(interface)
    await loop_asgi(app, path, WARM_UP)
    return await loop_asgi(app, path, seconds)


def main(interface: str, path: str, seconds: float) -> None:
    if interface == "wsgi":
        loop_wsgi(path, WARM_UP)
        requests, elapsed = loop_wsgi(path, seconds)
    else:
        import uvloop

        requests, elapsed = uvloop.run(warm_and_loop_asgi(interface, path, seconds))
    print(json.dumps({"requests": requests, "seconds": elapsed}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
