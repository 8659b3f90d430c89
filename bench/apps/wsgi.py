"""The WSGI apps measured: the same answers as apps.asgi, one small app each."""

import json

from apps.payloads import (
    FILE_READ_SIZE,
    FILE_SIZE,
    HELLO,
    JOINED,
    JSON,
    STREAM_CHUNK,
    STREAM_CHUNKS,
    TEN_KB,
    file_path,
)

HELLO_HEADERS = [
    ("Content-Type", "text/plain; charset=utf-8"),
    ("Content-Length", str(len(HELLO))),
]
TEN_KB_HEADERS = [
    ("Content-Type", "text/plain; charset=utf-8"),
    ("Content-Length", str(len(TEN_KB))),
]
FILE_PATH = file_path()
members = set()  # the WebSocket of every connection that joined the broadcast


def hello(environ, start_response):
    start_response("200 OK", list(HELLO_HEADERS))
    return [HELLO]


def ten_kb(environ, start_response):
    start_response("200 OK", list(TEN_KB_HEADERS))
    return [TEN_KB]


def json_(environ, start_response):
    body = json.dumps(JSON).encode()
    start_response(
        "200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    )
    return [body]


def echo(environ, start_response):
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    start_response(
        "200 OK",
        [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(body)))],
    )
    return [body]


def pieces_of(opened):
    with opened:
        while piece := opened.read(FILE_READ_SIZE):
            yield piece


def file(environ, start_response):
    opened = open(FILE_PATH, "rb")  # noqa: SIM115 (the server closes it, after the last byte)
    start_response(
        "200 OK",
        [("Content-Type", "application/octet-stream"), ("Content-Length", str(FILE_SIZE))],
    )
    wrapper = environ.get("wsgi.file_wrapper")
    return wrapper(opened, FILE_READ_SIZE) if wrapper else pieces_of(opened)


def stream(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return (STREAM_CHUNK for _ in range(STREAM_CHUNKS))


def echo_websocket(environ, start_response):
    websocket = environ["wsgi.websocket"]
    while (message := websocket.receive()) is not None:
        websocket.send(message)
    return []


def broadcast(environ, start_response):
    """As apps.asgi.broadcast; each connection has a thread, and sends to the others from it."""
    websocket = environ["wsgi.websocket"]
    members.add(websocket)
    try:
        websocket.send(JOINED)
        while (message := websocket.receive()) is not None:
            for member in list(members):
                member.send(message)
    finally:
        members.discard(websocket)
    return []
