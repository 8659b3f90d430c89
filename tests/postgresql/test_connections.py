"""With connections that stay there are as many as threads, whatever is asked."""

import asyncio
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

import pytest

from support.server import running

SITE = Path(__file__).parent / "site"
REQUESTS = 10_000
CLIENTS = 32
DEADLINE = 100
# Of each side.
THREADS = 5

pytestmark = [pytest.mark.postgresql, pytest.mark.timeout(DEADLINE + 20)]


async def ask(port: int, targets: list[str]) -> list[int]:
    """REQUESTS requests by CLIENTS clients that keep their connections; the numbers of connections
    that were answered on the way."""
    left = islice(cycle(targets), REQUESTS)
    seen: list[int] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for target in left:
            writer.write(f"GET {target} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            assert head.startswith("http/1.1 200 "), head
            length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
            answer = int(await reader.readexactly(length))
            if "connections" in target:
                seen.append(answer)
            else:
                assert answer == 1
        writer.close()
        await writer.wait_closed()

    async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as tasks:
        for _ in range(CLIENTS):
            tasks.create_task(client())
    return seen


@pytest.mark.parametrize(("side", "views"), [("wsgi", ["query"]), ("asgi", ["query", "thread"])])
def test_as_many_connections_as_threads(
    database: str, connections: Callable[[], int], side: str, views: list[str]
) -> None:
    targets = [f"/{side}/{view}/" for view in views] * 10 + [f"/{side}/connections/"]
    args = (f"--threads={THREADS}", "--no-access-log")
    with running("activity", *args, cwd=SITE, env={"ACTIVITY_HOST": database}) as server:
        seen = asyncio.run(ask(server.port, targets))
        assert len(seen) >= REQUESTS // len(targets)
        assert max(seen) == THREADS
        assert connections() == THREADS
        assert server.stop() == 0
    assert connections() == 0
