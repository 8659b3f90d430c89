"""A site for real HTTP/2 clients: a page, an upload, an endless response, a WebSocket."""

import asyncio
import hashlib
from typing import Any

PAGE = b"""<!doctype html>
<meta charset="utf-8">
<title>HTTP/2</title>
<p id="seen"></p>
<script>
addEventListener("load", () => {
  const entry = performance.getEntriesByType("navigation")[0];
  document.getElementById("seen").textContent = entry.nextHopProtocol;
});
async function upload(size) {
  const body = new Uint8Array(size).fill(97);
  const answer = await fetch("/upload", {method: "POST", body});
  return answer.text();
}
async function leave() {
  const leaving = new AbortController();
  const answer = await fetch("/endless", {signal: leaving.signal});
  await answer.body.getReader().read();
  leaving.abort();
  return (await fetch("/left")).text();
}
function talk(text) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`wss://${location.host}/socket`);
    const heard = [];
    socket.onopen = () => socket.send(text);
    socket.onerror = () => reject(new Error("the WebSocket has failed"));
    socket.onmessage = (event) => heard.push(event.data);
    socket.onclose = (event) => resolve([...heard, event.code]);
  });
}
</script>
"""

left = asyncio.Event()


async def answer(
    send: Any, body: bytes, status: int = 200, kind: bytes = b"text/plain", more: bool = False
) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-type", kind), (b"cache-control", b"no-store")],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def upload(receive: Any, send: Any) -> None:
    """Answers with the size and the digest of what came."""
    digest, size, more = hashlib.sha256(), 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        digest.update(message["body"])
        size += len(message["body"])
        more = message["more_body"]
    await answer(send, f"{size} {digest.hexdigest()}".encode())


async def endless(receive: Any, send: Any) -> None:
    await answer(send, b"first", more=True)
    while (await receive())["type"] != "http.disconnect":
        pass
    left.set()


async def converse(scope: Any, receive: Any, send: Any) -> None:
    """Says the version of HTTP that it came by, echoes one message and closes."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": scope["http_version"]})
    message = await receive()
    await send({"type": "websocket.send", "text": message["text"]})
    await send({"type": "websocket.close", "code": 4000})


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        return
    path = scope["path"]
    if scope["type"] == "websocket":
        await converse(scope, receive, send)
    elif path == "/upload":
        await upload(receive, send)
    elif path == "/endless":
        await endless(receive, send)
    elif path == "/private":
        # The body is not read.
        await answer(send, b"who are you?", status=401)
    elif path == "/spaced":
        await answer(send, b"spaced", kind=b" text/plain; ")
    elif path == "/left":
        # Wait until the other client has disconnected.
        await left.wait()
        await answer(send, b"left")
    elif path == "/large":
        await answer(send, b"x" * 3_000_000)
    elif path.startswith("/large/"):
        await answer(send, b"x" * int(path.removeprefix("/large/")))
    elif path == "/":
        await answer(send, PAGE, kind=b"text/html; charset=utf-8")
    else:
        await answer(send, f"{scope['http_version']} {path}".encode())
