"""A worker's process. The file `version` is read at import, like code: the import fails if it
contains `broken`.
"""

import os
import threading

with open("version") as file:
    VERSION = file.read().strip()
if VERSION == "broken":
    raise RuntimeError("this version is broken")

never = threading.Event()


def hold_the_loop():
    never.wait()


def answer(path, query):
    if path == "/die":
        os._exit(7)
    if path == "/block":
        hold_the_loop()
    if path == "/fail":
        return 500, "failed"
    if path == "/echo":
        return 200, query
    return 200, f"{os.getpid()} {VERSION}"


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": str(os.getpid())})
        await receive()
        return
    status, text = answer(scope["path"], scope["query_string"].decode())
    length = (b"content-length", str(len(text)).encode())
    worker = (b"x-worker", str(os.getpid()).encode())
    await send({"type": "http.response.start", "status": status, "headers": [length, worker]})
    await send({"type": "http.response.body", "body": text.encode()})


def wsgi(environ, start_response):
    status, text = answer(environ["PATH_INFO"], environ["QUERY_STRING"])
    fields = [("Content-Length", str(len(text))), ("X-Worker", str(os.getpid()))]
    start_response(f"{status} so", fields)
    return [text.encode()]
