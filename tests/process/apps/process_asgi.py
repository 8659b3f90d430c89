"""An ASGI application for tests of processes: what it does stands in the path."""

import asyncio
import threading
import time

LARGE = b"0123456789abcdef" * 65536


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await live(receive, send)
    elif scope["type"] == "websocket":
        await SOCKETS.get(scope["path"], echo_messages)(scope, receive, send)
    else:
        await PATHS.get(scope["path"], hello)(scope, receive, send)


async def live(receive, send):
    while True:
        message = await receive()
        print(message["type"], "seen")
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def respond(send, body, *headers):
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def read(receive):
    """The whole body, or None where the client left."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message["body"]
        more = message["more_body"]
    return body


async def hello(scope, receive, send):
    await respond(send, b"hello from asgi", (b"content-type", b"text/plain"))


async def echo(scope, receive, send):
    body = await read(receive)
    if body is not None:
        await respond(send, body)


async def large(scope, receive, send):
    await respond(send, LARGE)


async def stream(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(8):
        await send({"type": "http.response.body", "body": LARGE, "more_body": True})
    await send({"type": "http.response.body"})


async def stubborn(scope, receive, send):
    """Answers nothing, and does not let itself be cancelled."""
    await receive()
    print("stubborn begins")
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            print("stubborn was cancelled")


async def block(scope, receive, send):
    """Stops the whole loop."""
    print("the loop is blocked")
    threading.Event().wait()


async def nap(scope, receive, send):
    """Stops the loop for as many seconds as the query says."""
    time.sleep(float(scope["query_string"]))
    await hello(scope, receive, send)


async def guilty():
    await asyncio.Event().wait()


async def hang(scope, receive, send):
    """Answers nothing."""
    await guilty()


async def fail(scope, receive, send):
    raise ZeroDivisionError("the application's own")


async def client(scope, receive, send):
    """The client's certificate."""
    tls = scope["extensions"].get("tls", {})
    name = tls.get("client_cert_name") or "none"
    await respond(send, f"{scope['scheme']} {name} {scope['client'] and 'tcp'}".encode())


async def turns(scope, receive, send):
    """Takes as many turns of the loop as the query says."""
    for _ in range(int(scope["query_string"] or b"0")):
        await asyncio.sleep(0)
    await respond(send, b"after %b turns" % scope["query_string"])


PATHS = {
    "/echo": echo,
    "/large": large,
    "/stream": stream,
    "/stubborn": stubborn,
    "/block": block,
    "/nap": nap,
    "/hang": hang,
    "/fail": fail,
    "/client": client,
    "/turns": turns,
}


async def echo_messages(scope, receive, send):
    """Answers every message with itself, and says how it ended."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})
    print(f"closed with {message['code']}")


async def deaf(scope, receive, send):
    """Accepts, and hears nothing until it is cancelled."""
    await send({"type": "websocket.accept"})
    await asyncio.Event().wait()


async def going_away(scope, receive, send):
    """Has clients told that the page, not the service, is over."""
    await receive()
    await send({"type": "websocket.accept", "bascule.stop_code": 1001})
    await receive()


SOCKETS = {"/deaf": deaf, "/going-away": going_away}


async def no_startup(scope, receive, send):
    assert scope["type"] == "lifespan"
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database at db:5432"})


async def endless_startup(scope, receive, send):
    assert scope["type"] == "lifespan"
    print("startup begins")
    await asyncio.Event().wait()


async def endless_shutdown(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("shutdown begins")
        await asyncio.Event().wait()
    else:
        await hello(scope, receive, send)
