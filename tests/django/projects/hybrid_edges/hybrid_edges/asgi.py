"""Django for requests, an echo for WebSockets, and a lifespan that leaves a word in the state."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hybrid_edges.settings")

django = get_asgi_application()


async def application(scope, receive, send):
    if scope["type"] == "http":
        await django(scope, receive, send)
    elif scope["type"] == "websocket":
        await echo(scope, receive, send)
    else:
        await lifespan(scope, receive, send)


async def echo(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        word = scope["state"]["word"]
        await send({"type": "websocket.send", "text": f"{word} {scope['path']} {message['text']}"})


async def lifespan(scope, receive, send):
    await receive()
    scope["state"]["word"] = "started"
    await send({"type": "lifespan.startup.complete"})
    await receive()
    print("lifespan has ended", flush=True)
    await send({"type": "lifespan.shutdown.complete"})
