"""The ASGI apps measured. One small app each, so that nothing is spent on routing."""

import json

from apps.payloads import (
    FILE_READ_SIZE,
    FILE_SIZE,
    HELLO,
    JOINED,
    JSON,
    LARGE_PIECE,
    STREAM_CHUNK,
    STREAM_CHUNKS,
    TEN_KB,
    file_path,
)

HELLO_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(HELLO)),
    ],
}
HELLO_BODY = {"type": "http.response.body", "body": HELLO}
TEN_KB_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(TEN_KB)),
    ],
}
TEN_KB_BODY = {"type": "http.response.body", "body": TEN_KB}
FILE_PATH = file_path()
ACCEPT = {"type": "websocket.accept"}
GREETING = {"type": "websocket.send", "text": JOINED}
members = set()  # the `send` of every connection that joined the broadcast


async def lifespan(receive, send):
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def hello(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    await send(HELLO_START)
    await send(HELLO_BODY)


async def ten_kb(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    await send(TEN_KB_START)
    await send(TEN_KB_BODY)


async def json_(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    body = json.dumps(JSON).encode()
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def echo(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    pieces = []
    more = True
    while more:
        message = await receive()
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    body = b"".join(pieces)
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", b"application/octet-stream"),
                (b"content-length", b"%d" % len(body)),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def file(scope, receive, send):
    """By pathsend where the server has it. Elsewhere the file is read on the loop, in pieces of
    64 KB: cheaper than the thread per read of the frameworks' file responses, so it favours
    those servers.
    """
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", b"application/octet-stream"),
                (b"content-length", b"%d" % FILE_SIZE),
            ],
        }
    )
    if "http.response.pathsend" in (scope.get("extensions") or ()):
        await send({"type": "http.response.pathsend", "path": FILE_PATH})
        return
    with open(FILE_PATH, "rb") as opened:
        while piece := opened.read(FILE_READ_SIZE):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def stream(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"application/octet-stream")],
        }
    )
    for _ in range(STREAM_CHUNKS):
        await send({"type": "http.response.body", "body": STREAM_CHUNK, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def large(scope, receive, send):
    """An upload is counted, and answered with 200 only when as much came as had to; at /echo it
    comes back. A download has as many bytes as its path says.
    """
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["path"] == "/echo":
        await echo(scope, receive, send)
    elif scope["method"] == "POST":
        await count(scope, receive, send)
    else:
        await download(int(scope["path"][1:]), send)


async def count(scope, receive, send):
    wanted = int(dict(scope["headers"])[b"content-length"])
    came = 0
    more = True
    while more:
        message = await receive()
        came += len(message.get("body", b""))
        more = message.get("more_body", False)
    status = 200 if came == wanted else 400
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def download(size, send):
    headers = [
        (b"content-type", b"application/octet-stream"),
        (b"content-length", b"%d" % size),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    while size > len(LARGE_PIECE):
        await send({"type": "http.response.body", "body": LARGE_PIECE, "more_body": True})
        size -= len(LARGE_PIECE)
    await send({"type": "http.response.body", "body": LARGE_PIECE[:size]})


async def echo_websocket(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    await receive()
    await send(ACCEPT)
    while (message := await receive())["type"] == "websocket.receive":
        await send(answer_to(message))


async def broadcast(scope, receive, send):
    """Every message goes to all connections, one after the other: the loop that frameworks show
    for a chat room. A task per connection costs every server more.
    """
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    await receive()
    await send(ACCEPT)
    members.add(send)
    try:
        await send(GREETING)
        while (message := await receive())["type"] == "websocket.receive":
            answer = answer_to(message)
            for send_to_member in list(members):
                await send_to_member(answer)
    finally:
        members.discard(send)


def answer_to(message):
    """The message to send for one received: text for text, bytes for bytes. Servers may leave the
    key of the other out, or set it to None.
    """
    text = message.get("text")
    if text is not None:
        return {"type": "websocket.send", "text": text}
    return {"type": "websocket.send", "bytes": message["bytes"]}
