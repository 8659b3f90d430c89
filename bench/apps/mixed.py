"""The applications of the soak and the attacks: each path is another difficulty for a server.
`wsgi` is for a mount beside `asgi`.
"""

import os

from apps.payloads import HELLO

LARGE = b"0123456789abcdef" * (1 << 16)  # 1 MiB


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        await live(receive, send)
    elif scope["type"] == "websocket":
        await echo_messages(receive, send)
    else:
        await PATHS.get(scope["path"], hello)(receive, send)


async def live(receive, send):
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def respond(send, body):
    fields = [
        (b"content-length", b"%d" % len(body)),
        (b"x-worker", b"%d" % os.getpid()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def hello(receive, send):
    await respond(send, HELLO)


async def large(receive, send):
    await respond(send, LARGE)


async def upload(receive, send):
    """Answers with the number of bytes that came."""
    count, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        count += len(message["body"])
        more = message["more_body"]
    await respond(send, b"%d" % count)


async def wait(receive, send):
    """Sends nothing, and returns when the client has disconnected."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def echo_messages(receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


PATHS = {"/large": large, "/upload": upload, "/wait": wait}


def wsgi(environ, start_response):
    if environ["PATH_INFO"] == "/upload":
        body = b"%d" % sum(map(len, iter(lambda: environ["wsgi.input"].read(65536), b"")))
    else:
        body = LARGE if environ["PATH_INFO"] == "/large" else HELLO
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
