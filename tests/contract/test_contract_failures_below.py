"""A response that cannot be sent, because something below the application fails, is aborted."""

from pathlib import Path
from typing import Any

import pytest

from support.inprocess import Served

HEAD = {"type": "http.response.start", "status": 200, "headers": []}


class BrokenLog:
    """An access log that fails at one path, when the response is complete."""

    def record(self, client: str, method: str, target: bytes, *rest: Any) -> None:
        if target == b"/broken":
            raise LookupError("the log is broken")


async def whole(scope: Any, receive: Any, send: Any) -> None:
    await send(HEAD)
    await send({"type": "http.response.body", "body": b"something"})


async def in_pieces(scope: Any, receive: Any, send: Any) -> None:
    await send(HEAD)
    await send({"type": "http.response.body", "body": b"some", "more_body": True})
    await send({"type": "http.response.body", "body": b"thing"})


async def with_trailers(scope: Any, receive: Any, send: Any) -> None:
    await send({**HEAD, "trailers": True})
    await send({"type": "http.response.body", "body": b"something"})
    await send({"type": "http.response.trailers", "headers": []})


async def file(scope: Any, receive: Any, send: Any) -> None:
    await send(HEAD)
    await send({"type": "http.response.pathsend", "path": str(scope["app"])})


async def without_body(scope: Any, receive: Any, send: Any) -> None:
    await send({**HEAD, "status": 204})
    await send({"type": "http.response.body", "more_body": True})
    await send({"type": "http.response.body"})


def wsgi_whole(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [])
    return [b"something"]


def wsgi_in_pieces(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [])
    yield b"some"
    yield b"thing"


def wsgi_with_length(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [("Content-Length", "9")])
    return iter([b"some", b"thing"])


def serve_path(app: Any, path: Path) -> Any:
    async def served(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "app": path}, receive, send)

    return served


def broken(served: Served) -> None:
    """Ask for a response whose completion fails, then for one whose does not."""
    served.hub.access = BrokenLog()
    client = served.connect()
    client.open("GET", "/broken")
    while client.read():
        pass
    served.wait_until_unconnected()
    served.wait_until_idle()
    assert served.request("GET", "/fine").status in (200, 204)
    served.wait_until_quiet()
    assert "the log is broken" in served.taken_log()
    served.hub.access = None


@pytest.mark.parametrize("app", [whole, in_pieces, with_trailers, file, without_body])
def test_asgi(loop_kind: str, app: Any, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"something")
    with Served(serve_path(app, path), loop_kind, interface="asgi3", lifespan="off") as served:
        broken(served)


def test_asgi_with_a_large_file(loop_kind: str, tmp_path: Path) -> None:
    """A task of the connection sends it, and completes the response."""
    path = tmp_path / "file"
    path.write_bytes(bytes(1_000_000))
    with Served(serve_path(file, path), loop_kind, interface="asgi3", lifespan="off") as served:
        broken(served)


@pytest.mark.parametrize("threads", [0, 2])
@pytest.mark.parametrize("app", [wsgi_whole, wsgi_in_pieces, wsgi_with_length])
def test_wsgi(loop_kind: str, app: Any, threads: int) -> None:
    with Served(app, loop_kind, interface="wsgi", threads=threads) as served:
        broken(served)


@pytest.mark.parametrize("threads", [0, 2])
def test_wsgi_file(loop_kind: str, threads: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"something")

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](path.open("rb"))

    with Served(app, loop_kind, interface="wsgi", threads=threads) as served:
        broken(served)
