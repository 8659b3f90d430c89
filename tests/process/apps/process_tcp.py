"""An ASGI application for TCP: answers each line once, with the worker's process ID.

A line is processed when its answer has been handed to `send`; `seen` in the output names it.
"""

import os

PID = b"%d" % os.getpid()


async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})
    elif scope["type"] == "tcp":
        await lines(receive, send)
    elif scope["type"] == "udp":
        await datagrams(receive, send)
    else:
        raise ValueError(scope["type"])


async def lines(receive, send):
    await receive()
    await send({"type": "tcp.accept"})
    rest = b""
    while True:
        message = await receive()
        if message["type"] != "tcp.receive":
            return
        *complete, rest = (rest + message["bytes"]).split(b"\n")
        for line in complete:
            # In one piece: the workers share the pipe.
            os.write(1, b"seen %b\n" % line)
            await send({"type": "tcp.send", "bytes": b"%b %b\n" % (line, PID)})
        if not message["more"]:
            return


async def datagrams(receive, send):
    while (message := await receive())["type"] == "udp.receive":
        os.write(1, b"seen %b\n" % message["bytes"])
        answer = b"%b %b" % (message["bytes"], PID)
        await send({"type": "udp.send", "bytes": answer, "client": message["client"]})
