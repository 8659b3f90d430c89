"""Answers without reading the body (413, 401), as clients with a pool of connections meet them.

Each client posts ten times in a row over one session, and every answer must arrive: a connection
that will not carry another request has to say so (RFC 9112 section 9.6).
"""

import asyncio
import io
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import aiohttp
import pytest
import requests

from support.asgi import app, respond
from support.certificates import Certificates
from support.inprocess import Served

TIMES = 10
SIZES = [10_000, 300_000, 5_000_000]
FRAMINGS = ["length", "chunked"]
SIDES = ["asgi", "wsgi", "inline"]
# With `--threads 0` an application is called when its body is here.
WITHOUT_READING = [
    pytest.param(side, size, framing, id=f"{side}-{size}-{framing}")
    for side in SIDES
    for size in SIZES
    for framing in FRAMINGS
]
PIECE = 16_384

Post = Callable[[str, ssl.SSLContext | None, int, bool], list[int]]


@app
async def refuse_by_asgi(receive: Any, send: Any) -> None:
    await respond(send, b"too large", 413)


def refuse_by_wsgi(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    start_response("401 Unauthorized", [("Content-Length", "2")])
    yield b"no"


@pytest.fixture
def serve_side(served: Callable[..., Served]) -> Callable[..., Served]:
    def start(side: str, **options: Any) -> Served:
        if side == "asgi":
            return served(refuse_by_asgi, interface="asgi3", lifespan="off", **options).start()
        threads = 0 if side == "inline" else 4
        return served(refuse_by_wsgi, interface="wsgi", threads=threads, **options).start()

    return start


def pieces(size: int) -> Iterator[bytes]:
    for at in range(0, size, PIECE):
        yield b"x" * min(PIECE, size - at)


async def pieces_later(size: int) -> AsyncIterator[bytes]:
    for piece in pieces(size):
        yield piece


class Pinned(requests.adapters.HTTPAdapter):
    """Sends through connections of a given context."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self.context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self.context, **options)


def by_requests(url: str, context: ssl.SSLContext | None, size: int, chunked: bool) -> list[int]:
    with requests.Session() as session:
        session.mount("https://", Pinned(context))
        # Environment variables of proxies must not have an effect here.
        session.trust_env = False
        return [
            session.post(url, data=pieces(size) if chunked else b"x" * size).status_code
            for _ in range(TIMES)
        ]


def by_aiohttp(url: str, context: ssl.SSLContext | None, size: int, chunked: bool) -> list[int]:
    socks: list[socket.socket] = []

    def make_socket(address: Any) -> socket.socket:
        socks.append(socket.socket(*address[:3]))
        return socks[-1]

    async def post(session: aiohttp.ClientSession) -> int:
        data: Any = pieces_later(size) if chunked else io.BytesIO(b"x" * size)
        async with session.post(url, data=data, ssl=context or True) as response:
            await response.read()
            return response.status

    async def run() -> list[int]:
        connector = aiohttp.TCPConnector(socket_factory=make_socket)
        async with aiohttp.ClientSession(connector=connector) as session:
            statuses = [await post(session) for _ in range(TIMES)]
        # The session does not wait until its connections are closed.
        while any(sock.fileno() >= 0 for sock in socks):
            await asyncio.sleep(0)
        return statuses

    return asyncio.run(run())


@pytest.mark.parametrize("post", [by_requests, by_aiohttp])
@pytest.mark.parametrize(("side", "size", "framing"), WITHOUT_READING)
def test_all_of_ten_arrive(
    serve_side: Callable[..., Served], side: str, size: int, framing: str, post: Post
) -> None:
    served = serve_side(side)
    url = f"http://127.0.0.1:{served.port}/"
    assert post(url, None, size, framing == "chunked") == [401 if side != "asgi" else 413] * TIMES


@pytest.mark.parametrize("post", [by_requests, by_aiohttp])
@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("side", ["asgi", "wsgi"])
def test_all_of_ten_arrive_over_tls(
    serve_side: Callable[..., Served],
    certificates: Certificates,
    side: str,
    framing: str,
    post: Post,
) -> None:
    """There a connection has no half that could be closed alone."""
    served = serve_side(side, **certificates.settings)
    url = f"https://127.0.0.1:{served.port}/"
    wanted = [401 if side != "asgi" else 413] * TIMES
    assert post(url, certificates.context(), 2_000_000, framing == "chunked") == wanted
