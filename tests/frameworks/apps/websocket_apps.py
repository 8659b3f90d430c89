"""Bare WSGI applications with WebSockets."""

import threading
from typing import Any
from wsgiref.validate import validator

import bascule

Environ = dict[str, Any]


def echo(environ: Environ, start_response: Any) -> list[bytes]:
    ws = bascule.websocket(environ)
    for message in ws:
        ws.send(message)
    return []


def stubborn(environ: Environ, start_response: Any) -> list[bytes]:
    """Never uses its WebSocket again."""
    environ["wsgi.websocket"].send("ready")
    threading.Event().wait()
    return []


@validator
def validated(environ: Environ, start_response: Any) -> list[bytes]:
    if environ["PATH_INFO"] == "/refused":
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"not here"]
    echo(environ, start_response)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"nobody sees this"]
