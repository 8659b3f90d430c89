"""The parts of the ASGI applications of the contract tests."""

from collections.abc import Iterable
from typing import Any

Pairs = Iterable[Iterable[bytes]]


async def start(send: Any, status: int = 200, headers: Pairs | None = None, **more: Any) -> None:
    """http.response.start, without `headers` where there are none."""
    message = {"type": "http.response.start", "status": status, **more}
    if headers is not None:
        message["headers"] = headers
    await send(message)


async def body(send: Any, data: bytes = b"", more: bool = False) -> None:
    """http.response.body."""
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def respond(
    send: Any, data: bytes = b"", status: int = 200, headers: Pairs | None = None
) -> None:
    """A whole response."""
    await start(send, status, headers)
    await body(send, data)


async def read_messages(receive: Any) -> list[dict[str, Any]]:
    """The messages of the request body, up to the one that ends it."""
    messages = [await receive()]
    while messages[-1].get("more_body"):
        messages.append(await receive())
    return messages


async def read_body(receive: Any) -> bytes:
    """The request body."""
    return b"".join(message["body"] for message in await read_messages(receive))


def app(function: Any) -> Any:
    """Make an application of `function(receive, send)`, where the scope does not matter."""

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await function(receive, send)

    return application


def mutable_parts(value: Any) -> dict[int, Any]:
    """Every dict and list inside `value`, by identity."""
    found: dict[int, Any] = {id(value): value} if isinstance(value, dict | list) else {}
    children = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list | tuple):
        for child in children:
            found |= mutable_parts(child)
    return found
