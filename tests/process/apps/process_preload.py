"""A worker's process, and the time of its import. The file `version` has options:

large       30 MB are made at import
threads     a thread is started at import
hangs       the import does not come to an end
"""

import os
import random
import threading

# In one write: the test waits for the whole line.
print(f"imported by {os.getpid()}\n", end="")

from process_workers import VERSION, wsgi  # noqa: E402  # the import above it may fail
from process_workers import asgi as plain  # noqa: E402

never = threading.Event()


def hold_the_import():
    never.wait()


if VERSION == "large":
    TEXTS = [f"{number:0100}" for number in range(200_000)]
if VERSION == "threads":
    threading.Thread(target=never.wait, name="of the application", daemon=True).start()
if VERSION == "hangs":
    hold_the_import()


async def asgi(scope, receive, send):
    if scope["type"] == "http" and scope["path"] == "/random":
        body = f"{os.getpid()} {random.random()}".encode()
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": body})
    else:
        await plain(scope, receive, send)


__all__ = ["asgi", "wsgi"]
