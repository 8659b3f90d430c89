"""Middleware that compresses responses compresses files, too: they come through it as bodies,
because nothing offers the application to leave them to the server."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brotli
import pytest
from asgi_gzip import GZipMiddleware as AsgiGzip
from brotli_asgi import BrotliMiddleware
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette_compress import CompressMiddleware

from support.inprocess import Served

TEXT = b"h1 { color: black; }\n" * 5000

READERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "br": brotli.decompress,
}


@pytest.fixture
def site(tmp_path: Path) -> Any:
    (tmp_path / "style.css").write_bytes(TEXT)
    return Starlette(routes=[Mount("/", StaticFiles(directory=tmp_path))])


@pytest.mark.parametrize(
    ("middleware", "encoding"),
    [
        (BrotliMiddleware, "br"),
        (GZipMiddleware, "gzip"),
        (CompressMiddleware, "gzip"),
        (AsgiGzip, "gzip"),
    ],
)
def test_a_static_file_is_compressed(site: Any, middleware: Any, encoding: str) -> None:
    with Served(middleware(site), interface="asgi3", lifespan="off") as served:
        response = served.request("GET", "/style.css", [("Accept-Encoding", encoding)])
    assert response.status == 200
    assert response.header("content-encoding") == encoding
    assert "accept-encoding" in (response.header("vary") or "").lower()
    assert READERS[encoding](response.body) == TEXT


def test_without_such_middleware_the_server_may_send_it(site: Any) -> None:
    """By the kernel; the response is the same."""
    kinds: list[str] = []

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        async def note(message: Any) -> None:
            kinds.append(message["type"])
            await send(message)

        await site(scope, receive, note)

    options = {"interface": "asgi3", "lifespan": "off"}
    with Served(watched, asgi_extensions="+http.response.pathsend", **options) as served:
        assert served.request("GET", "/style.css").body == TEXT
    assert kinds == ["http.response.start", "http.response.pathsend"]
